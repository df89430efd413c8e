//! The union of the streams of a pattern.

use super::names::{Place, Scope, Table};
use super::{Several, listed};
use crate::planner::build::Build;
use crate::planner::build::lookup::Lookup;
use crate::planner::names::at;
use crate::planner::names::keep;
use crate::planner::names::{Diagnosed, quoted, unknown_column};
use crate::planner::pattern_texts::{Texts, unknown_in_pattern};
use crate::planner::places::{place_column, some_share_sources};
use arrow::datatypes::DataType;
use egret_cep::{Condition, StreamNames};
use egret_core::Error;
use egret_core::expr::{Expression, Planner, Scope as Columns};
use egret_core::row_place::{PLACE, PLACE_TYPE};
use egret_dsl::sqlparser::ast::{BinaryOperator, Expr};
use egret_dsl::{CreatePattern, Diagnostic, Name, Span, Sql};
use egret_operators::Stream;
use std::collections::{BTreeMap, BTreeSet};

/// The column with the number of a row's stream.
const NUMBER: &str = "__stream";

/// The column of event time, if the streams have different names for it.
const TIME: &str = "__time";

/// The union of several streams.
pub(in crate::planner) struct United {
    pub(in crate::planner) rows: Stream,
    pub(in crate::planner) streams: StreamNames,
    /// How columns are shown: see [`egret_cep::CompiledPattern::with_shown_names`].
    pub(in crate::planner) shown: BTreeMap<String, String>,
    /// The column of event time.
    time: String,
    /// The columns that all streams have: those of `PARTITION BY` and `ORDER BY`.
    shared: Vec<String>,
    /// Whether rows of two streams can be made of the same rows.
    shares_sources: bool,
}

impl United {
    /// The columns that order rows of one time, after the columns of `ORDER BY`.
    ///
    /// Rows derived from one input keep its order; otherwise rows are ordered by the position of their stream after `ON`.
    pub(in crate::planner) fn ties(&self) -> Vec<usize> {
        let number = self.rows.schema().arrow().index_of(NUMBER).unwrap_or_default();
        self.rows.schema().place().filter(|_| self.shares_sources).into_iter().chain([number]).collect()
    }

    /// A diagnostic of the pattern engine with the columns' own names.
    pub(in crate::planner) fn in_own_names(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        let own = |text: &str| {
            self.streams.columns.keys().rev().fold(text.to_owned(), |text, name| {
                let shown = self.shown.get(name).map_or(name.as_str(), String::as_str);
                let shown = shown.replace("{row.}", "").replace("{row}", "");
                text.replace(&format!("\"{name}\""), &shown).replace(name, &shown)
            })
        };
        diagnostic.message = own(&diagnostic.message);
        diagnostic.help = diagnostic.help.map(|help| own(&help));
        diagnostic
    }
}

/// A condition on rows of one of several streams.
pub(in crate::planner) fn of_stream(stream: usize, name: &str, condition: Option<&Sql>) -> Condition {
    let number = Expr::Value(egret_dsl::sqlparser::ast::Value::Number(stream.to_string(), false).with_empty_span());
    let binary = |left, op, right| Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
    let is_of = binary(Expr::Identifier(quoted(NUMBER)), BinaryOperator::Eq, number);
    match condition {
        Some(sql) => {
            Condition::Shown { tree: Box::new(binary(is_of, BinaryOperator::And, sql.tree.clone())), text: sql.text.clone() }
        }
        None => Condition::Shown { tree: Box::new(is_of), text: format!("any row of {name}") },
    }
}

/// The name of a stream's own column in the union.
fn own_name(stream: usize, column: &str) -> String {
    format!("__{stream}_{column}")
}

