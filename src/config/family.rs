//! The table of components: one row makes a kind known to the configuration, its checks and its messages.

use super::delivery::Delivery;
use super::load::Reading;
use crate::otlp::Signal;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::problem::{At, Problems};

/// Receivers, processors or exporters.
pub(super) trait Family: Sized {
    /// The section's key.
    const SECTION: &'static str;
    /// One of them, in messages.
    const NAME: &'static str;
    /// Every kind, by its first name.
    const KINDS: &'static [&'static str];
    /// Keys that are not the component's own.
    const SHARED_KEYS: &'static [&'static str];

    /// Reads a component of this kind: `None` for no such kind, `Some(None)` after errors.
    fn read(kind: &str, reading: &mut Reading<'_>) -> Option<Option<Self>>;

    /// Notes what is wrong with a component that could be read.
    fn check(&self, at: &At, problems: &mut Problems);
}

macro_rules! family {
    (
        $(#[$doc:meta])* $family:ident { section: $section:literal, name: $name:literal, shared: $shared:expr }
        $($(#[$row:meta])* $variant:ident($config:ty) = $kind:literal $(also $alias:literal)?,)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $family {
            $(
                #[doc = concat!("`", $kind, "`")]
                $(#[$row])*
                $variant($config),
            )*
        }

        impl Family for $family {
            const SECTION: &'static str = $section;
            const NAME: &'static str = $name;
            const KINDS: &'static [&'static str] = &[$($(#[$row])* $kind),*];
            const SHARED_KEYS: &'static [&'static str] = $shared;

            fn read(kind: &str, reading: &mut Reading<'_>) -> Option<Option<Self>> {
                match kind {
                    $($(#[$row])* $kind $(| $alias)? => Some(reading.read().map(Self::$variant)),)*
                    _ => None,
                }
            }

            fn check(&self, at: &At, problems: &mut Problems) {
                match self {
                    $($(#[$row])* Self::$variant(config) => config.check(at, problems),)*
                }
            }
        }
    };
}

family! {
    /// A receiver of any kind.
    ReceiverConfig { section: "receivers", name: "receiver", shared: &[] }
    Otlp(Box<crate::receiver::otlp::Config>) = "otlp",
    OtlpFile(crate::receiver::otlp_file::Config) = "otlp_file",
}

family! {
    /// A processor of any kind.
    ProcessorConfig { section: "processors", name: "processor", shared: &[] }
    Enrich(Box<crate::processor::enrich::Config>) = "enrich",
    Attributes(Box<crate::processor::enrich::Attributes>) = "attributes",
    Resource(crate::processor::enrich::Resource) = "resource",
    ResourceDetection(crate::processor::enrich::ResourceDetection) = "resourcedetection",
    Redact(crate::processor::redact::Config) = "redact",
    Redaction(crate::processor::redaction::Config) = "redaction",
    RiskTag(crate::processor::risk::Config) = "risk_tag",
    Filter(crate::processor::filter::Config) = "filter",
    Seal(crate::processor::seal::Config) = "seal",
}

family! {
    /// An exporter of any kind.
    ExporterConfig { section: "exporters", name: "exporter", shared: &Delivery::KEYS }
    OtlpHttp(crate::exporter::otlp_http::Config) = "otlp_http" also "otlphttp",
    OtlpGrpc(crate::exporter::otlp_grpc::Config) = "otlp_grpc" also "otlp",
    Loki(Box<crate::exporter::loki::Config>) = "loki",
    Datadog(Box<crate::exporter::datadog::Config>) = "datadog",
    Prometheus(Box<crate::exporter::prometheus::Config>) = "prometheus",
    PrometheusRemoteWrite(Box<crate::exporter::prometheusremotewrite::Config>) = "prometheusremotewrite",
    File(crate::exporter::file::Config) = "file",
    SplunkHec(Box<crate::exporter::splunk_hec::Config>) = "splunk_hec",
    Syslog(Box<crate::exporter::syslog::Config>) = "syslog",
    Debug(crate::exporter::debug::Config) = "debug",
    #[cfg(feature = "s3")]
    AwsS3(Box<crate::exporter::awss3::Config>) = "awss3" also "s3",
}

family! {
    /// An extension of any kind.
    ExtensionConfig { section: "extensions", name: "extension", shared: &[] }
    BearerTokenAuth(crate::extension::bearertokenauth::Config) = "bearertokenauth",
    BasicAuth(crate::extension::basicauth::Config) = "basicauth",
    Oidc(Box<crate::extension::oidc::Config>) = "oidc",
}

impl ExporterConfig {
    /// Why it cannot take a signal, where it cannot.
    pub(super) fn refuses(&self, signal: Signal) -> Option<&'static str> {
        match self {
            Self::Loki(_) => crate::exporter::loki::Config::refuses(signal),
            Self::Syslog(_) => crate::exporter::syslog::Config::refuses(signal),
            Self::Prometheus(_) => crate::exporter::prometheus::Config::refuses(signal),
            Self::PrometheusRemoteWrite(_) => crate::exporter::prometheusremotewrite::Config::refuses(signal),
            _ => None,
        }
    }
}

impl ProcessorConfig {
    /// The `enrich` that it is, under whichever name.
    #[must_use]
    pub fn enrich(&self) -> Option<crate::processor::enrich::Config> {
        match self {
            Self::Enrich(own) => Some((**own).clone()),
            Self::Attributes(own) => Some(own.to_enrich()),
            Self::Resource(own) => Some(own.to_enrich()),
            Self::ResourceDetection(own) => Some(own.to_enrich()),
            _ => None,
        }
    }
}

impl ExporterConfig {
    /// True when it gathers in files below the data directory, whatever the pipeline does.
    #[must_use]
    pub const fn gathers(&self) -> bool {
        match self {
            #[cfg(feature = "s3")]
            Self::AwsS3(_) => true,
            _ => false,
        }
    }
}

impl ReceiverConfig {
    /// The addresses it listens at, each with the path of its key.
    pub(super) fn listeners(&self) -> Vec<(&'static str, String)> {
        let Self::Otlp(otlp) = self else { return Vec::new() };
        let grpc = otlp.protocols.grpc.as_ref().map(|grpc| ("protocols.grpc.endpoint", grpc.address()));
        let http = otlp.protocols.http.as_ref().map(|http| ("protocols.http.endpoint", http.address()));
        grpc.into_iter().chain(http).collect()
    }

    /// The authenticators it names, each with the path of its key.
    pub(super) fn authenticators(&self) -> Vec<(&'static str, String)> {
        let Self::Otlp(otlp) = self else { return Vec::new() };
        let grpc = otlp.protocols.grpc.as_ref().and_then(|grpc| grpc.auth.as_ref());
        let http = otlp.protocols.http.as_ref().and_then(|http| http.auth.as_ref());
        let grpc = grpc.map(|auth| ("protocols.grpc.auth.authenticator", auth.authenticator.clone()));
        grpc.into_iter()
            .chain(http.map(|auth| ("protocols.http.auth.authenticator", auth.authenticator.clone())))
            .collect()
    }

    /// Whether its senders prove who they are, whichever protocol they take.
    pub(super) fn identifies(&self) -> bool {
        // Nobody sends a file.
        let Self::Otlp(otlp) = self else { return false };
        let (grpc, http) = (&otlp.protocols.grpc, &otlp.protocols.http);
        grpc.as_ref().is_none_or(|grpc| grpc.identifies()) && http.as_ref().is_none_or(|http| http.identifies())
    }

    /// The largest request it takes.
    pub(super) fn message_bytes_max(&self) -> ByteSize {
        let Self::Otlp(otlp) = self else { return ByteSize::default() };
        let grpc = otlp.protocols.grpc.as_ref().map(|grpc| ByteSize(grpc.message_bytes_max() as u64));
        let http = otlp.protocols.http.as_ref().map(|http| http.max_request_body_size);
        grpc.max(http).unwrap_or_default()
    }
}
