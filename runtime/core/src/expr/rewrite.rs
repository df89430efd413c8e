//! Changes of an expression's syntax tree.
//!
//! sqlparser compiles its walk anew for every visitor that it is given: some megabytes of code each time. Here it is compiled for one
//! visitor, which asks the [`Rewrite`] that it was given.

use crate::{Error, Result};
use datafusion_sql::sqlparser::ast::{Expr, Visit, VisitMut, Visitor, VisitorMut};
use std::ops::ControlFlow;

/// What is done to the parts of an expression.
pub trait Rewrite {
    /// Called with an expression before its parts; what it becomes is looked at next.
    ///
    /// # Errors
    /// The walk ends with the error.
    fn before(&mut self, _expr: &mut Expr) -> Result<()> {
        Ok(())
    }

    /// Called with an expression behind its parts.
    ///
    /// # Errors
    /// The walk ends with the error.
    fn after(&mut self, _expr: &mut Expr) -> Result<()> {
        Ok(())
    }
}

struct Change<'a>(&'a mut dyn Rewrite);

impl VisitorMut for Change<'_> {
    type Break = Box<Error>;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        flow(self.0.before(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        flow(self.0.after(expr))
    }
}

fn flow(result: Result<()>) -> ControlFlow<Box<Error>> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

/// Changes all parts of an expression.
///
/// # Errors
/// What the rewrite's methods return first.
pub fn rewrite(tree: &mut Expr, by: &mut dyn Rewrite) -> Result<()> {
    match tree.visit(&mut Change(by)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Look<'a>(&'a mut dyn FnMut(&Expr) -> bool);

impl Visitor for Look<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if (self.0)(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Whether some part of an expression is like that.
pub fn any_part(tree: &Expr, mut is: impl FnMut(&Expr) -> bool) -> bool {
    Visit::visit(tree, &mut Look(&mut is)).is_break()
}
