//! The window operator: adds rows to windows, and sends a window's result when the watermark reaches its end.

use super::counts::Counts;
use super::emit::{Results, whole_millis};
use super::groups::Prepared;
use super::panes::{Panes, Verdict, by_pane, single_pane};
use super::sessions::Sessions;
use super::snapshot::{KeyedRows, decode, encode};
use super::spec::{LATE, Plan, STATES_IN, WindowKind};
use super::state_columns::StateColumns;
use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use egret_core::batch::micros;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Context, Epoch, EventTime, Operator, OperatorInfo, Result, Snapshot, StateSize, StreamSchema, TimeOrder,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Aggregates rows in windows. [`WindowFactory`](super::WindowFactory) makes it, and has an example.
///
/// Late rows wait in `held` until the operator's watermark has passed the one they were behind. Rows of count windows with event
/// time wait in `waiting` until the watermark has passed them.
pub struct WindowOperator {
    plan: Arc<Plan>,
    max_parallelism: u16,
    windows: Option<Windows>,
    held: BTreeMap<EventTime, Vec<RecordBatch>>,
    waiting: TimeOrder,
    clock: EventTime,
    out: Results,
    state_columns: Option<StateColumns>,
}

/// The windows of one kind.
enum Windows {
    Panes(Panes),
    Sessions(Sessions),
    Counts(Counts),
}

impl Windows {
    fn new(plan: &Arc<Plan>, max_parallelism: u16) -> Result<Self> {
        let plan = Arc::clone(plan);
        Ok(match plan.kind {
            WindowKind::Tumbling { .. } | WindowKind::Sliding { .. } => {
                let shape = plan.pane_shape();
                Self::Panes(Panes::new(plan, shape, max_parallelism))
            }
            WindowKind::Session { gap_us } => Self::Sessions(Sessions::new(plan, gap_us)?),
            WindowKind::Count { rows } => Self::Counts(Counts::new(plan, rows)?),
        })
    }

    fn fire_through(&mut self, bound: EventTime, out: &mut Results) -> Result<()> {
        match self {
            Self::Panes(panes) => panes.fire_through(bound, out),
            Self::Sessions(sessions) => sessions.fire_through(bound, out),
            Self::Counts(_) => Ok(()),
        }
    }

    fn purge(&mut self, watermark: EventTime) {
        match self {
            Self::Panes(panes) => panes.purge(watermark),
            Self::Sessions(sessions) => sessions.purge(watermark),
            Self::Counts(_) => {}
        }
    }

    fn size(&self) -> StateSize {
        match self {
            Self::Panes(panes) => panes.size(),
            Self::Sessions(sessions) => sessions.size(),
            Self::Counts(counts) => counts.size(),
        }
    }

    fn snapshot(&mut self) -> Result<Vec<KeyedRows>> {
        Ok(match self {
            Self::Panes(panes) => panes.snapshot()?,
            Self::Sessions(sessions) => sessions.snapshot()?.into_iter().collect(),
            Self::Counts(counts) => counts.snapshot()?.into_iter().collect(),
        })
    }
}

impl WindowOperator {
    pub(super) fn new(plan: Arc<Plan>, info: &OperatorInfo) -> Self {
        let (held, waiting, out) = (BTreeMap::new(), TimeOrder::default(), Results::default());
        let max_parallelism = info.max_parallelism;
        Self { plan, max_parallelism, windows: None, held, waiting, clock: EventTime::MIN, out, state_columns: None }
    }

    fn windows(&mut self) -> Result<&mut Windows> {
        if self.windows.is_none() {
            self.windows = Some(Windows::new(&self.plan, self.max_parallelism)?);
        }
        Ok(self.windows.as_mut().expect("it was made above"))
    }

    /// The rows for which all arguments can be computed, with their key columns and arguments.
    fn prepare(&self, rows: &RecordBatch, ctx: &mut Context<'_>) -> Result<(RecordBatch, Prepared)> {
        let (rows, prepared, wrong) = self.plan.prepare(rows)?;
        ctx.refuse(&wrong)?;
        Ok((rows, prepared))
    }

    fn send_late(&self, rows: RecordBatch, late: EventTime, ctx: &mut Context<'_>) {
        Counters::add(&ctx.counters().late, rows.num_rows() as u64);
        ctx.emit_to(LATE, Batch::from_parts(rows, self.plan.input.event_time(), Some(late)));
    }

    fn hold(&mut self, rows: RecordBatch, late: EventTime) {
        self.held.entry(late).or_default().push(rows);
    }

