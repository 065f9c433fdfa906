//! Metrics to Prometheus, Mimir, Thanos, VictoriaMetrics and whoever else takes remote write, version 1.0 or 2.0:
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>.
//!
//! Series are spread over `remote_write_queue.num_consumers` shards by the hash of their labels; a shard sends one request after the
//! other, and one payload is under way, so the samples of a series arrive in order. 429 and 5xx are tried again after `Retry-After`,
//! only with the requests that were not taken. A refused request (400, 413, 422: too old, out of order, a duplicate) is halved
//! until the refused series stand alone; their data points are put aside with the reason, everything else is delivered. Deltas are added up
//! once a payload, however often that is sent. A receiver of 2.0 must say how much it has written.

mod encode;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use bumpalo::Bump;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::exporter::outbound::{Endpoints, Outbound, Settings, described, unreadable, verdict};
use crate::exporter::prom::delta::Deltas;
use crate::exporter::prom::labels::{Labeller, Promoted};
use crate::exporter::prom::name::{Strategy, Translation};
use crate::exporter::prom::{ResourceConversion, Shape, Type};
use crate::exporter::rejections::{PartialSuccess, Rejections};
use crate::exporter::{ExportError, Exporter, Payload, Refusal};
use crate::http::client::{Address, Answer, BuildError, Compression, Headers, Tls};
use crate::otlp::Signal;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use encode::{Encoded, Encoder, Options, Request};

/// Settings of a `prometheusremotewrite` exporter, in the Collector's words.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// URL of the receiver, or a list of URLs that stand in for each other. Without a path: `/api/v1/write`.
    pub endpoint: Endpoints,
    /// Headers of every request, such as `X-Scope-OrgID`. Values never appear in messages.
    pub headers: Headers,
    /// How long a request may take, answer included. Default: `30s`.
    pub timeout: Span,
    /// TLS, for `https://`.
    pub tls: Tls,
    /// `http://` proxy to go through.
    pub proxy_url: Address,
    /// Put before every metric name. Default: none.
    pub namespace: String,
    /// Labels of every series, where it has none of that name itself.
    pub external_labels: BTreeMap<String, String>,
    /// Which message is sent: `prometheus.WriteRequest` (1.0, the default) or `io.prometheus.write.v2.Request` (2.0).
    pub protobuf_message: Version,
    /// Sends type, help and unit of each metric with 1.0; 2.0 always does. Default: `false`.
    pub send_metadata: bool,
    /// How names become Prometheus'. Default: `UnderscoreEscapingWithSuffixes`.
    pub translation_strategy: Option<Strategy>,
    /// The older word for it: `false` leaves unit and `_total` away. Default: `true`.
    pub add_metric_suffixes: bool,
    /// Attributes of the resource that become labels of every series.
    pub resource_constant_labels: Promoted,
    /// The older word for it.
    pub resource_to_telemetry_conversion: ResourceConversion,
    /// `target_info`, one series a resource with all its attributes.
    pub target_info: TargetInfo,
    /// Leaves `otel_scope_name` and the like away. Default: `false`.
    pub disable_scope_info: bool,
    /// The largest request before compression, in bytes; one series more may stand in it. Default: 3000000.
    pub max_batch_size_bytes: usize,
    /// How requests are spread.
    pub remote_write_queue: Queue,
    /// How deltas are added up.
    pub deltatocumulative: DeltaToCumulative,
}

/// `prometheus.WriteRequest` or `io.prometheus.write.v2.Request`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Version {
    /// 1.0.
    #[default]
    #[serde(rename = "prometheus.WriteRequest")]
    One,
    /// 2.0.
    #[serde(rename = "io.prometheus.write.v2.Request")]
    Two,
}

/// `target_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetInfo {
    /// Default: `true`.
    pub enabled: bool,
}

/// `remote_write_queue`. The queue itself is the pipeline's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Requests under way at the same time, 1 to 64; no series is in two of them. Default: 5.
    pub num_consumers: usize,
}

