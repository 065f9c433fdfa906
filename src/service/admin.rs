//! The admin port, loopback by default: `/metrics` for Prometheus, `/healthz` (the process lives), `/readyz` (a record
//! would be accepted now), and `POST /reload`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::extension::{Authenticator, Denied};
use crate::http::server::{self, ClientCertificate};
use crate::pipeline::{Budget, Pipeline};
use crate::service::reload::Reloader;

/// The parts of the graph that the admin port shows or asks, as they are now.
pub(super) struct Shown {
    pub(super) pipelines: Vec<Arc<Pipeline>>,
    pub(super) authenticators: BTreeMap<String, Arc<Authenticator>>,
}

/// What the admin port tells about.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) metrics: PrometheusHandle,
    pub(super) shown: watch::Receiver<Arc<Shown>>,
    pub(super) budget: Budget,
    pub(super) stopping: watch::Receiver<bool>,
    /// The way to have the configuration read again, where there is one.
    pub(super) reloader: Option<Reloader>,
    /// Only this machine reaches the port.
    pub(super) is_local: bool,
    /// Who recognises those that may read metrics and ask for reloads.
    pub(super) authenticator: Option<String>,
}

impl Admin {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        // Whether it lives and is ready may be known to all: probes have no credentials.
        if !matches!(path, "/healthz" | "/readyz")
            && let Err(answer) = self.recognise(request).await
        {
            return answer;
        }
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

    /// Whether whoever asks may; anybody may where nobody was named to recognise them.
    async fn recognise<B>(&self, request: &Request<B>) -> Result<(), Response<Full<Bytes>>> {
        let Some(name) = &self.authenticator else { return Ok(()) };
        let authenticator = self.shown.borrow().authenticators.get(name).cloned();
        let unsure = || text(StatusCode::SERVICE_UNAVAILABLE, "credentials cannot be checked now\n");
        let authenticator = authenticator.ok_or_else(unsure)?;
        match authenticator.authenticate(request.headers()).await {
            Ok(_) => Ok(()),
            Err(Denied::Later(_)) => Err(unsure()),
            Err(Denied::Missing | Denied::Wrong(_)) => {
                let mut answer = text(StatusCode::UNAUTHORIZED, "credentials are required\n");
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, authenticator.challenge());
                Err(answer)
            }
        }
    }

    /// Only for who is on this machine, was recognised, or has shown a certificate that the port asks for; and never for a page
    /// in a browser.
    async fn reload<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let is_known = self.is_local
            || self.authenticator.is_some()
            || request.extensions().get::<Arc<ClientCertificate>>().is_some();
        let is_page =
            request.headers().contains_key(header::ORIGIN) || request.headers().contains_key("sec-fetch-site");
        if !is_known || is_page {
            let rule =
                "only this machine, a client certificate that `tls` asks for, or credentials for `auth` may do that\n";
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
        self.shown.borrow().pipelines.iter().for_each(|pipeline| pipeline.publish());
        metrics::gauge!("telseal_in_flight_bytes").set(self.budget.in_flight() as f64);
        self.metrics.render()
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        if *self.stopping.borrow() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
        }
        let shown = Arc::clone(&self.shown.borrow());
        let full: Vec<String> = shown.pipelines.iter().filter_map(|pipeline| pipeline.why_not_ready()).collect();
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
