//! Conditions that are never or always true.

use super::Finding;
use super::taken::says_nothing;
use crate::plan::automaton::ConditionId;
use crate::plan::condition::facts::Facts;
use crate::plan::pattern_plan::Plan;
use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast;

impl Plan {
    /// The part of a condition that reads one event alone.
    pub(super) fn local(&self, condition: ConditionId) -> Option<&Expr> {
        let place = self.conditions.list[condition as usize].local?;
        Some(self.locals[place.index()].logical())
    }

    /// Whether a condition does not read the match so far.
    pub(super) fn is_local(&self, condition: ConditionId) -> bool {
        self.conditions.list[condition as usize].terms.is_empty()
    }

    /// Whether every event that meets `one` meets `other`.
    pub(super) fn implies(&self, one: ConditionId, other: ConditionId) -> bool {
        if self.conditions.list[one as usize].never || self.conditions.list[other as usize].never || !self.is_local(other) {
            return false;
        }
        let facts = Facts::of(self.local(one).into_iter().flat_map(datafusion_expr::utils::split_conjunction));
        self.local(other).is_none_or(|other| facts.imply_all(other))
    }

    /// The condition of a variable.
    pub(super) fn condition_of(&self, variable: &str) -> Option<ConditionId> {
        self.source_of(variable, false)
    }

    /// The condition that ends the repetition of a variable.
    pub(super) fn until_of(&self, variable: &str) -> Option<ConditionId> {
        self.source_of(variable, true)
    }

    fn source_of(&self, variable: &str, is_until: bool) -> Option<ConditionId> {
        let is_it = |source: &crate::plan::automaton::ConditionSource| {
            source.is_until == is_until && source.variable.is_some_and(|of| self.automaton.variables[of].name == variable)
        };
        self.sources.iter().position(is_it).map(|place| place as ConditionId)
    }
}

/// Conditions that contradict themselves.
pub(super) fn never(plan: &Plan) -> Vec<Finding> {
    let numbers = (0..plan.sources.len()).filter(|&number| plan.conditions.list[number].never);
    let finding = |number: usize| {
        let source = &plan.sources[number];
        let name = plan.condition_name(number as ConditionId);
        let is_negated = source.variable.is_some_and(|variable| plan.automaton.variables[variable].negated);
        let (message, help) = match (source.is_until, is_negated) {
            (true, _) => (format!("the UNTIL of '{name}' is never true: it ends nothing"), "correct it, or take it away"),
            (false, true) => (
                format!("the condition of '{name}' is never true: the negation forbids nothing"),
                "correct it, or take the step away",
            ),
            (false, false) => (
                format!("the condition of '{name}' is never true: no event can be '{name}'"),
                "its parts contradict each other: correct one, or write OR",
            ),
        };
        let with_null = source.condition.as_ref().and_then(|condition| compared_with_null(&condition.tree().ok()?));
        let help = with_null.unwrap_or_else(|| help.to_owned());
        let variable = source.variable.map(|variable| plan.automaton.variables[variable].name.as_str());
        Finding::new(variable, message, help)
    };
    numbers.map(finding).collect()
}

/// What to write instead of a comparison with NULL, which never holds.
fn compared_with_null(tree: &ast::Expr) -> Option<String> {
    let is_null = |side: &ast::Expr| matches!(side, ast::Expr::Value(value) if value.value == ast::Value::Null);
    match tree {
        ast::Expr::Nested(inner) => compared_with_null(inner),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And | ast::BinaryOperator::Or, right } => {
            compared_with_null(left).or_else(|| compared_with_null(right))
        }
        ast::Expr::BinaryOp { left, op, right } if is_null(left) || is_null(right) => {
            let other = if is_null(left) { right } else { left };
            let not = if *op == ast::BinaryOperator::NotEq { "NOT " } else { "" };
            Some(format!("nothing compares with NULL: write {other} IS {not}NULL"))
        }
        _ => None,
    }
}

/// Conditions that are always true, and repetitions that end before they begin.
pub(super) fn always(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, source) in plan.sources.iter().enumerate() {
        let id = number as ConditionId;
        let says_nothing = plan.local(id).is_none_or(says_nothing);
        let is_empty = says_nothing && plan.is_local(id) && !plan.conditions.list[number].never;
        let Some(variable) = source.variable.filter(|_| is_empty && source.condition.is_some()) else { continue };
        let name = plan.automaton.variables[variable].name.as_str();
        findings.push(if source.is_until {
            let message = format!("the UNTIL of '{name}' is true for every event: the repetition takes none");
            Finding::new(Some(name), message, "say what ends the repetition")
        } else {
            let message = format!("the condition of '{name}' is true for every event");
            Finding::new(Some(name), message, format!("leave it out if any event can be '{name}', or correct it"))
        });
    }
    findings
}
