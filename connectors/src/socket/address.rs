//! Where a peer listens, and the connection to it.

use crate::options::{OptionError, Options};
use egret_core::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where a peer listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A port of a host.
    Tcp {
        /// Its name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// From the options `host` and `port`, or `path`.
    ///
    /// # Errors
    /// One is missing, or both are given.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        match (options.get("host"), options.get("path")) {
            (Some(_), Some(_)) => {
                let error = Error::job("a peer is at a host and a port or at a path, not both");
                Err(OptionError::of("path", error.help("leave one of them away")))
            }
            (None, Some(path)) => Ok(Self::Unix(path.into())),
            _ => {
                let host = options.required("host")?.to_owned();
                options.required("port")?;
                let port = options.parse("port", "a port, 1 to 65535")?.filter(|port| *port > 0);
                let error = || OptionError::of("port", Error::job("a peer does not listen on port 0").help("name its port"));
                Ok(Self::Tcp { host, port: port.ok_or_else(error)? })
            }
        }
    }

    /// Connects; waits so long at most for each address that the host has.
    pub(super) fn connect(&self, wait: Duration) -> io::Result<Connection> {
        match self {
            Self::Unix(path) => UnixStream::connect(path).map(Connection::Unix),
            Self::Tcp { host, port } => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, wait) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Connection::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    /// Whether reading and writing wait.
    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Self::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    /// How long reading and writing wait at most.
    pub(super) fn set_timeout(&self, wait: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(wait)).and_then(|()| stream.set_write_timeout(Some(wait))),
            Self::Unix(stream) => stream.set_read_timeout(Some(wait)).and_then(|()| stream.set_write_timeout(Some(wait))),
        }
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
