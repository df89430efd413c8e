//! A match that was found, and how its values are read.

use crate::kept::history::{Folded, PartitionRows};
use crate::kept::store::RowStore;
use crate::plan::row_plan::RowPlan;
use crate::plan::value::{Fold, From, Set};
use egret_core::Result;

/// A match that was found.
#[derive(Clone, Copy)]
pub(crate) struct Matched<'a> {
    pub(crate) plan: &'a RowPlan,
    pub(crate) store: &'a RowStore,
    pub(crate) rows: &'a PartitionRows,
    /// The position of its first row; for an empty match, of the row before which it stands.
    pub(crate) start: u64,
    /// The nodes that took its rows.
    pub(crate) nodes: &'a [u32],
    pub(crate) number: u64,
}

/// The rows of variables in a match; the buffers are reused for the next match.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// By variable: the places of its rows in the match, computed when first needed.
    lists: Vec<Option<Vec<u32>>>,
}

impl Members {
    /// Prepares for the next match.
    pub(crate) fn begin(&mut self, plan: &RowPlan) {
        self.lists.clear();
        self.lists.resize(plan.variables.names.len(), None);
    }

    /// The places of a variable's rows.
    pub(crate) fn of(&mut self, found: &Matched<'_>, set: u16) -> &[u32] {
        self.lists[usize::from(set)].get_or_insert_with(|| {
            let places = 0..found.nodes.len();
            places.filter(|&place| found.belongs(Some(set), place)).map(|place| place as u32).collect()
        })
    }
}

impl Matched<'_> {
    /// The variable of a row.
    pub(crate) fn variable(&self, place: usize) -> u16 {
        self.plan.automaton.nodes[self.nodes[place] as usize].variable
    }

    /// Whether the row at a place belongs to a set.
    pub(crate) fn belongs(&self, set: Set, place: usize) -> bool {
        self.plan.variables.contains(set, self.variable(place))
    }

    /// The position of the row at which navigation begins, seen from the row at place `now`; only rows up to place `limit` are
    /// read.
    pub(crate) fn position(&self, members: &mut Members, from: From, now: usize, limit: usize) -> Option<u64> {
        if self.nodes.is_empty() {
            return None;
        }
        let place = match from {
            From::Current => Some(now),
            From::First { set: None, n } => Some(n as usize).filter(|&place| place <= limit),
            From::Last { set: None, n } => limit.checked_sub(n as usize),
            From::First { set: Some(set), n } => {
                let found = members.of(self, set).get(n as usize).map(|&place| place as usize);
                found.filter(|&place| place <= limit)
            }
            From::Last { set: Some(set), n } => {
                let list = members.of(self, set);
                let count = list.partition_point(|&place| place as usize <= limit);
                count.checked_sub(n as usize + 1).map(|index| list[index] as usize)
            }
        };
        place.map(|place| self.start + place as u64)
    }

    /// The variable of the row `offset` rows after a position, if that row is in the match.
    pub(crate) fn label(&self, position: u64, offset: i64) -> Option<u16> {
        let place = position.checked_add_signed(offset)?.checked_sub(self.start)? as usize;
        (place < self.nodes.len()).then(|| self.variable(place))
    }

    /// Adds the row at a place to a fold, if it belongs to the set.
    pub(crate) fn fold(&self, folded: &mut Folded, set: Set, fold: &Fold, place: usize) -> Result<()> {
        if self.belongs(set, place) {
            folded.take(fold, self.store, self.rows, self.start + place as u64)?;
        }
        Ok(())
    }

    /// The positions of a set's rows up to place `limit`, and their variables.
    pub(crate) fn matched(&self, set: Set, limit: usize) -> (Vec<u64>, Vec<u16>) {
        let places = (0..self.nodes.len().min(limit + 1)).filter(|&place| self.belongs(set, place));
        places.map(|place| (self.start + place as u64, self.variable(place))).unzip()
    }
}
