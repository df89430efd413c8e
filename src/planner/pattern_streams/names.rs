//! The meaning of a name in a pattern over several streams: a column of a variable's stream.

use super::Several;
use crate::planner::names::{Diagnosed, has_column, object_name, quoted, unknown_column};
use egret_core::StreamSchema;
use egret_dsl::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident};
use egret_dsl::sqlparser::tokenizer;
use egret_dsl::walk;
use egret_dsl::{Diagnostic, Name, Span, Sql, suggest};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The columns of a stream.
pub(super) struct Table {
    /// All columns, including those that graphs and models add.
    pub(super) schema: StreamSchema,
    /// The columns that users see.
    pub(super) visible: Vec<String>,
}

impl Table {
    pub(super) fn has(&self, column: &str) -> bool {
        has_column(&self.schema, column)
    }
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a condition about rows of this stream.
    Row(usize),
    /// In SELECT.
    Match,
}

/// The meaning of a name.
enum Meaning {
    /// A column of a stream: of the current row or of a variable.
    Column(Option<Ident>, usize, String),
    /// A column that all streams have, of the whole match.
    Shared,
    /// Not a column, but a variable or a value of the match.
    Other,
}

/// The names in scope.
pub(super) struct Scope<'a> {
    pub(super) several: &'a Several,
    pub(super) tables: &'a [Table],
    pub(super) partition_by: &'a [Name],
}

