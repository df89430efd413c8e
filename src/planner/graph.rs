//! CREATE GRAPH: edges go to one worker, changed answers are broadcast, answers become columns.

use super::build::Build;
use super::build::entries::GraphEntry;
use super::build::lookup::Lookup;
use super::names::{Diagnosed, at, from_error, keep};
use egret_core::Subject;
use egret_core::job::{OutputPort, Parallelism, Partitioning};
use egret_dsl::sqlparser::ast::Expr;
use egret_dsl::{Algorithm, Argument, CreateGraph, Diagnostic, LiteralKind, Name, Span, Sql, suggest};
use egret_graph::{Computation, GraphSpec, Setting};
use egret_operators::Stream;
use egret_operators::knowledge::DEFAULT_STEP_US;

impl Build<'_> {
    pub(super) fn create_graph(&mut self, statement: &CreateGraph) -> Diagnosed<()> {
        let relation =
            self.catalog.relation(&statement.stream.text, statement.stream.span).map_err(|diagnostic| vec![diagnostic])?;
        let (stream, visible, bounded) = (relation.base.clone(), relation.visible.clone(), relation.bounded);
        self.needs_event_time(&statement.stream.text, "a graph", statement.stream.span)?;
        let computes = computations(statement)?;
        let mut wrong = Vec::new();
        let mut column = |sql: &Sql, what: &str| keep(column_named(sql, what, &stream, &visible), &mut wrong);
        let ends = [&statement.from, &statement.to].map(|end| column(end, "the end of an edge"));
        let delete_when = statement.delete_when.as_ref().map(|when| column(when, "what deletes edges"));
        let ([Some(from), Some(to)], None | Some(Some(_))) = (ends, &delete_when) else { return Err(wrong) };
        let delete_when = delete_when.flatten().map(|(column, _)| column);
        let spec = spec_of(statement, &stream, [&from, &to], delete_when, computes)?;
        let warnings = spec.warnings(!bounded).into_iter();
        self.warnings.extend(warnings.map(|warning| Diagnostic::warning(warning).label(statement.name.span, "here")));
        let outputs = vec![OutputPort { name: None, schema: spec.update_schema().clone() }];
        let name = format!("graph {}", statement.name);
        let updates = self
            .job
            .operator(&name, spec.operator_factory(), &[(&stream, Partitioning::Gather)], Parallelism::One, outputs)
            .map_err(at(statement.name.span))?
            .uid(&format!("graph {}", self.ids.of(&statement.name.text)));
        let entry = GraphEntry { spec, updates, ends: [from.1, to.1] };
        self.graphs.insert(statement.name.text.clone(), entry);
        Ok(())
    }

    /// Adds the answers of one graph to a relation's rows.
    pub(super) fn join_graph(&mut self, relation: &str, graph: &str, lookups: &[(Lookup, Span)]) -> Diagnosed<()> {
        self.needs_event_time(relation, "a question to a graph", lookups[0].1)?;
        let rows = self.catalog.get(relation).expect("the caller looked it up").clone();
        let entry = &self.graphs[graph];
        let (mut wrong, mut readers, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (lookup, span) in lookups {
            let Lookup::Graph { answer, column, .. } = lookup else { continue };
            if names.contains(&lookup.column()) {
                continue;
            }
            let Ok(index) = rows.enriched.schema().arrow().index_of(column) else {
                wrong.push(super::names::unknown_column(column, *span, &rows.visible));
                continue;
            };
            match entry.spec.lookup(answer, index, rows.enriched.schema()) {
                Ok(reader) => {
                    readers.push(reader);
                    names.push(lookup.column());
                }
                Err(error) => wrong.push(from_error(&error, *span)),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let span = lookups[0].1;
        let (factory, output) = entry.spec.reader_factory(readers, &names, rows.enriched.schema()).map_err(at(span))?;
        let inputs = [(&rows.enriched, Partitioning::Forward), (&entry.updates, Partitioning::Broadcast)];
        let outputs = vec![OutputPort { name: None, schema: output }];
        let joined = self
            .job
            .operator(&format!("graph {graph}: ask"), factory, &inputs, Parallelism::EveryWorker, outputs)
            .map_err(at(span))?
            .uid(&format!("{}: graph {}", self.ids.of_relation(relation), self.ids.of(graph)));
        self.lookups.joined(relation, graph);
        self.set_enriched(relation, joined);
        Ok(())
    }
}

/// The algorithms of `COMPUTE` with their settings.
fn computations(statement: &CreateGraph) -> Diagnosed<Vec<Computation>> {
    let mut wrong = Vec::new();
    let known = statement.compute.iter().filter_map(|algorithm| keep(computation(algorithm), &mut wrong)).collect();
    if wrong.is_empty() { Ok(known) } else { Err(wrong) }
}

fn computation(algorithm: &Algorithm) -> Diagnosed<Computation> {
    let (name, known) = (&algorithm.algorithm, Computation::names());
    if !known.contains(&name.text.as_str()) {
        return Err(vec![
            Diagnostic::error(format!("there is no graph algorithm `{name}`"))
                .label(name.span, "unknown")
                .suggestion(suggest(&name.text, &known))
                .note(format!("there is: {}", known.join(", "))),
        ]);
    }
    let settings: Vec<(String, Setting)> =
        algorithm.args.iter().map(|argument| (argument.name.text.clone(), setting(&argument.value.kind))).collect();
    Computation::new(&name.text, &settings).map_err(|error| {
        let is_about = |argument: &&Argument| error.subjects().contains(&Subject::Option(argument.name.text.clone()));
        let argument = algorithm.args.iter().find(is_about);
        vec![from_error(&error, argument.map_or(algorithm.span, |argument| argument.name.span.to(argument.value.span)))]
    })
}

fn setting(literal: &LiteralKind) -> Setting {
    match literal {
        LiteralKind::String(text) => Setting::Text(text.clone()),
        LiteralKind::Integer(number) => Setting::Integer(*number),
        LiteralKind::Float(number) => Setting::Float(*number),
        LiteralKind::Boolean(flag) => Setting::Boolean(*flag),
        LiteralKind::Duration(us) => Setting::Duration(i64::try_from(*us).unwrap_or(i64::MAX)),
    }
}

/// The plan of a graph, whose ends are these columns.
fn spec_of(
    statement: &CreateGraph,
    stream: &Stream,
    [(from, from_name), (to, to_name)]: [&(usize, String); 2],
    delete_when: Option<usize>,
    computes: Vec<Computation>,
) -> Diagnosed<GraphSpec> {
    let expire = statement.expire_after.map(|duration| i64::try_from(duration.us).unwrap_or(i64::MAX));
    let step = statement.step.map_or(DEFAULT_STEP_US, |step| i64::try_from(step.us).unwrap_or(i64::MAX));
    let span = statement.from.span.to(statement.to.span);
    let place_of = |error: &egret_core::Error| {
        let is_about = |name: &String| error.subjects().contains(&Subject::Column(name.clone()));
        let place = [(from_name, &statement.from), (to_name, &statement.to)].into_iter().find(|(name, _)| is_about(name));
        place.map_or(span, |(_, end)| end.span)
    };
    let mut spec = GraphSpec::new(&statement.name.text, *from, *to, expire, step, stream.schema())
        .map_err(|error| vec![from_error(&error, place_of(&error))])?;
    let kind_of = |kind: &Option<Name>, column: &String| kind.as_ref().map_or_else(|| column.clone(), |kind| kind.text.clone());
    let [from_kind, to_kind] = &statement.kinds;
    if kind_of(from_kind, from_name) == kind_of(to_kind, to_name) {
        spec = spec.same_kind().map_err(at(span))?;
    }
    if let (Some(column), Some(when)) = (delete_when, &statement.delete_when) {
        spec = spec.delete_when(column).map_err(at(when.span))?;
    }
    spec.compute(computes).map_err(|error| {
        // If an algorithm is named twice, the second is the error.
        let is_about = |name: &Name| error.subjects().contains(&Subject::Option(name.text.clone()));
        let place = statement.compute.iter().rev().find(|algorithm| is_about(&algorithm.algorithm));
        vec![from_error(&error, place.map_or(statement.name.span, |algorithm| algorithm.span))]
    })
}

/// The column that stands where a column is wanted; `what` says what for.
fn column_named(sql: &Sql, what: &str, stream: &Stream, visible: &[String]) -> Diagnosed<(usize, String)> {
    let Expr::Identifier(ident) = &sql.tree else {
        return Err(vec![
            Diagnostic::error(format!("{what} is a column"))
                .label(sql.span, "an expression")
                .help("name the expression with CREATE STREAM ... AS SELECT and use that stream"),
        ]);
    };
    let name = Name::normalise(ident);
    match stream.schema().arrow().index_of(&name) {
        Ok(column) => Ok((column, name)),
        Err(_) => Err(vec![super::names::unknown_column(&name, sql.span, visible)]),
    }
}
