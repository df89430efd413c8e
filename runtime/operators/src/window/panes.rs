//! Tumbling and sliding windows: panes of accumulators by key.

use super::emit::{Bounds, Results, emit};
use super::groups::{Chunk, Groups, Prepared};
use super::keys::{Expected, Interner};
use super::pane_shape::PaneShape;
use super::snapshot::{KeyedRows, state_columns};
use super::spec::Plan;
use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{filter, take_arrays};
use arrow::datatypes::Int64Type;
use egret_core::key::hash_keys;
use egret_core::{EventTime, KeyGroup, Result, StateSize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the rows of a pane are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Add them: no window that contains them has fired.
    Add,
    /// Hold them until the watermark has passed this time: they update windows that have fired.
    Hold(EventTime),
    /// Send them to the side output: they are beyond the allowed lateness of all their windows.
    TooLate,
    /// Drop them: they lie between windows.
    Outside,
}

/// Panes by their start.
pub(super) struct Panes {
    plan: Arc<Plan>,
    shape: PaneShape,
    panes: BTreeMap<i64, Pane>,
    /// All windows that end at or below this have fired.
    fired: EventTime,
    /// Key groups whose windows had fired further than `fired` when they were restored.
    ahead: BTreeMap<KeyGroup, EventTime>,
    max_parallelism: u16,
    expected: Expected,
    scratch: Vec<usize>,
}

/// A pane: accumulators while rows arrive, states of keys once a window has read it.
#[derive(Default)]
struct Pane {
    live: Option<Groups>,
    chunks: Vec<Chunk>,
}

impl Panes {
    pub(super) fn new(plan: Arc<Plan>, shape: PaneShape, max_parallelism: u16) -> Self {
        let (panes, ahead, fired) = (BTreeMap::new(), BTreeMap::new(), EventTime::MIN);
        Self { plan, shape, panes, fired, ahead, max_parallelism, expected: Expected::default(), scratch: Vec::new() }
    }

    pub(super) fn shape(&self) -> PaneShape {
        self.shape
    }

    /// How to treat rows of a pane that arrived at the watermark `clock`; `late` is the watermark they were behind, if late.
    pub(super) fn judge(&self, pane: i64, late: Option<EventTime>, clock: EventTime) -> Verdict {
        let Some(first_end) = self.shape.first_end(pane) else { return Verdict::Outside };
        let at = late.unwrap_or(EventTime::MIN).max(clock);
        if first_end > at.0 {
            return Verdict::Add;
        }
        let gone = self.shape.last_end(pane).saturating_add(self.plan.lateness_us) <= at.0;
        if gone { Verdict::TooLate } else { Verdict::Hold(at) }
    }

    /// Adds rows of one pane that no window has read yet.
    pub(super) fn add(&mut self, pane: i64, rows: &Prepared) -> Result<()> {
        let live = self.panes.entry(pane).or_default().live(&self.plan, self.expected)?;
        live.update(rows, &mut self.scratch)
    }

