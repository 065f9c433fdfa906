//! What listens. A receiver turns what arrives into OTLP protobuf and hands it to the doors of the pipelines; it knows
//! no processor and no exporter.
//!
//! `otlp` is the receiver of configuration files. Its two protocols, `otlp_http` and `otlp_grpc`, read a request
//! (`body`), pass it through the door they share (`door`, where `guard` asks who it is and `quota` counts) and answer in the words of `status`.
//! `otlp_file` reads files, and goes through the same door.

mod body;
mod door;
mod guard;
pub mod otlp;
pub mod otlp_file;
mod otlp_grpc;
mod otlp_http;
mod quota;
mod status;

pub use door::{Route, Routes};
pub use quota::Limits;
