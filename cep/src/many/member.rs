//! One pattern of a set at work: its partial matches, and the rows that it has to process next.

use super::plan::MemberPlan;
use crate::plan::local::{ANY_ROW, MaskBit};
use crate::plan::pattern_plan::Plan;
use crate::run::shared::{RowTimes, Shared};
use crate::run::state::State;
use arrow::array::{ArrayRef, DynComparator, RecordBatch, UInt32Array, UInt64Array, make_comparator};
use arrow::compute::{SortOptions, take};
use egret_core::key::RowKeys;
use egret_core::{Error, Result};
use std::cmp::Ordering;
use std::sync::Arc;

/// The rows of a batch that a pattern can use, ascending, and their masks: per row as many words as the pattern has.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) rows: Vec<u32>,
    masks: Vec<u64>,
}

impl Selection {
    /// Notes that a condition holds for a row. Rows come in ascending order.
    #[inline]
    pub(super) fn hit(&mut self, row: u32, place: MaskBit, words: usize) {
        if self.rows.last() != Some(&row) {
            self.row(row, words);
        }
        let from = self.masks.len() - words;
        self.masks[from + place.word] |= place.bit;
    }

    /// Adds a row that meets no condition so far.
    pub(super) fn row(&mut self, row: u32, words: usize) {
        self.rows.push(row);
        self.masks.resize(self.masks.len() + words, 0);
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.masks.clear();
    }

    fn mask(&self, at: usize, word: usize, words: usize) -> u64 {
        self.masks[at * words + word]
    }
}

/// Rows in order of time, as all patterns of a set see them.
pub(super) struct SharedRows<'a> {
    /// The rows, with the columns of the set.
    pub(super) rows: &'a RecordBatch,
    pub(super) keys: &'a RowKeys,
    pub(super) times: RowTimes<'a>,
    /// The stored columns by [`super::plan::SetPlan::stored`], for those patterns that have rows to process.
    pub(super) stored: &'a [Option<RecordBatch>],
}

/// A pattern at work.
pub(super) struct Member {
    pub(super) state: State,
    pub(super) selection: Selection,
    /// The time at which it is listed as due; `i64::MAX` if it is not listed.
    pub(super) due: i64,
    /// The time under which it is listed as holding matches back.
    pub(super) held: Option<i64>,
    /// How many partial matches that timed out have been added to the counters.
    pub(super) timed_out: u64,
    /// How many dropped partial matches have been added to the counters.
    pub(super) dropped: u64,
    /// Bytes of memory, and keys, after its last work.
    pub(super) bytes: u64,
    pub(super) keys: u64,
}

impl Member {
    pub(super) fn new(plan: &Plan) -> Self {
        let (state, selection) = (State::new(plan), Selection::default());
        Self { state, selection, due: i64::MAX, held: None, timed_out: 0, dropped: 0, bytes: 0, keys: 0 }
    }

    /// Processes the selected rows. `masks` is a buffer: as many words as any pattern has, each as long as the batch.
    ///
    /// # Errors
    /// A condition cannot be computed, or there are too many partial matches.
    pub(super) fn work(&mut self, of: &MemberPlan, shared: &SharedRows<'_>, masks: &mut Vec<Vec<u64>>) -> Result<()> {
        let plan = &*of.plan;
        if !of.reads_masks_alone {
            return self.work_alone(of, shared);
        }
        let order = in_order(of, shared, &self.selection)?;
        let (selection, words) = (&self.selection, plan.words());
        for (at, &row) in selection.rows.iter().enumerate() {
            masks[0][row as usize] = 0;
            for (word, masks) in masks.iter_mut().enumerate().take(words) {
                masks[row as usize] = selection.mask(at, word, words);
            }
            masks[0][row as usize] |= ANY_ROW;
        }
        let stored = shared.stored[of.stored]
            .clone()
            .ok_or_else(|| Error::bug("a pattern looks at rows that none were put together for"))?;
        let view = Shared { stored, masks: std::mem::take(masks), keys: shared.keys, times: shared.times };
        *masks = match &order {
            None => self.state.work_on_some(plan, view, selection.rows.iter().map(|&row| row as usize))?,
            Some(order) => self.state.work_on_some(plan, view, order.iter().map(|&at| selection.rows[at as usize] as usize))?,
        };
        Ok(())
    }

