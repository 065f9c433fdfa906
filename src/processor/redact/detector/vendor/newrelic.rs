//! `newrelic-key`: keys of New Relic.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "newrelic-key",
    "keys of New Relic",
    &[
        "NRAK-{upper:27}",
        "NRII-{url:32}",
        "NRIQ-{url:32}",
        "NRRA-{hex:42}",
        "NRJS-{hex:19}",
        "{hex:36}NRAL",
        "{hex:32}FFFFNRAL",
    ],
    &[
        "use «NRAK-1FRUA60W8LAMLOGNHR6UYZBE1HR», please",
        "curl -H \"X-Key: «NRII-s2Ucdg2XuVUrTVGsuuttopuN-m_07bhE»\"",
        "key: «NRIQ-2rEaETEl9X2Q8fCg5-EexziHkQlRk2Nj» # old",
        "\n«NRRA-e7459da3d51f35191a136c576d8e27e07c36d29ba7»\n",
        "(\"«NRJS-8a71cdd24221683cf86»\")",
        "?k=«3fe92f442fd405123a7178b5bd85ee5042d7NRAL»&x=1",
    ],
    &["NRAL", "NRAK-your-key-goes-here-0123"],
);
