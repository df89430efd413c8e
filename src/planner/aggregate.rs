//! GROUP BY over windows: aggregate calls become columns of a window operator; the rest is computed after it.

use super::build::Build;
use super::build::lookup::{Lookup, Rewritten};
use super::names::at;
use super::names::keep;
use super::names::{Columns, Diagnosed, check_names, compile, object_name, quoted, unqualified};
use super::places::place_column;
use super::select::{From, Item, Rows};
use egret_core::KeyColumns;
use egret_core::expr::{Planner, Scope, aggregate_function, stand_in};
use egret_core::row_place::PLACE;
use egret_dsl::sqlparser::ast::{Expr, FunctionArguments};
use egret_dsl::{Diagnostic, Name, Span, Sql, SqlQuery, WindowCall, walk};
use egret_operators::Stream;
use egret_operators::window::{AggregateCall, WINDOW_END, WINDOW_START, WINDOW_TIME, WindowKind, WindowSpec};
use std::ops::ControlFlow;

/// The columns that a window adds.
const WINDOW_COLUMNS: [&str; 3] = [WINDOW_START, WINDOW_END, WINDOW_TIME];

/// Whether an expression calls an aggregate function.
pub(super) fn has_aggregate(sql: &Sql) -> bool {
    let found =
        walk::expressions(&sql.tree, |expr| if is_aggregate(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    found.is_break()
}

fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if aggregate_function(&object_name(&function.name)).is_some())
}

/// An aggregate call in an expression.
struct Call {
    sql: Sql,
    column: String,
    /// Its arguments and its FILTER condition, as the user wrote them.
    texts: (Vec<String>, Option<String>),
}

