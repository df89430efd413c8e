//! Rows of features, in the forms that learners read.

use crate::texts::{TextRows, Texts};
use ndarray::{ArrayView2, ArrayViewMut2};
use serde::{Deserialize, Serialize};

/// Rows of features, row-major: numeric values (NaN where missing), the coordinates of categories, the texts of categories. Which of
/// these there are is up to the [`FeatureLayout`](super::FeatureLayout).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureRows {
    rows: usize,
    numeric_width: usize,
    hashed_width: usize,
    numeric: Vec<f64>,
    hashed: Vec<u32>,
    /// Not in the encoding, which is older: [`FeatureRows::take_texts`] saves them apart.
    #[serde(skip)]
    texts: TextRows,
}

impl FeatureRows {
    /// No rows, of this many numeric values, coordinates and texts each.
    pub fn new(numeric_width: usize, hashed_width: usize, text_width: usize) -> Self {
        Self { numeric_width, hashed_width, texts: TextRows::new(text_width), ..Self::default() }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Forgets the rows.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.numeric.clear();
        self.hashed.clear();
        self.texts.clear();
    }

    /// No rows, of the same widths.
    pub(crate) fn clone_empty(&self) -> Self {
        Self::new(self.numeric_width, self.hashed_width, self.texts.width())
    }

    /// Bytes of memory of a row, its texts aside.
    pub(crate) fn row_bytes(&self) -> usize {
        8 * self.numeric_width + 4 * self.hashed_width
    }

    /// Bytes of memory of the texts.
    pub(crate) fn text_bytes(&self) -> usize {
        self.texts.size_bytes()
    }

    /// Takes the texts out, to save them; without them the rows are not sound.
    pub(crate) fn take_texts(&mut self) -> TextRows {
        std::mem::take(&mut self.texts)
    }

    /// Puts saved texts back.
    pub(crate) fn put_texts(&mut self, texts: TextRows) {
        self.texts = texts;
    }

    /// Where the texts of the next rows go.
    pub(super) fn texts_mut(&mut self) -> &mut TextRows {
        &mut self.texts
    }

    /// Appends rows of the same widths.
    pub fn extend(&mut self, rows: FeatureView<'_>) {
        assert!(rows.numeric_width == self.numeric_width && rows.hashed_width == self.hashed_width, "rows of one model");
        self.rows += rows.rows;
        self.numeric.extend_from_slice(rows.numeric);
        self.hashed.extend_from_slice(rows.hashed);
        self.texts.extend(rows.texts);
    }

    /// All rows.
    pub fn view(&self) -> FeatureView<'_> {
        self.slice(0, self.rows)
    }

    /// Some rows.
    pub fn slice(&self, start: usize, end: usize) -> FeatureView<'_> {
        FeatureView {
            rows: end - start,
            numeric_width: self.numeric_width,
            hashed_width: self.hashed_width,
            numeric: &self.numeric[start * self.numeric_width..end * self.numeric_width],
            hashed: &self.hashed[start * self.hashed_width..end * self.hashed_width],
            texts: self.texts.slice(start, end),
        }
    }

    /// Whether what was read from a snapshot fits together, and is of the same widths as `other`.
    pub(crate) fn is_sound(&self, other: &Self) -> bool {
        (self.numeric_width, self.hashed_width) == (other.numeric_width, other.hashed_width)
            && Some(self.numeric.len()) == self.rows.checked_mul(self.numeric_width)
            && Some(self.hashed.len()) == self.rows.checked_mul(self.hashed_width)
            && self.texts.is_sound(other.texts.width(), self.rows)
    }

    /// Room for more rows: their numeric values and their coordinates.
    pub(super) fn grow(&mut self, rows: usize) -> (ArrayViewMut2<'_, f64>, &mut [u32]) {
        let (numeric_start, hashed_start) = (self.numeric.len(), self.hashed.len());
        self.rows += rows;
        self.numeric.resize(self.rows * self.numeric_width, 0.0);
        self.hashed.resize(self.rows * self.hashed_width, 0);
        let numeric = ArrayViewMut2::from_shape((rows, self.numeric_width), &mut self.numeric[numeric_start..]);
        (numeric.expect("just resized to this shape"), &mut self.hashed[hashed_start..])
    }
}

/// Some rows of [`FeatureRows`], borrowed.
#[derive(Clone, Copy, Debug)]
pub struct FeatureView<'a> {
    rows: usize,
    numeric_width: usize,
    hashed_width: usize,
    numeric: &'a [f64],
    hashed: &'a [u32],
    texts: Texts<'a>,
}

impl<'a> FeatureView<'a> {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The numeric values as a matrix.
    pub fn numeric(&self) -> ArrayView2<'a, f64> {
        ArrayView2::from_shape((self.rows, self.numeric_width), self.numeric).expect("as long as its shape")
    }

    /// A row's numeric values and coordinates.
    #[inline]
    pub fn row(&self, row: usize) -> (&'a [f64], &'a [u32]) {
        (
            &self.numeric[row * self.numeric_width..(row + 1) * self.numeric_width],
            &self.hashed[row * self.hashed_width..(row + 1) * self.hashed_width],
        )
    }

    /// The texts of a row's categories, in the order of the features.
    pub fn texts(&self, row: usize) -> Texts<'a> {
        self.texts.rows(row, row + 1)
    }

    /// Some of the rows.
    pub fn slice(&self, start: usize, end: usize) -> Self {
        Self {
            rows: end - start,
            numeric: &self.numeric[start * self.numeric_width..end * self.numeric_width],
            hashed: &self.hashed[start * self.hashed_width..end * self.hashed_width],
            texts: self.texts.rows(start, end),
            ..*self
        }
    }

    /// A row as rows.
    pub fn one(&self, row: usize) -> Self {
        let (numeric, hashed) = self.row(row);
        Self { rows: 1, numeric, hashed, texts: self.texts(row), ..*self }
    }
}
