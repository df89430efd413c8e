//! Times at which the key had too many partial matches. The tracer follows every start by itself and knows no limit, so the
//! matcher is run to find them.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use egret::cep::{CompiledPattern, show_time};
use egret::core::{Error, Result};
use serde_json::{Value, json};

/// A time at which the key had too many partial matches.
pub(super) struct Overflow {
    /// How many there were; unknown if that ended the job.
    partial_matches: Option<i64>,
    /// The time of the event that exceeded the limit; `None` if the stream has no event time.
    at_us: Option<i64>,
    /// Until when the key was put aside, if it was.
    until_us: Option<i64>,
    /// What happened to them.
    note: String,
}

/// The overflows that the matcher reports for a key's events.
pub(super) fn overflows(compiled: &CompiledPattern, rows: &RecordBatch) -> Result<Vec<Overflow>> {
    let told = match compiled.match_rows(rows) {
        Ok(found) => found.overflow,
        // With `overflow = 'fail'` the job ends. Bad rows are part of the trace.
        Err(error @ Error::Job(_)) => return Ok(vec![Overflow::that_ends_the_job(&error)]),
        Err(Error::Data(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let behind_key = compiled.partition_columns().len();
    let column = |place: usize| told.column(behind_key + place);
    let (counts, at, until, notes) = (
        column(0).as_primitive::<Int64Type>(),
        column(2).as_primitive::<TimestampMicrosecondType>(),
        column(4).as_primitive::<TimestampMicrosecondType>(),
        column(6).as_string::<i32>(),
    );
    let one = |row: usize| Overflow {
        partial_matches: Some(counts.value(row)),
        at_us: at.is_valid(row).then(|| at.value(row)),
        until_us: until.is_valid(row).then(|| until.value(row)),
        note: notes.value(row).to_owned(),
    };
    Ok((0..told.num_rows()).map(one).collect())
}

impl Overflow {
    fn that_ends_the_job(error: &Error) -> Self {
        Self { partial_matches: None, at_us: None, until_us: None, note: format!("the job ends: {}", error.message()) }
    }

    /// One line of text; times are printed by `clock`.
    pub(super) fn show(&self, clock: impl Fn(i64) -> String) -> String {
        let Some(count) = self.partial_matches else { return self.note.clone() };
        let at = self.at_us.map_or_else(String::new, |at| format!("at {} ", clock(at)));
        format!("{at}the key had too many partial matches, {count}: {}", self.note)
    }

    pub(super) fn as_json(&self) -> Value {
        json!({
            "partial_matches": self.partial_matches,
            "at": self.at_us.map(show_time),
            "until": self.until_us.map(show_time),
            "note": self.note,
        })
    }
}
