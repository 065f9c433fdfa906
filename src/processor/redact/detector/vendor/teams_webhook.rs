//! `teams-webhook`: webhook addresses of Microsoft Teams.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "teams-webhook",
    "webhook addresses of Microsoft Teams",
    &["webhook.office.com/webhookb2/{uuid:36}@{uuid:36}/IncomingWebhook/{hex:32}/{uuid:36}"],
    &[
        "export TOKEN=«webhook.office.com/webhookb2/f2c69f16-cf8f-4891-87fb-2233fed3a62e@38e1076e-5233-4612-8a5c-70345aeae08b/IncomingWebhook/2104c5e53a224f43ad1f4c1831864596/b72d3b99-4d81-4924-819b-d3a93c3e0c56»",
    ],
    &["webhook.office.com/webhookb2/", "webhook.office.com/webhookb2/your-key-goes-here-0123"],
);
