//! Local aggregation before the exchange: each worker aggregates its own rows, and sends one state for each key and pane instead
//! of the rows.
//!
//! The window operator takes states (its input [`STATES_IN`]) and rows (its input 0) alike, because accumulators do not depend on
//! order. Rows are passed on unchanged where aggregating them would be wrong or of no use: late rows, whose treatment depends on
//! the watermark they were behind; rows of panes that have been sent; all rows on a single worker; and all rows for a while after
//! a pane in which keys hardly repeated.

use super::pane_shape::PaneShape;
use super::panes::{Panes, by_pane, single_pane};
use super::snapshot::{decode, encode};
use super::spec::{Plan, STATES_IN};
use super::state_columns::StateColumns;
use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use egret_core::batch::micros;
use egret_core::{
    Batch, Context, Epoch, EventTime, KeyColumns, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateLayout,
    StateSize, StreamSchema,
};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The output for rows that were not aggregated; it has the input's columns. Output 0 has states.
pub const ROWS: usize = 1;

/// The least number of rows from which a pane is judged.
const ROWS_TO_JUDGE: u64 = 1_000;
/// The least average number of rows for each key in a pane: making, sending and merging a state costs about as much as sending
/// ten rows.
const ROWS_PER_KEY: u64 = 10;
/// For how many panes rows are passed on after a pane in which keys hardly repeated.
const PANES_PASSED: i64 = 128;

/// Makes the operators before the exchange.
#[derive(Clone, Debug)]
pub struct LocalWindowFactory {
    plan: Arc<Plan>,
    columns: Arc<StateColumns>,
}

impl LocalWindowFactory {
    pub(super) fn new(plan: &Arc<Plan>) -> Result<Self> {
        Ok(Self { plan: Arc::clone(plan), columns: Arc::new(StateColumns::of(plan)?) })
    }

    /// The columns of output 0.
    pub fn states_schema(&self) -> &StreamSchema {
        self.columns.schema()
    }

    /// The key columns of output 0.
    pub fn state_keys(&self) -> KeyColumns {
        KeyColumns::new((1..=self.columns.keys()).collect())
    }
}

impl OperatorFactory for LocalWindowFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        let shape = self.plan.pane_shape();
        Ok(Box::new(LocalWindows {
            panes: Panes::new(Arc::clone(&self.plan), shape, info.max_parallelism),
            plan: Arc::clone(&self.plan),
            columns: Arc::clone(&self.columns),
            shape,
            alone: info.parallelism == 1,
            max_parallelism: info.max_parallelism,
            clock: EventTime::MIN,
            rows: BTreeMap::new(),
            passed_until: EventTime::MIN,
        }))
    }

    fn may_refuse(&self) -> bool {
        self.plan.may_refuse(false)
    }

    fn describe(&self) -> Vec<String> {
        vec![format!(
            "rows of a worker are aggregated before the exchange to input {STATES_IN} of the windows, if there are several"
        )]
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        self.plan.state_layouts()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Aggregates the rows of one worker by pane.
struct LocalWindows {
    plan: Arc<Plan>,
    columns: Arc<StateColumns>,
    panes: Panes,
    shape: PaneShape,
    alone: bool,
    max_parallelism: u16,
    clock: EventTime,
    /// The number of rows in each open pane.
    rows: BTreeMap<i64, u64>,
    /// Rows are passed on until the watermark reaches this time.
    passed_until: EventTime,
}

impl LocalWindows {
    /// Whether rows of a pane can be aggregated here.
    fn takes(&self, pane: i64) -> bool {
        self.shape.first_end(pane).is_some() && self.shape.end_of(pane) > self.clock.0
    }

    fn judge(&mut self, pane: i64, keys: usize) {
        let rows = self.rows.remove(&pane).unwrap_or(0);
        if rows >= ROWS_TO_JUDGE && keys as u64 * ROWS_PER_KEY > rows {
            let length = self.shape.end_of(pane).saturating_sub(pane);
            self.passed_until = EventTime(pane.saturating_add(length.saturating_mul(PANES_PASSED)));
        }
    }
}

impl Operator for LocalWindows {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let passed = self.alone || batch.late().is_some() || self.clock < self.passed_until;
        let Some(times) = batch.event_times().filter(|_| !passed) else {
            ctx.emit_to(ROWS, batch);
            return Ok(());
        };
        if let Some(pane) = single_pane(self.shape, times)
            && self.takes(pane)
        {
            *self.rows.entry(pane).or_default() += batch.num_rows() as u64;
            let (_, prepared, wrong) = self.plan.prepare(batch.rows())?;
            ctx.refuse(&wrong)?;
            return self.panes.add(pane, &prepared);
        }
        let (rows, prepared, wrong) = self.plan.prepare(batch.rows())?;
        ctx.refuse(&wrong)?;
        let Some(time) = batch.event_time_column() else { return Ok(()) };
        for (pane, indexes) in by_pane(self.shape, micros(rows.column(time))) {
            let indexes = UInt32Array::from(indexes);
            if self.takes(pane) {
                *self.rows.entry(pane).or_default() += indexes.len() as u64;
                self.panes.add(pane, &prepared.take(&indexes)?)?;
            } else {
                let rows = take_record_batch(&rows, &indexes)?;
                ctx.emit_to(ROWS, batch.with_rows(rows, batch.event_time_column()));
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        for (pane, chunks) in self.panes.take_complete(watermark)? {
            self.judge(pane, chunks.iter().map(|chunk| chunk.len).sum());
            chunks.iter().try_for_each(|chunk| {
                ctx.emit(self.columns.pack(pane, chunk)?);
                Ok::<_, egret_core::Error>(())
            })?;
        }
        self.clock = self.clock.max(watermark);
        Ok(())
    }

    /// Windows must not fire while a pane that belongs to them is still here, as it may be after a restart with other workers.
    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.panes.first_start().map_or(input, |start| input.min(EventTime(self.shape.end_of(start).saturating_sub(1))))
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        let states = self.panes.snapshot()?;
        let clock_of = |group| self.panes.clock_of(group, self.clock);
        encode(clock_of, &self.plan.aggregate_texts(), &states, &[], self.max_parallelism)
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let decoded = decode(&parts, &self.plan)?;
        // The former instances may have had different clocks. The least is safe: rows behind a later one are passed on to the
        // windows, which handle them.
        self.clock = decoded.clocks.values().copied().min().unwrap_or(EventTime::MIN);
        decoded.states.map_or(Ok(()), |states| self.panes.restore(&states, &decoded.clocks))
    }

    fn state_size(&self) -> StateSize {
        self.panes.size()
    }
}
