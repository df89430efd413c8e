//! A matcher that can be inspected while it works.

use super::state::State;
use crate::plan::pattern_plan::Plan;
use arrow::array::RecordBatch;
use egret_core::{Error, Result};
use std::sync::Arc;

/// A matcher by itself, over rows that are the whole input.
pub(crate) struct Probe {
    plan: Arc<Plan>,
    state: State,
    time: usize,
}

/// The state of a matcher at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// How many partial matches are kept one by one.
    pub(crate) open: u64,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    /// How many partial matches the key with the most has, and that key.
    pub(crate) most: (u64, String),
}

impl Probe {
    pub(crate) fn new(plan: &Arc<Plan>) -> Result<Self> {
        let no_time = || Error::job("the stream has no event time: how long partial matches are kept depends on the clock");
        let time = plan.rows.event_time().ok_or_else(no_time)?;
        Ok(Self { plan: Arc::clone(plan), state: State::new(plan), time })
    }

    /// Adds rows that passed the prefilter.
    pub(crate) fn add(&mut self, rows: RecordBatch) {
        self.state.order.add(rows, self.time);
    }

    /// Works on all rows before `watermark`. Returns the number of matches found.
    pub(crate) fn reach(&mut self, watermark: i64) -> Result<u64> {
        if let Some(rows) = self.state.release(&self.plan, watermark, self.time)? {
            self.state.work_on(&self.plan, rows, None)?;
        }
        self.state.advance_to(&self.plan, watermark)?;
        let sent = self.state.take_output(&self.plan)?;
        Ok(sent.iter().filter(|(port, _)| *port == egret_core::MAIN).map(|(_, batch)| batch.num_rows() as u64).sum())
    }

    /// The state as it is now, except for rows buffered until their time.
    pub(crate) fn kept(&self) -> Kept {
        let size = self.state.size();
        let waiting = self.state.order.bytes() as u64;
        let mut kept = Kept { keys: size.keys, bytes: size.bytes.saturating_sub(waiting), ..Kept::default() };
        for place in self.state.kept.keys.live() {
            let state = &self.state.kept.keys.states[place];
            let open = state.runs.len() as u64;
            kept.open += open;
            if open > kept.most.0 {
                kept.most = (open, state.key.to_string());
            }
        }
        kept
    }
}
