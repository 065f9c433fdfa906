//! HTTP, both ways: the one outbound client, the one way to listen, and the encodings of bodies.

pub mod client;
pub mod compression;
pub mod server;
