//! The last rows that were learned, in one ring.

use serde::{Deserialize, Serialize};

/// Rows, the oldest first: their scaled numbers, the hashes of their categories, their classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rows {
    numbers: Vec<f64>,
    categories: Vec<u32>,
    classes: Vec<u32>,
}

impl Rows {
    /// Whether these are rows of so many numbers, categories and classes.
    pub(super) fn is_sound(&self, numbers: usize, categories: usize, classes: usize) -> bool {
        let rows = self.classes.len();
        Some(self.numbers.len()) == rows.checked_mul(numbers)
            && Some(self.categories.len()) == rows.checked_mul(categories)
            && self.numbers.iter().all(|number| number.is_finite())
            && self.classes.iter().all(|class| (*class as usize) < classes)
    }
}

/// At most `most` rows.
#[derive(Clone, Debug)]
pub(super) struct Window {
    most: usize,
    /// How many numbers and categories a row has.
    numbers: usize,
    categories: usize,
    rows: Rows,
    /// Where the oldest row is, once the window is full.
    oldest: usize,
}

impl Window {
    pub(super) fn new(most: usize, numbers: usize, categories: usize) -> Self {
        Self { most, numbers, categories, rows: Rows::default(), oldest: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.classes.len()
    }

    /// Takes a row in; of a full window the oldest goes.
    pub(super) fn push(&mut self, numbers: &[f64], categories: &[u32], class: u32) {
        let rows = &mut self.rows;
        if rows.classes.len() < self.most {
            rows.numbers.extend_from_slice(numbers);
            rows.categories.extend_from_slice(categories);
            rows.classes.push(class);
            return;
        }
        let at = self.oldest;
        rows.numbers[at * self.numbers..(at + 1) * self.numbers].copy_from_slice(numbers);
        rows.categories[at * self.categories..(at + 1) * self.categories].copy_from_slice(categories);
        rows.classes[at] = class;
        self.oldest = if at + 1 == self.most { 0 } else { at + 1 };
    }

    /// Takes rows in, which are sound.
    pub(super) fn extend(&mut self, rows: &Rows) {
        for (row, class) in rows.classes.iter().enumerate() {
            let numbers = &rows.numbers[row * self.numbers..(row + 1) * self.numbers];
            let categories = &rows.categories[row * self.categories..(row + 1) * self.categories];
            self.push(numbers, categories, *class);
        }
    }

    /// The places of all rows, the oldest first.
    fn places(&self) -> impl Iterator<Item = usize> {
        (self.oldest..self.len()).chain(0..self.oldest)
    }

    /// The last `count` rows.
    pub(super) fn last(&self, count: usize) -> Rows {
        let mut last = Rows::default();
        for at in self.places().skip(self.len().saturating_sub(count)) {
            last.numbers.extend_from_slice(self.numbers_of(at));
            last.categories.extend_from_slice(self.categories_of(at));
            last.classes.push(self.rows.classes[at]);
        }
        last
    }

    #[inline]
    fn numbers_of(&self, at: usize) -> &[f64] {
        &self.rows.numbers[at * self.numbers..(at + 1) * self.numbers]
    }

    #[inline]
    fn categories_of(&self, at: usize) -> &[u32] {
        &self.rows.categories[at * self.categories..(at + 1) * self.categories]
    }

    /// Puts the `most` nearest rows into `nearest`, by distance, the older first: each its distance and its class.
    pub(super) fn nearest(&self, numbers: &[f64], categories: &[u32], most: usize, nearest: &mut Vec<(f64, u32)>) {
        nearest.clear();
        for at in self.places() {
            let squares = self.numbers_of(at).iter().zip(numbers).map(|(a, b)| (a - b) * (a - b));
            let others = self.categories_of(at).iter().zip(categories).filter(|(a, b)| a != b).count();
            let distance = squares.sum::<f64>() + others as f64;
            if nearest.len() == most && nearest.last().is_some_and(|last| last.0 <= distance) {
                continue;
            }
            let place = nearest.partition_point(|other| other.0 <= distance);
            nearest.truncate(most - 1);
            nearest.insert(place, (distance, self.rows.classes[at]));
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        8 * self.rows.numbers.len() + 4 * (self.rows.categories.len() + self.rows.classes.len())
    }
}
