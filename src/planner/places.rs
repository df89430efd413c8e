//! Decides which rows have their places as a hidden column: those that something downstream reads in order.
//!
//! Patterns, row patterns, models and aggregates such as `first_value` order rows of one event time by their places (see
//! [`egret_core::row_place`]). The column starts at the sources and is passed on by all nodes that lead to such a reader; other
//! rows do not have it.

use super::build::Build;
use super::names::at;
use super::names::{Diagnosed, object_name};
use super::used::{names_read, relations_in};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::row::{RowConverter, SortField};
use egret_core::expr::{Expression, aggregate_function, compile};
use egret_core::job::{JobGraph, NodeId, NodeKind};
use egret_core::key::hash_key;
use egret_core::row_place::{PLACE, PLACE_TYPE, column, from_first_to_last, made_of, of_numbers, place_field};
use egret_core::{Error, Result};
use egret_dsl::sqlparser::ast::Expr;
use egret_dsl::walk;
use egret_dsl::{CreateStreamAs, Insert, Program, Span, SqlQuery, Statement};
use egret_operators::Stream;
use egret_operators::window::depends_on_order;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The names of the relations whose rows need places. A match by name alone is enough: an unneeded column is harmless.
pub(super) fn relations_in_order(program: &Program) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for statement in program.statements.iter().rev() {
        let is_needed = has_places(&needed, &statement.name().text);
        match statement {
            Statement::CreateStreamAs(CreateStreamAs { query, .. }) if is_needed || is_about_order(query) => {
                mention(query, &mut needed);
            }
            Statement::Insert(Insert { query, .. }) if is_about_order(query) => mention(query, &mut needed),
            Statement::CreatePattern(pattern) => needed.extend(pattern.streams.iter().map(|stream| stream.text.clone())),
            Statement::CreateModel(model) => drop(needed.insert(model.stream.text.clone())),
            _ => {}
        }
    }
    needed
}

/// Whether the rows of a relation, or of one of its outputs, need places.
fn has_places(needed: &BTreeSet<String>, name: &str) -> bool {
    needed.contains(name) || needed.iter().any(|relation| relation.split_once('.').is_some_and(|(owner, _)| owner == name))
}

/// Adds all relations that a query reads.
fn mention(query: &SqlQuery, needed: &mut BTreeSet<String>) {
    needed.extend(relations_in(query));
    needed.extend(names_read(query));
}

