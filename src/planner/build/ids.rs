//! The uids under which a program's state is kept.

use egret_dsl::{Diagnostic, LiteralKind, Options, Span, Statement};
use std::collections::BTreeMap;

/// The option that sets the uid of a statement.
pub(crate) const UID: &str = "uid";

/// The uids of statements and of the operators they make.
#[derive(Default)]
pub(crate) struct Ids {
    /// Uids by the name that a statement defines.
    named: BTreeMap<String, String>,
    /// Uids of relations without a name of their own.
    relations: BTreeMap<String, String>,
    /// Uids that are set or are names, and where.
    taken: BTreeMap<String, Span>,
    /// The uid of the statement that is being planned.
    statement: String,
    /// The SELECT that is being planned, if the statement has several.
    pub(crate) branch: Option<String>,
}

impl Ids {
    /// The uid of the statement with this name.
    pub(crate) fn of(&self, name: &str) -> String {
        self.named.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// The uid of a relation: of a stream, a side output, or a subquery.
    pub(crate) fn of_relation(&self, relation: &str) -> String {
        if let Some(id) = self.relations.get(relation) {
            return id.clone();
        }
        match relation.split_once('.') {
            Some((owner, side)) if self.named.contains_key(owner) => format!("{}.{side}", self.of(owner)),
            _ => self.of(relation),
        }
    }

    /// A uid for an operator of the current statement that keeps state.
    pub(crate) fn scoped(&self, what: &str) -> String {
        match &self.branch {
            None => format!("{}: {what}", self.statement),
            Some(branch) => format!("{}: {what} of ({branch})", self.statement),
        }
    }

    /// Gives a relation a uid under that of the current statement.
    pub(crate) fn name_relation(&mut self, relation: &str, id: String) {
        self.relations.insert(relation.to_owned(), id);
    }

    /// Begins a statement: its operators get uids under its own.
    pub(crate) fn begin(&mut self, statement: &Statement) -> Result<(), Diagnostic> {
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

/// The uid that the options set, and where.
fn uid(options: &Options) -> Result<Option<(String, Span)>, Diagnostic> {
    let Some(entry) = options.get(UID) else { return Ok(None) };
    match &entry.value.kind {
        LiteralKind::String(text) if !text.trim().is_empty() => Ok(Some((text.clone(), entry.value.span))),
        _ => Err(Diagnostic::error("a uid is a text")
            .label(entry.value.span, "expected a text in single quotes that is not empty")
            .help("it is the name under which checkpoints keep the state of the statement: uid = 'card testing'")),
    }
}
