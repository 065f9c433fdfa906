//! `slack-webhook`: webhook addresses of Slack.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "slack-webhook",
    "webhook addresses of Slack",
    &[
        "hooks.slack.com/services/T{upper:8-12}/B{upper:8-12}/{alnum:24}",
        "hooks.slack.com/workflows/T{upper:8-12}/A{upper:8-12}/{digit:17-19}/{alnum:24}",
        "hooks.slack.com/triggers/T{upper:8-12}/{digit:10-16}/{hex:32}",
    ],
    &[
        "?k=«hooks.slack.com/services/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»&x=1",
        "export TOKEN=«hooks.slack.com/workflows/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»",
        "«hooks.slack.com/triggers/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»",
    ],
    &["hooks.slack.com/services/T00/B00/X", "hooks.slack.com/services/Tyour-key-goes-here-0123"],
);
