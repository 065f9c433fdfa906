//! What std lacks: small tools with no idea of telemetry. Floor 0, imports nothing of ours.

pub mod backoff;
pub mod bytesize;
pub mod calendar;
pub mod clock;
pub mod durable;
pub mod duration;
pub mod host;
pub mod json;
pub mod live;
pub mod packed;
pub mod percent;
pub mod problem;
pub mod secret;
pub mod segments;
pub mod tasks;
