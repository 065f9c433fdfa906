//! Sockets that listen: TCP, and unix domain sockets, which nobody outside of this machine can reach.
//!
//! A unix socket is a file. One that a dead process left behind is replaced, one that somebody listens on is an address in
//! use; the file may be written to by its owner and group, and goes when the listener does.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::stdx::durable;

/// What an address of a unix domain socket begins with, as in gRPC: `unix:///run/telseal/otlp.sock`.
pub const UNIX_SCHEME: &str = "unix:";
/// The longest path of a socket, in bytes: `sun_path` of Linux less its end.
pub const UNIX_PATH_BYTES_MAX: usize = 107;
/// A socket's file: its owner and group may connect.
const SOCKET_MODE: u32 = 0o660;

/// The path of a unix socket, if the address is one: `unix:PATH` or `unix:///PATH`.
#[must_use]
pub fn unix_path(address: &str) -> Option<&Path> {
    let rest = address.strip_prefix(UNIX_SCHEME)?;
    Some(Path::new(rest.strip_prefix("//").unwrap_or(rest)))
}

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// An IP address and port.
    Inet(SocketAddr),
    /// A unix domain socket.
    Unix(PathBuf),
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl Local {
    /// The IP address and port; nothing for a unix socket.
    #[must_use]
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.inet().is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

/// A socket that listens and is not served yet.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

/// The file of a unix socket; dropping it removes the file.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It is gone, or the next start replaces it.
        let _ = durable::remove(&self.0);
    }
}

/// Listens on `host:port`, or on a unix socket.
pub(super) fn listen(address: &str) -> io::Result<(Socket, Local)> {
    match unix_path(address) {
        Some(path) => listen_unix(path),
        None => listen_tcp(address),
    }
}

fn listen_tcp(address: &str) -> io::Result<(Socket, Local)> {
    let mut candidates: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    // `localhost` may be both: senders that are told 127.0.0.1 are the rule.
    candidates.sort_by_key(SocketAddr::is_ipv6);
    let listener = std::net::TcpListener::bind(candidates.as_slice())?;
    listener.set_nonblocking(true)?;
    let local = listener.local_addr()?;
    Ok((Socket::Tcp(listener), Local::Inet(local)))
}

fn listen_unix(path: &Path) -> io::Result<(Socket, Local)> {
    remove_stale(path)?;
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    listener.set_nonblocking(true)?;
    Ok((Socket::Unix(listener, file), Local::Unix(path.to_owned())))
}

/// Removes the file of a socket that nobody listens on. Anything else at that place stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name that is no socket"));
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            durable::remove(path).map_err(io::Error::other)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// A socket that accepts connections.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

impl Listener {
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Socket::Unix(listener, file) => Self::Unix { listener: UnixListener::from_std(listener)?, _file: file },
        })
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are small and complete: nothing is gained by waiting for more to send.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Self::Unix { listener, .. } => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// A connection as it was accepted.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// The other end, unless it is on the same machine and has no address.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// Calls a method of whichever stream it is.
macro_rules! either {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match $stream.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_address_is_told_from_a_host() {
        assert_eq!(unix_path("unix:///run/a.sock"), Some(Path::new("/run/a.sock")));
        assert_eq!(unix_path("unix:a.sock"), Some(Path::new("a.sock")));
        assert_eq!(unix_path("127.0.0.1:4317"), None);
    }

    #[test]
    fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otlp.sock");
        let address = format!("unix://{}", path.display());
        let (first, local) = listen(&address).unwrap();
        assert_eq!(local.to_string(), address);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert_eq!(listen(&address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let Socket::Unix(listener, file) = first else { panic!("a unix socket") };
        // As after a kill: nobody listens, the file is still there.
        std::mem::forget(file);
        drop(listener);
        let (second, _) = listen(&address).unwrap();
        drop(second);
        assert!(!path.exists(), "it goes with its listener");
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        durable::create_new(&path, b"data", durable::Mode::Private).unwrap();
        let error = listen(&format!("unix:{}", path.display())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(path.exists());
    }

    #[test]
    fn only_loopback_and_unix_sockets_are_local() {
        for (address, local) in
            [("127.0.0.1:1", true), ("[::1]:1", true), ("0.0.0.0:1", false), ("[::ffff:127.0.0.1]:1", true)]
        {
            assert_eq!(Local::Inet(address.parse().unwrap()).is_local(), local, "{address}");
        }
        assert!(Local::Unix("/run/a".into()).is_local());
    }
}
