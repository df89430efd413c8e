//! The operator behind the exchange: puts rows in order once, and hands each pattern the rows that it can use.

use super::alone;
use super::hits::{self, FAILED};
use super::member::{Member, SharedRows, own_rows};
use super::plan::SetPlan;
use super::routes::OutputRoutes;
use super::routes::PORTS;
use crate::plan::options::matches_of;
use crate::run::matcher::{DROPPED, TIMED_OUT};
use crate::run::shared::RowTimes;
use arrow::array::{AsArray, RecordBatch};
use egret_core::TimeOrder;
use egret_core::batch::micros;
use egret_core::key::RowKeys;
use egret_core::matches::MATCHES;
use egret_core::{
    Batch, Context, Epoch, Error, EventTime, MAIN, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateLayout,
    StateSize, Uncomputed,
};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

/// Counters are looked up by name, which is slow, so they are updated after this many sends.
const TELL_AFTER: u32 = 64;

/// Makes matchers of sets.
pub(crate) struct SetMatcherFactory {
    pub(crate) plan: Arc<SetPlan>,
    pub(crate) routes: Arc<OutputRoutes>,
}

impl OperatorFactory for SetMatcherFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        let operator: Box<dyn Operator> = match self.plan.alone() {
            Some((name, plan)) => Box::new(alone::matcher((name, &self.plan.uids[0]), plan, &self.routes, info)),
            None => Box::new(SetMatcher::new(self, info)),
        };
        Ok(operator)
    }

    fn may_refuse(&self) -> bool {
        let of_routes = self.routes.can_fail();
        of_routes || self.plan.members.iter().any(|member| member.plan.can_fail())
    }

    fn describe(&self) -> Vec<String> {
        self.plan.describe_matcher().into_iter().chain(self.routes.describe(&self.plan.names)).collect()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        let members = self.plan.uids.iter().zip(&self.plan.members);
        members.map(|(uid, member)| member.plan.state_layout(Some(uid))).collect()
    }
}

pub(crate) struct SetMatcher {
    pub(crate) plan: Arc<SetPlan>,
    routes: Arc<OutputRoutes>,
    pub(crate) info: OperatorInfo,
    pub(super) members: Vec<Member>,
    /// Rows that the watermark has not passed, except those buffered by patterns in `restored`.
    order: TimeOrder,
    /// Patterns that buffer rows in their own order: after a snapshot or a restore, until the watermark has passed the rows.
    pub(crate) restored: BTreeSet<u32>,
    /// When patterns are due because of time alone. An entry counts only if its pattern is due at exactly that time.
    due: BinaryHeap<Reverse<(i64, u32)>>,
    /// Patterns that hold matches back, with the time of the earliest one.
    held: BTreeSet<(i64, u32)>,
    /// Patterns with rows selected; empty in between.
    touched: Vec<u32>,
    /// Buffers for masks.
    masks: Vec<Vec<u64>>,
    clock: i64,
    /// All events before this time have been processed.
    reached: i64,
    size: StateSize,
    /// Matches, partial matches that timed out, and partial matches that were dropped, not yet added to the counters.
    counted: [u64; 3],
    /// Patterns with keys that had too many partial matches, not yet reported.
    overflowed: Vec<u32>,
    /// Matches of each pattern, not yet added to its counter.
    found: Vec<i64>,
    /// How often output was sent since the counters were updated.
    untold: u32,
    ended: bool,
    sent: Vec<(usize, Batch)>,
    /// The failures of rows and matches.
    wrong: Vec<Uncomputed>,
}

