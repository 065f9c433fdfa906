//! The admin port, loopback by default: `/metrics` for Prometheus, `/healthz` (the process lives), `/readyz` (a record
//! would be accepted now).

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::http::server;
use crate::pipeline::{Budget, Pipeline};

/// What the admin port tells about.
#[derive(Clone)]
pub(super) struct Admin {
    metrics: PrometheusHandle,
    pipelines: Arc<Vec<Pipeline>>,
    budget: Budget,
    stopping: watch::Receiver<bool>,
}

impl Admin {
    pub(super) fn new(
        metrics: PrometheusHandle,
        pipelines: Arc<Vec<Pipeline>>,
        budget: Budget,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { metrics, pipelines, budget, stopping }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
        }
        match request.uri().path() {
            "/metrics" => text(StatusCode::OK, self.render()),
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            _ => text(StatusCode::NOT_FOUND, "there is /metrics, /healthz and /readyz\n"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    fn render(&self) -> String {
        self.pipelines.iter().for_each(Pipeline::publish);
        metrics::gauge!("telseal_in_flight_bytes").set(self.budget.in_flight() as f64);
        self.metrics.render()
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        if *self.stopping.borrow() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
        }
        let full: Vec<String> = self.pipelines.iter().filter_map(Pipeline::why_not_ready).collect();
        if full.is_empty() {
            text(StatusCode::OK, "ready\n")
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, full.join("\n") + "\n")
        }
    }
}

/// Answers until `stop`.
pub(super) async fn serve(bound: server::Bound, admin: Admin, stop: watch::Receiver<bool>) {
    let handler = move |request: Request<hyper::body::Incoming>| {
        let answer = admin.answer(&request);
        async move { answer }
    };
    bound.serve(server::Options::default(), handler, stop).await;
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
