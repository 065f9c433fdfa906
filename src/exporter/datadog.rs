//! Logs, traces and metrics for Datadog, by its public intakes.
//!
//! Logs go to `/api/v2/logs`, points to `/api/v2/series` and `/api/beta/sketches`, spans as they are to the OTLP intake
//! (`/v1/traces`), since that is the documented one: the trace agent's payload is not. Where each field goes is in
//! docs/exporters/datadog.md. Tried again: every answer that is not about the data. `403` pauses; the key is checked before the first
//! export, too, and stands in no message. Counted is what an intake confirmed.

mod delta;
mod logs;
mod points;
mod resource;
mod series;
mod sketch;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::exporter::outbound::{Call, Endpoints, Outbound, Settings, judge, unreadable};
use crate::exporter::parts::{Parcel, Plans, Sent};
use crate::exporter::rejections::{PartialSuccess, Rejections};
use crate::exporter::{ExportError, Exporter, Payload, Refusal};
use crate::http::client::{Address, BuildError, Compression, Headers, Tls};
use crate::otlp::Signal;
use crate::stdx::clock;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

use delta::Memory;
use logs::{Entries, Style};
use series::{Intake, Points, Rules};

const KEY_HEADER: &str = "dd-api-key";
/// The version of `SketchPayload`, which agents say with it.
const SKETCH_VERSION: (&str, &str) = ("dd-agent-payload", "4.87.0");

/// Settings of a `datadog` exporter, in the Collector's words.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whose data it is, and where Datadog keeps it.
    pub api: Api,
    /// The host of resources that name none. Default: none.
    pub hostname: String,
    /// Logs.
    pub logs: Logs,
    /// Traces.
    pub traces: Traces,
    /// Metrics, and the API where the key is checked.
    pub metrics: Metrics,
    /// Tags of every log record and metric, such as `team:core`.
    pub tags: Vec<String>,
    /// `gzip`, `zstd` or `none`. Default: `gzip`.
    pub compression: Compression,
    /// More headers of every request.
    pub headers: Headers,
    /// How long a request may take, answer included. Default: `30s`.
    pub timeout: Span,
    /// TLS, for `https://`.
    pub tls: Tls,
    /// `http://` proxy to go through. The environment's `HTTPS_PROXY` is not read; write `${env:HTTPS_PROXY}`.
    pub proxy_url: Address,
}

/// The key, and the site it belongs to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// The API key. Take it from `${env:DD_API_KEY}` or `${file:path}`.
    pub key: Secret,
    /// `datadoghq.com`, `datadoghq.eu`, `us3.datadoghq.com` and so on. Default: `datadoghq.com`.
    pub site: String,
}

/// Where logs go.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logs {
    /// Default: `https://http-intake.logs.<site>`. Without a path: `/api/v2/logs`.
    pub endpoint: Endpoints,
    /// Values are text and nothing is nested, for intakes that take no more, such as VictoriaLogs. Default: `false`.
    pub strings_only: bool,
}

/// Where metrics go, and as what.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// The API's base URL. Default: `https://api.<site>`.
    pub endpoint: Endpoints,
    /// How many seconds a cumulative series may be silent before it is forgotten. Default: `3600`.
    pub delta_ttl: u64,
    /// All resource attributes become tags, and not only those that Datadog has a tag for. Default: `false`.
    pub resource_attributes_as_tags: bool,
    /// The instrumentation scope becomes tags. Default: `true`.
    pub instrumentation_scope_metadata_as_tags: bool,
    /// Histograms.
    pub histograms: HistogramSettings,
    /// Sums.
    pub sums: SumSettings,
}

/// What histograms become.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistogramSettings {
    /// `distributions`, or `nobuckets`: only `.count`, `.sum`, `.min`, `.max`. Default: `distributions`.
    pub mode: Histograms,
    /// `.count`, `.sum`, `.min`, `.max` beside the distribution. Default: `false`.
    pub send_aggregation_metrics: bool,
}

/// See [`HistogramSettings::mode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Histograms {
    /// Sketches.
    #[default]
    Distributions,
    /// Aggregates only.
    Nobuckets,
}

/// What sums become.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SumSettings {
    /// Cumulative counters: `to_delta`, counts of what came since the point before; `raw_value`, gauges. Default: `to_delta`.
    pub cumulative_monotonic_mode: MonotonicMode,
}

