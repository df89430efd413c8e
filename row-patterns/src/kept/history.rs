//! The rows that the threads of a partition have matched: a tree of links that threads share, with the values tracked along it.
//!
//! A link records that a row was matched at a node; its predecessor is the link of the row before. So a match is a path, and
//! threads with the same first rows share their links. Links of threads that died are swept when they outnumber the others.

use super::store::{RowRef, RowStore};
use crate::plan::row_plan::{Equivalence, RowPlan};
use crate::plan::value::Fold;
use arrow::array::{Array, ArrayRef};
use egret_core::Result;
use egret_core::exact::{ExactSum, average_of_integers, sum_of_integers};
use egret_core::scalar::{self, Scalar, read};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// The link before the first row: nothing is matched yet.
pub(crate) const NOTHING: u32 = u32::MAX;

/// The links are swept when there are this many, or, if that is more, twice as many as the last sweep left.
const SWEEP_MIN: usize = 1_024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) previous: u32,
    pub(crate) node: u32,
}

/// The rows of a partition by position.
#[derive(Debug, Default)]
pub(crate) struct PartitionRows {
    pub(crate) list: VecDeque<RowRef>,
    /// The position of the first row that is stored.
    pub(crate) base: u64,
}

impl PartitionRows {
    /// The position after the last row.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.list.len() as u64
    }

    /// The row at a position, if it is stored.
    #[inline]
    pub(crate) fn get(&self, position: u64) -> Option<RowRef> {
        self.list.get(position.checked_sub(self.base)? as usize).copied()
    }

    /// The row `offset` rows after a position.
    pub(crate) fn at(&self, position: u64, offset: i64) -> Option<RowRef> {
        self.get(position.checked_add_signed(offset)?)
    }
}

/// The intermediate result of a fold over rows.
#[derive(Clone, Debug)]
pub(crate) struct Folded {
    /// How many rows, or how many values that are not null.
    count: i64,
    whole: i128,
    float: ExactSum,
    /// The position of the least or greatest value.
    pub(crate) best: Option<u64>,
}

impl Folded {
    pub(crate) fn empty() -> Self {
        Self { count: 0, whole: 0, float: ExactSum::default(), best: None }
    }

    /// Adds a row to the fold.
    pub(crate) fn take(&mut self, fold: &Fold, store: &RowStore, rows: &PartitionRows, position: u64) -> Result<()> {
        let Some(column) = fold.column().flatten() else {
            self.count += 1;
            return Ok(());
        };
        let Some(at) = rows.get(position) else { return Ok(()) };
        let (cells, row) = store.cell(at, column);
        if cells.is_null(row) {
            return Ok(());
        }
        self.count += 1;
        match fold {
            Fold::Sum(_) | Fold::Average(_) => match read(cells, row)? {
                Scalar::Int(number) => self.whole += i128::from(number),
                Scalar::Float(number) => self.float.add(number),
                _ => {}
            },
            Fold::Least(_) | Fold::Greatest(_) => {
                let wanted = if matches!(fold, Fold::Least(_)) { Ordering::Less } else { Ordering::Greater };
                let best = self.best.and_then(|best| rows.get(best)).map(|best| store.cell(best, column));
                if best.map_or(Ok(true), |best| Ok::<_, egret_core::Error>(order((cells, row), best)? == wanted))? {
                    self.best = Some(position);
                }
            }
            Fold::Rows | Fold::Count(_) | Fold::Other { .. } => {}
        }
        Ok(())
    }

    /// The value of the fold, except for extremes, whose value is the cell at [`Folded::best`].
    ///
    /// # Errors
    /// A sum is out of its range: bad data.
    pub(crate) fn number(&self, fold: &Fold, is_float: bool) -> Result<Scalar> {
        let count = self.count as u64;
        Ok(match fold {
            Fold::Rows | Fold::Count(_) => Scalar::Int(self.count),
            // A column holds either integers or floats.
            Fold::Average(_) if count > 0 && self.whole == 0 => Scalar::Float(self.float.average(count)),
            Fold::Average(_) if count > 0 => Scalar::Float(average_of_integers(self.whole, count)),
            Fold::Sum(_) if count > 0 && is_float => Scalar::Float(self.float.value()),
            Fold::Sum(_) if count > 0 => Scalar::Int(sum_of_integers(self.whole)?),
            _ => Scalar::Null,
        })
    }

    /// Whether two folds are the same in every respect that later rows could reveal.
    fn is_same(&self, other: &Self) -> bool {
        (self.count, self.whole, self.best) == (other.count, other.whole, other.best) && self.float.is_same(&other.float)
    }
}

fn order(one: (&ArrayRef, usize), other: (&ArrayRef, usize)) -> Result<Ordering> {
    Ok(scalar::order(&read(one.0, one.1)?, &read(other.0, other.1)?))
}

/// The links of a partition.
#[derive(Debug, Default)]
pub(crate) struct History {
    links: Vec<Link>,
    /// For each link: the positions of the tracked rows, or `None`.
    rows: Vec<Option<u64>>,
    /// For each link: the tracked folds.
    folds: Vec<Folded>,
    /// For each link: a hash of the labels up to it, if threads are told apart by labels.
    hashes: Vec<u64>,
    sweep_at: usize,
}

impl History {
    pub(crate) fn clear(&mut self) {
        self.links.clear();
        self.rows.clear();
        self.folds.clear();
        self.hashes.clear();
        self.sweep_at = 0;
    }

    pub(crate) fn get(&self, link: u32) -> Link {
        self.links[link as usize]
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.links.capacity() * size_of::<Link>()
            + self.rows.capacity() * size_of::<Option<u64>>()
            + self.folds.capacity() * size_of::<Folded>()
            + self.hashes.capacity() * 8
    }