    /// Processes the selected rows as the pattern's own matcher does.
    fn work_alone(&mut self, of: &MemberPlan, shared: &SharedRows<'_>) -> Result<()> {
        let rows = own_rows(of, shared.rows, &self.selection, false)?;
        match shared.times {
            RowTimes::Now(now) => self.state.work_on(&of.plan, rows, Some(now)),
            RowTimes::Own(_) => {
                self.wait(of, rows);
                self.release(of, i64::MAX)
            }
        }
    }

    /// Buffers rows, with the pattern's own columns, until the watermark has passed them.
    pub(super) fn wait(&mut self, of: &MemberPlan, rows: RecordBatch) {
        if let Some(time) = of.plan.rows.event_time() {
            self.state.order.add(rows, time);
        }
    }

    /// Processes the buffered rows before a watermark.
    ///
    /// # Errors
    /// As [`Member::work`].
    pub(super) fn release(&mut self, of: &MemberPlan, watermark: i64) -> Result<()> {
        let Some(time) = of.plan.rows.event_time() else { return Ok(()) };
        match self.state.release(&of.plan, watermark, time)? {
            Some(rows) => self.state.work_on(&of.plan, rows, None),
            None => Ok(()),
        }
    }
}

/// The selected rows as the pattern's own prefilter would send them; if they are processed at once (not `waits`), without the
/// columns that only masks are computed from.
pub(super) fn own_rows(of: &MemberPlan, rows: &RecordBatch, selection: &Selection, waits: bool) -> Result<RecordBatch> {
    let (words, numbers) = (of.plan.words(), UInt32Array::from(selection.rows.clone()));
    let is_whole = selection.rows.len() == rows.num_rows();
    let column = |&column: &usize| {
        let column = rows.column(column);
        if is_whole { Ok(Arc::clone(column)) } else { Ok(take(column, &numbers, None)?) }
    };
    let mask = |word: usize| {
        let of_row = |at: usize| selection.mask(at, word, words);
        Arc::new((0..selection.rows.len()).map(of_row).collect::<UInt64Array>()) as ArrayRef
    };
    let (judged, schema): (&[usize], _) = if waits { (&of.judged, &of.plan.sent) } else { (&[], &of.plan.rows) };
    let columns = of.kept.iter().map(column).chain((0..words).map(|word| Ok(mask(word)))).chain(judged.iter().map(column));
    Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), columns.collect::<Result<_>>()?)?)
}

/// The positions of the selected rows in the pattern's own order, if that differs from the order they are in: the pattern may
/// name an order for rows of the same time, or the rows may have no places.
fn in_order(of: &MemberPlan, shared: &SharedRows<'_>, selection: &Selection) -> Result<Option<Vec<u32>>> {
    let RowTimes::Own(times) = shared.times else { return Ok(None) };
    if of.plan.rows.place().is_some_and(|place| of.plan.ties.first() == Some(&place)) {
        return Ok(None);
    }
    let time = |at: u32| times[selection.rows[at as usize] as usize];
    let has_ties = selection.rows.windows(2).any(|pair| times[pair[0] as usize] == times[pair[1] as usize]);
    if !has_ties {
        return Ok(None);
    }
    let comparators = of.plan.ties.iter().filter(|&&column| Some(column) != of.plan.rows.event_time());
    let comparators = comparators.map(|&column| Comparator::new(of, shared.rows, column)).collect::<Result<Vec<_>>>()?;
    let by_content = |one: &u32, other: &u32| {
        let (one, other) = (*one as usize, *other as usize);
        comparators.iter().map(|by| by.compare(selection, one, other)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut order: Vec<u32> = (0..selection.rows.len() as u32).collect();
    for tied in order.chunk_by_mut(|&one, &other| time(one) == time(other)).filter(|tied| tied.len() > 1) {
        tied.sort_by(by_content);
    }
    Ok(Some(order))
}

/// Compares two selected rows by one of the columns of the pattern's matcher.
enum Comparator {
    Column(DynComparator),
    Mask { word: usize, words: usize },
}

impl Comparator {
    fn new(of: &MemberPlan, rows: &RecordBatch, column: usize) -> Result<Self> {
        Ok(match of.kept.get(column) {
            Some(&place) => {
                let column = rows.column(place);
                Self::Column(make_comparator(column, column, SortOptions::default())?)
            }
            None => Self::Mask { word: column - of.kept.len(), words: of.plan.words() },
        })
    }

    fn compare(&self, selection: &Selection, one: usize, other: usize) -> Ordering {
        match self {
            Self::Column(compare) => compare(selection.rows[one] as usize, selection.rows[other] as usize),
            Self::Mask { word, words } => selection.mask(one, *word, *words).cmp(&selection.mask(other, *word, *words)),
        }
    }
}
