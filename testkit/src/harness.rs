//! Runs one operator alone, in any number of instances.

use crate::heard::{Heard, Moved, Senders};
use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;
use egret_core::job::Partitioning;
use egret_core::key::{DEFAULT_MAX_PARALLELISM, hash_keys};
use egret_core::metrics::Counters;
use egret_core::{
    BadRowRule, BadRows, Batch, Context, Epoch, Error, EventTime, KeyGroup, KeyedState, Operator, OperatorFactory, OperatorInfo,
    Result, Snapshot, StateBackend,
};
use egret_state::MemoryBackend;
use std::sync::Arc;

/// The output for bad rows, those for which an operator cannot compute something. They are left out, as their owner may choose.
pub const BAD_ROWS_OUT: usize = 99;

/// An operator under test: its instances, their state and their output.
///
/// It plays the engine: it routes rows to instances by key group, or on edges that forward, to the instance on the sender's
/// worker; gives each instance the least watermark of its senders; marks rows from a sender that was idle as late if they are
/// behind the watermark; and fires processing-time timers. It checks the operator's contract: emitted rows are not behind a
/// watermark that was passed on, unless they are marked late.
///
/// ```
/// # use egret_core::{Batch, Context, EventTime, Operator, OperatorInfo, OperatorFactory, Result, job::Partitioning, MAIN};
/// # use egret_testkit::{Harness, show, table};
/// # use std::sync::Arc;
/// # struct Same;
/// # impl Operator for Same {
/// #     fn process(&mut self, _: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> { ctx.emit(batch); Ok(()) }
/// # }
/// # let factory: Arc<dyn OperatorFactory> = Arc::new(|_: &OperatorInfo| -> Result<Box<dyn Operator>> { Ok(Box::new(Same)) });
/// let mut harness = Harness::new(factory, vec![Partitioning::Gather], 1)?;
/// harness.feed(0, table("at:time\n 7").batch())?;
/// harness.watermark(0, EventTime(8))?;
/// assert_eq!(show(&harness.take(MAIN)), "at\n7\n");
/// harness.finish()?;
/// # Ok::<(), egret_core::Error>(())
/// ```
pub struct Harness {
    factory: Arc<dyn OperatorFactory>,
    inputs: Vec<(Partitioning, Senders)>,
    backend: Arc<dyn StateBackend>,
    /// The number of instances if no input were gathered.
    workers: usize,
    instances: Vec<Instance>,
    /// The latest event time fed.
    latest: EventTime,
    processing_time_ms: i64,
    epoch: Epoch,
    counters: Arc<Counters>,
    output: Vec<(usize, Batch)>,
    forwarded: usize,
}

struct Instance {
    info: OperatorInfo,
    operator: Box<dyn Operator>,
    state: Box<dyn KeyedState>,
    /// The snapshots of the backend since its last full one, and the epoch at whose end the latest was taken.
    given: (Option<Epoch>, Vec<Snapshot>),
    wake_at: Option<i64>,
    heard: Heard,
    passed: EventTime,
}

/// The snapshots of all instances of an operator: the operator's own, and those of its keyed state.
#[derive(Clone, Debug)]
pub struct HarnessSnapshot {
    /// The snapshot of each instance's operator.
    pub operators: Vec<Snapshot>,
    /// The snapshots of each instance's keyed state: a full one, and the changes since.
    pub states: Vec<Snapshot>,
}

impl Harness {
    /// `parallelism` new instances; `inputs` has the partitioning of each input. If an input is gathered there is one instance.
    ///
    /// # Errors
    /// The operator cannot be made or opened.
    pub fn new(factory: Arc<dyn OperatorFactory>, inputs: Vec<Partitioning>, parallelism: usize) -> Result<Self> {
        let inputs = inputs.into_iter().map(|input| (input, Senders::Every)).collect();
        Self::build(factory, inputs, parallelism, Arc::new(MemoryBackend), None)
    }

    /// Like [`Harness::new`] with another backend of keyed state, and with the origin of each input. If a single instance
    /// forwards an input there is one instance.
    ///
    /// # Errors
    /// As [`Harness::new`].
    pub fn with_backend(
        factory: Arc<dyn OperatorFactory>,
        inputs: Vec<(Partitioning, Senders)>,
        parallelism: usize,
        backend: Arc<dyn StateBackend>,
    ) -> Result<Self> {
        Self::build(factory, inputs, parallelism, backend, None)
    }

