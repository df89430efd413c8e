//! Features: which columns a model reads, and how a row of them becomes numbers.
//!
//! * *Numeric* columns (integers, floats, decimals) become a dense matrix, a row a row.
//! * *Categories* (strings, booleans, and integers where asked for) become one hashed coordinate each: [`crate::hashing`].
//!
//! # What is missing
//! A numeric value that is null, not finite, or beyond [`LARGEST`] is *missing*: it is counted, stands for the mean (0 after
//! scaling, 0 without), and nothing is learned from it. So a NaN never gets into a weight. A null category is a category.

use crate::hashing::CategoryHash;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use egret_core::{Error, Result, StreamSchema};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};
use serde::{Deserialize, Serialize};

/// Numbers beyond this are taken for missing: their squares and products would not stay finite.
pub const LARGEST: f64 = 1e100;

/// What a column means to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureKind {
    /// A quantity.
    Numeric,
    /// A name.
    Categorical,
}

/// A column that a model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureColumn {
    /// Its name.
    pub name: String,
    /// Its index in the rows.
    pub column: usize,
    /// What it means.
    pub kind: FeatureKind,
}

impl FeatureColumn {
    /// A column; its type says what it means: numbers are quantities, strings and booleans are names.
    ///
    /// # Errors
    /// The type can be neither.
    pub fn new(name: impl Into<String>, column: usize, data_type: &DataType) -> Result<Self> {
        let name = name.into();
        let kind = match data_type {
            t if t.is_numeric() && t != &DataType::Float16 => FeatureKind::Numeric,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => FeatureKind::Categorical,
            DataType::Dictionary(_, value_type) if value_type.is_string() => FeatureKind::Categorical,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) => {
                return Err(Error::job(format!("'{name}' is {data_type}, which cannot be a feature"))
                    .help(format!("take a part of it, such as extract(hour FROM {name})")));
            }
            other => {
                return Err(Error::job(format!("'{name}' is {other}, which cannot be a feature"))
                    .help("features are numbers, strings or booleans; use CAST"));
            }
        };
        Ok(Self { name, column, kind })
    }

    /// A column of a stream.
    ///
    /// # Errors
    /// As [`FeatureColumn::new`].
    pub fn of(rows: &StreamSchema, column: usize) -> Result<Self> {
        let field = rows.arrow().field(column);
        Self::new(field.name(), column, field.data_type())
    }
}

/// How many values were missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Numeric values that were null.
    pub nulls: usize,
    /// Numeric values that were not finite, or too large.
    pub not_finite: usize,
}

/// Rows as numbers: row-major, numeric values (NaN where missing) apart from the coordinates of categories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureRows {
    rows: usize,
    numeric_width: usize,
    hashed_width: usize,
    numeric: Vec<f64>,
    hashed: Vec<u32>,
}

impl FeatureRows {
    /// No rows, of this many numeric values and coordinates each.
    pub fn new(numeric_width: usize, hashed_width: usize) -> Self {
        Self { numeric_width, hashed_width, ..Self::default() }
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
    }

    /// No rows, of the same widths.
    pub(crate) fn clone_empty(&self) -> Self {
        Self::new(self.numeric_width, self.hashed_width)
    }

    /// Appends rows of the same widths.
    pub fn extend(&mut self, rows: FeatureView<'_>) {
        assert!(rows.numeric_width == self.numeric_width && rows.hashed_width == self.hashed_width, "rows of one model");
        self.rows += rows.rows;
        self.numeric.extend_from_slice(rows.numeric);
        self.hashed.extend_from_slice(rows.hashed);
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
        }
    }

    /// Whether what was read from outside fits together.
    pub(crate) fn is_sound(&self, numeric_width: usize, hashed_width: usize) -> bool {
        (self.numeric_width, self.hashed_width) == (numeric_width, hashed_width)
            && self.numeric.len() == self.rows * numeric_width
            && self.hashed.len() == self.rows * hashed_width
    }

    /// Room for more rows: their numeric values and their coordinates.
    fn grow(&mut self, rows: usize) -> (ArrayViewMut2<'_, f64>, &mut [u32]) {
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

    /// A row as rows.
    pub fn one(&self, row: usize) -> Self {
        let (numeric, hashed) = self.row(row);
        Self { rows: 1, numeric, hashed, ..*self }
    }
}

/// Reads features from rows.
#[derive(Clone, Debug)]
pub struct FeatureReader {
    numeric: Vec<FeatureColumn>,
    categories: Vec<(usize, CategoryHash)>,
    hash_bits: u32,
}

impl FeatureReader {
    /// A reader of these columns that hashes categories into `2^hash_bits` coordinates.
    pub fn new(features: &[FeatureColumn], hash_bits: u32) -> Self {
        let of_kind = |kind| features.iter().filter(move |feature| feature.kind == kind);
        Self {
            numeric: of_kind(FeatureKind::Numeric).cloned().collect(),
            categories: of_kind(FeatureKind::Categorical)
                .map(|feature| (feature.column, CategoryHash::new(&feature.name, hash_bits)))
                .collect(),
            hash_bits,
        }
    }

    /// How many numeric features.
    pub fn numeric_width(&self) -> usize {
        self.numeric.len()
    }

    /// How many categories.
    pub fn hashed_width(&self) -> usize {
        self.categories.len()
    }

    /// How many coordinates categories are hashed into; none if there are no categories.
    pub fn coordinates(&self) -> usize {
        if self.categories.is_empty() { 0 } else { 1 << self.hash_bits }
    }

    /// No rows yet, of this reader's widths.
    pub fn empty_rows(&self) -> FeatureRows {
        FeatureRows::new(self.numeric_width(), self.hashed_width())
    }