impl Scope<'_> {
    /// The columns that a text reads, or the errors of its names.
    pub(super) fn columns_read(&self, sql: &Sql, place: Place) -> Diagnosed<BTreeSet<(usize, String)>> {
        let (mut read, mut wrong) = (BTreeSet::new(), Vec::new());
        let counted = self.counted(sql);
        for (idents, span) in sql.identifiers() {
            if idents.len() == 1 && counted.contains(&idents[0].span) {
                continue;
            }
            match self.meaning(&idents, place, span) {
                Ok(Meaning::Column(_, stream, column)) => drop(read.insert((stream, column))),
                Ok(Meaning::Shared | Meaning::Other) => {}
                Err(fault) => wrong.push(fault),
            }
        }
        if wrong.is_empty() { Ok(read) } else { Err(wrong) }
    }

    /// The text with the columns' names in the union, which `name` gives.
    pub(super) fn renamed(&self, sql: &Sql, place: Place, name: impl Fn(usize, &str) -> String) -> Sql {
        let counted = self.counted(sql);
        let mut tree = sql.tree.clone();
        let _ = walk::expressions_mut(&mut tree, |expr| {
            let idents = match expr {
                Expr::Identifier(ident) if !counted.contains(&ident.span) => vec![ident.clone()],
                Expr::CompoundIdentifier(idents) => idents.clone(),
                _ => return ControlFlow::<()>::Continue(()),
            };
            if let Ok(Meaning::Column(row, stream, column)) = self.meaning(&idents, place, sql.span) {
                let column = quoted(&name(stream, &column));
                *expr = match row {
                    Some(row) => Expr::CompoundIdentifier(vec![row, column]),
                    None => Expr::Identifier(column),
                };
            }
            ControlFlow::Continue(())
        });
        sql.part(tree, sql.span)
    }

    /// The streams whose rows are looked up in a graph or a model, given the column that stands for the answer.
    pub(super) fn asked_of(&self, sql: &Sql, answer: &str, place: Place) -> BTreeSet<Option<usize>> {
        let asked = sql.identifiers().into_iter().filter_map(|(idents, _)| match idents.as_slice() {
            [column] if column.value == answer => Some(match place {
                Place::Row(stream) => Some(stream),
                Place::Match => None,
            }),
            [row, column] if column.value == answer => Some(self.several.of(&Name::normalise(row))),
            _ => None,
        });
        asked.collect()
    }

    fn meaning(&self, idents: &[Ident], place: Place, span: Span) -> Result<Meaning, Diagnostic> {
        match (idents, place) {
            ([column], Place::Row(stream)) => self.of_row(&Name::normalise(column), stream, span),
            ([column], Place::Match) => self.of_match(&Name::normalise(column), span),
            ([row, column], _) => self.of_variable(row, Name::normalise(column), span),
            _ => Ok(Meaning::Other),
        }
    }

    /// A column of the current row.
    fn of_row(&self, column: &str, stream: usize, span: Span) -> Result<Meaning, Diagnostic> {
        if self.tables[stream].has(column) {
            return Ok(Meaning::Column(None, stream, column.to_owned()));
        }
        if self.several.of(column).is_some() {
            return Ok(Meaning::Other);
        }
        Err(self.not_of(column, stream, span))
    }

    /// A column of a variable's events.
    fn of_variable(&self, row: &Ident, column: String, span: Span) -> Result<Meaning, Diagnostic> {
        let name = Name::normalise(row);
        match self.several.of(&name) {
            Some(stream) if self.tables[stream].has(&column) => Ok(Meaning::Column(Some(row.clone()), stream, column)),
            Some(stream) => Err(self.not_of(&column, stream, span)),
            None => match self.several.streams.iter().position(|stream| *stream == name) {
                Some(stream) => {
                    let wrong =
                        Diagnostic::error(format!("`{name}` is a stream, not a variable")).label(span, "of which of its rows?");
                    Err(match self.variable_of(stream) {
                        Some(variable) => wrong.help(format!("write `{variable}.{column}`")),
                        None => wrong.help("name a variable of it"),
                    })
                }
                None => Err(Diagnostic::error(format!("the pattern has no variable `{name}`"))
                    .label(span, "unknown")
                    .suggestion(suggest(&name, self.several.of.keys()))),
            },
        }
    }

    /// A bare name in SELECT.
    fn of_match(&self, column: &str, span: Span) -> Result<Meaning, Diagnostic> {
        let is_value = [egret_cep::MATCH_TIME, egret_cep::WHY_COLUMN].contains(&column);
        if self.partition_by.iter().any(|name| name.text == column) {
            return Ok(Meaning::Shared);
        }
        if is_value || self.several.of(column).is_some() {
            return Ok(Meaning::Other);
        }
        let having: Vec<usize> = (0..self.tables.len()).filter(|&stream| self.tables[stream].has(column)).collect();
        if having.is_empty() {
            let visible: BTreeSet<String> = self.tables.iter().flat_map(|table| table.visible.iter().cloned()).collect();
            return Err(unknown_column(column, span, &visible.into_iter().collect::<Vec<_>>()));
        }
        let taking = self.several.taking.iter().filter(|name| self.several.of(name).is_some_and(|of| having.contains(&of)));
        let written: Vec<String> = taking.map(|variable| format!("`{variable}.{column}`")).collect();
        let wrong = Diagnostic::error(format!("`{column}` does not say which event's")).label(span, "of which variable?");
        Err(wrong.help(format!(
            "write {}; only the columns of PARTITION BY are the same for all events of a match",
            if written.is_empty() { format!("variable.{column}") } else { written.join(" or ") }
        )))
    }

    /// The error about a column that a stream does not have.
    fn not_of(&self, column: &str, stream: usize, span: Span) -> Diagnostic {
        let name = &self.several.streams[stream];
        let Some(other) = (0..self.tables.len()).find(|&other| self.tables[other].has(column)) else {
            return unknown_column(column, span, &self.tables[stream].visible).note(format!("the row is one of `{name}`"));
        };
        let other_name = &self.several.streams[other];
        let wrong = Diagnostic::error(format!("`{column}` is a column of `{other_name}`, not of `{name}`"))
            .label(span, format!("this is a row of `{name}`"));
        match self.variable_of(other) {
            Some(variable) => wrong.help(format!("write `{variable}.{column}` for that of the last event of `{variable}`")),
            None => wrong.help(format!("the columns of `{name}` are {}", self.tables[stream].visible.join(", "))),
        }
    }

    /// A variable that takes rows of a stream.
    fn variable_of(&self, stream: usize) -> Option<&str> {
        self.several.taking.iter().find(|name| self.several.of(name) == Some(stream)).map(String::as_str)
    }

    /// The positions of `x` in `count(x)`, where it is a variable even if a column has that name.
    fn counted(&self, sql: &Sql) -> Vec<tokenizer::Span> {
        let variable = |function: &Function| {
            let FunctionArguments::List(list) = &function.args else { return None };
            match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident)))]
                    if object_name(&function.name) == "count" && self.several.of(&Name::normalise(ident)).is_some() =>
                {
                    Some(ident.span).filter(|span| *span != tokenizer::Span::empty())
                }
                _ => None,
            }
        };
        sql.functions().iter().filter_map(|(function, _)| variable(function)).collect()
    }
}