    fn build(
        factory: Arc<dyn OperatorFactory>,
        inputs: Vec<(Partitioning, Senders)>,
        workers: usize,
        backend: Arc<dyn StateBackend>,
        snapshot: Option<&HarnessSnapshot>,
    ) -> Result<Self> {
        let is_one = |(partitioning, senders): &(Partitioning, Senders)| {
            *partitioning == Partitioning::Gather || (*partitioning == Partitioning::Forward && *senders == Senders::One)
        };
        let parallelism = if inputs.iter().any(is_one) { 1 } else { workers };
        let mut harness = Self {
            factory,
            inputs,
            backend,
            workers,
            instances: Vec::new(),
            latest: EventTime::MIN,
            processing_time_ms: 0,
            epoch: Epoch(0),
            counters: Arc::default(),
            output: Vec::new(),
            forwarded: 0,
        };
        for instance in 0..parallelism {
            let bad_rows = BadRowRule { policy: BadRows::DeadLetter, ..BadRowRule::default() };
            let letters = Some(BAD_ROWS_OUT);
            let info = OperatorInfo { instance, parallelism, bad_rows, letters, ..OperatorInfo::alone("under test") };
            let instance = harness.instance(info, snapshot)?;
            harness.instances.push(instance);
        }
        (0..parallelism).try_for_each(|instance| harness.call(instance, |operator, ctx| operator.open(ctx)))?;
        Ok(harness)
    }

    fn instance(&self, info: OperatorInfo, snapshot: Option<&HarnessSnapshot>) -> Result<Instance> {
        let mut operator = self.factory.create(&info)?;
        let mine = |parts: &[Snapshot]| Snapshot::deal(&mut parts.to_vec(), &info);
        let state = self.backend.open(&info, snapshot.map(|snapshot| mine(&snapshot.states)).unwrap_or_default())?;
        if let Some(snapshot) = snapshot {
            operator.restore(mine(&snapshot.operators))?;
        }
        let heard = Heard::new(&self.senders_of(&info));
        Ok(Instance { info, operator, state, given: (None, Vec::new()), wake_at: None, heard, passed: EventTime::MIN })
    }

    /// For each input, which of the upstream instances send to this one.
    fn senders_of(&self, info: &OperatorInfo) -> Vec<Vec<bool>> {
        let of = |input: usize| (0..self.senders(input)).map(|sender| self.sends(input, sender, info)).collect();
        (0..self.inputs.len()).map(of).collect()
    }

    fn sends(&self, input: usize, sender: usize, to: &OperatorInfo) -> bool {
        self.inputs[input].0 != Partitioning::Forward || sender.min(to.parallelism - 1) == to.instance
    }

    /// The number of upstream instances of an input.
    pub fn senders(&self, input: usize) -> usize {
        if self.inputs[input].1 == Senders::One { 1 } else { self.workers }
    }

    /// The number of instances.
    pub fn parallelism(&self) -> usize {
        self.instances.len()
    }

    /// The operator's counters, all instances together.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Keys and bytes of state of all instances: the operators' own and the backend's.
    pub fn state_size(&self) -> egret_core::StateSize {
        self.instances.iter().fold(egret_core::StateSize::default(), |sum, instance| {
            let (own, kept) = (instance.operator.state_size(), instance.state.size());
            egret_core::StateSize { keys: sum.keys + own.keys + kept.keys, bytes: sum.bytes + own.bytes + kept.bytes }
        })
    }

    /// Rows arrive on an input; on edges that forward, the senders take turns.
    ///
    /// # Errors
    /// The operator's error, or the operator broke its contract.
    pub fn feed(&mut self, input: usize, batch: Batch) -> Result<()> {
        self.forwarded += 1;
        self.feed_from(input, self.forwarded % self.senders(input), batch)
    }

    /// Rows of one sender arrive on an input.
    ///
    /// # Errors
    /// As [`Harness::feed`].
    pub fn feed_from(&mut self, input: usize, sender: usize, batch: Batch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let times = batch.event_times().unwrap_or_default();
        self.latest = times.iter().fold(self.latest, |latest, &time| latest.max(EventTime(time)));
        for (instance, part) in self.route(input, sender, batch)? {
            for part in self.instances[instance].heard.parts(part)? {
                self.call(instance, |operator, ctx| operator.process(input, part, ctx))?;
            }
        }
        Ok(())
    }

    fn route(&self, input: usize, sender: usize, batch: Batch) -> Result<Vec<(usize, Batch)>> {
        let instances = self.instances.len();
        Ok(match &self.inputs[input].0 {
            Partitioning::Gather => vec![(0, batch)],
            Partitioning::Broadcast => (0..instances).map(|instance| (instance, batch.clone())).collect(),
            Partitioning::Forward => vec![(sender.min(instances - 1), batch)],
            Partitioning::Hash(keys) => {
                let mut hashes = Vec::new();
                hash_keys(&keys.of(batch.rows()), batch.num_rows(), &mut hashes)?;
                let owner = |hash: u64| KeyGroup::of(hash, DEFAULT_MAX_PARALLELISM).worker(instances, DEFAULT_MAX_PARALLELISM);
                (0..instances)
                    .map(|instance| {
                        let mask = BooleanBuffer::from_iter(hashes.iter().map(|&hash| owner(hash) == instance));
                        Ok((instance, batch.filter(&BooleanArray::new(mask, None))?))
                    })
                    .filter(|part| part.as_ref().map_or(true, |(_, rows)| rows.num_rows() > 0))
                    .collect::<Result<_>>()?
            }
        })
    }

