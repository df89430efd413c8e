//! `gaussian_nb`: Gaussian naive Bayes, for two and for more classes.
//!
//! A class's probability is that of the class times, for every feature, that of its value given the class:
//! ln p(c, x) = ln(n_c / n) + sum_i ln p(x_i | c), and a softmax over the classes.
//! * A *number* has a normal distribution a class, with the mean and the population variance of the values learned (Welford):
//!   p = 1e-9 + N(x; mean, variance), where the density N is 0 while the variance is 0. A missing number says nothing.
//! * A *category* has a frequency a class, with Laplace's correction: p = (n_cv + 1) / (n_c + V), where V is how many values the
//!   feature has had; null is a value. Of each feature the first `max_categories` values are counted, others are as if never seen.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `max_categories` | 100000 | how many different values of a category are counted |
//!
//! # Formats
//! A delta is [`Delta`] behind a version, in postcard's encoding: the classes and the values that changed, with all that is known of
//! each, so a delta replaces what was there. A saved learner is [`Saved`] behind a version, a saved replica the [`Delta`] from nothing.

use crate::algorithm::{Algorithm, Recipe, names_of};
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout, FeatureView};
use crate::learner::other_state;
use crate::options::{Options, Range};
use crate::{Labels, Learner, Outputs, Scorer, Target, Texts};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const NAME: &str = "gaussian_nb";

/// Is added to every density, so that one value far from all others does not decide alone.
const LEAST_DENSITY: f64 = 1e-9;

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let of_kind = |kind| features.iter().filter(|feature| feature.kind == kind).count();
        let max_categories = options.whole_number("max_categories", 100_000, Range::from(1.0, 1e7))? as usize;
        let (numbers, categories) = (of_kind(FeatureKind::Numeric), of_kind(FeatureKind::Categorical));
        Ok(Box::new(GaussianRecipe { numbers, categories, max_categories }))
    }
}

/// The options, and how many features there are of each kind.
#[derive(Clone, Copy, Debug)]
struct GaussianRecipe {
    numbers: usize,
    categories: usize,
    max_categories: usize,
}

impl Recipe for GaussianRecipe {
    fn target(&self) -> Target {
        Target::Class
    }

    fn layout(&self) -> FeatureLayout {
        FeatureLayout { hash_bits: None, has_texts: true }
    }

    fn learner(&self) -> Box<dyn Learner> {
        Box::new(GaussianLearner { recipe: *self, known: Known::new(self), changed: Vec::new() })
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        let mut lines = vec!["Gaussian naive Bayes".to_owned()];
        if let Some(numbers) = names_of(features, FeatureKind::Numeric) {
            lines.push(format!("numeric features, a mean and a variance for each class: {numbers}"));
        }
        if let Some(categories) = names_of(features, FeatureKind::Categorical) {
            let most = self.max_categories;
            lines.push(format!("categories, counted for each class, at most {most} values of each: {categories}"));
        }
        lines
    }

    fn facts(&self) -> Vec<(String, String)> {
        vec![("algorithm".to_owned(), NAME.to_owned())]
    }
}

/// What is known of the numbers of one feature in one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Moments {
    seen: u64,
    mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
}

impl Moments {
    fn learn(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.seen = self.seen.saturating_add(1);
        let before = value - self.mean;
        self.mean += before / self.seen as f64;
        self.squares = (self.squares + before * (value - self.mean)).max(0.0);
    }

    fn is_sound(&self) -> bool {
        self.mean.is_finite() && self.squares.is_finite() && self.squares >= 0.0
    }
}

/// What is known of the numbers of one feature in one class, as a prediction needs it.
struct Normal {
    mean: f64,
    twice_variance: f64,
    /// The density at the mean; 0 while the variance is.
    peak: f64,
}

impl Normal {
    fn of(moments: &Moments) -> Self {
        let variance = moments.squares / moments.seen.max(1) as f64;
        let peak = if variance > 0.0 { 1.0 / (std::f64::consts::TAU * variance).sqrt() } else { 0.0 };
        Self { mean: moments.mean, twice_variance: 2.0 * variance, peak }
    }

    /// The logarithm of the density.
    fn log_density(&self, value: f64) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        let away = value - self.mean;
        let density = if self.peak > 0.0 { self.peak * libm::exp(-(away * away / self.twice_variance)) } else { 0.0 };
        libm::log(LEAST_DENSITY + density)
    }
}

/// What is known of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Class {
    rows: u64,
    numbers: Vec<Moments>,
    /// Whether it is among the changes already.
    #[serde(skip)]
    is_changed: bool,
}

/// How often each class had a value of a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Value {
    text: Option<Box<str>>,
    /// A count a class; classes that came later and never had the value may lack.
    rows: Vec<u64>,
    /// Whether it is among the changes already.
    #[serde(skip)]
    is_changed: bool,
}

/// The values of a category, in the order in which they were learned.
#[derive(Clone, Debug, Default)]
struct Category {
    values: Vec<Value>,
    places: HashMap<Box<str>, usize>,
    null: Option<usize>,
}

