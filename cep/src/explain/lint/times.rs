//! Conditions on times at which no event of a match can come: events come in the order of their times, and within WITHIN.

use super::Finding;
use super::taken::column_of;
use crate::pattern::Item;
use crate::plan::pattern_plan::Plan;
use crate::plan::value::Function;
use crate::plan::words::show_duration;
use datafusion_common::ScalarValue;
use datafusion_expr::expr::{Cast, TryCast};
use datafusion_expr::{BinaryExpr, Expr, Operator};
use std::collections::BTreeMap;

/// The shortest month.
const MONTH_US: i128 = 28 * 86_400_000_000;

/// Variables whose event would have to come too late, or before the events taken before it.
pub(super) fn too_late(plan: &Plan) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    for (source, condition) in plan.sources.iter().zip(&plan.conditions.list) {
        let Some(variable) = source.variable.filter(|_| !source.is_until && !condition.never) else { continue };
        let of = &plan.automaton.variables[variable];
        let times = Times { plan, variable };
        let mut asked = condition.iterative.iter().filter_map(|part| times.asked(part));
        let Some((why, help)) = asked.find_map(|asked| times.against(&asked, of.negated)) else { continue };
        found.push(if of.negated {
            let message = format!("'{}' forbids nothing: {why}", of.name);
            (usize::MAX, Finding::new(Some(&of.name), message, help))
        } else {
            (variable, Finding::new(Some(&of.name), format!("no event can be '{}': {why}", of.name), help))
        });
    }
    found
}

/// What a condition requires of the time between two events: `one - other OP length`.
struct Asked {
    /// The values of the match that are the two times; `None` is the time of the event at hand.
    one: Option<usize>,
    other: Option<usize>,
    op: Operator,
    us: i128,
    /// Whether the length is approximate because it has months, which may be some days longer.
    is_about: bool,
}

/// A sum of times and durations.
#[derive(Default)]
struct Sum {
    /// How often each time occurs in the sum; `None` is the time of the event at hand.
    times: BTreeMap<Option<usize>, i32>,
    us: i128,
    has_months: bool,
}

impl Sum {
    fn plus(mut self, other: Self, sign: i32) -> Option<Self> {
        for (time, count) in other.times {
            *self.times.entry(time).or_default() += sign * count;
        }
        self.times.retain(|_, count| *count != 0);
        self.us += i128::from(sign) * other.us;
        self.has_months |= other.has_months;
        Some(self)
    }
}

struct Times<'a> {
    plan: &'a Plan,
    variable: usize,
}

