//! Windows that end one key at a time: the store of sessions and count windows.
//!
//! A *span* is a range of rows of one key, from its first to its last. DataFusion's accumulators can only return all groups at
//! once, but spans end one by one. So the states of spans live in *chunks*: columns with a row for each span that had rows while
//! the chunk was filled, so the state of a span may be spread over several chunks. To evaluate some spans, their rows are taken
//! from all chunks and merged. Chunks of similar size are merged, as in a log-structured merge tree, so there are few of them;
//! states of spans that are gone are dropped during merges.

use super::groups::{Accumulators, column_bytes};
use super::keys::{Expected, Interner};
use super::snapshot::{KeyedRows, state_columns};
use super::spec::Plan;
use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::take_arrays;
use arrow::datatypes::{Int64Type, UInt64Type};
use egret_core::{Result, StateSize};
use std::sync::Arc;

/// Marks the absence of a span or a group.
const NONE: u32 = u32::MAX;

/// The status of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It has sent no result, or has grown since.
    Open,
    /// It has sent its result and may be updated.
    Fired,
    /// It has ended, or was merged into another.
    Gone,
}

/// A range of rows of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The time of its first row.
    pub(super) start: i64,
    /// The time of its last row.
    pub(super) last: i64,
    /// How many rows.
    pub(super) rows: u64,
    pub(super) status: Status,
    key: u32,
    /// The next span in the list of its key.
    next: u32,
    /// Its group in the accumulators that are being filled.
    group: u32,
    /// The span it was merged into.
    into: u32,
}

/// Spans and their states.
pub(super) struct Spans {
    plan: Arc<Plan>,
    keys: Interner,
    /// The first span of every key.
    heads: Vec<u32>,
    spans: Vec<Span>,
    gone: usize,
    filling: Filling,
    chunks: Vec<SpanChunk>,
    scratch: Vec<u32>,
}

/// Accumulators that are being filled, with a group for every span that had rows since the last freeze.
struct Filling {
    accumulators: Accumulators,
    owners: Vec<u32>,
}

/// Frozen states; `owners` has the span of each row.
struct SpanChunk {
    owners: Vec<u32>,
    states: Vec<Vec<ArrayRef>>,
}

