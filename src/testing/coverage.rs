//! Coverage: the steps of a pattern that the rows of its tests reach.
//!
//! A step is reached when a partial match takes an event for it, that is, when the prefix of the pattern that ends with this step
//! has a match. So for each tested pattern its prefixes run as well, one for each variable. A negated step is reached when the
//! event that must not come does come. One more pattern tells which variables have events in full matches.

use super::slice::Slice;
use crate::memory::MemorySink;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use egret_dsl::{
    AfterMatch, CreatePattern, Name, PatternItem, PatternNode, Program, SelectItem, Skip, Span, Statement, parse_expression,
};
use std::collections::BTreeMap;

/// How far the rows of all tests get in a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The pattern.
    pub pattern: String,
    /// How many tests of it were run.
    pub tests: usize,
    /// Its variables, in the order of the text.
    pub steps: Vec<(String, Reached)>,
}

/// How far the rows get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// No partial match takes an event for the variable; for a negated one, no such event comes.
    Never,
    /// A partial match takes an event for it; for a negated one, such an event comes.
    Partial,
    /// A match has an event for it.
    Match,
}

impl Coverage {
    /// Coverage in which nothing is reached yet, for every pattern of the program.
    pub(super) fn of_patterns(program: &Program) -> Vec<Self> {
        let of = |statement: &Statement| match statement {
            Statement::CreatePattern(pattern) => Some(Self {
                pattern: pattern.name.text.clone(),
                tests: 0,
                steps: pattern.pattern.variables().map(|name| (name.text.clone(), Reached::Never)).collect(),
            }),
            _ => None,
        };
        program.statements.iter().filter_map(of).collect()
    }

    /// The variables whose furthest state is `reached`.
    pub fn steps_at(&self, reached: Reached) -> Vec<&str> {
        self.steps.iter().filter(|(_, at)| *at == reached).map(|(name, _)| name.as_str()).collect()
    }
}

/// The additional patterns that run for a tested one.
pub(super) struct Probes {
    patterns: Vec<CreatePattern>,
}

impl Probes {
    pub(super) fn of(pattern: &CreatePattern) -> Self {
        let beginnings = pattern.pattern.variables().enumerate().filter_map(|(number, name)| beginning(pattern, name, number));
        Self { patterns: beginnings.chain([taken(pattern)]).collect() }
    }

    pub(super) fn add_to(&self, slice: &mut Slice) {
        for pattern in &self.patterns {
            slice.add(Statement::CreatePattern(pattern.clone()));
            slice.write(&pattern.name.text, None, &sink_of(pattern));
        }
    }

    /// Adds the results of the job to `coverage`.
    pub(super) fn report(&self, sinks: &BTreeMap<String, MemorySink>, coverage: &mut Coverage) {
        coverage.tests += 1;
        let Some((counts, beginnings)) = self.patterns.split_last() else { return };
        let rows = |pattern: &CreatePattern| sinks.get(&sink_of(pattern)).map(MemorySink::batches).unwrap_or_default();
        for pattern in beginnings.iter().filter(|pattern| rows(pattern).iter().any(|batch| batch.num_rows() > 0)) {
            let last = pattern.pattern.variables().last().map(|name| name.text.as_str());
            let step = coverage.steps.iter_mut().find(|(name, _)| Some(name.as_str()) == last);
            step.into_iter().for_each(|(_, reached)| *reached = (*reached).max(Reached::Partial));
        }
        for batch in rows(counts) {
            for (name, reached) in &mut coverage.steps {
                let column = batch.rows().column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
                if column.is_some_and(|counts| counts.values().iter().any(|count| *count > 0)) {
                    *reached = Reached::Match;
                }
            }
        }
    }
}

fn sink_of(pattern: &CreatePattern) -> String {
    format!("rows of {}", pattern.name)
}

