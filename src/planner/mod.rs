//! From a syntax tree to a job graph: resolves names and types, and connects streams to their readers.
//!
//! Statements are planned in order; a statement may use the statements above it. All errors are collected, so that one run of
//! `egret check` shows all of them.

mod aggregate;
mod build;
mod enrich;
mod graph;
mod identity;
mod letters;
mod match_recognize;
mod model;
pub(crate) mod names;
mod pattern;
mod pattern_options;
mod pattern_places;
mod pattern_sets;
mod pattern_streams;
mod pattern_texts;
mod places;
mod query;
mod reads;
mod select;
pub(crate) mod sources;
mod trace;
mod truth;
pub(crate) mod used;

pub(crate) use build::Given;
pub use build::PatternInput;
use build::entries::OutputEntry;
use build::{Build, Relation};
use egret_connectors::Registry;
use egret_core::{JobGraph, Source, StreamSchema, Subject, WatermarkStrategy};
use egret_dsl::{Cause, CreateStreamAs, Diagnostic, Insert, Name, Program, Span, Statement};
use names::{Diagnosed, at};
use reads::reads_of;
use std::sync::Arc;
use std::time::Duration;
pub(crate) use trace::{pattern_input, pattern_inputs};

/// A planned program.
pub struct Plan {
    /// What to run.
    pub job: JobGraph,
    /// Warnings: what is allowed and probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// Whether the job ends by itself.
    pub bounded: bool,
}

/// Plans a program.
pub(crate) fn plan(program: &Program, registry: &Registry, given: &Given) -> Result<Plan, Vec<Diagnostic>> {
    let mut build = Build::new(reads_of(program), registry, given);
    build.program(program);
    if build.errors.is_empty() && build.lookups.has_split_joins() {
        // All lookups in a graph about the rows of a stream become one join, whichever statement needs them first.
        let lookups = std::mem::take(&mut build.lookups).known();
        build = Build::new(reads_of(program), registry, given);
        build.lookups = lookups;
        build.program(program);
    }
    build.finish(program)
}

/// The schema of a stream of a program; `None` if the program defines no such stream.
pub(crate) fn schema_of(
    name: &str,
    program: &Program,
    registry: &Registry,
    given: &Given,
) -> Result<Option<StreamSchema>, Vec<Diagnostic>> {
    let mut build = Build::new(reads_of(program), registry, given);
    build.program(program);
    match build.errors.is_empty() {
        true => Ok(build.catalog.get(name).map(|relation| relation.base.schema().without_place())),
        false => Err(names::without_consequences(build.errors)),
    }
}

/// The name of the statement that defines a stream or a sink.
fn definition(program: &Program, subject: &Subject) -> Option<Span> {
    let (Subject::Sink(name) | Subject::Stream(name)) = subject else { return None };
    let defines = |statement: &&Statement| {
        let is_definition = !matches!(statement, Statement::Insert(_) | Statement::Test(_));
        is_definition && statement.name().text == *name
    };
    program.statements.iter().find(defines).map(|statement| statement.name().span)
}

