//! The `otlp` receiver: OTLP over gRPC and over HTTP.
//!
//! Talks to: whoever sends. Nothing is retried; a sender is told whether to come back. Limits: connections, requests under
//! way, size of a request on the wire and decompressed, time to its header and to its end, and the process-wide budget of
//! bytes in flight, which is asked before a body is read.

mod config;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub(super) use config::rooted;
pub use config::{Auth, Config, Grpc, Http, Keepalive, KeepaliveServer, Protocols, Transport};

use super::door::{Door, Meters, Routes};
use super::guard::Guard;
use super::otlp_grpc::OtlpGrpc;
use super::otlp_http::OtlpHttp;
use crate::http::server::{self, BindError, Local, Options, Tls};
use crate::pipeline::Budget;
use crate::stdx::duration::Span;

/// The receiver, by its name in configuration files.
#[derive(Debug)]
pub struct Otlp;

/// The receiver with its sockets listening; senders queue until it is served.
#[derive(Debug)]
pub struct Bound {
    id: String,
    grpc: Option<(server::Bound, Grpc)>,
    http: Option<(server::Bound, Http)>,
}

/// Where a receiver really listens, which differs from its configuration when that says port 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// OTLP/gRPC.
    pub grpc: Option<Local>,
    /// OTLP/HTTP.
    pub http: Option<Local>,
}

/// What the rest of the process gives a receiver.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where signals go. A reload sends new routes; requests under way finish on the old ones.
    pub routes: watch::Receiver<Arc<Routes>>,
    /// The process-wide allowance of bytes in flight.
    pub budget: Budget,
    /// True, or closed, when the receiver is to stop.
    pub stop: watch::Receiver<bool>,
    /// How long requests under way may still take then.
    pub drain: Duration,
}

impl Otlp {
    /// Opens the sockets of the receiver `id` (`otlp` or `otlp/name`) and reads its certificates.
    ///
    /// # Errors
    /// When an address cannot be listened on, or a certificate cannot be used; the error names it and the configuration key.
    pub fn bind(id: &str, config: &Config) -> Result<Bound, BindError> {
        let bind = |protocol: &str, address: &str, tls: &Option<Tls>| {
            let key = format!("receivers.{id}.protocols.{protocol}");
            server::Bound::bind(address, &format!("{key}.endpoint"))?.secured(tls.as_ref(), &format!("{key}.tls"))
        };
        let Protocols { grpc, http } = config.protocols.clone();
        let grpc =
            grpc.map(|config| bind("grpc", &config.address(), &config.tls).map(|bound| (bound, config))).transpose()?;
        let http =
            http.map(|config| bind("http", &config.address(), &config.tls).map(|bound| (bound, config))).transpose()?;
        Ok(Bound { id: id.to_owned(), grpc, http })
    }
}

impl Bound {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            grpc: self.grpc.as_ref().map(|(bound, _)| bound.local().clone()),
            http: self.http.as_ref().map(|(bound, _)| bound.local().clone()),
        }
    }

    /// The protocols that strangers on the way can read: not encrypted, and not only for this machine.
    #[must_use]
    pub fn exposed(&self) -> Vec<&'static str> {
        let grpc = self.grpc.iter().filter(|(bound, _)| bound.is_exposed()).map(|_| "grpc");
        let http = self.http.iter().filter(|(bound, _)| bound.is_exposed()).map(|_| "http");
        grpc.chain(http).collect()
    }

    /// Takes requests until it is to stop, then finishes those under way. Holds no route afterwards.
    pub async fn serve(self, surroundings: Surroundings) {
        let Self { id, grpc, http } = self;
        tokio::join!(serve_grpc(&id, grpc, surroundings.clone()), serve_http(&id, http, surroundings));
    }
}

async fn serve_grpc(id: &str, grpc: Option<(server::Bound, Grpc)>, around: Surroundings) {
    let Some((bound, config)) = grpc else { return };
    let guard = Guard::new(config.auth.clone().map(|auth| auth.authenticator), &config.tenant_limits);
    let door = Door::new(Meters::new(id, "grpc"), guard, config.max_concurrent_requests, around.routes, around.budget);
    let answers = Arc::new(OtlpGrpc::new(&config, door));
    bound
        .serve(grpc_options(&config, around.drain), move |request| Arc::clone(&answers).answer(request), around.stop)
        .await;
}

async fn serve_http(id: &str, http: Option<(server::Bound, Http)>, around: Surroundings) {
    let Some((bound, config)) = http else { return };
    let guard = Guard::new(config.auth.clone().map(|auth| auth.authenticator), &config.tenant_limits);
    let door = Door::new(Meters::new(id, "http"), guard, config.max_concurrent_requests, around.routes, around.budget);
    let answers = Arc::new(OtlpHttp::new(&config, door));
    bound
        .serve(http_options(&config, around.drain), move |request| Arc::clone(&answers).answer(request), around.stop)
        .await;
}

fn grpc_options(config: &Grpc, drain: Duration) -> Options {
    let keepalive = &config.keepalive.server_parameters;
    Options {
        connections_max: config.max_connections,
        read_header_timeout: config.read_header_timeout.0,
        idle_timeout: unless_zero(keepalive.max_connection_idle),
        age_max: unless_zero(keepalive.max_connection_age),
        age_grace: unless_zero(keepalive.max_connection_age_grace),
        streams_max: config.max_concurrent_streams,
        ping_every: keepalive.time.0,
        ping_timeout: keepalive.timeout.0,
        drain,
    }
}

fn http_options(config: &Http, drain: Duration) -> Options {
    Options {
        connections_max: config.max_connections,
        read_header_timeout: config.read_header_timeout.0,
        idle_timeout: unless_zero(config.idle_timeout),
        streams_max: 1024,
        drain,
        ..Options::default()
    }
}

fn unless_zero(span: Span) -> Option<Duration> {
    (span.0 > Duration::ZERO).then_some(span.0)
}
