//! `vercel-token`: tokens of Vercel.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "vercel-token",
    "tokens of Vercel",
    &["vcp_{alnum:24-64}", "vck_{alnum:24-64}", "vercel_blob_rw_{alnum:16}_{alnum:30}"],
    &[
        "key: «vcp_V9rrJWa7UO1hTH9FEQWsG6JN» # old",
        "\n«vck_Cek0F4itqTh3z4beZ1qpcZIR»\n",
        "(\"«vercel_blob_rw_mDz58Z699uKkVHQ9_zNFHGIn8qF2k2vSrSeGOKlQHa6CsBn»\")",
    ],
    &["vcp_short", "vcp_your-key-goes-here-0123"],
);
