//! The expressions inside navigation and aggregates: they read the columns of one row, and perhaps its label.

use super::columns::{Variables, find_column};
use super::tree::{arguments, called, is_ours, marked, mixed, show};
use super::value::{LABEL, Set};
use datafusion_sql::sqlparser::ast::{self, Function, FunctionArg, FunctionArgExpr, Ident};
use egret_core::expr::{Rewrite, aggregate_function};
use egret_core::{Error, Result, StreamSchema};

/// What an expression inside navigation or an aggregate reads.
pub(super) struct Inside {
    /// The variable that its names are qualified with; `None` if with none.
    pub(super) set: Set,
    /// Whether it names any column or the label.
    pub(super) names: bool,
    /// Whether it reads the row's label.
    pub(super) label: bool,
}

/// Resolves an expression inside navigation: names become columns, `CLASSIFIER()` becomes the label.
pub(super) struct InsideRows<'a> {
    pub(super) variables: &'a Variables,
    pub(super) schema: &'a StreamSchema,
    pub(super) found: Inside,
    pub(super) text: String,
}

impl InsideRows<'_> {
    fn about(&mut self, set: Set) -> Result<()> {
        if self.found.names && self.found.set != set {
            return Err(mixed(&self.text));
        }
        self.found.set = set;
        self.found.names = true;
        Ok(())
    }

    fn column(&self, ident: &Ident) -> Result<ast::Expr> {
        Ok(marked(self.schema.arrow().field(find_column(self.schema, ident)?).name()))
    }

    fn replacement(&mut self, node: &ast::Expr) -> Result<Option<ast::Expr>> {
        match node {
            ast::Expr::Identifier(ident) => {
                if self.variables.find(ident).is_some() && find_column(self.schema, ident).is_err() {
                    return Err(Error::job(format!("'{ident}' is a variable, not a value"))
                        .help(format!("write {ident}.column or count({ident}.*)")));
                }
                let column = self.column(ident)?;
                self.about(None)?;
                Ok(Some(column))
            }
            ast::Expr::CompoundIdentifier(parts) => {
                let [variable, column] = parts.as_slice() else {
                    return Err(Error::job(format!("'{node}' has too many parts")).help("write variable.column"));
                };
                let Some(set) = self.variables.find(variable) else {
                    return Err(self.variables.unknown(variable, &node.to_string()));
                };
                let column = self.column(column)?;
                self.about(Some(set))?;
                Ok(Some(column))
            }
            ast::Expr::Function(call) => match called(call) {
                Some((None, name)) if name == "classifier" => {
                    self.classifier(call)?;
                    Ok(Some(marked(LABEL)))
                }
                Some((mark, name)) if mark.is_some() || is_ours(&name) || aggregate_function(&name).is_some() => Err(Error::job(
                    format!("'{}' cannot stand inside '{}'", show(call), self.text),
                )
                .help("only FIRST and LAST may stand inside PREV and NEXT, and nothing around them: PREV(LAST(A.price), 2)")),
                _ => Ok(None),
            },
            ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => {
                Err(Error::job("a query cannot stand inside a row pattern's expression")
                    .help("join before, or write the values out"))
            }
            _ => Ok(None),
        }
    }

    fn classifier(&mut self, call: &Function) -> Result<()> {
        self.found.label = true;
        match arguments(call)?.as_slice() {
            [] => self.about(None),
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(ident)))] => match self.variables.find(ident) {
                Some(set) => self.about(Some(set)),
                None => Err(self.variables.unknown(ident, &show(call))),
            },
            _ => {
                Err(Error::job(format!("'{}' takes the name of a variable", show(call)))
                    .help("write CLASSIFIER() or CLASSIFIER(A)"))
            }
        }
    }
}

impl Rewrite for InsideRows<'_> {
    fn before(&mut self, node: &mut ast::Expr) -> Result<()> {
        if let Some(new) = self.replacement(node)? {
            *node = new;
        }
        Ok(())
    }
}
