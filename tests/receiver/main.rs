//! The `otlp` receiver over real sockets, with a scripted pipeline behind it.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod grpc;
mod http;
mod json;
mod limits;
mod support;
