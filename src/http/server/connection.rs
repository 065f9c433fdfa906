//! One connection: hyper drives it, and a coarse clock beside it closes it when its peer stalls or it has grown old.
//!
//! The clock ticks a few times within the shortest of its limits, so a limit is met late by at most one tick. That costs
//! nothing per request, unlike a timer for each.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, mem};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_rustls::server::TlsStream;

use super::certificate::ClientCertificate;
use super::handshake::Security;
use super::listener::Stream;
use super::{Answer, Options, Peer, Shared, stopped};

/// The limits of a connection's life.
#[derive(Debug, Clone)]
pub(super) struct Lifetime {
    header: Duration,
    idle: Option<Duration>,
    age: Option<Duration>,
    grace: Option<Duration>,
    tick: Duration,
}

impl From<&Options> for Lifetime {
    fn from(options: &Options) -> Self {
        let (header, idle, age) = (options.read_header_timeout, options.idle_timeout, options.age_max);
        let shortest = [idle, age, options.age_grace].into_iter().flatten().fold(header, Duration::min);
        let tick = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(5));
        Self { header, idle, age, grace: options.age_grace, tick }
    }
}

/// Serves one connection to its end. `slot` is its place among the connections of the listener.
pub(super) async fn run<H, F, B>(
    stream: Stream,
    slot: OwnedSemaphorePermit,
    shared: Arc<Shared<H>>,
    mut stop: watch::Receiver<bool>,
) where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Answer,
{
    let peer = stream.peer().map(Peer);
    match &shared.security {
        None => serve(Transport::Plain(stream), Other { peer, client: None }, slot, &shared, stop).await,
        Some(security) => {
            // On the heap, so that connections without TLS do not carry the room for it.
            let Some((stream, client)) = Box::pin(secure(security, stream, &mut stop)).await else { return };
            serve(Transport::Tls(Box::new(stream)), Other { peer, client }, slot, &shared, stop).await;
        }
    }
}

type Secured = (TlsStream<Stream>, Option<Arc<ClientCertificate>>);

async fn secure(security: &Security, stream: Stream, stop: &mut watch::Receiver<bool>) -> Option<Secured> {
    tokio::select! {
        biased;
        () = stopped(stop) => None,
        secured = security.accept(stream) => secured,
    }
}

/// What is known of the other end.
struct Other {
    peer: Option<Peer>,
    client: Option<Arc<ClientCertificate>>,
}

impl Other {
    fn introduce(&self, request: &mut Request<Incoming>) {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        if let Some(client) = &self.client {
            request.extensions_mut().insert(Arc::clone(client));
        }
    }
}

