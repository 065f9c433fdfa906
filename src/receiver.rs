//! What listens. A receiver turns what arrives into OTLP protobuf and hands it to the doors of the pipelines; it knows
//! no processor and no exporter.

pub mod otlp;
