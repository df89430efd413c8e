//! A matcher that is looked into while it works.

use super::state::State;
use crate::plan::pattern_plan::Plan;
use arrow::array::RecordBatch;
use egret_core::{Error, Result};
use std::sync::Arc;

/// A matcher by itself, over rows that are all there.
pub(crate) struct Probe {
    plan: Arc<Plan>,
    state: State,
    time: usize,
}

/// What a matcher keeps at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// Partial matches that are kept one by one.
    pub(crate) open: u64,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    /// The key with the most, and how many.
    pub(crate) most: (u64, String),
}

impl Probe {
    pub(crate) fn new(plan: &Arc<Plan>) -> Result<Self> {
        let no_time = || Error::job("the stream has no event time: how long partial matches are kept depends on the clock");
        let time = plan.rows.event_time().ok_or_else(no_time)?;
        Ok(Self { plan: Arc::clone(plan), state: State::new(plan), time })
    }

    /// Takes rows of the prefilter.
    pub(crate) fn add(&mut self, rows: RecordBatch) {
        self.state.order.add(rows, self.time);
    }

    /// Works on all rows before `watermark`. Says how many matches that gave.
    pub(crate) fn reach(&mut self, watermark: i64) -> Result<u64> {
        if let Some(rows) = self.state.release(&self.plan, watermark, self.time)? {
            self.state.work_on(&self.plan, rows, None)?;
        }
        self.state.advance_to(&self.plan, watermark)?;
        let sent = self.state.take_output(&self.plan)?;
        Ok(sent.iter().filter(|(port, _)| *port == egret_core::MAIN).map(|(_, batch)| batch.num_rows() as u64).sum())
    }

    /// What is kept now, but for rows that wait for their time.
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
