//! The operator that measures: scored rows in, metrics out.

use super::delay::{DelayedRows, DueRows, NewRows};
use super::learner::{due_times, only_one};
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout, FeatureReader, FeatureRows};
use crate::labels::{LabelRows, Target, count};
use crate::metrics::{Errors, Evaluation, MetricKind};
use crate::spec::ModelSpec;
use crate::texts::TextRows;
use arrow::array::{ArrayRef, Float64Builder, Int64Builder, RecordBatch, TimestampMicrosecondBuilder};
use egret_core::row_place::places_of;
use egret_core::{Batch, Context, Epoch, Error, EventTime, Operator, Result, Snapshot, StateSize};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Rows wait in buckets at least this wide.
const BUCKET_US: i64 = 1_000_000;

/// Compares the scores of rows with their labels when these are due. Emits the metrics over all rows so far after every so many rows
/// and at the end of the input. Runs as one instance.
///
/// Test-then-train: a row's score was made by a model that had not seen its label.
pub struct EvaluatorOperator {
    spec: Arc<ModelSpec>,
    /// Reads the score as if it were a feature.
    reader: FeatureReader,
    label: usize,
    /// The class whose probability the score is.
    positive: &'static str,
    waiting: DelayedRows,
    scores: FeatureRows,
    evaluation: Measures,
    /// When the last label became due.
    last_due: i64,
}

impl EvaluatorOperator {
    /// An evaluator of rows that have the model's score and the label in these columns.
    pub fn new(spec: Arc<ModelSpec>, score: usize, label: usize) -> Self {
        let score = FeatureColumn { name: spec.name().to_owned(), column: score, kind: FeatureKind::Numeric };
        let reader = FeatureReader::new(&[score], FeatureLayout::default());
        Self {
            waiting: DelayedRows::new(spec.delay_us(), BUCKET_US, &reader.empty_rows(), Target::Flag),
            evaluation: match spec.target() {
                Target::Number => Measures::Numbers(Errors::default()),
                _ => Measures::Flags(Evaluation::new(spec.metrics())),
            },
            positive: spec.two_classes().map_or("", |[_, positive]| positive),
            scores: reader.empty_rows(),
            last_due: EventTime::MIN.0,
            reader,
            label,
            spec,
        }
    }

    fn evaluate(&mut self, rows: &DueRows, report: &mut Report) {
        let (scores, _) = rows.slice(0, rows.len());
        for row in 0..rows.len() {
            self.evaluation.add(scores.row(row).0[0], rows.label(row));
            self.last_due = rows.due(row);
            if self.evaluation.rows().is_multiple_of(self.spec.every_rows()) {
                report.add(self.last_due, &mut self.evaluation, &self.spec);
            }
        }
    }
}

