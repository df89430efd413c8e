//! The reader that scores rows, on every worker.

use crate::Scorer;
use crate::features::{FeatureRows, Missing};
use crate::spec::ModelSpec;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use egret_core::{Result, StateSize};
use egret_operators::knowledge::{KnowledgeReader, Reading};
use std::sync::Arc;

/// Adds the score of a model to rows: for a classifier the probability of label 1, never null.
pub struct ScorerReader {
    spec: Arc<ModelSpec>,
    scorer: Box<dyn Scorer>,
    missing: Missing,
}

impl ScorerReader {
    /// The replica of a model that has learned nothing.
    pub fn new(spec: Arc<ModelSpec>) -> Self {
        Self { scorer: spec.learner().scorer(), missing: Missing::default(), spec }
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
        let mut scores = Vec::with_capacity(rows.num_rows());
        self.scorer.predict(features.view(), &mut scores);
        Ok(vec![Arc::new(Float64Array::from(scores))])
    }

    /// Reads the columns of every batch once, however short the steps are.
    fn answer(&mut self, reading: &Reading<'_>) -> Result<Vec<Vec<ArrayRef>>> {
        let features = reading.batches.iter().map(|rows| self.read(rows)).collect::<Result<Vec<_>>>()?;
        let mut scores: Vec<Vec<f64>> = features.iter().map(|rows| Vec::with_capacity(rows.len())).collect();
        let deltas: Vec<_> = reading.updates.iter().map(|updates| updates.column(1).as_binary::<i32>()).collect();
        for part in &reading.parts {
            let segments = reading.updates_before(part).iter();
            self.apply_all(&mut segments.flat_map(|segment| segment.rows.clone().map(|row| deltas[segment.batch].value(row))))?;
            let (batch, rows) = (part.rows.batch, &part.rows.rows);
            self.scorer.predict(features[batch].slice(rows.start, rows.end), &mut scores[batch]);
        }
        Ok(scores.into_iter().map(|scores| vec![Arc::new(Float64Array::from(scores)) as ArrayRef]).collect())
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