    /// Adds a link: the row at `position` is matched at `node`, after `previous`.
    pub(crate) fn push(
        &mut self,
        plan: &RowPlan,
        store: &RowStore,
        rows: &PartitionRows,
        (previous, node, position): (u32, u32, u64),
    ) -> Result<u32> {
        let link = self.links.len() as u32;
        self.links.push(Link { previous, node });
        let variable = plan.automaton.nodes[node as usize].variable;
        for (index, (set, first)) in plan.tracked.rows.iter().enumerate() {
            let before = if previous == NOTHING { None } else { self.tracked_row(plan, previous, index) };
            let belongs = plan.variables.contains(Some(*set), variable);
            let keeps = *first && before.is_some();
            self.rows.push(if belongs && !keeps { Some(position) } else { before });
        }
        for (index, (set, fold)) in plan.tracked.folds.iter().enumerate() {
            let mut folded = if previous == NOTHING { Folded::empty() } else { self.folded(plan, previous, index) };
            if plan.variables.contains(*set, variable) {
                folded.take(fold, store, rows, position)?;
            }
            self.folds.push(folded);
        }
        if plan.equivalence == Equivalence::Labels {
            let before = if previous == NOTHING { 0 } else { self.hashes[previous as usize] };
            self.hashes.push((before ^ u64::from(variable)).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23));
        }
        Ok(link)
    }

    /// Removes the last link.
    pub(crate) fn pop(&mut self, plan: &RowPlan) {
        self.links.pop();
        self.rows.truncate(self.links.len() * plan.tracked.rows.len());
        self.folds.truncate(self.links.len() * plan.tracked.folds.len());
        self.hashes.truncate(self.links.len());
    }

    pub(crate) fn tracked_row(&self, plan: &RowPlan, link: u32, index: usize) -> Option<u64> {
        self.rows[link as usize * plan.tracked.rows.len() + index]
    }

    pub(crate) fn folded(&self, plan: &RowPlan, link: u32, index: usize) -> Folded {
        self.folds[link as usize * plan.tracked.folds.len() + index].clone()
    }

    /// A hash that is equal for links with the same future.
    pub(crate) fn hash(&self, plan: &RowPlan, link: u32) -> u64 {
        if plan.equivalence == Equivalence::Labels {
            return self.hashes[link as usize];
        }
        let mix = |hash: u64, part: u64| (hash ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let rows = self.rows_of(plan, link).iter().fold(1, |hash, row| mix(hash, row.map_or(u64::MAX, |row| row)));
        self.folds_of(plan, link).iter().fold(rows, |hash, folded| {
            mix(mix(mix(hash, folded.count as u64 ^ folded.whole as u64), folded.float.hash()), folded.best.unwrap_or(u64::MAX))
        })
    }

    /// Whether two links of the same row have the same future.
    pub(crate) fn same(&self, plan: &RowPlan, mut one: u32, mut other: u32) -> bool {
        if plan.equivalence == Equivalence::Tracked {
            return self.rows_of(plan, one) == self.rows_of(plan, other) && self.same_folds(plan, one, other);
        }
        let label = |link: u32| plan.automaton.nodes[self.get(link).node as usize].variable;
        while one != other {
            if one == NOTHING || other == NOTHING || label(one) != label(other) {
                return false;
            }
            (one, other) = (self.get(one).previous, self.get(other).previous);
        }
        true
    }

    fn same_folds(&self, plan: &RowPlan, one: u32, other: u32) -> bool {
        self.folds_of(plan, one).iter().zip(self.folds_of(plan, other)).all(|(one, other)| one.is_same(other))
    }

    fn rows_of(&self, plan: &RowPlan, link: u32) -> &[Option<u64>] {
        let count = plan.tracked.rows.len();
        &self.rows[link as usize * count..][..count]
    }

    fn folds_of(&self, plan: &RowPlan, link: u32) -> &[Folded] {
        let count = plan.tracked.folds.len();
        &self.folds[link as usize * count..][..count]
    }

    /// Whether it is time to sweep.
    pub(crate) fn is_littered(&self) -> bool {
        self.links.len() >= self.sweep_at.max(SWEEP_MIN)
    }

    /// Drops the links that are on no path from `held`, and renumbers the others, `held` included.
    pub(crate) fn sweep<'a>(&mut self, plan: &RowPlan, held: impl Iterator<Item = &'a mut u32>) {
        let held: Vec<&mut u32> = held.collect();
        let mut used = vec![false; self.links.len()];
        for link in &held {
            let mut at = **link;
            while at != NOTHING && !std::mem::replace(&mut used[at as usize], true) {
                at = self.get(at).previous;
            }
        }
        let mut places = vec![NOTHING; self.links.len()];
        let (rows, folds) = (plan.tracked.rows.len(), plan.tracked.folds.len());
        let mut kept = 0;
        for old in (0..used.len()).filter(|&old| used[old]) {
            let Link { previous, node } = self.links[old];
            // The predecessor comes first, so its new number is known.
            let previous = if previous == NOTHING { NOTHING } else { places[previous as usize] };
            self.links[kept] = Link { previous, node };
            self.rows.copy_within(old * rows..(old + 1) * rows, kept * rows);
            (0..folds).for_each(|fold| self.folds.swap(old * folds + fold, kept * folds + fold));
            if plan.equivalence == Equivalence::Labels {
                self.hashes[kept] = self.hashes[old];
            }
            places[old] = kept as u32;
            kept += 1;
        }
        self.links.truncate(kept);
        self.rows.truncate(kept * rows);
        self.folds.truncate(kept * folds);
        self.hashes.truncate(kept);
        for link in held {
            if *link != NOTHING {
                *link = places[*link as usize];
            }
        }
        self.sweep_at = 2 * kept;
    }
}