    /// Tumbling and sliding windows: assigns rows to panes, and treats the rows of each pane by its verdict.
    fn process_panes(&mut self, batch: &Batch, ctx: &mut Context<'_>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let (late, clock) = (batch.late(), self.clock);
        let times = batch.event_times().expect("WindowFactory checked that there is event time");
        let Windows::Panes(panes) = self.windows()? else { unreachable!("process_panes is called for panes") };
        let shape = panes.shape();
        if let Some(pane) = single_pane(shape, times)
            && panes.judge(pane, late, clock) == Verdict::Add
        {
            let (_, prepared, wrong) = plan.prepare(batch.rows())?;
            ctx.refuse(&wrong)?;
            return panes.add(pane, &prepared);
        }
        let (rows, prepared, wrong) = plan.prepare(batch.rows())?;
        ctx.refuse(&wrong)?;
        let mut others = Vec::new();
        for (pane, indexes) in by_pane(shape, micros(rows.column(time_column(&plan)))) {
            let indexes = UInt32Array::from(indexes);
            match panes.judge(pane, late, clock) {
                Verdict::Add => panes.add(pane, &prepared.take(&indexes)?)?,
                Verdict::Outside => {}
                other => others.push((other, take_record_batch(&rows, &indexes)?)),
            }
        }
        for (verdict, rows) in others {
            match verdict {
                Verdict::Hold(at) => self.hold(rows, at),
                _ => self.send_late(rows, late.unwrap_or(clock).max(clock), ctx),
            }
        }
        Ok(())
    }

    /// Merges states that were made before the exchange. Their panes are open, because a worker sends states before its
    /// watermark.
    fn process_states(&mut self, batch: &Batch) -> Result<()> {
        if self.state_columns.is_none() {
            self.state_columns = Some(StateColumns::of(&self.plan)?);
        }
        let columns = self.state_columns.take().expect("it was made above");
        let (starts, keys, states) = columns.unpack(batch.rows());
        let Windows::Panes(panes) = self.windows()? else { unreachable!("only windows made of panes are given states") };
        panes.add_states(starts, &keys, &states)?;
        self.state_columns = Some(columns);
        Ok(())
    }

    /// Sessions: late rows wait, because the sessions that they join are known only when the watermark has passed theirs.
    fn process_sessions(&mut self, batch: &Batch, ctx: &mut Context<'_>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let clock = self.clock;
        let on_time = match batch.late() {
            Some(late) => {
                self.hold(batch.rows().clone(), late.max(clock));
                return Ok(());
            }
            None => self.hold_behind(batch, |operator, rows| operator.hold(rows, clock))?,
        };
        if on_time.num_rows() == 0 {
            return Ok(());
        }
        let (rows, prepared) = self.prepare(&on_time, ctx)?;
        let times = micros(rows.column(time_column(&plan)));
        let Windows::Sessions(sessions) = self.windows()? else { unreachable!("process_sessions is called for sessions") };
        sessions.add(&prepared, times)
    }

    /// Count windows: rows wait until the watermark has passed them; late rows have missed their turn.
    fn process_counts(&mut self, batch: &Batch, ctx: &mut Context<'_>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        if plan.input.event_time().is_none() {
            return self.count(batch.rows(), ctx);
        }
        if let Some(late) = batch.late() {
            self.send_late(batch.rows().clone(), late, ctx);
            return Ok(());
        }
        let clock = self.clock;
        let on_time = self.hold_behind(batch, |operator, rows| operator.send_late(rows, clock, ctx))?;
        if on_time.num_rows() > 0 {
            self.waiting.add(on_time, time_column(&plan));
        }
        Ok(())
    }

    /// The rows at or above the watermark. A row can be below it and yet on time in its split, if the split was idle while the
    /// watermark advanced; such rows are passed to `behind`.
    fn hold_behind(&mut self, batch: &Batch, behind: impl FnOnce(&mut Self, RecordBatch)) -> Result<RecordBatch> {
        let clock = self.clock.0;
        let times = batch.event_times().expect("WindowFactory checked that there is event time");
        if times.iter().all(|&time| time >= clock) {
            return Ok(batch.rows().clone());
        }
        let mask = |wanted: bool| BooleanArray::from_iter(times.iter().map(|&time| Some((time >= clock) == wanted)));
        behind(self, filter_record_batch(batch.rows(), &mask(false))?);
        Ok(filter_record_batch(batch.rows(), &mask(true))?)
    }

    fn count(&mut self, rows: &RecordBatch, ctx: &mut Context<'_>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let (rows, prepared) = self.prepare(rows, ctx)?;
        let times = plan.input.event_time().map(|column| micros(rows.column(column)));
        let mut out = std::mem::take(&mut self.out);
        let Windows::Counts(counts) = self.windows()? else { unreachable!("count is called for count windows") };
        counts.add(&prepared, times, &mut out)?;
        self.out = out;
        self.out.send(ctx)
    }

    /// Count windows: adds the rows below the watermark, in order of event time.
    fn release(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let column = time_column(&self.plan);
        let Some(rows) = self.waiting.release(watermark.0, column, &ties(&self.plan.input))? else { return Ok(()) };
        self.count(&rows, ctx)
    }

    /// Adds the late rows that were behind the watermark `at`; `parts` are all of them.
    fn release_late(&mut self, at: EventTime, parts: Vec<RecordBatch>, ctx: &mut Context<'_>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let column = time_column(&plan);
        let mut order = TimeOrder::default();
        parts.into_iter().for_each(|rows| order.add(rows, column));
        let Some(rows) = order.release(EventTime::MAX.0, column, &ties(&plan.input))? else { return Ok(()) };
        let (rows, prepared) = self.prepare(&rows, ctx)?;
        let times = micros(rows.column(column));
        let mut out = std::mem::take(&mut self.out);
        let windows = self.windows()?;
        let too_late = match windows {
            Windows::Panes(panes) => {
                panes.add_late(at, &prepared, times, &mut out)?;
                Vec::new()
            }
            Windows::Sessions(sessions) => sessions.add_late(at, &prepared, times, &mut out)?,
            Windows::Counts(_) => unreachable!("count windows hold no late rows"),
        };
        self.out = out;
        if !too_late.is_empty() {
            self.send_late(take_record_batch(&rows, &UInt32Array::from(too_late))?, at, ctx);
        }
        Ok(())
    }

    /// Fires windows and adds late rows, in the order of the watermarks that decide about them.
    fn advance(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        loop {
            let is_due = |at: &EventTime| *at < watermark || watermark == EventTime::MAX;
            let late = self.held.first_key_value().map(|(at, _)| *at).filter(is_due);
            let bound = late.unwrap_or(watermark);
            let mut out = std::mem::take(&mut self.out);
            let windows = self.windows()?;
            windows.fire_through(bound, &mut out)?;
            windows.purge(bound);
            self.out = out;
            let Some(at) = late else { break };
            let parts = self.held.remove(&at).expect("it is the first key");
            self.release_late(at, parts, ctx)?;
        }
        if let Windows::Sessions(sessions) = self.windows()? {
            sessions.tidy()?;
        }
        self.out.send(ctx)
    }

    fn note_rows_left(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        if let Windows::Counts(counts) = self.windows()? {
            let rows = counts.rows_waiting();
            if rows > 0 {
                ctx.counters().add_named("rows in windows that were not full", i64::try_from(rows).unwrap_or(i64::MAX));
            }
        }
        Ok(())
    }
}