impl Build<'_> {
    pub(super) fn aggregate(
        &mut self,
        query: &SqlQuery,
        from: &From,
        filter: Option<&Sql>,
        groups: &[Sql],
        items: Vec<Item>,
        having: Option<&Sql>,
    ) -> Diagnosed<Rows> {
        let Some(window) = &from.window else {
            let help: String = match from.relation.starts_with('(') {
                true => "name these rows with CREATE STREAM ... AS SELECT, and read FROM TUMBLE(that name, INTERVAL '1' MINUTE)"
                    .into(),
                false => format!("read FROM TUMBLE({}, <time>, INTERVAL '1' MINUTE), HOP(...) or SESSION(...)", from.relation),
            };
            return Err(vec![
                Diagnostic::error("an aggregate over a stream needs a window")
                    .label(query.span, "a stream has no end at which this could be complete")
                    .help(help),
            ]);
        };
        let kind = self.window_kind(from, window)?;
        let mut calls = Vec::new();
        let items: Vec<(String, Sql)> = items.into_iter().map(|item| (item.name, take_calls(&item.sql, &mut calls))).collect();
        let having = having.map(|having| take_calls(having, &mut calls));
        let (input, filter, calls) = self.window_input(from, filter, calls)?;
        let input = match filter {
            Some(filter) => input.filter_by("filter", filter).map_err(at(window.span))?,
            None => input,
        };
        let keys = self.window_keys(from, &input, groups)?;
        let mut aggregates = bind_calls(from, &input, &self.visible(from), calls)?;
        if self.query.keeps_places && input.schema().place().is_some() {
            // The result has the place of the window's last row.
            aggregates
                .push(AggregateCall::parse(PLACE, &format!("last_value({PLACE})"), input.schema()).map_err(at(window.span))?);
        }
        let spec = WindowSpec {
            keys: KeyColumns::new(keys.iter().map(|(column, _)| *column).collect()),
            kind,
            aggregates,
            allowed_lateness_us: 0,
        };
        let windows = add_window(&input, spec, &keys).map_err(at(window.span))?.uid(&self.ids.scoped("window"));
        self.behind_window(from, &windows, &keys, &items, having.as_ref())
    }

    fn visible(&self, from: &From) -> Vec<String> {
        self.catalog.get(&from.relation).expect("FROM looked it up").visible.clone()
    }

    fn window_kind(&self, from: &From, window: &WindowCall) -> Diagnosed<WindowKind> {
        self.needs_event_time(&from.relation, "a window", window.span)?;
        let relation = self.catalog.get(&from.relation).expect("FROM looked it up");
        let schema = relation.base.schema();
        let time = schema.event_time().map(|column| schema.arrow().field(column).name().clone());
        if let (Some(named), Some(time)) = (&window.time, &time)
            && named.text != *time
        {
            return Err(vec![
                Diagnostic::error(format!("`{named}` is not the event time of `{}`", from.relation))
                    .label(named.span, "windows are made of event time")
                    .help(format!("write `{time}`")),
            ]);
        }
        let us = |duration: egret_dsl::DurationLit| i64::try_from(duration.us).unwrap_or(i64::MAX);
        Ok(match window.kind {
            egret_dsl::WindowKind::Tumble { size } => WindowKind::Tumbling { size_us: us(size) },
            egret_dsl::WindowKind::Hop { slide, size } => WindowKind::Sliding { size_us: us(size), slide_us: us(slide) },
            egret_dsl::WindowKind::Session { gap } => WindowKind::Session { gap_us: us(gap) },
            egret_dsl::WindowKind::Cumulate { .. } => {
                return Err(vec![
                    Diagnostic::error("CUMULATE windows are not supported yet")
                        .label(window.span, "here")
                        .help("use HOP or TUMBLE"),
                ]);
            }
        })
    }

    /// The rows that go into windows, with the answers of graphs and models; their filter; the aggregate calls over them.
    #[allow(clippy::type_complexity)]
    fn window_input(
        &mut self,
        from: &From,
        filter: Option<&Sql>,
        calls: Vec<Call>,
    ) -> Diagnosed<(Stream, Option<egret_core::expr::Expression>, Vec<Call>)> {
        let mut wrong = Vec::new();
        let mut lookups: Vec<(Lookup, Span)> = Vec::new();
        let mut rewrite = |build: &Self, sql: &Sql, wrong: &mut Vec<Diagnostic>| -> Option<Rewritten> {
            let rewritten = keep(build.rewrite(sql, &from.names), wrong)?;
            lookups.extend(rewritten.lookups.clone());
            Some(rewritten)
        };
        let filter = filter.and_then(|filter| rewrite(self, filter, &mut wrong));
        let calls: Vec<Call> =
            calls.into_iter().filter_map(|call| Some(Call { sql: rewrite(self, &call.sql, &mut wrong)?.sql, ..call })).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let input = self.enrich(&from.relation, &lookups)?;
        let visible = self.visible(from);
        let columns = Columns { schema: input.schema(), visible: &visible, qualifiers: from.names.clone() };
        let filter = filter.map(|filter| compile(&filter.sql, &columns)).transpose()?;
        Ok((input, filter, calls))
    }

    /// The key columns: those that GROUP BY names, except the window's own columns.
    fn window_keys(&self, from: &From, input: &Stream, groups: &[Sql]) -> Diagnosed<Vec<(usize, String)>> {
        let (mut wrong, mut keys) = (Vec::new(), Vec::new());
        for group in groups {
            let tree = unqualified(group.tree.clone(), &from.names);
            let Expr::Identifier(ident) = &tree else {
                wrong.push(
                    Diagnostic::error("GROUP BY takes columns")
                        .label(group.span, "an expression")
                        .help("name the expression with CREATE STREAM ... AS SELECT and group by its name"),
                );
                continue;
            };
            let name = Name::normalise(ident);
            if WINDOW_COLUMNS.contains(&name.as_str()) {
                continue;
            }
            match input.schema().arrow().index_of(&name) {
                Ok(column) => keys.push((column, name)),
                Err(_) => wrong.push(super::names::unknown_column(&name, group.span, &self.visible(from))),
            }
        }
        if wrong.is_empty() { Ok(keys) } else { Err(wrong) }
    }

    /// Plans HAVING and the SELECT list over the results of windows.
    fn behind_window(
        &self,
        from: &From,
        windows: &Stream,
        keys: &[(usize, String)],
        items: &[(String, Sql)],
        having: Option<&Sql>,
    ) -> Diagnosed<Rows> {
        let visible: Vec<String> = keys.iter().map(|(_, name)| name.clone()).chain(WINDOW_COLUMNS.map(str::to_owned)).collect();
        let columns = Columns { schema: windows.schema(), visible: &visible, qualifiers: from.names.clone() };
        let mut wrong = Vec::new();
        let condition = having.and_then(|having| keep(compile(having, &columns), &mut wrong));
        let mut projected: Vec<_> = items
            .iter()
            .filter_map(|(name, sql)| {
                let ungrouped = |diagnostic: Diagnostic| {
                    if self.visible(from).iter().any(|column| diagnostic.missing() == Some(column)) {
                        diagnostic.note("it is neither in GROUP BY nor inside an aggregate function")
                    } else {
                        diagnostic
                    }
                };
                let compiled = compile(sql, &columns).map_err(|wrong| wrong.into_iter().map(ungrouped).collect());
                Some((name.clone(), keep(compiled, &mut wrong)?))
            })
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let span = items.first().map_or_else(Default::default, |(_, sql)| sql.span);
        projected.extend(place_column(windows)?);
        let kept = match condition {
            Some(condition) => windows.filter_by("having", condition).map_err(at(having.map_or(span, |having| having.span)))?,
            None => windows.clone(),
        };
        let stream = kept.project("window columns", projected).map_err(at(span))?;
        let bounded = self.catalog.get(&from.relation).expect("FROM looked it up").bounded;
        Ok(Rows { stream, bounded })
    }
}

