//! The events that a pattern reads, as a job of their own: for looking at what a pattern made of them.

use super::names::Diagnosed;
use super::{Build, Given};
use egret_cep::CompiledPattern;
use egret_connectors::Registry;
use egret_core::job::NodeKind;
use egret_core::{Error, JobGraph, Result, Sink, StreamSchema};
use egret_dsl::{Diagnostic, Program, Statement, suggest};
use egret_operators::Stream;
use std::sync::Arc;

/// A pattern, and the stream it reads, with all that graphs and models add to it.
#[derive(Clone)]
pub struct PatternInput {
    /// The pattern's name.
    pub name: String,
    /// The pattern over the stream.
    pub compiled: CompiledPattern,
    stream: Stream,
    /// Streams of the program whose input never ends.
    endless: Vec<String>,
}

impl PatternInput {
    pub(super) fn new(name: &str, compiled: &CompiledPattern, stream: &Stream, endless: &[String]) -> Self {
        Self { name: name.to_owned(), compiled: compiled.clone(), stream: stream.clone(), endless: endless.to_vec() }
    }

    /// The columns of the events.
    pub fn schema(&self) -> &StreamSchema {
        self.stream.schema()
    }

    /// A job that reads the stream's input, as far as it is there, and writes the events to a sink; nothing else of the program runs.
    ///
    /// # Errors
    /// An input has no end.
    pub fn job(&self, sink: Arc<dyn Sink>) -> Result<JobGraph> {
        self.stream.sink("traced", sink)?;
        let all = self.stream.job().graph();
        let traced = all.nodes().filter(|(_, node)| matches!(node.kind, NodeKind::Sink(_))).map(|(id, _)| id).last();
        let job = all.upstream_of(&traced.into_iter().collect::<Vec<_>>())?;
        for (_, node) in job.nodes() {
            if matches!(node.kind, NodeKind::Source { .. }) && self.endless.iter().any(|name| *name == *node.name) {
                return Err(Error::job(format!("the input of '{}' has no end, so it cannot be read again", node.name))
                    .help("keep what came in a file, and read that"));
            }
        }
        Ok(job)
    }
}

/// Plans a program for looking at one of its patterns: `Ok(Err(..))` if there is no such pattern.
pub(crate) fn pattern_input(
    program: &Program,
    registry: &Registry,
    given: &Given,
    name: Option<&str>,
) -> Diagnosed<Result<PatternInput>> {
    let patterns = pattern_inputs(program, registry, given)?;
    let name = match (name, patterns.as_slice()) {
        (Some(name), _) => name.to_owned(),
        (None, [one]) => one.name.clone(),
        (None, []) => return Ok(Err(Error::job("the program has no pattern").help("CREATE PATTERN makes one"))),
        (None, many) => {
            let error = Error::job(format!("the program has {} patterns", many.len()));
            return Ok(Err(error.help(format!("say which with --pattern: {}", names(many)))));
        }
    };
    match patterns.iter().find(|pattern| pattern.name == name) {
        Some(found) => Ok(Ok(found.clone())),
        None => Ok(Err(unknown(program, &patterns, &name))),
    }
}

/// Plans a program for looking at its patterns.
pub(crate) fn pattern_inputs(program: &Program, registry: &Registry, given: &Given) -> Diagnosed<Vec<PatternInput>> {
    let mut build = Build::new(program, registry, given);
    build.replays = true;
    build.program(program);
    let wrong: Vec<Diagnostic> = super::names::without_consequences(std::mem::take(&mut build.wrong));
    if wrong.iter().any(Diagnostic::is_error) {
        return Err(wrong);
    }
    // A pattern may read what another one finds, by any of its outputs.
    build.job.edit(|graph| build.complete_patterns(graph, false))?;
    Ok(build.patterns)
}

fn names(patterns: &[PatternInput]) -> String {
    patterns.iter().map(|pattern| pattern.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn unknown(program: &Program, patterns: &[PatternInput], name: &str) -> Error {
    let is_other = |statement: &&Statement| statement.name().text == name && !matches!(statement, Statement::Insert(_));
    let error = match program.statements.iter().find(is_other) {
        Some(Statement::CreateStreamAs(_)) => {
            Error::job(format!("'{name}' is a query, not a pattern: only what CREATE PATTERN makes is traced"))
        }
        Some(_) => Error::job(format!("'{name}' is not a pattern")),
        None => Error::job(format!("there is no pattern '{name}'")),
    };
    match suggest(name, patterns.iter().map(|pattern| pattern.name.as_str())) {
        Some(near) => error.help(format!("did you mean '{near}'?")),
        None if patterns.is_empty() => error.help("the program has no pattern: CREATE PATTERN makes one"),
        None => error.help(format!("the patterns are {}", names(patterns))),
    }
}