    /// Adds states of panes; `starts` has the pane of each row.
    pub(super) fn add_states(&mut self, starts: &[i64], keys: &[ArrayRef], states: &[Vec<ArrayRef>]) -> Result<()> {
        if let Some(&first) = starts.first()
            && starts.iter().all(|&start| start == first)
        {
            let live = self.panes.entry(first).or_default().live(&self.plan, self.expected)?;
            return live.merge_rows(keys, states, starts.len(), &mut self.scratch);
        }
        let mut by_start: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, &start) in starts.iter().enumerate() {
            by_start.entry(start).or_default().push(row as u32);
        }
        for (start, indexes) in by_start {
            let live = self.panes.entry(start).or_default().live(&self.plan, self.expected)?;
            let (count, indexes) = (indexes.len(), UInt32Array::from(indexes));
            let keys = take_arrays(keys, &indexes, None)?;
            let states = states.iter().map(|states| take_arrays(states, &indexes, None)).collect::<Result<Vec<_>, _>>()?;
            live.merge_rows(&keys, &states, count, &mut self.scratch)?;
        }
        Ok(())
    }

    /// The watermark up to which windows of a key group had fired; `clock` for groups that were not ahead when they were restored.
    pub(super) fn clock_of(&self, group: KeyGroup, clock: EventTime) -> EventTime {
        self.ahead.get(&group).map_or(clock, |ahead| clock.max(*ahead))
    }

    /// The start of the first pane.
    pub(super) fn first_start(&self) -> Option<i64> {
        self.panes.first_key_value().map(|(&start, _)| start)
    }

    /// Removes and returns the panes that end at or below `bound`, with their starts, in order.
    pub(super) fn take_complete(&mut self, bound: EventTime) -> Result<Vec<(i64, Vec<Chunk>)>> {
        let mut complete = Vec::new();
        while let Some(first) = self.panes.first_entry().filter(|first| self.shape.end_of(*first.key()) <= bound.0) {
            let (start, mut pane) = first.remove_entry();
            pane.freeze(&self.plan)?;
            self.expected = pane.expected();
            complete.push((start, pane.chunks));
        }
        Ok(complete)
    }

    /// Fires the windows that end at or below `bound`, in order of their ends.
    pub(super) fn fire_through(&mut self, bound: EventTime, out: &mut Results) -> Result<()> {
        while let Some(end) = self.next_end().filter(|&end| end <= bound.0) {
            self.fire(end, out)?;
            self.fired = EventTime(end);
        }
        self.fired = self.fired.max(bound);
        self.ahead.retain(|_, clock| *clock > bound);
        Ok(())
    }

    fn next_end(&self) -> Option<i64> {
        let after = self.fired.0;
        self.panes.range(self.shape.next_start(after)..).find_map(|(&pane, _)| self.shape.next_end(pane, after))
    }

    fn fire(&mut self, end: i64, out: &mut Results) -> Result<()> {
        let start = end.saturating_sub(self.shape.size);
        let (keys, results) = match self.take_whole(start)? {
            Some(groups) => groups.evaluate()?,
            None => self.merged(start, end)?.evaluate()?,
        };
        let (keys, results) = self.without_ahead(end, keys, results)?;
        emit(&self.plan, keys, Bounds::One { start, end }, results, None, out)
    }

    /// The accumulators of a pane, if it is the whole window and no other window needs it.
    fn take_whole(&mut self, start: i64) -> Result<Option<Groups>> {
        let alone = self.shape.size == self.shape.pane && self.shape.size == self.shape.slide && self.plan.lateness_us == 0;
        if !alone || !self.panes.get(&start).is_some_and(|pane| pane.chunks.is_empty()) {
            return Ok(None);
        }
        let groups = self.panes.remove(&start).and_then(|pane| pane.live);
        self.expected = groups.as_ref().map(|groups| groups.keys.expected()).unwrap_or_default();
        Ok(groups)
    }

    fn merged(&mut self, start: i64, end: i64) -> Result<Groups> {
        let mut largest = Expected::default();
        for (_, pane) in self.panes.range_mut(start..end) {
            pane.freeze(&self.plan)?;
            let expected = pane.expected();
            if expected.keys > largest.keys {
                largest = expected;
            }
        }
        self.expected = largest;
        let mut groups = Groups::new(&self.plan.key_types, &self.plan.aggregates, largest)?;
        for chunk in self.panes.range(start..end).flat_map(|(_, pane)| &pane.chunks) {
            groups.merge(chunk, &mut self.scratch)?;
        }
        Ok(groups)
    }

    /// Removes keys whose result for the window was sent before a restart.
    fn without_ahead(&self, end: i64, keys: Vec<ArrayRef>, results: Vec<ArrayRef>) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
        if self.ahead.is_empty() {
            return Ok((keys, results));
        }
        let rows = keys.first().or(results.first()).map_or(0, |column| column.len());
        let mut hashes = Vec::new();
        hash_keys(&keys, rows, &mut hashes)?;
        let sent = |hash: u64| self.ahead.get(&KeyGroup::of(hash, self.max_parallelism)).is_some_and(|clock| clock.0 >= end);
        let mask = BooleanArray::from_iter(hashes.iter().map(|&hash| Some(!sent(hash))));
        let kept = |columns: Vec<ArrayRef>| columns.iter().map(|column| filter(column, &mask)).collect::<Result<_, _>>();
        Ok((kept(keys)?, kept(results)?))
    }

    /// Adds rows that were late behind the watermark `at`, and sends an update of each window that had fired by then.
    pub(super) fn add_late(&mut self, at: EventTime, rows: &Prepared, times: &[i64], out: &mut Results) -> Result<()> {
        let mut updated: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (start, indexes) in by_pane(self.shape, times) {
            let mut groups = Groups::new(&self.plan.key_types, &self.plan.aggregates, Expected::default())?;
            groups.update(&rows.take(&UInt32Array::from(indexes.clone()))?, &mut self.scratch)?;
            let pane = self.panes.entry(start).or_default();
            pane.freeze(&self.plan)?;
            pane.push(groups.freeze()?, &self.plan)?;
            let mut after = i64::MIN;
            while let Some(end) = self.shape.next_end(start, after).filter(|&end| end <= at.0) {
                if end.saturating_add(self.plan.lateness_us) > at.0 {
                    updated.entry(end).or_default().extend(&indexes);
                }
                after = end;
            }
        }
        updated.into_iter().try_for_each(|(end, indexes)| self.update(at, end, &rows.keys, indexes, out))
    }

    /// Sends the window's result again, for the keys of some rows.
    fn update(&mut self, at: EventTime, end: i64, keys: &[ArrayRef], rows: Vec<u32>, out: &mut Results) -> Result<()> {
        let start = end.saturating_sub(self.shape.size);
        let mut distinct = Interner::new(&self.plan.key_types, Expected::default());
        let count = rows.len();
        let keys = take_arrays(keys, &UInt32Array::from(rows), None)?;
        distinct.intern(&keys, count, &mut self.scratch)?;
        for (_, pane) in self.panes.range_mut(start..end) {
            pane.freeze(&self.plan)?;
        }
        let mut groups = Groups::new(&self.plan.key_types, &self.plan.aggregates, Expected::default())?;
        let chunks = self.panes.range(start..end).flat_map(|(_, pane)| &pane.chunks);
        groups.merge_keys(&distinct.columns()?, distinct.len(), chunks)?;
        let (keys, results) = groups.evaluate()?;
        emit(&self.plan, keys, Bounds::One { start, end }, results, Some(at), out)
    }

    /// Drops panes that no window will read again.
    pub(super) fn purge(&mut self, watermark: EventTime) {
        while let Some(first) = self.panes.first_entry() {
            if self.shape.last_end(*first.key()).saturating_add(self.plan.lateness_us) > watermark.0 {
                break;
            }
            first.remove();
        }
    }

    pub(super) fn size(&self) -> StateSize {
        let keys = self.panes.values().map(Pane::keys).max().unwrap_or(0);
        StateSize { keys: keys as u64, bytes: self.panes.values().map(Pane::size).sum::<usize>() as u64 }
    }

    /// The columns of the snapshot: the pane's start, the key, the states.
    pub(super) fn snapshot(&mut self) -> Result<Vec<KeyedRows>> {
        let mut parts = Vec::new();
        for (&start, pane) in &mut self.panes {
            pane.freeze(&self.plan)?;
            for chunk in &pane.chunks {
                let starts: ArrayRef = Arc::new(Int64Array::from(vec![start; chunk.len]));
                parts.push(KeyedRows::new(chunk.keys.clone(), vec![starts], &chunk.states)?);
            }
        }
        Ok(parts)
    }

    /// Restores panes; `clocks` has the watermark up to which the windows of each key group had fired.
    pub(super) fn restore(&mut self, rows: &RecordBatch, clocks: &BTreeMap<KeyGroup, EventTime>) -> Result<()> {
        self.fired = clocks.values().copied().min().unwrap_or(EventTime::MIN);
        self.ahead = clocks.iter().filter(|(_, clock)| **clock > self.fired).map(|(group, clock)| (*group, *clock)).collect();
        let (keys, states) = state_columns(rows);
        self.add_states(rows.column(0).as_primitive::<Int64Type>().values(), &keys, &states)
    }
}

