//! Values of a row pattern: navigation, aggregates, CLASSIFIER and MATCH_NUMBER, read from a match and the rows around it.
//!
//! An expression of `DEFINE` or `MEASURES` reads such a value as a column, so the surrounding expression is an ordinary one.
//! Conversely, the expression inside (`A.price + A.tax` in `FIRST(A.price + A.tax)`) reads only one row, and is computed as a
//! column when rows arrive. So a value is always a cell of a row, or a fold over cells.

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

/// How a value is computed.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A property of one row: of the row found, or of the one `offset` rows after it in the partition.
    Cell { from: From, is_final: bool, offset: i64, read: Read },
    /// A fold over the rows of a set.
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

/// Which property of a row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A stored column.
    Column(usize),
    /// The variable that matched it.
    Label,
    /// Whether the row exists.
    Exists,
}

/// A fold over rows.
#[derive(Clone, Debug)]
pub(crate) enum Fold {
    /// The number of rows.
    Rows,
    /// The number of values of a stored column that are not null.
    Count(usize),
    Sum(usize),
    Average(usize),
    Least(usize),
    Greatest(usize),
    /// Any other aggregate function, over a batch of stored columns and, last, the label.
    Other {
        function: Arc<AggregateFunctionExpr>,
        columns: Vec<usize>,
    },
}

impl Fold {
    /// The stored column of a fold that can be updated row by row (`Some(None)` if it needs no column); `None` if it cannot be.
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
    /// The column through which expressions read the value.
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
