//! The columns that a model reads, and what each means.

use arrow::datatypes::DataType;
use egret_core::{Error, Result, StreamSchema};

/// What a column means to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureKind {
    /// A quantity: order and distance mean something.
    Numeric,
    /// A category, also called nominal: a value is equal to another or not.
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
    /// A column. Its type decides its kind: numbers are numeric, strings and booleans are categories.
    ///
    /// # Errors
    /// The type is neither.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_refused_with_a_remedy() {
        let error = FeatureColumn::new("at", 0, &egret_core::TIME_TYPE).expect_err("no feature").to_string();
        assert!(error.contains("extract(hour FROM at)"), "{error}");
    }
}
