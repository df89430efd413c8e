//! The reader that scores rows, on every worker.

use crate::answer::{Answer, AnswerColumn};
use crate::features::{FeatureRows, FeatureView, Missing};
use crate::learner::{Outputs, Scorer};
use crate::spec::ModelSpec;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use egret_core::{Result, StateSize};
use egret_operators::knowledge::{KnowledgeReader, Reading};
use std::sync::Arc;

/// Adds the answers of a model to rows, a column each.
pub struct ScorerReader {
    spec: Arc<ModelSpec>,
    scorer: Box<dyn Scorer>,
    answers: Vec<Answer>,
    missing: Missing,
    /// The predictions of the rows at hand.
    predictions: Vec<f64>,
}

impl ScorerReader {
    /// The replica of a model that has learned nothing.
    pub fn new(spec: Arc<ModelSpec>, answers: &[Answer]) -> Self {
        let (scorer, answers) = (spec.learner().scorer(), answers.to_vec());
        Self { scorer, answers, missing: Missing::default(), predictions: Vec::new(), spec }
    }

    fn columns(&self, rows: usize) -> Vec<AnswerColumn> {
        self.answers.iter().map(|answer| AnswerColumn::new(answer, rows)).collect()
    }

    /// Appends the answers for some rows. Scores of models that give nothing else are written where they belong.
    fn predict(&mut self, rows: FeatureView<'_>, columns: &mut [AnswerColumn]) {
        let outputs = self.scorer.outputs();
        if let ([Answer::Score], Outputs::Score | Outputs::Number, [AnswerColumn::Numbers(scores)]) =
            (&self.answers[..], outputs, &mut *columns)
        {
            self.scorer.predict(rows, scores);
            return;
        }
        self.predictions.clear();
        self.scorer.predict(rows, &mut self.predictions);
        let two = self.spec.two_classes().unwrap_or_default();
        for (answer, column) in self.answers.iter().zip(columns) {
            column.extend(answer, two, outputs, &self.predictions, rows.len());
        }
    }

    fn read(&mut self, rows: &RecordBatch) -> Result<FeatureRows> {
        let mut features = self.spec.reader().empty_rows();
        let missing = self.spec.reader().read(rows, &mut features)?;
        self.missing.nulls += missing.nulls;
        self.missing.not_finite += missing.not_finite;
        Ok(features)
    }

    fn apply_all(&mut self, deltas: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        let apply = self.scorer.apply_all(deltas);
        apply.map_err(|error| error.context(format!("model '{}'", self.spec.name())))
    }
}

impl KnowledgeReader for ScorerReader {
    fn apply(&mut self, updates: &RecordBatch) -> Result<()> {
        let deltas = updates.column(1).as_binary::<i32>();
        self.apply_all(&mut (0..deltas.len()).map(|row| deltas.value(row)))
    }

    fn enrich(&mut self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let features = self.read(rows)?;
        let mut columns = self.columns(rows.num_rows());
        self.predict(features.view(), &mut columns);
        Ok(columns.into_iter().map(AnswerColumn::finish).collect())
    }

    /// Reads the columns of every batch once, however short the steps are.
    fn answer(&mut self, reading: &Reading<'_>) -> Result<Vec<Vec<ArrayRef>>> {
        let features = reading.batches.iter().map(|rows| self.read(rows)).collect::<Result<Vec<_>>>()?;
        let mut columns: Vec<_> = features.iter().map(|rows| self.columns(rows.len())).collect();
        let deltas: Vec<_> = reading.updates.iter().map(|updates| updates.column(1).as_binary::<i32>()).collect();
        for part in &reading.parts {
            let segments = reading.updates_before(part).iter();
            self.apply_all(&mut segments.flat_map(|segment| segment.rows.clone().map(|row| deltas[segment.batch].value(row))))?;
            let (batch, rows) = (part.rows.batch, &part.rows.rows);
            self.predict(features[batch].slice(rows.start, rows.end), &mut columns[batch]);
        }
        Ok(columns.into_iter().map(|columns| columns.into_iter().map(AnswerColumn::finish).collect()).collect())
    }

    fn snapshot(&self) -> Result<Vec<u8>> {
        self.scorer.save()
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.scorer.load(state)
    }

    fn state_size(&self) -> StateSize {
        StateSize { keys: 0, bytes: self.scorer.size_bytes() as u64 }
    }

    fn take_counts(&mut self) -> Vec<(&'static str, i64)> {
        let missing = std::mem::take(&mut self.missing);
        [("feature values that are null", missing.nulls), ("feature values that are not finite", missing.not_finite)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name, count as i64))
            .collect()
    }
}
