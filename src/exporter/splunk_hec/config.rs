//! Settings of a `splunk_hec` exporter, in the Collector's words where it has them.

use std::collections::BTreeMap;

use http::HeaderValue;
use serde::Deserialize;

use crate::exporter::outbound::{Endpoints, Settings};
use crate::http::client::{Address, Compression, Headers, Tls};
use crate::otlp::Signal;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

/// The largest request Splunk can be set up to take: `max_content_length` of `[http_input]` in limits.conf.
const CONTENT_LENGTH_MAX: u64 = 838_860_800;
/// The path of an endpoint that has none.
const PATH: &str = "/services/collector/event";

/// Settings of a `splunk_hec` exporter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// URL of the collector, or several that stand in for each other; without a path, `/services/collector/event`.
    pub endpoint: Endpoints,
    /// The token. Never printed; take it from `${env:NAME}` or `${file:path}`.
    pub token: Secret,
    /// More tokens by name, for records whose resource names one in `token_attribute`. Default: none.
    pub tokens: BTreeMap<String, Secret>,
    /// Resource attribute with the name of one of `tokens`. A name that is not listed, or no name, means `token`: what a
    /// sender writes there chooses among these and can never be a token itself. Default: `com.splunk.hec.access_token`.
    pub token_attribute: String,
    /// `source` of events that no attribute gives one. Default: none, Splunk then takes the token's.
    pub source: String,
    /// `sourcetype` of events that no attribute gives one. Default: none.
    pub sourcetype: String,
    /// Index of events that no attribute gives one. Default: none.
    pub index: String,
    /// `host` of events that no attribute gives one. Default: none.
    pub host: String,
    /// Indexes that attributes may choose; other names are passed over. Default: empty, any that the token allows.
    pub allowed_indexes: Vec<String>,
    /// Attributes of the record, or else of the resource, that give an event its metadata.
    #[serde(alias = "hec_metadata_to_otel_attrs")]
    pub otel_attrs_to_hec_metadata: MetadataAttributes,
    /// Names of the fields for the severity.
    pub otel_to_hec_fields: FieldNames,
    /// Where attributes go: `fields` (indexed), `event` (an object with the whole record) or `both`. Default: `fields`.
    pub attributes_in: Placement,
    /// Logs go to `/services/collector/raw`, one line a record: the sealed line, or else the body, without the rest of the record.
    /// Default: `false`.
    pub export_raw: bool,
    /// `gzip` or `none`. Default: `gzip`.
    pub compression: Compression,
    /// The Collector's way to say `compression: none`. Default: `false`.
    pub disable_compression: bool,
    /// The largest request with logs, before and after compression; an event above it goes alone. Default: `2 MiB`.
    pub max_content_length_logs: ByteSize,
    /// The same for metrics. Default: `2 MiB`.
    pub max_content_length_metrics: ByteSize,
    /// The same for spans. Default: `2 MiB`.
    pub max_content_length_traces: ByteSize,
    /// A larger event is not sent but put aside. Default: `5 MiB`.
    pub max_event_size: ByteSize,
    /// Indexer acknowledgement.
    pub acknowledgements: Acknowledgements,
    /// Ask `health_path` before the first request and after failures. Default: `false`.
    pub health_check_enabled: bool,
    /// Where to ask. Default: `/services/collector/health`.
    pub health_path: String,
    /// Headers of every request. Values never appear in messages.
    pub headers: Headers,
    /// How long a request may take, answer included. Default: `10s`.
    pub timeout: Span,
    /// TLS, for `https://`.
    pub tls: Tls,
    /// `http://` proxy to go through.
    pub proxy_url: Address,
}

/// Which attribute gives which piece of metadata. An empty name: none does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetadataAttributes {
    /// Default: `com.splunk.source`.
    pub source: String,
    /// Default: `com.splunk.sourcetype`.
    pub sourcetype: String,
    /// Default: `com.splunk.index`.
    pub index: String,
    /// Default: `host.name`.
    pub host: String,
}

/// Names of fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldNames {
    /// Default: `otel.log.severity.text`.
    pub severity_text: String,
    /// Default: `otel.log.severity.number`.
    pub severity_number: String,
}

/// Where attributes go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Into `fields`, which Splunk indexes.
    #[default]
    Fields,
    /// Into the event, an object with the whole record.
    Event,
    /// Into both.
    Both,
}

/// How long a payload waits for Splunk to say that it is indexed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Acknowledgements {
    /// Where an answer carries an `ackId`, the payload counts as delivered only once that is acknowledged. Default: `true`.
    pub indexer_acknowledgements_enabled: bool,
    /// An answer without an `ackId` pauses the exporter: the token has no acknowledgement. Default: `false`, such an answer is
    /// all that can be had, and a warning says so.
    pub required: bool,
    /// How often to ask. Default: `1s`.
    pub query_interval: Span,
    /// What is not acknowledged for so long is sent again. Default: `5m`.
    pub timeout: Span,
}

impl Placement {
    /// Attributes go into `fields`.
    pub(super) const fn in_fields(self) -> bool {
        matches!(self, Self::Fields | Self::Both)
    }

    /// The event is the whole record.
    pub(super) const fn in_event(self) -> bool {
        matches!(self, Self::Event | Self::Both)
    }
}

