//! Text formats: CSV and JSON, read and written, whatever the bytes come from or go to: a stream of lines, or one message after the
//! other ([`Decoder`], [`Encoder`]).
//!
//! Reading is one pass without a tree in between: bytes arrive in a `window`, are cut into records, and a record's
//! values go straight into column buffers. A record that is not right is taken back out of the columns and reported with
//! its file, line, column and value, so the fast way and the way that explains errors are the same one.
//!
//! What is deliberately missing: nested columns, and character sets other than UTF-8.

pub(crate) mod bad_rows;
pub(crate) mod column;
pub(crate) mod csv_read;
mod csv_write;
pub(crate) mod dead_letters;
pub(crate) mod decode;
mod encode;
pub(crate) mod frame;
pub(crate) mod json_read;
mod json_write;
pub(crate) mod number;
pub(crate) mod row_lines;
pub(crate) mod text_reader;
pub(crate) mod timestamp;
pub(crate) mod window;

pub use bad_rows::BadRows;
pub use column::{Columns, Fault};
pub use csv_write::CsvEncoder;
pub use decode::{Decoder, TextDecoder, TextFormat};
pub use encode::{Encoder, Payloads, TextEncoder};
pub use json_write::JsonEncoder;
pub use timestamp::TimestampUnit;

use crate::options::{OptionError, Options};

/// How CSV is written and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvConfig {
    /// Whether the first line names the columns. On reading, columns are then matched by name.
    pub header: bool,
    /// What stands between two fields.
    pub delimiter: u8,
    /// How a null is written; compared with unquoted fields.
    pub null: String,
}

impl Default for CsvConfig {
    fn default() -> Self {
        Self { header: true, delimiter: b',', null: String::new() }
    }
}

impl CsvConfig {
    /// From the options `header`, `delimiter` and `null`.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let default = Self::default();
        Ok(Self {
            header: options.flag("header", default.header)?,
            delimiter: options.character("delimiter")?.unwrap_or(default.delimiter),
            null: options.get("null").map_or(default.null, str::to_owned),
        })
    }

    /// All of it as canonical text.
    pub(crate) fn layout(&self) -> String {
        let header = if self.header { "with header" } else { "without header" };
        format!("{header}, '{}' between fields, null as '{}'", char::from(self.delimiter), self.null)
    }
}

/// How text becomes rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextConfig {
    /// A longer line is a bad row; it is skipped without being held in memory.
    pub line_bytes_max: usize,
    /// What a timestamp that is an integer counts.
    pub timestamp_unit: TimestampUnit,
    /// How CSV is read.
    pub csv: CsvConfig,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self { line_bytes_max: 16 << 20, timestamp_unit: TimestampUnit::Millisecond, csv: CsvConfig::default() }
    }
}

impl TextConfig {
    /// From the options `line_bytes_max`, `timestamp_unit` and those of [`CsvConfig::from_options`].
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let default = Self::default();
        let longest = options.bytes("line_bytes_max")?.and_then(|bytes| usize::try_from(bytes).ok());
        Ok(Self {
            line_bytes_max: longest.unwrap_or(default.line_bytes_max),
            timestamp_unit: TimestampUnit::from_options(options)?.unwrap_or(default.timestamp_unit),
            csv: CsvConfig::from_options(options)?,
        })
    }
}