impl Pane {
    fn live(&mut self, plan: &Plan, expected: Expected) -> Result<&mut Groups> {
        if self.live.is_none() {
            self.live = Some(Groups::new(&plan.key_types, &plan.aggregates, expected)?);
        }
        Ok(self.live.as_mut().expect("it was made above"))
    }

    fn keys(&self) -> usize {
        let frozen = self.chunks.iter().map(|chunk| chunk.len).max().unwrap_or(0);
        frozen.max(self.live.as_ref().map_or(0, |live| live.keys.len()))
    }

    /// The number and range of keys to expect in the next pane.
    fn expected(&self) -> Expected {
        let live = self.live.as_ref().map(|live| live.keys.expected());
        self.chunks.iter().map(Chunk::expected).chain(live).max_by_key(|expected| expected.keys).unwrap_or_default()
    }

    fn size(&self) -> usize {
        let frozen: usize = self.chunks.iter().map(|chunk| chunk.bytes).sum();
        frozen + self.live.as_ref().map_or(0, Groups::size)
    }

    /// Turns the accumulators into states.
    fn freeze(&mut self, plan: &Plan) -> Result<()> {
        let Some(live) = self.live.take() else { return Ok(()) };
        self.push(live.freeze()?, plan)
    }

    /// Adds states. Chunks of similar size are merged, so that there are few.
    fn push(&mut self, chunk: Chunk, plan: &Plan) -> Result<()> {
        self.chunks.push(chunk);
        while let [.., before, last] = self.chunks.as_slice()
            && last.len * 2 >= before.len
        {
            let mut groups = Groups::new(&plan.key_types, &plan.aggregates, before.expected())?;
            groups.merge(before, &mut Vec::new())?;
            groups.merge(last, &mut Vec::new())?;
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(groups.freeze()?);
        }
        Ok(())
    }
}

