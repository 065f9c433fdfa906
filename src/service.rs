//! From a checked configuration to a running graph, and back down in the direction of the data.
//!
//! Building goes from the end to the front: logs are opened, exporters attached to them, and only then are receivers
//! bound, so that nothing is taken in that has nowhere to go. Shutdown goes from the front to the end: receivers close,
//! pipelines commit their last group, delivery loops finish or meet the deadline.

mod admin;
mod build;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::http::server;
use crate::pipeline::{Budget, Pipeline};
use crate::receiver::{Routes, otlp};
use crate::stdx::durable::Lock;
use crate::stdx::tasks::Tasks;

/// Why the graph could not be built.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StartError(pub(crate) String);

/// A built graph: everything is open and bound, nothing is accepted yet.
pub struct Service {
    receivers: Vec<(String, otlp::Bound, Routes)>,
    pipelines: Vec<Pipeline>,
    exporters: Vec<(String, build::AnyExporter)>,
    admin: Option<(server::Bound, PrometheusHandle)>,
    budget: Budget,
    shutdown_timeout: Duration,
    deadline: watch::Sender<Option<Instant>>,
    _data_dir: Option<Lock>,
}

impl Service {
    /// Opens and binds everything that the configuration names. `metrics` is rendered on the admin port.
    ///
    /// # Errors
    /// When a folder cannot be used, a port is taken, or a certificate cannot be read: names which, and what to do.
    pub fn build(config: Config, metrics: Option<PrometheusHandle>) -> Result<Self, StartError> {
        build::build(config, metrics)
    }

    /// The addresses that OTLP is received on, as `(receiver id, protocol, address)`.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, &'static str, std::net::SocketAddr)> {
        let mut all = Vec::new();
        for (id, receiver, _) in &self.receivers {
            let otlp::Addresses { grpc, http } = receiver.addresses();
            all.extend(grpc.map(|address| (id.clone(), "grpc", address)));
            all.extend(http.map(|address| (id.clone(), "http", address)));
        }
        all
    }

    /// Serves until `shutdown` resolves, then drains. Returns how many records no destination has confirmed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> u64 {
        for (receiver, protocol, address) in self.addresses() {
            tracing::info!(receiver, protocol, %address, "listening");
        }
        let Self { receivers, pipelines, exporters, admin, budget, shutdown_timeout, deadline, _data_dir } = self;
        let pipelines = Arc::new(pipelines);
        let (stop, stopped) = watch::channel(false);
        let mut listening = Tasks::new();
        for (_, receiver, routes) in receivers {
            // Nobody sends new routes yet; a reload will.
            let (_, routes) = watch::channel(Arc::new(routes));
            let (budget, stop, drain) = (budget.clone(), stopped.clone(), shutdown_timeout);
            listening.spawn(receiver.serve(otlp::Surroundings { routes, budget, stop, drain }));
        }
        let (admin_stop, admin_stopped) = watch::channel(false);
        let mut admin_task = Tasks::new();
        if let Some((bound, metrics)) = admin {
            let state = admin::Admin::new(metrics, pipelines.clone(), budget, stopped.clone());
            admin_task.spawn(admin::serve(bound, state, admin_stopped));
        }
        shutdown.await;
        let at = Instant::now() + shutdown_timeout;
        tracing::info!(timeout = ?shutdown_timeout, "shutting down");
        let _ = stop.send(true);
        deadline.send_replace(Some(at));
        let cut_off = listening.join(shutdown_timeout).await;
        if cut_off > 0 {
            tracing::warn!(listeners = cut_off, "requests were cut off at the shutdown deadline");
        }
        drop(listening);
        let mut left = 0;
        for pipeline in pipelines.iter() {
            left += pipeline.drain(at).await;
        }
        for (id, exporter) in &exporters {
            if let Err(error) = exporter.close().await {
                tracing::error!(exporter = id, %error, "could not close");
            }
        }
        let _ = admin_stop.send(true);
        admin_task.join(Duration::from_millis(200)).await;
        left
    }
}
