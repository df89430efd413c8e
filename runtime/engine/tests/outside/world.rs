//! A source and a sink that stand for systems outside: the one remembers what it is told, the other makes those who write to it wait.

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Committable, Epoch, Error, Poll, Readiness, Result, Sink, SinkContext, SinkWriter, Source, SourceReader, Split, Step,
    StreamSchema,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What has happened outside, in order.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Vec<String>>>);

impl World {
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// How often something that begins so was said.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|what| what.starts_with(start)).count()
    }
}

/// Rows `0..rows` in each split, ten at a time, and remembers what its readers are told.
pub(crate) struct Topic {
    schema: StreamSchema,
    splits: Mutex<Vec<String>>,
    /// Splits that appear one after the other, each time somebody asks.
    pub(crate) later: Mutex<Vec<String>>,
    rows: i64,
    /// Until this holds its readers have nothing behind the first half.
    pub(crate) goes_on: Box<dyn Fn(&World) -> bool + Send + Sync>,
    pub(crate) world: World,
}

impl Topic {
    pub(crate) fn new(world: &World, splits: &[&str], rows: i64) -> Self {
        let fields = vec![Field::new("id", DataType::Int64, false), StreamSchema::time_field("at")];
        Self {
            schema: StreamSchema::new(fields, Some("at")).unwrap(),
            splits: Mutex::new(splits.iter().map(|split| (*split).to_owned()).collect()),
            later: Mutex::default(),
            rows,
            goes_on: Box::new(|_| true),
            world: world.clone(),
        }
    }

    fn list(&self) -> Vec<Split> {
        self.splits.lock().unwrap().iter().map(|id| Split { id: id.clone() }).collect()
    }
}

/// A source that several hold.
pub(crate) struct Shared(pub(crate) Arc<Topic>);

impl Source for Shared {
    fn schema(&self) -> &StreamSchema {
        &self.0.schema
    }
    fn is_bounded(&self) -> bool {
        true
    }
    fn splits(&self) -> Result<Vec<Split>> {
        Ok(self.0.list())
    }
    fn discovers_every(&self) -> Option<Duration> {
        Some(Duration::from_millis(1))
    }
    fn discover(&self) -> Result<Vec<Split>> {
        let next = self.0.later.lock().unwrap().pop();
        self.0.splits.lock().unwrap().extend(next);
        Ok(self.0.list())
    }
    fn is_told_of_checkpoints(&self) -> bool {
        true
    }
    fn open(&self, split: &Split, _columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        self.0.world.say(format!("open {}", split.id));
        Ok(Box::new(Reader { topic: Arc::clone(&self.0), split: split.id.clone(), next: 0 }))
    }
    fn describe(&self) -> String {
        "a topic".into()
    }
}

struct Reader {
    topic: Arc<Topic>,
    split: String,
    next: i64,
}

impl SourceReader for Reader {
    fn poll(&mut self, _rows_max: usize) -> Result<Poll> {
        let rows = self.topic.rows;
        if self.next >= rows {
            return Ok(Poll::End);
        }
        if self.next >= rows / 2 && !(self.topic.goes_on)(&self.topic.world) {
            return Ok(Poll::Pending(Duration::from_millis(1)));
        }
        let ids: Vec<i64> = (self.next..rows).take(10).collect();
        self.next += ids.len() as i64;
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(ids.clone())), Arc::new(TimestampMicrosecondArray::from(ids))];
        Ok(Poll::Rows(RecordBatch::try_new(self.topic.schema.arrow().clone(), columns)?))
    }
    fn position(&self) -> Vec<u8> {
        self.next.to_string().into_bytes()
    }
    fn seek(&mut self, position: &[u8]) -> Result<()> {
        self.next = String::from_utf8_lossy(position).parse().unwrap();
        Ok(())
    }
    fn checkpoint_complete(&mut self, epoch: Epoch, position: &[u8]) -> Result<()> {
        self.topic.world.say(format!("told {} {} {}", self.split, epoch.0, String::from_utf8_lossy(position)));
        Ok(())
    }
    fn close(&mut self) -> Result<()> {
        self.topic.world.say(format!("close {}", self.split));
        Ok(())
    }
}

