//! Egret's sources and sinks: one folder per system.
//!
//! * [`mod@file`]: CSV, JSON lines and Parquet files, read (globs, compression, growing files) and written (whole or not at all).
//! * [`generator`]: rows made by number, as fast as asked for.
//! * [`stdio`]: standard input and output, with a table printer.
//! * [`socket`]: messages of programs that listen on TCP or a Unix socket, and messages to them.
//! * [`mod@format`]: the text formats that files, standard input and output, and messages share.
//! * [`Registry`]: connectors by name, with [`Options`] that are text; users add their own.

pub mod file;
pub mod format;
pub mod fraud;
pub mod generator;
mod io_error;
mod mark;
pub mod options;
pub mod registry;
pub mod socket;
pub mod stdio;

pub use options::{OptionError, Options};
pub use registry::{GeneratorFactory, Registry, SinkFactory, SourceFactory};

#[cfg(test)]
mod test_support;
