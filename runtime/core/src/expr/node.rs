//! Building blocks of our own expression nodes: child expressions that can be compared, hashed and printed.

use arrow::datatypes::Schema;
use datafusion_common::Result;
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A child expression. (Derived comparisons would try to move out of the shared expression.)
#[derive(Clone, Debug, Eq)]
pub(super) struct Inner(pub(super) Arc<dyn PhysicalExpr>);

impl PartialEq for Inner {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq(&other.0)
    }
}

impl Hash for Inner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Deref for Inner {
    type Target = Arc<dyn PhysicalExpr>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Two expressions and the operator between them: `left op right`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub(super) left: Inner,
    pub(super) op: Operator,
    pub(super) right: Inner,
}

impl Pair {
    pub(super) fn new(left: Arc<dyn PhysicalExpr>, op: Operator, right: Arc<dyn PhysicalExpr>) -> Self {
        Self { left: Inner(left), op, right: Inner(right) }
    }

    /// Whether either side may be null.
    pub(super) fn nullable(&self, input: &Schema) -> Result<bool> {
        Ok(self.left.nullable(input)? || self.right.nullable(input)?)
    }

    pub(super) fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.left, &self.right]
    }

    /// The same operator between other expressions, as many as there are children.
    pub(super) fn with(&self, children: &[Arc<dyn PhysicalExpr>]) -> Self {
        Self::new(Arc::clone(&children[0]), self.op, Arc::clone(&children[1]))
    }

    pub(super) fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.left.fmt_sql(f)?;
        write!(f, " {} ", self.op)?;
        self.right.fmt_sql(f)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.op, self.right)
    }
}
