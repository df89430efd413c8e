//! Which columns a program names: other columns need not be read.

use super::sources::UsedColumns;
use egret_dsl::sqlparser::ast::{Expr, Query, Select, SelectItem, SetExpr, TableFactor};
use egret_dsl::walk::{self, Tree};
use egret_dsl::{
    CreateStreamAs, Insert, MatchRecognize, Name, PatternNode, Program, SelectItem as Selected, Sql, SqlQuery, Statement,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The names of all relations that queries read.
pub(super) fn relations_read(program: &Program) -> BTreeSet<String> {
    relations_of(&program.statements)
}

/// The names of all relations that a query reads.
pub(super) fn relations_in(query: &SqlQuery) -> BTreeSet<String> {
    let mut read = BTreeSet::new();
    walk::relations(&query.tree, |name| {
        read.insert(super::names::object_name(name));
    });
    read
}

/// All names in a query that may be columns, or streams inside windows.
pub(super) fn names_read(sql: &SqlQuery) -> BTreeSet<String> {
    let mut names = UsedColumns { names: BTreeSet::new(), whole: BTreeSet::new() };
    query(sql, &mut names);
    names.names
}

/// The names of all relations that the queries of these statements read.
pub(crate) fn relations_of<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> BTreeSet<String> {
    let mut read = BTreeSet::new();
    for statement in statements {
        let (Statement::CreateStreamAs(CreateStreamAs { query, .. }) | Statement::Insert(Insert { query, .. })) = statement
        else {
            continue;
        };
        read.extend(relations_in(query));
    }
    read
}

/// The relations whose `_why` a query reads, without the names of side outputs.
pub(super) fn relations_asked_why(program: &Program) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for statement in &program.statements {
        let (Statement::CreateStreamAs(CreateStreamAs { query, .. }) | Statement::Insert(Insert { query, .. })) = statement
        else {
            continue;
        };
        let mut names = UsedColumns { names: BTreeSet::new(), whole: BTreeSet::new() };
        names_in(query, &mut names);
        if names.names.contains(egret_cep::WHY_COLUMN) {
            walk::relations(&query.tree, |name| {
                let name = super::names::object_name(name);
                asked.insert(name.split_once('.').map_or(name.as_str(), |(owner, _)| owner).to_owned());
            });
        }
    }
    asked
}

/// All names that may be columns. A name counts for every stream: reading an unneeded column is harmless.
pub(super) fn used_columns(program: &Program) -> UsedColumns {
    let mut used = UsedColumns { names: BTreeSet::new(), whole: BTreeSet::new() };
    for statement in &program.statements {
        collect(statement, &mut used);
    }
    let read = relations_read(program);
    for statement in &program.statements {
        // Late rows of a pattern over several streams have all columns, under other names.
        if let Statement::CreatePattern(pattern) = statement
            && pattern.streams.len() > 1
            && read.contains(&format!("{}.late", pattern.name))
        {
            used.whole.extend(pattern.streams.iter().map(|stream| stream.text.clone()));
        }
    }
    used
}

fn collect(statement: &Statement, used: &mut UsedColumns) {
    match statement {
        Statement::CreateStream(_) | Statement::Test(_) => {}
        Statement::CreateSink(statement) => {
            let truth = super::truth::TRUTH_OPTIONS.iter().filter_map(|option| statement.options.get(option));
            used.names.extend(truth.map(|entry| entry.value.to_string()));
        }
        Statement::CreateStreamAs(statement) => query(&statement.query, used),
        Statement::Insert(statement) => query(&statement.query, used),
        Statement::CreateGraph(statement) => {
            names_in(&statement.from, used);
            names_in(&statement.to, used);
            statement.delete_when.iter().for_each(|when| names_in(when, used));
        }
        Statement::CreateModel(statement) => {
            statement.features.iter().for_each(|feature| names_in(&feature.expr, used));
            statement.label.iter().for_each(|label| names_in(&label.value, used));
        }
        Statement::CreatePattern(statement) => {
            used.names.extend(statement.partition_by.iter().chain(&statement.order_by).map(|name| name.text.clone()));
            statement.defines.iter().flat_map(|define| &define.condition).for_each(|condition| names_in(condition, used));
            statement.select.iter().for_each(|Selected { expr, .. }| names_in(expr, used));
            until_conditions(&statement.pattern, used);
        }
    }
}

fn until_conditions(node: &PatternNode, used: &mut UsedColumns) {
    if let Some(until) = node.quantifier.as_ref().and_then(|quantifier| quantifier.until.as_ref()) {
        names_in(&until.condition, used);
    }
    node.item.sequences().iter().flatten().for_each(|step| until_conditions(step, used));
}

fn names_in<T: Tree>(sql: &Sql<T>, used: &mut UsedColumns) {
    let _ = walk::expressions(&sql.tree, |expr| {
        match expr {
            Expr::Identifier(ident) => drop(used.names.insert(Name::normalise(ident))),
            Expr::CompoundIdentifier(idents) => used.names.extend(idents.iter().map(Name::normalise)),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
}

/// A `*` reads every column of the streams in FROM.
fn query(sql: &SqlQuery, used: &mut UsedColumns) {
    names_in(sql, used);
    for clause in sql.matches_recognized() {
        used.names.extend(clause.partition_by.iter().map(|name| name.text.clone()));
        used.names.extend(clause.order_by.iter().map(|order| order.column.text.clone()));
        clause.measures.iter().for_each(|measure| names_in(&measure.expr, used));
        clause.defines.iter().for_each(|define| names_in(&define.condition, used));
    }
    if has_wildcard(sql, &sql.tree) {
        walk::relations(&sql.tree, |name| {
            used.whole.insert(super::names::object_name(name));
        });
    }
}

fn has_wildcard(sql: &SqlQuery, query: &Query) -> bool {
    fn in_body(sql: &SqlQuery, body: &SetExpr) -> bool {
        match body {
            SetExpr::Select(select) => in_select(sql, select),
            SetExpr::Query(query) => has_wildcard(sql, query),
            SetExpr::SetOperation { left, right, .. } => in_body(sql, left) || in_body(sql, right),
            _ => true,
        }
    }
    fn in_select(sql: &SqlQuery, select: &Select) -> bool {
        let star = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        let inner = |factor: &TableFactor| matches!(factor, TableFactor::Derived { subquery, .. } if has_wildcard(sql, subquery));
        let mut joins = select.from.iter().flat_map(|table| &table.joins);
        // A match that gives one row has only the columns that its clause names.
        let is_named = joins.any(|join| sql.match_recognize(&join.relation).is_some_and(MatchRecognize::is_one_row));
        (select.projection.iter().any(star) && !is_named) || select.from.iter().any(|table| inner(&table.relation))
    }
    in_body(sql, &query.body)
}