/// Replaces aggregate calls by columns; equal calls share a column.
fn take_calls(sql: &Sql, calls: &mut Vec<Call>) -> Sql {
    let mut tree = sql.tree.clone();
    let _ = walk::expressions_mut(&mut tree, |expr| {
        if is_aggregate(expr) {
            let column = match calls.iter().find(|call| call.sql.tree == *expr) {
                Some(call) => call.column.clone(),
                None => {
                    let column = stand_in(calls.len(), &expr.to_string());
                    let (texts, sql) = (texts(expr), sql.part(expr.clone(), sql.span_of_expr(expr)));
                    calls.push(Call { sql, column: column.clone(), texts });
                    column
                }
            };
            *expr = Expr::Identifier(quoted(&column));
        }
        ControlFlow::<()>::Continue(())
    });
    sql.part(tree, sql.span)
}

fn bind_calls(from: &From, input: &Stream, visible: &[String], calls: Vec<Call>) -> Diagnosed<Vec<AggregateCall>> {
    let columns = Columns { schema: input.schema(), visible, qualifiers: from.names.clone() };
    let mut wrong = Vec::new();
    let bound = calls
        .iter()
        .filter_map(|call| {
            keep(check_names(&call.sql, &columns), &mut wrong)?;
            let tree = unqualified(call.sql.tree.clone(), &from.names);
            let bind = || {
                let logical = Planner::new().logical(&tree, &Scope::of_stream(input.schema())?)?;
                let (arguments, filter) = call.texts.clone();
                Ok(AggregateCall::from_logical(&call.column, logical)?.with_texts(arguments, filter))
            };
            keep(bind().map_err(at(call.sql.span)), &mut wrong)
        })
        .collect();
    if wrong.is_empty() { Ok(bound) } else { Err(wrong) }
}

/// The arguments of a call and its FILTER condition, as the user wrote them.
fn texts(call: &Expr) -> (Vec<String>, Option<String>) {
    let Expr::Function(call) = call else { return (Vec::new(), None) };
    let arguments = match &call.args {
        FunctionArguments::List(list) => list.args.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    (arguments, call.filter.as_ref().map(ToString::to_string))
}

fn add_window(input: &Stream, spec: WindowSpec, keys: &[(usize, String)]) -> egret_core::Result<Stream> {
    if keys.is_empty() {
        return input.window_all(spec);
    }
    let names: Vec<&str> = keys.iter().map(|(_, name)| name.as_str()).collect();
    input.key_by(&names)?.window(spec)
}
