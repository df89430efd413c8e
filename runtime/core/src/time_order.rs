//! A buffer in which rows wait until the watermark has passed them; they leave in order of event time.
//!
//! Every batch is sorted by time once, when it arrives. A release takes the front of each sorted batch and merges them, by a sort
//! that recognises sorted runs if there are few, else by radix sort. Other columns are compared only where times are equal.

use crate::batch::micros;
use crate::{Result, row_place};
use arrow::array::{Array, RecordBatch, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, interleave_record_batch, take_record_batch};
use std::cmp::Ordering;

/// A row number and the row's time.
#[derive(Clone, Copy, Debug)]
struct Entry {
    time: i64,
    batch: u32,
    row: u32,
}

/// Up to this many sorted batches are merged; more are sorted anew.
const MERGED: usize = 4;

#[derive(Debug)]
struct Waiting {
    rows: RecordBatch,
    order: Vec<Entry>,
    /// How many rows have left.
    gone: usize,
    /// The rows without the column of places, made when first needed.
    slim: Option<RecordBatch>,
}

/// Rows that the watermark has not passed. Every operator that must put rows in order keeps them here.
///
/// ```
/// use arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
/// use arrow::datatypes::TimestampMicrosecondType;
/// use egret_core::TimeOrder;
/// let at = |times: &[i64]| std::sync::Arc::new(TimestampMicrosecondArray::from(times.to_vec())) as ArrayRef;
/// let mut waiting = TimeOrder::default();
/// waiting.add(RecordBatch::try_from_iter([("at", at(&[5, 2, 9]))])?, 0);
/// waiting.add(RecordBatch::try_from_iter([("at", at(&[3]))])?, 0);
/// let passed = waiting.release(6, 0, &[])?.expect("three rows");
/// assert_eq!(passed.column(0).as_primitive::<TimestampMicrosecondType>().values(), &[2, 3, 5]);
/// assert_eq!(waiting.rows()?[0].num_rows(), 1);
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct TimeOrder {
    waiting: Vec<Waiting>,
    scratch: Vec<Entry>,
}

impl TimeOrder {
    /// Adds rows; `event_time` is the index of their event time column.
    ///
    /// # Panics
    /// That column has another type: the planner checks it.
    pub fn add(&mut self, rows: RecordBatch, event_time: usize) {
        let entry = |(row, &time): (usize, &i64)| Entry { time, batch: 0, row: row as u32 };
        let mut order: Vec<Entry> = micros(rows.column(event_time)).iter().enumerate().map(entry).collect();
        sort(&mut order, &mut self.scratch);
        self.waiting.push(Waiting { rows, order, gone: 0, slim: None });
    }

    /// Takes the rows before `watermark`, in order of time, then of the columns `ties`. [`EventTime::MAX`](crate::EventTime::MAX)
    /// means the end of the input and takes all rows.
    ///
    /// # Errors
    /// A column cannot be ordered.
    pub fn release(&mut self, watermark: i64, event_time: usize, ties: &[usize]) -> Result<Option<RecordBatch>> {
        let Some(leaving) = self.leaving(watermark) else { return Ok(None) };
        let rows = self.rows_of(&leaving, |waiting| &waiting.rows)?;
        self.forget();
        break_ties(rows, event_time, ties).map(Some)
    }

