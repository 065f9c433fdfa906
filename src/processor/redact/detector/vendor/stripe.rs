//! `stripe-key`: secret and restricted keys of Stripe, secrets of webhooks.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "stripe-key",
    "secret and restricted keys of Stripe, secrets of webhooks",
    &[
        "sk_live_{alnum:16-250}",
        "sk_test_{alnum:16-250}",
        "rk_live_{alnum:16-250}",
        "rk_test_{alnum:16-250}",
        "sk_prod_{alnum:16-250}",
        "whsec_{base64:32-100}",
    ],
    &[
        "export TOKEN=«sk_live_WfB7koV4gopdufPe»",
        "«sk_test_Xy9HwgTSc0HiIGgE»",
        "use «rk_live_LVC1uf1uSfhzgvdp», please",
        "curl -H \"X-Key: «rk_test_qMOJ9dv3whOYZW0E»\"",
        "key: «sk_prod_9pMFhnnSiaNiNX2S» # old",
        "\n«whsec_bbjwHHAomREaxz1eomCwgknKGWZT8eEi»\n",
    ],
    &["pk_live_51Hx8c2eZvKYlo2C", "sk_test_mode", "sk_live_your-key-goes-here-0123"],
);
