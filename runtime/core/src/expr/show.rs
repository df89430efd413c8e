//! Values, rows and expressions as text, for messages and dead letters.

use super::checked::sql_type;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions, array_value_to_string};
use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Cast, Expr, TryCast};

/// How many characters of a text are shown.
const TEXT_MAX: usize = 120;

/// A value as it is written in an expression: `'n/a'`, `3`, `NULL`.
pub fn literal(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".into();
    }
    let text = plain(column, row);
    match column.data_type() {
        of if of.is_numeric() || *of == DataType::Boolean => text,
        _ => {
            let mut shown: String = text.chars().take(TEXT_MAX).collect();
            if shown.len() < text.len() {
                shown.push_str("...");
            }
            format!("'{}'", shown.replace('\'', "''"))
        }
    }
}

/// A value as Arrow prints it; a time or date beyond Arrow's range of years is printed as a number.
pub fn plain(column: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(column, &options).and_then(|formatter| formatter.value(row).try_to_string());
    text.unwrap_or_else(|_| {
        let number = if column.data_type().primitive_width() == Some(4) { DataType::Int32 } else { DataType::Int64 };
        let number = cast(&column.slice(row, 1), &number).and_then(|number| array_value_to_string(&number, 0));
        number.unwrap_or_else(|_| "?".into())
    })
}

/// A row as a JSON object. Columns that no user named are left out.
pub fn json(rows: &RecordBatch, row: usize) -> String {
    let mut out = String::from("{");
    for (field, column) in
        rows.schema_ref().fields().iter().zip(rows.columns()).filter(|(field, _)| !field.name().starts_with("__"))
    {
        if out.len() > 1 {
            out.push(',');
        }
        escape(field.name(), &mut out);
        out.push(':');
        value(column, row, &mut out);
    }
    out.push('}');
    out
}

fn value(column: &ArrayRef, row: usize, out: &mut String) {
    let is_finite = match column.data_type() {
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).is_finite(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).is_finite(),
        of => of.is_integer() || *of == DataType::Boolean,
    };
    if column.is_null(row) {
        out.push_str("null");
    } else if is_finite {
        out.push_str(&plain(column, row));
    } else {
        escape(&plain(column, row), out);
    }
}

fn escape(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if (control as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// A logical expression in the language's syntax, as far as it has one.
pub fn sql(expr: &Expr) -> String {
    let list = |all: &[Expr]| all.iter().map(sql).collect::<Vec<_>>().join(", ");
    match expr {
        Expr::Alias(alias) => sql(&alias.expr),
        Expr::Column(column) => column.name.clone(),
        Expr::Literal(value, _) => constant(value),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let side = |side: &Expr, binds_more: bool| match side {
                Expr::BinaryExpr(inner) if inner.op.precedence() < op.precedence() + u8::from(binds_more) => {
                    format!("({})", sql(side))
                }
                other => sql(other),
            };
            format!("{} {op} {}", side(left, false), side(right, true))
        }
        Expr::Negative(inner) => format!("-{}", nested(inner)),
        Expr::Not(inner) => format!("NOT {}", nested(inner)),
        Expr::IsNull(inner) => format!("{} IS NULL", nested(inner)),
        Expr::IsNotNull(inner) => format!("{} IS NOT NULL", nested(inner)),
        Expr::Cast(Cast { expr, field }) => format!("CAST({} AS {})", sql(expr), sql_type(field.data_type())),
        Expr::TryCast(TryCast { expr, field, .. }) => format!("TRY_CAST({} AS {})", sql(expr), sql_type(field.data_type())),
        Expr::InList(of) => {
            let not = if of.negated { "NOT " } else { "" };
            format!("{} {not}IN ({})", nested(&of.expr), list(&of.list))
        }
        Expr::Between(of) => {
            let not = if of.negated { "NOT " } else { "" };
            format!("{} {not}BETWEEN {} AND {}", nested(&of.expr), nested(&of.low), nested(&of.high))
        }
        Expr::ScalarFunction(call) => format!("{}({})", call.func.name(), list(&call.args)),
        Expr::AggregateFunction(call) => {
            let distinct = if call.params.distinct { "DISTINCT " } else { "" };
            let filter = call.params.filter.as_ref().map(|filter| format!(" FILTER (WHERE {})", sql(filter))).unwrap_or_default();
            format!("{}({distinct}{}){filter}", call.func.name(), list(&call.params.args))
        }
        other => other.human_display().to_string(),
    }
}

fn nested(expr: &Expr) -> String {
    if matches!(expr, Expr::BinaryExpr(_)) { format!("({})", sql(expr)) } else { sql(expr) }
}

fn constant(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        other => other.to_string(),
    }
}

/// The name of a column in messages. A stand-in column ([`stand_in`]) is shown as the text that it stands for.
pub fn column_name(name: &str) -> &str {
    name.strip_prefix(STAND_IN).and_then(|rest| rest.split_once(' ')).map_or(name, |(_, text)| text)
}

/// The prefix of the names of stand-in columns.
const STAND_IN: &str = "__stands_for_";

/// The name of a column that stands for a part of the query, such as an aggregate call: number `number` in its query, with its
/// text.
pub fn stand_in(number: usize, written: &str) -> String {
    format!("{STAND_IN}{number} {written}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{StreamSchema, expr};
    use arrow::array::{ArrayRef, Date32Array, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field};
    use std::sync::Arc;

    #[test]
    fn times_that_have_no_text_are_shown_as_numbers() {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX, 0]));
        let dates: ArrayRef = Arc::new(Date32Array::from(vec![i32::MAX, 0]));
        let shown = [(&times, 0), (&times, 1), (&dates, 0), (&dates, 1)].map(|(column, row)| super::literal(column, row));
        assert_eq!(shown, ["'9223372036854775807'", "'1970-01-01T00:00:00'", "'2147483647'", "'1970-01-01'"]);
    }

    #[test]
    fn expressions_are_shown_as_they_are_written() {
        let fields = vec![Field::new("n", DataType::Int64, true), Field::new("w", DataType::Utf8, true)];
        let schema = StreamSchema::new(fields, None).unwrap();
        for text in [
            "n + 1 > 2 * (n - 3) AND w = 'it''s'",
            "CAST(w AS INT) % 7 = 0",
            "n - (n - 1) > 0",
            "-n < abs(n) OR w IS NULL",
            "TRY_CAST(w AS DOUBLE) > 1.5",
        ] {
            let shown = super::sql(expr::compile(text, &schema).unwrap().logical());
            assert_eq!(super::sql(expr::compile(&shown, &schema).unwrap().logical()), shown, "{text}");
            if !text.contains('%') {
                assert_eq!(shown.replace("BIGINT", "INT"), text);
            }
        }
    }
}
