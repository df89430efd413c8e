//! Signs of lengths of time.
//!
//! DataFusion allows signs only before numbers, and offers no hook for them. It has hooks for binary operations, so a sign is
//! written as one.

use super::{Kind, Lengths, length};
use crate::expr::rewrite::Rewrite;
use crate::{Error, Result};
use datafusion_expr::{BinaryExpr, Expr, Operator};
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr as Tree, UnaryOperator, Value};

/// Rewrites signs as binary operations whose left side is null.
#[derive(Debug)]
pub(in crate::expr) struct Signs;

/// The operators that stand for the signs.
const MINUS: &str = "- of";
const PLUS: &str = "+ of";

impl Rewrite for Signs {
    fn before(&mut self, node: &mut Tree) -> Result<()> {
        let Tree::UnaryOp { op, expr } = node else { return Ok(()) };
        let name = match op {
            UnaryOperator::Minus => MINUS,
            UnaryOperator::Plus => PLUS,
            _ => return Ok(()),
        };
        // A literal has its sign as a part of it.
        if matches!(expr.as_ref(), Tree::Value(_) | Tree::Interval(_)) {
            return Ok(());
        }
        let value = std::mem::replace(expr.as_mut(), Tree::Value(Value::Null.with_empty_span()));
        let left = Box::new(Tree::Value(Value::Null.with_empty_span()));
        *node = Tree::BinaryOp { left, op: BinaryOperator::Custom(name.to_owned()), right: Box::new(value) };
        Ok(())
    }
}

impl Lengths<'_> {
    /// The value with its sign, if the operation stands for one.
    pub(super) fn signed(&self, op: &BinaryOperator, value: &Expr) -> Option<Result<Expr>> {
        let BinaryOperator::Custom(name) = op else { return None };
        let is_minus = match name.as_str() {
            MINUS => true,
            PLUS => false,
            _ => return None,
        };
        Some(self.with_sign(is_minus, value))
    }

    fn with_sign(&self, is_minus: bool, value: &Expr) -> Result<Expr> {
        let value = self.planned(value.clone())?;
        let is_unsigned = self.data_type(&value).is_some_and(|of| of.is_unsigned_integer());
        match self.kind(&value) {
            Kind::Length | Kind::Calendar | Kind::Whole | Kind::Float | Kind::Null if !is_minus => Ok(value),
            Kind::Length => {
                let zero = Box::new(Expr::Literal(length(0), None));
                self.binary(BinaryExpr::new(zero, Operator::Minus, Box::new(value)))
            }
            Kind::Whole | Kind::Float | Kind::Calendar | Kind::Null if !is_unsigned => Ok(Expr::Negative(Box::new(value))),
            Kind::Whole => Err(Error::job("a number without a sign cannot get one").help("convert it: -CAST(... AS BIGINT)")),
            other => Err(Error::job(format!("{} has no sign", other.name())).help("numbers and lengths of time have one")),
        }
    }
}