impl Build<'_> {
    /// Unites the streams of a pattern, and rewrites its texts for the union.
    pub(in crate::planner) fn unite(
        &mut self,
        statement: &CreatePattern,
        several: &Several,
        texts: &mut Texts,
    ) -> Diagnosed<United> {
        let rows = self.asked_rows(statement, several, texts)?;
        let table = |(name, rows): (&String, &Stream)| {
            let visible = self.catalog.get(name).map(|relation| relation.visible.clone()).unwrap_or_default();
            Table { schema: rows.schema().clone(), visible }
        };
        let tables: Vec<Table> = several.streams.iter().zip(&rows).map(table).collect();
        let shared = shared_columns(statement, several, &tables)?;
        let scope = Scope { several, tables: &tables, partition_by: &statement.partition_by };
        let (mut read, mut wrong) = (BTreeSet::new(), Vec::new());
        for (sql, place) in places(texts, several) {
            read.extend(keep(scope.columns_read(sql, place), &mut wrong).unwrap_or_default());
            wrong.extend(unknown_in_pattern(sql));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if self.reads.relations.contains(&format!("{}.late", statement.name)) {
            // Late rows are shown with all their columns.
            for (stream, table) in tables.iter().enumerate() {
                read.extend(table.visible.iter().map(|column| (stream, column.clone())));
            }
        }
        let time = common_time(&tables);
        let is_common = |column: &str| shared.iter().any(|name| name == column) || column == time;
        read.retain(|(_, column)| !is_common(column));
        texts.rename(several, |sql, place| {
            scope.renamed(
                sql,
                place,
                |stream, column| if is_common(column) { column.to_owned() } else { own_name(stream, column) },
            )
        });
        let shown = shown_names(&read, &texts.lookups.iter().map(|(lookup, _)| lookup).collect::<Vec<_>>());
        let columns = read.iter().map(|(stream, column)| (own_name(*stream, column), *stream)).collect();
        let streams = StreamNames { number: NUMBER.to_owned(), names: several.streams.clone(), columns };
        let layout = Layout { time: &time, shared: &shared, tables: &tables, read: &read };
        let united = layout.unite(&rows, statement).map_err(at(statement.name.span))?;
        self.warn_of_unused_streams(statement, several);
        let shares_sources = some_share_sources(&rows);
        Ok(United { rows: united, streams, shown, time, shared, shares_sources })
    }

    /// The rows of each stream, with the answers of graphs and models that the pattern needs.
    fn asked_rows(&mut self, statement: &CreatePattern, several: &Several, texts: &Texts) -> Diagnosed<Vec<Stream>> {
        let scope = Scope { several, tables: &[], partition_by: &statement.partition_by };
        let mut of_stream: Vec<Vec<(Lookup, Span)>> = vec![Vec::new(); several.streams.len()];
        let mut wrong = Vec::new();
        for (lookup, span) in &texts.lookups {
            let answer = lookup.column();
            let asked: BTreeSet<Option<usize>> =
                places(texts, several).into_iter().flat_map(|(sql, place)| scope.asked_of(sql, &answer, place)).collect();
            for stream in asked {
                match stream {
                    Some(stream) => of_stream[stream].push((lookup.clone(), *span)),
                    None => {
                        wrong.push(Diagnostic::error("this does not say which event's").label(*span, "of which variable?").help(
                            format!("write `{}`", lookup.shown().replace("{row.}", "variable.").replace("{row}", "variable")),
                        ))
                    }
                }
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        several.streams.iter().zip(of_stream).map(|(stream, lookups)| self.enrich(stream, &lookups)).collect()
    }

    /// The late rows: the name of their stream, then its columns.
    pub(in crate::planner) fn late_of_several(
        &self,
        statement: &CreatePattern,
        several: &Several,
        united: &United,
        late: &Stream,
    ) -> Diagnosed<Stream> {
        let place = at(statement.name.span);
        let mut names: Vec<String> = Vec::new();
        let mut columns = Vec::new();
        let mut add = |wanted: &str, expression: Expression| {
            let mut name = wanted.to_owned();
            while names.contains(&name) {
                name.push('_');
            }
            names.push(name.clone());
            columns.push((name, expression));
        };
        let time = if united.time == TIME { "event_time" } else { &united.time };
        add(time, column(&united.time, late).map_err(&place)?);
        for name in &united.shared {
            add(name, column(name, late).map_err(&place)?);
        }
        let cases =
            several.streams.iter().enumerate().map(|(number, name)| format!("WHEN {number} THEN '{}'", name.replace('\'', "''")));
        let stream = format!("CASE {NUMBER} {} END", cases.collect::<Vec<_>>().join(" "));
        add("stream", egret_core::expr::compile(&stream, late.schema()).map_err(&place)?);
        for (own, number) in &united.streams.columns {
            // Answers of graphs and models are not columns of the stream.
            let Some(name) = united.shown.get(own).and_then(|shown| shown.strip_prefix("{row.}")) else { continue };
            add(&format!("{}_{name}", several.streams[*number]), column(own, late).map_err(&place)?);
        }
        columns.extend(place_column(late)?);
        let description = Some("late rows, with the name of their stream".to_owned());
        late.project_described(&format!("pattern {}: late rows", statement.name), columns, description).map_err(place)
    }
}

/// The texts, each with the place where it stands.
fn places<'a>(texts: &'a Texts, several: &Several) -> Vec<(&'a Sql, Place)> {
    let of = |stream: Option<usize>| Place::Row(stream.unwrap_or_default());
    // Definitions without a step in the pattern have been reported already.
    let defined = texts.conditions.iter().filter(|(variable, _)| several.of(variable).is_some());
    let conditions = defined.map(|(variable, sql)| (sql, of(several.of(variable))));
    let untils = texts.untils.iter().map(|(span, sql)| (sql, of(several.of_until(*span))));
    conditions.chain(untils).chain(texts.select.iter().map(|(_, sql)| (sql, Place::Match))).collect()
}

impl Texts {
    fn rename(&mut self, several: &Several, renamed: impl Fn(&Sql, Place) -> Sql) {
        let of = |stream: Option<usize>| Place::Row(stream.unwrap_or_default());
        self.conditions.iter_mut().for_each(|(variable, sql)| *sql = renamed(sql, of(several.of(variable))));
        self.untils.iter_mut().for_each(|(span, sql)| *sql = renamed(sql, of(several.of_until(*span))));
        self.select.iter_mut().for_each(|(_, sql)| *sql = renamed(sql, Place::Match));
    }
}

/// How columns are shown: under the stream's names; answers as the calls that were written.
fn shown_names(read: &BTreeSet<(usize, String)>, lookups: &[&Lookup]) -> BTreeMap<String, String> {
    let shown = |column: &String| {
        let lookup = lookups.iter().find(|lookup| lookup.column() == *column);
        lookup.map_or_else(|| format!("{{row.}}{column}"), |lookup| lookup.shown())
    };
    let own = read.iter().map(|(stream, column)| (own_name(*stream, column), shown(column)));
    own.chain([(TIME.to_owned(), "event time".to_owned())]).collect()
}

/// The name of event time, if it is the same in all streams.
fn common_time(tables: &[Table]) -> String {
    let name = |table: &Table| table.schema.event_time().map(|column| table.schema.arrow().field(column).name().clone());
    let first = name(&tables[0]);
    match first {
        Some(first) if tables.iter().all(|table| name(table).as_ref() == Some(&first)) => first,
        _ => TIME.to_owned(),
    }
}

/// The columns of `PARTITION BY` and `ORDER BY`, which all streams must have, with one type.
fn shared_columns(statement: &CreatePattern, several: &Several, tables: &[Table]) -> Diagnosed<Vec<String>> {
    let (mut shared, mut wrong) = (Vec::new(), Vec::new());
    let clauses = [("PARTITION BY", &statement.partition_by), ("ORDER BY", &statement.order_by)];
    for (clause, name) in clauses.into_iter().flat_map(|(clause, names)| names.iter().map(move |name| (clause, name))) {
        match shared_column(clause, name, several, tables) {
            Ok(()) if shared.contains(&name.text) => {}
            Ok(()) => shared.push(name.text.clone()),
            Err(fault) => wrong.push(fault),
        }
    }
    if wrong.is_empty() { Ok(shared) } else { Err(wrong) }
}

fn shared_column(clause: &str, name: &Name, several: &Several, tables: &[Table]) -> Result<(), Diagnostic> {
    let type_in = |table: &Table| table.schema.arrow().field_with_name(&name.text).ok().map(|field| field.data_type().clone());
    let types: Vec<Option<DataType>> = tables.iter().map(type_in).collect();
    let without = |stream: &usize| types[*stream].is_none();
    let all = 0..tables.len();
    if all.clone().all(|stream| without(&stream)) {
        let visible: Vec<String> = tables[0].visible.clone();
        return Err(unknown_column(&name.text, name.span, &visible));
    }
    if all.clone().any(|stream| without(&stream)) {
        let names = |wanted: bool| -> Vec<String> {
            all.clone().filter(|stream| without(stream) == wanted).map(|stream| several.streams[stream].clone()).collect()
        };
        let (have, have_not) = (names(false), names(true));
        return Err(Diagnostic::error(format!("`{name}` is no column of {}", listed(&have_not)))
            .label(name.span, format!("only {} has it", listed(&have)))
            .help(format!(
                "{clause} names columns that all streams of the pattern have; give one its name with \
                 `CREATE STREAM renamed AS SELECT ... AS {name}, ... FROM {}`",
                have_not[0]
            )));
    }
    match types.iter().position(|other| *other != types[0]) {
        None => Ok(()),
        Some(other) => {
            let shown = |stream: usize| types[stream].as_ref().map_or_else(String::new, ToString::to_string);
            Err(Diagnostic::error(format!("`{name}` has different types in the streams of the pattern"))
                .label(
                    name.span,
                    format!("{} in `{}`, {} in `{}`", shown(0), several.streams[0], shown(other), several.streams[other]),
                )
                .help(format!(
                    "bring one to the other's type with `CREATE STREAM ... AS SELECT CAST({name} AS ...) AS {name}, ...`"
                )))
        }
    }
}

/// The columns of the union.
struct Layout<'a> {
    time: &'a str,
    shared: &'a [String],
    tables: &'a [Table],
    /// The streams' own columns that are read.
    read: &'a BTreeSet<(usize, String)>,
}

