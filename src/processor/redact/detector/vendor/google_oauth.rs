//! `google-oauth-secret`: client secrets, access and refresh tokens of Google OAuth.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "google-oauth-secret",
    "client secrets, access and refresh tokens of Google OAuth",
    &["GOCSPX-{url:28}", "ya29.{url:40-2000}", "1//0{url:40-400}"],
    &[
        "use «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», please",
        "curl -H \"X-Key: «ya29.lFsvtSrAzCQia9e_QiizgU0lSu__rHMg7v3XMoiG»\"",
        "key: «1//0DEz6E_gYYRWZlDR2NaM_co810M6sQBkTY7eLQlIx» # old",
    ],
    &["1//0", "ya29.x", "GOCSPX-your-key-goes-here-0123"],
);
