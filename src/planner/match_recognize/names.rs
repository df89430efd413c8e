//! Checks that the names in a MATCH_RECOGNIZE exist, and that rows come in the order it asks for.

use super::clause::{Clause, KeyAndOrder};
use super::elsewhere::wrong_functions;
use crate::planner::build::Relation;
use crate::planner::names::{Diagnosed, has_column, unknown_column};
use crate::planner::select::From;
use egret_core::StreamSchema;
use egret_dsl::{AfterMatchSkip, Diagnostic, MatchRecognize, Name, Span, Sql, suggest};
use egret_operators::Stream;
use egret_rows::PatternExpr;

/// Checks that all names exist, and that rows come in the order that the clause asks for.
pub(super) fn checked(clause: &Clause<'_>, from: &From, stream: &Stream, relation: &Relation) -> Diagnosed<KeyAndOrder> {
    let (mut wrong, visible) = (unknown_variables(clause), &relation.visible);
    let mut column = |name: &Name| match stream.schema().arrow().index_of(&name.text) {
        Ok(column) => Some(column),
        Err(_) => {
            wrong.push(unknown_column(&name.text, name.span, visible));
            None
        }
    };
    let syntax = clause.syntax;
    let partition: Vec<usize> = syntax.partition_by.iter().filter_map(&mut column).collect();
    let order: Vec<(usize, bool)> =
        syntax.order_by.iter().filter_map(|order| Some((column(&order.column)?, order.descending))).collect();
    if order.len() == syntax.order_by.len() {
        wrong.extend(wrong_order(clause, from, stream.schema(), &order));
    }
    for (_, sql) in clause.defines.iter().chain(&clause.measures) {
        wrong.extend(unknown_names(sql, clause, stream, visible));
        wrong.extend(wrong_functions(sql));
    }
    if wrong.is_empty() { Ok(KeyAndOrder { partition, order }) } else { Err(wrong) }
}

/// The variables of a pattern, with their names in the language (`A` is `a`) and in the engine (`a` is `A`).
pub(super) fn variables(syntax: &MatchRecognize, pattern: &PatternExpr) -> Diagnosed<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    for folded in pattern.variables() {
        let quoted = syntax.pattern.text.contains(&format!("\"{folded}\""));
        let mut words = syntax.pattern.text.split(|character: char| !(character.is_alphanumeric() || character == '_'));
        let name = match words.find(|word| word.to_uppercase() == folded) {
            Some(word) if !quoted => word.to_ascii_lowercase(),
            _ => folded.to_owned(),
        };
        if let Some((_, other)) = found.iter().find(|(_, other)| other.to_lowercase() == folded.to_lowercase()) {
            return Err(vec![
                Diagnostic::error(format!("the variables `{other}` and `{folded}` differ only in case"))
                    .label(syntax.pattern.span, "in this pattern")
                    .help("give one of them another name"),
            ]);
        }
        found.push((name, folded.to_owned()));
    }
    Ok(found)
}

/// Errors about variables that the pattern does not have.
fn unknown_variables(clause: &Clause<'_>) -> Vec<Diagnostic> {
    let syntax = clause.syntax;
    let mut wrong = Vec::new();
    let variables: Vec<&str> = clause.variables.iter().map(|(name, _)| name.as_str()).collect();
    let mut known = |name: &Name, subsets: bool, place: &str| {
        let subset = syntax.subsets.iter().any(|subset| subset.name.text == name.text);
        if variables.contains(&name.text.as_str()) || (subset && subsets) {
            return;
        }
        let missing = match subset {
            true => Diagnostic::error(format!("`{name}` is a SUBSET, not a variable")),
            false => Diagnostic::error(format!("the pattern has no variable `{name}`")),
        };
        let missing = missing.label(name.span, place).label(syntax.pattern.span, "this is the pattern");
        wrong.push(missing.suggestion(suggest(&name.text, &variables)));
    };
    for define in &syntax.defines {
        known(&define.variable, false, "defined here, not matched");
    }
    for variable in syntax.subsets.iter().flat_map(|subset| &subset.variables) {
        known(variable, false, "not matched");
    }
    if let Some((AfterMatchSkip::ToFirst(variable) | AfterMatchSkip::ToLast(variable), _)) = &syntax.after_match {
        known(variable, true, "not matched");
    }
    for subset in syntax.subsets.iter().filter(|subset| variables.contains(&subset.name.text.as_str())) {
        wrong.push(
            Diagnostic::error(format!("`{}` is a variable of the pattern already", subset.name))
                .label(subset.name.span, "a name for several variables")
                .help("give the SUBSET another name"),
        );
    }
    wrong
}

/// Checks that ORDER BY begins with event time; other columns break ties.
fn wrong_order(clause: &Clause<'_>, from: &From, schema: &StreamSchema, order: &[(usize, bool)]) -> Option<Diagnostic> {
    let Some(time) = schema.event_time() else {
        let written = clause.syntax.order_by.first()?;
        return Some(
            Diagnostic::error("rows cannot be ordered without event time")
                .label(written.column.span, "rows come in order of arrival")
                .help(format!("take ORDER BY away, or add `WATERMARK FOR {0} AS {0}` to the stream", written.column)),
        );
    };
    let name = schema.arrow().field(time).name();
    let stream = from.names.first().map_or("the input", String::as_str);
    let written = clause.syntax.order_by.first();
    let span = written.map_or(Span::new(clause.syntax.span.start, clause.syntax.pattern.span.start), |order| order.column.span);
    match order.first() {
        Some((column, false)) if *column == time => None,
        Some((column, true)) if *column == time => Some(
            Diagnostic::error(format!("`{name}` cannot descend"))
                .label(span, "the event time")
                .help("a stream is read in order of event time, from the earliest row: write `ASC` or nothing"),
        ),
        Some(_) => Some(
            Diagnostic::error(format!("ORDER BY does not begin with `{name}`, the event time of `{stream}`"))
                .label(span, "comes first here")
                .help(format!("write `ORDER BY {name}`; more columns behind it break ties")),
        ),
        None => Some(
            Diagnostic::error("MATCH_RECOGNIZE has no ORDER BY")
                .label(Span::new(span.start, span.start + "MATCH_RECOGNIZE".len()), "here")
                .help(format!("write `ORDER BY {name}`: rows are matched in order of event time")),
        ),
    }
}

fn unknown_names(sql: &Sql, clause: &Clause<'_>, stream: &Stream, visible: &[String]) -> Vec<Diagnostic> {
    let has = |column: &str| has_column(stream.schema(), column);
    let subsets = clause.syntax.subsets.iter().map(|subset| subset.name.text.as_str());
    let variables: Vec<&str> = clause.variables.iter().map(|(name, _)| name.as_str()).chain(subsets).collect();
    let mut wrong = Vec::new();
    for (idents, span) in sql.identifiers() {
        let names: Vec<String> = idents.iter().map(Name::normalise).collect();
        match names.as_slice() {
            [name] if !has(name) && !variables.contains(&name.as_str()) => wrong.push(unknown_column(name, span, visible)),
            [row, _] if !variables.contains(&row.as_str()) => wrong.push(
                Diagnostic::error(format!("the pattern has no variable `{row}`"))
                    .label(span, "unknown")
                    .suggestion(suggest(row, &variables)),
            ),
            [_, column] if !has(column) => wrong.push(unknown_column(column, span, visible)),
            _ => {}
        }
    }
    wrong
}