impl SetMatcher {
    fn new(factory: &SetMatcherFactory, info: &OperatorInfo) -> Self {
        let plan = &factory.plan;
        let words = plan.members.iter().map(|member| member.plan.words()).max().unwrap_or(0).max(1);
        Self {
            plan: Arc::clone(plan),
            routes: Arc::clone(&factory.routes),
            info: info.clone(),
            members: plan.members.iter().map(|member| Member::new(&member.plan)).collect(),
            order: TimeOrder::default(),
            restored: BTreeSet::new(),
            due: BinaryHeap::new(),
            held: BTreeSet::new(),
            touched: Vec::new(),
            masks: vec![Vec::new(); words],
            clock: i64::MIN,
            reached: i64::MIN,
            size: StateSize::default(),
            counted: [0; 3],
            overflowed: Vec::new(),
            found: vec![0; plan.members.len()],
            untold: 0,
            ended: false,
            sent: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// The rows before a watermark, in order of time. Rows of the same time are in the order of their places; a pattern that
    /// orders them otherwise sorts them itself.
    fn release(&mut self, watermark: EventTime, time: usize) -> Result<Option<RecordBatch>> {
        let (plan, rows) = (&self.plan, &self.plan.rows);
        let Some(place) = rows.place() else { return self.order.release(watermark.0, time, &[]) };
        let ties: Vec<usize> = std::iter::once(place).chain(0..rows.arrow().fields().len()).collect();
        match plan.place_is_read {
            false => self.order.release_by_place(watermark.0, time, place, &ties),
            true => self.order.release(watermark.0, time, &ties),
        }
    }

    /// The column of event time, if rows have one.
    fn event_time(&self) -> Option<usize> {
        self.plan.rows.event_time()
    }

    /// Selects the rows that each pattern has to process.
    fn select(&mut self, rows: &RecordBatch) {
        let plan = Arc::clone(&self.plan);
        let hits = rows.column(plan.kept.len()).as_binary::<i32>();
        for &pattern in &plan.need_all_rows {
            self.touched.push(pattern as u32);
        }
        let mut without: Vec<u32> = Vec::new();
        for row in 0..rows.num_rows() {
            without.clear();
            let failed = hits::of_row(hits, row).take_while(|condition| condition & FAILED != 0);
            failed
                .for_each(|condition| without.extend(plan.uses[(condition & !FAILED) as usize].iter().map(|used| used.pattern)));
            for &pattern in plan.need_all_rows.iter().filter(|&&pattern| !without.contains(&(pattern as u32))) {
                self.members[pattern].selection.row(row as u32, plan.members[pattern].plan.words());
            }
            for condition in hits::of_row(hits, row).skip_while(|condition| condition & FAILED != 0) {
                for used in &plan.uses[condition as usize] {
                    if !without.is_empty() && without.contains(&used.pattern) {
                        continue;
                    }
                    let pattern = used.pattern as usize;
                    let selection = &mut self.members[pattern].selection;
                    if selection.rows.is_empty() {
                        self.touched.push(used.pattern);
                    }
                    selection.hit(row as u32, used.place, plan.members[pattern].plan.words());
                }
            }
        }
    }

    /// Processes rows that are in order; `now` is their time if they have no event time.
    fn work_on(&mut self, rows: &RecordBatch, now: Option<i64>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        self.select(rows);
        let keys = RowKeys::of(rows, &plan.keys)?;
        let times = match (now, self.event_time()) {
            (None, Some(time)) => RowTimes::Own(micros(rows.column(time))),
            (now, _) => RowTimes::Now(now.unwrap_or_default()),
        };
        // Usually few patterns have rows to process: only the columns that these store are collected.
        let mut stored: Vec<Option<RecordBatch>> = vec![None; plan.stored.len()];
        for &pattern in &self.touched {
            let number = plan.members[pattern as usize].stored;
            if stored[number].is_none() {
                stored[number] = Some(rows.project(&plan.stored[number])?);
            }
        }
        let shared = SharedRows { rows, keys: &keys, times, stored: &stored };
        self.masks.iter_mut().for_each(|masks| masks.resize(masks.len().max(rows.num_rows()), 0));
        let touched = std::mem::take(&mut self.touched);
        for &pattern in &touched {
            let (member, of) = (&mut self.members[pattern as usize], &plan.members[pattern as usize]);
            if self.restored.contains(&pattern) {
                let own = own_rows(of, rows, &member.selection, true)?;
                member.wait(of, own);
            } else {
                member.work(of, &shared, &mut self.masks).map_err(|error| self.in_pattern(pattern, error))?;
                self.looked_at(pattern)?;
            }
            self.members[pattern as usize].selection.clear();
        }
        self.touched = touched;
        self.touched.clear();
        Ok(())
    }

    fn in_pattern(&self, pattern: u32, error: Error) -> Error {
        error.context(format!("pattern {}", self.plan.names[pattern as usize]))
    }

    /// Takes a pattern's output after it has worked, and updates when it is due next.
    fn looked_at(&mut self, pattern: u32) -> Result<()> {
        let of = &self.plan.members[pattern as usize];
        let member = &mut self.members[pattern as usize];
        for (port, batch) in member.state.take_output(&of.plan)? {
            if port == MAIN {
                self.counted[0] += batch.num_rows() as u64;
                self.found[pattern as usize] += batch.num_rows() as i64;
            }
            self.sent.push((pattern as usize * PORTS + port, batch));
        }
        let name = &self.plan.names[pattern as usize];
        self.wrong.extend(member.state.take_wrong().into_iter().map(|wrong| wrong.of(format!("pattern {name}"))));
        let timed_out = member.state.timed_out();
        self.counted[1] += timed_out - member.timed_out;
        member.timed_out = timed_out;
        self.counted[2] += member.state.dropped - member.dropped;
        member.dropped = member.state.dropped;
        if member.state.has_to_tell() {
            self.overflowed.push(pattern);
        }
        let next = member.state.next_deadline().unwrap_or(i64::MAX);
        if next < member.due {
            member.due = next;
            self.due.push(Reverse((next, pattern)));
        }
        let held = member.state.held_since();
        if held != member.held {
            member.held.map(|since| self.held.remove(&(since, pattern)));
            held.map(|since| self.held.insert((since, pattern)));
            member.held = held;
        }
        let size = member.state.size();
        self.size.bytes = self.size.bytes - member.bytes + size.bytes;
        self.size.keys = self.size.keys - member.keys + size.keys;
        (member.bytes, member.keys) = (size.bytes, size.keys);
        Ok(())
    }

    /// Processes the rows that patterns buffer in their own order.
    fn release_restored(&mut self, watermark: i64) -> Result<()> {
        for pattern in std::mem::take(&mut self.restored) {
            let plan = Arc::clone(&self.plan);
            let member = &mut self.members[pattern as usize];
            let released = member.release(&plan.members[pattern as usize], watermark);
            if !member.state.order.is_empty() {
                self.restored.insert(pattern);
            }
            released.map_err(|error| self.in_pattern(pattern, error))?;
            self.looked_at(pattern)?;
        }
        Ok(())
    }

    /// Advances time: every event before `time` has been processed.
    fn advance_to(&mut self, time: i64) -> Result<()> {
        self.reached = self.reached.max(time);
        while let Some(&Reverse((deadline, pattern))) = self.due.peek()
            && deadline < time
        {
            self.due.pop();
            if self.members[pattern as usize].due != deadline {
                continue;
            }
            let member = &mut self.members[pattern as usize];
            member.due = i64::MAX;
            let advanced = member.state.advance_to(&self.plan.members[pattern as usize].plan, time);
            advanced.map_err(|error| self.in_pattern(pattern, error))?;
            self.looked_at(pattern)?;
        }
        Ok(())
    }

    /// Ends the input.
    fn end(&mut self) -> Result<()> {
        for pattern in 0..self.members.len() as u32 {
            let ended = self.members[pattern as usize].state.end(&self.plan.members[pattern as usize].plan);
            ended.map_err(|error| self.in_pattern(pattern, error))?;
            self.looked_at(pattern)?;
        }
        self.ended = true;
        Ok(())
    }

    fn send(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        ctx.refuse(&std::mem::take(&mut self.wrong))?;
        self.routes.send(&mut self.sent, ctx)?;
        for (name, count) in [MATCHES, TIMED_OUT, DROPPED].into_iter().zip(&mut self.counted) {
            if *count > 0 {
                ctx.counters().add_named(name, *count as i64);
                *count = 0;
            }
        }
        for pattern in std::mem::take(&mut self.overflowed) {
            self.members[pattern as usize].state.report(Some(&self.plan.names[pattern as usize]), ctx.counters());
        }
        self.untold += 1;
        if self.ended || self.untold >= TELL_AFTER {
            self.untold = 0;
            self.report(ctx);
        }
        self.wake(ctx);
        Ok(())
    }

    /// Updates the counters of each pattern's matches; at the end also those of patterns without matches.
    fn report(&mut self, ctx: &Context<'_>) {
        for (name, count) in self.plan.names.iter().zip(&mut self.found).filter(|(_, count)| self.ended || **count > 0) {
            ctx.counters().add_named(&matches_of(name), std::mem::take(count));
        }
    }

    /// Asks to be woken at the next deadline in processing time.
    fn wake(&self, ctx: &mut Context<'_>) {
        if self.event_time().is_none()
            && let Some(&Reverse((next, _))) = self.due.peek()
        {
            ctx.wake_at(EventTime(next).millis_up());
        }
    }

    /// Moves the buffered rows into the patterns' own buffers, so that the saved state of a pattern does not depend on the
    /// others.
    pub(crate) fn share_out_waiting(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        self.members.iter_mut().for_each(|member| member.state.reached = self.reached);
        for rows in std::mem::take(&mut self.order).rows()? {
            self.select(&rows);
            for pattern in std::mem::take(&mut self.touched) {
                let (member, of) = (&mut self.members[pattern as usize], &plan.members[pattern as usize]);
                let own = own_rows(of, &rows, &member.selection, true)?;
                member.wait(of, own);
                member.selection.clear();
                self.restored.insert(pattern);
            }
        }
        Ok(())
    }

    /// Brings the set up to date after its patterns have restored their state.
    pub(crate) fn restored(&mut self) -> Result<()> {
        self.reached = self.members.iter().map(|member| member.state.reached).max().unwrap_or(i64::MIN);
        for pattern in 0..self.members.len() as u32 {
            if !self.members[pattern as usize].state.order.is_empty() {
                self.restored.insert(pattern);
            }
            self.looked_at(pattern)?;
        }
        Ok(())
    }
}

impl Operator for SetMatcher {
    fn open(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        self.wake(ctx);
        Ok(())
    }

    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if let Some(time) = self.event_time() {
            self.order.add(batch.into_rows(), time);
            return Ok(());
        }
        self.clock = self.clock.max(EventTime::from_millis(ctx.processing_time_ms()).0);
        let now = self.clock;
        self.work_on(batch.rows(), Some(now))?;
        self.advance_to(now.saturating_add(1))?;
        self.send(ctx)
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        if let Some(time) = self.event_time() {
            if let Some(rows) = self.release(watermark, time)? {
                self.work_on(&rows, None)?;
            }
            self.release_restored(watermark.0)?;
            self.advance_to(watermark.0)?;
        }
        if watermark == EventTime::MAX {
            self.end()?;
        }
        self.send(ctx)
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.held.first().map_or(input, |&(time, _)| input.min(EventTime(time)))
    }

    fn on_processing_time(&mut self, now_ms: i64, ctx: &mut Context<'_>) -> Result<()> {
        if self.event_time().is_some() {
            return Ok(());
        }
        self.clock = self.clock.max(EventTime::from_millis(now_ms).0);
        self.advance_to(self.clock.saturating_add(1))?;
        self.send(ctx)
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        self.save()
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        self.load(parts)
    }

    fn state_size(&self) -> StateSize {
        StateSize { bytes: self.size.bytes + self.order.bytes() as u64, ..self.size }
    }
}
