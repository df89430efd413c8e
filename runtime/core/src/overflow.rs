//! Keys that had too many partial matches, reported as rows and as remarks.

use crate::key::{Key, decode_key};
use crate::metrics::Counters;
use crate::{Batch, Result, StreamSchema};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field};
use std::sync::Arc;

/// How often a key had too many partial matches: a counter of matchers and row patterns.
pub const OVERFLOWED: &str = "times that a key had too many partial matches";

/// How many remarks each operator makes about each pattern; all overflows are counted.
const REMARKS_MAX: usize = 3;

/// A key that had too many partial matches, and what happened to them.
#[derive(Clone, Debug)]
pub struct Overflowed {
    /// The key.
    pub key: Key,
    /// How many partial matches there were.
    pub open: u64,
    /// When the first of them began, in microseconds since 1970.
    pub since: Option<i64>,
    /// The event that exceeded the limit; `None` for a stream without event time.
    pub at: Option<i64>,
    /// How many were dropped.
    pub dropped: u64,
    /// Until when the key is put aside.
    pub until: Option<i64>,
    /// The outcome: which way of dealing with it was taken.
    pub outcome: &'static str,
    /// The outcome in words.
    pub note: String,
}

/// The schema of rows that report overflows.
#[derive(Clone, Debug)]
pub struct OverflowTable {
    /// The columns.
    pub schema: StreamSchema,
    /// The types of the key's columns, in the order of its encoding.
    types: Vec<DataType>,
    /// The position in the encoding, for each key column in the order shown.
    places: Vec<usize>,
}

/// Overflows that are still to be reported.
#[derive(Debug, Default)]
pub struct Overflows {
    waiting: Vec<Overflowed>,
    /// How many overflows there were, and how many of them the counter includes.
    count: u64,
    told: u64,
    remarks: Vec<String>,
}

impl OverflowTable {
    /// The table of a pattern over a stream: `encoded` are the columns of its key in the order of their encoding, `shown` the
    /// same columns in the order in which they were given.
    ///
    /// # Errors
    /// Two columns have one name.
    pub fn new(input: &StreamSchema, encoded: &[usize], shown: &[usize]) -> Result<Self> {
        let of_input = |&column: &usize| input.arrow().field(column).as_ref().clone().with_nullable(true);
        let mut fields: Vec<Field> = shown.iter().map(of_input).collect();
        let name = |name: &str| match fields.iter().any(|field| field.name() == name) {
            true => format!("overflow_{name}"),
            false => name.to_owned(),
        };
        let at = name("at");
        let time = |called: &str, nullable: bool| StreamSchema::time_field(called).with_nullable(nullable);
        let has_time = input.event_time().is_some();
        let more = vec![
            Field::new(name("partial_matches"), DataType::Int64, false),
            time(&name("since"), true),
            time(&at, !has_time),
            Field::new(name("dropped"), DataType::Int64, false),
            time(&name("until"), true),
            Field::new(name("outcome"), DataType::Utf8, false),
            Field::new(name("note"), DataType::Utf8, false),
        ];
        fields.extend(more);
        Ok(Self {
            schema: StreamSchema::new(fields, Some(at.as_str()).filter(|_| has_time))?,
            types: encoded.iter().map(|&column| input.arrow().field(column).data_type().clone()).collect(),
            places: shown.iter().filter_map(|column| encoded.iter().position(|other| other == column)).collect(),
        })
    }

    fn rows(&self, all: &[Overflowed]) -> Result<RecordBatch> {
        let keys = all.iter().map(|one| decode_key(&one.key.encoded(), &self.types)).collect::<Result<Vec<_>>>()?;
        let key = |&place: &usize| Ok(concat(&keys.iter().map(|key| key[place].as_ref()).collect::<Vec<_>>())?);
        let mut columns = self.places.iter().map(key).collect::<Result<Vec<ArrayRef>>>()?;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let numbers = |of: fn(&Overflowed) -> u64| Arc::new(all.iter().map(|one| number(of(one))).collect::<Int64Array>());
        let times =
            |of: fn(&Overflowed) -> Option<i64>| Arc::new(all.iter().map(of).collect::<TimestampMicrosecondArray>()) as ArrayRef;
        let texts = |of: fn(&Overflowed) -> &str| Arc::new(StringArray::from_iter_values(all.iter().map(of)));
        columns.extend([
            numbers(|one| one.open),
            times(|one| one.since),
            times(|one| one.at),
            numbers(|one| one.dropped),
            times(|one| one.until),
            texts(|one| one.outcome),
            texts(|one| &one.note) as ArrayRef,
        ]);
        Ok(RecordBatch::try_new(Arc::clone(self.schema.arrow()), columns)?)
    }
}

impl Overflows {
    /// Adds an overflow; `limit` says which limit was exceeded.
    pub fn add(&mut self, one: Overflowed, limit: &str) {
        self.count += 1;
        if self.count <= REMARKS_MAX as u64 {
            let more = if self.count == REMARKS_MAX as u64 { "; what comes of this kind is only counted" } else { "" };
            self.remarks.push(format!("{} {limit}: {}{more}", one.key, one.note));
        }
        self.waiting.push(one);
    }

    /// Takes the rows that are still to be sent.
    ///
    /// # Errors
    /// A key does not have the columns of the table.
    pub fn take(&mut self, table: &OverflowTable) -> Result<Option<Batch>> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let rows = table.rows(&std::mem::take(&mut self.waiting))?;
        Ok(Some(Batch::from_parts(rows, table.schema.event_time(), None)))
    }

    /// Whether there are overflows that the counter does not include.
    #[inline]
    pub fn are_untold(&self) -> bool {
        self.count != self.told
    }

    /// Counts all overflows, and warns of the first few; `name` is the name of the pattern, if known.
    pub fn report(&mut self, name: Option<&str>, counters: &Counters) {
        if !self.are_untold() {
            return;
        }
        counters.add_named(OVERFLOWED, (self.count - self.told) as i64);
        self.told = self.count;
        for remark in self.remarks.drain(..) {
            let of = name.map_or_else(String::new, |name| format!("pattern {name}: "));
            tracing::warn!("{of}{remark}");
            counters.note(format!("{of}{remark}"));
        }
    }
}
