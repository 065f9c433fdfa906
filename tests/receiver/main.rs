//! The `otlp` receiver over real sockets, with a scripted pipeline behind it.

mod grpc;
mod http;
mod limits;
mod support;
