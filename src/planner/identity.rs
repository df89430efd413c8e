//! Under which ids checkpoints keep the state of a program.
//!
//! A statement's id is its name, or what `WITH (uid = '...')` says. An INSERT has no name: its id is its sink's and the canonical text of
//! its query, so that neither its place nor white space, comments or other statements change it. What a statement needs state for
//! is known by the statement's id and what it does: `sums: window`, `txn: graph ring`.

use super::Build;
use super::names::Diagnosed;
use egret_dsl::sqlparser::ast::{Select, SetExpr, TableFactor};
use egret_dsl::{Diagnostic, LiteralKind, Options, Span, SqlQuery, Statement, suggest};
use std::collections::BTreeMap;

/// The option by which a statement gets an id of its own.
pub(super) const UID: &str = "uid";

/// The ids of statements and of what they make.
#[derive(Default)]
pub(super) struct Ids {
    /// By the name of what a statement defines.
    named: BTreeMap<String, String>,
    /// Relations without a name of their own.
    relations: BTreeMap<String, String>,
    /// Ids that were said or are names, and where.
    taken: BTreeMap<String, Span>,
    /// The statement that is planned now.
    statement: String,
    /// The SELECT that is planned now, if the statement has several.
    branch: Option<String>,
}

impl Ids {
    /// The id of what is called so.
    pub(super) fn of(&self, name: &str) -> String {
        self.named.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// The id of a relation: of a stream, of a side output, of a query in brackets.
    pub(super) fn of_relation(&self, relation: &str) -> String {
        if let Some(id) = self.relations.get(relation) {
            return id.clone();
        }
        match relation.split_once('.') {
            Some((owner, side)) if self.named.contains_key(owner) => format!("{}.{side}", self.of(owner)),
            _ => self.of(relation),
        }
    }

    /// The id of something that the statement at hand needs state for.
    pub(super) fn scoped(&self, what: &str) -> String {
        match &self.branch {
            None => format!("{}: {what}", self.statement),
            Some(branch) => format!("{}: {what} of ({branch})", self.statement),
        }
    }

    /// A relation gets its id from the statement at hand.
    pub(super) fn name_relation(&mut self, relation: &str, id: String) {
        self.relations.insert(relation.to_owned(), id);
    }

    fn begin(&mut self, statement: &Statement) -> Result<(), Diagnostic> {
        let said = statement.options().map(uid).transpose()?.flatten();
        let id = match (&said, statement) {
            (Some((id, _)), _) => id.clone(),
            (None, Statement::Insert(insert)) => {
                format!("insert into {}: {}", self.of(&insert.sink.text), insert.query.canonical())
            }
            (None, other) => other.name().text.clone(),
        };
        let is_insert = matches!(statement, Statement::Insert(_));
        if let Some((id, span)) = said.or_else(|| (!is_insert).then(|| (id.clone(), statement.name().span))) {
            if let Some(first) = self.taken.get(&id) {
                return Err(Diagnostic::error(format!("two statements have the id `{id}`"))
                    .label(span, "once more here")
                    .label(*first, "already here")
                    .help("state is kept under a statement's uid, or else its name: each needs one of its own"));
            }
            self.taken.insert(id, span);
        }
        if !is_insert {
            self.named.insert(statement.name().text.clone(), id.clone());
        }
        (self.statement, self.branch) = (id, None);
        Ok(())
    }
}

impl Build<'_> {
    /// Begins a statement: what it makes from here on has ids under its own.
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

    /// Plans one SELECT of a statement, which has ids of its own if there are others.
    pub(super) fn in_branch<T>(&mut self, query: &SqlQuery, select: &Select, plan: impl FnOnce(&mut Self) -> T) -> T {
        let branch = match self.is_one_select {
            true => None,
            false => Some(query.part((), query.span_of_node(select)).canonical()),
        };
        let outer = std::mem::replace(&mut self.ids.branch, branch);
        let planned = plan(self);
        self.ids.branch = outer;
        planned
    }
}

/// What a statement is called in messages about its rows.
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

/// Whether a query is one SELECT, without a union and without a query in brackets.
pub(super) fn is_one_select(query: &SqlQuery) -> bool {
    let SetExpr::Select(select) = query.tree.body.as_ref() else { return false };
    let is_named = |factor: &TableFactor| !matches!(factor, TableFactor::Derived { .. } | TableFactor::NestedJoin { .. });
    select.from.iter().all(|table| is_named(&table.relation) && table.joins.iter().all(|join| is_named(&join.relation)))
}

/// What the options say of the id, and where.
fn uid(options: &Options) -> Result<Option<(String, Span)>, Diagnostic> {
    let Some(entry) = options.get(UID) else { return Ok(None) };
    match &entry.value.kind {
        LiteralKind::String(text) if !text.trim().is_empty() => Ok(Some((text.clone(), entry.value.span))),
        _ => Err(Diagnostic::error("a uid is a text")
            .label(entry.value.span, "expected a text in single quotes that is not empty")
            .help("it is the name under which checkpoints keep the state of the statement: uid = 'card testing'")),
    }
}

/// Statements whose only option is the id.
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