    /// All senders of an input have reached a watermark.
    ///
    /// # Errors
    /// As [`Harness::feed`].
    pub fn watermark(&mut self, input: usize, watermark: EventTime) -> Result<()> {
        (0..self.senders(input)).try_for_each(|sender| self.watermark_from(input, sender, watermark))
    }

    /// One sender of an input has reached a watermark: all instances that it sends to receive it.
    ///
    /// # Errors
    /// As [`Harness::feed`].
    pub fn watermark_from(&mut self, input: usize, sender: usize, watermark: EventTime) -> Result<()> {
        self.signal(input, sender, |heard| heard.watermark(input, sender, watermark))
    }

    /// An input is idle: until it sends something again it does not hold the watermark back.
    ///
    /// # Errors
    /// As [`Harness::feed`].
    pub fn idle(&mut self, input: usize) -> Result<()> {
        (0..self.senders(input)).try_for_each(|sender| self.idle_from(input, sender))
    }

    /// One sender of an input is idle.
    ///
    /// # Errors
    /// As [`Harness::feed`].
    pub fn idle_from(&mut self, input: usize, sender: usize) -> Result<()> {
        self.signal(input, sender, |heard| heard.idle(input, sender))
    }

    fn signal(&mut self, input: usize, sender: usize, hear: impl Fn(&mut Heard) -> Moved) -> Result<()> {
        for instance in 0..self.instances.len() {
            if !self.sends(input, sender, &self.instances[instance].info) {
                continue;
            }
            let before = self.instances[instance].heard.current();
            let moved = hear(&mut self.instances[instance].heard);
            if let Some(watermark) = moved.input {
                self.call_at(instance, before, |operator, ctx| operator.on_input_watermark(input, watermark, ctx))?;
            }
            if let Some(watermark) = moved.combined {
                self.call_at(instance, before, |operator, ctx| operator.on_watermark(watermark, ctx))?;
                let instance = &mut self.instances[instance];
                instance.passed = instance.passed.max(instance.operator.output_watermark(watermark));
            }
        }
        Ok(())
    }

    /// Moves the wall clock; timers that are due fire, one after the other.
    ///
    /// # Errors
    /// As [`Harness::feed`].
    pub fn processing_time(&mut self, now_ms: i64) -> Result<()> {
        for instance in 0..self.instances.len() {
            while let Some(due) = self.instances[instance].wake_at.filter(|&due| due <= now_ms) {
                self.instances[instance].wake_at = None;
                self.processing_time_ms = due.max(self.processing_time_ms);
                let at = self.processing_time_ms;
                self.call(instance, |operator, ctx| operator.on_processing_time(at, ctx))?;
            }
        }
        self.processing_time_ms = now_ms.max(self.processing_time_ms);
        Ok(())
    }

    /// Ends all inputs: the last watermark, then `close`.
    ///
    /// # Errors
    /// As [`Harness::feed`].
    pub fn finish(&mut self) -> Result<()> {
        for input in 0..self.inputs.len() {
            self.watermark(input, EventTime::MAX)?;
        }
        (0..self.instances.len()).try_for_each(|instance| self.call(instance, |operator, ctx| operator.close(ctx)))
    }

    /// Takes a snapshot; the instances go on.
    ///
    /// # Errors
    /// The state cannot be encoded.
    pub fn snapshot(&mut self) -> Result<HarnessSnapshot> {
        self.epoch = Epoch(self.epoch.0 + 1);
        let epoch = self.epoch;
        let operators = self.instances.iter_mut().map(|instance| instance.operator.snapshot(epoch)).collect::<Result<_>>()?;
        let mut states = Vec::new();
        for instance in &mut self.instances {
            let (base, given) = &mut instance.given;
            let handle = instance.state.snapshot_handle(epoch, *base)?;
            if handle.base().is_none() {
                given.clear();
            }
            given.push(handle.encode()?);
            *base = Some(epoch);
            states.extend(given.iter().cloned());
        }
        Ok(HarnessSnapshot { operators, states })
    }