fn time_column(plan: &Plan) -> usize {
    plan.input.event_time().expect("WindowFactory checked that there is event time")
}

/// The columns that order rows of one event time: their places, then all columns from left to right.
fn ties(schema: &StreamSchema) -> Vec<usize> {
    let place = schema.place();
    place.into_iter().chain((0..schema.arrow().fields().len()).filter(|column| Some(*column) != place)).collect()
}

impl Operator for WindowOperator {
    fn open(&mut self, _ctx: &mut Context<'_>) -> Result<()> {
        self.windows().map(drop)
    }

    fn process(&mut self, input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if input == STATES_IN {
            return self.process_states(&batch);
        }
        match self.windows()? {
            Windows::Panes(_) => self.process_panes(&batch, ctx),
            Windows::Sessions(_) => self.process_sessions(&batch, ctx),
            Windows::Counts(_) => self.process_counts(&batch, ctx),
        }
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let is_count = matches!(self.windows()?, Windows::Counts(_));
        if is_count && self.plan.input.event_time().is_some() {
            self.release(watermark, ctx)?;
        }
        if !is_count {
            self.advance(watermark, ctx)?;
        }
        if watermark == EventTime::MAX {
            self.note_rows_left(ctx)?;
        }
        self.clock = self.clock.max(watermark);
        Ok(())
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        whole_millis(input)
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        let states = self.windows()?.snapshot()?;
        let keys = |rows: &RecordBatch| self.plan.keys.of(rows);
        let held = self.held.iter().flat_map(|(late, parts)| parts.iter().map(|rows| (Some(*late), rows)));
        let waits = self.waiting.rows()?;
        let waiting = held
            .chain(waits.iter().map(|rows| (None, rows)))
            .map(|(late, rows)| KeyedRows::waiting(keys(rows), rows, late))
            .collect::<Result<Vec<_>>>()?;
        // A second snapshot may come before the watermark has caught up with the groups that were ahead at a restore.
        let clock_of = |group| match &self.windows {
            Some(Windows::Panes(panes)) => panes.clock_of(group, self.clock),
            _ => self.clock,
        };
        encode(clock_of, &self.plan.aggregate_texts(), &states, &waiting, self.max_parallelism)
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let decoded = decode(&parts, &self.plan)?;
        self.clock = decoded.clocks.values().copied().min().unwrap_or(EventTime::MIN);
        for (late, rows) in decoded.waiting {
            match late {
                Some(late) => self.hold(rows, late),
                None => self.waiting.add(rows, time_column(&self.plan)),
            }
        }
        let Some(states) = decoded.states else { return Ok(()) };
        match self.windows()? {
            Windows::Panes(panes) => panes.restore(&states, &decoded.clocks),
            Windows::Sessions(sessions) => sessions.restore(&states),
            Windows::Counts(counts) => counts.restore(&states),
        }
    }

    fn state_size(&self) -> StateSize {
        let held = self.held.values().flatten().flat_map(|rows| rows.columns());
        let kept = held.map(super::groups::column_bytes).sum::<usize>() + self.waiting.bytes();
        let size = self.windows.as_ref().map(Windows::size).unwrap_or_default();
        StateSize { keys: size.keys, bytes: size.bytes + kept as u64 }
    }
}
