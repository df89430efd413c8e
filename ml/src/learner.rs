//! The contract of online learners.
//!
//! A [`Learner`] learns in one place; a [`Scorer`] predicts in many. Between them go *deltas*: what changed since the last one.

use crate::features::FeatureView;
use crate::labels::Labels;
use egret_core::{Error, Result};

/// A model that learns one row after the other.
///
/// # Contract
/// * What a learner has learned depends on the rows and their order alone: ten rows at once or one by one give the same bits.
/// * [`Learner::predict`] changes nothing, and reads every row that was learned before, the newest included.
/// * A [`Scorer`] that was given all deltas, in order, predicts the same bits as the learner did when the last was taken.
/// * A learner that loads what another saved goes on with the same bits. No delta is lost: what changed since the last one is in
///   the next one of the loaded learner too.
/// * Features are finite or NaN (missing), at most [`crate::features::LARGEST`] in size; whatever they are, what is predicted is finite.
pub trait Learner {
    /// Learns rows in order; a label a row.
    fn learn(&mut self, rows: FeatureView<'_>, labels: Labels<'_>);

    /// Appends the prediction for every row: as many numbers as [`Learner::outputs`] says.
    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>);

    /// What the numbers of a prediction are.
    fn outputs(&self) -> Outputs<'_>;

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

    /// Appends the prediction for every row: as many numbers as [`Scorer::outputs`] says.
    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>);

    /// What the numbers of a prediction are; a delta may change it.
    fn outputs(&self) -> Outputs<'_>;

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

/// What the numbers are that a model predicts for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs<'a> {
    /// One number from 0 to 1: the probability of label 1, or how unusual the row is.
    Score,
    /// One number: the label, as far as it can be told.
    Number,
    /// Two numbers: the index of the nearest of so many clusters, and the distance from its centre; none before there is a cluster.
    Clusters(usize),
    /// The probability of each class, in the order in which they were first learned; none before anything was learned.
    Classes(&'a [String]),
}

impl Outputs<'_> {
    /// How many numbers a row has.
    pub fn width(&self) -> usize {
        match *self {
            Self::Score | Self::Number => 1,
            Self::Clusters(clusters) => 2 * clusters.min(1),
            Self::Classes(names) => names.len(),
        }
    }
}

/// The error for bytes that a learner or scorer cannot take up.
pub(crate) fn other_state() -> Error {
    Error::state("the state of a model is damaged or of another model")
}