    /// Replaces the instances by new ones with the state of a snapshot. Watermarks start over, as in a restarted job; output and
    /// counts so far remain.
    ///
    /// # Errors
    /// The state does not decode.
    pub fn restore(&mut self, snapshot: &HarnessSnapshot, parallelism: usize) -> Result<()> {
        self.restore_on(snapshot, parallelism, Arc::clone(&self.backend))
    }

    /// Like [`Harness::restore`], with another backend of keyed state.
    ///
    /// # Errors
    /// As [`Harness::restore`].
    pub fn restore_on(&mut self, snapshot: &HarnessSnapshot, parallelism: usize, backend: Arc<dyn StateBackend>) -> Result<()> {
        let fresh = Self::build(Arc::clone(&self.factory), self.inputs.clone(), parallelism, backend, Some(snapshot))?;
        self.backend = fresh.backend;
        self.instances = fresh.instances;
        self.workers = fresh.workers;
        self.output.extend(fresh.output);
        Ok(())
    }

    /// Takes the batches sent to an output since the last call.
    pub fn take(&mut self, port: usize) -> Vec<Batch> {
        let (taken, rest) = std::mem::take(&mut self.output).into_iter().partition(|(to, _)| *to == port);
        self.output = rest;
        taken.into_iter().map(|(_, batch)| batch).collect()
    }

    /// Takes the batches sent to all outputs since the last call, with the numbers of the outputs.
    pub fn take_all(&mut self) -> Vec<(usize, Batch)> {
        std::mem::take(&mut self.output)
    }

    fn call(&mut self, instance: usize, call: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<()>) -> Result<()> {
        self.call_at(instance, self.instances[instance].heard.current(), call)
    }

    fn call_at(
        &mut self,
        instance: usize,
        watermark: EventTime,
        call: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<()>,
    ) -> Result<()> {
        let Instance { info, operator, state, wake_at, passed, .. } = &mut self.instances[instance];
        let mut sent: Vec<(usize, Batch)> = Vec::new();
        let now = self.processing_time_ms;
        let mut ctx =
            Context::new(&mut sent, info, &self.counters, state.as_mut(), wake_at, watermark, now).with_latest(self.latest);
        call(operator.as_mut(), &mut ctx)?;
        sent.iter().try_for_each(|(port, batch)| check_times(*port, batch, *passed))?;
        self.output.extend(sent);
        Ok(())
    }
}

/// Checks that rows on time are not behind the watermark that was passed on, and that late rows are behind the watermark they
/// carry.
fn check_times(port: usize, batch: &Batch, passed: EventTime) -> Result<()> {
    let Some(times) = batch.event_times() else { return Ok(()) };
    let wrong = match batch.late() {
        None => times.iter().find(|&&time| time < passed.0).map(|time| format!("at {time}, behind the watermark {passed:?}")),
        Some(late) => times.iter().find(|&&time| time >= late.0).map(|time| format!("at {time}, marked late behind {late:?}")),
    };
    match wrong {
        None => Ok(()),
        Some(wrong) => Err(Error::bug(format!("the operator sent a row to output {port} {wrong}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::table;

    /// Forwards its input by an output of its own, and sends a row for each watermark by another.
    struct Tells(usize);

    impl Operator for Tells {
        fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
            ctx.emit_to(self.0, batch);
            Ok(())
        }

        fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
            ctx.emit_to(10 + self.0, table(&format!("at:time\n {}", watermark.0)).batch());
            Ok(())
        }

        fn output_watermark(&self, _input: EventTime) -> EventTime {
            EventTime::MIN
        }
    }

    fn harness(senders: Senders, workers: usize) -> Harness {
        let make = |info: &OperatorInfo| -> Result<Box<dyn Operator>> { Ok(Box::new(Tells(info.instance))) };
        Harness::with_backend(Arc::new(make), vec![(Partitioning::Forward, senders)], workers, Arc::new(MemoryBackend))
            .expect("it opens")
    }

    #[test]
    fn what_is_forwarded_stays_with_its_worker() {
        let mut harness = harness(Senders::Every, 3);
        let rows = |count: usize| table("at:time\n 1\n 2\n 3").batch().slice(0, count);
        harness.feed_from(0, 2, rows(3)).expect("it is taken");
        harness.feed_from(0, 1, rows(1)).expect("it is taken");
        harness.watermark_from(0, 1, EventTime(2)).expect("it is taken");
        let rows = |sent: Vec<Batch>| sent.iter().map(Batch::num_rows).sum::<usize>();
        assert_eq!([0, 1, 2, 10, 11, 12].map(|port| rows(harness.take(port))), [0, 1, 3, 0, 1, 0]);
    }

    #[test]
    fn what_one_instance_forwards_to_is_one() {
        assert_eq!(harness(Senders::One, 3).parallelism(), 1);
        assert_eq!(harness(Senders::Every, 3).parallelism(), 3);
    }
}