    /// Appends the features of `rows` to `features`.
    ///
    /// # Errors
    /// A column has another type than the model was made for.
    pub fn read(&self, rows: &RecordBatch, features: &mut FeatureRows) -> Result<Missing> {
        let (mut numeric, hashed) = features.grow(rows.num_rows());
        let mut missing = Missing::default();
        for (index, feature) in self.numeric.iter().enumerate() {
            read_numeric(rows.column(feature.column), numeric.column_mut(index), &mut missing)
                .map_err(|error| error.context(format!("feature '{}'", feature.name)))?;
        }
        let width = self.categories.len();
        for (index, (column, hash)) in self.categories.iter().enumerate() {
            hash.append(rows.column(*column), |row, coordinate| hashed[row * width + index] = coordinate)?;
        }
        Ok(missing)
    }
}

fn read_numeric(column: &ArrayRef, target: ArrayViewMut1<'_, f64>, missing: &mut Missing) -> Result<()> {
    macro_rules! integers {
        ($type:ty) => {
            copy::<$type>(column.as_primitive(), target, missing, |value| value as f64)
        };
    }
    match column.data_type() {
        DataType::Float64 => floats(column.as_primitive(), target, missing),
        DataType::Float32 => copy::<Float32Type>(column.as_primitive(), target, missing, f64::from),
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        _ => floats(arrow::compute::cast(column, &DataType::Float64)?.as_primitive(), target, missing),
    }
    Ok(())
}

fn floats(values: &PrimitiveArray<Float64Type>, mut target: ArrayViewMut1<'_, f64>, missing: &mut Missing) {
    if values.null_count() > 0 {
        return copy::<Float64Type>(values, target, missing, |value| value);
    }
    let values = ArrayView1::from(values.values().as_ref());
    target.assign(&values);
    if values.iter().any(|value| !is_usable(*value)) {
        target.iter_mut().for_each(|value| check(value, missing));
    }
}

fn copy<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    mut target: ArrayViewMut1<'_, f64>,
    missing: &mut Missing,
    number: impl Fn(T::Native) -> f64,
) {
    for (row, (target, value)) in target.iter_mut().zip(values.values()).enumerate() {
        if values.is_null(row) {
            *target = f64::NAN;
            missing.nulls += 1;
        } else {
            *target = number(*value);
            check(target, missing);
        }
    }
}

fn is_usable(value: f64) -> bool {
    value.abs() <= LARGEST
}

fn check(value: &mut f64, missing: &mut Missing) {
    if !is_usable(*value) {
        *value = f64::NAN;
        missing.not_finite += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float64Array, Int32Array, StringArray};
    use std::sync::Arc;

    fn rows() -> RecordBatch {
        let amounts = Float64Array::from(vec![Some(1.5), None, Some(f64::INFINITY), Some(f64::NAN), Some(-1e101)]);
        let hours = Int32Array::from(vec![Some(3), Some(4), None, Some(-5), Some(0)]);
        let prices = Decimal128Array::from(vec![1, 250, 3, 4, 5]).with_precision_and_scale(10, 2).expect("a decimal");
        let countries = StringArray::from(vec![Some("NL"), None, Some("NL"), Some("DE"), Some("")]);
        RecordBatch::try_from_iter([
            ("amount", Arc::new(amounts) as ArrayRef),
            ("country", Arc::new(countries)),
            ("hour", Arc::new(hours)),
            ("price", Arc::new(prices)),
        ])
        .expect("rows")
    }

    #[test]
    fn missing_values_are_marked_and_counted() {
        let rows = rows();
        let schema = StreamSchema::from_arrow(rows.schema(), None).expect("a schema");
        let columns: Vec<_> = (0..4).map(|column| FeatureColumn::of(&schema, column).expect("a feature")).collect();
        let reader = FeatureReader::new(&columns, 12);
        let mut features = reader.empty_rows();
        let missing = reader.read(&rows, &mut features).expect("reads");
        assert_eq!(missing, Missing { nulls: 2, not_finite: 3 });
        let matrix = features.view().numeric();
        assert_eq!(matrix.dim(), (5, 3));
        assert_eq!(matrix.row(0).to_vec(), [1.5, 3.0, 0.01]);
        assert!((1..5).all(|row| matrix[[row, 0]].is_nan()) && matrix[[2, 1]].is_nan());
        assert_eq!(matrix[[1, 2]], 2.5);
        let countries: Vec<u32> = (0..5).map(|row| features.view().row(row).1[0]).collect();
        assert_eq!(countries[0], countries[2]);
        assert_eq!(std::collections::BTreeSet::from_iter(&countries).len(), 4);
        assert!(countries.iter().all(|coordinate| *coordinate < 1 << 12));
    }

    #[test]
    fn slices_of_a_batch_read_as_the_batch() {
        let rows = rows();
        let schema = StreamSchema::from_arrow(rows.schema(), None).expect("a schema");
        let columns: Vec<_> = (0..4).map(|column| FeatureColumn::of(&schema, column).expect("a feature")).collect();
        let reader = FeatureReader::new(&columns, 12);
        let (mut whole, mut parts) = (reader.empty_rows(), reader.empty_rows());
        reader.read(&rows, &mut whole).expect("reads");
        for row in 0..5 {
            reader.read(&rows.slice(row, 1), &mut parts).expect("reads");
        }
        let bits = |rows: &FeatureRows| rows.numeric.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!((bits(&whole), &whole.hashed), (bits(&parts), &parts.hashed));
    }

    #[test]
    fn times_are_refused_with_a_remedy() {
        let error = FeatureColumn::new("at", 0, &egret_core::TIME_TYPE).expect_err("no feature").to_string();
        assert!(error.contains("extract(hour FROM at)"), "{error}");
    }
}