/// What is kept to add deltas up, in the words of the Collector's processor of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeltaToCumulative {
    /// Totals kept at most; points of further series are put aside. Default: 200000.
    pub max_streams: usize,
    /// A total without a delta for this long may make room for a new one. Default: `5m`.
    pub max_stale: Span,
}

impl Default for TargetInfo {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { num_consumers: 5 }
    }
}

impl Default for DeltaToCumulative {
    fn default() -> Self {
        Self { max_streams: 200_000, max_stale: Span::secs(300) }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: Endpoints::default(),
            headers: Headers::new(),
            timeout: Span::secs(30),
            tls: Tls::default(),
            proxy_url: Address::default(),
            namespace: String::new(),
            external_labels: BTreeMap::new(),
            protobuf_message: Version::default(),
            send_metadata: false,
            translation_strategy: None,
            add_metric_suffixes: true,
            resource_constant_labels: Promoted::default(),
            resource_to_telemetry_conversion: ResourceConversion::default(),
            target_info: TargetInfo::default(),
            disable_scope_info: false,
            max_batch_size_bytes: 3_000_000,
            remote_write_queue: Queue::default(),
            deltatocumulative: DeltaToCumulative::default(),
        }
    }
}

impl Version {
    const fn fixed(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::One => [("content-type", "application/x-protobuf"), ("x-prometheus-remote-write-version", "0.1.0")],
            Self::Two => [
                ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
                ("x-prometheus-remote-write-version", "2.0.0"),
            ],
        }
    }
}

impl Config {
    /// Why a pipeline of this signal cannot go there.
    #[must_use]
    pub fn refuses(signal: Signal) -> Option<&'static str> {
        (signal != Signal::Metrics).then_some("Prometheus stores metrics only")
    }

    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let fixed = self.protobuf_message.fixed();
        self.settings(&fixed).check(at, "http://127.0.0.1:9090/api/v1/write", problems);
        self.shape(&self.resource_constant_labels).check("external_labels", at, problems);
        if !(1..=64).contains(&self.remote_write_queue.num_consumers) {
            problems.add(&at.key("remote_write_queue").key("num_consumers"), "must be 1 to 64");
        }
        if !(1_000..=100_000_000).contains(&self.max_batch_size_bytes) {
            problems.add(&at.key("max_batch_size_bytes"), "must be 1000 to 100000000");
        }
    }

    fn settings<'c>(&'c self, fixed: &'c [(&'static str, &'c str)]) -> Settings<'c> {
        Settings {
            endpoints: &self.endpoint,
            path: "/api/v1/write",
            headers: &self.headers,
            timeout: self.timeout,
            tls: &self.tls,
            proxy_url: &self.proxy_url,
            compression: Compression::Snappy,
            fixed,
            has_credentials: false,
        }
    }

    fn shape<'c>(&'c self, promoted: &'c Promoted) -> Shape<'c> {
        Shape {
            namespace: &self.namespace,
            translation_strategy: self.translation_strategy,
            add_metric_suffixes: self.add_metric_suffixes,
            constant: &self.external_labels,
            promoted,
            without_scope: self.disable_scope_info,
        }
    }
}

/// The exporter.
pub struct PrometheusRemoteWrite {
    outbound: Outbound,
    config: Config,
    promoted: Promoted,
    translation: Translation,
    deltas: Mutex<Deltas>,
    /// Payloads that are not taken as a whole yet.
    pending: Mutex<Vec<Pending>>,
    rejections: Rejections,
}

/// A payload on its way. Encoded once: what its deltas add up to must not change when it is sent again.
struct Pending {
    payload: Payload,
    points: u64,
    shards: Vec<Shard>,
    refused: Vec<(u64, String)>,
}

