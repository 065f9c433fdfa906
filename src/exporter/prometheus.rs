//! A page for Prometheus to scrape, at `endpoint` under `/metrics`.
//!
//! Text, OpenMetrics or protobuf, as the scraper asks; native histograms go with protobuf only. Every series keeps its last value
//! until nothing came for `metric_expiration`; deltas are added up. A payload is confirmed once it is on the page: nothing is tried again,
//! and after a restart the page fills anew. What cannot be shown is rejected, with a count by reason: points older than what
//! is shown, a metric under the name of another of a different type, points without a value or temporality, and new series
//! beyond `max_series`. The page asks for no password: keep it on loopback, or set `tls` with a `client_ca_file`.

mod page;
mod registry;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bumpalo::Bump;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use tokio::sync::watch;

use crate::exporter::outbound::unreadable;
use crate::exporter::prom::labels::{Labeller, Promoted};
use crate::exporter::prom::name::{Strategy, Translation};
use crate::exporter::prom::{ResourceConversion, Shape, Type};
use crate::exporter::rejections::Rejections;
use crate::exporter::{ExportError, Exporter, Payload};
use crate::http::server;
use crate::otlp::Signal;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use crate::stdx::{clock, tasks};
use page::Format;
use registry::{Filling, Registry};

/// Settings of a `prometheus` exporter, in the Collector's words.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `host:port` to listen on. Default: `127.0.0.1:8889`.
    pub endpoint: String,
    /// TLS, and client certificates. Default: none, plain HTTP.
    pub tls: Option<server::Tls>,
    /// Put before every metric name. Default: none.
    pub namespace: String,
    /// Labels of every series, where it has none of that name itself.
    pub const_labels: BTreeMap<String, String>,
    /// Shows the time of each sample; without, the scraper takes its own. Default: `false`.
    pub send_timestamps: bool,
    /// A series for which nothing came for this long is not shown any more. Default: `5m`.
    pub metric_expiration: Span,
    /// Answers in OpenMetrics where the scraper can read it; exemplars need it. Default: `true`.
    pub enable_open_metrics: bool,
    /// How names become Prometheus'. Default: `UnderscoreEscapingWithSuffixes`.
    pub translation_strategy: Option<Strategy>,
    /// The older word for it: `false` leaves unit and `_total` away. Default: `true`.
    pub add_metric_suffixes: bool,
    /// Attributes of the resource that become labels of every series.
    pub resource_constant_labels: Promoted,
    /// The older word for it.
    pub resource_to_telemetry_conversion: ResourceConversion,
    /// Leaves `otel_scope_name` and the like away. Default: `false`.
    pub without_scope_info: bool,
    /// Series kept at most; new ones beyond are rejected and counted. Default: 200000.
    pub max_series: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:8889".to_owned(),
            tls: None,
            namespace: String::new(),
            const_labels: BTreeMap::new(),
            send_timestamps: false,
            metric_expiration: Span::secs(300),
            enable_open_metrics: true,
            translation_strategy: None,
            add_metric_suffixes: true,
            resource_constant_labels: Promoted::default(),
            resource_to_telemetry_conversion: ResourceConversion::default(),
            without_scope_info: false,
            max_series: 200_000,
        }
    }
}

impl Config {
    /// Why a pipeline of this signal cannot go there.
    #[must_use]
    pub fn refuses(signal: Signal) -> Option<&'static str> {
        (signal != Signal::Metrics).then_some("Prometheus scrapes metrics only")
    }

    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.endpoint.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
            problems.add_hint(&at.key("endpoint"), "is no `host:port`", "for example `endpoint: 127.0.0.1:8889`");
        }
        if let Some(tls) = &self.tls {
            tls.check(&at.key("tls"), problems);
        }
        if self.metric_expiration == Span::default() {
            problems.add(&at.key("metric_expiration"), "must be more than 0");
        }
        if self.max_series == 0 {
            problems.add(&at.key("max_series"), "must be more than 0");
        }
        self.shape(&self.resource_constant_labels).check("const_labels", at, problems);
    }

    fn shape<'c>(&'c self, promoted: &'c Promoted) -> Shape<'c> {
        Shape {
            namespace: &self.namespace,
            translation_strategy: self.translation_strategy,
            add_metric_suffixes: self.add_metric_suffixes,
            constant: &self.const_labels,
            promoted,
            without_scope: self.without_scope_info,
        }
    }
}

