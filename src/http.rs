//! HTTP on both sides: one way to listen, used by every receiver and the admin port, and compression for all of them.

pub mod compression;
pub mod server;
