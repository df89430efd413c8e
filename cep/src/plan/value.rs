//! Values computed from the events that a match has taken: `first(x.col)`, `count(x)`, `avg(x.amount)`.
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
    /// The variable from whose events it is computed; `None` means all events.
    pub(crate) variable: Option<u16>,
    pub(crate) function: Function,
    /// The column it reads: of the input while planning, of the matcher's stored rows once the plan is complete.
    pub(crate) column: Option<usize>,
    pub(crate) data_type: DataType,
}

/// How a value is computed from events.
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
    /// The events taken and the reasons, as JSON; only in the measures of a whole match.
    Why,
    /// The match's place among rows of the same time: the place of its last event, and a hash of all that it took.
    Place,
    /// Any other aggregate function, over a batch of one column.
    Other(Arc<AggregateFunctionExpr>),
}

impl RunValue {
    /// The column through which conditions and measures read the value.
    pub(crate) fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), true)
    }

    /// Whether the value may not fit its type, or may fail to be computed, for some match.
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

    /// Whether the value over no events is zero rather than null.
    pub(crate) fn is_zero_of_nothing(&self) -> bool {
        match &self.function {
            Function::Count | Function::Sum => true,
            Function::Other(function) => matches!(function.fun().name(), "sum" | "count"),
            _ => false,
        }
    }
}

/// The values that an expression reads; it was compiled over `columns` columns of rows followed by all values.
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
