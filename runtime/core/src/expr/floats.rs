//! Vectorised comparisons of floats in their one order (see [`crate::floats`]).
//!
//! In that order NaN is above everything, so IEEE's comparisons are right for numbers, and one more test handles NaN. A column is
//! compared with a constant in one instruction a value, without copying it.

use super::node::{Inner, Pair};
use crate::expr::functions::scalar_function;
use crate::floats::{plain, plain_column, plain32};
use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, BooleanArray, PrimitiveArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::kernels::cmp::{distinct, not_distinct};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type, Schema};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion_expr::expr::{Case, ScalarFunction};
use datafusion_expr::{BinaryExpr as Binary, ColumnarValue, Expr, ExprSchemable, Operator as Op};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, InListExpr, Literal, NotExpr};
use std::fmt;
use std::sync::Arc;

/// Rewrites functions that compare floats inside, so that they use these comparisons: `CASE x WHEN 0.0`, `nullif(x, 0.0)`,
/// `greatest` and `least`.
pub(super) fn written_out(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let is_float = |expr: &Expr| expr.get_type(schema).is_ok_and(|of| of.is_floating());
    let rewritten = expr.transform_up(|node| {
        Ok(match node {
            Expr::Case(Case { expr: Some(base), when_then_expr, else_expr })
                if is_float(&base) || when_then_expr.iter().any(|(when, _)| is_float(when)) =>
            {
                let equal = |when: Expr| base.as_ref().clone().eq(when);
                let pairs = when_then_expr.into_iter().map(|(when, then)| (Box::new(equal(*when)), then)).collect();
                Transformed::yes(Expr::Case(Case::new(None, pairs, else_expr)))
            }
            Expr::ScalarFunction(ScalarFunction { func, args })
                if func.name() == "nullif" && args.len() == 2 && args.iter().any(is_float) =>
            {
                let same = args[0].clone().eq(args[1].clone());
                let pairs = vec![(Box::new(same), Box::new(Expr::Literal(ScalarValue::Null, None)))];
                Transformed::yes(Expr::Case(Case::new(None, pairs, Some(Box::new(args[0].clone())))))
            }
            Expr::ScalarFunction(ScalarFunction { func, args })
                if matches!(func.name(), "greatest" | "least") && args.iter().any(is_float) =>
            {
                let args = args.into_iter().map(|arg| unsigned_ends(arg, schema)).collect();
                Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(func, args)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(rewritten.data)
}

/// The float without the sign of NaN and of zero: `greatest` and `least` compare as Arrow does.
fn unsigned_ends(expr: Expr, schema: &DFSchema) -> Expr {
    let (nan, zero) = match expr.get_type(schema) {
        Ok(DataType::Float64) => (ScalarValue::Float64(Some(f64::NAN)), ScalarValue::Float64(Some(0.0))),
        Ok(DataType::Float32) => (ScalarValue::Float32(Some(f32::NAN)), ScalarValue::Float32(Some(0.0))),
        _ => return expr,
    };
    let expr = match scalar_function("nanvl") {
        Some(nanvl) => nanvl.call(vec![expr, Expr::Literal(nan, None)]),
        None => expr,
    };
    expr + Expr::Literal(zero, None)
}

/// Folds constant sides of comparisons and removes the sign of NaN: the simplifier compares as Arrow does.
pub(super) fn constants_plain(expr: Expr, schema: &DFSchema, fold: impl Fn(Expr) -> Result<Expr>) -> Result<Expr> {
    let is_float = |expr: &Expr| expr.get_type(schema).is_ok_and(|of| of.is_floating());
    let side = |side: Expr| -> Result<Expr> {
        if matches!(side, Expr::Column(_) | Expr::Literal(..)) || side.any_column_refs() || !is_float(&side) {
            return Ok(side);
        }
        Ok(match fold(side)? {
            Expr::Literal(ScalarValue::Float64(Some(value)), meta) => {
                Expr::Literal(ScalarValue::Float64(Some(plain(value))), meta)
            }
            Expr::Literal(ScalarValue::Float32(Some(value)), meta) => {
                Expr::Literal(ScalarValue::Float32(Some(plain32(value))), meta)
            }
            other => other,
        })
    };
    let rewritten = expr.transform_up(|node| match node {
        Expr::BinaryExpr(Binary { left, op, right }) if is_comparison(op) => {
            Ok(Transformed::yes(Expr::BinaryExpr(Binary::new(Box::new(side(*left)?), op, Box::new(side(*right)?)))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// The expression with all comparisons of floats replaced by the nodes of this module.
pub(super) fn compared_by_value(expr: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let rewritten = expr.transform_up(|node| {
        let float = |side: &Arc<dyn PhysicalExpr>| side.data_type(schema).is_ok_and(|of| of.is_floating());
        if let Some(binary) = node.downcast_ref::<BinaryExpr>()
            && is_comparison(*binary.op())
            && float(binary.left())
        {
            let compare = Compare(Pair::new(Arc::clone(binary.left()), *binary.op(), Arc::clone(binary.right())));
            return Ok(Transformed::yes(Arc::new(compare) as Arc<dyn PhysicalExpr>));
        }
        if let Some(list) = node.downcast_ref::<InListExpr>() {
            let is_float = float(list.expr());
            // DataFusion takes a CASE in a list for a constant, because of its value for a batch of no rows.
            if is_float || !list.list().iter().all(|value| value.downcast_ref::<Literal>().is_some()) {
                return Ok(Transformed::yes(one_of(list, is_float)));
            }
        }
        Ok(Transformed::no(node))
    })?;
    Ok(rewritten.data)
}

fn is_comparison(op: Op) -> bool {
    matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::IsDistinctFrom | Op::IsNotDistinctFrom)
}

/// `x IN (...)`: a look-up in a list of constants, else comparisons.
fn one_of(list: &InListExpr, is_float: bool) -> Arc<dyn PhysicalExpr> {
    let constant = |value: &Arc<dyn PhysicalExpr>| match value.downcast_ref::<Literal>()?.value() {
        ScalarValue::Float64(value) => Some(value.map(plain)),
        ScalarValue::Float32(value) => Some(value.map(|value| plain(f64::from(value)))),
        _ => None,
    };
    if let Some(constants) = list.list().iter().map(constant).collect::<Option<Vec<_>>>() {
        let mut bits: Vec<u64> = constants.iter().flatten().map(|value| value.to_bits()).collect();
        bits.sort_unstable();
        let has_null = constants.contains(&None);
        return Arc::new(OneOf { expr: Inner(Arc::clone(list.expr())), bits, has_null, negated: list.negated() });
    }
    let equal = |value: &Arc<dyn PhysicalExpr>| -> Arc<dyn PhysicalExpr> {
        let (left, right) = (Arc::clone(list.expr()), Arc::clone(value));
        if is_float { Arc::new(Compare(Pair::new(left, Op::Eq, right))) } else { Arc::new(BinaryExpr::new(left, Op::Eq, right)) }
    };
    let any = list.list().iter().map(equal).reduce(|one, other| Arc::new(BinaryExpr::new(one, Op::Or, other)));
    let any = any.unwrap_or_else(|| Arc::new(Literal::new(ScalarValue::Boolean(Some(false)))));
    if list.negated() { Arc::new(NotExpr::new(any)) } else { any }
}

/// `left op right` of one type of floats.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Compare(Pair);

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl PhysicalExpr for Compare {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        let never = matches!(self.0.op, Op::IsDistinctFrom | Op::IsNotDistinctFrom);
        Ok(!never && self.0.nullable(input)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let (left, right) = (self.0.left.evaluate(batch)?, self.0.right.evaluate(batch)?);
        match left.data_type() {
            DataType::Float64 => compare::<Float64Type>(&left, self.0.op, &right),
            DataType::Float32 => compare::<Float32Type>(&left, self.0.op, &right),
            other => internal_err!("{other} where floats were planned"),
        }
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

fn compare<T: ArrowPrimitiveType>(left: &ColumnarValue, op: Op, right: &ColumnarValue) -> Result<ColumnarValue>
where
    T::Native: PartialOrd + ArrowNativeTypeOp,
{
    let value = |scalar: &ScalarValue| -> Result<Option<T::Native>> {
        let one = scalar.to_array()?;
        match one.as_primitive_opt::<T>() {
            Some(one) => Ok(one.is_valid(0).then(|| one.value(0))),
            None => internal_err!("{} where {} was planned", one.data_type(), T::DATA_TYPE),
        }
    };
    if matches!(op, Op::IsDistinctFrom | Op::IsNotDistinctFrom) {
        let rows = [left, right].iter().find_map(|side| match side {
            ColumnarValue::Array(column) => Some(column.len()),
            ColumnarValue::Scalar(_) => None,
        });
        let side =
            |side: &ColumnarValue| Ok::<_, datafusion_common::DataFusionError>(plain_column(&side.to_array(rows.unwrap_or(1))?));
        let (left, right) = (side(left)?, side(right)?);
        let compared = if op == Op::IsDistinctFrom { distinct(&left, &right)? } else { not_distinct(&left, &right)? };
        return column_or_scalar(compared, rows.is_none());
    }
    Ok(match (left, right) {
        (ColumnarValue::Scalar(one), ColumnarValue::Scalar(other)) => {
            let held = match (value(one)?, value(other)?) {
                (Some(one), Some(other)) => Some(holds(op, one, other)),
                _ => None,
            };
            ColumnarValue::Scalar(ScalarValue::Boolean(held))
        }
        (ColumnarValue::Array(column), ColumnarValue::Scalar(constant)) => {
            ColumnarValue::Array(Arc::new(with_constant(column.as_primitive::<T>(), op, value(constant)?)))
        }
        (ColumnarValue::Scalar(constant), ColumnarValue::Array(column)) => {
            let mirrored = op.swap().unwrap_or(op);
            ColumnarValue::Array(Arc::new(with_constant(column.as_primitive::<T>(), mirrored, value(constant)?)))
        }
        (ColumnarValue::Array(one), ColumnarValue::Array(other)) => {
            let (one, other) = (one.as_primitive::<T>(), other.as_primitive::<T>());
            let (a, b) = (one.values(), other.values());
            let bits = each(op, one.len(), |row| (a[row], b[row]));
            ColumnarValue::Array(Arc::new(BooleanArray::new(bits, NullBuffer::union(one.nulls(), other.nulls()))))
        }
    })
}

fn column_or_scalar(compared: BooleanArray, is_scalar: bool) -> Result<ColumnarValue> {
    Ok(match is_scalar {
        true => ColumnarValue::Scalar(ScalarValue::Boolean(Some(compared.value(0)))),
        false => ColumnarValue::Array(Arc::new(compared)),
    })
}

fn with_constant<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, op: Op, constant: Option<T::Native>) -> BooleanArray
where
    T::Native: PartialOrd + ArrowNativeTypeOp,
{
    let Some(constant) = constant else { return BooleanArray::new_null(column.len()) };
    BooleanArray::new(beside(op, column.values(), constant), column.nulls().cloned())
}

/// Whether a comparison with a constant holds, for every value. For a constant that is a number this is one IEEE comparison. That
/// is false for NaN, so `>` and `>=`, which hold for NaN, are computed as the negation of the opposite.
#[inline]
#[allow(clippy::eq_op, clippy::neg_cmp_op_on_partial_ord)]
fn beside<V: PartialOrd + Copy>(op: Op, values: &[V], constant: V) -> BooleanBuffer {
    if constant != constant {
        return each(op, values.len(), |row| (values[row], constant));
    }
    match op {
        Op::Eq => packed(values, |value| value == constant),
        Op::NotEq => packed(values, |value| value != constant),
        Op::Lt => packed(values, |value| value < constant),
        Op::LtEq => packed(values, |value| value <= constant),
        Op::Gt => packed(values, |value| !(value <= constant)),
        _ => packed(values, |value| !(value < constant)),
    }
}

/// Packs one bit a value, 64 at a time.
#[inline]
fn packed<V: Copy>(values: &[V], holds: impl Fn(V) -> bool) -> BooleanBuffer {
    let word = |values: &[V]| values.iter().enumerate().fold(0, |word, (bit, &value)| word | u64::from(holds(value)) << bit);
    let whole = values.chunks_exact(64);
    let rest = whole.remainder();
    let mut words: Vec<u64> = Vec::with_capacity(values.len().div_ceil(64));
    words.extend(whole.map(word));
    if !rest.is_empty() {
        words.push(word(rest));
    }
    BooleanBuffer::new(words.into(), 0, values.len())
}

/// Whether a comparison holds, for every row.
#[inline]
fn each<V: PartialOrd + Copy>(op: Op, rows: usize, sides: impl Fn(usize) -> (V, V)) -> BooleanBuffer {
    macro_rules! collect {
        ($holds:expr) => {
            BooleanBuffer::collect_bool(rows, |row| {
                let (one, other) = sides(row);
                $holds(one, other)
            })
        };
    }
    match op {
        Op::Eq => collect!(is_equal),
        Op::NotEq => collect!(|one, other| !is_equal(one, other)),
        Op::Lt => collect!(is_below),
        Op::LtEq => collect!(|one, other| !is_below(other, one)),
        Op::Gt => collect!(|one, other| is_below(other, one)),
        _ => collect!(|one, other| !is_below(one, other)),
    }
}

fn holds<V: PartialOrd + Copy>(op: Op, one: V, other: V) -> bool {
    each(op, 1, |_| (one, other)).value(0)
}

#[inline(always)]
#[allow(clippy::eq_op)]
fn is_equal<V: PartialOrd + Copy>(one: V, other: V) -> bool {
    (one == other) | ((one != one) & (other != other))
}

/// Whether `one` is below `other`; NaN is below nothing.
#[inline(always)]
#[allow(clippy::eq_op, clippy::neg_cmp_op_on_partial_ord)]
fn is_below<V: PartialOrd + Copy>(one: V, other: V) -> bool {
    (one == one) & !(one >= other)
}

/// `expr IN (constants)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OneOf {
    expr: Inner,
    /// The bits of the constants, ascending.
    bits: Vec<u64>,
    has_null: bool,
    negated: bool,
}

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "NOT " } else { "" };
        write!(f, "{} {not}IN ({} floats)", self.expr, self.bits.len())
    }
}

impl PhysicalExpr for OneOf {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        Ok(self.has_null || self.expr.nullable(input)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let column = self.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        let found = |value: Option<f64>| {
            let is_there = self.bits.binary_search(&plain(value?).to_bits()).is_ok();
            (is_there || !self.has_null).then_some(is_there != self.negated)
        };
        let held: BooleanArray = match column.data_type() {
            DataType::Float64 => column.as_primitive::<Float64Type>().iter().map(found).collect(),
            DataType::Float32 => column.as_primitive::<Float32Type>().iter().map(|value| found(value.map(f64::from))).collect(),
            other => return internal_err!("{other} where floats were planned"),
        };
        Ok(ColumnarValue::Array(Arc::new(held) as ArrayRef))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.expr]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let (bits, has_null, negated) = (self.bits.clone(), self.has_null, self.negated);
        Ok(Arc::new(Self { expr: Inner(Arc::clone(&children[0])), bits, has_null, negated }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