/// The pane that all rows lie in, if there is a single one.
pub(super) fn single_pane(shape: PaneShape, times: &[i64]) -> Option<i64> {
    let (least, greatest) =
        times.iter().fold((i64::MAX, i64::MIN), |(least, greatest), &time| (least.min(time), greatest.max(time)));
    let pane = shape.pane_of(least);
    (pane == shape.pane_of(greatest)).then_some(pane)
}

/// Row numbers by the start of their pane, both in order.
pub(super) fn by_pane(shape: PaneShape, times: &[i64]) -> BTreeMap<i64, Vec<u32>> {
    let mut panes: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    // Consecutive rows mostly have the same pane: the map is searched only where the pane changes.
    let mut rows = times.iter().enumerate().peekable();
    while let Some((row, &time)) = rows.next() {
        let start = shape.pane_of(time);
        let indexes = panes.entry(start).or_default();
        indexes.push(row as u32);
        while let Some((row, _)) = rows.next_if(|(_, time)| (time.wrapping_sub(start) as u64) < shape.pane as u64) {
            indexes.push(row as u32);
        }
    }
    panes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_know_their_windows() {
        for (size, slide) in [(10, 10), (60, 10), (15, 10), (10, 15), (7, 3), (1, 5)] {
            let shape = PaneShape::new(size, slide);
            for pane in (-60..60).map(|time| shape.pane_of(time)) {
                let ends: Vec<i64> = (-200..200)
                    .filter(|end| (end - size).rem_euclid(slide) == 0 && end - size <= pane && pane + shape.pane <= *end)
                    .collect();
                assert_eq!(shape.first_end(pane), ends.first().copied(), "size {size}, slide {slide}, pane {pane}");
                if !ends.is_empty() {
                    assert_eq!(shape.last_end(pane), *ends.last().expect("it is not empty"));
                    let mut walked = Vec::new();
                    let mut after = i64::MIN;
                    while let Some(end) = shape.next_end(pane, after) {
                        walked.push(end);
                        after = end;
                    }
                    assert_eq!(walked, ends, "size {size}, slide {slide}, pane {pane}");
                }
            }
        }
    }
}
