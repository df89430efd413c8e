//! Where in CREATE PATTERN what an error of the pattern engine is about stands.

use super::pattern::{Conditions, selected_name, until_conditions};
use egret_core::{Error, Subject};
use egret_dsl::{CreatePattern, Name, Span, Until};

/// Where what an error is about stands in a statement.
pub(super) fn place_of(statement: &CreatePattern, conditions: Conditions<'_>, error: &Error) -> Option<Span> {
    error.subjects().iter().find_map(|subject| place(statement, conditions, subject))
}

fn place(statement: &CreatePattern, conditions: Conditions<'_>, subject: &Subject) -> Option<Span> {
    // Of what stands there twice, the second is one too many.
    let variable = |name: &String| statement.pattern.variables().filter(|variable| variable.text == *name).last();
    match subject {
        Subject::Measure(name) | Subject::Column(name) => {
            let mut selected = statement.select.iter().enumerate().rev();
            selected.find(|(number, item)| selected_name(*number, item) == *name).map(|(_, item)| item.expr.span)
        }
        Subject::Define(name) => {
            let define = statement.defines.iter().find(|define| define.variable.text == *name);
            let condition = define.map(|define| define.condition.as_ref().map_or(define.variable.span, |sql| sql.span));
            condition.or_else(|| variable(name).map(|variable| variable.span))
        }
        Subject::Until(text) => {
            let is_it = |until: &&Until| conditions.of_until(until).is_some_and(|condition| condition.to_string() == *text);
            until_conditions(&statement.pattern).into_iter().find(is_it).map(|until| until.condition.span)
        }
        Subject::Variable(name) => variable(name).map(|variable| variable.span),
        Subject::Partition(name) => column(&statement.partition_by, name),
        Subject::Within => statement.within.map(|within| within.span).or(statement.within_events.map(|events| events.span)),
        Subject::AfterMatch => statement.after_match.as_ref().map(|after| after.span),
        _ => None,
    }
}

fn column(names: &[Name], name: &str) -> Option<Span> {
    names.iter().find(|column| column.text == name).map(|column| column.span)
}
