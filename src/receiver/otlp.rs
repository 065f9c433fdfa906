//! The `otlp` receiver: OTLP over gRPC and over HTTP.

mod config;

pub use config::{Config, Grpc, Http, Keepalive, KeepaliveServer, Protocols};
