//! `CREATE MODEL`.

use nom::Parser;
use nom::combinator::cut;
use nom::sequence::preceded;
use sqlparser::tokenizer::Token as SqlToken;

use super::basics::{self, alias, comma_list, phrase};
use super::clauses::{Statement as Begun, clauses, put, required};
use super::expression::{expression, interval};
use super::graph::stream_name;
use super::options::{algorithm, options};
use super::problem::{Expected, Parsed, Problem};
use super::tokens::Tokens;
use crate::{CreateModel, Diagnostic, DurationLit, Label, SelectItem, Sql, Statement};

const CLAUSES: &[&str] = &["ON", "FEATURES", "LABEL", "DELAYED BY", "USING", "EVALUATE", "EVERY", "VERSION EVERY", "WITH"];

/// `CREATE MODEL name ON stream FEATURES ...`.
pub(crate) fn create_model(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let reports = input.file.reports();
    let (rest, name) = preceded(phrase("CREATE MODEL"), cut(basics::name("the model's name"))).parse(input)?;
    let (mut stream, mut features, mut label, mut delay, mut using) = (None, None, None, None, None);
    let (mut evaluate, mut every, mut step, mut with) = (None, None, None, None);
    let (rest, ()) = clauses(rest, CLAUSES, |clause, rest| match clause {
        "ON" => put(&mut stream, stream_name(rest)),
        "FEATURES" => put(&mut features, comma_list(select_item)(rest)),
        "LABEL" => put(&mut label, expression(rest)),
        "DELAYED BY" => put(&mut delay, interval(0)(rest)),
        "USING" => put(&mut using, algorithm("the name of an algorithm")(rest)),
        "EVALUATE" => put(&mut evaluate, comma_list(basics::name("a metric"))(rest)),
        "EVERY" => put(&mut every, count(rest)),
        "VERSION EVERY" => put(&mut step, interval(1)(rest)),
        _ => put(&mut with, options(rest.before().map_or(rest.here(), |token| token.span))(rest)),
    })?;
    let begun = Begun { what: "model", name: &name, reports };
    let stream = required(stream, rest, begun, "ON", "say which stream it learns from: `ON txn`");
    let features = required(features, rest, begun, "FEATURES", "say what it sees of a row: `FEATURES amount, country`");
    let label = label_of(label, delay, rest, begun);
    let using = required(using, rest, begun, "USING", "say what learns: `USING logistic_regression(learning_rate => 0.05)`");
    let evaluate = evaluate.unwrap_or_default();
    if let (Some((_, span)), true) = (&every, evaluate.is_empty() && !input.file.has_errors(reports)) {
        rest.report(
            Diagnostic::error("`EVERY` says how often to report metrics, but there are none")
                .label(*span, "without `EVALUATE`")
                .help("name them: `EVALUATE roc_auc EVERY 10000`"),
        );
    }
    let (Some(stream), Some(features), Some(label), Some(using)) = (stream, features, label, using) else {
        return Problem::Reported.fail();
    };
    let (every, options, span) = (every.map(|(rows, _)| rows), with.unwrap_or_default(), input.span());
    let model = CreateModel { name, stream, features, label, using, evaluate, every, step, options, span };
    Ok((rest, Statement::CreateModel(model)))
}

/// `LABEL value DELAYED BY interval`, or neither: `Some(None)`. One without the other is reported, and is `None`.
fn label_of(value: Option<Sql>, delay: Option<DurationLit>, rest: Tokens<'_>, begun: Begun<'_>) -> Option<Option<Label>> {
    if value.is_none() && delay.is_none() {
        return Some(None);
    }
    let value = required(value, rest, begun, "LABEL", "say what it learns to foretell: `LABEL fraud`");
    let known =
        "say how long after the row the label is known: `DELAYED BY INTERVAL '1' DAY`, or `'0' DAY` when it comes with the row";
    let delay = required(delay, rest, begun, "DELAYED BY", known);
    Some(Some(Label { value: value?, delay: delay? }))
}

/// `expr [AS name]`.
pub(crate) fn select_item(input: Tokens<'_>) -> Parsed<'_, SelectItem> {
    let (rest, expr) = expression(input)?;
    let (rest, alias) = alias(rest)?;
    let named = rest.first().and_then(|token| token.word()).filter(|_| alias.is_none() && rest.clause_here().is_none());
    if let Some(word) = named {
        let mut expected = vec![Expected::Keyword(",".into()), Expected::Keyword("AS".into())];
        expected.extend(rest.later_clauses().iter().map(|clause| Expected::Keyword((*clause).into())));
        return Problem::expected(rest, expected).help(format!("to name the column write `AS {word}`")).fail();
    }
    Ok((rest, SelectItem { expr, alias }))
}

/// A number of rows, at least one.
fn count(input: Tokens<'_>) -> Parsed<'_, (u64, crate::Span)> {
    let Some(token) = input.first() else { return Problem::thing(input, "a number of rows").fail() };
    match &token.sql.token {
        SqlToken::Number(digits, _) => match digits.parse::<u64>() {
            Ok(rows) if rows > 0 => Ok((input.skip(1), (rows, token.span))),
            _ => Problem::from(
                Diagnostic::error("this is no number of rows").label(token.span, "expected a whole number, at least 1"),
            )
            .fail(),
        },
        _ => Problem::thing(input, "a number of rows").help("metrics are reported by rows: `EVERY 10000`").fail(),
    }
}
