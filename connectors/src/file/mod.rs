//! Files: CSV, JSON lines and Parquet, plain or compressed, read and written.
//!
//! # Reading
//! Options of `connector = 'file'`: `path` (a file or a glob such as `data/*.csv.gz`), `format` (`csv`, `json`, `parquet`; by
//! default from the extension), `compression` (`none`, `gzip`, `zstd`; by default from the extension), `follow`,
//! `follow_every`, `bad_rows`, `dead_letter_path`, `timestamp_unit`, `line_bytes_max`; for CSV `header`, `delimiter`, `null`.
//!
//! * Each file is a split; the splits are in order of name.
//! * `follow = 'true'` reads on when a plain text file grows. A line counts when its line end is there. A file that is rotated, by
//!   renaming or by copying and cutting, is read to its end, then the new one from its beginning; one that was cut and has no copy in
//!   its folder ends the job. With a glob, files that appear later become splits while the job runs, but for those with the
//!   name that rotating gives to one that is followed.
//! * A position is the number of uncompressed bytes (or, for Parquet, of rows) before the next row, and says what file it is of
//!   (`mark`): a job does not go on in another one. A compressed file is read again up to there.
//! * Bad rows go to `out/<path>.bad` with `bad_rows = 'dead_letter'` (those of `in/t.csv` to `out/in/t.csv.bad`), or to the file
//!   `dead_letter_path`; with a glob that is a folder, in which each file has its own. A new run starts the file anew;
//!   one that goes on adds to what is there where a file has got the name that another one had.
//! * Only columns that are used are decoded: what stands in the others is not looked at.
//!
//! # Writing
//! Options: `path`, `format`, `compression`, `rolling`; for CSV `header`, `delimiter`, `null`.
//!
//! * Without `rolling` one writer writes the file `path`. With `rolling = 'rows:100000'`, `'bytes:64 MB'`, `'interval:1 min'`
//!   or several of them, `path` is a folder and each worker writes parts `part-<worker>-<number>.jsonl`. Bytes are counted
//!   before compression.
//! * What is being written has a hidden name that ends in `.inprogress`; what waits for its commit one that ends in
//!   `.prepared`. Nothing else ever exists in part. With checkpoints these names say which attempt of which job they are of;
//!   leftovers of attempts that are over are removed by the next one, but for what its checkpoint has still to publish.
//! * A Parquet file without `rolling` appears when the input is at its end; with checkpoints its rows are kept in hidden files that
//!   end in `.kept` until then.
//! * A new run replaces the file, and adds parts to a folder. A run that goes on from a checkpoint adds to both.
//! * With checkpoints a hidden file that ends in `.published` says what was published, as far as it has to be known: parts may be
//!   taken away by whoever reads them, and so may the file, which is then followed by another; and a job that goes back to an
//!   older checkpoint does not write anything twice unasked.
//! * A path that is a device or a pipe is written directly.

mod commit;
mod config;
mod follow;
mod input;
mod kept;
mod new_files;
mod parquet_read;
mod parquet_write;
mod part;
mod paths;
mod pool;
mod published;
mod resume;
mod rolling;
mod rotation;
mod single;
mod sink;
mod source;

pub use config::{Compression, FileFormat, FileSinkConfig, FileSourceConfig, Rolling};
pub use sink::FileSink;
pub use source::FileSource;

use crate::options::{OptionError, Options};
use egret_core::{Sink, Source, StreamSchema};
use std::sync::Arc;

/// The factory of the source `file`.
pub(crate) fn source_from_options(options: &Options, schema: &StreamSchema) -> Result<Arc<dyn Source>, OptionError> {
    Ok(Arc::new(FileSource::new(FileSourceConfig::from_options(options)?, schema.clone())?))
}

/// The factory of the sink `file`.
pub(crate) fn sink_from_options(options: &Options, _schema: &StreamSchema) -> Result<Arc<dyn Sink>, OptionError> {
    Ok(Arc::new(FileSink::new(FileSinkConfig::from_options(options)?)))
}
