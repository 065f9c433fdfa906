//! HTTP, both ways: the one outbound client, and what the receivers share.

pub mod client;
