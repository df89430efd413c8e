//! The operator that runs a process function.

use super::context::{ProcessContext, Scratch, Timers};
use super::saved::{self, Saver};
use super::{LATE, ProcessFunction, ttl};
use arrow::array::{ArrayRef, RecordBatch};
use egret_core::key::{KeyColumns, encode_key};
use egret_core::layout::type_name;
use egret_core::row::Row;
use egret_core::{
    Batch, Context, Epoch, Error, EventTime, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateLayout, StateSize,
    StreamSchema, TimeOrder,
};
use std::sync::Arc;

/// Makes [`ProcessOperator`]s.
pub struct ProcessFactory<F, M> {
    make: M,
    keys: Vec<KeyColumns>,
    event_times: Vec<Option<usize>>,
    /// The columns of each input by which rows of one time are ordered: places first, then all others.
    ties: Vec<Vec<usize>>,
    output: StreamSchema,
    layout: Vec<(String, String)>,
    _function: std::marker::PhantomData<fn() -> F>,
}

impl<F: ProcessFunction, M: Fn() -> F + Send + Sync> ProcessFactory<F, M> {
    /// `keys` and `inputs` have one entry for each input.
    ///
    /// # Errors
    /// The output type's schema cannot be made.
    pub fn new(make: M, keys: Vec<KeyColumns>, inputs: &[&StreamSchema]) -> Result<Self> {
        let event_times = inputs.iter().map(|schema| schema.event_time()).collect();
        let ties = |schema: &&StreamSchema| schema.place().into_iter().chain(0..schema.arrow().fields().len()).collect();
        let ties = inputs.iter().map(ties).collect();
        let layout = layout::<F>(&keys, inputs);
        Ok(Self { make, keys, event_times, ties, output: F::Out::schema()?, layout, _function: std::marker::PhantomData })
    }

    /// The schema of its output.
    pub fn output_schema(&self) -> &StreamSchema {
        &self.output
    }
}

impl<F: ProcessFunction, M: Fn() -> F + Send + Sync> OperatorFactory for ProcessFactory<F, M> {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(ProcessOperator {
            function: (self.make)(),
            keys: self.keys.clone(),
            event_times: self.event_times.clone(),
            ties: self.ties.clone(),
            event_time_out: self.output.event_time(),
            info: info.clone(),
            waiting: self.keys.iter().map(|_| TimeOrder::default()).collect(),
            end: None,
            timers: Timers::default(),
            scratch: Scratch::default(),
            out: Vec::new(),
        }))
    }

    fn uses_keyed_state(&self) -> bool {
        true
    }

    fn describe(&self) -> Vec<String> {
        vec!["process function with keyed state and timers".into()]
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        StateLayout::own(self.layout.clone())
    }
}

/// The types of the key, the columns of waiting rows, and the function's own facts about its states.
fn layout<F: ProcessFunction>(keys: &[KeyColumns], inputs: &[&StreamSchema]) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    for (number, (keys, schema)) in keys.iter().zip(inputs).enumerate() {
        let of = |name: String| if number == 0 { name } else { format!("{name} of input {}", number + 1) };
        let types: Vec<String> =
            keys.indexes().iter().map(|&column| type_name(schema.arrow().field(column).data_type())).collect();
        facts.push((of("key".to_owned()), types.join(", ")));
        let columns = StateLayout::columns(schema.arrow().fields().iter().map(AsRef::as_ref));
        facts.extend(columns.into_iter().map(|(name, value)| (of(name), value)));
    }
    facts.extend(F::state_layout().into_iter().map(|(name, value)| (format!("state {name}"), value)));
    facts
}

/// Runs a [`ProcessFunction`]: rows wait for the watermark, then go to the function in order of event time.
pub struct ProcessOperator<F: ProcessFunction> {
    function: F,
    keys: Vec<KeyColumns>,
    event_times: Vec<Option<usize>>,
    ties: Vec<Vec<usize>>,
    event_time_out: Option<usize>,
    info: OperatorInfo,
    waiting: Vec<TimeOrder>,
    /// The latest event time of the input, once the input has ended.
    end: Option<EventTime>,
    timers: Timers,
    scratch: Scratch,
    out: Vec<F::Out>,
}

/// For how many of the next events the state backend is asked to prefetch keys.
const LOOKAHEAD: usize = 64;

/// An event of a key.
enum Event<F: ProcessFunction> {
    Row(F::In),
    Other(F::Other),
    Timer,
    ProcessingTimer,
}

