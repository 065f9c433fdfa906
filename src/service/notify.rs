//! What systemd wants to know of a service of `Type=notify` (`sd_notify(3)`): that it is ready, lives, and is stopping.
//!
//! One datagram a message to the socket that systemd names in the environment; without one nothing is sent. A message
//! that cannot be sent is no reason to stop: systemd then acts on its own time-outs.

use std::future::pending;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

/// The way to systemd, if it started us and wants to hear.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// From what systemd says in the environment: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` with `WATCHDOG_PID`.
    #[must_use]
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be used: systemd will not hear of this start");
                None
            }
        });
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC").filter(|_| ours).and_then(|text| text.parse().ok());
        let watchdog = watchdog.filter(|micros| *micros > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Requests are taken.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The service drains. Its time-outs are those of the unit.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Says twice in each interval of the watchdog that the timers of the runtime work; never returns.
    pub async fn keep_alive(&self) {
        let Some(every) = self.watchdog.map(|interval| interval / 2) else { return pending().await };
        loop {
            self.send("WATCHDOG=1");
            tokio::time::sleep(every).await;
        }
    }

    fn send(&self, message: &str) {
        if let Some((socket, systemd)) = &self.socket
            && let Err(error) = socket.send_to_addr(message.as_bytes(), systemd)
        {
            tracing::debug!(%error, message, "systemd could not be told");
        }
    }
}

/// `@name` is a socket without a file.
fn connect(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(Path::new(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(systemd: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let len = systemd.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn systemd_hears_that_the_service_is_ready_lives_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::new(|name| match name {
            "NOTIFY_SOCKET" => Some(path.display().to_string()),
            "WATCHDOG_USEC" => Some("20000".to_owned()),
            _ => None,
        });
        notify.ready();
        assert_eq!(told(&systemd), "READY=1");
        let _ = tokio::time::timeout(Duration::from_millis(50), notify.keep_alive()).await;
        assert_eq!([told(&systemd), told(&systemd)], ["WATCHDOG=1", "WATCHDOG=1"]);
        notify.stopping();
        while told(&systemd) != "STOPPING=1" {}
    }

    #[tokio::test]
    async fn sockets_without_a_file_are_reached_too() {
        let name = format!("telseal-test-{}", std::process::id());
        let systemd = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notify::new(|key| (key == "NOTIFY_SOCKET").then(|| format!("@{name}"))).ready();
        assert_eq!(told(&systemd), "READY=1");
    }

    #[tokio::test]
    async fn without_systemd_nothing_is_sent_and_a_watchdog_for_another_process_is_left_alone() {
        let notify = Notify::new(|name| match name {
            "WATCHDOG_USEC" => Some("1000".to_owned()),
            "WATCHDOG_PID" => Some("1".to_owned()),
            _ => None,
        });
        notify.ready();
        assert!(notify.watchdog.is_none());
        assert!(tokio::time::timeout(Duration::from_millis(5), notify.keep_alive()).await.is_err());
    }
}
