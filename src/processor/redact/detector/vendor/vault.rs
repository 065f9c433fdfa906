//! `vault-token`: tokens of HashiCorp Vault.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "vault-token",
    "tokens of HashiCorp Vault",
    &["hvs.{url:24-300}", "hvb.{url:100-400}", "hvr.{url:24-300}"],
    &[
        "curl -H \"X-Key: «hvs.fYV-EH_hpsRb_6YL3BebE7mq»\"",
        "key: «hvb.leClrV0dU-o17x0xo4l9TVmlxU7z9s8xAQE51M_Yb1ZC938U_bBSKKvAilATtlsfIPwNy4Doobl5Nxx0xkti1eK7cJiWH8jtv9ub» # old",
        "\n«hvr.ZHrCMctIkQa99jtHH_AuD7Ua»\n",
    ],
    &["hvs.name", "hvs.your-key-goes-here-0123"],
);
