//! Float arithmetic over values of the match, value by value: what a comparison with a match usually comes to, without making
//! columns of one row for it.
//!
//! The results are those of Arrow's kernels: IEEE arithmetic, null if any operand is.

use arrow::datatypes::{DataType, Schema};
use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Cast, Expr, Operator as Op};
use egret_core::scalar::Scalar;

/// An expression of type `Float64`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arithmetic {
    Constant(f64),
    /// A value by its place among those the expression reads; integers are converted.
    Value(usize),
    Negative(Box<Arithmetic>),
    Binary(Box<Arithmetic>, Op, Box<Arithmetic>),
}

impl Arithmetic {
    /// The expression over columns that stand for values, if it is nothing but float arithmetic.
    pub(crate) fn of(expression: &Expr, columns: &Schema) -> Option<Self> {
        let column = |expression: &Expr, wanted: &DataType| match expression {
            Expr::Column(column) => {
                let index = columns.index_of(&column.name).ok()?;
                (columns.field(index).data_type() == wanted).then_some(Self::Value(index))
            }
            _ => None,
        };
        match expression {
            Expr::Literal(ScalarValue::Float64(Some(value)), _) => Some(Self::Constant(*value)),
            Expr::Column(_) => column(expression, &DataType::Float64),
            Expr::Cast(Cast { expr, field }) if *field.data_type() == DataType::Float64 => column(expr, &DataType::Int64),
            Expr::Negative(inner) => Some(Self::Negative(Box::new(Self::of(inner, columns)?))),
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if matches!(op, Op::Plus | Op::Minus | Op::Multiply | Op::Divide) =>
            {
                Some(Self::Binary(Box::new(Self::of(left, columns)?), *op, Box::new(Self::of(right, columns)?)))
            }
            _ => None,
        }
    }

    /// Its value, given those it reads; `None` is null.
    pub(crate) fn evaluate(&self, values: &[Scalar]) -> Option<f64> {
        Some(match self {
            Self::Constant(value) => *value,
            Self::Value(index) => match values.get(*index)? {
                Scalar::Float(value) => *value,
                Scalar::Int(value) => *value as f64,
                _ => return None,
            },
            Self::Negative(inner) => -inner.evaluate(values)?,
            Self::Binary(left, op, right) => {
                let (left, right) = (left.evaluate(values)?, right.evaluate(values)?);
                match op {
                    Op::Plus => left + right,
                    Op::Minus => left - right,
                    Op::Multiply => left * right,
                    _ => left / right,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{AsArray, Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::{Field, Float64Type};
    use egret_core::expr::parse_expression;
    use egret_core::expr::{Planner, Scope};
    use std::sync::Arc;

    /// Compares with the kernels, for every pair of values; `Err` if it is no such arithmetic.
    fn check(text: &str) -> Result<(), String> {
        let floats = [None, Some(0.0), Some(-0.0), Some(1.5), Some(-7.25), Some(1e308), Some(f64::NAN), Some(f64::INFINITY)];
        let ints = [None, Some(0), Some(3), Some(i64::MAX), Some(-1)];
        let fields = vec![Field::new("x", DataType::Float64, true), Field::new("n", DataType::Int64, true)];
        let schema = Arc::new(Schema::new(fields));
        let expression = Planner::new().compile(&parse_expression(text).unwrap(), &Scope::of_arrow(&schema).unwrap()).unwrap();
        let arithmetic = Arithmetic::of(expression.logical(), &schema).ok_or(expression.to_string())?;
        for (x, n) in floats.iter().flat_map(|x| ints.iter().map(move |n| (*x, *n))) {
            let columns: Vec<arrow::array::ArrayRef> =
                vec![Arc::new(Float64Array::from(vec![x])), Arc::new(Int64Array::from(vec![n]))];
            let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
            let expected = expression.evaluate(&rows).unwrap();
            let expected = expected.as_primitive::<Float64Type>().iter().next().unwrap();
            let values = [x.map_or(Scalar::Null, Scalar::Float), n.map_or(Scalar::Null, Scalar::Int)];
            let bits = |value: Option<f64>| value.map(|value| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() });
            assert_eq!(bits(arithmetic.evaluate(&values)), bits(expected), "{text} of {x:?} and {n:?}");
        }
        Ok(())
    }

    #[test]
    fn agrees_with_the_kernels() {
        for text in ["x", "150 * x", "-x + 1.5", "(x - n) / x", "n / 2.0 - x", "x / 0.0", "2 * (x + n * x)"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn leaves_the_rest_to_them() {
        for text in ["abs(x)", "n", "n + 1", "x > 1", "CASE WHEN x > 1 THEN x ELSE 2.0 END"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