impl Category {
    fn find(&self, text: Option<&str>) -> Option<usize> {
        text.map_or(self.null, |text| self.places.get(text).copied())
    }

    /// Puts a value in the place of what was known of it.
    fn put(&mut self, value: Value) {
        let next = self.values.len();
        let place = match &value.text {
            Some(text) => *self.places.entry(text.clone()).or_insert(next),
            None => *self.null.get_or_insert(next),
        };
        match self.values.get_mut(place) {
            Some(known) => *known = value,
            None => self.values.push(value),
        }
    }

    /// Counts a value; its place, if it was not changed before. With `most` others a new one is not counted.
    fn learn(&mut self, text: Option<&str>, class: usize, most: usize) -> Option<usize> {
        let place = match self.find(text) {
            Some(place) => place,
            None if self.values.len() >= most => return None,
            None => {
                self.put(Value { text: text.map(Box::from), rows: Vec::new(), is_changed: false });
                self.values.len() - 1
            }
        };
        let Value { rows, is_changed, .. } = &mut self.values[place];
        if rows.len() <= class {
            rows.resize(class + 1, 0);
        }
        rows[class] = rows[class].saturating_add(1);
        let is_first = !std::mem::replace(is_changed, true);
        is_first.then_some(place)
    }
}

/// What the learner and its replicas know.
#[derive(Clone, Debug)]
struct Known {
    names: Vec<String>,
    classes: Vec<Class>,
    categories: Vec<Category>,
    numbers: usize,
}

/// What changed: classes and values, with all that is known of each.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Delta {
    classes: Vec<(u32, String, Class)>,
    /// The number of a category, and a value.
    values: Vec<(u32, Value)>,
}

impl Known {
    fn new(recipe: &GaussianRecipe) -> Self {
        let categories = vec![Category::default(); recipe.categories];
        Self { names: Vec::new(), classes: Vec::new(), categories, numbers: recipe.numbers }
    }

    fn class(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.classes.push(Class { rows: 0, numbers: vec![Moments::default(); self.numbers], is_changed: false });
            self.names.len() - 1
        })
    }

    /// Everything, as a delta from nothing.
    fn all(&self) -> Delta {
        let places = self.categories.iter().map(|category| 0..category.values.len()).enumerate();
        let values = places.flat_map(|(at, places)| places.map(move |place| Change::Value(at, place)));
        self.delta((0..self.names.len()).map(Change::Class).chain(values))
    }

    fn delta(&self, changes: impl IntoIterator<Item = Change>) -> Delta {
        let mut delta = Delta::default();
        for change in changes {
            match change {
                Change::Class(at) => delta.classes.push((at as u32, self.names[at].clone(), self.classes[at].clone())),
                Change::Value(at, place) => delta.values.push((at as u32, self.categories[at].values[place].clone())),
            }
        }
        delta
    }

    /// Whether something is among the changes.
    fn flag(&mut self, change: Change) -> &mut bool {
        match change {
            Change::Class(at) => &mut self.classes[at].is_changed,
            Change::Value(at, place) => &mut self.categories[at].values[place].is_changed,
        }
    }

    /// Takes a delta in; `false` if it is not of such a model.
    fn apply(&mut self, delta: Delta) -> bool {
        for (at, name, class) in delta.classes {
            let at = at as usize;
            let is_sound = class.rows > 0 && class.numbers.len() == self.numbers && class.numbers.iter().all(Moments::is_sound);
            if !is_sound || self.names.iter().position(|known| *known == name).unwrap_or(self.names.len()) != at {
                return false;
            }
            if at == self.names.len() {
                self.names.push(name);
                self.classes.push(class);
            } else {
                self.classes[at] = class;
            }
        }
        for (at, value) in delta.values {
            let Some(category) = self.categories.get_mut(at as usize).filter(|_| value.rows.len() <= self.names.len()) else {
                return false;
            };
            category.put(value);
        }
        true
    }

    /// Appends a probability a class for every row.
    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        let normals: Vec<Normal> = self.classes.iter().flat_map(|class| class.numbers.iter().map(Normal::of)).collect();
        let all: f64 = self.classes.iter().map(|class| class.rows as f64).sum();
        let priors: Vec<f64> = self.classes.iter().map(|class| libm::log(class.rows as f64 / all)).collect();
        for row in 0..rows.len() {
            let first = predictions.len();
            predictions.extend_from_slice(&priors);
            let joints = &mut predictions[first..];
            let numbers = rows.row(row).0;
            for (class, joint) in joints.iter_mut().enumerate() {
                let normals = &normals[class * self.numbers..(class + 1) * self.numbers];
                normals.iter().zip(numbers).for_each(|(normal, value)| *joint += normal.log_density(*value));
            }
            self.add_categories(rows.texts(row), joints);
            softmax(joints);
        }
    }

    fn add_categories(&self, texts: Texts<'_>, joints: &mut [f64]) {
        for (category, text) in self.categories.iter().zip(texts.iter()) {
            let counts = category.find(text).map_or(&[][..], |place| &category.values[place].rows);
            let values = category.values.len() as f64;
            for (at, joint) in joints.iter_mut().enumerate() {
                let count = counts.get(at).map_or(0.0, |count| *count as f64);
                *joint += libm::log((count + 1.0) / (self.classes[at].rows as f64 + values));
            }
        }
    }

    fn size_bytes(&self) -> usize {
        let of_value =
            |value: &Value| size_of::<Value>() + 40 + 8 * value.rows.len() + value.text.as_ref().map_or(0, |text| text.len());
        let of_category = |category: &Category| category.values.iter().map(of_value).sum::<usize>();
        let classes: usize = self.names.iter().map(|name| name.len() + self.numbers * size_of::<Moments>() + 64).sum();
        size_of::<Self>() + classes + self.categories.iter().map(of_category).sum::<usize>()
    }
}

