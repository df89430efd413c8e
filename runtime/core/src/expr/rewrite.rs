//! Rewrites and searches of an expression's syntax tree.
//!
//! sqlparser's walk is generic over its visitor, and each instance is some megabytes of code. Here it is compiled for one
//! visitor, which calls a [`Rewrite`].

use crate::{Error, Result};
use datafusion_sql::sqlparser::ast::{Expr, Visit, VisitMut, Visitor, VisitorMut};
use std::ops::ControlFlow;

/// A change of the parts of an expression.
pub trait Rewrite {
    /// Called with an expression before its parts; the walk goes on into the expression that this leaves.
    ///
    /// # Errors
    /// The error ends the walk.
    fn before(&mut self, _expr: &mut Expr) -> Result<()> {
        Ok(())
    }

    /// Called with an expression after its parts.
    ///
    /// # Errors
    /// The error ends the walk.
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
/// The first error of the rewrite's methods.
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

/// Whether `is` holds for some part of an expression.
pub fn any_part(tree: &Expr, mut is: impl FnMut(&Expr) -> bool) -> bool {
    Visit::visit(tree, &mut Look(&mut is)).is_break()
}
