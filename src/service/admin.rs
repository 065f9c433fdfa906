//! The admin port, loopback by default: `/metrics` for Prometheus, `/healthz` (the process lives), `/readyz` (a record
//! would be accepted now), and `POST /reload`.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::http::server::{self, ClientCertificate};
use crate::pipeline::{Budget, Pipeline};
use crate::service::reload::Reloader;

/// What the admin port tells about.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) metrics: PrometheusHandle,
    pub(super) pipelines: watch::Receiver<Arc<Vec<Arc<Pipeline>>>>,
    pub(super) budget: Budget,
    pub(super) stopping: watch::Receiver<bool>,
    /// The way to have the configuration read again, where there is one.
    pub(super) reloader: Option<Reloader>,
    /// Only this machine reaches the port.
    pub(super) is_local: bool,
}

impl Admin {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        match (method == Method::GET || method == Method::HEAD, path) {
            (true, "/metrics") => text(StatusCode::OK, self.render()),
            (true, "/healthz") => text(StatusCode::OK, "ok\n"),
            (true, "/readyz") => self.ready(),
            (_, "/reload") if method == Method::POST => self.reload(request).await,
            (_, "/reload") => text(StatusCode::METHOD_NOT_ALLOWED, "only POST is answered here\n"),
            (_, "/metrics" | "/healthz" | "/readyz") => {
                text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n")
            }
            _ => text(StatusCode::NOT_FOUND, "there is /metrics, /healthz, /readyz and, by POST, /reload\n"),
        }
    }

    /// Only for who is on this machine, or has shown a certificate that the port asks for; and never for a page in a browser.
    async fn reload<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let is_known = self.is_local || request.extensions().get::<Arc<ClientCertificate>>().is_some();
        let is_page =
            request.headers().contains_key(header::ORIGIN) || request.headers().contains_key("sec-fetch-site");
        if !is_known || is_page {
            let rule = "only this machine, or a client certificate that `tls` asks for, may do that\n";
            return text(StatusCode::FORBIDDEN, rule);
        }
        let Some(reloader) = &self.reloader else { return text(StatusCode::NOT_FOUND, "nothing to reload from\n") };
        match reloader.ask("request to the admin port").await {
            Ok(outcome) => text(StatusCode::OK, format!("{outcome}\n")),
            Err(problems) => {
                let problems = problems.trim_end();
                text(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    format!("refused, the old configuration stays in force:\n{problems}\n"),
                )
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    fn render(&self) -> String {
        self.pipelines.borrow().iter().for_each(|pipeline| pipeline.publish());
        metrics::gauge!("telseal_in_flight_bytes").set(self.budget.in_flight() as f64);
        self.metrics.render()
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        if *self.stopping.borrow() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
        }
        let pipelines = Arc::clone(&self.pipelines.borrow());
        let full: Vec<String> = pipelines.iter().filter_map(|pipeline| pipeline.why_not_ready()).collect();
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
        let admin = admin.clone();
        async move { admin.answer(&request).await }
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
