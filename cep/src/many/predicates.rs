//! The local conditions of all patterns of a set: each is stored once, split into tests.

use super::branches::{Test, branches};
use super::ordered::{Within, visit};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Schema;
use datafusion_expr::Expr;
use egret_core::expr::{Expression, Fault, Scope, mask};
use egret_core::{Result, StreamSchema};
use hashbrown::HashMap;

/// Every distinct condition, and the branches of which one must hold.
#[derive(Debug, Default)]
pub(crate) struct Predicates {
    numbers: HashMap<Expr, u32>,
    pub(super) branches: Vec<Branch>,
    /// Expressions that are evaluated a column at a time, each stored once.
    pub(super) others: Vec<Expression>,
    /// Whether some condition has several branches, so that a row may meet it in more than one way.
    pub(super) has_choices: bool,
}

/// One way to meet a condition: all tests must hold.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) condition: u32,
    pub(super) tests: Vec<Check>,
}

/// A [`Test`] ready to be made.
#[derive(Debug)]
pub(super) enum Check {
    Within { column: usize, least: i64, greatest: i64 },
    Text { column: usize, is: String },
    Other(usize),
}

impl Predicates {
    /// The number of a condition, which is added if it is new.
    ///
    /// # Errors
    /// A part of it cannot be evaluated by itself.
    pub(super) fn add(&mut self, condition: &Expression, schema: &StreamSchema) -> Result<u32> {
        if let Some(number) = self.numbers.get(condition.logical()) {
            return Ok(*number);
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(condition.logical().clone(), number);
        let ways = branches(condition, schema.arrow());
        self.has_choices |= ways.len() > 1;
        for tests in ways {
            let tests = tests.into_iter().map(|test| self.check(test, schema)).collect::<Result<_>>()?;
            self.branches.push(Branch { condition: number, tests });
        }
        Ok(number)
    }

    fn check(&mut self, test: Test, schema: &StreamSchema) -> Result<Check> {
        Ok(match test {
            Test::Within { column, least, greatest } => Check::Within { column, least, greatest },
            Test::Text { column, is } => Check::Text { column, is },
            Test::Other(expr) => match self.others.iter().position(|other| *other.logical() == expr) {
                Some(other) => Check::Other(other),
                None => {
                    self.others.push(Expression::new(expr, &Scope::of_stream(schema)?)?);
                    Check::Other(self.others.len() - 1)
                }
            },
        })
    }

    /// The condition that consists of just the expression of this number. (Conditions that can fail are never split.)
    pub(super) fn condition_of(&self, other: usize) -> Option<u32> {
        let is_it = |branch: &&Branch| matches!(branch.tests.as_slice(), [Check::Other(of)] if *of == other);
        self.branches.iter().find(is_it).map(|branch| branch.condition)
    }

    /// Whether some condition cannot be computed for some row.
    pub(super) fn can_fail(&self) -> bool {
        self.others.iter().any(Expression::can_fail)
    }

    /// For `explain`: which columns are looked up by value, and which expressions are evaluated.
    pub(super) fn describe(&self, schema: &Schema) -> Vec<String> {
        let mut compared: Vec<(usize, usize)> = Vec::new();
        for check in self.branches.iter().flat_map(|branch| &branch.tests) {
            let (Check::Within { column, .. } | Check::Text { column, .. }) = check else { continue };
            match compared.iter_mut().find(|(of, _)| of == column) {
                Some((_, count)) => *count += 1,
                None => compared.push((*column, 1)),
            }
        }
        let compared: Vec<String> =
            compared.iter().map(|&(column, count)| format!("{} ({count})", schema.field(column).name())).collect();
        let mut lines = vec![format!("{} different conditions on one event", self.numbers.len())];
        if !compared.is_empty() {
            lines.push(format!("looked up by value: comparisons of {} with constants", compared.join(", ")));
        }
        lines.extend(self.others.iter().map(|other| format!("a column at a time: {other}")));
        lines
    }
}

/// The results of expressions on one batch, evaluated when first needed.
pub(super) struct Evaluated<'a> {
    others: &'a [Expression],
    rows: &'a RecordBatch,
    bits: Vec<Option<BooleanBuffer>>,
    /// Failures: the number of the expression, and the row.
    pub(super) faults: Vec<(usize, Fault)>,
}

impl<'a> Evaluated<'a> {
    pub(super) fn new(predicates: &'a Predicates, rows: &'a RecordBatch) -> Self {
        Self { others: &predicates.others, rows, bits: vec![None; predicates.others.len()], faults: Vec::new() }
    }

    /// The rows where an expression holds; failures are recorded in `faults`.
    ///
    /// # Errors
    /// The expression cannot be evaluated.
    pub(super) fn bits(&mut self, other: usize) -> Result<&BooleanBuffer> {
        let place = &mut self.bits[other];
        match place {
            Some(bits) => Ok(bits),
            None => {
                let (bits, faults) = mask(&self.others[other], self.rows)?;
                self.faults.extend(faults.into_iter().map(|fault| (other, fault)));
                Ok(place.insert(bits))
            }
        }
    }

    /// Whether a row passes a test.
    ///
    /// # Errors
    /// As [`Evaluated::bits`].
    pub(super) fn holds(&mut self, check: &Check, row: usize) -> Result<bool> {
        match check {
            Check::Within { column, least, greatest } => {
                let within = Within { row, least: *least, greatest: *greatest };
                Ok(visit(self.rows.column(*column), within).unwrap_or(false))
            }
            Check::Text { column, is } => {
                let column = self.rows.column(*column).as_string::<i32>();
                Ok(column.is_valid(row) && column.value(row) == is)
            }
            Check::Other(other) => Ok(self.bits(*other)?.value(row)),
        }
    }
}
