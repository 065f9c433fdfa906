//! `plaid-token`: access tokens of Plaid.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "plaid-token",
    "access tokens of Plaid",
    &["access-sandbox-{uuid:36}", "access-development-{uuid:36}", "access-production-{uuid:36}"],
    &[
        "curl -H \"X-Key: «access-sandbox-c037c870-3ed2-47e9-861b-130f4c4e8bc5»\"",
        "key: «access-development-62ad69a1-b31a-4888-8dee-eea35374646f» # old",
        "\n«access-production-a6aef151-5e22-4e00-8fd2-d741d7a9fdc1»\n",
    ],
    &["access-production-logs", "access-sandbox-your-key-goes-here-0123"],
);
