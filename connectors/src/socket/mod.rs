//! Sockets: rows as framed messages with numbers, over TCP or a Unix socket.
//!
//! Egret connects, and the other side, the *peer*, listens. It is for programs that have rows or want them, and remember how far the
//! job has come. `docs/sockets.md` describes the protocol byte by byte, with a peer in thirty lines of Python.
//!
//! Options of both directions: `host` and `port`, or `path` of a Unix socket; `format` (`json`, `csv`), `framing` (`lines`, `length`),
//! `token`, `line_bytes_max`; for CSV `delimiter` and `null`.
//!
//! # Reading
//! `splits = 'a, b'` names the splits that are asked for, one connection each (by default there is one, `0`); `bounded = 'true'` says
//! that they end; `bad_rows`, `dead_letter_path`, `timestamp_unit`; `reconnect_for` (`'1 min'`).
//!
//! * A position is the number of the next row. The peer is told which rows are in complete checkpoints, and may forget these.
//! * A peer that goes away is asked again for `reconnect_for`; rows go on with the number behind the last.
//!
//! # Writing
//! * Rows have numbers, one after the other. The peer shows them when the checkpoint that they are in is complete, and forgets what a
//!   dead attempt has sent behind that: each row is there once.
//! * One writer writes. It never waits for the peer on the thread that the other operators share.

mod address;
mod config;
mod dial;
mod frame;
mod link;
mod reader;
mod sink;
mod source;
mod writer;

pub use address::Address;
pub use config::{SocketConfig, SocketSourceConfig};
pub use frame::{Frame, FrameBuffer, Framing, Kind};
pub use sink::SocketSink;
pub use source::SocketSource;

use crate::options::{OptionError, Options};
use egret_core::{Sink, Source, StreamSchema};
use std::sync::Arc;

/// The factory of the source `socket`.
pub(crate) fn source_from_options(options: &Options, schema: &StreamSchema) -> Result<Arc<dyn Source>, OptionError> {
    Ok(Arc::new(SocketSource::new(SocketSourceConfig::from_options(options)?, schema.clone())?))
}

/// The factory of the sink `socket`.
pub(crate) fn sink_from_options(options: &Options, _schema: &StreamSchema) -> Result<Arc<dyn Sink>, OptionError> {
    Ok(Arc::new(SocketSink::new(SocketConfig::from_options(options)?)))
}
