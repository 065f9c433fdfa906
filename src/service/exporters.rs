//! The table of exporters as running parts: one row makes a kind part of the graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, ExporterConfig, Id};
#[cfg(feature = "s3")]
use crate::exporter::awss3::AwsS3;
use crate::exporter::{
    ExportError, Exporter, Payload, datadog::Datadog, debug::Debug, file::File, loki::Loki, otlp_grpc::OtlpGrpc,
    otlp_http::OtlpHttp, prometheus::Prometheus, prometheusremotewrite::PrometheusRemoteWrite, splunk_hec::SplunkHec,
    syslog::Syslog,
};
use crate::pipeline::{OpenError, Pipeline, delivery};
use crate::service::{StartError, build::Deadline, build::failed};

macro_rules! exporters {
    ($($(#[$row:meta])* $kind:ident => $new:expr;)*) => {
        /// An exporter, built once however many pipelines name it. Clones are the same one.
        #[derive(Clone)]
        pub(super) enum AnyExporter {
            $($(#[$row])* $kind(Arc<$kind>),)*
        }

        impl AnyExporter {
            fn new(id: &str, config: &ExporterConfig) -> Result<Self, StartError> {
                match config {
                    $($(#[$row])* ExporterConfig::$kind(own) => {
                        let new: fn(&str, &_) -> Result<$kind, StartError> = $new;
                        Ok(Self::$kind(Arc::new(new(id, own)?)))
                    })*
                }
            }

            /// True when it asks for OTLP only.
            pub(super) fn wants_otlp(&self) -> bool {
                match self {
                    $($(#[$row])* Self::$kind(it) => it.wants_otlp(),)*
                }
            }

            /// Starts its delivery loop on a pipeline.
            pub(super) fn attach(
                &self,
                id: &str,
                pipeline: &Pipeline,
                settings: delivery::Settings,
                stop: Deadline,
            ) -> Result<(), OpenError> {
                match self {
                    $($(#[$row])* Self::$kind(it) => pipeline.attach(id, it.clone(), settings, stop),)*
                }
            }

            /// Sends a payload once, without a pipeline.
            pub(super) async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
                match self {
                    $(Self::$kind(it) => it.export(payload).await,)*
                }
            }

            /// Lets the exporter finish what it has open.
            pub(super) async fn close(&self) -> Result<(), ExportError> {
                match self {
                    $($(#[$row])* Self::$kind(it) => it.close().await,)*
                }
            }
        }
    };
}

exporters! {
    OtlpHttp => |id, own| OtlpHttp::new(id, own).map_err(failed);
    OtlpGrpc => |id, own| OtlpGrpc::new(id, own).map_err(failed);
    Loki => |id, own| Loki::new(id, own).map_err(failed);
    Datadog => |id, own| Datadog::new(id, own).map_err(failed);
    Prometheus => |id, own| Prometheus::new(id, own).map_err(failed);
    PrometheusRemoteWrite => |id, own| PrometheusRemoteWrite::new(id, own).map_err(failed);
    File => |_, own| Ok(File::new(own));
    SplunkHec => |id, own| SplunkHec::new(id, own).map_err(failed);
    Syslog => |id, own| Syslog::new(id, own).map_err(failed);
    Debug => |id, own| Ok(Debug::new(id, own));
    #[cfg(feature = "s3")]
    AwsS3 => |_, own| AwsS3::new(own).map_err(failed);
}

/// One exporter of a configuration.
pub(super) fn one(config: &Config, id: &Id) -> Result<AnyExporter, StartError> {
    let (own, _) = config.exporters.get(id).ok_or_else(|| failed(format!("no exporter `{id}`")))?;
    AnyExporter::new(&id.to_string(), own)
}

/// All exporters of a configuration. Nothing is connected yet. One with the same settings as `before` is taken over from there.
pub(super) fn build(
    config: &Config,
    before: Option<(&Config, &BTreeMap<Id, AnyExporter>)>,
) -> Result<BTreeMap<Id, AnyExporter>, StartError> {
    let same = |id: &Id, own: &ExporterConfig| {
        let (old, running) = before?;
        let (same, _) = old.exporters.get(id)?;
        running.get(id).filter(|_| same == own).cloned()
    };
    let new = |(id, (own, _)): (&Id, &(ExporterConfig, _))| {
        let exporter = same(id, own).map_or_else(|| AnyExporter::new(&id.to_string(), own), Ok)?;
        Ok((id.clone(), exporter))
    };
    config.exporters.iter().map(new).collect()
}
