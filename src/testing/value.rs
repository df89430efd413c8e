//! Values in tests: constants, converted to the type of a column.

use crate::planner::names::from_error;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Schema, TimeUnit, TimestampMicrosecondType};
use egret_core::expr::{Planner, Scope};
use egret_core::{EventTime, Result};
use egret_dsl::{Diagnostic, Sql, TestValue};
use std::sync::Arc;

/// The times that a value can be relative to, in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The time of the first row of the test.
    pub(super) start: i64,
    /// The time of the previous row; in an expectation, of the last row.
    pub(super) last: i64,
}

impl Clock {
    /// 2024-01-01 00:00:00 UTC: the start of a test that gives no time.
    pub(super) const BEGINNING: Self = Self { start: 1_704_067_200_000_000, last: 1_704_067_200_000_000 };
}

/// The value as an array of one element of type `wanted`.
pub(super) fn value(value: &TestValue, wanted: &DataType, clock: Clock) -> Result<ArrayRef, Diagnostic> {
    let sql = match value {
        TestValue::Sql(sql) => sql,
        TestValue::After { us, span } | TestValue::FromStart { us, span } => {
            let from = if matches!(value, TestValue::After { .. }) { clock.last } else { clock.start };
            let DataType::Timestamp(TimeUnit::Microsecond, None) = wanted else {
                return Err(Diagnostic::error("a time cannot be a value of this column")
                    .label(*span, format!("the column is of type {wanted}")));
            };
            let time = from.saturating_add(i64::try_from(*us).unwrap_or(i64::MAX));
            return Ok(Arc::new(TimestampMicrosecondArray::from(vec![time])));
        }
    };
    if let Some((_, span)) = sql.identifiers().first() {
        return Err(Diagnostic::error("a value of a test is a constant")
            .label(*span, "this is a column")
            .help("put a text in single quotes, or write a value"));
    }
    if let Some(unknown) = crate::planner::names::unknown_functions(sql, |_| false).into_iter().next() {
        return Err(unknown);
    }
    let constant = constant(sql).map_err(|error| from_error(&error, sql.span))?;
    fit(&constant, wanted, sql)
}

/// The time that a value stands for.
pub(super) fn time(what: &TestValue, clock: Clock) -> Result<EventTime, Diagnostic> {
    let column = value(what, &egret_core::TIME_TYPE, clock)?;
    match column.is_null(0) {
        true => Err(Diagnostic::error("this is no time").label(what.span(), "null")),
        false => Ok(EventTime(column.as_primitive::<TimestampMicrosecondType>().value(0))),
    }
}

fn constant(sql: &Sql) -> Result<ArrayRef> {
    let schema = Arc::new(Schema::empty());
    let one =
        RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &RecordBatchOptions::new().with_row_count(Some(1)))?;
    Planner::new().compile(&sql.tree, &Scope::of_arrow(&schema)?)?.evaluate(&one)
}

/// The kinds of values that have the same syntax.
#[derive(PartialEq)]
enum Kind {
    Number,
    Text,
    Truth,
    Time,
    Other,
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        data_type if data_type.is_numeric() => Kind::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        DataType::Boolean => Kind::Truth,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Kind::Time,
        _ => Kind::Other,
    }
}

/// Casts a constant to the type of a column; fails if information is lost.
fn fit(constant: &ArrayRef, wanted: &DataType, sql: &Sql) -> Result<ArrayRef, Diagnostic> {
    let given = constant.data_type();
    if constant.is_null(0) || *given == DataType::Null {
        return Ok(new_null_array(wanted, 1));
    }
    let misfit = |why: String| Err(Diagnostic::error("this value does not fit its column").label(sql.span, why));
    let (from, to) = (kind(given), kind(wanted));
    if from != to && !(from == Kind::Text && to == Kind::Time) {
        return misfit(format!("the column is of type {wanted}, the value of type {given}"));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let column = match cast_with_options(constant, wanted, &options) {
        Ok(column) => column,
        Err(error) => return misfit(format!("not a value of type {wanted}: {error}")),
    };
    if to == Kind::Number && wanted.is_integer() && as_double(&column) != as_double(constant) {
        return misfit(format!("the column is of type {wanted}, and takes whole numbers"));
    }
    Ok(column)
}

/// A number as a float, for comparisons.
pub(super) fn as_double(column: &dyn Array) -> Option<f64> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let column = cast_with_options(column, &DataType::Float64, &options).ok()?;
    column.is_valid(0).then(|| column.as_primitive::<Float64Type>().value(0))
}

/// Whether two values of one type are equal; floats may differ in the tenth digit.
pub(super) fn same(one: &ArrayRef, other: &ArrayRef) -> bool {
    if one.data_type().is_floating() && one.is_valid(0) && other.is_valid(0) {
        let (Some(one), Some(other)) = (as_double(one), as_double(other)) else { return false };
        return one == other || (one.is_nan() && other.is_nan()) || (one - other).abs() <= 1e-9 * one.abs().max(other.abs());
    }
    one.as_ref() == other.as_ref()
}