/// See [`SumSettings::cumulative_monotonic_mode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MonotonicMode {
    /// Increments.
    #[default]
    ToDelta,
    /// The value.
    RawValue,
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// Default: `https://otlp.<site>`. Without a path: `/v1/traces`.
    pub endpoint: Endpoints,
    /// Datadog computes trace metrics (hits, errors, latency) from the spans. Default: `true`.
    pub compute_stats: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self { key: Secret::new(""), site: "datadoghq.com".to_owned() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            endpoint: Endpoints::default(),
            delta_ttl: 3600,
            resource_attributes_as_tags: false,
            instrumentation_scope_metadata_as_tags: true,
            histograms: HistogramSettings::default(),
            sums: SumSettings::default(),
        }
    }
}

impl Default for Traces {
    fn default() -> Self {
        Self { endpoint: Endpoints::default(), compute_stats: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api: Api::default(),
            hostname: String::new(),
            logs: Logs::default(),
            traces: Traces::default(),
            metrics: Metrics::default(),
            tags: Vec::new(),
            compression: Compression::Gzip,
            headers: Headers::new(),
            timeout: Span::secs(30),
            tls: Tls::default(),
            proxy_url: Address::default(),
        }
    }
}

impl Config {
    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let (at_api, key) = (at.key("api"), self.api.key.reveal());
        if key.is_empty() {
            problems.add_hint(&at_api, "needs a `key`", "for example `key: ${env:DD_API_KEY}`");
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            problems.add(&at_api.key("key"), "has characters that no key has");
        }
        if !is_host(&self.api.site) {
            problems.add_hint(&at_api.key("site"), "is no site", "for example `datadoghq.eu`, without `https://`");
        }
        for (index, tag) in self.tags.iter().enumerate() {
            if tag.is_empty() || tag.contains(',') {
                problems.add(&at.key("tags").item(index), "must be one tag, such as `team:core`");
            }
        }
        if !matches!(self.compression, Compression::Gzip | Compression::Zstd | Compression::None) {
            problems.add(&at.key("compression"), "must be `gzip`, `zstd` or `none`");
        }
        if self.metrics.delta_ttl == 0 {
            problems.add(&at.key("metrics").key("delta_ttl"), "must be more than 0");
        }
        self.check_targets(at, problems);
    }

    fn check_targets(&self, at: &At, problems: &mut Problems) {
        let targets = [
            ("logs", Target::logs(self)),
            ("metrics", Target::metrics(self, VALIDATE)),
            ("traces", Target::traces(self)),
        ];
        let mut first = true;
        for (part, target) in &targets {
            let mut found = Problems::default();
            target.settings(self, &self.headers, &[]).check(&at.key(part), "https://api.datadoghq.com", &mut found);
            // What they share is said once, and of the exporter.
            let own = at.key(part).key("endpoint").path().to_owned();
            for mut problem in found.0 {
                if problem.path.starts_with(&own) {
                    problems.0.push(problem);
                } else if first {
                    problem.path = problem.path.replacen(&format!(".{part}"), "", 1);
                    problems.0.push(problem);
                }
            }
            first = false;
        }
    }

    /// The configured headers and the key.
    fn all_headers(&self) -> Headers {
        let mut headers = self.headers.clone();
        headers.insert(KEY_HEADER.to_owned(), self.api.key.clone());
        headers
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

const VALIDATE: &str = "/api/v1/validate";
const SERIES: &str = "/api/v2/series";
const SKETCHES: &str = "/api/beta/sketches";

/// One of Datadog's intakes.
struct Target {
    endpoints: Endpoints,
    path: &'static str,
}

impl Target {
    fn logs(config: &Config) -> Self {
        let default = || format!("https://http-intake.logs.{}", config.api.site);
        Self { endpoints: config.logs.endpoint.or(default), path: "/api/v2/logs" }
    }

    fn metrics(config: &Config, path: &'static str) -> Self {
        let base = config.metrics.endpoint.or(|| format!("https://api.{}", config.api.site));
        Self { endpoints: base.below(path), path }
    }

    fn traces(config: &Config) -> Self {
        let default = || format!("https://otlp.{}", config.api.site);
        Self { endpoints: config.traces.endpoint.or(default), path: "/v1/traces" }
    }

    fn settings<'c>(
        &'c self,
        config: &'c Config,
        headers: &'c Headers,
        fixed: &'c [(&'static str, &'c str)],
    ) -> Settings<'c> {
        Settings {
            endpoints: &self.endpoints,
            path: self.path,
            headers,
            timeout: config.timeout,
            tls: &config.tls,
            proxy_url: &config.proxy_url,
            compression: config.compression,
            fixed,
            has_credentials: true,
        }
    }
}

