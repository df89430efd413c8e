//! Conditions on the earlier events of their own variable that the variable's first event cannot meet.

use super::Finding;
use crate::plan::automaton::ConditionId;
use crate::plan::condition::{How, Term};
use crate::plan::pattern_plan::Plan;
use crate::plan::value::RunValue;
use datafusion_expr::expr::{Cast, TryCast};
use datafusion_expr::{BinaryExpr, Expr, Operator};

/// Variables that no event can begin: before their first event, values of their own events are null, and so is a part of the
/// condition. Negated variables never take an event, so their values are always null.
pub(super) fn never_begun(plan: &Plan) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    for (number, source) in plan.sources.iter().enumerate() {
        let Some(variable) = source.variable.filter(|_| !source.is_until) else { continue };
        let of = &plan.automaton.variables[variable];
        let is_null = |value: &RunValue| value.variable == Some(variable as u16) && !value.is_zero_of_nothing();
        let nulls = Nulls { plan, is_null: &is_null };
        let condition = &plan.conditions.list[number];
        if condition.never || !condition.terms.iter().any(|term| nulls.is_null_term(term)) {
            continue;
        }
        let name = plan.condition_name(number as ConditionId);
        let message = format!(
            "no event can be the first '{name}': its condition compares with earlier events of '{name}', and what is compared with nothing does not hold"
        );
        let help = match &source.condition {
            Some(text) => format!("say what the first may be: count({name}) = 0 OR {text}"),
            None => format!("say what the first may be: count({name}) = 0 OR ..."),
        };
        if of.negated {
            let message = format!("'{name}' forbids nothing: its condition compares with events of '{name}', which takes none");
            found.push((usize::MAX, Finding::new(Some(name), message, "compare with a variable that takes events")));
        } else {
            found.push((variable, Finding::new(Some(name), message, help)));
        }
    }
    found
}

/// Which expressions are null when some values of the match are null.
pub(super) struct Nulls<'a> {
    pub(super) plan: &'a Plan,
    pub(super) is_null: &'a dyn Fn(&RunValue) -> bool,
}

impl Nulls<'_> {
    fn is_null_value(&self, value: usize) -> bool {
        (self.is_null)(&self.plan.values[value])
    }

    pub(super) fn is_null_term(&self, term: &Term) -> bool {
        match term {
            Term::Compare { run, .. } | Term::Run(run) => {
                let side = &self.plan.conditions.run_sides[*run];
                match &side.how {
                    How::Expression(expression) => self.is_null(expression.logical()),
                    // Arithmetic is null if any operand is.
                    How::Value { .. } | How::Arithmetic(_) => side.values.iter().any(|&value| self.is_null_value(value)),
                }
            }
            Term::Mixed { expression, .. } => self.is_null(expression.logical()),
        }
    }

    /// Whether an expression is certainly null.
    fn is_null(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Literal(value, _) => value.is_null(),
            Expr::Column(column) => {
                let named = self.plan.values.iter().position(|value| value.name == column.name);
                named.is_some_and(|value| self.is_null_value(value))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::And | Operator::Or => self.is_null(left) && self.is_null(right),
                Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => false,
                _ => self.is_null(left) || self.is_null(right),
            },
            Expr::Not(inner) | Expr::Negative(inner) => self.is_null(inner),
            Expr::Cast(Cast { expr, .. }) | Expr::TryCast(TryCast { expr, .. }) => self.is_null(expr),
            Expr::Between(between) => self.is_null(&between.expr) || (self.is_null(&between.low) && self.is_null(&between.high)),
            Expr::ScalarFunction(call) => {
                const STRICT: [&str; 10] =
                    ["abs", "ceil", "floor", "round", "sqrt", "ln", "log10", "lower", "upper", "date_trunc"];
                STRICT.contains(&call.func.name()) && call.args.iter().any(|argument| self.is_null(argument))
            }
            _ => false,
        }
    }
}
