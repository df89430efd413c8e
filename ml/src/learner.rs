//! The contract of online learners.
//!
//! A [`Learner`] learns in one place; a [`Scorer`] predicts in many. Between them go *deltas*: what changed since the last one.

use crate::features::FeatureView;
use egret_core::Result;

/// A model that learns one row after the other.
///
/// # Contract
/// * What is learned depends on the rows and their order alone: learning ten rows at once or one by one gives the same bits.
/// * `predict` changes nothing, and reads what was learned before: who predicts a row first and learns it then has tested
///   before training.
/// * A [`Scorer`] that was given all deltas, in order, predicts the same bits as the learner did when the last was taken.
/// * `load(save())` gives a learner that goes on with the same bits. No delta is lost: what changed since the last one is in
///   the next one of the loaded learner too.
/// * Finite features in, finite weights out, whatever the features are: see [`crate::features::LARGEST`].
pub trait Learner {
    /// Learns rows in order; a label a row.
    fn learn(&mut self, rows: FeatureView<'_>, labels: &[f64]);

    /// Appends the prediction for every row: for a binary classifier, the probability of label 1.
    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>);

    /// What changed since the last delta.
    fn take_delta(&mut self) -> Vec<u8>;

    /// An empty reader for the deltas.
    fn scorer(&self) -> Box<dyn Scorer>;

    /// The state as bytes.
    ///
    /// # Errors
    /// It cannot be encoded.
    fn save(&self) -> Result<Vec<u8>>;

    /// Takes up what [`Learner::save`] gave.
    ///
    /// # Errors
    /// The bytes are not of a learner of this kind and size.
    fn load(&mut self, state: &[u8]) -> Result<()>;

    /// Bytes of memory, estimated.
    fn size_bytes(&self) -> usize;
}

/// A replica of a model that only predicts.
pub trait Scorer {
    /// Applies a delta of the learner.
    ///
    /// # Errors
    /// The delta is damaged or of another model.
    fn apply(&mut self, delta: &[u8]) -> Result<()>;

    /// Applies several deltas in order; a scorer may leave out what a later one replaces.
    ///
    /// # Errors
    /// As [`Scorer::apply`].
    fn apply_all(&mut self, deltas: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        for delta in deltas {
            self.apply(delta)?;
        }
        Ok(())
    }

    /// Appends the prediction for every row.
    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>);

    /// The replica as bytes.
    ///
    /// # Errors
    /// It cannot be encoded.
    fn save(&self) -> Result<Vec<u8>>;

    /// Takes up what [`Scorer::save`] gave.
    ///
    /// # Errors
    /// The bytes are not of a scorer of this kind and size.
    fn load(&mut self, state: &[u8]) -> Result<()>;

    /// Bytes of memory, estimated.
    fn size_bytes(&self) -> usize;
}
