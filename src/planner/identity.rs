//! The uids under which checkpoints keep the state of a program.
//!
//! A statement's uid is its name, or the one set by `WITH (uid = '...')`. An INSERT has no name: its uid is its sink and the
//! canonical text of its query, so it does not depend on its position, white space, comments or other statements. The state of an
//! operator has the statement's uid and the operator's role: `sums: window`, `txn: graph ring`.

use super::build::Build;
use super::build::ids::UID;
use super::names::Diagnosed;
use egret_dsl::sqlparser::ast::{Select, SetExpr, TableFactor};
use egret_dsl::{Diagnostic, SqlQuery, Statement, suggest};

impl Build<'_> {
    /// Begins a statement: its operators get uids under its own.
    pub(super) fn begin_statement(&mut self, statement: &Statement) -> Diagnosed<()> {
        self.ids.begin(statement).map_err(|diagnostic| vec![diagnostic])?;
        let label = label(statement);
        self.job.edit(|graph| graph.statement = label.into());
        match statement {
            Statement::CreateStreamAs(_) | Statement::CreateGraph(_) | Statement::CreateModel(_) | Statement::Insert(_) => {
                only_uid(statement)
            }
            _ => Ok(()),
        }
    }

    /// Plans one SELECT of a statement, which gets uids of its own if there are several.
    pub(super) fn in_branch<T>(&mut self, query: &SqlQuery, select: &Select, plan: impl FnOnce(&mut Self) -> T) -> T {
        let branch = match self.query.is_one_select {
            true => None,
            false => Some(query.part((), query.span_of_node(select)).canonical()),
        };
        let outer = std::mem::replace(&mut self.ids.branch, branch);
        let planned = plan(self);
        self.ids.branch = outer;
        planned
    }
}

/// The name of a statement in messages about its rows.
fn label(statement: &Statement) -> String {
    let what = match statement {
        Statement::CreateStream(_) | Statement::CreateStreamAs(_) => "CREATE STREAM",
        Statement::CreateGraph(_) => "CREATE GRAPH",
        Statement::CreateModel(_) => "CREATE MODEL",
        Statement::CreatePattern(_) => "CREATE PATTERN",
        Statement::CreateSink(_) => "CREATE SINK",
        Statement::Insert(insert) => return format!("INSERT INTO {}", insert.sink),
        Statement::Test(_) => "TEST",
    };
    format!("{what} {}", statement.name())
}

/// Whether a query is a single SELECT, without UNION and subqueries.
pub(super) fn is_one_select(query: &SqlQuery) -> bool {
    let SetExpr::Select(select) = query.tree.body.as_ref() else { return false };
    let is_named = |factor: &TableFactor| !matches!(factor, TableFactor::Derived { .. } | TableFactor::NestedJoin { .. });
    select.from.iter().all(|table| is_named(&table.relation) && table.joins.iter().all(|join| is_named(&join.relation)))
}

/// Checks a statement whose only option is the uid.
fn only_uid(statement: &Statement) -> Diagnosed<()> {
    let entries = statement.options().map(|options| options.entries.as_slice()).unwrap_or_default();
    let unknown: Vec<Diagnostic> = entries
        .iter()
        .filter(|entry| entry.key.text != UID)
        .map(|entry| {
            Diagnostic::error(format!("there is no option `{}` here", entry.key))
                .label(entry.key.span, "unknown")
                .suggestion(suggest(&entry.key.text, [UID]))
                .help("the option of this statement is `uid`: the name under which checkpoints keep its state")
        })
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(unknown) }
}
