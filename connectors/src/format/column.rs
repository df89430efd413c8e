//! Columns that are being filled, row by row, and from which a bad row can be taken back.

use super::number::{parse_f32, parse_f64, parse_i64};
use super::timestamp::{TIMESTAMP_FORMATS, TimestampUnit, parse_date, parse_timestamp};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use egret_core::{Error, Result, StreamSchema};
use std::sync::Arc;

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column, if it is known.
    pub column: Option<String>,
    /// What stands there, if that is known, cut to a length that can be shown.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// Faults are rare; a box keeps the result of good rows small.
pub(crate) type RowResult<T = ()> = Result<T, Box<Fault>>;

impl Fault {
    /// The row as a whole is wrong.
    pub fn row(reason: impl Into<String>) -> Box<Self> {
        Box::new(Self { column: None, value: None, reason: reason.into() })
    }

    /// A value is wrong.
    pub fn value(column: &str, value: &[u8], reason: impl Into<String>) -> Box<Self> {
        Box::new(Self { column: Some(column.to_owned()), value: Some(cut(value)), reason: reason.into() })
    }
}

/// The fault of a row whose byte at a place is not UTF-8.
pub(crate) fn not_utf8(row: &[u8], at: usize) -> Box<Fault> {
    let around = &row[at.saturating_sub(20)..row.len().min(at + 20)];
    let reason = format!("the byte 0x{:02X} at position {} of the row is not UTF-8", row[at], at + 1);
    Box::new(Fault { column: None, value: Some(cut(around)), reason })
}

/// At most 60 characters of a value, for messages.
pub(crate) fn cut(value: &[u8]) -> String {
    const CHARS_MAX: usize = 60;
    let head = String::from_utf8_lossy(&value[..value.len().min(4 * CHARS_MAX)]);
    let mut chars = head.chars();
    let mut shown: String = chars.by_ref().take(CHARS_MAX).collect();
    if chars.next().is_some() || value.len() > 4 * CHARS_MAX {
        shown.push_str("...");
    }
    shown
}

/// The values of a column.
pub(crate) enum Values {
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Boolean(Vec<bool>),
    Utf8(Texts),
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
}

/// Strings one behind the other.
#[derive(Default)]
pub(crate) struct Texts {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    fn new() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }

    #[inline]
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.offsets.push(self.bytes.len() as i32);
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.bytes.truncate(self.offsets[rows] as usize);
    }
}