impl Times<'_> {
    /// Why no event can meet the requirement, and what to do about it.
    fn against(&self, asked: &Asked, is_negated: bool) -> Option<(String, &'static str)> {
        let Asked { one, other, op, us, is_about } = *asked;
        // The time from the earlier event to the later one, if it is known which is which.
        let (us, op, earlier) = match (one, other) {
            (None, Some(earlier)) => (us, op, Some(earlier)),
            (Some(earlier), None) => (-us, op.swap()?, Some(earlier)),
            (Some(_), Some(_)) => (us, op, None),
            (None, None) => return None,
        };
        let is_known_later = earlier.is_some();
        let before = match op {
            Operator::Lt => us <= 0,
            Operator::LtEq | Operator::Eq => us < 0,
            _ => false,
        };
        if is_known_later && before && !is_about {
            let why = "it must come before an event that the match has taken, and events are taken in the order of their times";
            return Some((why.to_owned(), "compare the other way round"));
        }
        let (limit, what) = self.limit(earlier).filter(|_| !is_negated)?;
        let longest = i128::from(limit) - 1;
        let late = match op {
            Operator::Gt => us >= longest,
            Operator::GtEq | Operator::Eq => us > longest,
            _ => false,
        };
        // Subtracted months make the time shorter if they are long, not longer.
        (late && !(is_about && us < 0)).then(|| {
            let least = i64::try_from(us).unwrap_or(i64::MAX);
            let why = match earlier {
                Some(_) => format!(
                    "it must come {} or more behind an earlier event, and {what} less than {}",
                    show_duration(least),
                    show_duration(limit)
                ),
                None => format!(
                    "two events before it must be {} or more apart, and {what} less than {}",
                    show_duration(least),
                    show_duration(limit)
                ),
            };
            (why, "make WITHIN longer, or ask for less time")
        })
    }

    /// How long after an earlier event of the match the event can come at most, and why.
    fn limit(&self, earlier: Option<usize>) -> Option<(i64, &'static str)> {
        let whole = self.plan.within_us.map(|us| (us, "the whole match takes"));
        let gap = earlier.and_then(|earlier| self.gap(earlier)).map(|us| (us, "WITHIN ... OF PREVIOUS leaves it"));
        whole.into_iter().chain(gap).min_by_key(|(us, _)| *us)
    }

    /// The limit of the gap between the variable and the one directly before it, if the value is the time of that one's last
    /// event.
    fn gap(&self, earlier: usize) -> Option<i64> {
        let name_of = |variable: usize| self.plan.automaton.variables[variable].name.as_str();
        let is_variable = |item: &Item, of: &str| matches!(item, Item::Variable { name, .. } if name == of);
        let value = &self.plan.values[earlier];
        let (own, before) = (name_of(self.variable), name_of(usize::from(value.variable?)));
        if !matches!(value.function, Function::Last(0) | Function::Greatest) {
            return None;
        }
        let place = self.plan.elements.iter().position(|element| is_variable(&element.item, own))?;
        let element = &self.plan.elements[place];
        let previous = self.plan.elements[..place].iter().rev().find(|element| !element.link.is_negation())?;
        let follows = is_variable(&previous.item, before) && !element.quantifier.repeats();
        element.within_previous_us.filter(|_| follows)
    }

    /// What a part of the condition requires of the time between two events, if it requires nothing else.
    fn asked(&self, part: &Expr) -> Option<Asked> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return None };
        use Operator::{Eq, Gt, GtEq, Lt, LtEq};
        let is_length = matches!(op, Gt | GtEq | Lt | LtEq | Eq);
        let (op, sum) = match (self.sum(left), self.sum(right)) {
            (Some(left), Some(right)) if is_length => (*op, left.plus(right, -1)?),
            _ => match (number(left), number(right)) {
                (None, Some(right)) => self.counted(left, *op, right)?,
                (Some(left), None) => self.counted(right, op.swap()?, left)?,
                _ => return None,
            },
        };
        let times: Vec<(Option<usize>, i32)> = sum.times.iter().map(|(time, count)| (*time, *count)).collect();
        let (one, other) = match times.as_slice() {
            [(one, 1), (other, -1)] | [(other, -1), (one, 1)] => (*one, *other),
            _ => return None,
        };
        Some(Asked { one, other, op, us: -sum.us, is_about: sum.has_months })
    }

    /// `EXTRACT(EPOCH FROM length) > number`, and other units: the duration is at least that many units.
    fn counted(&self, of: &Expr, op: Operator, than: f64) -> Option<(Operator, Sum)> {
        let (sum, unit) = self.divided(of)?;
        let us = than * unit;
        let is_least = matches!(op, Operator::Gt | Operator::GtEq | Operator::Eq) && (0.0..1e18).contains(&us);
        let than = Sum { us: us as i128, ..Sum::default() };
        is_least.then_some((Operator::GtEq, sum.plus(than, -1)?))
    }

    /// A duration divided by a unit.
    fn divided(&self, of: &Expr) -> Option<(Sum, f64)> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }) = uncast(of) else { return None };
        let unit = number(right).filter(|unit| *unit > 0.0)?;
        let (sum, inner) = self.sum(left).map(|sum| (sum, 1.0)).or_else(|| self.divided(left))?;
        Some((sum, unit * inner))
    }

    fn sum(&self, of: &Expr) -> Option<Sum> {
        let time = |time: Option<usize>| Sum { times: BTreeMap::from([(time, 1)]), ..Sum::default() };
        match uncast(of) {
            Expr::Column(column) => {
                let own = self.plan.input.arrow().field(self.plan.input.event_time()?).name();
                if column.name == *own {
                    return Some(time(None));
                }
                let value = self.plan.values.iter().position(|value| value.name == column.name)?;
                let of = &self.plan.values[value];
                let is_time =
                    matches!(of.function, Function::First(_) | Function::Last(_) | Function::Least | Function::Greatest);
                (is_time && of.variable.is_some() && column_of(self.plan, of)? == own).then(|| time(Some(value)))
            }
            Expr::Literal(value, _) => length(value),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }) => self.sum(left)?.plus(self.sum(right)?, 1),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => self.sum(left)?.plus(self.sum(right)?, -1),
            _ => None,
        }
    }
}

fn uncast(of: &Expr) -> &Expr {
    match of {
        Expr::Cast(Cast { expr, .. }) | Expr::TryCast(TryCast { expr, .. }) => uncast(expr),
        other => other,
    }
}

/// A constant duration; an INTERVAL of months counts with its least length.
fn length(value: &ScalarValue) -> Option<Sum> {
    let us = match value {
        ScalarValue::DurationSecond(Some(length)) => i128::from(*length) * 1_000_000,
        ScalarValue::DurationMillisecond(Some(length)) => i128::from(*length) * 1_000,
        ScalarValue::DurationMicrosecond(Some(length)) => i128::from(*length),
        ScalarValue::DurationNanosecond(Some(length)) => i128::from(*length) / 1_000,
        ScalarValue::IntervalMonthDayNano(Some(of)) => {
            let us = i128::from(of.days) * 86_400_000_000 + i128::from(of.nanoseconds) / 1_000;
            return Some(Sum { us: us + i128::from(of.months) * MONTH_US, has_months: of.months != 0, ..Sum::default() });
        }
        _ => return None,
    };
    Some(Sum { us, ..Sum::default() })
}

fn number(of: &Expr) -> Option<f64> {
    match of {
        Expr::Literal(ScalarValue::Float64(number), _) => *number,
        Expr::Literal(ScalarValue::Int64(number), _) => number.map(|number| number as f64),
        _ => None,
    }
}
