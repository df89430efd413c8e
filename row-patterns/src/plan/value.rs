//! Values of a row pattern: what navigation, aggregates, CLASSIFIER and MATCH_NUMBER read of a match and its surroundings.
//!
//! An expression of `DEFINE` or `MEASURES` reads such a value as a column, so that what is around it is an ordinary expression.
//! The other way round, what stands inside (`A.price + A.tax` in `FIRST(A.price + A.tax)`) reads one row alone, and is computed
//! as a column when rows come; then a value is always a cell of a row, or a fold over cells.

use arrow::datatypes::{DataType, Field};
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use std::sync::Arc;

/// The name under which aggregates read the label of a row.
pub(crate) const LABEL: &str = "classifier()";

/// A variable or a union variable; `None` is all rows of the match.
pub(crate) type Set = Option<u16>;

/// A value.
#[derive(Clone, Debug)]
pub(crate) struct RowValue {
    /// Its text, which is the name of its column.
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Something about one row: the one found, `offset` rows further in the partition.
    Cell { from: From, is_final: bool, offset: i64, read: Read },
    /// Something about all rows of a variable.
    Aggregate { set: Set, is_final: bool, fold: Fold },
    /// The number of the match in its partition, from 1.
    MatchNumber,
}

/// Where navigation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// At the current row.
    Current,
    /// At the n-th row of a variable from the first.
    First { set: Set, n: u64 },
    /// At the n-th row of a variable from the last.
    Last { set: Set, n: u64 },
}

/// What is read of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A stored column.
    Column(usize),
    /// The variable it was matched to.
    Label,
    /// Whether there is a row at all.
    Exists,
}

/// A fold over rows.
#[derive(Clone, Debug)]
pub(crate) enum Fold {
    /// How many rows.
    Rows,
    /// How many values of a stored column that are not null.
    Count(usize),
    Sum(usize),
    Average(usize),
    Least(usize),
    Greatest(usize),
    /// Any aggregate function, over a batch of stored columns and, last, the label.
    Other {
        function: Arc<AggregateFunctionExpr>,
        columns: Vec<usize>,
    },
}

impl Fold {
    /// The column of a fold that can be kept up to date row by row; the first `None` if it cannot.
    pub(crate) fn column(&self) -> Option<Option<usize>> {
        match self {
            Self::Rows => Some(None),
            Self::Count(column) | Self::Sum(column) | Self::Average(column) | Self::Least(column) | Self::Greatest(column) => {
                Some(Some(*column))
            }
            Self::Other { .. } => None,
        }
    }
}

impl RowValue {
    /// The column as which expressions read it.
    pub(crate) fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), true)
    }
}

/// Adds a value unless there is one of the same name.
pub(crate) fn intern(values: &mut Vec<RowValue>, value: RowValue) {
    if !values.iter().any(|other| other.name == value.name) {
        values.push(value);
    }
}
