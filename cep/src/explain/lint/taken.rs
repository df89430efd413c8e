//! Conditions compared with what is known of the events that a match has taken: what the events' own conditions leave of them,
//! how many there are, and that all have the same key.

use super::Finding;
use super::first::Nulls;
use crate::pattern::{Element, Item};
use crate::plan::automaton::ConditionId;
use crate::plan::condition::facts::Facts;
use crate::plan::pattern_plan::Plan;
use crate::plan::value::{Function, RunValue};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{Expr, lit};
use std::collections::BTreeSet;

/// How many events of a repetition are checked one by one.
const REPETITIONS_MAX: u32 = 1_000;

/// A variable at the top level of the pattern, not in a group.
struct Step<'a> {
    name: &'a str,
    number: usize,
    /// The least number of events that it takes in a match.
    min: u32,
    max: Option<u32>,
}

/// Variables that no event can be, or not as often as required.
pub(super) fn impossible(plan: &Plan) -> Vec<(usize, Finding)> {
    let steps: Vec<Step<'_>> = plan.elements.iter().filter_map(|element| step(plan, element)).collect();
    let mut found = other_keys(plan, &steps);
    for (number, source) in plan.sources.iter().enumerate() {
        let Some(variable) = source.variable.filter(|_| !source.is_until && !plan.conditions.list[number].never) else {
            continue;
        };
        if plan.automaton.variables[variable].negated {
            continue;
        }
        let beside = Beside { plan, steps: &steps, condition: number as ConditionId, variable };
        found.extend(beside.finding().map(|finding| (variable, finding)));
    }
    found
}

fn step<'a>(plan: &Plan, element: &'a Element) -> Option<Step<'a>> {
    let Item::Variable { name, .. } = &element.item else { return None };
    let number = plan.automaton.variables.iter().position(|variable| variable.name == *name)?;
    let quantifier = &element.quantifier;
    let min = if quantifier.optional { 0 } else { quantifier.min };
    (!element.link.is_negation()).then_some(Step { name, number, min, max: quantifier.max })
}

/// Steps whose conditions on the key contradict those of earlier steps.
fn other_keys(plan: &Plan, steps: &[Step<'_>]) -> Vec<(usize, Finding)> {
    let keys: Vec<&str> = plan.partition.iter().map(|&column| plan.input.arrow().field(column).name().as_str()).collect();
    let mut parts: Vec<&Expr> = Vec::new();
    for step in steps.iter().filter(|step| step.min > 0) {
        let Some(local) = plan.condition_of(step.name).and_then(|condition| plan.local(condition)) else { continue };
        let about_key = |part: &&Expr| columns_of(part).iter().all(|column| keys.contains(&column.as_str()));
        let before = parts.len();
        parts.extend(split_conjunction(local).into_iter().filter(about_key));
        if before > 0 && Facts::of(parts.iter().copied()).contradict() {
            let shown = keys.join(", ");
            let message = format!(
                "no event can be '{}': the events of a match have the same {shown}, and steps before it ask for another",
                step.name
            );
            return vec![(
                step.number,
                Finding::new(Some(step.name), message, "partition by something else, or correct one of the conditions"),
            )];
        }
    }
    Vec::new()
}

/// A condition, together with what is known of the match before it.
struct Beside<'a> {
    plan: &'a Plan,
    steps: &'a [Step<'a>],
    condition: ConditionId,
    variable: usize,
}

