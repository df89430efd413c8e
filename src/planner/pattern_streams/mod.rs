//! Patterns over several streams: which stream's rows each variable takes, and what the names in its texts mean.
//!
//! Such a pattern runs over one stream made by `union`. Its columns are the number of the row's stream, the columns that all
//! streams share, and the columns of each stream under names of their own. Conditions first test the number.

mod names;
mod union;

use super::build::Build;
use super::names::{Diagnosed, consequence};
use egret_dsl::{CreatePattern, Diagnostic, Name, PatternItem, PatternNode, Span, suggest};
use std::collections::BTreeMap;
pub(super) use union::{United, of_stream};

/// The streams of a pattern over several, and the stream of each variable.
pub(super) struct Several {
    /// In the order in which they stand after `ON`, in which they are numbered.
    pub(super) streams: Vec<String>,
    /// The number of the stream of each variable.
    of: BTreeMap<String, usize>,
    /// The variables that take events, in the order of the text.
    taking: Vec<String>,
    /// For each `UNTIL`, by its position: the stream whose rows it reads.
    untils: BTreeMap<Span, usize>,
}

impl Several {
    /// The stream of a variable.
    pub(super) fn of(&self, variable: &str) -> Option<usize> {
        self.of.get(variable).copied()
    }

    /// The stream whose rows an `UNTIL` reads.
    pub(super) fn of_until(&self, condition: Span) -> Option<usize> {
        self.untils.get(&condition).copied()
    }
}

impl Build<'_> {
    /// The streams of a pattern over several; `None` if there is only one.
    pub(super) fn pattern_streams(&self, statement: &CreatePattern) -> Diagnosed<Option<Several>> {
        let mut wrong = Vec::new();
        for stream in &statement.streams {
            wrong.extend(self.catalog.relation(&stream.text, stream.span).err());
        }
        let streams: Vec<String> = statement.streams.iter().map(|stream| stream.text.clone()).collect();
        let named = statement.defines.iter().filter_map(|define| define.stream.as_ref());
        wrong.extend(named.filter(|stream| !streams.contains(&stream.text)).map(|stream| self.not_read(stream, &streams)));
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if streams.len() == 1 {
            return Ok(None);
        }
        for stream in &statement.streams {
            wrong.extend(
                self.needs_event_time(&stream.text, "a pattern over several streams", stream.span).err().unwrap_or_default(),
            );
        }
        let mut of = BTreeMap::new();
        for variable in statement.pattern.variables() {
            let define = statement.defines.iter().find(|define| define.variable.text == variable.text);
            match define.and_then(|define| define.stream.as_ref()) {
                Some(stream) => {
                    let number = streams.iter().position(|name| *name == stream.text).unwrap_or_default();
                    of.insert(variable.text.clone(), number);
                }
                None => wrong.push(without_stream(variable, define.map(|define| define.variable.span), &streams)),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut several = Several { streams, of, taking: taking(&statement.pattern), untils: BTreeMap::new() };
        until_streams(&statement.pattern, &mut several, &mut wrong);
        if wrong.is_empty() { Ok(Some(several)) } else { Err(wrong) }
    }

    /// The error about a variable of a stream that the pattern does not read.
    fn not_read(&self, stream: &Name, streams: &[String]) -> Diagnostic {
        if self.catalog.broken.contains(&stream.text) {
            return consequence(stream.span);
        }
        let wrong = Diagnostic::error(format!("the pattern does not read `{stream}`"));
        match self.catalog.get(&stream.text) {
            Some(_) => wrong
                .label(stream.span, "not among its streams")
                .help(format!("name it with the others: `ON {}, {stream}`", streams.join(", "))),
            None => match suggest(&stream.text, streams) {
                Some(near) => wrong.label(stream.span, "there is no stream of this name").suggestion(Some(near)),
                None => wrong
                    .label(stream.span, "there is no stream of this name")
                    .help(format!("the pattern reads {}", listed(streams))),
            },
        }
    }

    /// Warns of streams without a variable: their rows only stand between those of the others.
    pub(super) fn warn_of_unused_streams(&mut self, statement: &CreatePattern, several: &Several) {
        for (number, stream) in statement.streams.iter().enumerate() {
            if several.of.values().all(|of| *of != number) {
                self.warnings.push(
                    Diagnostic::warning(format!("no variable is of `{stream}`"))
                        .label(stream.span, "its rows are matched by nothing")
                        .help("take it away, unless its rows are to stand between those of the other streams, as in `a b`"),
                );
            }
        }
    }
}

/// `a`, `b` and `c`.
fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// The error about a variable without a stream; `defined` is where it is defined, if it is.
fn without_stream(variable: &Name, defined: Option<Span>, streams: &[String]) -> Diagnostic {
    let wrong = Diagnostic::error(format!("`{variable}` does not say which stream it is of"));
    let wrong = wrong.note(format!("the pattern reads {}", listed(streams)));
    let stream = &streams[0];
    match defined {
        Some(span) => wrong.label(span, "`ON` is missing").help(format!("write `{variable} ON {stream} AS ...`")),
        None => wrong
            .label(variable.span, "not defined")
            .help(format!("write `DEFINE {variable} ON {stream}` for any row of it, or `{variable} ON {stream} AS ...`")),
    }
}

/// The variables that take events.
fn taking(node: &PatternNode) -> Vec<String> {
    match &node.item {
        _ if node.negated => Vec::new(),
        PatternItem::Variable(name) => vec![name.text.clone()],
        item => item.sequences().iter().flatten().flat_map(taking).collect(),
    }
}

/// Assigns each `UNTIL` the stream of the step that it ends.
fn until_streams(node: &PatternNode, several: &mut Several, wrong: &mut Vec<Diagnostic>) {
    if let Some(until) = node.quantifier.as_ref().and_then(|quantifier| quantifier.until.as_ref()) {
        let streams: Vec<usize> = node.variables().filter_map(|name| several.of(&name.text)).collect();
        match streams.split_first() {
            Some((first, others)) if others.iter().all(|other| other == first) => {
                several.untils.insert(until.condition.span, *first);
            }
            _ => wrong.push(
                Diagnostic::error("this UNTIL does not say of which stream its rows are")
                    .label(until.span, "here")
                    .label(node.span, "this group has variables of several streams")
                    .help("end a repetition of variables of one stream, or forbid what must not come: `-> !x -> y`"),
            ),
        }
    }
    node.item.sequences().iter().flatten().for_each(|step| until_streams(step, several, wrong));
}