impl Spans {
    pub(super) fn new(plan: Arc<Plan>) -> Result<Self> {
        let keys = Interner::new(&plan.key_types, Expected::default());
        let filling = Filling { accumulators: Accumulators::new(&plan.aggregates)?, owners: Vec::new() };
        let (heads, spans, chunks, scratch) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { plan, keys, heads, spans, gone: 0, filling, chunks, scratch })
    }

    /// The numbers of the keys of some rows.
    pub(super) fn number_keys(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<usize>> {
        let mut numbers = Vec::new();
        self.keys.intern(keys, rows, &mut numbers)?;
        self.heads.resize(self.keys.len(), NONE);
        Ok(numbers)
    }

    pub(super) fn get(&self, span: u32) -> &Span {
        &self.spans[span as usize]
    }

    pub(super) fn get_mut(&mut self, span: u32) -> &mut Span {
        &mut self.spans[span as usize]
    }

    /// The spans of a key, except those that are gone.
    pub(super) fn of_key(&self, key: usize) -> impl Iterator<Item = u32> {
        let first = Some(self.heads[key]).filter(|&span| span != NONE);
        std::iter::successors(first, |&span| Some(self.get(span).next).filter(|&next| next != NONE))
    }

    /// Creates a span of a key, without rows.
    pub(super) fn create(&mut self, key: usize, time: i64) -> u32 {
        let id = self.spans.len() as u32;
        let next = std::mem::replace(&mut self.heads[key], id);
        let key = key as u32;
        self.spans.push(Span { start: time, last: time, rows: 0, status: Status::Open, key, next, group: NONE, into: NONE });
        id
    }

    /// Adds a row at `time` to a span; returns the group to which its values go.
    pub(super) fn extend(&mut self, span: u32, time: i64) -> usize {
        let next_group = self.filling.owners.len() as u32;
        let entry = &mut self.spans[span as usize];
        entry.start = entry.start.min(time);
        entry.last = entry.last.max(time);
        entry.rows += 1;
        if entry.group == NONE {
            entry.group = next_group;
            self.filling.owners.push(span);
        }
        entry.group as usize
    }

    /// Merges span `from` into span `into`.
    pub(super) fn merge(&mut self, into: u32, from: u32) {
        let Span { start, last, rows, .. } = *self.get(from);
        let target = self.get_mut(into);
        target.start = target.start.min(start);
        target.last = target.last.max(last);
        target.rows += rows;
        self.remove(from);
        self.get_mut(from).into = into;
    }

    /// Marks a span as gone.
    pub(super) fn remove(&mut self, span: u32) {
        self.unlink(span);
        self.get_mut(span).status = Status::Gone;
        self.gone += 1;
    }

    /// Unlinks a span from its key's list.
    pub(super) fn unlink(&mut self, span: u32) {
        let Span { key, next, .. } = *self.get(span);
        let before = self.of_key(key as usize).find(|&other| self.get(other).next == span);
        match before {
            Some(before) => self.get_mut(before).next = next,
            None if self.heads[key as usize] == span => self.heads[key as usize] = next,
            None => {}
        }
        self.get_mut(span).next = NONE;
    }

    /// The span that a span has been merged into, or itself.
    pub(super) fn root(&self, mut span: u32) -> u32 {
        while self.get(span).into != NONE {
            span = self.get(span).into;
        }
        span
    }

    /// Aggregates rows, in the groups that [`Spans::extend`] returned.
    pub(super) fn update(&mut self, arguments: &[super::aggregate::Arguments], groups: &[usize]) -> Result<()> {
        self.filling.accumulators.update(arguments, groups, self.filling.owners.len())
    }

    /// The keys and results of some spans. Reorders `wanted` to match the results.
    pub(super) fn evaluate(&mut self, wanted: &mut Vec<u32>) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
        const WANTED: u32 = NONE - 1;
        self.freeze()?;
        self.scratch.clear();
        self.scratch.resize(self.spans.len(), NONE);
        wanted.drain(..).for_each(|span| self.scratch[span as usize] = WANTED);
        let mut accumulators = Accumulators::new(&self.plan.aggregates)?;
        for chunk in &self.chunks {
            let (mut rows, mut groups) = (Vec::new(), Vec::new());
            for (row, &owner) in chunk.owners.iter().enumerate() {
                let root = self.root(owner);
                if self.scratch[root as usize] == NONE {
                    continue;
                }
                // Groups are numbered in the order of their first rows, as accumulators require.
                if self.scratch[root as usize] == WANTED {
                    self.scratch[root as usize] = wanted.len() as u32;
                    wanted.push(root);
                }
                rows.push(row as u32);
                groups.push(self.scratch[root as usize] as usize);
            }
            chunk.merge_rows(rows, &groups, wanted.len(), &mut accumulators)?;
        }
        let numbers: Vec<u32> = wanted.iter().map(|&span| self.get(span).key).collect();
        Ok((self.keys.columns_of(&numbers)?, accumulators.evaluate()?))
    }

    /// Turns the accumulators into a chunk.
    fn freeze(&mut self) -> Result<()> {
        if self.filling.owners.is_empty() {
            return Ok(());
        }
        let owners = std::mem::take(&mut self.filling.owners);
        owners.iter().for_each(|&owner| self.spans[owner as usize].group = NONE);
        let states = self.filling.accumulators.states()?;
        self.filling.accumulators = Accumulators::new(&self.plan.aggregates)?;
        self.chunks.push(SpanChunk { owners, states });
        while let [.., before, last] = self.chunks.as_slice()
            && last.owners.len() * 2 >= before.owners.len()
        {
            let from = self.chunks.len() - 2;
            self.merge_chunks(from)?;
        }
        Ok(())
    }

    /// Merges the chunks from `from` on into one, without spans that are gone.
    fn merge_chunks(&mut self, from: usize) -> Result<()> {
        let chunks = self.chunks.split_off(from);
        self.scratch.clear();
        self.scratch.resize(self.spans.len(), NONE);
        let mut owners: Vec<u32> = Vec::new();
        let mut accumulators = Accumulators::new(&self.plan.aggregates)?;
        for chunk in chunks {
            let (mut rows, mut groups) = (Vec::new(), Vec::new());
            for (row, &owner) in chunk.owners.iter().enumerate() {
                let root = self.root(owner);
                if self.get(root).status == Status::Gone {
                    continue;
                }
                if self.scratch[root as usize] == NONE {
                    self.scratch[root as usize] = owners.len() as u32;
                    owners.push(root);
                }
                rows.push(row as u32);
                groups.push(self.scratch[root as usize] as usize);
            }
            chunk.merge_rows(rows, &groups, owners.len(), &mut accumulators)?;
        }
        if !owners.is_empty() {
            self.chunks.push(SpanChunk { owners, states: accumulators.states()? });
        }
        Ok(())
    }

    /// Whether so many spans are gone that [`Spans::rebuild`] pays.
    pub(super) fn is_mostly_gone(&self) -> bool {
        const SPARE: usize = 1_024;
        self.gone > SPARE && self.gone * 2 > self.spans.len()
    }

    /// Drops spans that are gone, and renumbers spans and keys. Returns the remaining spans with their new numbers.
    pub(super) fn rebuild(&mut self) -> Result<Vec<(u32, Span)>> {
        self.freeze()?;
        self.merge_chunks(0)?;
        let kept: Vec<u32> = (0..self.spans.len() as u32).filter(|&span| self.get(span).status != Status::Gone).collect();
        let numbers: Vec<u32> = kept.iter().map(|&span| self.get(span).key).collect();
        let keys = self.keys.columns_of(&numbers)?;
        let spans: Vec<Span> = kept.iter().map(|&span| *self.get(span)).collect();
        self.scratch.clear();
        self.scratch.resize(self.spans.len(), NONE);
        for (new, &old) in kept.iter().enumerate() {
            self.scratch[old as usize] = new as u32;
        }
        for owner in self.chunks.iter_mut().flat_map(|chunk| &mut chunk.owners) {
            *owner = self.scratch[*owner as usize];
        }
        self.keys = Interner::new(&self.plan.key_types, Expected::default());
        self.heads.clear();
        self.spans.clear();
        self.gone = 0;
        self.relist(&keys, &spans)?;
        Ok(self.spans.iter().enumerate().map(|(id, span)| (id as u32, *span)).collect())
    }

    /// Rebuilds the lists of spans, given their keys in order.
    fn relist(&mut self, keys: &[ArrayRef], spans: &[Span]) -> Result<()> {
        for (key, span) in self.number_keys(keys, spans.len())?.into_iter().zip(spans) {
            let id = self.create(key, span.start);
            let Span { start, last, rows, status, .. } = *span;
            let entry = self.get_mut(id);
            (entry.start, entry.last, entry.rows, entry.status) = (start, last, rows, status);
        }
        Ok(())
    }

    /// The spans that are not gone.
    pub(super) fn alive(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(|span| span.status != Status::Gone)
    }

    pub(super) fn size(&self) -> StateSize {
        let states: usize = self.chunks.iter().flat_map(|chunk| chunk.states.iter().flatten()).map(column_bytes).sum();
        let spans = self.spans.capacity() * size_of::<Span>();
        let bytes = states + spans + self.keys.size() + self.filling.accumulators.size();
        StateSize { keys: (self.spans.len() - self.gone) as u64, bytes: bytes as u64 }
    }

    /// The columns of the snapshot: start, last, rows, whether it has fired, the key, the states. Spans are renumbered as in
    /// [`Spans::rebuild`].
    pub(super) fn snapshot(&mut self) -> Result<Option<KeyedRows>> {
        self.rebuild()?;
        let Some(chunk) = self.chunks.first() else { return Ok(None) };
        let spans = || chunk.owners.iter().map(|&owner| self.get(owner));
        let numbers: Vec<u32> = spans().map(|span| span.key).collect();
        let head: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(spans().map(|span| span.start))),
            Arc::new(Int64Array::from_iter_values(spans().map(|span| span.last))),
            Arc::new(UInt64Array::from_iter_values(spans().map(|span| span.rows))),
            Arc::new(BooleanArray::from_iter(spans().map(|span| Some(span.status == Status::Fired)))),
        ];
        Ok(Some(KeyedRows::new(self.keys.columns_of(&numbers)?, head, &chunk.states)?))
    }

    /// Restores what [`Spans::snapshot`] returned; returns the spans with their numbers.
    pub(super) fn restore(&mut self, rows: &RecordBatch) -> Result<Vec<(u32, Span)>> {
        let (keys, states) = state_columns(rows);
        let time = |column: usize| rows.column(column).as_primitive::<Int64Type>().values();
        let (starts, lasts, fired) = (time(0), time(1), rows.column(3).as_boolean());
        let counts = rows.column(2).as_primitive::<UInt64Type>().values();
        let span = |row: usize| Span {
            start: starts[row],
            last: lasts[row],
            rows: counts[row],
            status: if fired.value(row) { Status::Fired } else { Status::Open },
            key: NONE,
            next: NONE,
            group: NONE,
            into: NONE,
        };
        let spans: Vec<Span> = (0..rows.num_rows()).map(span).collect();
        self.relist(&keys, &spans)?;
        self.chunks = vec![SpanChunk { owners: (0..rows.num_rows() as u32).collect(), states }];
        Ok(self.spans.iter().enumerate().map(|(id, span)| (id as u32, *span)).collect())
    }
}

impl SpanChunk {
    /// Merges some rows of the chunk into groups.
    fn merge_rows(&self, rows: Vec<u32>, groups: &[usize], total: usize, into: &mut Accumulators) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        if rows.len() == self.owners.len() {
            return into.merge(&self.states, groups, total);
        }
        let rows = UInt32Array::from(rows);
        let states = self.states.iter().map(|states| take_arrays(states, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        into.merge(&states, groups, total)
    }
}