/// The prefix of a pattern that ends with a variable, which it takes once.
fn beginning(pattern: &CreatePattern, last: &Name, number: usize) -> Option<CreatePattern> {
    let PatternItem::Group(steps) = &pattern.pattern.item else { return None };
    let item = PatternItem::Group(up_to(steps, &last.text)?);
    let node = PatternNode { item, ..pattern.pattern.clone() };
    let names: Vec<String> = node.variables().map(|name| name.text.clone()).collect();
    let skip = AfterMatch { skip: Skip::ToNext, span: Span::default() };
    let mut defines = pattern.defines.clone();
    defines.retain(|define| names.contains(&define.variable.text));
    Some(CreatePattern {
        name: named(&pattern.name, &format!("reaches {number}")),
        pattern: node,
        defines,
        after_match: Some(skip),
        select: vec![selected("count(*)", "n")?],
        ..pattern.clone()
    })
}

/// The steps up to a variable. Groups around it are opened; of alternatives, and of steps in any order, only the one with the
/// variable is kept.
fn up_to(steps: &[PatternNode], last: &str) -> Option<Vec<PatternNode>> {
    let mut beginning = Vec::new();
    for step in steps {
        match &step.item {
            PatternItem::Variable(name) if name.text == last => {
                beginning.push(PatternNode { quantifier: None, negated: false, ..step.clone() });
                return Some(beginning);
            }
            PatternItem::Variable(_) => beginning.push(step.clone()),
            item => match item.sequences().iter().find_map(|inner| up_to(inner, last)) {
                Some(mut inner) => {
                    if let Some(first) = inner.first_mut() {
                        first.link = step.link;
                    }
                    beginning.extend(inner);
                    return Some(beginning);
                }
                None => beginning.push(step.clone()),
            },
        }
    }
    None
}

/// The pattern itself, selecting how many events its matches have for each variable.
fn taken(pattern: &CreatePattern) -> CreatePattern {
    let names = positive(&pattern.pattern);
    let count = |name: &String| selected(&format!("count(\"{}\")", name.replace('"', "\"\"")), name);
    CreatePattern { name: named(&pattern.name, "takes"), select: names.iter().filter_map(count).collect(), ..pattern.clone() }
}

/// The variables that take events.
fn positive(node: &PatternNode) -> Vec<String> {
    match &node.item {
        _ if node.negated => Vec::new(),
        PatternItem::Variable(name) => vec![name.text.clone()],
        item => item.sequences().iter().flatten().flat_map(positive).collect(),
    }
}

fn named(pattern: &Name, what: &str) -> Name {
    Name { text: format!("{pattern} {what}"), span: pattern.span }
}

fn selected(text: &str, name: &str) -> Option<SelectItem> {
    let alias = Name { text: name.to_owned(), span: Span::default() };
    Some(SelectItem { expr: parse_expression(text).ok()?, alias: Some(alias) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_end_with_the_variable_and_open_its_groups() {
        let node = egret_dsl::parse_pattern("a (b -> !c -> d){2} -> !e").expect("a pattern");
        let PatternItem::Group(steps) = &node.item else { panic!("a group") };
        let names = |last: &str| -> Vec<String> {
            let steps = up_to(steps, last).expect("it is in there");
            assert!(!steps.last().is_some_and(|step| step.negated || step.quantifier.is_some()));
            steps.iter().flat_map(step_names).collect()
        };
        assert_eq!(names("a"), ["a"]);
        assert_eq!(names("b"), ["a", "b"]);
        assert_eq!(names("c"), ["a", "b", "c"]);
        assert_eq!(names("d"), ["a", "b", "c", "d"]);
        assert_eq!(names("e"), ["a", "b", "c", "d", "e"]);
        assert_eq!(up_to(steps, "d").expect("it is in there")[1].link, egret_dsl::Link::Next);
    }

    fn step_names(step: &PatternNode) -> Vec<String> {
        step.variables().map(|name| name.text.clone()).collect()
    }
}
