//! Durations: from `INTERVAL '1.5' HOUR` to microseconds.
//!
//! A duration is exact. Months and years have no fixed length, and fractions of a microsecond are finer than event time: both are
//! refused rather than rounded.

use egret_words::{NoAmount, UNITS, micros_of};
use sqlparser::ast::{DateTimeField, Expr, Interval, Value};

use crate::{Diagnostic, DurationLit, Span, suggest};

/// The duration `5 minute` or `1 hour 30 minute`: numbers and units in turn.
pub(crate) fn of_words(text: &str, span: Span) -> Result<DurationLit, Diagnostic> {
    exact(sum(text), span)
}

/// The duration that an `INTERVAL` stands for; `span` is the place of the expression.
pub(crate) fn duration(expr: &Expr, span: Span) -> Result<DurationLit, Diagnostic> {
    let interval = match expr {
        Expr::Interval(interval) => interval,
        Expr::Nested(inner) => return duration(inner, span),
        _ => {
            return Err(Diagnostic::error("expected a length of time")
                .label(span, "this is none")
                .help("write it as in `INTERVAL '10' MINUTE`"));
        }
    };
    exact(microseconds(interval), span)
}

fn exact(microseconds: Result<i128, Refusal>, span: Span) -> Result<DurationLit, Diagnostic> {
    match microseconds.and_then(in_reach) {
        Ok(us) => Ok(DurationLit { us, span }),
        Err(Refusal { why, help }) => {
            Err(Diagnostic::error("this is not a length of time that Egret can use").label(span, why).help(help))
        }
    }
}

struct Refusal {
    why: String,
    help: String,
}

impl Refusal {
    fn new(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { why: why.into(), help: help.into() }
    }

    fn too_long() -> Self {
        Self::new("longer than event time reaches", "use a shorter length")
    }
}

fn in_reach(microseconds: i128) -> Result<u64, Refusal> {
    let us = i64::try_from(microseconds).map_err(|_| Refusal::too_long())?;
    u64::try_from(us).map_err(|_| Refusal::new("negative", "a length of time cannot be less than nothing"))
}

fn microseconds(interval: &Interval) -> Result<i128, Refusal> {
    let Expr::Value(value) = interval.value.as_ref() else {
        return Err(Refusal::new("not written out", "write the number in quotes, as in `INTERVAL '10' MINUTE`"));
    };
    let text = match &value.value {
        Value::SingleQuotedString(text) | Value::Number(text, _) => text.trim(),
        _ => return Err(Refusal::new("not a number", "write the number in quotes, as in `INTERVAL '10' MINUTE`")),
    };
    if interval.last_field.is_some() {
        return Err(Refusal::new(
            "has two units",
            "write it with one, as in `INTERVAL '90' SECOND`, or `INTERVAL '1 minute 30 seconds'`",
        ));
    }
    match &interval.leading_field {
        Some(field) => amount(text, unit(&field_name(field))?),
        None => sum(text),
    }
}

fn field_name(field: &DateTimeField) -> String {
    field.to_string().to_lowercase()
}

fn unit(name: &str) -> Result<i128, Refusal> {
    if let Some(length) = egret_words::unit(name) {
        return Ok(length);
    }
    let singular = name.strip_suffix('s').unwrap_or(name);
    Err(match singular {
        "month" | "year" | "quarter" | "decade" | "century" => {
            Refusal::new(format!("a {singular} has no fixed length"), "write it in days, as in `INTERVAL '30' DAY`")
        }
        _ => {
            let help = match suggest(singular, UNITS.iter().map(|(unit, _)| unit)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the units are microsecond, millisecond, second, minute, hour, day and week".to_owned(),
            };
            Refusal::new(format!("`{name}` is no unit of time"), help)
        }
    })
}

/// `1 day 2.5 hours`: numbers and units in turn.
fn sum(text: &str) -> Result<i128, Refusal> {
    let mut words = text.split_whitespace();
    let mut total = 0i128;
    let mut any = false;
    while let Some(number) = words.next() {
        let Some(name) = words.next() else {
            return Err(Refusal::new("a number without a unit", "say of what, as in `INTERVAL '10' MINUTE`"));
        };
        total = total.checked_add(amount(number, unit(&name.to_lowercase())?)?).ok_or_else(Refusal::too_long)?;
        any = true;
    }
    match any {
        true => Ok(total),
        false => Err(Refusal::new("empty", "write a number and a unit, as in `INTERVAL '10' MINUTE`")),
    }
}

/// A decimal number of units, exact.
fn amount(text: &str, unit: i128) -> Result<i128, Refusal> {
    micros_of(text, unit).map_err(|wrong| match wrong {
        NoAmount::NoNumber => Refusal::new(format!("`{}` is not a number", short(text)), "write it as in `INTERVAL '10' MINUTE`"),
        NoAmount::TooLong => Refusal::too_long(),
        NoAmount::TooManyDigits => Refusal::new("not a whole number of microseconds", "use fewer digits after the point"),
        NoAmount::TooFine => {
            Refusal::new("not a whole number of microseconds", "event time has microseconds: use a multiple of one")
        }
    })
}

fn short(text: &str) -> String {
    match text.char_indices().nth(30) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
