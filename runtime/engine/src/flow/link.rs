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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use timely::communication::allocator::zero_copy::stream::Stream;

/// The connection to another member.
pub(crate) struct Link {
    peer: usize,
    socket: TcpStream,
    failure: Arc<Failure>,
    /// Whether [`Link::close`] was called.
    is_closed: Arc<AtomicBool>,
}

impl Link {
    /// `failure`: of this member, which is told when the other one is lost.
    pub(crate) fn new(peer: usize, socket: TcpStream, failure: Arc<Failure>) -> Self {
        Self { peer, socket, failure, is_closed: Arc::default() }
    }

    /// Ends the connection, and with it the threads that still use it. To be called once the workers of this member have ended.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        // It may be closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    pub(super) fn peer(&self) -> usize {
        self.peer
    }

    /// The end that timely's threads use.
    pub(super) fn end(&self) -> io::Result<LinkEnd> {
        let (failure, is_closed) = (Arc::clone(&self.failure), Arc::clone(&self.is_closed));
        Ok(LinkEnd(Self { peer: self.peer, socket: self.socket.try_clone()?, failure, is_closed }))
    }
}

/// How often a thread that must not end yet looks whether it may.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a thread of timely has of a connection.
///
/// When this member has failed its workers drop what they have of timely's channels, which must work until then: a network thread that
/// unwinds makes the workers panic. So nothing is sent any more, without an error, and a reader waits until the workers have ended.
pub(super) struct LinkEnd(Link);

impl LinkEnd {
    fn has_failed(&self) -> bool {
        self.0.failure.is_set()
    }

    /// Ends the thread as a panic would, but without a word, once the workers of this member have ended.
    fn end_with_workers(&self) -> ! {
        while !self.0.is_closed.load(Ordering::SeqCst) {
            std::thread::park_timeout(LOOK_EVERY);
        }
        resume_unwind(Box::new("this member has failed"))
    }
}

impl Read for LinkEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.socket.read(buffer) {
            Ok(bytes @ 1..) => Ok(bytes),
            _ if self.has_failed() => self.end_with_workers(),
            ended => ended,
        }
    }
}

impl Write for LinkEnd {
    /// The workers of a member that has failed drop their channels, and timely would send that everything has been sent: the others
    /// would take this member for one that has ended well. So nothing is sent then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed() { Ok(bytes.len()) } else { self.0.socket.write(bytes) }
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

    /// What a member that has failed has sent is not its end: the others see that when the connection is closed.
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if self.has_failed() { Ok(()) } else { self.0.socket.shutdown(how) }
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
