//! The snapshot format of windows.
//!
//! # Format, version 3
//! One record for each key group that has state. Integers are little endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the version: `3` |
//! | 8 | the watermark up to which windows had fired, as microseconds (signed) |
//! | 8 | the length n of the next field |
//! | n | states of windows: an Arrow IPC stream |
//! | rest | waiting rows of the input: an Arrow IPC stream with the input's columns and one more |
//!
//! The columns of the first stream are those of the window (`head`), the key (`key`), then for each aggregate the state of its
//! accumulator (`state 0`, `state 1`, ...; an aggregate may have several columns). For tumbling and sliding windows the head is
//! the start of a pane; for sessions and count windows it is the times of the first and the last row, the number of rows, and
//! whether the window has fired. The schema's metadata lists the aggregates under `aggregates`, one on each line, so that they
//! are found again if the job adds aggregates or reorders them. The last column of the second stream is the watermark that a late
//! row was behind, null for rows on time.

use super::spec::Plan;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use egret_core::ipc::{self, Lacking};
use egret_core::key::{KeyGroup, hash_keys};
use egret_core::row_place::PLACE;
use egret_core::{Error, EventTime, Result, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;

const VERSION: u8 = 3;
const HEAD: &str = "head";
const KEY: &str = "key";
const STATE: &str = "state ";
const AGGREGATES: &str = "aggregates";

/// Rows to encode, and their keys.
pub(super) struct KeyedRows {
    keys: Vec<ArrayRef>,
    rows: RecordBatch,
}

impl KeyedRows {
    /// States: columns of the window, the key, and the accumulators' states.
    ///
    /// # Errors
    /// The columns differ in length.
    pub(super) fn new(keys: Vec<ArrayRef>, head: Vec<ArrayRef>, states: &[Vec<ArrayRef>]) -> Result<Self> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        let mut add = |name: &str, column: &ArrayRef| {
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(Arc::clone(column));
        };
        head.iter().for_each(|column| add(HEAD, column));
        keys.iter().for_each(|column| add(KEY, column));
        for (index, state) in states.iter().enumerate() {
            state.iter().for_each(|column| add(&format!("{STATE}{index}"), column));
        }
        Ok(Self { rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?, keys })
    }

    /// Waiting rows of the input, with the watermark they were behind.
    ///
    /// # Errors
    /// The columns do not fit the schema.
    pub(super) fn waiting(keys: Vec<ArrayRef>, rows: &RecordBatch, late: Option<EventTime>) -> Result<Self> {
        let late: ArrayRef = Arc::new(Int64Array::from(vec![late.map(|late| late.0); rows.num_rows()]));
        let columns = rows.columns().iter().cloned().chain([late]).collect();
        Ok(Self { rows: RecordBatch::try_new(waiting_schema(rows.schema_ref()), columns)?, keys })
    }
}

fn waiting_schema(input: &SchemaRef) -> SchemaRef {
    let late = Arc::new(Field::new("late", DataType::Int64, true));
    Arc::new(Schema::new(input.fields().iter().cloned().chain([late]).collect::<Vec<_>>()))
}

/// The key and the states, among the columns that [`KeyedRows::new`] made.
pub(super) fn state_columns(rows: &RecordBatch) -> (Vec<ArrayRef>, Vec<Vec<ArrayRef>>) {
    let (mut keys, mut states) = (Vec::new(), Vec::<Vec<ArrayRef>>::new());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if field.name() == KEY {
            keys.push(Arc::clone(column));
        } else if let Some(index) = field.name().strip_prefix(STATE).and_then(|index| index.parse::<usize>().ok()) {
            states.resize_with(states.len().max(index + 1), Vec::new);
            states[index].push(Arc::clone(column));
        }
    }
    (keys, states)
}

/// Encodes states and waiting rows, by key group; `clock_of` is the watermark up to which windows of a group had fired.
///
/// # Errors
/// A key cannot be hashed, or Arrow cannot encode a column.
pub(super) fn encode(
    clock_of: impl Fn(KeyGroup) -> EventTime,
    aggregates: &[String],
    states: &[KeyedRows],
    waiting: &[KeyedRows],
    max_parallelism: u16,
) -> Result<Snapshot> {
    let mut groups: BTreeMap<KeyGroup, [Vec<RecordBatch>; 2]> = BTreeMap::new();
    for (place, parts) in [states, waiting].into_iter().enumerate() {
        for part in parts {
            for (group, rows) in by_group(part, max_parallelism)? {
                groups.entry(group).or_default()[place].push(rows);
            }
        }
    }
    let record = |(group, [states, waiting]): (KeyGroup, [Vec<RecordBatch>; 2])| {
        let states = states.iter().map(|rows| with_aggregates(rows, aggregates)).collect::<Result<Vec<_>>>()?;
        let states = ipc::encode_rows(&states)?;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&clock_of(group).0.to_le_bytes());
        bytes.extend_from_slice(&(states.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&states);
        bytes.extend_from_slice(&ipc::encode_rows(&waiting)?);
        Ok((group, bytes))
    };
    Ok(Snapshot { keyed: groups.into_iter().map(record).collect::<Result<_>>()?, ..Snapshot::default() })
}

fn by_group(part: &KeyedRows, max_parallelism: u16) -> Result<Vec<(KeyGroup, RecordBatch)>> {
    let mut hashes = Vec::new();
    hash_keys(&part.keys, part.rows.num_rows(), &mut hashes)?;
    let mut rows: BTreeMap<KeyGroup, Vec<u32>> = BTreeMap::new();
    for (row, &hash) in hashes.iter().enumerate() {
        rows.entry(KeyGroup::of(hash, max_parallelism)).or_default().push(row as u32);
    }
    rows.into_iter().map(|(group, rows)| Ok((group, take_record_batch(&part.rows, &UInt32Array::from(rows))?))).collect()
}

