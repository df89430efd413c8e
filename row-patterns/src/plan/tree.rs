//! Calls and names in syntax trees.

use super::value::{From, Set};
use datafusion_sql::sqlparser::ast::{self, Function, FunctionArg, FunctionArguments, Ident, ObjectNamePart};
use egret_core::expr::{Rewrite, rewrite};
use egret_core::{Error, Result};

/// The word before a call: `RUNNING` or `FINAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Running,
    Final,
}

/// The name of a call, in lower case, and the mark before it.
pub(super) fn called(call: &Function) -> Option<(Option<Mark>, String)> {
    let word = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(ident.value.to_ascii_lowercase()),
        ObjectNamePart::Function(_) => None,
    };
    match call.name.0.as_slice() {
        [name] => Some((None, word(name)?)),
        [mark, name] => match word(mark)?.as_str() {
            "running" => Some((Some(Mark::Running), word(name)?)),
            "final" => Some((Some(Mark::Final), word(name)?)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a function belongs to row pattern recognition.
pub(super) fn is_ours(name: &str) -> bool {
    matches!(name, "first" | "last" | "prev" | "next" | "classifier" | "match_number" | "match_rowtime")
}

pub(super) fn arguments(call: &Function) -> Result<Vec<FunctionArg>> {
    match &call.args {
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::List(list)
            if list.clauses.is_empty() && list.duplicate_treatment.is_none() && call.over.is_none() && call.filter.is_none() =>
        {
            Ok(list.args.clone())
        }
        _ => Err(Error::job(format!("'{}' is no plain call", show(call))).help("leave out OVER, FILTER and DISTINCT")),
    }
}

pub(super) fn from(name: &str, set: Set, n: u64) -> From {
    if name == "first" { From::First { set, n } } else { From::Last { set, n } }
}

pub(super) fn mixed(text: &str) -> Error {
    Error::job(format!("'{text}' reads rows of different variables at a time"))
        .help("inside of one navigation or aggregate use columns of a single variable, or of none")
}

/// A call as it was written.
pub(super) fn show(call: &Function) -> String {
    call.to_string().replacen("RUNNING.", "RUNNING ", 1).replacen("FINAL.", "FINAL ", 1)
}

/// The quote character of resolved names; users cannot write it.
pub(super) const RESOLVED: char = '\u{1}';

/// A resolved name.
pub(super) fn marked(name: &str) -> ast::Expr {
    ast::Expr::Identifier(Ident { value: name.to_owned(), quote_style: Some(RESOLVED), span: ast::Ident::new("").span })
}

pub(super) fn quoted(name: &str) -> ast::Expr {
    ast::Expr::Identifier(Ident::with_quote('"', name))
}

/// Changes the quotes of all names.
pub(super) struct Quotes(pub(super) char);

impl Rewrite for Quotes {
    fn before(&mut self, node: &mut ast::Expr) -> Result<()> {
        if let ast::Expr::Identifier(ident) = node {
            ident.quote_style = Some(self.0);
        }
        Ok(())
    }
}

pub(super) fn requoted(mut tree: ast::Expr, quote: char) -> ast::Expr {
    rewrite(&mut tree, &mut Quotes(quote)).expect("quotes are changed without errors");
    tree
}

/// Marks all names of an expression as resolved.
pub(super) fn resolved(tree: ast::Expr) -> ast::Expr {
    requoted(tree, RESOLVED)
}

/// Gives all names the quotes that the planner takes.
pub(crate) fn unresolved(tree: ast::Expr) -> ast::Expr {
    requoted(tree, '"')
}

/// A resolved expression as text.
pub(super) fn spelled(tree: ast::Expr) -> String {
    unresolved(tree).to_string()
}
