//! A downstream OTLP receiver in the test's own process: gRPC and HTTP on one port, it keeps what it gets, answers as
//! it is told, and can go away and come back.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use telseal::otlp::Signal;
use telseal::stdx::tasks::Tasks;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::process::{eventually, free_port};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) signal: Signal,
    pub(crate) headers: HeaderMap,
    /// The `Export*ServiceRequest` in protobuf.
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct State {
    got: Vec<Got>,
    /// Statuses for the next requests; when it is empty, `otherwise`.
    script: VecDeque<u16>,
    otherwise: Option<u16>,
}

/// The receiver. It is gone when this is dropped.
pub(crate) struct Destination {
    state: Arc<Mutex<State>>,
    runtime: Runtime,
    port: u16,
    phase: Phase,
}

enum Phase {
    /// Serving; sending (or dropping) closes the listener and all connections.
    Up {
        stop: oneshot::Sender<()>,
        stopped: tokio::task::JoinHandle<()>,
    },
    /// The port is held, and connections to it are refused.
    Down(TcpSocket),
    Changing,
}

impl Destination {
    /// A receiver on a free port.
    pub(crate) fn start() -> Self {
        let mut destination = Self::start_down();
        destination.up();
        destination
    }

    /// A receiver that has a port already but refuses connections.
    pub(crate) fn start_down() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let port = free_port();
        let socket = hold(port).expect("the port is free");
        Self { state: Arc::default(), runtime, port, phase: Phase::Down(socket) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its base address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Begins to refuse connections; those that are open are cut.
    pub(crate) fn down(&mut self) {
        if let Phase::Up { stop, stopped } = std::mem::replace(&mut self.phase, Phase::Changing) {
            drop(stop);
            self.runtime.block_on(stopped).expect("the accept loop does not panic");
            self.phase = Phase::Down(eventually("the port is free again", || hold(self.port)));
        }
    }

    /// Serves again, on the same port.
    pub(crate) fn up(&mut self) {
        if let Phase::Down(socket) = std::mem::replace(&mut self.phase, Phase::Changing) {
            let (stop, until) = oneshot::channel();
            let state = self.state.clone();
            let _entered = self.runtime.enter();
            let listener = socket.listen(1024).expect("the port is held");
            let stopped = telseal::stdx::tasks::detached(serve(listener, state, until));
            self.phase = Phase::Up { stop, stopped };
        }
    }

    /// Answers the next requests with these statuses, one each; what they bring is not kept unless it is 200.
    pub(crate) fn answer_next(&self, statuses: impl IntoIterator<Item = u16>) {
        self.state().script.extend(statuses);
    }

    /// Answers every request with this status.
    pub(crate) fn answer_always(&self, status: u16) {
        self.state().otherwise = Some(status);
    }

    /// Everything that was taken so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.state().got.clone()
    }

    /// Waits until what was taken satisfies `enough`, and returns it.
    pub(crate) fn wait_for(&self, what: &str, enough: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        eventually(what, || Some(self.got()).filter(|got| enough(got)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }
}

/// A socket bound to the port that does not listen: whoever connects is refused, and nobody else gets the port.
fn hold(port: u16) -> Option<TcpSocket> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
    Some(socket)
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, mut until: oneshot::Receiver<()>) {
    let mut connections = Tasks::new();
    loop {
        let stream = tokio::select! {
            _ = &mut until => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        let state = state.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(state.clone(), request));
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let is_grpc =
        parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let body = if is_grpc { body.slice(5..) } else { body };
    let mut state = state.lock().expect("no panic while locked");
    let status = state.script.pop_front().or(state.otherwise).unwrap_or(200);
    match signal_of(parts.uri.path()) {
        Some(signal) if status == 200 => state.got.push(Got { signal, headers: parts.headers, body }),
        Some(_) => {}
        None => return Ok(plain(404)),
    }
    Ok(if is_grpc { grpc(status) } else { plain(status) })
}

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/v1/logs" | "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        "/v1/metrics" | "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        "/v1/traces" | "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        _ => None,
    }
}

fn plain(status: u16) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Empty::new().boxed());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    response
}

/// An empty message and its trailers; or only trailers with the code that stands for the HTTP status.
fn grpc(status: u16) -> Response<BoxBody<Bytes, Infallible>> {
    let code = match status {
        200 => 0,
        400 => 3,
        401 => 16,
        429 | 503 => 14,
        _ => 13,
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    let mut response = if code == 0 {
        let empty = Full::new(Bytes::from_static(&[0; 5]));
        Response::new(empty.with_trailers(ready(Some(Ok(trailers)))).boxed())
    } else {
        let mut response = Response::new(Full::default().boxed());
        response.headers_mut().extend(trailers);
        response
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
