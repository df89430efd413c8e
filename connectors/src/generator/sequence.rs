//! A generator for any columns: every value follows from the row's number.

use super::{RowGenerator, RowNumbers};
use crate::format::TimestampUnit;
use crate::format::timestamp::parse_timestamp;
use crate::options::{OptionError, Options};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use egret_core::{Error, EventTime, Length, Result, StreamSchema, suggest};
use std::sync::Arc;
use std::time::Duration;

/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;
/// 2024-01-01T00:00:00Z.
const START: EventTime = EventTime::from_millis(1_704_067_200_000);

/// Numbers are the row's number, strings `<column>-<number>`, booleans whether the number is odd, times the start plus the
/// number times a step.
///
/// Options: `start` (a timestamp; default 2024-01-01), `step` (a length of time; default `1 ms`), `cycle`: for each column
/// named the numbers start again from 0 after so many rows, as in `cycle = 'card:1000, device:300'`.
pub struct Sequence {
    schema: StreamSchema,
    start: EventTime,
    step_us: i64,
    /// For each column after how many rows its values start again.
    cycles: Vec<Option<u64>>,
}

impl Sequence {
    /// A generator of rows with these columns.
    ///
    /// # Errors
    /// A column has a type without a sequence.
    pub fn new(schema: StreamSchema) -> Result<Self> {
        crate::format::column::check_types(&schema)?;
        let cycles = vec![None; schema.arrow().fields().len()];
        Ok(Self { schema, start: START, step_us: 1_000, cycles })
    }

    /// Where times start, and how far apart they are, in microseconds.
    #[must_use]
    pub fn with_times(mut self, start: EventTime, step_us: i64) -> Self {
        (self.start, self.step_us) = (start, step_us);
        self
    }

    /// The numbers of a column start again after `rows` rows.
    ///
    /// # Errors
    /// There is no such column.
    pub fn with_cycle(mut self, column: &str, rows: u64) -> Result<Self> {
        let index = self.schema.index_of(column)?;
        self.cycles[index] = Some(rows.max(1));
        Ok(self)
    }

    fn column(&self, column: usize, rows: RowNumbers) -> Result<ArrayRef> {
        let field = self.schema.arrow().field(column);
        let cycle = self.cycles[column];
        let numbers = rows.iter().map(move |number| cycle.map_or(number, |cycle| number % cycle));
        let times = numbers.clone().map(|number| self.start.0.wrapping_add(self.step_us.wrapping_mul(number as i64)));
        Ok(match field.data_type() {
            DataType::Int8 => Arc::new(Int8Array::from_iter_values(numbers.map(|number| number as i8))),
            DataType::Int16 => Arc::new(Int16Array::from_iter_values(numbers.map(|number| number as i16))),
            DataType::Int32 => Arc::new(Int32Array::from_iter_values(numbers.map(|number| number as i32))),
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(numbers.map(|number| number as i64))),
            DataType::Float32 => Arc::new(Float32Array::from_iter_values(numbers.map(|number| number as f32))),
            DataType::Float64 => Arc::new(Float64Array::from_iter_values(numbers.map(|number| number as f64))),
            DataType::Boolean => Arc::new(BooleanArray::from_iter(numbers.map(|number| Some(number % 2 == 1)))),
            DataType::Utf8 => Arc::new(StringArray::from_iter_values(numbers.map(|number| format!("{}-{number}", field.name())))),
            DataType::Date32 => Arc::new(Date32Array::from_iter_values(times.map(|time| time.div_euclid(DAY) as i32))),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Arc::new(TimestampMicrosecondArray::from_iter_values(times)),
            other => {
                return Err(Error::bug(format!("types were checked when the sequence was made, and {other} is none of them")));
            }
        })
    }
}

impl RowGenerator for Sequence {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn generate(&self, rows: RowNumbers, columns: &[usize]) -> Result<RecordBatch> {
        let arrays = columns.iter().map(|&column| self.column(column, rows)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(self.schema.project(columns)?.arrow()), arrays, &options)?)
    }

    fn state_layout(&self) -> Vec<(String, String)> {
        let fields = self.schema.arrow().fields().iter().zip(&self.cycles);
        let cycles = fields.filter_map(|(field, cycle)| Some(format!("{}:{}", field.name(), (*cycle)?)));
        let facts = [
            ("kind", "sequence".to_owned()),
            ("start", self.start.to_string()),
            ("step", Length(self.step_us).to_string()),
            ("cycle", cycles.collect::<Vec<_>>().join(", ")),
        ];
        facts.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn describe(&self) -> String {
        "generator of a sequence".into()
    }
}

