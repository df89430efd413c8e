//! Plans a program to trace what its patterns do with their events.

use super::build::{Build, Given, PatternInput};
use super::names::Diagnosed;
use super::reads::reads_of;
use egret_connectors::Registry;
use egret_core::{Error, Result};
use egret_dsl::{Diagnostic, Program, Statement, suggest};

/// Plans a program to trace one of its patterns: `Ok(Err(..))` if there is no such pattern.
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

/// Plans a program to trace all of its patterns.
pub(crate) fn pattern_inputs(program: &Program, registry: &Registry, given: &Given) -> Diagnosed<Vec<PatternInput>> {
    let mut build = Build::new(reads_of(program), registry, given);
    build.inputs.replays = true;
    build.program(program);
    let wrong: Vec<Diagnostic> = super::names::without_consequences(std::mem::take(&mut build.errors));
    if wrong.iter().any(Diagnostic::is_error) {
        return Err(wrong);
    }
    // A pattern may read any output of another pattern.
    build.job.edit(|graph| build.complete_patterns(graph, false))?;
    Ok(build.patterns.inputs)
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
