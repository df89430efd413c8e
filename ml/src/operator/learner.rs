//! The operator that learns: rows in, deltas out.

use super::delay::{DelayedRows, DueRows, DueTexts, NewRows};
use crate::Learner;
use crate::features::FeatureRows;
use crate::labels::{LabelRows, Target, count};
use crate::spec::ModelSpec;
use arrow::array::{ArrayRef, BinaryBuilder, RecordBatch, TimestampMicrosecondBuilder};
use egret_core::row_place::places_of;
use egret_core::{Batch, Context, Epoch, Error, EventTime, Operator, Result, Snapshot, StateSize};
use egret_operators::knowledge::MakerSteps;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Updates are sent when they have grown to this.
const UPDATE_BYTES_MAX: usize = 1 << 20;

/// Learns rows when their labels are due, one step of event time after the other, and emits a delta for each step in which it
/// learned something. Runs as one instance. A row without a label is counted and left out.
///
/// State: the model, and the features and labels of the rows whose label is not due yet.
pub struct LearnerOperator {
    spec: Arc<ModelSpec>,
    learner: Box<dyn Learner>,
    waiting: DelayedRows,
    steps: MakerSteps,
    /// The features of the batch at hand.
    features: FeatureRows,
}

impl LearnerOperator {
    /// A learner that has learned nothing.
    ///
    /// # Errors
    /// The model's step is not positive.
    pub fn new(spec: Arc<ModelSpec>) -> Result<Self> {
        let features = spec.reader().empty_rows();
        let steps = MakerSteps::new(spec.step_us())?;
        Ok(Self {
            learner: spec.learner(),
            waiting: DelayedRows::new(spec.delay_us(), spec.step_us(), &features, spec.target()),
            features,
            steps,
            spec,
        })
    }

    /// Whether rows that wait have texts, which a snapshot has behind the rest.
    fn saves_texts(&self) -> bool {
        self.spec.target() == Target::Class || self.spec.reader().has_texts()
    }

    /// Learns rows in order and adds a delta for each of their steps.
    fn learn(&mut self, rows: &DueRows, updates: &mut Updates) {
        let step_of = |row: usize| self.steps.of(EventTime(rows.due(row)));
        let mut start = 0;
        while start < rows.len() {
            let step = step_of(start);
            let end = (start..rows.len()).find(|&row| step_of(row) != step).unwrap_or(rows.len());
            let (features, labels) = rows.slice(start, end);
            self.learner.learn(features, labels);
            updates.add(step, &self.learner.take_delta());
            start = end;
        }
    }
}

impl Operator for LearnerOperator {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let Some(times) = batch.event_times() else { return Err(Error::bug("rows without event time came to a learner")) };
        let labels = match self.spec.label() {
            Some(label) => self.spec.target().read(batch.column(label), ctx.counters())?,
            None => LabelRows::none(batch.num_rows()),
        };
        self.features.clear();
        let missing = self.spec.reader().read(batch.rows(), &mut self.features)?;
        count(ctx.counters(), "feature values that are null", missing.nulls);
        count(ctx.counters(), "feature values that are not finite", missing.not_finite);
        let due = due_times(times, batch.late(), self.spec.delay_us());
        let places = places_of(batch.rows());
        self.waiting.push(NewRows { due: &due, places, labels: &labels, features: &self.features });
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let complete = self.steps.complete_below(watermark);
        let mut updates = Updates::default();
        while let Some(rows) = self.waiting.take_below(complete) {
            self.learn(&rows, &mut updates);
            count(ctx.counters(), "rows learned", rows.len());
            if updates.bytes > UPDATE_BYTES_MAX {
                ctx.emit(std::mem::take(&mut updates).into_batch(&self.spec)?);
            }
        }
        ctx.emit(updates.into_batch(&self.spec)?);
        Ok(())
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.steps.output_watermark(input)
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        let mut saved = Saved { learner: self.learner.save()?, waiting: self.waiting.save() };
        let bytes = if self.saves_texts() {
            let texts: Vec<DueTexts> = saved.waiting.iter_mut().map(DueRows::take_texts).collect();
            postcard::to_extend(&(saved, texts), vec![SAVED_WITH_TEXTS])?
        } else {
            postcard::to_extend(&saved, vec![SAVED_VERSION])?
        };
        Ok(Snapshot { first: vec![bytes], ..Snapshot::default() })
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let Some(bytes) = only_one(&parts, "learner")? else { return Ok(()) };
        let saved: Saved = match (bytes, self.saves_texts()) {
            ([SAVED_VERSION, rest @ ..], false) => postcard::from_bytes(rest)?,
            ([SAVED_WITH_TEXTS, rest @ ..], true) => {
                let (mut saved, texts): (Saved, Vec<DueTexts>) = postcard::from_bytes(rest)?;
                saved.waiting.iter_mut().zip(texts).for_each(|(rows, texts)| rows.put_texts(texts));
                saved
            }
            _ => return Err(Error::state("the state of a learner has a version that this program does not read")),
        };
        self.learner.load(&saved.learner)?;
        self.waiting.load(saved.waiting)
    }

    fn state_size(&self) -> StateSize {
        let bytes = self.learner.size_bytes() + self.waiting.size_bytes();
        StateSize { keys: self.waiting.len() as u64, bytes: bytes as u64 }
    }
}

/// When the labels of rows may be used: after the delay, and those of late rows not before the watermark that they were behind.
pub(super) fn due_times(times: &[i64], late: Option<EventTime>, delay_us: i64) -> Vec<i64> {
    let earliest = late.unwrap_or(EventTime::MIN);
    times.iter().map(|&time| EventTime(time).plus_us(delay_us).max(earliest).0).collect()
}

/// The saved state of an operator that runs as one instance.
pub(super) fn only_one<'a>(parts: &'a [Snapshot], operator: &str) -> Result<Option<&'a [u8]>> {
    let mut states = parts.iter().flat_map(|part| &part.first);
    let state = states.next();
    if states.next().is_some() {
        return Err(Error::bug(format!("the {operator} of a model runs as one instance but has the state of several")));
    }
    Ok(state.map(Vec::as_slice))
}

/// Deltas to emit.
#[derive(Default)]
struct Updates {
    versions: TimestampMicrosecondBuilder,
    deltas: BinaryBuilder,
    bytes: usize,
}

impl Updates {
    fn add(&mut self, step: EventTime, delta: &[u8]) {
        self.versions.append_value(step.0);
        self.deltas.append_value(delta);
        self.bytes += delta.len();
    }

    fn into_batch(mut self, spec: &ModelSpec) -> Result<Batch> {
        let columns: Vec<ArrayRef> = vec![Arc::new(self.versions.finish()), Arc::new(self.deltas.finish())];
        let schema = spec.update_schema();
        let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?;
        Ok(Batch::from_parts(rows, schema.event_time(), None))
    }
}

/// The first byte of a snapshot; [`Saved`] in postcard's encoding follows.
const SAVED_VERSION: u8 = 2;

/// The first byte of a snapshot of an algorithm that reads texts or learns classes; [`Saved`] follows, and the texts of its rows.
const SAVED_WITH_TEXTS: u8 = 3;

#[derive(Serialize, Deserialize)]
struct Saved {
    learner: Vec<u8>,
    waiting: Vec<DueRows>,
}
