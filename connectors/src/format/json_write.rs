//! Rows as JSON lines: one object a line, all columns in order, nulls as `null`.
//!
//! Timestamps are written as `2023-11-14T22:14:00.000Z`, dates as `2023-11-14`; numbers that JSON does not know (NaN and the
//! infinities) as `null`. Types that are rare in results (lists, structs, decimals) are left to Arrow's own encoder.

use super::timestamp::{column_micros, write_date, write_timestamp};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Date32Type, FieldRef, Float32Type, Float64Type};
use arrow::datatypes::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use egret_core::Result;

/// Writes rows as JSON lines.
///
/// ```
/// use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
/// use egret_connectors::format::JsonEncoder;
/// use std::sync::Arc;
/// let columns: [(&str, ArrayRef); 2] =
///     [("card", Arc::new(StringArray::from(vec![Some("a\"b"), None]))), ("amount", Arc::new(Float64Array::from(vec![2.5, 1e300])))];
/// let rows = RecordBatch::try_from_iter(columns)?;
/// let mut text = Vec::new();
/// JsonEncoder::new(rows.schema().fields()).encode(&rows, &mut text)?;
/// assert_eq!(text, b"{\"card\":\"a\\\"b\",\"amount\":2.5}\n{\"card\":null,\"amount\":1e300}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JsonEncoder {
    /// For each column what stands before its value: `{"card":`, `,"amount":`.
    prefixes: Vec<Vec<u8>>,
    options: EncoderOptions,
}

impl JsonEncoder {
    /// An encoder of rows with these columns.
    pub fn new(fields: &[FieldRef]) -> Self {
        let prefixes = fields.iter().enumerate().map(|(index, field)| {
            let mut prefix = vec![if index == 0 { b'{' } else { b',' }];
            Self::write_string(field.name(), &mut prefix);
            prefix.push(b':');
            prefix
        });
        Self { prefixes: prefixes.collect(), options: EncoderOptions::default() }
    }

    /// Adds the rows to `out`.
    ///
    /// # Errors
    /// A column has a type that JSON has no form for.
    pub fn encode(&self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.encode_each(rows, out, |out| out.push(b'\n'))
    }

    /// Adds the rows to `out`, and does something behind each.
    #[inline]
    pub(super) fn encode_each(&self, rows: &RecordBatch, out: &mut Vec<u8>, mut behind: impl FnMut(&mut Vec<u8>)) -> Result<()> {
        let schema = rows.schema();
        let mut columns = Vec::with_capacity(rows.num_columns());
        for (field, column) in schema.fields().iter().zip(rows.columns()) {
            columns.push(Cells::new(field, column, &self.options)?);
        }
        for row in 0..rows.num_rows() {
            if columns.is_empty() {
                out.push(b'{');
            }
            for (prefix, column) in self.prefixes.iter().zip(&mut columns) {
                out.extend_from_slice(prefix);
                column.write(row, out);
            }
            out.push(b'}');
            behind(out);
        }
        Ok(())
    }

    /// Adds a string with its quotes.
    pub fn write_string(text: &str, out: &mut Vec<u8>) {
        out.push(b'"');
        let bytes = text.as_bytes();
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if *byte >= b' ' && *byte != b'"' && *byte != b'\\' {
                continue;
            }
            out.extend_from_slice(&bytes[start..at]);
            start = at + 1;
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            }
        }
        out.extend_from_slice(&bytes[start..]);
        out.push(b'"');
    }
}

/// A column of a batch.
struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: CellValues<'a>,
}

enum CellValues<'a> {
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Timestamp(ScalarBuffer<i64>),
    Date(&'a [i32]),
    Boolean(&'a arrow::buffer::BooleanBuffer),
    Utf8(&'a StringArray),
    Other(NullableEncoder<'a>),
}

impl<'a> Cells<'a> {
    fn new(field: &'a FieldRef, column: &'a ArrayRef, options: &'a EncoderOptions) -> Result<Self> {
        if let Some(times) = column_micros(column) {
            return Ok(Self { nulls: column.nulls(), values: CellValues::Timestamp(times) });
        }
        let values = match column.data_type() {
            DataType::Int8 => CellValues::Int8(column.as_primitive::<Int8Type>().values()),
            DataType::Int16 => CellValues::Int16(column.as_primitive::<Int16Type>().values()),
            DataType::Int32 => CellValues::Int32(column.as_primitive::<Int32Type>().values()),
            DataType::Int64 => CellValues::Int64(column.as_primitive::<Int64Type>().values()),
            DataType::UInt8 => CellValues::UInt8(column.as_primitive::<UInt8Type>().values()),
            DataType::UInt16 => CellValues::UInt16(column.as_primitive::<UInt16Type>().values()),
            DataType::UInt32 => CellValues::UInt32(column.as_primitive::<UInt32Type>().values()),
            DataType::UInt64 => CellValues::UInt64(column.as_primitive::<UInt64Type>().values()),
            DataType::Float32 => CellValues::Float32(column.as_primitive::<Float32Type>().values()),
            DataType::Float64 => CellValues::Float64(column.as_primitive::<Float64Type>().values()),
            DataType::Date32 => CellValues::Date(column.as_primitive::<Date32Type>().values()),
            DataType::Boolean => CellValues::Boolean(column.as_boolean().values()),
            DataType::Utf8 => CellValues::Utf8(column.as_string()),
            _ => CellValues::Other(make_encoder(field, column, options)?),
        };
        Ok(Self { nulls: column.nulls(), values })
    }

    #[inline]
    fn write(&mut self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
            return;
        }
        match &mut self.values {
            CellValues::Int8(values) => write_int(values[row], out),
            CellValues::Int16(values) => write_int(values[row], out),
            CellValues::Int32(values) => write_int(values[row], out),
            CellValues::Int64(values) => write_int(values[row], out),
            CellValues::UInt8(values) => write_int(values[row], out),
            CellValues::UInt16(values) => write_int(values[row], out),
            CellValues::UInt32(values) => write_int(values[row], out),
            CellValues::UInt64(values) => write_int(values[row], out),
            CellValues::Float32(values) => write_float(values[row], values[row].is_finite(), out),
            CellValues::Float64(values) => write_float(values[row], values[row].is_finite(), out),
            CellValues::Timestamp(values) => {
                quoted(out, |out| write_timestamp(values[row], out), || values[row].div_euclid(1_000))
            }
            CellValues::Date(values) => quoted(out, |out| write_date(values[row], out), || i64::from(values[row])),
            CellValues::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            CellValues::Utf8(values) => JsonEncoder::write_string(values.value(row), out),
            CellValues::Other(encoder) => encoder.encode(row, out),
        }
    }
}

#[inline]
fn write_int(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[inline]
fn write_float(value: impl ryu::Float, is_finite: bool, out: &mut Vec<u8>) {
    let mut buffer = ryu::Buffer::new();
    out.extend_from_slice(if is_finite { buffer.format_finite(value).as_bytes() } else { b"null" });
}

/// A text in quotes, or a number if `write` writes nothing.
fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> bool, number: impl FnOnce() -> i64) {
    out.push(b'"');
    if write(out) {
        out.push(b'"');
    } else {
        out.pop();
        write_int(number(), out);
    }
}

#[cfg(test)]
#[path = "tests/write.rs"]
mod tests;
