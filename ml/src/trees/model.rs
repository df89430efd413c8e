//! A learner and a scorer of trees, whatever the [`Method`].
//!
//! # Formats
//! A delta is [`Delta`] behind a version, in postcard's encoding: what came to the vocabulary, and of every tree the nodes and leaves that
//! changed, with all that is known of each. A saved learner is [`Saved`] behind a version, a saved replica the [`Delta`] from nothing.

use super::config::Row;
use super::method::Method;
use super::options::TreeOptions;
use super::order::FeatureOrder;
use super::vocabulary::{Lengths, Vocabulary, VocabularyDelta};
use super::voters::{Voters, VotersDelta};
use crate::features::FeatureView;
use crate::learner::other_state;
use crate::{Labels, Learner, Outputs, Scorer};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The first byte of a delta, a saved learner, a saved replica.
const VERSION: u8 = 1;

/// What changed since the last delta.
#[derive(Serialize, Deserialize)]
struct Delta {
    width: Width,
    vocabulary: VocabularyDelta,
    voters: VotersDelta,
}

/// How many numbers and categories a row has.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Width(u32, u32);

impl Width {
    fn of(method: &impl Method) -> Self {
        Self(method.tree().numbers as u32, method.tree().categories as u32)
    }
}

#[derive(Serialize, Deserialize)]
struct Saved<S> {
    width: Width,
    vocabulary: VocabularyDelta,
    told: Lengths,
    voters: Voters,
    state: S,
}

/// Appends a prediction for every row.
fn predict(
    method: &impl Method,
    order: &FeatureOrder,
    vocabulary: &Vocabulary,
    voters: &Voters,
    rows: FeatureView<'_>,
    predictions: &mut Vec<f64>,
) {
    let (classes, mut codes, mut room) = (vocabulary.classes().len(), Vec::new(), Vec::new());
    for row in 0..rows.len() {
        if method.tree().categories > 0 {
            order.read(vocabulary, rows.texts(row), &mut codes);
        }
        let numbers = order.numbers(rows, row, &mut room);
        voters.predict(Row { numbers, codes: &codes }, method.tree(), classes, predictions);
    }
}

/// A learner of trees.
pub(crate) struct TreeLearner<M: Method> {
    method: M,
    order: FeatureOrder,
    /// How many values of a category are told apart.
    max_categories: usize,
    vocabulary: Vocabulary,
    voters: Voters,
    state: M::State,
    /// The codes and the numbers of a row.
    codes: Vec<u32>,
    room: Vec<f64>,
}

impl<M: Method> TreeLearner<M> {
    /// A learner that has learned nothing.
    pub(crate) fn new(method: M, options: &TreeOptions) -> Self {
        let (order, max_categories) = (options.order.clone(), options.max_categories);
        let vocabulary = Vocabulary::new(method.tree().categories, max_categories);
        let (voters, state) = method.start();
        Self { method, order, max_categories, vocabulary, voters, state, codes: Vec::new(), room: Vec::new() }
    }
}

impl<M: Method> Learner for TreeLearner<M> {
    fn learn(&mut self, rows: FeatureView<'_>, labels: Labels<'_>) {
        assert_eq!(rows.len(), labels.len(), "a label a row");
        for (row, name) in labels.classes().iter().enumerate() {
            let Some(name) = name else { continue };
            let class = self.vocabulary.class(name);
            if self.method.tree().categories > 0 {
                self.order.learn(&mut self.vocabulary, rows.texts(row), &mut self.codes);
            }
            let row = Row { numbers: self.order.numbers(rows, row, &mut self.room), codes: &self.codes };
            self.method.learn(&mut self.voters, &mut self.state, row, class);
        }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        predict(&self.method, &self.order, &self.vocabulary, &self.voters, rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Classes(self.vocabulary.classes())
    }

    fn take_delta(&mut self) -> Vec<u8> {
        let (vocabulary, voters) = (self.vocabulary.take_delta(), self.voters.take_delta());
        let delta = Delta { width: Width::of(&self.method), vocabulary, voters };
        postcard::to_extend(&delta, vec![VERSION]).expect("a buffer that grows takes any delta")
    }

    fn scorer(&self) -> Box<dyn Scorer> {
        let (method, most) = (self.method.clone(), self.max_categories);
        let (vocabulary, voters) = (Vocabulary::new(method.tree().categories, most), Voters::empty(method.voters()));
        Box::new(TreeScorer { method, order: self.order.clone(), max_categories: most, vocabulary, voters })
    }

    fn save(&self) -> Result<Vec<u8>> {
        let saved = Saved {
            width: Width::of(&self.method),
            vocabulary: self.vocabulary.all(),
            told: self.vocabulary.told().clone(),
            voters: self.voters.clone(),
            state: self.state.clone(),
        };
        Ok(postcard::to_extend(&saved, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let mut saved: Saved<M::State> = postcard::from_bytes(rest).map_err(|_| other_state())?;
        let mut vocabulary = Vocabulary::new(self.method.tree().categories, self.max_categories);
        let is_sound = saved.width == Width::of(&self.method)
            && vocabulary.apply(saved.vocabulary)
            && vocabulary.restore_told(saved.told)
            && saved.voters.0.len() == self.method.voters()
            && saved.voters.0.iter().all(|voter| super::voters::is_weight(voter.weight))
            && self.method.restore(&mut saved.voters, &mut saved.state, vocabulary.classes().len());
        if !is_sound {
            return Err(other_state());
        }
        (self.vocabulary, self.voters, self.state) = (vocabulary, saved.voters, saved.state);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.vocabulary.size_bytes() + self.voters.size_bytes() + self.method.state_bytes(&self.state)
    }
}

/// A replica of trees that only predicts.
struct TreeScorer<M: Method> {
    method: M,
    order: FeatureOrder,
    max_categories: usize,
    vocabulary: Vocabulary,
    voters: Voters,
}

impl<M: Method> TreeScorer<M> {
    /// Takes a delta in; if that fails, nothing is left.
    fn take(&mut self, delta: Delta) -> bool {
        let is_sound = delta.width == Width::of(&self.method)
            && self.vocabulary.apply(delta.vocabulary)
            && self.voters.apply(delta.voters, self.method.tree(), self.vocabulary.classes().len());
        if !is_sound {
            self.clear();
        }
        is_sound
    }

    fn clear(&mut self) {
        self.vocabulary = Vocabulary::new(self.method.tree().categories, self.max_categories);
        self.voters = Voters::empty(self.method.voters());
    }
}

impl<M: Method> Scorer for TreeScorer<M> {
    fn apply(&mut self, delta: &[u8]) -> Result<()> {
        let damaged = || Error::bug("an update of a model is damaged or of another model");
        let [VERSION, rest @ ..] = delta else { return Err(damaged()) };
        let delta: Delta = postcard::from_bytes(rest).map_err(|_| damaged())?;
        if self.take(delta) { Ok(()) } else { Err(damaged()) }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        predict(&self.method, &self.order, &self.vocabulary, &self.voters, rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Classes(self.vocabulary.classes())
    }

    fn save(&self) -> Result<Vec<u8>> {
        let all = Delta { width: Width::of(&self.method), vocabulary: self.vocabulary.all(), voters: self.voters.all() };
        Ok(postcard::to_extend(&all, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let all: Delta = postcard::from_bytes(rest).map_err(|_| other_state())?;
        self.clear();
        if self.take(all) { Ok(()) } else { Err(other_state()) }
    }

    fn size_bytes(&self) -> usize {
        self.vocabulary.size_bytes() + self.voters.size_bytes()
    }
}
