//! Walks over SQL trees, compiled once for all users.
//!
//! sqlparser compiles its walk anew for every type of visitor: some megabytes of code each time. Here it is compiled for one
//! visitor, which calls a given closure.

use sqlparser::ast::{Expr, ObjectName, Query, VisitMut, Visitor, VisitorMut};
use std::ops::ControlFlow;

/// A tree that can be walked: an expression or a query.
pub trait Tree {
    /// Calls `look` for expressions before their parts, and for relations.
    #[doc(hidden)]
    fn walk(&self, look: &mut dyn FnMut(Node<'_>) -> ControlFlow<()>) -> ControlFlow<()>;
    /// Calls `change` for expressions after their parts; it may change them.
    #[doc(hidden)]
    fn walk_mut(&mut self, change: &mut dyn FnMut(&mut Expr) -> ControlFlow<()>) -> ControlFlow<()>;
}

/// A node of a walk.
#[doc(hidden)]
pub enum Node<'a> {
    /// An expression.
    Expr(&'a Expr),
    /// The name of a relation.
    Relation(&'a ObjectName),
}

struct Look<'a>(&'a mut dyn FnMut(Node<'_>) -> ControlFlow<()>);

impl Visitor for Look<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        (self.0)(Node::Expr(expr))
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        (self.0)(Node::Relation(name))
    }
}

struct Change<'a>(&'a mut dyn FnMut(&mut Expr) -> ControlFlow<()>);

impl VisitorMut for Change<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        (self.0)(expr)
    }
}

macro_rules! tree {
    ($node:ty) => {
        impl Tree for $node {
            fn walk(&self, look: &mut dyn FnMut(Node<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
                sqlparser::ast::Visit::visit(self, &mut Look(look))
            }

            fn walk_mut(&mut self, change: &mut dyn FnMut(&mut Expr) -> ControlFlow<()>) -> ControlFlow<()> {
                self.visit(&mut Change(change))
            }
        }
    };
}

tree!(Expr);
tree!(Query);

impl<T: Tree> Tree for Box<T> {
    fn walk(&self, look: &mut dyn FnMut(Node<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        self.as_ref().walk(look)
    }

    fn walk_mut(&mut self, change: &mut dyn FnMut(&mut Expr) -> ControlFlow<()>) -> ControlFlow<()> {
        self.as_mut().walk_mut(change)
    }
}

/// Calls `look` for every expression of a tree, each before its parts, until the closure breaks.
///
/// ```
/// use egret_dsl::{parse_expression, sqlparser::ast::Expr, walk};
/// use std::ops::ControlFlow;
/// let sql = parse_expression("amount > 10 * avg(probe.amount)")?;
/// let mut calls = 0;
/// let _ = walk::expressions(&sql.tree, |expr| {
///     calls += usize::from(matches!(expr, Expr::Function(_)));
///     ControlFlow::<()>::Continue(())
/// });
/// assert_eq!(calls, 1);
/// # Ok::<(), egret_dsl::Diagnostic>(())
/// ```
pub fn expressions<B>(tree: &impl Tree, mut look: impl FnMut(&Expr) -> ControlFlow<B>) -> ControlFlow<B> {
    let mut broken = None;
    let _ = tree.walk(&mut |node| match node {
        Node::Expr(expr) => kept(&mut broken, look(expr)),
        Node::Relation(_) => ControlFlow::Continue(()),
    });
    broken.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Calls `change` for every expression of a tree, each after its parts, until the closure breaks; it may change them.
pub fn expressions_mut<B>(tree: &mut impl Tree, mut change: impl FnMut(&mut Expr) -> ControlFlow<B>) -> ControlFlow<B> {
    let mut broken = None;
    let _ = tree.walk_mut(&mut |expr| kept(&mut broken, change(expr)));
    broken.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Calls `look` for the names of all relations of a tree.
pub fn relations(tree: &impl Tree, mut look: impl FnMut(&ObjectName)) {
    let _ = tree.walk(&mut |node| {
        if let Node::Relation(name) = node {
            look(name);
        }
        ControlFlow::Continue(())
    });
}

fn kept<B>(broken: &mut Option<B>, flow: ControlFlow<B>) -> ControlFlow<()> {
    match flow {
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
        ControlFlow::Break(value) => {
            *broken = Some(value);
            ControlFlow::Break(())
        }
    }
}