impl Beside<'_> {
    fn finding(&self) -> Option<Finding> {
        let parts = self.parts();
        let name = self.plan.condition_name(self.condition);
        let never = |message: String, help: &str| Some(Finding::new(Some(name), message, help));
        if let Some(value) = self.missing() {
            let message = format!("no event can be '{name}': `{value}` is of an event that no match has then, and so is null");
            return never(message, "read an event that the pattern takes before it");
        }
        let known = self.known(&parts);
        if Facts::of(parts.iter().chain(&known)).contradict() {
            let message = format!("no event can be '{name}': its condition contradicts what the events before it are");
            return never(message, "correct it, or the conditions of the variables that it reads");
        }
        let own = self.steps.iter().find(|step| step.number == self.variable)?;
        let count = |of: &&RunValue| matches!(of.function, Function::Count) && of.variable == Some(self.variable as u16);
        let count =
            self.plan.values.iter().filter(count).find(|of| parts.iter().any(|part| columns_of(part).contains(&of.name)))?;
        let at = (0..own.min.clamp(1, REPETITIONS_MAX)).find(|&taken| {
            let taken = [Expr::Column(Column::from_name(&count.name)).eq(lit(i64::from(taken)))];
            Facts::of(parts.iter().chain(&known).chain(&taken)).contradict()
        })?;
        let count = &count.name;
        let message = match at {
            0 => format!("no event can be the first '{name}': `{count}` is 0 before it"),
            at => format!("'{name}' never comes {} times: before the last of them `{count}` is {at}", at + 1),
        };
        never(message, "it is how many events have been taken before the one at hand")
    }

    /// The parts of the condition, with equal values under one name.
    fn parts(&self) -> Vec<Expr> {
        let condition = &self.plan.conditions.list[self.condition as usize];
        let local = self.plan.local(self.condition).into_iter().flat_map(split_conjunction);
        let named = |part: &Expr| {
            renamed(part, &|name| {
                let value = self.value(name)?;
                let key = |of: &RunValue| (of.variable, format!("{:?}", of.function), of.column);
                let first = self.plan.values.iter().find(|other| key(other) == key(value))?;
                Some(first.name.clone())
            })
        };
        local.chain(&condition.iterative).map(named).collect()
    }

    fn value(&self, name: &str) -> Option<&RunValue> {
        self.plan.values.iter().find(|value| value.name == name)
    }

    /// What is known of the values that these parts read.
    fn known(&self, parts: &[Expr]) -> Vec<Expr> {
        let read: BTreeSet<String> = parts.iter().flat_map(columns_of).collect();
        let asks_for_null = |name: &str| {
            let is_it = |of: &Expr| matches!(of, Expr::Column(column) if column.name == name);
            parts.iter().any(|part| matches!(part, Expr::IsNull(of) if is_it(of)))
        };
        let mut known = Vec::new();
        for value in read.iter().filter_map(|name| self.value(name)) {
            match value.function {
                Function::Count => known.extend(self.counted(value)),
                Function::First(_) | Function::Last(_) | Function::Least | Function::Greatest if !asks_for_null(&value.name) => {
                    known.extend(self.as_taken(value).unwrap_or_default());
                }
                _ => {}
            }
        }
        known
    }

    /// The bounds on how many events another variable has taken.
    fn counted(&self, value: &RunValue) -> Vec<Expr> {
        let number = value.variable.map(usize::from);
        let Some(step) = self.steps.iter().find(|step| Some(step.number) == number && step.number != self.variable) else {
            return Vec::new();
        };
        let count = || Expr::Column(Column::from_name(&value.name));
        let most = step.max.map(|max| count().lt_eq(lit(i64::from(max))));
        std::iter::once(count().gt_eq(lit(i64::from(step.min)))).chain(most).collect()
    }

    /// The condition of the variable that took an event, as far as it concerns the column that a value reads.
    fn as_taken(&self, value: &RunValue) -> Option<Vec<Expr>> {
        let taker = &self.plan.automaton.variables[usize::from(value.variable?)].name;
        let local = self.plan.local(self.plan.condition_of(taker)?)?;
        let column = column_of(self.plan, value)?;
        let alone = |part: &&Expr| columns_of(part).iter().all(|read| read == column) && !matches!(part, Expr::IsNull(_));
        let as_value = |part: &Expr| renamed(part, &|_| Some(value.name.clone()));
        Some(split_conjunction(local).into_iter().filter(alone).map(as_value).collect())
    }

    /// A value of an event that never exists, if the condition cannot hold without the value.
    fn missing(&self) -> Option<&str> {
        let max = |value: &RunValue| {
            let step = self.steps.iter().find(|step| Some(step.number) == value.variable.map(usize::from))?;
            // Before the variable's last event there is one less of its own events.
            step.max.map(|max| (max as usize).saturating_sub(usize::from(step.number == self.variable)))
        };
        let is_beyond = |value: &RunValue| match value.function {
            // `first::never_begun` reports the first event of a variable that takes only one.
            Function::First(n) | Function::Last(n) => max(value).is_some_and(|max| max > 0 && n >= max),
            _ => false,
        };
        let of_condition = |is_null: &dyn Fn(&RunValue) -> bool| {
            let nulls = Nulls { plan: self.plan, is_null };
            self.plan.conditions.list[self.condition as usize].terms.iter().any(|term| nulls.is_null_term(term))
        };
        let named = |value: &&RunValue| of_condition(&|other: &RunValue| other.name == value.name);
        if of_condition(&is_beyond) {
            return self.plan.values.iter().filter(|value| is_beyond(value)).find(named).map(|value| value.name.as_str());
        }
        let branches = self.plan.elements.iter().filter_map(|element| match &element.item {
            Item::Alternatives(sequences) if element.quantifier.max == Some(1) => Some(sequences),
            _ => None,
        });
        for sequences in branches {
            let variables: Vec<BTreeSet<usize>> = sequences.iter().map(|sequence| variables(self.plan, sequence)).collect();
            let absent = |branch: usize| {
                let variables = &variables;
                move |value: &RunValue| {
                    let own = value.variable.map(usize::from);
                    let of = |one: &BTreeSet<usize>| own.is_some_and(|own| one.contains(&own));
                    !value.is_zero_of_nothing() && !of(&variables[branch]) && variables.iter().any(of)
                }
            };
            let stands_inside = variables.iter().any(|of| of.contains(&self.variable));
            if !stands_inside && (0..variables.len()).all(|branch| of_condition(&absent(branch))) {
                let values = self.plan.values.iter().filter(|value| absent(0)(value));
                return values.into_iter().find(named).map(|value| value.name.as_str());
            }
        }
        None
    }
}

