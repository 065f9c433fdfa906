//! `statsig-key`: secret keys of Statsig.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "statsig-key",
    "secret keys of Statsig",
    &["secret-{alnum:43}"],
    &["curl -H \"X-Key: «secret-MdjaKsn45WXqDzlALTlsPwCGTpWBqVTGldlw6Kdo2yE»\""],
    &["secret-name", "secret-your-key-goes-here-0123"],
);