    /// Like [`TimeOrder::release`], where the first column of `ties` is that of places and the caller does not read it: it is
    /// null in the result.
    ///
    /// # Errors
    /// As [`TimeOrder::release`].
    pub fn release_by_place(
        &mut self,
        watermark: i64,
        event_time: usize,
        place: usize,
        ties: &[usize],
    ) -> Result<Option<RecordBatch>> {
        let Some(mut leaving) = self.leaving(watermark) else { return Ok(None) };
        if !self.order_by_place(&mut leaving, place) {
            let rows = self.rows_of(&leaving, |waiting| &waiting.rows)?;
            self.forget();
            return break_ties(rows, event_time, ties).map(Some);
        }
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.slim.is_none()) {
            let mut slim = waiting.rows.clone();
            slim.remove_column(place);
            waiting.slim = Some(slim);
        }
        let rows = self.rows_of(&leaving, |waiting| waiting.slim.as_ref().unwrap_or(&waiting.rows))?;
        let schema = self.waiting[0].rows.schema();
        self.forget();
        let mut columns = rows.columns().to_vec();
        columns.insert(place, row_place::none(rows.num_rows()));
        Ok(Some(RecordBatch::try_new(schema, columns)?))
    }

    /// Orders rows of one time by their places. Returns whether that determines the order: no two rows have the same place.
    fn order_by_place(&self, leaving: &mut [Entry], place: usize) -> bool {
        if self.waiting.iter().any(|waiting| waiting.rows.column(place).null_count() > 0) {
            return false;
        }
        let places: Vec<&[i128]> = self.waiting.iter().map(|waiting| row_place::values(waiting.rows.column(place))).collect();
        let of = |entry: &Entry| places[entry.batch as usize][entry.row as usize];
        for tied in leaving.chunk_by_mut(|one, other| one.time == other.time).filter(|tied| tied.len() > 1) {
            if !tied.is_sorted_by_key(of) {
                tied.sort_unstable_by_key(of);
            }
            if tied.windows(2).any(|pair| of(&pair[0]) == of(&pair[1])) {
                return false;
            }
        }
        true
    }

    /// The entries that leave at a watermark, in order of time.
    fn leaving(&mut self, watermark: i64) -> Option<Vec<Entry>> {
        let (mut leaving, mut runs): (Vec<Entry>, usize) = (Vec::new(), 0);
        for (batch, waiting) in self.waiting.iter_mut().enumerate() {
            let rest = &waiting.order[waiting.gone..];
            let count = if watermark == i64::MAX { rest.len() } else { rest.partition_point(|entry| entry.time < watermark) };
            leaving.extend(rest[..count].iter().map(|entry| Entry { batch: batch as u32, ..*entry }));
            waiting.gone += count;
            runs += usize::from(count > 0);
        }
        if leaving.is_empty() {
            return None;
        }
        if runs > MERGED {
            sort(&mut leaving, &mut self.scratch);
        } else {
            // This sort finds the runs that are sorted already, and merges them.
            leaving.sort_by_key(|entry| entry.time);
        }
        Some(leaving)
    }

    /// The rows of these entries, in their order.
    fn rows_of<'a>(&'a self, leaving: &[Entry], of: impl Fn(&'a Waiting) -> &'a RecordBatch) -> Result<RecordBatch> {
        let batches: Vec<&RecordBatch> = self.waiting.iter().map(of).collect();
        Ok(match batches.as_slice() {
            [one] => {
                let rows = UInt32Array::from_iter_values(leaving.iter().map(|entry| entry.row));
                take_record_batch(one, &rows)?
            }
            many => {
                let indexes: Vec<(usize, usize)> =
                    leaving.iter().map(|entry| (entry.batch as usize, entry.row as usize)).collect();
                interleave_record_batch(many, &indexes)?
            }
        })
    }

    /// Drops batches whose rows have all left.
    fn forget(&mut self) {
        self.waiting.retain(|waiting| waiting.gone < waiting.order.len());
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The rows in the buffer, in no particular order.
    ///
    /// # Errors
    /// The rows cannot be copied.
    pub fn rows(&self) -> Result<Vec<RecordBatch>> {
        let rest = |waiting: &Waiting| {
            let rows = UInt32Array::from_iter_values(waiting.order[waiting.gone..].iter().map(|entry| entry.row));
            Ok(take_record_batch(&waiting.rows, &rows)?)
        };
        self.waiting.iter().map(rest).collect()
    }

    /// The memory that the buffer occupies, in bytes.
    pub fn bytes(&self) -> usize {
        let of_rows = |rows: &RecordBatch| -> usize { rows.columns().iter().map(|column| column.get_array_memory_size()).sum() };
        self.waiting.iter().map(|waiting| of_rows(&waiting.rows) + waiting.order.capacity() * size_of::<Entry>()).sum()
    }
}