/// The factory of `kind = 'sequence'`.
pub(crate) fn sequence_from_options(options: &Options, schema: &StreamSchema) -> Result<Arc<dyn RowGenerator>, OptionError> {
    let start = match options.get("start") {
        None => START,
        Some(text) => parse_timestamp(text.as_bytes(), TimestampUnit::Millisecond).map(EventTime).ok_or_else(|| {
            OptionError::of(
                "start",
                Error::job(format!("'{text}' is not a timestamp")).help("write it like 2024-05-31T14:00:00Z"),
            )
        })?,
    };
    let step = options.duration("step")?.unwrap_or(Duration::from_millis(1));
    let step_us = i64::try_from(step.as_micros()).map_err(|_| OptionError::of("step", Error::job("the step is too long")))?;
    let mut sequence = Sequence::new(schema.clone())?.with_times(start, step_us);
    for rule in options.get("cycle").into_iter().flat_map(|rules| rules.split(',')) {
        sequence = add_cycle(sequence, rule.trim())?;
    }
    Ok(Arc::new(sequence))
}

fn add_cycle(sequence: Sequence, rule: &str) -> Result<Sequence, OptionError> {
    let parsed = rule
        .split_once(':')
        .and_then(|(column, rows)| Some((column.trim(), rows.trim().parse::<u64>().ok().filter(|rows| *rows > 0)?)));
    let Some((column, rows)) = parsed else {
        return Err(OptionError::of(
            "cycle",
            Error::job(format!("cycle does not understand '{rule}'")).help("write for example 'card:1000, device:300'"),
        ));
    };
    let names: Vec<String> = sequence.schema.arrow().fields().iter().map(|field| field.name().clone()).collect();
    sequence.with_cycle(column, rows).map_err(|error| match suggest(column, names.iter().map(String::as_str)) {
        Some(near) => OptionError::of("cycle", error.help(format!("did you mean '{near}'?"))),
        None => OptionError::of("cycle", error),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::{lines, schema};

    #[test]
    fn every_type_has_a_sequence() {
        let schema = schema(
            &[
                ("a", "int8"),
                ("b", "int64"),
                ("c", "float64"),
                ("d", "bool"),
                ("e", "utf8"),
                ("f", "date"),
                ("at", "time"),
                ("g", "float32"),
            ],
            Some("at"),
        );
        let options = Options::new([("start", "2023-12-31 23:59:59"), ("step", "1 s"), ("cycle", "e:2")]);
        let sequence = sequence_from_options(&options, &schema).unwrap();
        let rows = sequence.generate(RowNumbers { first: 0, step: 1, count: 3 }, &(0..8).collect::<Vec<_>>()).unwrap();
        assert_eq!(
            lines(&rows),
            [
                r#"{"a":0,"b":0,"c":0.0,"d":false,"e":"e-0","f":"2023-12-31","at":"2023-12-31T23:59:59.000Z","g":0.0}"#,
                r#"{"a":1,"b":1,"c":1.0,"d":true,"e":"e-1","f":"2024-01-01","at":"2024-01-01T00:00:00.000Z","g":1.0}"#,
                r#"{"a":2,"b":2,"c":2.0,"d":false,"e":"e-0","f":"2024-01-01","at":"2024-01-01T00:00:01.000Z","g":2.0}"#,
            ]
        );
        let none = sequence.generate(RowNumbers { first: 0, step: 1, count: 3 }, &[]).unwrap();
        assert_eq!((none.num_rows(), none.num_columns()), (3, 0));
    }

    #[test]
    fn wrong_options() {
        let schema = schema(&[("card", "int64")], None);
        for (key, value) in [("start", "today"), ("step", "x"), ("cycle", "card"), ("cycle", "crad:3"), ("cycle", "card:0")] {
            let error = sequence_from_options(&Options::new([(key, value)]), &schema).err().unwrap();
            assert_eq!(error.key(), Some(key), "{value}");
        }
    }
}
