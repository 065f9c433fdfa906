//! `doppler-token`: tokens of Doppler.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "doppler-token",
    "tokens of Doppler",
    &[
        "dp.pt.{alnum:40-44}",
        "dp.ct.{alnum:40-44}",
        "dp.sa.{alnum:40-44}",
        "dp.scim.{alnum:40-44}",
        "dp.audit.{alnum:40-44}",
        "dp.st.{alnum:40-44}",
        "dp.st.{lower:1-35}.{alnum:40-44}",
    ],
    &[
        "curl -H \"X-Key: «dp.pt.EuxqyhxEykCpZj6R5aDT6mZck71oe7N3x4ViXC9g»\"",
        "key: «dp.ct.77y1bOeCvu0oEhOxjvoVdlTCJ4jC3jrAApjbrK1s» # old",
        "\n«dp.sa.vZkqFguD5EhjGdO5YQ7nJE1shqWmxBqp7pgysA5k»\n",
        "(\"«dp.scim.d1UsjObCZGvGiCaY18HslxBc6AnrKli1lHXoTlmM»\")",
        "?k=«dp.audit.f1f4MUFWrlniNQTOZmLtmaeSUHA1U6dHZwvs1O38»&x=1",
        "export TOKEN=«dp.st.FfaA6WEi3QrplK1xckSxKM2awH7C9HehwTp0136u»",
    ],
    &["dp.pt.short", "dp.pt.your-key-goes-here-0123"],
);
