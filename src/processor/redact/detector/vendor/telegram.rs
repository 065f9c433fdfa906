//! `telegram-bot-token`: tokens of Telegram bots.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "telegram-bot-token",
    "tokens of Telegram bots",
    &["{digit:8-10}:AA{url:33}"],
    &["key: «35409313:AAX2NVUPBbj_jyU-8byAhOuqVrTy7wRiP9z» # old"],
    &["12:AA:34"],
);