/// Events in the order in which they happen. The encoded keys are concatenated in `keys`.
struct Events<F: ProcessFunction> {
    keys: Vec<u8>,
    due: Vec<Due<F>>,
}

/// An event, its time, and the range of its key in `keys`.
struct Due<F: ProcessFunction> {
    time: EventTime,
    key: (u32, u32),
    event: Event<F>,
}

impl<F: ProcessFunction> Events<F> {
    fn new() -> Self {
        Self { keys: Vec::new(), due: Vec::new() }
    }

    fn key((begin, end): (u32, u32), keys: &[u8]) -> &[u8] {
        &keys[begin as usize..end as usize]
    }

    /// Appends a row's key; returns its range.
    fn push_key(&mut self, columns: &[ArrayRef], row: usize) -> Result<(u32, u32)> {
        let place = |at: usize| {
            u32::try_from(at).map_err(|_| Error::data("the keys of rows that wait for one watermark take more than 4 GiB"))
        };
        let begin = place(self.keys.len())?;
        encode_key(columns, row, &mut self.keys)?;
        Ok((begin, place(self.keys.len())?))
    }
}

impl<F: ProcessFunction> ProcessOperator<F> {
    fn call(&mut self, key: &[u8], time: EventTime, event: Event<F>, ctx: &mut Context<'_>) -> Result<()> {
        let (watermark, processing_time_ms) = (ctx.watermark(), ctx.processing_time_ms());
        let (timers, scratch, out) = (&mut self.timers, &mut self.scratch, &mut self.out);
        let mut process = ProcessContext { key, state: ctx.state(), scratch, timers, out, time, watermark, processing_time_ms };
        match event {
            Event::Row(row) => self.function.process(row, &mut process),
            Event::Other(row) => self.function.process_other(row, &mut process),
            Event::Timer => self.function.on_timer(time, &mut process),
            Event::ProcessingTimer => self.function.on_processing_timer(processing_time_ms, &mut process),
        }
    }

    /// Appends the rows of an input to `events`.
    fn read(&self, input: usize, rows: &RecordBatch, events: &mut Events<F>) -> Result<()> {
        let columns = self.keys[input].of(rows);
        let times = self.event_times[input].map(|column| egret_core::batch::micros(rows.column(column)));
        let typed: Vec<Event<F>> = if input == 0 {
            F::In::read(rows)?.into_iter().map(Event::Row).collect()
        } else {
            F::Other::read(rows)?.into_iter().map(Event::Other).collect()
        };
        events.due.reserve(typed.len());
        for (row, event) in typed.into_iter().enumerate() {
            let key = events.push_key(&columns, row)?;
            let time = times.map_or(EventTime::MIN, |times| EventTime(times[row]));
            events.due.push(Due { time, key, event });
        }
        Ok(())
    }

    /// Passes events to the function; if `fires` is set, the timers that are due before each event fire first.
    fn run(&mut self, events: Events<F>, fires: bool, ctx: &mut Context<'_>) -> Result<()> {
        let Events { keys, due } = events;
        let places: Vec<(u32, u32)> = due.iter().map(|due| due.key).collect();
        for (number, Due { time, key, event }) in due.into_iter().enumerate() {
            if number.is_multiple_of(LOOKAHEAD) {
                let ahead = &places[number..places.len().min(number + LOOKAHEAD)];
                ctx.state().prefetch(self.scratch.slot, &mut ahead.iter().map(|place| Events::<F>::key(*place, &keys)));
            }
            if fires {
                self.fire_timers(time, ctx)?;
            }
            self.call(Events::<F>::key(key, &keys), time, event, ctx)?;
        }
        Ok(())
    }

    /// Processes everything below the watermark in order of time: rows (input 0 before input 1 at the same time) and timers.
    fn advance(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let mut events = Events::new();
        for input in 0..self.waiting.len() {
            let Some(column) = self.event_times[input] else { continue };
            if let Some(rows) = self.waiting[input].release(watermark.0, column, &self.ties[input])? {
                self.read(input, &rows, &mut events)?;
            }
        }
        if watermark == EventTime::MAX {
            self.end = Some(ctx.latest());
        }
        if self.waiting.len() > 1 {
            events.due.sort_by_key(|due| due.time);
        }
        let rows = events.due.len();
        self.run(events, true, ctx)?;
        self.fire_timers(watermark, ctx)?;
        self.sweep(rows, watermark, ctx)?;
        self.emit(ctx)
    }

