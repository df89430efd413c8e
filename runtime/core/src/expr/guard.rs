//! AND and OR whose right side may fail. A failure counts only for rows that the left side does not decide, row by row, whatever
//! the batching: `n <> 0 AND 100 / n > 5` never divides by zero.

use super::node::Pair;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{and_kleene, filter_record_batch, or_kleene};
use arrow::datatypes::{DataType, Schema};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ColumnarValue, Operator};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NegativeExpr, NotExpr,
    TryCastExpr,
};
use std::fmt;
use std::sync::Arc;

/// `left AND right`, or `left OR right`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Guarded(Pair);

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.0)
    }
}

/// If the left side leaves at most one row in this many undecided, the right side is computed for these rows alone.
const FEW: usize = 5;

impl Guarded {
    pub(super) fn new(left: Arc<dyn PhysicalExpr>, op: Operator, right: Arc<dyn PhysicalExpr>) -> Self {
        Self(Pair::new(left, op, right))
    }

    /// The rows that the left side does not decide: where it is null, or true for AND, or false for OR.
    fn open(&self, left: &BooleanArray) -> BooleanArray {
        let deciding = if self.0.op == Operator::And { !left.values() } else { left.values().clone() };
        let decided = match left.nulls() {
            None => deciding,
            Some(nulls) => &deciding & nulls.inner(),
        };
        BooleanArray::new(!&decided, None)
    }

    /// The right side for the open rows; its values for other rows mean nothing.
    fn right_of(&self, batch: &RecordBatch, open: &BooleanArray) -> Result<ArrayRef> {
        let is_open = open.true_count();
        let is_few = is_open * FEW <= batch.num_rows();
        if !is_few || is_open == batch.num_rows() {
            let all = self.0.right.evaluate(batch);
            if is_open == batch.num_rows() || all.is_ok() {
                return all?.into_array(batch.num_rows());
            }
        }
        let some = filter_record_batch(batch, open)?;
        let right = self.0.right.evaluate(&some)?.into_array(is_open)?;
        let mut next = 0;
        let place = |is_open: bool| {
            next += u64::from(is_open);
            Some(u64::saturating_sub(next, 1)).filter(|_| is_open)
        };
        let places: arrow::array::UInt64Array = open.values().iter().map(place).collect();
        Ok(arrow::compute::take(&right, &places, None)?)
    }
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.0.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let left = self.0.left.evaluate(batch)?;
        if let ColumnarValue::Scalar(ScalarValue::Boolean(Some(value))) = &left {
            return if *value == (self.0.op == Operator::And) { self.0.right.evaluate(batch) } else { Ok(left) };
        }
        let left = left.into_array(batch.num_rows())?;
        let Some(left) = left.as_boolean_opt() else {
            return datafusion_common::internal_err!("{} of a value of type {}", self.0.op, left.data_type());
        };
        let open = self.open(left);
        if open.true_count() == 0 {
            return Ok(ColumnarValue::Array(Arc::new(left.clone())));
        }
        let right = match self.right_of(batch, &open)? {
            null if null.data_type() == &DataType::Null => new_null_array(&DataType::Boolean, batch.num_rows()),
            right => right,
        };
        let right = right.as_boolean();
        let all = if self.0.op == Operator::And { and_kleene(left, right)? } else { or_kleene(left, right)? };
        Ok(ColumnarValue::Array(Arc::new(all)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.0.children()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self(self.0.with(&children))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}

/// Whether an expression may fail for some row. A node of an unknown kind may.
pub(super) fn can_fail(node: &Arc<dyn PhysicalExpr>, input: &Schema) -> bool {
    node_can_fail(node, input) || node.children().into_iter().any(|child| can_fail(child, input))
}

fn node_can_fail(node: &Arc<dyn PhysicalExpr>, input: &Schema) -> bool {
    let of = |child: &Arc<dyn PhysicalExpr>| child.data_type(input).ok();
    let any = node.as_ref();
    if let Some(binary) = any.downcast_ref::<BinaryExpr>() {
        let computes = binary.op().is_numerical_operators() || *binary.op() == Operator::Modulo;
        return computes && of(binary.left()).is_none_or(|of| !of.is_floating());
    }
    if let Some(cast) = any.downcast_ref::<CastExpr>() {
        return of(cast.expr()).is_none_or(|from| narrows(&from, cast.cast_type()));
    }
    if let Some(negative) = any.downcast_ref::<NegativeExpr>() {
        return of(negative.arg()).is_none_or(|of| !of.is_floating());
    }
    let is_safe = any.is::<Column>()
        || any.is::<Literal>()
        || any.is::<NotExpr>()
        || any.is::<IsNullExpr>()
        || any.is::<IsNotNullExpr>()
        || any.is::<InListExpr>()
        || any.is::<LikeExpr>()
        || any.is::<CaseExpr>()
        || any.is::<TryCastExpr>()
        || any.is::<Guarded>();
    !is_safe
}

/// Whether a cast may fail.
pub(super) fn narrows(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    let is_text = |of: &DataType| matches!(of, Utf8 | LargeUtf8 | Utf8View);
    let bits = |of: &DataType| of.primitive_width().map(|bytes| bytes * 8 - usize::from(of.is_signed_integer()));
    match (from, to) {
        (from, to) if from == to => false,
        (Null, _) => false,
        (from, to) if is_text(to) => from.is_nested(),
        (from, to) if from.is_integer() && to.is_integer() => {
            (from.is_signed_integer() && to.is_unsigned_integer()) || bits(from) > bits(to)
        }
        (from, to) if from.is_integer() || *from == Boolean => !(to.is_floating() || (*from == Boolean && to.is_integer())),
        (from, to) if from.is_floating() => !to.is_floating() && *to != Boolean,
        _ => true,
    }
}
