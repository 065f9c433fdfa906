//! HTTP, both ways: the one outbound client, the one way to listen, and the encodings of bodies. And connections for what is not HTTP.

pub mod client;
pub mod compression;
pub mod dial;
pub mod server;