/// Turns logarithms into shares of their sum, so that nothing overflows.
fn softmax(logarithms: &mut [f64]) {
    let most = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logarithms.iter_mut().for_each(|logarithm| *logarithm = libm::exp(*logarithm - most));
    let sum: f64 = logarithms.iter().sum();
    logarithms.iter_mut().for_each(|share| *share /= sum);
}

/// Something that changed since the last delta.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Change {
    Class(usize),
    /// A value of a category, by their places.
    Value(usize, usize),
}

struct GaussianLearner {
    recipe: GaussianRecipe,
    known: Known,
    /// What changed since the last delta, in the order in which it first did.
    changed: Vec<Change>,
}

impl Learner for GaussianLearner {
    fn learn(&mut self, rows: FeatureView<'_>, labels: Labels<'_>) {
        assert_eq!(rows.len(), labels.len(), "a label a row");
        for (row, name) in labels.classes().iter().enumerate() {
            let Some(name) = name else { continue };
            let at = self.known.class(name);
            let class = &mut self.known.classes[at];
            class.rows = class.rows.saturating_add(1);
            class.numbers.iter_mut().zip(rows.row(row).0).for_each(|(moments, value)| moments.learn(*value));
            if !std::mem::replace(&mut class.is_changed, true) {
                self.changed.push(Change::Class(at));
            }
            for (number, (category, text)) in self.known.categories.iter_mut().zip(rows.texts(row).iter()).enumerate() {
                let place = category.learn(text, at, self.recipe.max_categories);
                self.changed.extend(place.map(|place| Change::Value(number, place)));
            }
        }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        self.known.predict(rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Classes(&self.known.names)
    }

    fn take_delta(&mut self) -> Vec<u8> {
        let delta = self.known.delta(self.changed.iter().copied());
        self.changed.drain(..).for_each(|change| *self.known.flag(change) = false);
        postcard::to_extend(&delta, vec![VERSION]).expect("a buffer that grows takes any delta")
    }

    fn scorer(&self) -> Box<dyn Scorer> {
        Box::new(GaussianScorer { recipe: self.recipe, known: Known::new(&self.recipe) })
    }

    fn save(&self) -> Result<Vec<u8>> {
        let saved = Saved { known: self.known.all(), changed: self.changed.clone() };
        Ok(postcard::to_extend(&saved, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let mut known = Known::new(&self.recipe);
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let saved: Saved = postcard::from_bytes(rest).map_err(|_| other_state())?;
        if !known.apply(saved.known) {
            return Err(other_state());
        }
        let is_there = |change: &Change| match change {
            Change::Class(at) => *at < known.names.len(),
            Change::Value(at, place) => known.categories.get(*at).is_some_and(|category| *place < category.values.len()),
        };
        if !saved.changed.iter().all(is_there) {
            return Err(other_state());
        }
        saved.changed.iter().for_each(|change| *known.flag(*change) = true);
        (self.known, self.changed) = (known, saved.changed);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.known.size_bytes() + self.changed.capacity() * size_of::<Change>()
    }
}

struct GaussianScorer {
    recipe: GaussianRecipe,
    known: Known,
}

impl Scorer for GaussianScorer {
    fn apply(&mut self, delta: &[u8]) -> Result<()> {
        let damaged = || Error::bug("an update of a model is damaged or of another model");
        let [VERSION, rest @ ..] = delta else { return Err(damaged()) };
        let delta: Delta = postcard::from_bytes(rest).map_err(|_| damaged())?;
        if self.known.apply(delta) { Ok(()) } else { Err(damaged()) }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        self.known.predict(rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Classes(&self.known.names)
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(postcard::to_extend(&self.known.all(), vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let mut known = Known::new(&self.recipe);
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        if !known.apply(postcard::from_bytes(rest).map_err(|_| other_state())?) {
            return Err(other_state());
        }
        self.known = known;
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.known.size_bytes()
    }
}

/// The first byte of a delta, a saved learner, a saved replica.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    known: Delta,
    /// What the next delta has.
    changed: Vec<Change>,
}