impl Operator for EvaluatorOperator {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let Some(times) = batch.event_times() else { return Err(Error::bug("rows without event time came to an evaluator")) };
        let mut labels = self.spec.target().read_against(self.positive, batch.column(self.label), ctx.counters())?;
        self.scores.clear();
        let missing = self.reader.read(batch.rows(), &mut self.scores)?;
        count(ctx.counters(), "rows without a score", missing.nulls + missing.not_finite);
        for (label, score) in labels.iter_mut().zip(self.scores.view().numeric()) {
            *label = if score.is_nan() { f64::NAN } else { *label };
        }
        let due = due_times(times, batch.late(), self.spec.delay_us());
        let places = places_of(batch.rows());
        let labels = LabelRows { flags: labels, names: TextRows::default() };
        self.waiting.push(NewRows { due: &due, places, labels: &labels, features: &self.scores });
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let mut report = Report::new(self.spec.metrics().len());
        while let Some(rows) = self.waiting.take_below(watermark) {
            self.evaluate(&rows, &mut report);
        }
        let rows = self.evaluation.rows();
        if watermark == EventTime::MAX && rows > 0 && !rows.is_multiple_of(self.spec.every_rows()) {
            report.add(self.last_due, &mut self.evaluation, &self.spec);
        }
        ctx.emit(report.into_batch(&self.spec)?);
        Ok(())
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        let (last_due, waiting) = (self.last_due, self.waiting.save());
        let bytes = match &self.evaluation {
            Measures::Flags(evaluation) => postcard::to_extend(&Saved { evaluation, last_due, waiting }, vec![SAVED_VERSION])?,
            Measures::Numbers(evaluation) => postcard::to_extend(&Saved { evaluation, last_due, waiting }, vec![SAVED_NUMBERS])?,
        };
        Ok(Snapshot { first: vec![bytes], ..Snapshot::default() })
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let Some(bytes) = only_one(&parts, "evaluator")? else { return Ok(()) };
        let waiting = match (&mut self.evaluation, bytes) {
            (Measures::Flags(evaluation), [SAVED_VERSION, rest @ ..]) => {
                let saved: Saved<Evaluation> = postcard::from_bytes(rest)?;
                (*evaluation, self.last_due) = (saved.evaluation, saved.last_due);
                saved.waiting
            }
            (Measures::Numbers(errors), [SAVED_NUMBERS, rest @ ..]) => {
                let saved: Saved<Errors> = postcard::from_bytes(rest)?;
                (*errors, self.last_due) = (saved.evaluation, saved.last_due);
                saved.waiting
            }
            _ => return Err(Error::state("the state of an evaluator has a version that this program does not read")),
        };
        self.waiting.load(waiting)
    }

    fn state_size(&self) -> StateSize {
        let bytes = self.evaluation.size_bytes() + self.waiting.size_bytes();
        StateSize { keys: self.waiting.len() as u64, bytes: bytes as u64 }
    }
}

/// What is counted of the scored rows, by what their labels are.
enum Measures {
    Flags(Evaluation),
    Numbers(Errors),
}

impl Measures {
    fn add(&mut self, score: f64, label: f64) {
        match self {
            Self::Flags(evaluation) => evaluation.add(score, label == 1.0),
            Self::Numbers(errors) => errors.add(score, label),
        }
    }

    fn rows(&self) -> u64 {
        match self {
            Self::Flags(evaluation) => evaluation.rows(),
            Self::Numbers(errors) => errors.rows(),
        }
    }

    fn value(&mut self, metric: MetricKind) -> Option<f64> {
        match self {
            Self::Flags(evaluation) => evaluation.value(metric),
            Self::Numbers(errors) => errors.value(metric),
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            Self::Flags(evaluation) => evaluation.size_bytes(),
            Self::Numbers(_) => size_of::<Errors>(),
        }
    }
}

/// Rows of metrics to emit.
struct Report {
    at: TimestampMicrosecondBuilder,
    rows: Int64Builder,
    values: Vec<Float64Builder>,
}

impl Report {
    fn new(metrics: usize) -> Self {
        Self {
            at: TimestampMicrosecondBuilder::new(),
            rows: Int64Builder::new(),
            values: (0..metrics).map(|_| Float64Builder::new()).collect(),
        }
    }

    fn add(&mut self, at: i64, evaluation: &mut Measures, spec: &ModelSpec) {
        self.at.append_value(at);
        self.rows.append_value(evaluation.rows() as i64);
        for (values, metric) in self.values.iter_mut().zip(spec.metrics()) {
            values.append_option(evaluation.value(*metric));
        }
    }

    fn into_batch(mut self, spec: &ModelSpec) -> Result<Batch> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.at.finish()), Arc::new(self.rows.finish())];
        columns.extend(self.values.iter_mut().map(|values| Arc::new(values.finish()) as ArrayRef));
        let schema = spec.metrics_schema();
        let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?;
        Ok(Batch::from_parts(rows, schema.event_time(), None))
    }
}

/// The first byte of a snapshot; [`Saved`] in postcard's encoding follows.
const SAVED_VERSION: u8 = 2;

/// The first byte of a snapshot of a regression's; [`Saved`] follows with [`Errors`].
const SAVED_NUMBERS: u8 = 3;

#[derive(Serialize, Deserialize)]
struct Saved<E> {
    evaluation: E,
    last_due: i64,
    waiting: Vec<DueRows>,
}