/// Whether the result of a query depends on the order of rows.
pub(super) fn is_about_order(query: &SqlQuery) -> bool {
    let found = walk::expressions(&query.tree, |expr| match expr {
        Expr::Function(call)
            if aggregate_function(&object_name(&call.name)).is_some_and(|function| depends_on_order(function.name())) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break() || !query.matches_recognized().is_empty()
}

/// The places of a stream's rows as a column, if it has them.
pub(super) fn place_column(stream: &Stream) -> Diagnosed<Option<(String, Expression)>> {
    let place = stream.schema().place().map(|_| compile(PLACE, stream.schema())).transpose();
    Ok(place.map_err(at(Span::default()))?.map(|place| (PLACE.to_owned(), place)))
}

impl Build<'_> {
    /// Whether the rows of a relation need places.
    pub(super) fn needs_places(&self, relation: &str) -> bool {
        has_places(&self.reads.in_order, relation)
    }

    /// Adds places to a source if something needs them.
    pub(super) fn with_places(&self, name: &str, stream: Stream) -> Result<Stream> {
        let has_time = stream.schema().event_time().is_some();
        if has_time && self.needs_places(name) { stream.with_places() } else { Ok(stream) }
    }
}

/// The union of these streams; rows derived from the same rows are in the order of the streams.
pub(super) fn union_all(streams: &[Stream]) -> Result<Stream> {
    let mut all = streams.to_vec();
    if streams.iter().any(|stream| stream.schema().place().is_some()) {
        all = all.iter().map(with_place).collect::<Result<_>>()?;
        if some_share_sources(streams) {
            all = all.iter().zip(0..).map(|(stream, branch)| stream.in_branch(branch)).collect::<Result<_>>()?;
        }
    }
    let (first, others) = all.split_first().ok_or_else(|| Error::bug("a union is one of queries"))?;
    first.union(&others.iter().collect::<Vec<_>>())
}

/// Adds a null column of places to rows without one.
fn with_place(rows: &Stream) -> Result<Stream> {
    if rows.schema().place().is_some() {
        return Ok(rows.clone());
    }
    let fields = rows.schema().arrow().fields();
    let given = |name: &String| Ok((name.clone(), compile(&format!("\"{}\"", name.replace('"', "\"\"")), rows.schema())?));
    let mut columns = fields.iter().map(|field| given(field.name())).collect::<Result<Vec<_>>>()?;
    columns.push((PLACE.to_owned(), Expression::null(&PLACE_TYPE)?));
    rows.project("rows without places", columns)
}

/// Whether rows of two of these streams can be derived from the same rows.
pub(super) fn some_share_sources(streams: &[Stream]) -> bool {
    let sources = streams.iter().flat_map(|stream| stream.job().edit(|graph| sources_above(graph, stream.origin().0)));
    let mut seen = BTreeSet::new();
    sources.into_iter().any(|source| !seen.insert(source))
}

fn sources_above(graph: &JobGraph, node: NodeId) -> BTreeSet<NodeId> {
    let (mut sources, mut seen, mut waiting) = (BTreeSet::new(), BTreeSet::from([node]), vec![node]);
    while let Some(node) = waiting.pop() {
        if matches!(graph.node(node).kind, NodeKind::Source { .. }) {
            sources.insert(node);
        }
        waiting.extend(graph.inputs(node).into_iter().map(|(from, _)| from).filter(|from| seen.insert(*from)));
    }
    sources
}

/// Rows that have the places of the last rows they were derived from: refines these by the places of the first rows, in column
/// `first`.
pub(super) fn placed_by_first(rows: &Stream, first: &str) -> Result<Stream> {
    let (Some(place), first) = (rows.schema().place(), rows.schema().index_of(first)?) else { return Ok(rows.clone()) };
    rows.with_column("places of matches", place, move |rows| -> Result<ArrayRef> {
        Ok(from_first_to_last(rows.column(place), rows.column(first)))
    })
}

/// Rows whose places are given by a column of numbers.
pub(super) fn placed_by_number(rows: &Stream, column: &str) -> Result<Stream> {
    let column = rows.schema().index_of(column)?;
    placed_by(rows, move |rows| {
        let numbers = rows.column(column).as_primitive_opt::<Int64Type>();
        Ok(of_numbers(numbers.ok_or_else(|| Error::bug("rows are numbered by a BIGINT"))?.values()))
    })
}

/// Rows that are not derived from particular rows: their order follows from all of their columns.
pub(super) fn placed_by_content(rows: &Stream) -> Result<Stream> {
    placed_by(rows, |rows| {
        let fields = rows.columns().iter().map(|column| SortField::new(column.data_type().clone()));
        let encoded = RowConverter::new(fields.collect())?.convert_columns(rows.columns())?;
        Ok(column(encoded.iter().map(|row| made_of(0, hash_key(row.as_ref()))).collect()))
    })
}

fn placed_by(rows: &Stream, places: impl Fn(&RecordBatch) -> Result<ArrayRef> + Send + Sync + 'static) -> Result<Stream> {
    let schema = rows.schema().with_fields([place_field()])?;
    let arrow = Arc::clone(schema.arrow());
    rows.map_batches(schema, move |rows| {
        let columns = rows.columns().iter().cloned().chain([places(rows)?]).collect();
        Ok(RecordBatch::try_new(Arc::clone(&arrow), columns)?)
    })
}
