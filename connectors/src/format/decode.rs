//! One message becomes rows: the parsers of CSV and JSON, for bytes that are a row already.

use super::column::{Columns, Fault, RowResult, not_utf8};
use super::csv_read::CsvParser;
use super::frame::{Frame, frame};
use super::json_read::JsonParser;
use super::{CsvConfig, TextConfig};
use crate::options::{OptionError, Options};
use egret_core::StreamSchema;

/// Makes rows of messages: of a queue's, a topic's, a socket's.
pub trait Decoder: Send {
    /// Adds the rows of one payload to the columns: mostly one.
    ///
    /// # Errors
    /// It is no row. The columns are then as they were before.
    fn decode(&mut self, payload: &[u8], out: &mut Columns) -> Result<(), Box<Fault>>;
}

/// The text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// One JSON object.
    Json,
    /// Comma-separated values.
    Csv,
}

impl TextFormat {
    /// From the option `format`.
    ///
    /// # Errors
    /// It is none of `json`, `csv`.
    pub fn from_options(options: &Options) -> Result<Option<Self>, OptionError> {
        options.choice("format", &[("json", Self::Json), ("jsonl", Self::Json), ("ndjson", Self::Json), ("csv", Self::Csv)])
    }

    /// How it is called in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

/// The parser of a format.
pub(crate) enum TextParser {
    Json(JsonParser),
    Csv(CsvParser),
}

impl TextParser {
    /// A parser of rows that have all columns of the schema, of which `columns` are wanted.
    pub(crate) fn new(format: TextFormat, csv: &CsvConfig, schema: &StreamSchema, columns: &[usize]) -> Self {
        match format {
            TextFormat::Json => Self::Json(JsonParser::default()),
            TextFormat::Csv => {
                let mut parser = CsvParser::new(csv);
                parser.set_positions(schema, columns);
                Self::Csv(parser)
            }
        }
    }
}

/// Decodes payloads of CSV or JSON. One of CSV is a record without a header: it has the columns in the order in which they are
/// declared. A line end behind the row does not count.
///
/// ```
/// use arrow::datatypes::{DataType, Field};
/// use egret_connectors::format::{Columns, Decoder, TextConfig, TextDecoder, TextFormat};
/// use egret_core::StreamSchema;
/// let schema = StreamSchema::new(vec![Field::new("id", DataType::Int64, false)], None)?;
/// let config = TextConfig::default();
/// let mut columns = Columns::new(&schema, config.timestamp_unit)?;
/// let mut decoder = TextDecoder::new(TextFormat::Json, &config, &schema, &[0]);
/// assert!(decoder.decode(b"{\"id\": 7}", &mut columns).is_ok());
/// assert_eq!(decoder.decode(b"{\"id\": x}", &mut columns).unwrap_err().column.as_deref(), Some("id"));
/// assert_eq!(columns.take()?.num_rows(), 1);
/// # Ok::<(), egret_core::Error>(())
/// ```
pub struct TextDecoder {
    parser: TextParser,
    delimiter: u8,
    payload_bytes_max: usize,
    /// A payload on one line.
    line: Vec<u8>,
}

impl TextDecoder {
    /// A decoder that gives `columns` of the schema, ascending.
    pub fn new(format: TextFormat, config: &TextConfig, schema: &StreamSchema, columns: &[usize]) -> Self {
        Self {
            parser: TextParser::new(format, &config.csv, schema, columns),
            delimiter: config.csv.delimiter,
            payload_bytes_max: config.line_bytes_max,
            line: Vec::new(),
        }
    }

    fn parse(&mut self, payload: &[u8], out: &mut Columns) -> RowResult {
        if payload.len() > self.payload_bytes_max {
            return Err(Fault::row(format!("the row is longer than {} bytes (option line_bytes_max)", self.payload_bytes_max)));
        }
        let row = payload.strip_suffix(b"\n").unwrap_or(payload);
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        if let Err(error) = std::str::from_utf8(row) {
            return Err(not_utf8(row, error.valid_up_to()));
        }
        if row.is_empty() {
            return Err(Fault::row("the payload is empty"));
        }
        match (&mut self.parser, memchr::memchr(b'\n', row)) {
            (TextParser::Json(parser), None) => parser.parse(row, out),
            (TextParser::Json(parser), Some(_)) => {
                // Between the values of a JSON object a line end is a space, and nowhere else can one be.
                self.line.clear();
                self.line.extend(row.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
                parser.parse(&self.line, out)
            }
            (TextParser::Csv(parser), None) => parser.parse(row, out),
            (TextParser::Csv(parser), Some(line_end)) => match frame(row, line_end, self.delimiter, true) {
                Frame::Record { end, .. } if end == row.len() => parser.parse(row, out),
                Frame::Record { .. } => Err(Fault::row("the payload goes on behind its first row")),
                Frame::Incomplete | Frame::Unclosed => Err(Fault::row("a quote is opened and not closed")),
            },
        }
    }
}

impl Decoder for TextDecoder {
    fn decode(&mut self, payload: &[u8], out: &mut Columns) -> Result<(), Box<Fault>> {
        match self.parse(payload, out) {
            Ok(()) => {
                out.commit_row();
                Ok(())
            }
            Err(fault) => {
                out.rollback_row();
                Err(fault)
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/messages.rs"]
mod tests;