/// A sink whose writers are not ready at first for anything.
#[derive(Clone)]
pub(crate) struct Slow {
    pub(crate) name: &'static str,
    pub(crate) world: World,
    /// How often they are not ready for each step.
    pub(crate) laziness: usize,
    /// What has to have been said before they take rows.
    pub(crate) waits_for: Option<(&'static str, usize)>,
    /// A commit fails when this has been said: what was prepared is then published by the next attempt.
    pub(crate) fails_when: Option<&'static str>,
}

impl Slow {
    pub(crate) fn new(name: &'static str, world: &World) -> Self {
        Self { name, world: world.clone(), laziness: 0, waits_for: None, fails_when: None }
    }
}

impl Sink for Slow {
    fn open(&self, _schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        self.world.say(format!("writer {} {}", self.name, ctx.instance));
        Ok(Box::new(Writer { sink: self.clone(), asked: 0, ready: None, rows: Vec::new() }))
    }
    fn recover(&self, _schema: &StreamSchema, ctx: &SinkContext, committables: &[Committable]) -> Result<()> {
        let attempt = ctx.attempt.as_ref().unwrap();
        let (job, number, restored) = (&attempt.job, attempt.number, attempt.restored);
        let published: Vec<String> = committables.iter().map(|all| String::from_utf8_lossy(&all.0).into_owned()).collect();
        let uid = &ctx.uid;
        self.world.say(format!("recover {} of {job}, attempt {number} from {restored:?}: {}", uid, published.join(";")));
        assert_eq!(committables, attempt.committables);
        Ok(())
    }
    fn describe(&self) -> String {
        "slow".into()
    }
}

struct Writer {
    sink: Slow,
    asked: usize,
    ready: Option<Step>,
    rows: Vec<i64>,
}

impl Writer {
    fn must_be_ready(&mut self, step: Step) {
        assert_eq!(self.ready.take(), Some(step), "{} was not asked whether it is ready", self.sink.name);
    }
}

impl SinkWriter for Writer {
    fn poll_ready(&mut self, step: Step) -> Result<Readiness> {
        let is_held = self.sink.waits_for.is_some_and(|(what, count)| step == Step::Write && self.sink.world.count(what) < count);
        if is_held || self.asked < self.sink.laziness {
            self.asked += 1;
            return Ok(Readiness::Later(Duration::from_millis(1)));
        }
        (self.asked, self.ready) = (0, Some(step));
        if step == Step::End {
            self.sink.world.say(format!("end {}", self.sink.name));
        }
        Ok(Readiness::Ready)
    }
    fn write(&mut self, batch: &Batch) -> Result<()> {
        self.must_be_ready(Step::Write);
        self.rows.extend(batch.column(0).as_primitive::<Int64Type>().values());
        self.sink.world.say(format!("write {}", self.sink.name));
        Ok(())
    }
    fn prepare(&mut self, epoch: Epoch) -> Result<Vec<Committable>> {
        self.must_be_ready(Step::Prepare(epoch));
        let rows: Vec<String> = std::mem::take(&mut self.rows).iter().map(i64::to_string).collect();
        Ok(if rows.is_empty() { Vec::new() } else { vec![Committable(rows.join(",").into_bytes())] })
    }
    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        if self.sink.fails_when.is_some_and(|what| self.sink.world.count(what) > 0) && !committables.is_empty() {
            return Err(Error::external("the other side hung up"));
        }
        for Committable(rows) in committables {
            self.sink.world.say(format!("commit {} {}", self.sink.name, String::from_utf8_lossy(rows)));
        }
        Ok(())
    }
}
