//! CREATE GRAPH: edges to one worker, changed answers to all, answers as columns.

use super::build::Build;
use super::build::entries::GraphEntry;
use super::build::lookup::Lookup;
use super::names::{Diagnosed, at, from_error, keep};
use egret_core::Subject;
use egret_core::job::{OutputPort, Parallelism, Partitioning};
use egret_dsl::sqlparser::ast::Expr;
use egret_dsl::{CreateGraph, Diagnostic, Name, Span, Sql, suggest};
use egret_graph::GraphSpec;
use egret_operators::Stream;
use egret_operators::knowledge::DEFAULT_STEP_US;

impl Build<'_> {
    pub(super) fn create_graph(&mut self, statement: &CreateGraph) -> Diagnosed<()> {
        let relation =
            self.catalog.relation(&statement.stream.text, statement.stream.span).map_err(|diagnostic| vec![diagnostic])?;
        let (stream, visible, bounded) = (relation.base.clone(), relation.visible.clone(), relation.bounded);
        self.needs_event_time(&statement.stream.text, "a graph", statement.stream.span)?;
        check_compute(statement)?;
        let mut wrong = Vec::new();
        let ends: Vec<(usize, String)> = [&statement.from, &statement.to]
            .into_iter()
            .filter_map(|end| keep(end_column(end, &stream, &visible), &mut wrong))
            .collect();
        let [(from, from_name), (to, to_name)] = ends.as_slice() else { return Err(wrong) };
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
        let kind_of =
            |kind: &Option<Name>, column: &String| kind.as_ref().map_or_else(|| column.clone(), |kind| kind.text.clone());
        let [from_kind, to_kind] = &statement.kinds;
        if kind_of(from_kind, from_name) == kind_of(to_kind, to_name) {
            spec = spec.same_kind().map_err(at(span))?;
        }
        let warnings = spec.warnings(!bounded).into_iter();
        self.warnings.extend(warnings.map(|warning| Diagnostic::warning(warning).label(statement.name.span, "here")));
        let outputs = vec![OutputPort { name: None, schema: spec.update_schema().clone() }];
        let name = format!("graph {}", statement.name);
        let updates = self
            .job
            .operator(&name, spec.operator_factory(), &[(&stream, Partitioning::Gather)], Parallelism::One, outputs)
            .map_err(at(statement.name.span))?
            .uid(&format!("graph {}", self.ids.of(&statement.name.text)));
        let entry = GraphEntry { spec, updates, ends: [from_name.clone(), to_name.clone()] };
        self.graphs.insert(statement.name.text.clone(), entry);
        Ok(())
    }

    /// Adds the answers asked of one graph to a relation's rows.
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

fn check_compute(statement: &CreateGraph) -> Diagnosed<()> {
    let unknown: Vec<Diagnostic> = statement
        .compute
        .iter()
        .filter(|name| name.text != "components")
        .map(|name| {
            Diagnostic::error(format!("there is no graph algorithm `{name}`"))
                .label(name.span, "unknown")
                .suggestion(suggest(&name.text, ["components"]))
                .note("there is: components")
        })
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(unknown) }
}

/// The column at an end of the edges.
fn end_column(end: &Sql, stream: &Stream, visible: &[String]) -> Diagnosed<(usize, String)> {
    let Expr::Identifier(ident) = &end.tree else {
        return Err(vec![
            Diagnostic::error("the end of an edge is a column")
                .label(end.span, "an expression")
                .help("name the expression with CREATE STREAM ... AS SELECT and use that stream"),
        ]);
    };
    let name = Name::normalise(ident);
    match stream.schema().arrow().index_of(&name) {
        Ok(column) => Ok((column, name)),
        Err(_) => Err(vec![super::names::unknown_column(&name, end.span, visible)]),
    }
}
