//! `mailersend-token`: tokens of MailerSend.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "mailersend-token",
    "tokens of MailerSend",
    &["mlsn.{hex:64}"],
    &["\n«mlsn.fcd25491215310a53e5356b6b3dacd8e7f05554b1e1e0ee0ac414f5c500bd6cd»\n"],
    &["mlsn.short", "mlsn.your-key-goes-here-0123"],
);
