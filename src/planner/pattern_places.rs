//! Finds the part of a CREATE PATTERN that an error of the pattern engine is about.

use egret_cep::Condition;
use egret_core::{Error, Subject};
use egret_dsl::{CreatePattern, Name, PatternNode, SelectItem, Span, Until};

/// The span of the part of a statement that an error is about; `condition_of` gives the engine's text of a condition that ends a
/// repetition.
pub(super) fn place_of(
    statement: &CreatePattern,
    condition_of: impl Fn(&Until) -> Option<Condition>,
    error: &Error,
) -> Option<Span> {
    error.subjects().iter().find_map(|subject| place(statement, &condition_of, subject))
}

fn place(statement: &CreatePattern, condition_of: &impl Fn(&Until) -> Option<Condition>, subject: &Subject) -> Option<Span> {
    // If a name is given twice, the second is the error.
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
            let is_it = |until: &&Until| condition_of(until).is_some_and(|condition| condition.to_string() == *text);
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

/// The name of a selected column, given its position in the list.
pub(super) fn selected_name(number: usize, item: &SelectItem) -> String {
    item.output_name().map_or_else(|| format!("column_{}", number + 1), |name| name.text)
}

/// The conditions that end repetitions.
pub(super) fn until_conditions(node: &PatternNode) -> Vec<&Until> {
    let own = node.quantifier.as_ref().and_then(|quantifier| quantifier.until.as_ref());
    own.into_iter().chain(node.item.sequences().iter().flatten().flat_map(until_conditions)).collect()
}