impl Build<'_> {
    fn program(&mut self, program: &Program) {
        let used = used::used_columns(program);
        for statement in program.statements.iter().filter(|statement| !matches!(statement, Statement::Test(_))) {
            let what = match statement {
                Statement::CreateStream(_) | Statement::CreateStreamAs(_) => Some("stream"),
                Statement::CreateGraph(_) => Some("graph"),
                Statement::CreateModel(_) => Some("model"),
                Statement::CreatePattern(_) => Some("pattern"),
                Statement::CreateSink(_) => Some("sink"),
                Statement::Insert(_) | Statement::Test(_) => None,
            };
            if let Some(Err(diagnostic)) = what.map(|what| self.catalog.define(statement.name(), what)) {
                self.errors.push(diagnostic);
                continue;
            }
            if let Err(wrong) = self.begin_statement(statement).and_then(|()| self.statement(statement, &used)) {
                if what.is_some() {
                    self.catalog.broken.insert(statement.name().text.clone());
                }
                self.errors.extend(wrong);
            }
        }
    }

    fn statement(&mut self, statement: &Statement, used: &sources::UsedColumns) -> Diagnosed<()> {
        match statement {
            Statement::CreateStream(statement) => self.create_stream(statement, used),
            Statement::CreateStreamAs(statement) => self.create_stream_as(statement),
            Statement::CreateGraph(statement) => self.create_graph(statement),
            Statement::CreateModel(statement) => self.create_model(statement),
            Statement::CreatePattern(statement) => self.create_pattern(statement),
            Statement::CreateSink(statement) => {
                let entry = OutputEntry { statement: statement.clone(), inputs: Vec::new() };
                self.outputs.insert(statement.name.text.clone(), entry);
                Ok(())
            }
            Statement::Insert(statement) => self.insert(statement),
            // Not part of the job: see `crate::testing`.
            Statement::Test(_) => Ok(()),
        }
    }

    fn create_stream_as(&mut self, statement: &CreateStreamAs) -> Diagnosed<()> {
        if let Some(source) = self.given.sources.get(&statement.name.text) {
            return self.given_rows(&statement.name, Arc::clone(source));
        }
        let matches = self.patterns.match_sides.len();
        let rows = self.whole_query(&statement.query, self.needs_places(&statement.name.text))?;
        self.catalog.insert(&statement.name.text, Relation::new(rows.stream, rows.bounded));
        if let [sides] = &self.patterns.match_sides[matches..] {
            for (side, mut relation) in [match_recognize::LATE, match_recognize::OVERFLOW].into_iter().zip(sides.clone()) {
                let name = format!("{}.{side}", statement.name);
                if side == match_recognize::OVERFLOW && self.needs_places(&name) {
                    let rows = places::placed_by_content(&relation.base).map_err(at(statement.name.span))?;
                    relation = Relation::new(rows, relation.bounded);
                }
                self.catalog.insert(&name, relation);
            }
        }
        Ok(())
    }

    /// Replaces the rows of a query by given rows. They are never late: they are in order of their times.
    fn given_rows(&mut self, name: &Name, source: Arc<dyn Source>) -> Diagnosed<()> {
        let bounded = source.is_bounded();
        let strategy = source.schema().event_time().map(|_| WatermarkStrategy::bounded_out_of_orderness(Duration::MAX));
        let rows = self.job.source(&name.text, source, strategy).and_then(|rows| self.with_places(&name.text, rows));
        let rows = rows.map_err(at(name.span))?;
        self.catalog.insert(&name.text, Relation::new(rows, bounded));
        Ok(())
    }

    fn insert(&mut self, statement: &Insert) -> Diagnosed<()> {
        let rows = self.whole_query(&statement.query, false);
        let name = &statement.sink;
        let Some(output) = self.outputs.get_mut(&name.text) else {
            let known = self.outputs.keys().map(String::as_str);
            let unknown = Diagnostic::error(format!("there is no sink `{name}`"))
                .label(name.span, "not defined above")
                .suggestion(egret_dsl::suggest(&name.text, known))
                .because(Cause::Missing(name.text.clone()));
            return Err(rows.err().into_iter().flatten().chain([unknown]).collect());
        };
        let rows = rows?;
        if let Some(first) = output.inputs.first()
            && first.schema().united(rows.stream.schema()).is_none()
        {
            return Err(vec![
                Diagnostic::error(format!("the sink `{name}` gets rows of two shapes"))
                    .label(statement.query.span, format!("here {}", rows.stream.schema()))
                    .note(format!("above it gets {}", first.schema()))
                    .help("select the same columns, of the same types, in the same order"),
            ]);
        }
        output.inputs.push(rows.stream);
        Ok(())
    }

    fn finish(mut self, program: &Program) -> Result<Plan, Vec<Diagnostic>> {
        let outputs = std::mem::take(&mut self.outputs);
        let letter_sinks = self.letter_sinks(&outputs);
        for (name, output) in &outputs {
            let written = if letter_sinks.contains(name) { only_letters(output, name) } else { self.write(output) };
            if let Err(wrong) = written {
                self.errors.extend(wrong);
            }
        }
        if self.errors.is_empty() {
            let completed = self.job.edit(|graph| self.complete_patterns(graph, true));
            let written = completed.and_then(|()| self.write_letters(&outputs));
            self.errors.extend(written.err().into_iter().flatten());
        }
        if self.errors.is_empty()
            && let Err(error) = self.job.graph().validate()
        {
            let span = error.subjects().iter().find_map(|subject| definition(program, subject));
            let span = span.or_else(|| program.statements.last().map(Statement::span)).unwrap_or_default();
            self.errors.push(names::from_error(&error, span));
        }
        if !self.errors.is_empty() {
            let mut wrong = names::without_consequences(self.errors);
            wrong.sort_by_key(Diagnostic::span);
            return Err(wrong.into_iter().chain(self.warnings).collect());
        }
        let job = self.job.graph();
        let bounded = job.nodes().all(|(_, node)| match &node.kind {
            egret_core::job::NodeKind::Source { source, .. } => source.is_bounded(),
            _ => true,
        });
        Ok(Plan { job, warnings: self.warnings, bounded })
    }

    fn write(&mut self, output: &OutputEntry) -> Diagnosed<()> {
        let name = &output.statement.name;
        if output.inputs.is_empty() {
            if self.errors.is_empty() {
                return Err(vec![
                    Diagnostic::error(format!("nothing is written to the sink `{name}`"))
                        .label(name.span, "defined here")
                        .help(format!("add `INSERT INTO {name} SELECT ...`, or take the sink away"))
                        .because(Cause::Unwritten),
                ]);
            }
            return Ok(());
        }
        let all = self.unite_rows(&output.inputs).map_err(at(name.span))?;
        let sink = self.open_sink(&output.statement, all.schema())?;
        all.sink_with_uid(&name.text, &self.ids.of(&name.text), sink).map_err(at(name.span))?;
        self.compare_with_truth(output, &all)
    }
}

/// A sink that bad rows go to gets nothing else: it has their columns.
fn only_letters(output: &OutputEntry, name: &str) -> Diagnosed<()> {
    if output.inputs.is_empty() {
        return Ok(());
    }
    Err(vec![
        Diagnostic::error(format!("bad rows go to the sink `{name}`, and other rows as well"))
            .label(output.statement.name.span, "defined here")
            .help("give bad rows a sink of their own: they have other columns"),
    ])
}