/// The variables of a sequence and of the sequences inside it.
fn variables(plan: &Plan, sequence: &[Element]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for element in sequence {
        if let Item::Variable { name, .. } = &element.item {
            found.extend(plan.automaton.variables.iter().position(|variable| variable.name == *name));
        }
        found.extend(element.item.sequences().iter().flat_map(|inner| variables(plan, inner)));
    }
    found
}

/// The column of the input that a value reads.
pub(super) fn column_of<'a>(plan: &'a Plan, value: &RunValue) -> Option<&'a str> {
    Some(plan.rows.arrow().field(*plan.stored.get(value.column?)?).name())
}

fn columns_of(part: &Expr) -> BTreeSet<String> {
    part.column_refs().into_iter().map(|column| column.name.clone()).collect()
}

/// An expression with columns renamed.
fn renamed(part: &Expr, name: &dyn Fn(&str) -> Option<String>) -> Expr {
    let rename = |node: Expr| {
        Ok(match &node {
            Expr::Column(column) => match name(&column.name) {
                Some(name) => Transformed::yes(Expr::Column(Column::from_name(name))),
                None => Transformed::no(node),
            },
            _ => Transformed::no(node),
        })
    };
    part.clone().transform(rename).map_or_else(|_| part.clone(), |new| new.data)
}

/// Whether a condition holds for every event, though it has parts: `x IS NULL OR x IS NOT NULL`.
pub(super) fn says_nothing(condition: &Expr) -> bool {
    split_conjunction(condition).into_iter().all(|part| {
        let either = datafusion_expr::utils::split_binary(part, datafusion_expr::Operator::Or);
        let is_other = |one: &Expr, other: &Expr| match (one, other) {
            (Expr::IsNull(one), Expr::IsNotNull(other)) => one == other && matches!(one.as_ref(), Expr::Column(_)),
            _ => false,
        };
        matches!(part, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
            || either.iter().any(|one| either.iter().any(|other| is_other(one, other)))
    })
}
