//! The connection to another member of the job, as timely's network threads use it.
//!
//! timely panics in these threads when a connection breaks, and its workers would wait for ever. So the end of a connection that is
//! dropped in a panic tells the job that the other member is lost.

use crate::shared::Failure;
use egret_core::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::resume_unwind;
use std::sync::Arc;
use timely::communication::allocator::zero_copy::stream::Stream;

/// The connection to another member.
pub(crate) struct Link {
    peer: usize,
    socket: TcpStream,
    failure: Arc<Failure>,
}

impl Link {
    /// `failure`: of this member, which is told when the other one is lost.
    pub(crate) fn new(peer: usize, socket: TcpStream, failure: Arc<Failure>) -> Self {
        Self { peer, socket, failure }
    }

    /// Ends the connection, and with it the threads that still use it.
    pub(crate) fn close(&self) {
        // It may be closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    pub(super) fn peer(&self) -> usize {
        self.peer
    }

    /// The end that timely's threads use.
    pub(super) fn end(&self) -> io::Result<LinkEnd> {
        Ok(LinkEnd(Self { peer: self.peer, socket: self.socket.try_clone()?, failure: Arc::clone(&self.failure) }))
    }
}

/// What a thread of timely has of a connection.
pub(super) struct LinkEnd(Link);

impl LinkEnd {
    /// Ends the thread as a panic would, but without a word, when this member has failed. (A thread that panics drops its buffered
    /// writer, which writes again.)
    fn go_on(&self) -> io::Result<()> {
        const WHY: &str = "this member has failed";
        match self.0.failure.is_set() {
            false => Ok(()),
            true if std::thread::panicking() => Err(io::Error::other(WHY)),
            true => resume_unwind(Box::new(WHY)),
        }
    }
}

impl Read for LinkEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.socket.read(buffer);
        if !matches!(read, Ok(1..)) {
            self.go_on()?;
        }
        read
    }
}

impl Write for LinkEnd {
    /// The workers of a member that has failed drop their channels, and timely would send that everything has been sent: the others
    /// would take this member for one that has ended well.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go_on()?;
        self.0.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.socket.flush()
    }
}

impl Stream for LinkEnd {
    fn try_clone(&self) -> io::Result<Self> {
        self.0.end()
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.0.socket.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.socket.shutdown(how)
    }
}

impl Drop for LinkEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let peer = self.0.peer;
            self.0.failure.set_by_another(
                Error::external(format!("member {peer} of the job is lost: its connection has ended"))
                    .help("the whole job was ended; see what became of that member, and start the job again"),
            );
        }
    }
}
