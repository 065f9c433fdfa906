//! `hubspot-token`: private app tokens of HubSpot.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "hubspot-token",
    "private app tokens of HubSpot",
    &["pat-na1-{uuid:36}", "pat-na2-{uuid:36}", "pat-eu1-{uuid:36}"],
    &[
        "«pat-na1-469a62c0-50bf-472f-8bf6-66f69e87a1d5»",
        "use «pat-na2-ad0b5704-8efc-4487-838d-444a157d52ed», please",
        "curl -H \"X-Key: «pat-eu1-8748d31d-3092-4954-8d2c-93e7fb6d28c5»\"",
    ],
    &["pat-na1-x", "pat-na1-your-key-goes-here-0123"],
);