impl Values {
    /// Empty values of a type, if text can become that type.
    fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int8 => Self::Int8(Vec::new()),
            DataType::Int16 => Self::Int16(Vec::new()),
            DataType::Int32 => Self::Int32(Vec::new()),
            DataType::Int64 => Self::Int64(Vec::new()),
            DataType::Float32 => Self::Float32(Vec::new()),
            DataType::Float64 => Self::Float64(Vec::new()),
            DataType::Boolean => Self::Boolean(Vec::new()),
            DataType::Utf8 => Self::Utf8(Texts::new()),
            DataType::Date32 => Self::Date(Vec::new()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Timestamp(Vec::new()),
            _ => return None,
        })
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Self::Int8(values) => values.truncate(rows),
            Self::Int16(values) => values.truncate(rows),
            Self::Int32(values) | Self::Date(values) => values.truncate(rows),
            Self::Int64(values) | Self::Timestamp(values) => values.truncate(rows),
            Self::Float32(values) => values.truncate(rows),
            Self::Float64(values) => values.truncate(rows),
            Self::Boolean(values) => values.truncate(rows),
            Self::Utf8(texts) => texts.truncate(rows),
        }
    }

    fn push_default(&mut self) {
        match self {
            Self::Int8(values) => values.push(0),
            Self::Int16(values) => values.push(0),
            Self::Int32(values) | Self::Date(values) => values.push(0),
            Self::Int64(values) | Self::Timestamp(values) => values.push(0),
            Self::Float32(values) => values.push(0.0),
            Self::Float64(values) => values.push(0.0),
            Self::Boolean(values) => values.push(false),
            Self::Utf8(texts) => texts.push(b""),
        }
    }

    /// The values as an array, and in their place room for as many more.
    fn take(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        fn next<T>(values: &mut Vec<T>) -> Vec<T> {
            let room = values.len();
            std::mem::replace(values, Vec::with_capacity(room))
        }
        Ok(match self {
            Self::Int8(values) => Arc::new(Int8Array::new(next(values).into(), nulls)),
            Self::Int16(values) => Arc::new(Int16Array::new(next(values).into(), nulls)),
            Self::Int32(values) => Arc::new(Int32Array::new(next(values).into(), nulls)),
            Self::Int64(values) => Arc::new(Int64Array::new(next(values).into(), nulls)),
            Self::Float32(values) => Arc::new(Float32Array::new(next(values).into(), nulls)),
            Self::Float64(values) => Arc::new(Float64Array::new(next(values).into(), nulls)),
            Self::Date(values) => Arc::new(Date32Array::new(next(values).into(), nulls)),
            Self::Timestamp(values) => Arc::new(TimestampMicrosecondArray::new(next(values).into(), nulls)),
            Self::Boolean(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(next(values)), nulls)),
            Self::Utf8(texts) => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(next(&mut texts.offsets)));
                texts.offsets.push(0);
                let array = StringArray::try_new(offsets, Buffer::from_vec(next(&mut texts.bytes)), nulls);
                Arc::new(array.map_err(|error| Error::bug(format!("text columns hold only checked UTF-8: {error}")))?)
            }
        })
    }

    /// What the type is called in the language, with an article.
    fn wanted(&self) -> &'static str {
        match self {
            Self::Int8(_) => "a whole number of TINYINT (-128 to 127)",
            Self::Int16(_) => "a whole number of SMALLINT (-32768 to 32767)",
            Self::Int32(_) => "a whole number of INT (-2147483648 to 2147483647)",
            Self::Int64(_) => "a whole number of BIGINT",
            Self::Float32(_) => "a number of FLOAT",
            Self::Float64(_) => "a number of DOUBLE",
            Self::Boolean(_) => "true or false",
            Self::Utf8(_) => "a string",
            Self::Date(_) => "a date like 2024-05-31",
            Self::Timestamp(_) => "a timestamp",
        }
    }
}

/// A column that is being filled.
pub(crate) struct Column {
    name: String,
    nullable: bool,
    pub(crate) values: Values,
    null_rows: Vec<u32>,
    /// How many rows have a value or a null.
    pub(crate) filled: usize,
}

impl Column {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a null.
    pub(crate) fn push_null(&mut self, shown: &[u8]) -> RowResult {
        if !self.nullable {
            return Err(Fault::value(&self.name, shown, "the column is NOT NULL"));
        }
        self.null_rows.push(self.filled as u32);
        self.values.push_default();
        self.filled += 1;
        Ok(())
    }

    /// Adds a value that is written as text.
    pub(crate) fn push_text(&mut self, text: &[u8], unit: TimestampUnit) -> RowResult {
        if self.try_push_text(text, unit).is_none() {
            return Err(self.not_wanted(text));
        }
        self.filled += 1;
        Ok(())
    }

    fn try_push_text(&mut self, text: &[u8], unit: TimestampUnit) -> Option<()> {
        match &mut self.values {
            Values::Utf8(texts) => texts.push(text),
            Values::Int64(values) => values.push(parse_i64(text.trim_ascii())?),
            Values::Float64(values) => values.push(parse_f64(text.trim_ascii())?),
            Values::Timestamp(values) => values.push(parse_timestamp(text, unit)?),
            Values::Int32(values) => values.push(parse_i64(text.trim_ascii())?.try_into().ok()?),
            Values::Int16(values) => values.push(parse_i64(text.trim_ascii())?.try_into().ok()?),
            Values::Int8(values) => values.push(parse_i64(text.trim_ascii())?.try_into().ok()?),
            Values::Float32(values) => values.push(parse_f32(text.trim_ascii())?),
            Values::Boolean(values) => values.push(parse_bool(text.trim_ascii())?),
            Values::Date(values) => values.push(parse_date(text)?),
        }
        Some(())
    }

