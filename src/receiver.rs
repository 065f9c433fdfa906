//! What listens. A receiver turns what arrives into OTLP protobuf and hands it to the doors of the pipelines; it knows
//! no processor and no exporter.
//!
//! `otlp` is the receiver of configuration files. Its two protocols, `otlp_http` and `otlp_grpc`, read a request
//! (`body`), pass it through the door they share (`door`) and answer in the words of `status`. `otlp_file` reads files.

mod body;
mod door;
pub mod otlp;
pub mod otlp_file;
mod otlp_grpc;
mod otlp_http;
mod status;

pub use door::Routes;
