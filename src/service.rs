//! From a checked configuration to a running graph, and back down in the direction of the data.
//!
//! Building goes from the end to the front: logs are opened, exporters attached to them, and only then are receivers
//! bound, so that nothing is taken in that has nowhere to go. Shutdown goes from the front to the end: receivers close,
//! pipelines commit their last group, delivery loops finish or meet the deadline.

mod admin;
mod applied;
mod build;
mod detect;
pub mod dry;
mod exporters;
mod extensions;
mod memory;
pub mod notify;
pub mod rules;
pub mod single;
mod surroundings;

pub(crate) use build::lens;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::extension::Authenticator;
use crate::http::server;
use crate::pipeline::{Budget, Pipeline};
use crate::receiver::otlp_file::OtlpFile;
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
    files: Vec<(OtlpFile, Routes)>,
    pipelines: Vec<Pipeline>,
    exporters: Vec<(String, exporters::AnyExporter)>,
    admin: Option<(server::Bound, PrometheusHandle)>,
    keepers: Vec<rules::Keeper>,
    authenticators: Vec<Arc<Authenticator>>,
    budget: Budget,
    shutdown_timeout: Duration,
    deadline: watch::Sender<Option<Instant>>,
    reloads: Vec<surroundings::Reload>,
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
    pub fn addresses(&self) -> Vec<(String, &'static str, server::Local)> {
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
        let running = self.start();
        shutdown.await;
        running.stop().await
    }

    /// Says which listeners speak in plain text to more than this machine.
    fn warn_of_plain_text(&self) {
        let receivers = self.receivers.iter().flat_map(|(id, receiver, _)| {
            receiver.exposed().into_iter().map(move |protocol| format!("receivers.{id}.protocols.{protocol}"))
        });
        let admin = self.admin.iter().filter(|(bound, _)| bound.is_exposed());
        for listener in receivers.chain(admin.map(|_| "service.telemetry.metrics".to_owned())) {
            tracing::warn!(
                listener,
                "plain text on an address that other machines reach: set `tls`, or listen on 127.0.0.1"
            );
        }
    }

    /// Takes requests from here on.
    fn start(self) -> Running {
        for (receiver, protocol, address) in self.addresses() {
            tracing::info!(receiver, protocol, %address, "listening");
        }
        self.warn_of_plain_text();
        let pipelines = Arc::new(self.pipelines);
        let (stop, stopped) = watch::channel(false);
        let (admin_stop, admin_stopped) = watch::channel(false);
        let (mut listening, mut admin, mut reloading) = (Tasks::new(), Tasks::new(), Tasks::new());
        self.reloads.into_iter().for_each(|reload| reloading.spawn(reload.run()));
        self.authenticators.into_iter().for_each(|authenticator| reloading.spawn(authenticator.stay_fresh()));
        for (_, receiver, routes) in self.receivers {
            // Nobody sends new routes yet; a reload will.
            let (_, routes) = watch::channel(Arc::new(routes));
            let (budget, stop, drain) = (self.budget.clone(), stopped.clone(), self.shutdown_timeout);
            listening.spawn(receiver.serve(otlp::Surroundings { routes, budget, stop, drain }));
        }
        for (receiver, routes) in self.files {
            let (_, routes) = watch::channel(Arc::new(routes));
            let (budget, stop, drain) = (self.budget.clone(), stopped.clone(), self.shutdown_timeout);
            listening.spawn(receiver.serve(otlp::Surroundings { routes, budget, stop, drain }));
        }
        let (mut keepers, (keepers_stop, keepers_stopped)) = (Tasks::new(), watch::channel(false));
        self.keepers.into_iter().for_each(|keeper| keepers.spawn(keeper.run(keepers_stopped.clone())));
        if let Some((bound, metrics)) = self.admin {
            let state = admin::Admin::new(metrics, pipelines.clone(), self.budget, stopped);
            admin.spawn(admin::serve(bound, state, admin_stopped));
        }
        Running {
            listening,
            stop,
            pipelines,
            exporters: self.exporters,
            keepers,
            keepers_stop,
            admin,
            admin_stop,
            shutdown_timeout: self.shutdown_timeout,
            deadline: self.deadline,
            _reloading: reloading,
            _data_dir: self._data_dir,
        }
    }
}

/// A graph that takes requests.
struct Running {
    listening: Tasks,
    stop: watch::Sender<bool>,
    pipelines: Arc<Vec<Pipeline>>,
    exporters: Vec<(String, exporters::AnyExporter)>,
    keepers: Tasks,
    keepers_stop: watch::Sender<bool>,
    admin: Tasks,
    admin_stop: watch::Sender<bool>,
    shutdown_timeout: Duration,
    deadline: watch::Sender<Option<Instant>>,
    /// Ends when it is dropped.
    _reloading: Tasks,
    _data_dir: Option<Lock>,
}

/// How long an exporter may take to close after the deadline: long enough to rename a file, too short to hang on one.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// How long the admin port may take to answer the last scrape.
const ADMIN_GRACE: Duration = Duration::from_millis(200);

impl Running {
    /// Shuts down in the direction of the data. Returns how many records no destination has confirmed.
    async fn stop(mut self) -> u64 {
        tracing::info!(timeout = ?self.shutdown_timeout, "shutting down");
        let at = Instant::now() + self.shutdown_timeout;
        let _ = self.stop.send(true);
        self.deadline.send_replace(Some(at));
        let cut_off = self.listening.join(self.shutdown_timeout).await;
        if cut_off > 0 {
            tracing::warn!(listeners = cut_off, "requests were cut off at the shutdown deadline");
        }
        drop(self.listening);
        let mut left = 0;
        for pipeline in self.pipelines.iter() {
            left += pipeline.drain(at).await;
        }
        let _ = self.keepers_stop.send(true);
        self.keepers.join(CLOSE_GRACE).await;
        for (id, exporter) in &self.exporters {
            close(id, exporter).await;
        }
        let _ = self.admin_stop.send(true);
        self.admin.join(ADMIN_GRACE).await;
        left
    }
}

async fn close(id: &str, exporter: &exporters::AnyExporter) {
    match tokio::time::timeout(CLOSE_GRACE, exporter.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(exporter = id, %error, "could not close"),
        Err(_) => tracing::error!(exporter = id, "did not close in {CLOSE_GRACE:?}"),
    }
}