    /// The fault of a value that is not of the column's type.
    pub(crate) fn not_wanted(&self, text: &[u8]) -> Box<Fault> {
        let mut reason = format!("it is not {}", self.values.wanted());
        if matches!(self.values, Values::Timestamp(_)) {
            reason = format!("{reason}; {TIMESTAMP_FORMATS}");
        }
        Fault::value(&self.name, text, reason)
    }

    fn rollback(&mut self, rows: usize) {
        if self.filled > rows {
            self.values.truncate(rows);
            while self.null_rows.last().is_some_and(|row| *row as usize >= rows) {
                self.null_rows.pop();
            }
            self.filled = rows;
        }
    }

    fn take(&mut self) -> Result<ArrayRef> {
        let nulls = (!self.null_rows.is_empty()).then(|| {
            let mut valid = vec![true; self.filled];
            self.null_rows.drain(..).for_each(|row| valid[row as usize] = false);
            NullBuffer::from(valid)
        });
        self.filled = 0;
        self.values.take(nulls)
    }
}

fn parse_bool(text: &[u8]) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is(["true", "t", "1", "yes"]) {
        Some(true)
    } else if is(["false", "f", "0", "no"]) {
        Some(false)
    } else {
        None
    }
}

/// Columns that are being filled, as decoders do it.
///
/// # Contract
/// For each row: at most one push on each column, then `commit_row` or `rollback_row`.
pub struct Columns {
    schema: SchemaRef,
    pub(crate) columns: Vec<Column>,
    rows: usize,
    pub(crate) unit: TimestampUnit,
}

impl Columns {
    /// The columns of a stream; the event time column never holds a null.
    ///
    /// # Errors
    /// Text cannot become one of the types.
    pub fn new(schema: &StreamSchema, unit: TimestampUnit) -> Result<Self> {
        let columns = schema.arrow().fields().iter().enumerate().map(|(index, field)| {
            let values = Values::new(field.data_type()).ok_or_else(|| unsupported(field.name(), field.data_type()))?;
            let nullable = field.is_nullable() && schema.event_time() != Some(index);
            Ok(Column { name: field.name().clone(), nullable, values, null_rows: Vec::new(), filled: 0 })
        });
        Ok(Self { schema: Arc::clone(schema.arrow()), columns: columns.collect::<Result<_>>()?, rows: 0, unit })
    }

    /// Complete rows so far.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Ends a row in which every column got something.
    #[inline]
    pub(crate) fn commit_row(&mut self) {
        self.rows += 1;
        debug_assert!(self.columns.iter().all(|column| column.filled == self.rows));
    }

    /// Nulls where the row said nothing.
    pub(crate) fn fill_missing(&mut self) -> RowResult {
        for column in self.columns.iter_mut().filter(|column| column.filled == self.rows) {
            if !column.nullable {
                let reason = "the row does not have this column, which is NOT NULL";
                return Err(Box::new(Fault { column: Some(column.name.clone()), value: None, reason: reason.into() }));
            }
            column.push_null(b"")?;
        }
        Ok(())
    }

    /// Takes back what the row left.
    pub(crate) fn rollback_row(&mut self) {
        let rows = self.rows;
        self.columns.iter_mut().for_each(|column| column.rollback(rows));
    }

    /// The rows so far, and starts again.
    ///
    /// # Errors
    /// A decoder has broken the contract.
    pub fn take(&mut self) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let columns = self.columns.iter_mut().map(Column::take).collect::<Result<Vec<_>>>()?;
        self.rows = 0;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// Fails unless text and files can become every type of the schema.
///
/// # Errors
/// A column has a type that they cannot.
pub(crate) fn check_types(schema: &StreamSchema) -> Result<()> {
    match schema.arrow().fields().iter().find(|field| Values::new(field.data_type()).is_none()) {
        Some(field) => Err(unsupported(field.name(), field.data_type())),
        None => Ok(()),
    }
}

fn unsupported(name: &str, data_type: &DataType) -> Error {
    Error::job(format!("the column '{name}' has type {data_type}, which cannot be read"))
        .help("use TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, BOOLEAN, STRING, DATE or TIMESTAMP")
}
