//! A row becomes one message.

use super::decode::TextFormat;
use super::{CsvConfig, CsvEncoder, JsonEncoder};
use arrow::array::RecordBatch;
use arrow::datatypes::FieldRef;
use egret_core::Result;

/// Makes messages of rows.
pub trait Encoder: Send {
    /// Adds a payload for each row.
    ///
    /// # Errors
    /// A column has a type that the format has no form for.
    fn encode(&mut self, rows: &RecordBatch, out: &mut Payloads) -> Result<()>;
}

/// Payloads, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payloads {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Payloads {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// Adds one.
    pub fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
    }

    /// Takes all away, and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Encodes rows as payloads of CSV (without a header) or JSON.
pub enum TextEncoder {
    /// As JSON objects.
    Json(JsonEncoder),
    /// As records of CSV.
    Csv(CsvEncoder),
}

impl TextEncoder {
    /// An encoder of rows with these columns.
    pub fn new(format: TextFormat, csv: &CsvConfig, fields: &[FieldRef]) -> Self {
        match format {
            TextFormat::Json => Self::Json(JsonEncoder::new(fields)),
            TextFormat::Csv => Self::Csv(CsvEncoder::new(csv.clone())),
        }
    }
}

impl Encoder for TextEncoder {
    fn encode(&mut self, rows: &RecordBatch, out: &mut Payloads) -> Result<()> {
        let Payloads { bytes, ends } = out;
        match self {
            Self::Json(encoder) => encoder.encode_each(rows, bytes, |bytes| ends.push(bytes.len())),
            Self::Csv(encoder) => encoder.encode_each(rows, bytes, |bytes| ends.push(bytes.len())),
        }
    }
}
