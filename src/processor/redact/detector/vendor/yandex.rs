//! `yandex-token`: API keys and tokens of Yandex Cloud.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "yandex-token",
    "API keys and tokens of Yandex Cloud",
    &["AQVN{url:35-38}", "y0_{url:50-90}", "t1.{alnum:60-200}{=:0-2}.{url:80-100}"],
    &[
        "\n«AQVN20iRwG4_44dDdZ6N-aNZ4gfttnIW7L4v4kb»\n",
        "(\"«y0_2nCbKaU_SmnlGTi4Wm9IiATCK3YnfqoA1PHfSS0YVSE4Qv7-UV»\")",
        "?k=«t1.RRQlBICr6XxG8kKyvmJf70So0oKzNiif1POPPctBWoHTuxGX6Rh1XSdyv9a5.03-MfVAS72rc8ZG3TLZ0aoqb4974Ldna9g_P8hCME3lLn3LDBdJJ8vdg72nkjTP_8xk7dbwZ07q-72Qt»&x=1",
    ],
    &["t1.micro", "AQVNyour-key-goes-here-0123"],
);
