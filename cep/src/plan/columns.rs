//! Which columns of the stream go where.

use super::condition::Drafts;
use super::local::words;
use super::options::MASK_COLUMN;
use super::value::RunValue;
use arrow::datatypes::{DataType, Field};
use egret_core::{Error, Result, StreamSchema};
use std::collections::BTreeSet;

/// Which columns go where.
pub(super) struct Columns {
    pub(super) kept: Vec<usize>,
    pub(super) rows: StreamSchema,
    pub(super) sent: StreamSchema,
    pub(super) judged: Vec<usize>,
    pub(super) late: StreamSchema,
    pub(super) stored: Vec<usize>,
    pub(super) keys: Vec<usize>,
    pub(super) ties: Vec<usize>,
}

impl Columns {
    /// Chooses the columns the matcher gets and those it stores, and points the values at the stored ones.
    pub(super) fn choose(
        schema: &StreamSchema,
        partition: &[usize],
        ties: &[usize],
        drafts: &Drafts,
        values: &mut [RunValue],
        more: &BTreeSet<usize>,
    ) -> Result<Self> {
        let read = values.iter().filter_map(|value| value.column);
        let always = partition.iter().chain(ties).copied().chain(schema.event_time());
        let mut kept: BTreeSet<usize> = always.chain(drafts.columns.iter().copied()).chain(read.clone()).collect();
        let mut stored: BTreeSet<usize> = read.collect();
        if stored.is_empty() {
            // Every event taken stores at least one column.
            stored.insert(kept.first().copied().unwrap_or(0));
        }
        kept.extend(&stored);
        // Columns kept only to be shown must not change the order of events.
        let shown_only: Vec<usize> = more.difference(&kept).copied().collect();
        stored.extend(more);
        kept.extend(more);
        let kept: Vec<usize> = kept.into_iter().collect();
        let place = |column: usize| {
            kept.iter().position(|&other| other == column).ok_or_else(|| Error::bug("a column that is read is kept"))
        };
        for value in values.iter_mut() {
            value.column = value.column.map(|column| stored.iter().position(|&other| other == column).unwrap_or_default());
        }
        let late = schema.project(&kept)?;
        let words = words(drafts.locals.len());
        let mask = |word: usize| {
            let name = if word == 0 { MASK_COLUMN.to_owned() } else { format!("{MASK_COLUMN}{word}") };
            Field::new(name, DataType::UInt64, false)
        };
        let rows = late.with_fields((0..words).map(mask))?;
        let read: BTreeSet<usize> = drafts.locals.iter().flat_map(|local| local.columns().iter().copied()).collect();
        let judged: Vec<usize> = read.into_iter().filter(|column| !kept.contains(column)).collect();
        let sent = rows.with_fields(judged.iter().map(|&column| schema.arrow().field(column).clone()))?;
        let places = |columns: &[usize]| columns.iter().map(|&column| place(column)).collect::<Result<Vec<_>>>();
        let mut all_ties = places(ties)?;
        let mut rest: Vec<usize> = (0..kept.len() + words).filter(|column| !all_ties.contains(column)).collect();
        rest.sort_by_key(|&column| kept.get(column).is_some_and(|column| shown_only.contains(column)));
        all_ties.extend(rest);
        let stored = places(&stored.into_iter().collect::<Vec<_>>())?;
        Ok(Self { keys: places(partition)?, ties: all_ties, stored, kept, rows, sent, judged, late })
    }
}