/// The exporter.
pub struct Prometheus {
    config: Config,
    promoted: Promoted,
    translation: Translation,
    registry: Arc<Mutex<Registry>>,
    rejections: Rejections,
    address: String,
    stop: watch::Sender<bool>,
}

impl Prometheus {
    /// An exporter with these settings, named `id` in messages and metrics. Listens at once; needs tokio around it.
    ///
    /// # Errors
    /// When it cannot listen at `endpoint`.
    pub fn new(id: &str, config: &Config) -> Result<Self, server::BindError> {
        let bound = server::Bound::bind(&config.endpoint, &format!("exporters.{id}.endpoint"))?;
        let bound = bound.secured(config.tls.as_ref(), &format!("exporters.{id}.tls"))?;
        let address = bound.local().to_string();
        if bound.is_exposed() {
            tracing::warn!(
                exporter = id,
                address,
                "other machines reach this page, and it is not encrypted: set `tls`"
            );
        }
        let promoted = config.resource_constant_labels.or_conversion(config.resource_to_telemetry_conversion);
        let translation = config.shape(&promoted).translation();
        let registry = Registry::new(id, config.max_series, config.metric_expiration.0);
        let registry = Arc::new(Mutex::new(registry));
        let (stop, stopped) = watch::channel(false);
        let scraped = Scraped {
            registry: Arc::clone(&registry),
            send_timestamps: config.send_timestamps,
            open_metrics: config.enable_open_metrics,
        };
        drop(tasks::detached(serve(bound, scraped, stopped)));
        tracing::info!(exporter = id, address, "listening for scrapes at /metrics");
        let (config, rejections) = (config.clone(), Rejections::new(id));
        Ok(Self { config, promoted, translation, registry, rejections, address, stop })
    }

    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// What it holds of the telemetry is not shown.
impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Exporter for Prometheus {
    fn wants_otlp(&self) -> bool {
        true
    }

    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        if payload.signal() != Signal::Metrics {
            let cause = format!("{} is given {}, but is scraped for metrics only", self.address, payload.signal());
            return Err(ExportError::Pause { cause });
        }
        let bytes = payload.otlp().map_err(|error| unreadable(&error))?;
        let arena = Bump::new();
        let labeller = Labeller::new(&self.translation, self.config.shape(&self.promoted));
        let name = |metric: &crate::otlp::points::Metric<'_, '_>| {
            self.translation.metric(metric.name, metric.unit, Type::of(metric.kind))
        };
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filling = Filling::new(&mut registry, labeller, &arena, clock::unix_nanos());
        let rejected = filling.fill(&bytes, name).map_err(|error| unreadable(&error))?;
        drop(registry);
        self.rejections.count(rejected.min(payload.records()));
        Ok(())
    }

    fn rejected_records(&self) -> u64 {
        self.rejections.total()
    }

    async fn close(&self) -> Result<(), ExportError> {
        self.stop.send_replace(true);
        Ok(())
    }
}

/// What the listener needs.
#[derive(Clone)]
struct Scraped {
    registry: Arc<Mutex<Registry>>,
    send_timestamps: bool,
    open_metrics: bool,
}

async fn serve(bound: server::Bound, scraped: Scraped, stop: watch::Receiver<bool>) {
    let handler = move |request: Request<hyper::body::Incoming>| {
        let scraped = scraped.clone();
        async move { scraped.answer(&request).await }
    };
    bound.serve(server::Options::default(), handler, stop).await;
}

impl Scraped {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
        }
        if request.uri().path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "there is /metrics\n");
        }
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let format = Format::accepted(accept, self.open_metrics);
        let (registry, timestamps) = (Arc::clone(&self.registry), self.send_timestamps);
        let rendered = tasks::blocking(move || {
            let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
            registry.sweep(clock::unix_nanos());
            page::render(&registry, format, timestamps, clock::unix_nanos())
        });
        match rendered.await {
            Ok(page) => respond(StatusCode::OK, &format.content_type(), page),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written\n"),
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    if let Ok(value) = header::HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}
