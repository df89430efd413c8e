//! A program in the Egret language: text in, a plan or diagnostics out.

use crate::planner::{Given, PatternInput, Plan, pattern_input, plan};
use egret_connectors::Registry;
use egret_core::{Sink, Source};
use egret_dsl::{Cause, Diagnostic, parse, render};
use std::fmt;
use std::sync::Arc;

/// A program's text, with the connectors it may name.
#[derive(Clone)]
pub struct Program {
    name: String,
    text: String,
    registry: Registry,
    given: Given,
}

impl Program {
    /// A program; `name` (a file name) appears in its messages.
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), registry: Registry::with_builtin(), given: Given::default() }
    }

    /// Sets the connectors, in place of the built-in ones.
    #[must_use]
    pub fn with_registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Reads the stream `name` from this source, whatever its WITH clause says.
    #[must_use]
    pub fn with_source(mut self, name: &str, source: Arc<dyn Source>) -> Self {
        self.given.sources.insert(name.to_owned(), source);
        self
    }

    /// Writes the sink `name` to this one, whatever its WITH clause says.
    #[must_use]
    pub fn with_sink(mut self, name: &str, sink: Arc<dyn Sink>) -> Self {
        self.given.sinks.insert(name.to_owned(), sink);
        self
    }

    /// Runs every MATCH_RECOGNIZE on the engine of row patterns, even if an event pattern finds the same matches with less work:
    /// to compare the two.
    #[must_use]
    pub fn with_row_patterns_only(mut self) -> Self {
        self.given.row_patterns_only = true;
        self
    }

    /// The program's name in messages: the name of its file, if it has one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Parses, checks names and types, and builds the job graph. Opens no files except to list them.
    ///
    /// # Errors
    /// All errors, each with its place in the text.
    pub fn plan(&self) -> Result<Plan, ProgramErrors> {
        let (program, wrong) = parse(&self.text);
        let errors = |diagnostics| self.errors(diagnostics);
        let is_broken = wrong.iter().any(Diagnostic::is_error);
        match plan(&program, &self.registry, &self.given) {
            Ok(mut plan) if !is_broken => {
                plan.warnings.extend(wrong);
                Ok(plan)
            }
            Ok(_) => Err(errors(wrong)),
            Err(mut more) => {
                let broken: Vec<&str> = program.broken.iter().map(|name| name.text.as_str()).collect();
                // Names that a statement with a syntax error would have defined are not reported as missing: its own error
                // suffices.
                let owner = |name: &str| name.split_once('.').map_or(name, |(owner, _)| owner).to_owned();
                let follows =
                    |diagnostic: &Diagnostic| diagnostic.missing().map(owner).is_some_and(|name| broken.contains(&name.as_str()));
                more.retain(|diagnostic| !follows(diagnostic));
                // Nor is a sink reported as unwritten if an INSERT has a syntax error.
                more.retain(|diagnostic| !(is_broken && *diagnostic.cause == Cause::Unwritten));
                errors_first(&mut more);
                Err(errors(wrong.into_iter().chain(more).collect()))
            }
        }
    }

    /// A pattern of the program and its input, for tracing; without a name the only pattern there is.
    ///
    /// Inputs are read to their current end: `follow` is ignored.
    ///
    /// # Errors
    /// The outer error: all errors of the program. The inner: there is no such pattern.
    pub fn pattern_input(&self, name: Option<&str>) -> Result<egret_core::Result<PatternInput>, ProgramErrors> {
        let (program, wrong) = parse(&self.text);
        if wrong.iter().any(Diagnostic::is_error) {
            return Err(self.errors(wrong));
        }
        pattern_input(&program, &self.registry, &self.given, name).map_err(|wrong| self.errors(wrong))
    }

    /// The connectors that the program may name.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn errors(&self, diagnostics: Vec<Diagnostic>) -> ProgramErrors {
        ProgramErrors { diagnostics, name: self.name.clone(), text: self.text.clone() }
    }

    /// Formats diagnostics for a terminal.
    pub fn render(&self, diagnostics: &[Diagnostic], color: bool) -> String {
        render(diagnostics, &self.name, &self.text, color)
    }
}

fn errors_first(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|diagnostic| !diagnostic.is_error());
}

/// The errors of a program.
#[derive(Clone, Debug)]
pub struct ProgramErrors {
    /// Each with its place in the text.
    pub diagnostics: Vec<Diagnostic>,
    name: String,
    text: String,
}

impl ProgramErrors {
    /// The errors as text, with colours if wanted.
    pub fn render(&self, color: bool) -> String {
        render(&self.diagnostics, &self.name, &self.text, color)
    }
}

impl fmt::Display for ProgramErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ProgramErrors {}