async fn serve<H, F, B>(
    transport: Transport,
    other: Other,
    _slot: OwnedSemaphorePermit,
    shared: &Shared<H>,
    mut stop: watch::Receiver<bool>,
) where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Answer,
{
    let seen = Arc::new(Seen::default());
    let io = TokioIo::new(Counted { stream: transport, seen: Arc::clone(&seen) });
    let mut watch = Watch::new(shared.lifetime.clone(), Arc::clone(&seen));
    let service = service_fn(|mut request: Request<Incoming>| {
        other.introduce(&mut request);
        let under_way = UnderWay::new(&seen);
        let answer = (shared.handler)(request);
        async move {
            let answer = answer.await;
            drop(under_way);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = pin!(shared.builder.serve_connection(io, service));
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            // An error here is the peer's: it went away or does not speak HTTP. Requests are counted where they are handled.
            _ = connection.as_mut() => return,
            () = stopped(&mut stop), if !stopping => {}
            verdict = watch.verdict() => if verdict == Verdict::Close { return },
        }
        stopping = true;
        watch.drain();
        connection.as_mut().graceful_shutdown();
    }
}

/// What was seen of a connection.
#[derive(Debug, Default)]
struct Seen {
    requests: AtomicU64,
    under_way: AtomicUsize,
    bytes_read: AtomicU64,
    /// As many were read when the last request was answered.
    bytes_done: AtomicU64,
    is_http2: AtomicBool,
}

/// Counts a request as under way while it lives.
struct UnderWay(Arc<Seen>);

impl UnderWay {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.requests.fetch_add(1, Relaxed);
        seen.under_way.fetch_add(1, Relaxed);
        Self(Arc::clone(seen))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.bytes_done.store(self.0.bytes_read.load(Relaxed), Relaxed);
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

/// What is to happen to the connection.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is old: no new requests, those under way may end.
    Drain,
    /// It is stalled, idle, or past its grace.
    Close,
}

fn interval_at(start: Instant, period: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(start, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// How long a connection that takes no new requests may have none under way before it is closed.
const QUIET_MAX: Duration = Duration::from_secs(1);

/// Looks at the connection now and then.
struct Watch {
    lifetime: Lifetime,
    seen: Arc<Seen>,
    ticks: Interval,
    born: Instant,
    quiet_since: Instant,
    partial_since: Option<Instant>,
    requests: u64,
    draining_since: Option<Instant>,
}

impl Watch {
    fn new(lifetime: Lifetime, seen: Arc<Seen>) -> Self {
        let now = Instant::now();
        let ticks = interval_at(now + lifetime.tick, lifetime.tick);
        Self {
            lifetime,
            seen,
            ticks,
            born: now,
            quiet_since: now,
            partial_since: Some(now),
            requests: 0,
            draining_since: None,
        }
    }

    /// Waits until something is to be done about the connection.
    async fn verdict(&mut self) -> Verdict {
        loop {
            let now = self.ticks.tick().await;
            if let Some(verdict) = self.judge(now) {
                return verdict;
            }
        }
    }

    /// No new requests from now on: who has none under way is not waited for long. A peer that is gone would never
    /// acknowledge the end of its connection.
    fn drain(&mut self) {
        let now = Instant::now();
        self.draining_since.get_or_insert(now);
        let tick = self.lifetime.tick.min(QUIET_MAX / 4);
        self.ticks = interval_at(now + tick, tick);
    }

    fn judge(&mut self, now: Instant) -> Option<Verdict> {
        self.look(now);
        let over = |since: Instant, limit: Duration| now.duration_since(since) >= limit;
        let stalled = self.partial_since.is_some_and(|since| over(since, self.lifetime.header));
        let idle = self.lifetime.idle.is_some_and(|limit| over(self.quiet_since, limit));
        let Some(draining_since) = self.draining_since else {
            let old = self.lifetime.age.is_some_and(|limit| over(self.born, limit));
            return if stalled || idle { Some(Verdict::Close) } else { old.then_some(Verdict::Drain) };
        };
        let spent = self.lifetime.grace.is_some_and(|grace| over(draining_since, grace));
        let quiet = over(self.quiet_since.max(draining_since), QUIET_MAX);
        (stalled || idle || spent || quiet).then_some(Verdict::Close)
    }

    /// Takes note of what happened since the last look. Bytes beyond the last request are the beginning of a header; on
    /// HTTP/2 they may as well be pings, and gRPC clients connect long before they send: there only `idle` counts.
    fn look(&mut self, now: Instant) {
        let requests = self.seen.requests.load(Relaxed);
        let came = mem::replace(&mut self.requests, requests) != requests;
        let busy = self.seen.under_way.load(Relaxed) > 0;
        if came || busy {
            self.quiet_since = now;
            self.partial_since = None;
        }
        // A new connection owes a request from the start.
        let owes = requests == 0 || self.seen.bytes_read.load(Relaxed) != self.seen.bytes_done.load(Relaxed);
        self.partial_since = if owes && !busy && !self.seen.is_http2.load(Relaxed) {
            Some(self.partial_since.unwrap_or(now))
        } else {
            None
        };
    }
}

/// No method of HTTP/1 begins like this.
const HTTP2_PREFACE_START: &[u8] = b"PRI ";

/// A connection, encrypted or not.
enum Transport {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
}

/// A connection that counts what is read from it.
struct Counted {
    stream: Transport,
    seen: Arc<Seen>,
}

/// Calls a method of whichever transport it is.
macro_rules! either {
    ($counted:expr, $method:ident($($argument:expr),*)) => {
        match &mut $counted.stream {
            Transport::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Transport::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = either!(self, poll_read(cx, buf));
        let read = &buf.filled()[before..];
        if self.seen.bytes_read.fetch_add(read.len() as u64, Relaxed) == 0 && read.starts_with(HTTP2_PREFACE_START) {
            self.seen.is_http2.store(true, Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