    /// Fires timers strictly before a time. Timers after the end of the input fire, too, but cannot set others.
    fn fire_timers(&mut self, below: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        while let Some((time, _)) = self.timers.event.first()
            && (*time < below.0 || below == EventTime::MAX)
        {
            let (time, key) = self.timers.event.pop_first().expect("there is a first");
            self.timers.is_closed = self.end.is_some_and(|end| time > end.0);
            self.call(&key, EventTime(time), Event::Timer, ctx)?;
            self.timers.is_closed = false;
        }
        Ok(())
    }

    /// Removes some of the expired state.
    fn sweep(&mut self, rows: usize, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let now_ms = ctx.processing_time_ms();
        ttl::sweep(ctx.state(), &self.scratch, rows, watermark, now_ms)
    }

    fn emit(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        if !self.out.is_empty() {
            let rows = F::Out::write(std::mem::take(&mut self.out))?;
            ctx.emit(Batch::from_parts(rows, self.event_time_out, None));
        }
        self.wake(ctx);
        Ok(())
    }

    /// Fails if the state cannot be in a checkpoint. Every instance has its own copy of the state of a broadcast stream, under
    /// one key that a single instance owns, so with several instances a restore could not return each copy to its instance.
    fn refuse_copies(&self) -> Result<()> {
        if self.info.parallelism == 1 || self.keys.iter().all(|keys| !keys.indexes().is_empty()) {
            return Ok(());
        }
        Err(Error::job("a process function that sees every row of a stream on every worker cannot be in a checkpoint")
            .help("key both streams, or run the job with one worker or without checkpoints"))
    }

    /// Asks to be woken when the next processing-time timer is due.
    fn wake(&self, ctx: &mut Context<'_>) {
        if let Some((at_ms, _)) = self.timers.processing.first() {
            ctx.wake_at(*at_ms);
        }
    }
}

impl<F: ProcessFunction> Operator for ProcessOperator<F> {
    /// Restored processing-time timers must fire even if no row arrives.
    fn open(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        self.wake(ctx);
        Ok(())
    }

    fn process(&mut self, input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if batch.late().is_some() {
            egret_core::metrics::Counters::add(&ctx.counters().late, batch.num_rows() as u64);
            if input == 0 {
                ctx.emit_to(LATE, batch);
            }
            return Ok(());
        }
        if let Some(column) = self.event_times[input] {
            self.waiting[input].add(batch.into_rows(), column);
            return Ok(());
        }
        let rows = batch.into_rows();
        let mut events = Events::new();
        self.read(input, &rows, &mut events)?;
        self.run(events, false, ctx)?;
        self.sweep(rows.num_rows(), ctx.watermark(), ctx)?;
        self.emit(ctx)
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        self.advance(watermark, ctx)
    }

    fn on_processing_time(&mut self, now_ms: i64, ctx: &mut Context<'_>) -> Result<()> {
        while let Some((at_ms, _)) = self.timers.processing.first()
            && *at_ms <= now_ms
        {
            let (_, key) = self.timers.processing.pop_first().expect("there is a first");
            self.call(&key, EventTime::MIN, Event::ProcessingTimer, ctx)?;
        }
        self.emit(ctx)
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        self.refuse_copies()?;
        let mut saver = Saver::new(self.info.max_parallelism);
        saver.timers(&self.timers);
        for (input, waiting) in self.waiting.iter().enumerate() {
            waiting.rows()?.iter().try_for_each(|rows| saver.waiting(input, rows, &self.keys[input]))?;
        }
        saver.finish()
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        self.refuse_copies()?;
        for (input, rows) in saved::restore(parts, &mut self.timers, self.waiting.len())?.into_iter().enumerate() {
            if let (Some(rows), Some(column)) = (rows, self.event_times[input]) {
                self.waiting[input].add(rows, column);
            }
        }
        Ok(())
    }

    fn close(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        self.emit(ctx)
    }

    fn state_size(&self) -> StateSize {
        let rows: usize = self.waiting.iter().map(TimeOrder::bytes).sum();
        let timers = self.timers.event.len() + self.timers.processing.len();
        StateSize { keys: 0, bytes: (rows + timers * 64) as u64 }
    }
}

/// The factory as the job graph wants it.
pub fn factory<F: ProcessFunction>(
    make: impl Fn() -> F + Send + Sync + 'static,
    keys: Vec<KeyColumns>,
    inputs: &[&StreamSchema],
) -> Result<(Arc<dyn OperatorFactory>, StreamSchema)> {
    let factory = ProcessFactory::new(make, keys, inputs)?;
    let schema = factory.output_schema().clone();
    Ok((Arc::new(factory), schema))
}
