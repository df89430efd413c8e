//! Reads the features of a model from rows.

use super::column::{FeatureColumn, FeatureKind};
use super::rows::FeatureRows;
use crate::hashing::CategoryHash;
use crate::texts::text_column;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use egret_core::Result;
use ndarray::{ArrayView1, ArrayViewMut1};

/// Numbers beyond this are taken for missing: their squares and products would not stay finite.
pub const LARGEST: f64 = 1e100;

/// How many values were missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Numeric values that were null.
    pub nulls: usize,
    /// Numeric values that were not finite, or too large.
    pub not_finite: usize,
}

/// In which forms a learner reads categories. Numeric features are always a matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureLayout {
    /// As hashed coordinates, of which there are 2 to this power.
    pub hash_bits: Option<u32>,
    /// As texts.
    pub has_texts: bool,
}

/// Reads features from rows.
#[derive(Clone, Debug)]
pub struct FeatureReader {
    numeric: Vec<FeatureColumn>,
    categories: Vec<FeatureColumn>,
    /// A hash a category, if they are hashed.
    hashes: Vec<CategoryHash>,
    layout: FeatureLayout,
}

impl FeatureReader {
    /// A reader of these columns.
    pub fn new(features: &[FeatureColumn], layout: FeatureLayout) -> Self {
        let of_kind = |kind| features.iter().filter(move |feature| feature.kind == kind).cloned().collect();
        let categories: Vec<FeatureColumn> = of_kind(FeatureKind::Categorical);
        let hashes = |bits| categories.iter().map(|feature| CategoryHash::new(&feature.name, bits)).collect();
        let hashes = layout.hash_bits.map(hashes).unwrap_or_default();
        Self { numeric: of_kind(FeatureKind::Numeric), categories, hashes, layout }
    }

    /// How many numeric features.
    pub fn numeric_width(&self) -> usize {
        self.numeric.len()
    }

    /// Whether categories are read as texts.
    pub(crate) fn has_texts(&self) -> bool {
        self.layout.has_texts
    }

    /// How many coordinates categories are hashed into; none if there are no categories.
    pub fn coordinates(&self) -> usize {
        self.layout.hash_bits.filter(|_| !self.categories.is_empty()).map_or(0, |bits| 1 << bits)
    }

    /// No rows yet, of this reader's widths.
    pub fn empty_rows(&self) -> FeatureRows {
        let texts = if self.layout.has_texts { self.categories.len() } else { 0 };
        FeatureRows::new(self.numeric.len(), self.hashes.len(), texts)
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
        let width = self.hashes.len();
        for (index, (feature, hash)) in self.categories.iter().zip(&self.hashes).enumerate() {
            hash.append(rows.column(feature.column), |row, coordinate| hashed[row * width + index] = coordinate)?;
        }
        if self.layout.has_texts {
            self.read_texts(rows, features)?;
        }
        Ok(missing)
    }

    fn read_texts(&self, rows: &RecordBatch, features: &mut FeatureRows) -> Result<()> {
        let column = |feature: &FeatureColumn| text_column(rows.column(feature.column));
        let columns = self.categories.iter().map(column).collect::<Result<Vec<_>>>()?;
        for row in 0..rows.num_rows() {
            for column in &columns {
                features.texts_mut().push(column.is_valid(row).then(|| column.value(row)));
            }
        }
        Ok(())
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
    use egret_core::StreamSchema;
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
        let reader = FeatureReader::new(&columns, FeatureLayout { hash_bits: Some(12), has_texts: true });
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
        let texts: Vec<_> = (0..5).map(|row| features.view().texts(row).get(0)).collect();
        assert_eq!(texts, [Some("NL"), None, Some("NL"), Some("DE"), Some("")]);
    }

    #[test]
    fn slices_of_a_batch_read_as_the_batch() {
        let rows = rows();
        let schema = StreamSchema::from_arrow(rows.schema(), None).expect("a schema");
        let columns: Vec<_> = (0..4).map(|column| FeatureColumn::of(&schema, column).expect("a feature")).collect();
        let reader = FeatureReader::new(&columns, FeatureLayout { hash_bits: Some(12), has_texts: true });
        let (mut whole, mut parts) = (reader.empty_rows(), reader.empty_rows());
        reader.read(&rows, &mut whole).expect("reads");
        for row in 0..5 {
            reader.read(&rows.slice(row, 1), &mut parts).expect("reads");
        }
        let of_row = |rows: &FeatureRows, row: usize| {
            let (numeric, hashed) = rows.view().row(row);
            let bits: Vec<u64> = numeric.iter().map(|value| value.to_bits()).collect();
            let text = rows.view().one(row).texts(0).get(0).map(str::to_owned);
            (bits, hashed.to_vec(), text)
        };
        (0..5).for_each(|row| assert_eq!(of_row(&whole, row), of_row(&parts, row)));
    }
}
