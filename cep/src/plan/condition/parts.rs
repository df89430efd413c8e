//! The parts of conditions.
//!
//! The first part is *local*: it is evaluated a column at a time before the exchange, and its result travels as a bit of the
//! row's mask. The rest is *iterative*: it is evaluated row by row, per partial match. The usual iterative condition compares
//! an expression over the event with one over the match; there the event's side is evaluated as a column for all rows, the
//! match's side once per partial match, and what is left per row is comparing two values.

use super::arithmetic::Arithmetic;
use super::gate::Gate;
use crate::plan::local::MaskBit;
use arrow::datatypes::SchemaRef;
use datafusion_expr::{Expr, Operator as Op};
use egret_core::expr::Expression;

/// The conditions of a pattern, compiled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) list: Vec<Condition>,
    /// The event's sides of comparisons, over the rows the matcher gets.
    pub(crate) event_sides: Vec<Expression>,
    /// The match's sides.
    pub(crate) run_sides: Vec<RunSide>,
    /// The comparison by which most rows are passed over.
    pub(crate) gate: Option<Gate>,
}

/// One condition: all parts must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// The bit of the local part; `None` if there is none.
    pub(crate) local: Option<MaskBit>,
    pub(crate) terms: Vec<Term>,
    /// The expressions that the terms were made of.
    pub(crate) iterative: Vec<Expr>,
    /// Whether no event can meet it.
    pub(crate) never: bool,
    /// The match's side of the gate, if the condition contains the comparison it is made of, and has no local part.
    pub(crate) gate: Option<usize>,
}

/// An iterative part of a condition.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    /// `event side OP run side`
    Compare { event: usize, op: Op, run: usize },
    /// A condition on the match alone.
    Run(usize),
    /// Anything else: over columns of the row and values of the match.
    Mixed { expression: Expression, schema: SchemaRef, columns: Vec<usize>, values: Vec<usize>, can_fail: bool },
}

/// An expression over values of the match.
#[derive(Clone, Debug)]
pub(crate) struct RunSide {
    pub(crate) values: Vec<usize>,
    /// The columns it reads: one per value.
    pub(crate) schema: SchemaRef,
    pub(crate) how: How,
    pub(crate) text: String,
    /// Whether its computation can fail for some match.
    pub(crate) can_fail: bool,
}

/// How a match's side is computed.
#[derive(Clone, Debug)]
pub(crate) enum How {
    /// The one value itself; `scalar` unless it is a `Function::Other`, which reads all events anew.
    Value { scalar: bool },
    /// Float arithmetic over such values.
    Arithmetic(Arithmetic),
    /// Any expression, over a row of columns.
    Expression(Expression),
}

impl Conditions {
    /// Whether the computation of a part of a condition can fail for some row and match.
    pub(crate) fn can_fail(&self, term: &Term) -> bool {
        match term {
            Term::Compare { event, run, .. } => self.event_sides[*event].can_fail() || self.run_sides[*run].can_fail,
            Term::Run(run) => self.run_sides[*run].can_fail,
            Term::Mixed { can_fail, .. } => *can_fail,
        }
    }
}

impl RunSide {
    /// Its text.
    pub(crate) fn shown(&self) -> String {
        match &self.how {
            How::Expression(expression) => expression.text(),
            _ => self.text.clone(),
        }
    }

    /// Whether it is quick to compute.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self.how, How::Value { scalar: true } | How::Arithmetic(_))
    }
}