/// The exporter.
#[derive(Debug)]
pub struct Datadog {
    id: String,
    logs: Outbound,
    traces: Outbound,
    series: Outbound,
    sketches: Outbound,
    validate: Outbound,
    style: Style,
    metrics: Metrics,
    memory: Mutex<Memory>,
    began_at: u64,
    plans: Plans,
    rejections: Rejections,
}

impl Datadog {
    /// An exporter with these settings, named `id` in messages and metrics. Reads certificate files, opens no connection.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn new(id: &str, config: &Config) -> Result<Self, BuildError> {
        let headers = config.all_headers();
        let json = [("content-type", "application/json")];
        let mut otlp = vec![("content-type", "application/x-protobuf")];
        let sketches = [otlp[0], SKETCH_VERSION];
        if config.traces.compute_stats {
            otlp.push(("compute_stats", "true"));
        }
        let build = |target: Target, fixed: &[(&'static str, &str)]| target.settings(config, &headers, fixed).build(id);
        Ok(Self {
            id: id.to_owned(),
            logs: build(Target::logs(config), &json)?,
            traces: build(Target::traces(config), &otlp)?,
            series: build(Target::metrics(config, SERIES), &json)?,
            sketches: build(Target::metrics(config, SKETCHES), &sketches)?,
            validate: build(Target::metrics(config, VALIDATE), &[])?.uncompressed(),
            style: Style {
                hostname: config.hostname.clone(),
                tags: config.tags.clone(),
                strings_only: config.logs.strings_only,
            },
            metrics: config.metrics.clone(),
            memory: Mutex::default(),
            began_at: clock::unix_nanos(),
            plans: Plans::default(),
            rejections: Rejections::new(id),
        })
    }

    async fn export_logs(&self, payload: &Payload) -> Result<(), ExportError> {
        let entries = Entries::encode(payload, &self.style).map_err(|error| unreadable(&error))?;
        self.plans.send(payload, &LogRequests { outbound: &self.logs, entries }).await
    }

    async fn export_traces(&self, payload: &Payload) -> Result<(), ExportError> {
        let request = payload.otlp().map_err(|error| unreadable(&error))?;
        let answer = self.traces.post(request.to_vec(), &HeaderMap::new()).await?;
        self.rejections.note(payload.signal(), payload.records(), &PartialSuccess::from_protobuf(&answer.body));
        Ok(())
    }

    async fn export_metrics(&self, payload: &Payload) -> Result<(), ExportError> {
        let rules = Rules {
            config: &self.metrics,
            hostname: &self.style.hostname,
            tags: &self.style.tags,
            began_at: self.began_at,
        };
        let points = Points::encode(payload, &rules, &self.memory()).map_err(|error| unreadable(&error))?;
        let mut requests = PointRequests { datadog: self, points };
        let result = self.plans.send(payload, &requests).await;
        if matches!(result, Ok(()) | Err(ExportError::Partial { .. })) {
            // Settled: the points will not come again, so what they said counts.
            let changes = std::mem::take(&mut requests.points.changes);
            self.memory().apply(changes, clock::unix_nanos(), self.metrics.delta_ttl.saturating_mul(1_000_000_000));
            self.count_skipped(&requests.points);
        }
        result.map_err(series::by_point)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_skipped(&self, points: &Points) {
        for (reason, count) in &points.skipped {
            let labels = [("exporter", self.id.clone()), ("reason", (*reason).to_owned())];
            metrics::counter!("telseal_exporter_skipped_points_total", &labels).increment(*count);
        }
    }
}

impl Exporter for Datadog {
    async fn begin(&self) -> Result<(), ExportError> {
        let call = Call { method: Method::GET, query: "", body: Bytes::new() };
        let (answer, at) = self.validate.call(&call, |_| HeaderMap::new()).await?;
        judge(&answer, self.validate.name_of(at)).map_err(|error| match error {
            ExportError::Pause { cause } => ExportError::Pause { cause: format!("{cause}: `api.key` is not valid") },
            other => other,
        })
    }

    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        match payload.signal() {
            Signal::Logs => self.export_logs(payload).await,
            Signal::Traces => self.export_traces(payload).await,
            Signal::Metrics => self.export_metrics(payload).await,
        }
    }

    fn rejected_records(&self) -> u64 {
        self.rejections.total()
    }
}

/// The requests of a payload of logs.
struct LogRequests<'d> {
    outbound: &'d Outbound,
    entries: Entries,
}