/// Requests that go one after the other: the ranges of series that are still to be sent, the next one last.
struct Shard {
    requests: Vec<Request>,
    left: Vec<Range>,
    refused: Vec<(u64, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    request: usize,
    from: usize,
    to: usize,
}

/// Payloads remembered to be sent again: one a pipeline that shares the exporter, and those the delivery loop gave up on.
const PENDING_MAX: usize = 8;

impl PrometheusRemoteWrite {
    /// An exporter with these settings, named `id` in messages and metrics. Reads certificate files, opens no connection.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn new(id: &str, config: &Config) -> Result<Self, BuildError> {
        let outbound = config.settings(&config.protobuf_message.fixed()).build(id)?;
        let promoted = config.resource_constant_labels.or_conversion(config.resource_to_telemetry_conversion);
        let translation = config.shape(&promoted).translation();
        let DeltaToCumulative { max_streams, max_stale } = config.deltatocumulative;
        let deltas = Mutex::new(Deltas::new(max_streams, max_stale.0));
        let (config, pending, rejections) = (config.clone(), Mutex::new(Vec::new()), Rejections::new(id));
        Ok(Self { outbound, config, promoted, translation, deltas, pending, rejections })
    }

    fn begin(&self, payload: &Payload) -> Result<Pending, ExportError> {
        if payload.signal() != Signal::Metrics {
            let cause = format!("{} is given {}, but stores metrics only", self.outbound.name(), payload.signal());
            return Err(ExportError::Pause { cause });
        }
        let bytes = payload.otlp().map_err(|error| unreadable(&error))?;
        let arena = Bump::new();
        let options = Options {
            version: self.config.protobuf_message,
            shards: self.config.remote_write_queue.num_consumers,
            request_bytes_max: self.config.max_batch_size_bytes,
            send_metadata: self.config.send_metadata,
            target_info: self.config.target_info.enabled,
        };
        let labeller = Labeller::new(&self.translation, self.config.shape(&self.promoted));
        let mut deltas = self.deltas.lock().unwrap_or_else(PoisonError::into_inner);
        let encoder = Encoder::new(options, labeller, &mut deltas, &arena);
        let name = |metric: &crate::otlp::points::Metric<'_, '_>| {
            self.translation.metric(metric.name, metric.unit, Type::of(metric.kind))
        };
        let Encoded { shards, refused, points } = encoder.encode(&bytes, name).map_err(|error| unreadable(&error))?;
        let shards = shards.into_iter().filter(|requests| !requests.is_empty()).map(Shard::new).collect();
        let refused = refused.into_iter().map(|(place, why)| (place, why.to_owned())).collect();
        Ok(Pending { payload: payload.clone(), points, shards, refused })
    }

    fn take_pending(&self, payload: &Payload) -> Option<Pending> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pending.iter().position(|known| known.payload.is_same(payload))?;
        Some(pending.swap_remove(known))
    }

    fn keep_pending(&self, kept: Pending) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() >= PENDING_MAX {
            pending.remove(0);
        }
        pending.push(kept);
    }

    /// Sends what is left of a shard, until it is done or cannot go on now.
    async fn send(&self, shard: &mut Shard) -> Result<(), ExportError> {
        while let Some(range) = shard.left.last().copied() {
            match self.send_range(&shard.requests[range.request], range).await {
                Ok(()) => drop(shard.left.pop()),
                Err(ExportError::Permanent { cause }) => shard.refuse(range, &cause),
                Err(later) => return Err(later),
            }
        }
        Ok(())
    }

    async fn send_range(&self, request: &Request, range: Range) -> Result<(), ExportError> {
        let body = self.outbound.compressed(request.body(range.from, range.to))?;
        let (answer, name) = self.outbound.send(body, &HeaderMap::new()).await?;
        verdict(&answer).result(|| format!("{}{}", described(name, answer.status), reason(&answer.body)))?;
        if self.config.protobuf_message == Version::Two {
            self.check_written(&answer, request.counts(range.from, range.to), name)?;
        }
        Ok(())
    }

    /// A receiver of 2.0 says what it has written. One that says nothing has read nothing: the message is another than 1.0's.
    fn check_written(&self, answer: &Answer, sent: (u64, u64), name: &str) -> Result<(), ExportError> {
        let count = |kind: &str| {
            let value = answer.headers.get(format!("x-prometheus-remote-write-{kind}-written"))?;
            value.to_str().ok()?.trim().parse::<u64>().ok()
        };
        let (samples, histograms) = (count("samples"), count("histograms"));
        if samples.is_none() && histograms.is_none() {
            let cause = format!(
                "{name} took the request but does not say how much of it was written, so it does not speak remote write 2.0: set `protobuf_message: prometheus.WriteRequest`"
            );
            return Err(ExportError::Pause { cause });
        }
        let missing = |sent: u64, written: Option<u64>| sent.saturating_sub(written.unwrap_or_default());
        let rejected = missing(sent.0, samples) + missing(sent.1, histograms);
        if rejected > 0 {
            let message = "fewer samples were written than sent, by the answer's headers".to_owned();
            self.rejections.note(Signal::Metrics, rejected, &PartialSuccess { rejected, message });
        }
        Ok(())
    }
}

