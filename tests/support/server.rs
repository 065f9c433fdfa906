//! An HTTP server in the test's own process, for fakes of destinations: it can go away and come back on its port.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use telseal::stdx::tasks::{self, Tasks};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) cookie: Option<&'static str>,
    pub(crate) body: String,
    /// How long it takes to come.
    pub(crate) wait: Duration,
}

type Handler = Arc<dyn Fn(Request<Bytes>) -> Reply + Send + Sync>;

/// The server. It is gone when this is dropped.
pub(crate) struct Server {
    runtime: Runtime,
    address: SocketAddr,
    handler: Handler,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Server {
    /// A server on a free port that answers as `handler` says.
    pub(crate) fn start(handler: impl Fn(Request<Bytes>) -> Reply + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { runtime, address, handler: Arc::new(handler), serving: None };
        server.up();
        server
    }

    /// Its base address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses connections and cuts those that are open.
    pub(crate) fn down(&mut self) {
        if let Some((stop, stopped)) = self.serving.take() {
            drop(stop);
            self.runtime.block_on(stopped).expect("the accept loop does not panic");
        }
    }

    /// Serves, on the port it had.
    pub(crate) fn up(&mut self) {
        if self.serving.is_some() {
            return;
        }
        let _entered = self.runtime.enter();
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(self.address).expect("the port is free");
        let listener = socket.listen(1024).expect("a listener");
        self.address = listener.local_addr().expect("an address");
        let (stop, until) = oneshot::channel();
        self.serving = Some((stop, tasks::detached(serve(listener, self.handler.clone(), until))));
    }
}

async fn serve(listener: TcpListener, handler: Handler, mut until: oneshot::Receiver<()>) {
    let mut connections = Tasks::new();
    loop {
        let stream = tokio::select! {
            _ = &mut until => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        let handler = handler.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(handler.clone(), request));
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(handler: Handler, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    // A body that is cut off is no request.
    let Ok(body) = body.collect().await else { return Ok(Response::new(Full::default())) };
    let reply = handler(Request::from_parts(parts, body.to_bytes()));
    tokio::time::sleep(reply.wait).await;
    let mut response = Response::new(Full::new(reply.body.into()));
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
    if let Some(cookie) = reply.cookie {
        response.headers_mut().insert(SET_COOKIE, HeaderValue::from_static(cookie));
    }
    Ok(response)
}
