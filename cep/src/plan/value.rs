//! Values of what a match has taken: `first(x.col)`, `count(x)`, `avg(x.amount)`.
//!
//! A condition or a measure that names such a value reads it as a column; the column's name is the text it was written as.

use arrow::datatypes::{DataType, Field};
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use egret_core::Result;
use egret_core::expr::Expression;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The name by which a measure asks why: `why()`, or this column.
pub const WHY_COLUMN: &str = "_why";

/// The call by which a measure asks why.
pub(crate) const WHY_CALL: &str = "why()";

/// A value of a match, whole or partial.
#[derive(Clone, Debug)]
pub(crate) struct RunValue {
    /// Its text, which is the name of its column.
    pub(crate) name: String,
    /// The variable whose events it is about; `None` is all.
    pub(crate) variable: Option<u16>,
    pub(crate) function: Function,
    /// The column it reads: of the input when it is planned, of the rows that the matcher keeps when it is used.
    pub(crate) column: Option<usize>,
    pub(crate) data_type: DataType,
}

/// What is made of the events.
#[derive(Clone, Debug)]
pub(crate) enum Function {
    /// The value of any event, where all have the same: a partition column.
    Any,
    /// The value of the n-th event from the first.
    First(usize),
    /// The value of the n-th event from the last.
    Last(usize),
    Count,
    Sum,
    Average,
    Least,
    Greatest,
    /// What was taken and why, as JSON: of a whole match, in its measures alone.
    Why,
    /// The place of the match among rows of one time: that of its last event, and what else it was made of.
    Place,
    /// Any aggregate function, over a batch of the one column.
    Other(Arc<AggregateFunctionExpr>),
}

impl RunValue {
    /// The column as which conditions and measures read it.
    pub(crate) fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), true)
    }

    /// Whether there may be matches for which its type does not hold it.
    pub(crate) fn can_fail(&self) -> bool {
        match &self.function {
            Function::Sum => !self.data_type.is_floating(),
            Function::Other(_) => true,
            _ => false,
        }
    }

    /// Whether it can be kept up to date event by event.
    pub(crate) fn is_folded(&self) -> bool {
        matches!(self.function, Function::Count | Function::Sum | Function::Average | Function::Least | Function::Greatest)
    }

    /// Whether a value of nothing is zero rather than null.
    pub(crate) fn is_zero_of_nothing(&self) -> bool {
        match &self.function {
            Function::Count | Function::Sum => true,
            Function::Other(function) => matches!(function.fun().name(), "sum" | "count"),
            _ => false,
        }
    }
}

/// The values among the columns of an expression that was compiled over `columns` columns of rows and then all values.
pub(crate) fn values_read(expression: &Expression, columns: usize) -> BTreeSet<usize> {
    expression.columns().iter().filter(|&&column| column >= columns).map(|column| column - columns).collect()
}

/// Adds a value, or finds the one of the same name.
pub(crate) fn intern(values: &mut Vec<RunValue>, value: RunValue) -> Result<usize> {
    let found = values.iter().position(|other| other.name == value.name).unwrap_or(values.len());
    if found == values.len() {
        values.push(value);
    }
    Ok(found)
}