/// What the receiver found wrong, in our words: its own may repeat labels.
fn reason(body: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["out of order", "out-of-order"]) {
        " (out of order)"
    } else if says(&["out of bounds", "too old", "too far in the past"]) {
        " (too old)"
    } else if says(&["duplicate sample", "duplicate timestamp"]) {
        " (another value of the same time is there)"
    } else {
        ""
    }
}

impl Shard {
    fn new(requests: Vec<Request>) -> Self {
        let range = |(request, it): (usize, &Request)| Range { request, from: 0, to: it.len() };
        let left = requests.iter().enumerate().map(range).rev().collect();
        Self { requests, left, refused: Vec::new() }
    }

    /// Halves a refused range; a series that stands alone is refused for ever.
    fn refuse(&mut self, range: Range, cause: &str) {
        self.left.pop();
        let Range { request, from, to } = range;
        if to - from > 1 {
            let half = from + (to - from) / 2;
            self.left.extend([Range { request, from: half, to }, Range { request, from, to: half }]);
        } else {
            self.refused.extend(self.requests[request].places(from, to).map(|place| (place, cause.to_owned())));
        }
    }
}

impl Pending {
    /// What the delivery loop is told once nothing is left to send.
    fn finish(mut self) -> Result<(), ExportError> {
        self.refused.extend(self.shards.into_iter().flat_map(|shard| shard.refused));
        let records = self.payload.records();
        let mut seen = BTreeSet::new();
        let mut causes: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for (place, cause) in self.refused {
            if seen.insert(place) {
                causes.entry(cause).or_default().insert(place);
            }
        }
        if seen.is_empty() {
            return Ok(());
        }
        // Where records are not points (sealed lines hold many), or all of them are refused, the whole is put aside.
        if records != self.points || seen.len() as u64 == records {
            let cause = causes.into_keys().next().unwrap_or_default();
            let refused = vec![Refusal { records: (0..records).collect(), cause: cause.clone() }];
            return Err(if records == 1 { ExportError::Permanent { cause } } else { ExportError::Partial { refused } });
        }
        let refusal =
            |(cause, places): (String, BTreeSet<u64>)| Refusal { records: places.into_iter().collect(), cause };
        Err(ExportError::Partial { refused: causes.into_iter().map(refusal).collect() })
    }
}

/// What it holds of the telemetry is not shown.
impl fmt::Debug for PrometheusRemoteWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusRemoteWrite")
            .field("outbound", &self.outbound)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Exporter for PrometheusRemoteWrite {
    fn wants_otlp(&self) -> bool {
        true
    }

    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        let mut pending = match self.take_pending(payload) {
            Some(pending) => pending,
            None => self.begin(payload)?,
        };
        let sends: Vec<_> = pending.shards.iter_mut().map(|shard| Box::pin(self.send(shard))).collect();
        match all(sends).await.into_iter().find_map(Result::err) {
            None => pending.finish(),
            Some(error) => {
                self.keep_pending(pending);
                Err(error)
            }
        }
    }

    fn rejected_records(&self) -> u64 {
        self.rejections.total()
    }
}

/// The results of all futures, which run at the same time.
async fn all<T, F: Future<Output = T>>(mut futures: Vec<Pin<Box<F>>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(done) = future.as_mut().poll(context)
            {
                *result = Some(done);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}