impl Parcel for LogRequests<'_> {
    fn parts(&self) -> Vec<Vec<u64>> {
        self.entries.parts()
    }

    fn refused(&self) -> Vec<Refusal> {
        self.entries.refused.clone()
    }

    async fn send(&self, places: &[u64]) -> Sent {
        post(self.outbound, self.entries.request(places)).await
    }
}

/// The requests of a payload of metrics.
struct PointRequests<'d> {
    datadog: &'d Datadog,
    points: Points,
}

impl Parcel for PointRequests<'_> {
    fn parts(&self) -> Vec<Vec<u64>> {
        self.points.parts()
    }

    fn refused(&self) -> Vec<Refusal> {
        vec![]
    }

    async fn send(&self, places: &[u64]) -> Sent {
        let (intake, body) = self.points.request(places);
        let outbound = match intake {
            Intake::Series => &self.datadog.series,
            Intake::Sketches => &self.datadog.sketches,
        };
        post(outbound, body).await
    }
}

async fn post(outbound: &Outbound, body: Vec<u8>) -> Sent {
    match outbound.post(body, &HeaderMap::new()).await {
        Ok(_) => Sent::Taken,
        Err(error) => Sent::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_found_with_its_place() {
        for (json, wanted) in [
            (r#"{"api": {"key": "k"}}"#, ""),
            (r#"{"api": {"key": "k", "site": "us3.datadoghq.com"}, "compression": "zstd", "tags": ["a:b"]}"#, ""),
            ("{}", "x.api"),
            (r#"{"api": {"key": "a b", "site": "https://datadoghq.eu"}}"#, "x.api.key x.api.site"),
            (r#"{"api": {"key": "k"}, "logs": {"endpoint": "host"}, "timeout": "0"}"#, "x.logs.endpoint x.timeout"),
            (r#"{"api": {"key": "k"}, "traces": {"endpoint": ["http://a", "b"]}}"#, "x.traces.endpoint[1]"),
            (
                r#"{"api": {"key": "k"}, "tags": ["a,b", ""], "compression": "snappy"}"#,
                "x.tags[0] x.tags[1] x.compression",
            ),
            (r#"{"api": {"key": "k"}, "metrics": {"delta_ttl": 0}}"#, "x.metrics.delta_ttl"),
        ] {
            let mut problems = Problems::default();
            let config: Config = serde_json::from_str(json).unwrap();
            config.check(&At::new("x"), &mut problems);
            let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths.join(" "), wanted, "{json}");
        }
    }

    #[test]
    fn intakes_follow_the_site_and_the_configured_addresses() {
        let urls = |json: &str| {
            let config: Config = serde_json::from_str(json).unwrap();
            let target = |target: Target| target.endpoints.addresses()[0].reveal().to_owned();
            [Target::logs(&config), Target::metrics(&config, SERIES), Target::traces(&config)].map(target)
        };
        assert_eq!(
            urls(r#"{"api": {"site": "datadoghq.eu"}}"#),
            [
                "https://http-intake.logs.datadoghq.eu",
                "https://api.datadoghq.eu/api/v2/series",
                "https://otlp.datadoghq.eu"
            ]
        );
        assert_eq!(
            urls(
                r#"{"logs": {"endpoint": "http://a"}, "metrics": {"endpoint": "http://b/datadog/"}, "traces": {"endpoint": "http://c/x"}}"#
            ),
            ["http://a", "http://b/datadog/api/v2/series", "http://c/x"]
        );
    }
}
