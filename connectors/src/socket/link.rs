//! A connection on which frames come and go, without waiting for either.

use super::address::Connection;
use super::config::SocketConfig;
use super::frame::{Frame, FrameBuffer, Kind};
use egret_core::{Error, Result};
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

/// So many bytes are read at a time; what is behind them waits at the peer.
const BLOCK_BYTES: usize = 64 << 10;

/// What has come.
#[derive(Debug)]
pub(super) enum Received {
    Frame(Frame),
    /// Nothing yet.
    Nothing,
    /// Nothing more: the peer is gone.
    Gone(String),
}

/// A connection that has been welcomed.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    incoming: FrameBuffer,
    outgoing: FrameBuffer,
    block: Vec<u8>,
    peer: String,
}

impl Link {
    pub(super) fn new(connection: Connection, config: &SocketConfig) -> Self {
        let buffer = || FrameBuffer::new(config.framing, config.text.line_bytes_max);
        let peer = format!("the peer at {}", config.address);
        Self { connection, incoming: buffer(), outgoing: buffer(), block: vec![0; BLOCK_BYTES], peer }
    }

    /// Who is at the other end, for messages.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    pub(super) fn payload(&self, frame: &Frame) -> &[u8] {
        self.incoming.payload(frame)
    }

    /// The next frame, if it has come.
    ///
    /// # Errors
    /// What has come is no frame, or the peer refuses.
    pub(super) fn receive(&mut self) -> Result<Received> {
        loop {
            if let Some(frame) = self.incoming.take().map_err(|error| error.context(self.peer.clone()))? {
                return if frame.kind == Kind::Refusal { Err(self.refusal(&frame)) } else { Ok(Received::Frame(frame)) };
            }
            match self.connection.read(&mut self.block) {
                Ok(0) => return Ok(Received::Gone(self.hung_up())),
                Ok(count) => self.incoming.add(&self.block[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_not_yet(&error) => return Ok(Received::Nothing),
                Err(error) => return Ok(Received::Gone(format!("{}: {error}", self.peer))),
            }
        }
    }

    fn hung_up(&self) -> String {
        match self.incoming.bytes().len() {
            0 => format!("{} hung up", self.peer),
            bytes => format!("{} hung up in the middle of a frame, of which {bytes} bytes have come", self.peer),
        }
    }

    fn refusal(&self, frame: &Frame) -> Error {
        let message = format!("{} refuses: {}", self.peer, String::from_utf8_lossy(self.payload(frame)));
        if frame.number == 0 { Error::job(message) } else { Error::external(message) }
    }

    /// A frame that makes no sense here.
    pub(super) fn unexpected(&self, frame: &Frame) -> Error {
        let Frame { kind, number, .. } = frame;
        Error::data(format!("{} sent the frame {kind:?} {number}, which makes no sense here", self.peer))
            .help("docs/sockets.md says which frames a peer sends")
    }

    /// Adds a frame to those that are to go.
    ///
    /// # Errors
    /// It cannot be framed.
    pub(super) fn send(&mut self, kind: Kind, number: u64, payload: &[u8]) -> Result<()> {
        self.outgoing.push(kind, number, payload)
    }

    /// How much has not gone yet.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.outgoing.bytes().len()
    }

    /// Lets go what can; an error says that the peer is gone.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        while !self.outgoing.bytes().is_empty() {
            match self.connection.write(self.outgoing.bytes()) {
                Ok(0) => return Err(format!("{} takes nothing more", self.peer)),
                Ok(count) => self.outgoing.remove(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(format!("{}: {error}", self.peer)),
            }
        }
        Ok(())
    }

    /// From now on reading and writing do not wait.
    pub(super) fn set_ready(&self) -> io::Result<()> {
        self.connection.set_nonblocking(true)
    }

    /// From now on reading and writing wait, so long at most.
    pub(super) fn set_waiting(&self, wait: Duration) -> io::Result<()> {
        self.connection.set_nonblocking(false)?;
        self.connection.set_timeout(wait)
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
