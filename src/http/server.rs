//! Listening: one accept loop for the OTLP receivers and the admin port, HTTP/1.1 and HTTP/2 on the same socket.
//!
//! A socket is bound before anything else starts, so that a port in use is a start-up error with a name. What a
//! stranger can hold is bounded: connections, the time to the first request header and between requests, streams and
//! window of an HTTP/2 connection, TLS handshakes. The size of bodies is the handler's business, which alone knows what
//! they are for.

mod certificate;
mod connection;
mod handshake;
mod listener;
mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub use certificate::ClientCertificate;
pub use listener::{Local, UNIX_PATH_BYTES_MAX, UNIX_SCHEME, unix_path};
pub use tls::{Tls, TlsError};

use crate::stdx::tasks::{Tasks, detached};
use connection::Lifetime;
use handshake::Security;
use listener::{Listener, Socket, Stream, listen};

/// What a handler answers with.
pub trait Answer: Body<Data = Bytes, Error = Infallible> + Send + 'static {}

impl<B: Body<Data = Bytes, Error = Infallible> + Send + 'static> Answer for B {}

/// Bounds of a listener. [`Default`] suits a small port such as the admin port.
#[derive(Debug, Clone)]
pub struct Options {
    /// Open connections; further ones wait in the system's accept queue.
    pub connections_max: usize,
    /// From connecting, or from the first byte of a later request, to the end of the request's header.
    pub read_header_timeout: Duration,
    /// A connection without a request under way for this long is closed.
    pub idle_timeout: Option<Duration>,
    /// A connection this old is asked to go away.
    pub age_max: Option<Duration>,
    /// How long requests may still take after that. None: as long as they need.
    pub age_grace: Option<Duration>,
    /// Requests under way on one HTTP/2 connection.
    pub streams_max: u32,
    /// An HTTP/2 connection without traffic is pinged this often.
    pub ping_every: Duration,
    /// An HTTP/2 connection that does not answer a ping within this time is closed.
    pub ping_timeout: Duration,
    /// How long requests under way may still take when the listener stops.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 64,
            read_header_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(180)),
            age_max: None,
            age_grace: None,
            streams_max: 64,
            ping_every: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            drain: Duration::from_secs(5),
        }
    }
}

/// Why a listener could not be set up.
#[derive(Debug, Error)]
pub enum BindError {
    /// An address that could not be listened on.
    #[error("{key}: cannot listen on {address}: {}", reason(.cause))]
    Address {
        /// The configuration key it comes from.
        key: String,
        /// The address as written.
        address: String,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// Certificates that cannot be used.
    #[error("{key}: {cause}")]
    Tls {
        /// The configuration key of the TLS settings.
        key: String,
        /// Which file, and why.
        #[source]
        cause: TlsError,
    },
}

impl BindError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let Self::Address { cause, address, .. } = self else { return None };
        match cause.kind() {
            io::ErrorKind::AddrInUse => Some(
                "another process has this port, perhaps a collector that is already running: stop it or choose another port",
            ),
            io::ErrorKind::AddrNotAvailable => {
                Some("this machine has no such address; `0.0.0.0` stands for all it has")
            }
            io::ErrorKind::PermissionDenied if unix_path(address).is_some() => {
                Some("the folder of the socket must be writable")
            }
            io::ErrorKind::PermissionDenied => Some("ports below 1024 need a privilege: choose a higher one"),
            io::ErrorKind::NotFound => Some("the folder of the socket must exist"),
            _ => None,
        }
    }
}

fn reason(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no such address on this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => cause.to_string(),
    }
}

/// The other end of the connection: stands among the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A socket that is listening; connections queue until it is served.
#[derive(Debug)]
pub struct Bound {
    socket: Socket,
    local: Local,
    security: Option<Arc<Security>>,
}

impl Bound {
    /// Listens on `address`: `host:port` (port 0 takes a free one), or `unix:PATH`. `key` is the configuration key it
    /// comes from.
    ///
    /// # Errors
    /// When the address is none, is not this machine's, or is taken.
    pub fn bind(address: &str, key: &str) -> Result<Self, BindError> {
        let error = |cause| BindError::Address { key: key.to_owned(), address: address.to_owned(), cause };
        listen(address).map(|(socket, local)| Self { socket, local, security: None }).map_err(error)
    }