impl Layout<'_> {
    fn unite(&self, rows: &[Stream], statement: &CreatePattern) -> Result<Stream, Error> {
        let project = |(number, rows): (usize, &Stream)| {
            let name = format!("pattern {}: rows of {}", statement.name, statement.streams[number]);
            rows.project_described(&name, self.columns_of(number, rows)?, Some(self.describe(number)))
        };
        let all = rows.iter().enumerate().map(project).collect::<Result<Vec<_>, Error>>()?;
        let (first, others) = all.split_first().ok_or_else(|| Error::bug("a pattern is over a stream"))?;
        first.union(&others.iter().collect::<Vec<_>>())
    }

    /// The description of a stream's rows in the plan.
    fn describe(&self, number: usize) -> String {
        let own = self.read.iter().filter(|(stream, _)| *stream == number).map(|(_, column)| column);
        let named = self.shared.iter().chain(own).map(String::as_str).filter(|name| !name.starts_with("__"));
        let columns: Vec<&str> = ["event time", "the stream's number"].into_iter().chain(named).collect();
        format!("{}; the columns of the other streams are null", columns.join(", "))
    }

    /// The columns of the union, computed from the rows of a stream: time and the shared columns, then the own columns of each
    /// stream in order; those of other streams are null.
    fn columns_of(&self, number: usize, rows: &Stream) -> Result<Vec<(String, Expression)>, Error> {
        let schema = rows.schema();
        let time = schema.event_time().map_or("", |column| schema.arrow().field(column).name());
        let mut columns = vec![(self.time.to_owned(), column(time, rows)?)];
        columns.push((NUMBER.to_owned(), egret_core::expr::compile(&number.to_string(), schema)?));
        for name in self.shared.iter().filter(|name| *name != self.time) {
            columns.push((name.clone(), column(name, rows)?));
        }
        for (stream, table) in self.tables.iter().enumerate() {
            for field in table.schema.arrow().fields() {
                if !self.read.contains(&(stream, field.name().clone())) {
                    continue;
                }
                let value = if stream == number { column(field.name(), rows)? } else { Expression::null(field.data_type())? };
                columns.push((own_name(stream, field.name()), value));
            }
        }
        if self.tables.iter().any(|table| table.schema.place().is_some()) {
            let place = schema.place().map(|_| column(PLACE, rows)).transpose()?;
            columns.push((PLACE.to_owned(), place.map_or_else(|| Expression::null(&PLACE_TYPE), Ok)?));
        }
        Ok(columns)
    }
}

/// An unchanged column.
fn column(name: &str, rows: &Stream) -> Result<Expression, Error> {
    Planner::new().compile(&Expr::Identifier(quoted(name)), &Columns::of_stream(rows.schema())?)
}
