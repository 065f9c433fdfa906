//! From a checked configuration to a running graph, and back down in the direction of the data.
//!
//! Building goes from the end to the front: logs are opened, exporters attached to them, and only then are receivers
//! bound, so that nothing is taken in that has nowhere to go. Shutdown goes from the front to the end: receivers close,
//! pipelines commit their last group, delivery loops finish or meet the deadline.

mod admin;
mod applied;
mod build;
mod changes;
mod detect;
pub mod dry;
mod exporters;
mod extensions;
mod graph;
mod memory;
pub mod notify;
mod processors;
pub mod reload;
pub mod rules;
pub mod single;
mod surroundings;

pub(crate) use build::lens;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Config, Id};
use crate::http::server;
use crate::pipeline::Budget;
use crate::receiver::otlp_file::OtlpFile;
use crate::receiver::{Routes, otlp};
use crate::stdx::tasks::Tasks;
use admin::{Admin, Shown};
use graph::{Graph, Upkeep};
use reload::{Reloader, Reloads};

/// Why the graph could not be built.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StartError(pub(crate) String);

/// A built graph: everything is open and bound, nothing is accepted yet.
pub struct Service {
    graph: Graph,
    receivers: Vec<(Id, otlp::Bound)>,
    files: Vec<(Id, OtlpFile)>,
    admin: Option<(server::Bound, PrometheusHandle)>,
    budget: Budget,
    shutdown_timeout: Duration,
    deadline: watch::Sender<Option<Instant>>,
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
        for (id, receiver) in &self.receivers {
            let id = id.to_string();
            let otlp::Addresses { grpc, http } = receiver.addresses();
            all.extend(grpc.map(|address| (id.clone(), "grpc", address)));
            all.extend(http.map(|address| (id.clone(), "http", address)));
        }
        all
    }

    /// Serves until `shutdown` resolves, then drains. Returns how many records no destination has confirmed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> u64 {
        let running = self.start(None).await;
        shutdown.await;
        running.stop().await
    }

    /// The same; takes up its configuration again whenever it is asked to.
    pub async fn run_with(self, mut reloads: Reloads, shutdown: impl Future<Output = ()>) -> u64 {
        let mut running = self.start(Some(reloads.reloader())).await;
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let ask = tokio::select! {
                () = &mut shutdown => break,
                ask = reloads.next() => ask,
            };
            let mut reload = std::pin::pin!(running.reload(&reloads, ask));
            // Whoever waits for shutdown has other things to do as well, which must go on.
            tokio::select! {
                () = &mut reload => continue,
                () = &mut shutdown => {}
            }
            reload.await;
            break;
        }
        running.stop().await
    }

    /// Says which listeners speak in plain text to more than this machine.
    fn warn_of_plain_text(&self) {
        let receivers = self.receivers.iter().flat_map(|(id, receiver)| {
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
    async fn start(self, reloader: Option<Reloader>) -> Running {
        for (receiver, protocol, address) in self.addresses() {
            tracing::info!(receiver, protocol, %address, "listening");
        }
        self.warn_of_plain_text();
        let Self { mut graph, receivers, files, admin, budget, shutdown_timeout, deadline } = self;
        let (stop, stopped) = watch::channel(false);
        let mut upkeep = Upkeep::default();
        upkeep.follow(&mut graph).await;
        let (mut listening, mut routes) = (Tasks::new(), BTreeMap::new());
        let mut around = |id: Id| {
            let (sender, receiver) = watch::channel(graph.routes(&id));
            routes.insert(id, sender);
            otlp::Surroundings {
                routes: receiver,
                budget: budget.clone(),
                stop: stopped.clone(),
                drain: shutdown_timeout,
            }
        };
        for (id, receiver) in receivers {
            listening.spawn(receiver.serve(around(id)));
        }
        for (id, receiver) in files {
            listening.spawn(receiver.serve(around(id)));
        }
        let (showing, shown) = watch::channel(graph.shown());
        let (admin_stop, admin_stopped) = watch::channel(false);
        let mut serving_admin = Tasks::new();
        if let Some((bound, metrics)) = admin {
            let own = &graph.config.service.telemetry.metrics;
            let authenticator = own.auth.as_ref().map(|auth| auth.authenticator.clone());
            let (is_local, stopping) = (bound.is_local(), stopped);
            let state = Admin { metrics, shown, budget, stopping, reloader, is_local, authenticator };
            serving_admin.spawn(admin::serve(bound, state, admin_stopped));
        }
        let admin = (serving_admin, admin_stop);
        Running { graph, upkeep, listening, routes, shown: showing, stop, admin, shutdown_timeout, deadline }
    }
}

/// A graph that takes requests.
struct Running {
    graph: Graph,
    upkeep: Upkeep,
    listening: Tasks,
    /// By receiver. A receiver that has ended listens no more.
    routes: BTreeMap<Id, watch::Sender<Arc<Routes>>>,
    /// For the admin port.
    shown: watch::Sender<Arc<Shown>>,
    stop: watch::Sender<bool>,
    admin: (Tasks, watch::Sender<bool>),
    shutdown_timeout: Duration,
    deadline: watch::Sender<Option<Instant>>,
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
        // Nobody else may hold a door.
        drop((self.listening, self.routes));
        let mut left = 0;
        for pipeline in self.graph.pipelines.values() {
            left += pipeline.drain(at).await;
        }
        self.upkeep.end().await;
        for (id, exporter) in &self.graph.exporters {
            close(&id.to_string(), exporter).await;
        }
        let (mut admin, admin_stop) = self.admin;
        let _ = admin_stop.send(true);
        admin.join(ADMIN_GRACE).await;
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
