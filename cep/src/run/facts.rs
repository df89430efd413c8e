//! The facts of a partial match, for `why()`.

use super::store::Store;
use super::values;
use crate::plan::known::Facts;
use crate::plan::pattern_plan::Plan;
use arrow::array::ArrayRef;
use egret_core::Result;

/// An event, and the chain of events taken before it.
pub(crate) struct ChainFacts<'a> {
    plan: &'a Plan,
    store: &'a mut Store,
    chain: u32,
    event: Option<u32>,
}

impl<'a> ChainFacts<'a> {
    /// The facts of an event, if any, after a chain.
    pub(crate) fn new(plan: &'a Plan, store: &'a mut Store, chain: u32, event: Option<u32>) -> Self {
        Self { plan, store, chain, event }
    }
}

impl Facts for ChainFacts<'_> {
    fn column(&mut self, column: usize) -> Result<Option<ArrayRef>> {
        let Some(event) = self.event else { return Ok(None) };
        let place = self.plan.stored.iter().position(|&stored| self.plan.kept[stored] == column);
        Ok(place.map(|place| {
            let (cells, row) = self.store.cell(event, place);
            cells.slice(row, 1)
        }))
    }

    fn value(&mut self, value: usize) -> Result<ArrayRef> {
        values::array(self.store, value, &self.plan.values[value], self.chain)
    }
}