/// Orders rows of one time by the columns `ties`.
fn break_ties(rows: RecordBatch, event_time: usize, ties: &[usize]) -> Result<RecordBatch> {
    let times = micros(rows.column(event_time));
    if times.windows(2).all(|pair| pair[0] != pair[1]) {
        return Ok(rows);
    }
    let compare = |&column: &usize| make_comparator(rows.column(column), rows.column(column), SortOptions::default());
    let comparators = ties.iter().filter(|&&column| column != event_time).map(compare).collect::<Result<Vec<_>, _>>()?;
    let by_content = |a: &u32, b: &u32| {
        comparators.iter().map(|compare| compare(*a as usize, *b as usize)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    let mut moved = false;
    for group in order.chunk_by_mut(|&a, &b| times[a as usize] == times[b as usize]).filter(|group| group.len() > 1) {
        if !group.is_sorted_by(|a, b| by_content(a, b).is_le()) {
            group.sort_by(by_content);
            moved = true;
        }
    }
    if moved { Ok(take_record_batch(&rows, &UInt32Array::from(order))?) } else { Ok(rows) }
}

/// Sorts by time, keeping the order of entries with the same time.
fn sort(entries: &mut Vec<Entry>, scratch: &mut Vec<Entry>) {
    const DIGIT_MAX: u32 = 12;
    if entries.is_sorted_by_key(|entry| entry.time) {
        return;
    }
    let least = entries.iter().map(|entry| entry.time).min().unwrap_or_default();
    let span = entries.iter().map(|entry| entry.time.wrapping_sub(least) as u64).max().unwrap_or_default();
    let bits = 64 - span.leading_zeros();
    let passes = bits.div_ceil(DIGIT_MAX);
    if entries.len() < 256 || passes > 4 {
        entries.sort_by_key(|entry| entry.time);
        return;
    }
    scratch.resize(entries.len(), Entry { time: 0, batch: 0, row: 0 });
    // The digits are as narrow as this number of passes allows, because the counts are cleared for each pass.
    let width = bits.div_ceil(passes.max(1));
    let mut counts = [0_u32; 1 << DIGIT_MAX];
    for pass in 0..passes {
        let digit = |entry: &Entry| (entry.time.wrapping_sub(least) as u64 >> (pass * width)) as usize & ((1 << width) - 1);
        let places = &mut counts[..1 << width];
        places.fill(0);
        entries.iter().for_each(|entry| places[digit(entry)] += 1);
        let mut sum = 0;
        places.iter_mut().for_each(|place| (*place, sum) = (sum, sum + *place));
        for entry in entries.iter() {
            let place = &mut places[digit(entry)];
            scratch[*place as usize] = *entry;
            *place += 1;
        }
        std::mem::swap(entries, scratch);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{ArrayRef, AsArray, Int64Array, TimestampMicrosecondArray};
    use arrow::datatypes::Int64Type;
    use std::sync::Arc;

    /// Pseudo-random numbers.
    fn scattered(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |last| {
            Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        })
        .map(|number| number >> 1)
    }

    #[test]
    fn sorting_agrees_with_the_standard_library() {
        for (count, span) in [(10, 5), (300, 3), (5_000, 9_000), (5_000, 1 << 40), (2_000, i64::MAX as u64)] {
            let times = scattered(3).take(count).map(|number| (number % span) as i64 - 7);
            let mut entries: Vec<Entry> =
                times.enumerate().map(|(row, time)| Entry { time, batch: 0, row: row as u32 }).collect();
            let mut expected = entries.clone();
            expected.sort_by_key(|entry| entry.time);
            sort(&mut entries, &mut Vec::new());
            let rows = |entries: &[Entry]| entries.iter().map(|entry| entry.row).collect::<Vec<_>>();
            assert_eq!(rows(&entries), rows(&expected), "{count} entries over {span}");
        }
    }

    fn rows(times: &[i64], ids: &[i64]) -> RecordBatch {
        let columns: [(&str, ArrayRef); 2] =
            [("at", Arc::new(TimestampMicrosecondArray::from(times.to_vec()))), ("id", Arc::new(Int64Array::from(ids.to_vec())))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn rows_of_one_time_leave_in_order_of_their_places() {
        // The second row has the same place as the first: then their content decides.
        for (places, expected) in [([4, 3, 9, 1], [3, 1, 0, 2]), ([4, 3, 4, 1], [3, 1, 0, 2])] {
            for split in 1..=4 {
                let all = rows(&[7, 7, 7, 7], &[0, 1, 2, 3]);
                let before = all.schema();
                let fields = before.fields().iter().map(|field| field.as_ref().clone()).chain([row_place::place_field()]);
                let schema = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
                let columns = all.columns().iter().cloned().chain([row_place::column(places.to_vec())]).collect();
                let all = RecordBatch::try_new(schema, columns).unwrap();
                let mut order = TimeOrder::default();
                (0..4).step_by(split).for_each(|from| order.add(all.slice(from, split.min(4 - from)), 0));
                let left = order.release_by_place(8, 0, 2, &[2, 0, 1]).unwrap().unwrap();
                assert_eq!(left.schema(), all.schema());
                assert_eq!(left.column(1).as_primitive::<Int64Type>().values(), &expected, "{places:?} in parts of {split}");
                assert!(order.is_empty());
            }
        }
    }

    #[test]
    fn time_order_does_not_depend_on_arrival() {
        for arrived in [[0, 1, 2], [0, 2, 1], [2, 1, 0]] {
            let mut order = TimeOrder::default();
            arrived.iter().for_each(|&row| order.add(rows(&[2, 1, 1], &[7, 9, 8]).slice(row, 1), 0));
            let left = order.release(i64::MAX, 0, &[0, 1]).unwrap().unwrap();
            assert_eq!(left.column(1).as_primitive::<Int64Type>().values(), &[8, 9, 7]);
        }
    }

    #[test]
    fn rows_leave_when_the_watermark_has_passed_them() {
        let mut order = TimeOrder::default();
        order.add(rows(&[5, 3], &[1, 2]), 0);
        order.add(rows(&[9, 3, i64::MAX], &[3, 0, 4]), 0);
        let mut ids = |watermark: i64| {
            let rows = order.release(watermark, 0, &[1]).unwrap();
            rows.map_or(vec![], |rows| rows.column(1).as_primitive::<Int64Type>().values().to_vec())
        };
        assert_eq!(ids(3), Vec::<i64>::new());
        assert_eq!(ids(5), [0, 2]);
        assert_eq!(ids(i64::MAX), [1, 3, 4], "the last of all times leaves at the end");
        assert!(order.is_empty());
    }
}
