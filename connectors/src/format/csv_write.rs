//! Rows as CSV.
//!
//! Fields are quoted when they hold a quote, the delimiter or a line end, or are a string that would be read as a null.
//! Timestamps and floats are written as in JSON; NaN and the infinities as `NaN`, `inf` and `-inf`.

use super::CsvConfig;
use super::timestamp::{column_micros, write_date, write_timestamp};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Date32Type, FieldRef, Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use egret_core::Result;
use std::io::Write;

/// Writes rows as CSV.
pub struct CsvEncoder {
    config: CsvConfig,
}

impl CsvEncoder {
    /// An encoder.
    pub fn new(config: CsvConfig) -> Self {
        Self { config }
    }

    /// Adds the header to `out`, if there is to be one.
    pub fn header(&self, fields: &[FieldRef], out: &mut Vec<u8>) {
        if !self.config.header {
            return;
        }
        for (index, field) in fields.iter().enumerate() {
            self.delimit(index, out);
            self.write_text(field.name(), out);
        }
        out.push(b'\n');
    }

    /// Adds the rows to `out`.
    ///
    /// # Errors
    /// A column has a type that has no text form.
    pub fn encode(&self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.encode_each(rows, out, |out| out.push(b'\n'))
    }

    /// Adds the rows to `out`, and does something behind each.
    #[inline]
    pub(super) fn encode_each(&self, rows: &RecordBatch, out: &mut Vec<u8>, mut behind: impl FnMut(&mut Vec<u8>)) -> Result<()> {
        let options = FormatOptions::default();
        let columns = rows.columns().iter().map(|column| Cells::new(column, &options)).collect::<Result<Vec<_>>>()?;
        for row in 0..rows.num_rows() {
            let start = out.len();
            for (index, (cells, column)) in columns.iter().zip(rows.columns()).enumerate() {
                self.delimit(index, out);
                match column.is_null(row) {
                    true => out.extend_from_slice(self.config.null.as_bytes()),
                    false => self.write_cell(cells, row, out)?,
                }
            }
            if out.len() == start {
                out.extend_from_slice(b"\"\"");
            }
            behind(out);
        }
        Ok(())
    }

    fn delimit(&self, index: usize, out: &mut Vec<u8>) {
        if index > 0 {
            out.push(self.config.delimiter);
        }
    }

    fn write_cell(&self, cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match cells {
            Cells::Int64(values) => out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes()),
            Cells::Float64(values) if values[row].is_finite() => {
                out.extend_from_slice(ryu::Buffer::new().format_finite(values[row]).as_bytes())
            }
            Cells::Float64(values) => write!(out, "{}", values[row])?,
            Cells::Timestamp(values) => {
                if !write_timestamp(values[row], out) {
                    write!(out, "{}", values[row].div_euclid(1_000))?;
                }
            }
            Cells::Date(values) => {
                if !write_date(values[row], out) {
                    write!(out, "{}", values[row])?;
                }
            }
            Cells::Utf8(values) => self.write_text(values.value(row), out),
            Cells::Other(formatter) => self.write_text(&formatter.value(row).try_to_string()?, out),
        }
        Ok(())
    }

    fn write_text(&self, text: &str, out: &mut Vec<u8>) {
        let special = |byte: u8| byte == self.config.delimiter || matches!(byte, b'"' | b'\n' | b'\r');
        if text != self.config.null && !text.bytes().any(special) {
            out.extend_from_slice(text.as_bytes());
            return;
        }
        out.push(b'"');
        for byte in text.bytes() {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
}

/// A column of a batch.
enum Cells<'a> {
    Int64(&'a [i64]),
    Float64(&'a [f64]),
    Timestamp(ScalarBuffer<i64>),
    Date(&'a [i32]),
    Utf8(&'a StringArray),
    Other(ArrayFormatter<'a>),
}

impl<'a> Cells<'a> {
    fn new(column: &'a ArrayRef, options: &FormatOptions<'a>) -> Result<Self> {
        if let Some(times) = column_micros(column) {
            return Ok(Self::Timestamp(times));
        }
        Ok(match column.data_type() {
            DataType::Int64 => Self::Int64(column.as_primitive::<Int64Type>().values()),
            DataType::Float64 => Self::Float64(column.as_primitive::<Float64Type>().values()),
            DataType::Date32 => Self::Date(column.as_primitive::<Date32Type>().values()),
            DataType::Utf8 => Self::Utf8(column.as_string()),
            _ => Self::Other(ArrayFormatter::try_new(column, options)?),
        })
    }
}
