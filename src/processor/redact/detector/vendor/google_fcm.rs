//! `google-fcm-key`: server keys of Firebase cloud messaging.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "google-fcm-key",
    "server keys of Firebase cloud messaging",
    &["{url:11}:APA91b{url:130-150}"],
    &[
        "curl -H \"X-Key: «40EpBfWxXIQ:APA91btUvCSYN_O-yuYbawnF6GTmWrG1jQ4ILUNWh__UchpW5Nt6eP9raIsyfYwJELd10kW_UJPu_gSrzhuNvNgMXUxIN8zP4ZnHUYOX8IoA5-0uOftJ80jJYUYKpH5bfNTUHFim»\"",
    ],
    &["x:APA91b"],
);
