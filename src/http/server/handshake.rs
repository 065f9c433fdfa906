//! TLS handshakes of a listener: bounded in time and in number, with certificates that are read again when their files
//! change. A version of the files that does not work changes nothing: the one before stays in force, which a warning and a
//! metric say.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use metrics::{counter, gauge};
use rustls::ServerConfig;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::ClientCertificate;
use super::listener::Stream;
use super::tls::{Tls, TlsError};
use crate::stdx::live::Live;
use crate::stdx::tasks::blocking;

/// The longest a handshake may take, waiting for a place included. The Go and Java SDKs give up after about as long.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes under way at once: what strangers can make a listener hold and compute. More wait within their time.
const HANDSHAKES_MAX: usize = 128;

/// A listener's TLS.
#[derive(Debug)]
pub(super) struct Security {
    /// The configuration key, which is the listener's name in messages and metrics.
    key: String,
    tls: Tls,
    config: Live<ServerConfig>,
    places: Semaphore,
    failures: AtomicU64,
}

impl Security {
    /// Reads the files.
    pub(super) fn new(tls: &Tls, key: &str) -> Result<Self, TlsError> {
        let material = tls.read()?;
        let (config, own) = tls.build(&material)?;
        publish(key, own.as_ref());
        Ok(Self {
            key: key.to_owned(),
            tls: tls.clone(),
            config: Live::new(config, material.version()),
            places: Semaphore::new(HANDSHAKES_MAX),
            failures: AtomicU64::new(0),
        })
    }

    /// The encrypted connection, and the certificate that its client showed; nothing when the handshake failed.
    pub(super) async fn accept(&self, stream: Stream) -> Option<(TlsStream<Stream>, Option<Arc<ClientCertificate>>)> {
        let peer = stream.peer();
        match timeout(HANDSHAKE_TIMEOUT, self.shake(stream)).await {
            Ok(Ok(secured)) => return Some(secured),
            Ok(Err(error)) => self.failed(peer, "failed", &error.to_string()),
            Err(_) => self.failed(peer, "timeout", "it took too long"),
        }
        None
    }

    async fn shake(&self, stream: Stream) -> io::Result<(TlsStream<Stream>, Option<Arc<ClientCertificate>>)> {
        let _place = self.places.acquire().await.map_err(io::Error::other)?;
        let config = self.config.current();
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let client = shown.and_then(|certificate| ClientCertificate::read(certificate)).map(Arc::new);
        Ok((stream, client))
    }

    /// Counts every failure and speaks of fewer and fewer: whoever can connect can cause them.
    fn failed(&self, peer: Option<std::net::SocketAddr>, reason: &'static str, error: &str) {
        counter!("telseal_tls_handshake_failures_total", "listener" => self.key.clone(), "reason" => reason)
            .increment(1);
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if failures.is_power_of_two() {
            let peer = peer.map(|peer| peer.to_string());
            tracing::warn!(listener = self.key, peer, failures, "a TLS handshake failed: {error}");
        }
    }

    /// Looks at the files for ever; ends at once where that is turned off.
    pub(super) async fn stay_fresh(self: Arc<Self>) {
        let interval = self.tls.reload_interval.0;
        while !interval.is_zero() {
            tokio::time::sleep(interval).await;
            let this = Arc::clone(&self);
            if blocking(move || this.look_again()).await.is_err() {
                return;
            }
        }
    }

    /// Takes a new version of the files, if there is one. One that does not work is reported once.
    fn look_again(&self) {
        let read = self.tls.read().map(|material| {
            let version = material.version();
            (material, version)
        });
        let make = |material| {
            let (config, own) = self.tls.build(&material)?;
            publish(&self.key, own.as_ref());
            Ok(config)
        };
        match self.config.renew(read, make) {
            None => {}
            Some(Ok(())) => {
                tracing::info!(listener = self.key, "certificates reloaded: new connections get them");
                self.reloaded("ok");
            }
            Some(Err(error)) => {
                tracing::warn!(listener = self.key, %error, "changed certificates do not work, the old ones stay in force");
                self.reloaded("failed");
            }
        }
    }

    fn reloaded(&self, result: &'static str) {
        counter!("telseal_tls_reloads_total", "listener" => self.key.clone(), "result" => result).increment(1);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
fn publish(key: &str, own: Option<&ClientCertificate>) {
    let Some(own) = own else { return };
    let expires = gauge!("telseal_tls_certificate_expiry_timestamp_seconds", "listener" => key.to_owned());
    expires.set(own.not_after as f64);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::*;

    async fn pair(listener: &TcpListener) -> (TcpStream, Stream) {
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), Stream::Tcp(accepted.unwrap().0))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_given_up_also_while_it_waits_for_a_place() {
        let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/certificates");
        let (cert_file, key_file) = (certificates.join("server.pem"), certificates.join("server.key"));
        let security = Security::new(&Tls { cert_file, key_file, ..Tls::default() }, "test").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let started = Instant::now();
        let (_mute, accepted) = pair(&listener).await;
        assert!(security.accept(accepted).await.is_none());
        assert!(started.elapsed() >= HANDSHAKE_TIMEOUT && started.elapsed() < HANDSHAKE_TIMEOUT * 2);
        let _all = security.places.acquire_many(u32::try_from(HANDSHAKES_MAX).unwrap()).await.unwrap();
        let started = Instant::now();
        let (_late, accepted) = pair(&listener).await;
        assert!(security.accept(accepted).await.is_none());
        assert!(started.elapsed() >= HANDSHAKE_TIMEOUT && started.elapsed() < HANDSHAKE_TIMEOUT * 2);
    }
}
