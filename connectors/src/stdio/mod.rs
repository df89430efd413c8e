//! Standard input and standard output.
//!
//! Options of `connector = 'stdin'`: `format` (`json`, the default, or `csv`), `bad_rows`, `dead_letter_path` (default
//! `out/stdin.bad`) and those of text files. Standard input is one split; it cannot be read twice, so a job that reads it
//! cannot continue from a checkpoint.
//!
//! Options of `connector = 'stdout'`: `format` (`table`, the default on a terminal; `json`, the default elsewhere; `csv`) and,
//! for CSV, `header`, `delimiter`, `null`. Rows are shown as they come, not when they are committed: a job that starts again
//! shows some of them again.

mod stdin;
mod stdout;
mod table;

pub use stdin::{StdinConfig, StdinSource};
pub use stdout::{StdoutFormat, StdoutSink};
pub use table::TablePrinter;

use crate::options::{OptionError, Options};
use egret_core::{Sink, Source, StreamSchema};
use std::sync::Arc;

/// The factory of the source `stdin`.
pub(crate) fn source_from_options(options: &Options, schema: &StreamSchema) -> Result<Arc<dyn Source>, OptionError> {
    Ok(Arc::new(StdinSource::new(StdinConfig::from_options(options)?, schema.clone())?))
}

/// The factory of the sink `stdout`.
pub(crate) fn sink_from_options(options: &Options, _schema: &StreamSchema) -> Result<Arc<dyn Sink>, OptionError> {
    Ok(Arc::new(StdoutSink::from_options(options)?))
}