    /// The same socket with TLS, if there are settings for it. `key` is their configuration key. Reads the files.
    ///
    /// # Errors
    /// When a file cannot be read or used: names it.
    pub fn secured(self, tls: Option<&Tls>, key: &str) -> Result<Self, BindError> {
        let Some(tls) = tls else { return Ok(self) };
        let security = Security::new(tls, key).map_err(|cause| BindError::Tls { key: key.to_owned(), cause })?;
        Ok(Self { security: Some(Arc::new(security)), ..self })
    }

    /// Where it really listens.
    #[must_use]
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local.is_local()
    }

    /// Whether what it receives can be read on the way: it is not encrypted, and others than this machine reach it.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.security.is_none() && !self.local.is_local()
    }

    /// Answers requests with `handler` until `stop` says true or its sender is gone; then accepts no more, lets
    /// requests under way finish for at most [`Options::drain`], and ends.
    pub async fn serve<H, F, B>(self, options: Options, handler: H, mut stop: watch::Receiver<bool>)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Answer,
    {
        let Self { socket, local, security } = self;
        let listener = match Listener::new(socket) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%local, %error, "cannot serve the listening socket"),
        };
        let mut fresh = Tasks::new();
        security.iter().for_each(|security| fresh.spawn(Arc::clone(security).stay_fresh()));
        let slots = Arc::new(Semaphore::new(options.connections_max));
        let mut accepting = Accepting { listener, slots, local: local.clone(), failures: 0 };
        let shared = Shared { builder: builder(&options), lifetime: Lifetime::from(&options), handler, security };
        let shared = Arc::new(shared);
        let mut connections = Tasks::new();
        while let Some((stream, slot)) = accepting.next(&mut stop).await {
            connections.reap();
            connections.spawn(connection::run(stream, slot, Arc::clone(&shared), stop.clone()));
        }
        drop(accepting);
        let left = connections.join(options.drain).await;
        if left > 0 {
            tracing::warn!(%local, connections = left, "connections were cut because their requests did not end in time");
        }
    }
}

/// What all connections of a listener have in common.
struct Shared<H> {
    builder: auto::Builder<Spawn>,
    lifetime: Lifetime,
    handler: H,
    security: Option<Arc<Security>>,
}

/// Ends when the listener is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it whoever wanted the listener.
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Accepting {
    listener: Listener,
    slots: Arc<Semaphore>,
    local: Local,
    failures: u32,
}

impl Accepting {
    /// The next connection, once there is a slot for it; `None` when it is time to stop.
    async fn next(&mut self, stop: &mut watch::Receiver<bool>) -> Option<(Stream, OwnedSemaphorePermit)> {
        tokio::select! {
            biased;
            () = stopped(stop) => None,
            accepted = self.accept() => accepted,
        }
    }

    async fn accept(&mut self) -> Option<(Stream, OwnedSemaphorePermit)> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        loop {
            match self.listener.accept().await {
                Ok(stream) => {
                    self.failures = 0;
                    return Some((stream, slot));
                }
                Err(error) if is_peers_fault(&error) => {}
                Err(error) => self.back_off(&error).await,
            }
        }
    }

    /// Out of file descriptors or memory: accepting again at once would fail again at once.
    async fn back_off(&mut self, error: &io::Error) {
        self.failures = self.failures.saturating_add(1);
        if self.failures.is_power_of_two() {
            let (local, failures) = (&self.local, self.failures);
            tracing::warn!(%local, %error, failures, "cannot accept connections");
        }
        tokio::time::sleep(Duration::from_millis(50 * u64::from(self.failures.min(20)))).await;
    }
}

/// The peer gave up before it was accepted; the listener itself is well.
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// hyper starts the tasks of HTTP/2 streams through this.
#[derive(Debug, Clone, Copy)]
struct Spawn;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        drop(detached(future));
    }
}

/// A request of usual size fits into the window of its stream, so that its sender never waits for an update.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// What one HTTP/2 connection may make us hold before anything is read from it.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Large frames arrive in one piece and need no joining.
const FRAME_BYTES_MAX: u32 = 1 << 20;
const HEADER_BYTES_MAX: u32 = 32 << 10;
/// What is read of an HTTP/1 connection at once: the pieces of a body are copied into one while they are in the cache. Also the most
/// that its header may have.
const READ_BYTES_MAX: usize = 64 << 10;

fn builder(options: &Options) -> auto::Builder<Spawn> {
    let mut builder = auto::Builder::new(Spawn);
    // The time to the header is watched per connection (`connection::Watch`): hyper's own timer would also close
    // connections that merely wait for the next request.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(READ_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(options.ping_every)
        .keep_alive_timeout(options.ping_timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_concurrent_streams(options.streams_max);
    builder
}