fn with_aggregates(rows: &RecordBatch, aggregates: &[String]) -> Result<RecordBatch> {
    let metadata = [(AGGREGATES.to_owned(), aggregates.join("\n"))].into();
    let schema = Schema::new_with_metadata(rows.schema_ref().fields().clone(), metadata);
    Ok(RecordBatch::try_new(Arc::new(schema), rows.columns().to_vec())?)
}

/// The saved states of the plan's aggregates, renumbered as in the plan.
///
/// The state of places is missing if the results had no reader that needs order. Open windows then take their places from later
/// rows, if any.
fn of_aggregates(rows: &RecordBatch, plan: &Plan) -> Result<RecordBatch> {
    let schema = rows.schema_ref();
    let written =
        schema.metadata().get(AGGREGATES).ok_or_else(|| Error::external("the state of windows says of no aggregates"))?;
    let written: Vec<&str> = written.lines().collect();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        if !field.name().starts_with(STATE) {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    for (number, aggregate) in plan.aggregate_texts().iter().enumerate() {
        let Some(place) = written.iter().position(|other| other == aggregate) else {
            if plan.calls()[number].name() != PLACE {
                return Err(
                    Error::job(format!("the state of windows has no {aggregate}")).help("give the changed statement another uid")
                );
            }
            for data_type in plan.aggregates[number].state_types()? {
                fields.push(Arc::new(Field::new(format!("{STATE}{number}"), data_type.clone(), true)));
                columns.push(nothing(&data_type, rows.num_rows()));
            }
            continue;
        };
        let name = format!("{STATE}{place}");
        for (field, column) in schema.fields().iter().zip(rows.columns()).filter(|(field, _)| *field.name() == name) {
            fields.push(Arc::new(field.as_ref().clone().with_name(format!("{STATE}{number}"))));
            columns.push(Arc::clone(column));
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// The state of a first or last value without rows: nulls, and `false` for whether it is set.
fn nothing(data_type: &DataType, rows: usize) -> ArrayRef {
    match data_type {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![false; rows])),
        other => new_null_array(other, rows),
    }
}

/// A decoded snapshot.
#[derive(Default)]
pub(super) struct Decoded {
    /// The watermark up to which the windows of each key group had fired.
    pub(super) clocks: BTreeMap<KeyGroup, EventTime>,
    /// States of windows.
    pub(super) states: Option<RecordBatch>,
    /// Waiting rows of the input, and the watermark they were behind.
    pub(super) waiting: Vec<(Option<EventTime>, RecordBatch)>,
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// The version is unknown, or the bytes do not decode.
pub(super) fn decode(parts: &[Snapshot], plan: &Plan) -> Result<Decoded> {
    let input = plan.input.arrow();
    let mut decoded = Decoded::default();
    let (mut states, mut waiting) = (Vec::new(), Vec::new());
    for (group, bytes) in parts.iter().flat_map(|part| &part.keyed) {
        let place = |error: Error| error.context(format!("windows of key group {}", group.0));
        let (clock, first, second) = split(bytes).map_err(place)?;
        let known = decoded.clocks.entry(*group).or_insert(clock);
        *known = clock.max(*known);
        for rows in ipc::decode_rows(first).map_err(place)? {
            states.push(of_aggregates(&rows, plan).map_err(place)?);
        }
        waiting.extend(ipc::decode_rows(second).map_err(place)?);
    }
    if let Some(first) = states.first() {
        decoded.states = Some(concat_batches(&first.schema(), &states)?);
    }
    let mut by_lateness: BTreeMap<Option<EventTime>, Vec<RecordBatch>> = BTreeMap::new();
    for part in &waiting {
        for (late, rows) in without_lateness(part, input)? {
            by_lateness.entry(late).or_default().push(rows);
        }
    }
    decoded.waiting = by_lateness.into_iter().flat_map(|(late, parts)| parts.into_iter().map(move |rows| (late, rows))).collect();
    Ok(decoded)
}

fn split(bytes: &[u8]) -> Result<(EventTime, &[u8], &[u8])> {
    let short = || Error::state("the state of windows ends too early").help("restore an older checkpoint");
    let (&version, rest) = bytes.split_first().ok_or_else(short)?;
    if version != VERSION {
        return Err(Error::state(format!("the state of windows has version {version}, this program reads version {VERSION}"))
            .help("use the program that wrote it, or a later one"));
    }
    let (clock, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
    let (first, second) = rest.split_at_checked(length).ok_or_else(short)?;
    Ok((EventTime(i64::from_le_bytes(*clock)), first, second))
}

/// Groups waiting rows by the watermark they were behind, and removes that column.
fn without_lateness(part: &RecordBatch, input: &SchemaRef) -> Result<Vec<(Option<EventTime>, RecordBatch)>> {
    let wrong = || Error::state("the waiting rows of windows have other columns than the stream");
    let late = part.columns().last().ok_or_else(wrong)?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
    let rows: Vec<usize> = (0..part.num_columns() - 1).collect();
    // The layout covers the columns that windows compute with; only the side output of late rows shows the other columns.
    let rows = ipc::fit_rows(&part.project(&rows)?, input, Lacking::Null)?;
    let mut indexes: BTreeMap<Option<EventTime>, Vec<u32>> = BTreeMap::new();
    for (row, late) in late.iter().enumerate() {
        indexes.entry(late.map(EventTime)).or_default().push(row as u32);
    }
    indexes.into_iter().map(|(late, indexes)| Ok((late, take_record_batch(&rows, &UInt32Array::from(indexes))?))).collect()
}
