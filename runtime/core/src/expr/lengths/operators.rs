//! Operators between times, lengths and numbers.

use super::{Kind, LENGTH_TYPE, Lengths, Use, as_interval, mixed, months};
use crate::expr::functions::scalar_function;
use crate::{Error, Result};
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Expr, Operator as Op, binary_expr, cast};

impl Lengths<'_> {
    /// Plans an operation whose sides are planned already.
    pub(super) fn binary(&self, binary: BinaryExpr) -> Result<Expr> {
        let BinaryExpr { left, op, right } = binary;
        let (left, right) = (*left, *right);
        match op {
            Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::IsDistinctFrom | Op::IsNotDistinctFrom => {
                let [left, right] = self.same([left, right], Use::Compared)?;
                Ok(binary_expr(left, op, right))
            }
            Op::Plus | Op::Minus => self.sum(left, op, right),
            Op::Multiply => self.product(left, right),
            Op::Divide => self.quotient(left, right),
            Op::Modulo => {
                let (one, other) = (self.kind(&left), self.kind(&right));
                if is_length(one) || is_length(other) {
                    return Err(mixed("divided with a remainder", one, other));
                }
                Ok(binary_expr(left, op, right))
            }
            _ => Ok(binary_expr(left, op, right)),
        }
    }

    fn sum(&self, left: Expr, op: Op, right: Expr) -> Result<Expr> {
        let kinds = (self.kind(&left), self.kind(&right));
        let is_sum = op == Op::Plus;
        Ok(match kinds {
            // A null has no type of its own. Added to a time it takes the type of a length; subtracted, the type of the other
            // side.
            (one, Kind::Null) if is_sum && one.is_time() => self.sum(left, op, null_length()?)?,
            (Kind::Null, other) if is_sum && other.is_time() => self.sum(null_length()?, op, right)?,
            (one, Kind::Null) if one.is_time() || one == Kind::Length => {
                let null = self.null_like(&left)?;
                self.sum(left, op, null)?
            }
            (Kind::Null, other) if other.is_time() || other == Kind::Length => {
                let null = self.null_like(&right)?;
                self.sum(null, op, right)?
            }
            (Kind::Null, _) | (_, Kind::Null) => binary_expr(left, op, right),
            (one, other) if one.is_time() && other.is_time() => match kinds {
                (Kind::Date, Kind::Date) => binary_expr(left, op, right),
                (Kind::ZonedTime, _) | (_, Kind::ZonedTime) => binary_expr(self.as_moment(left), op, self.as_moment(right)),
                _ => binary_expr(self.as_time(left), op, self.as_time(right)),
            },
            (one, Kind::Length | Kind::Calendar) if one.is_time() => binary_expr(self.as_time(left), op, self.as_length(right)),
            (Kind::Length | Kind::Calendar, other) if is_sum && other.is_time() => self.as_time(right) + self.as_length(left),
            (Kind::Length, Kind::Length) => binary_expr(self.as_length(left), op, self.as_length(right)),
            (Kind::Calendar, Kind::Calendar) => binary_expr(left, op, right),
            (Kind::Calendar, Kind::Length) | (Kind::Length, Kind::Calendar) => {
                let side = |side: Expr| if self.kind(&side) == Kind::Calendar { Some(side) } else { as_interval(&side) };
                let (Some(left), Some(right)) = (side(left), side(right)) else {
                    return Err(months("be added to a difference of times"));
                };
                binary_expr(left, op, right)
            }
            (Kind::Date, Kind::Whole) => days_later(left, op, right),
            (Kind::Whole, Kind::Date) if is_sum => days_later(right, op, left),
            (one, other) if is_sum && (is_dated(one, other) || is_dated(other, one)) => return Err(mixed("added", one, other)),
            (one, other) if is_length(one) || is_length(other) || is_odd(one, other) => {
                return Err(mixed(if is_sum { "added" } else { "subtracted" }, one, other));
            }
            _ => binary_expr(left, op, right),
        })
    }

    /// A null of the type of an expression.
    fn null_like(&self, expr: &Expr) -> Result<Expr> {
        let data_type = self.data_type(expr).ok_or_else(|| Error::bug("a kind without a type"))?;
        Ok(Expr::Literal(ScalarValue::try_from(&data_type)?, None))
    }

    fn product(&self, left: Expr, right: Expr) -> Result<Expr> {
        let (one, other) = (self.kind(&left), self.kind(&right));
        Ok(match (one, other) {
            (Kind::Length, Kind::Whole) => as_length(as_units(self.as_length(left)) * cast(right, DataType::Int64)),
            (Kind::Whole, Kind::Length) => as_length(cast(left, DataType::Int64) * as_units(self.as_length(right))),
            (Kind::Length, Kind::Float) => rounded(as_float(self.as_length(left)) * cast(right, DataType::Float64))?,
            (Kind::Float, Kind::Length) => rounded(cast(left, DataType::Float64) * as_float(self.as_length(right)))?,
            (Kind::Length, Kind::Null) | (Kind::Null, Kind::Length) => null_length()?,
            (Kind::Calendar, _) | (_, Kind::Calendar) => return Err(months("be multiplied")),
            (one, other) if is_length(one) || is_length(other) => return Err(mixed("multiplied", one, other)),
            _ => left * right,
        })
    }

    fn quotient(&self, left: Expr, right: Expr) -> Result<Expr> {
        let (one, other) = (self.kind(&left), self.kind(&right));
        Ok(match (one, other) {
            (Kind::Length, Kind::Whole) => as_length(as_units(self.as_length(left)) / cast(right, DataType::Int64)),
            (Kind::Length, Kind::Float) => rounded(as_float(self.as_length(left)) / cast(right, DataType::Float64))?,
            (Kind::Length, Kind::Null) => null_length()?,
            (Kind::Calendar, _) => return Err(months("be divided")),
            (one, other) if is_length(one) || is_length(other) => return Err(mixed("divided", one, other)),
            _ => left / right,
        })
    }
}

/// A null of the type of a length.
fn null_length() -> Result<Expr> {
    Ok(Expr::Literal(ScalarValue::try_from(&LENGTH_TYPE)?, None))
}

fn is_length(kind: Kind) -> bool {
    matches!(kind, Kind::Length | Kind::Calendar)
}

/// A time and a number without a unit.
fn is_odd(one: Kind, other: Kind) -> bool {
    (one.is_time() && other.is_number()) || (one.is_number() && other.is_time())
}

/// A time and a text, which is no length.
fn is_dated(one: Kind, other: Kind) -> bool {
    one.is_time() && other == Kind::Text
}

/// A date plus or minus a number of days.
fn days_later(date: Expr, op: Op, days: Expr) -> Expr {
    let number = cast(cast(date, DataType::Int32), DataType::Int64);
    cast(cast(binary_expr(number, op, cast(days, DataType::Int64)), DataType::Int32), DataType::Date32)
}

/// The length as a number of units.
pub(super) fn as_units(length: Expr) -> Expr {
    cast(length, DataType::Int64)
}

pub(super) fn as_float(length: Expr) -> Expr {
    cast(as_units(length), DataType::Float64)
}

pub(super) fn as_length(units: Expr) -> Expr {
    cast(units, LENGTH_TYPE)
}

/// A number of units, rounded to the nearest length.
pub(super) fn rounded(units: Expr) -> Result<Expr> {
    let round = scalar_function("round").ok_or_else(|| Error::bug("there is no round()"))?;
    Ok(as_length(cast(round.call(vec![units]), DataType::Int64)))
}
