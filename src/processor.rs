//! What changes telemetry on its way: the processors.

pub mod enrich;
pub mod filter;
pub mod risk;
pub mod scalar;