impl Default for MetadataAttributes {
    fn default() -> Self {
        Self {
            source: "com.splunk.source".to_owned(),
            sourcetype: "com.splunk.sourcetype".to_owned(),
            index: "com.splunk.index".to_owned(),
            host: "host.name".to_owned(),
        }
    }
}

impl Default for FieldNames {
    fn default() -> Self {
        Self {
            severity_text: "otel.log.severity.text".to_owned(),
            severity_number: "otel.log.severity.number".to_owned(),
        }
    }
}

impl Default for Acknowledgements {
    fn default() -> Self {
        Self {
            indexer_acknowledgements_enabled: true,
            required: false,
            query_interval: Span::secs(1),
            timeout: Span::secs(300),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: Endpoints::default(),
            token: Secret::default(),
            tokens: BTreeMap::new(),
            token_attribute: "com.splunk.hec.access_token".to_owned(),
            source: String::new(),
            sourcetype: String::new(),
            index: String::new(),
            host: String::new(),
            allowed_indexes: Vec::new(),
            otel_attrs_to_hec_metadata: MetadataAttributes::default(),
            otel_to_hec_fields: FieldNames::default(),
            attributes_in: Placement::default(),
            export_raw: false,
            compression: Compression::default(),
            disable_compression: false,
            max_content_length_logs: ByteSize::mib(2),
            max_content_length_metrics: ByteSize::mib(2),
            max_content_length_traces: ByteSize::mib(2),
            max_event_size: ByteSize::mib(5),
            acknowledgements: Acknowledgements::default(),
            health_check_enabled: false,
            health_path: "/services/collector/health".to_owned(),
            headers: Headers::new(),
            timeout: Span::secs(10),
            tls: Tls::default(),
            proxy_url: Address::default(),
        }
    }
}

impl Config {
    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        self.settings().check(at, "https://splunk.example.com:8088", problems);
        self.check_tokens(at, problems);
        if !matches!(self.compression, Compression::Gzip | Compression::None) {
            problems.add_hint(&at.key("compression"), "is none that Splunk takes", "use `gzip` or `none`");
        }
        for (key, size) in [
            ("max_content_length_logs", self.max_content_length_logs),
            ("max_content_length_metrics", self.max_content_length_metrics),
            ("max_content_length_traces", self.max_content_length_traces),
            ("max_event_size", self.max_event_size),
        ] {
            if !(1..=CONTENT_LENGTH_MAX).contains(&size.0) {
                problems.add(&at.key(key), format!("must be between 1 and {CONTENT_LENGTH_MAX} bytes"));
            }
        }
        if !self.health_path.starts_with('/') {
            problems.add(&at.key("health_path"), "must begin with `/`");
        }
        let names = &self.otel_to_hec_fields;
        for (key, name) in [("severity_text", &names.severity_text), ("severity_number", &names.severity_number)] {
            if name.is_empty() {
                problems.add(&at.key("otel_to_hec_fields").key(key), "must not be empty");
            }
        }
        self.acknowledgements.check(&at.key("acknowledgements"), problems);
    }

    fn check_tokens(&self, at: &At, problems: &mut Problems) {
        if self.token.reveal().is_empty() {
            problems.add_hint(at, "needs a `token`", "for example `token: ${env:SPLUNK_HEC_TOKEN}`");
        }
        check_token(&self.token, &at.key("token"), problems);
        for (name, token) in &self.tokens {
            let at = at.key("tokens").key(name);
            check_token(token, &at, problems);
            if token.reveal().is_empty() {
                problems.add(&at, "is empty");
            }
        }
        if !self.tokens.is_empty() && self.token_attribute.is_empty() {
            problems.add(&at.key("token_attribute"), "must not be empty where there are `tokens`");
        }
    }

    /// What all exporters over HTTP have.
    pub(super) fn settings(&self) -> Settings<'_> {
        Settings {
            endpoints: &self.endpoint,
            path: PATH,
            headers: &self.headers,
            timeout: self.timeout,
            tls: &self.tls,
            proxy_url: &self.proxy_url,
            compression: if self.disable_compression { Compression::None } else { self.compression },
            fixed: &[("content-type", "application/json")],
            has_credentials: true,
        }
    }

    /// The largest request with this signal.
    pub(super) fn content_length_max(&self, signal: Signal) -> usize {
        let size = match signal {
            Signal::Logs => self.max_content_length_logs,
            Signal::Metrics => self.max_content_length_metrics,
            Signal::Traces => self.max_content_length_traces,
        };
        size.as_usize()
    }
}

impl Acknowledgements {
    fn check(&self, at: &At, problems: &mut Problems) {
        for (key, span) in [("query_interval", self.query_interval), ("timeout", self.timeout)] {
            if span == Span::default() {
                problems.add(&at.key(key), "must be more than 0");
            }
        }
        if self.required && !self.indexer_acknowledgements_enabled {
            problems.add(&at.key("required"), "contradicts `indexer_acknowledgements_enabled: false`");
        }
    }
}

fn check_token(token: &Secret, at: &At, problems: &mut Problems) {
    if HeaderValue::from_str(token.reveal()).is_err() {
        problems.add(at, "holds characters that an HTTP header cannot carry");
    }
}
