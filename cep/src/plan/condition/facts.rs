//! What follows from conditions on single values: that no value meets them all (`amount < 1 AND amount > 2`), or that one holds
//! wherever others do (`amount > 5` where `amount > 7`).
//!
//! Each expression that is compared with constants has an interval, a list of possible values, a list of excluded values, and
//! whether it is null. Any other condition is known by its text alone. The conclusions are sound but not complete.

use datafusion_common::ScalarValue;
use datafusion_expr::expr::InList;
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{BinaryExpr, Expr, Operator};
use egret_core::floats::{plain, plain32};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

/// What follows from conditions that all hold.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    values: HashMap<String, Range>,
    /// The conditions themselves.
    texts: BTreeSet<String>,
    /// For pairs of expressions of which neither is a constant: which of less, equal and greater are possible.
    orders: HashMap<(String, String), u8>,
}

const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;

/// The possible values of an expression.
#[derive(Debug, Default)]
struct Range {
    /// A bound, and whether the value may equal it.
    least: Option<(ScalarValue, bool)>,
    greatest: Option<(ScalarValue, bool)>,
    /// The value is one of these.
    one_of: Option<Vec<ScalarValue>>,
    /// The value is none of these.
    none_of: Vec<ScalarValue>,
    is_null: bool,
    is_not_null: bool,
}

impl Facts {
    /// What follows from these conditions, which all hold.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a Expr>) -> Self {
        let mut facts = Self::default();
        for part in parts {
            facts.texts.insert(part.to_string());
            facts.add(part);
        }
        facts
    }

    /// Limits how two expressions compare.
    fn order(&mut self, part: &Expr) {
        let Some((pair, orders)) = order(part) else { return };
        // No value is less or greater than itself, not even NaN.
        let possible = if pair.0 == pair.1 { EQUAL } else { LESS | EQUAL | GREATER };
        *self.orders.entry(pair).or_insert(possible) &= orders;
    }

    fn add(&mut self, part: &Expr) {
        self.order(part);
        if let Some((what, operator, bound)) = comparison(part) {
            return self.range(what).compared(operator, &bound);
        }
        if let Some((what, values)) = one_of(part) {
            return self.range(what).limit_to(values);
        }
        match part {
            Expr::IsNull(what) => self.range(what).is_null = true,
            Expr::IsNotNull(what) => self.range(what).is_not_null = true,
            Expr::InList(InList { expr, list, negated: true }) => {
                let range = self.range(expr);
                range.is_not_null = true;
                range.none_of.extend(list.iter().filter_map(literal));
            }
            _ => {}
        }
    }

    fn range(&mut self, what: &Expr) -> &mut Range {
        self.values.entry(what.to_string()).or_default()
    }

    /// Whether no value can meet the conditions.
    pub(crate) fn contradict(&self) -> bool {
        let orders = || self.orders.iter();
        self.values.values().any(Range::is_empty)
            || orders().any(|(_, orders)| *orders == 0)
            || orders().any(|((left, right), orders)| self.are_apart(left, right, *orders))
    }

    /// Whether the possible values of two expressions rule out all of `orders`: `x < y` with `x > 5` and `y < 3`.
    fn are_apart(&self, left: &str, right: &str, orders: u8) -> bool {
        let (Some(left), Some(right)) = (self.values.get(left), self.values.get(right)) else { return false };
        match orders {
            LESS => left.is_beyond(right, &[Ordering::Greater, Ordering::Equal]),
            GREATER => right.is_beyond(left, &[Ordering::Greater, Ordering::Equal]),
            EQUAL => {
                left.is_beyond(right, &[Ordering::Greater])
                    || right.is_beyond(left, &[Ordering::Greater])
                    || left.shares_none_with(right)
            }
            of if of == LESS | EQUAL => left.is_beyond(right, &[Ordering::Greater]),
            of if of == GREATER | EQUAL => right.is_beyond(left, &[Ordering::Greater]),
            _ => false,
        }
    }

    /// Whether a condition holds wherever these do.
    pub(crate) fn imply(&self, condition: &Expr) -> bool {
        if self.texts.contains(&condition.to_string()) {
            return true;
        }
        if let Some((pair, orders)) = order(condition)
            && self.orders.get(&pair).is_some_and(|known| known & !orders == 0)
        {
            return true;
        }
        let range = |what: &Expr| self.values.get(&what.to_string());
        if let Some((what, operator, bound)) = comparison(condition) {
            return range(what).is_some_and(|range| range.implies(operator, &bound));
        }
        match condition {
            Expr::Literal(ScalarValue::Boolean(Some(true)), _) => true,
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => self.imply(left) && self.imply(right),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let listed =
                    one_of(condition).is_some_and(|(what, values)| range(what).is_some_and(|range| range.is_one_of(&values)));
                listed || self.imply(left) || self.imply(right)
            }
            Expr::IsNull(what) => range(what).is_some_and(|range| range.is_null),
            Expr::IsNotNull(what) => range(what).is_some_and(|range| range.is_not_null),
            Expr::InList(InList { expr, list, negated: false }) => {
                let values: Vec<ScalarValue> = list.iter().filter_map(literal).collect();
                range(expr).is_some_and(|range| range.is_one_of(&values))
            }
            Expr::InList(InList { expr, list, negated: true }) => range(expr).is_some_and(|range| {
                list.iter().all(|value| literal(value).is_some_and(|value| range.implies(Operator::NotEq, &value)))
            }),
            _ => false,
        }
    }

    /// [`Facts::imply`] for all parts of a conjunction.
    pub(crate) fn imply_all(&self, condition: &Expr) -> bool {
        split_conjunction(condition).into_iter().all(|part| self.imply(part))
    }
}

impl Range {
    fn compared(&mut self, operator: Operator, bound: &ScalarValue) {
        self.is_not_null = true;
        match operator {
            Operator::Gt => self.above(bound, false),
            Operator::GtEq => self.above(bound, true),
            Operator::Lt => self.below(bound, false),
            Operator::LtEq => self.below(bound, true),
            Operator::Eq => self.limit_to(vec![bound.clone()]),
            Operator::NotEq => self.none_of.push(bound.clone()),
            _ => {}
        }
    }

    fn above(&mut self, bound: &ScalarValue, may_equal: bool) {
        let is_tighter = self.least.as_ref().is_none_or(|(least, equal)| match bound.partial_cmp(least) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => *equal && !may_equal,
            _ => false,
        });
        if is_tighter {
            self.least = Some((bound.clone(), may_equal));
        }
    }

    fn below(&mut self, bound: &ScalarValue, may_equal: bool) {
        let is_tighter = self.greatest.as_ref().is_none_or(|(greatest, equal)| match bound.partial_cmp(greatest) {
            Some(Ordering::Less) => true,
            Some(Ordering::Equal) => *equal && !may_equal,
            _ => false,
        });
        if is_tighter {
            self.greatest = Some((bound.clone(), may_equal));
        }
    }

    fn limit_to(&mut self, values: Vec<ScalarValue>) {
        self.is_not_null = true;
        self.one_of = Some(match self.one_of.take() {
            Some(mut before) => {
                before.retain(|value| values.contains(value));
                before
            }
            None => values,
        });
    }

    /// Whether the bounds and the excluded values allow a value.
    fn allows(&self, value: &ScalarValue) -> bool {
        let outside = |bound: &Option<(ScalarValue, bool)>, beyond: Ordering| {
            bound.as_ref().is_some_and(|(bound, may_equal)| match value.partial_cmp(bound) {
                Some(Ordering::Equal) => !may_equal,
                Some(order) => order == beyond,
                None => false,
            })
        };
        !(outside(&self.least, Ordering::Less) || outside(&self.greatest, Ordering::Greater) || self.none_of.contains(value))
    }

    fn is_empty(&self) -> bool {
        if self.is_null && self.is_not_null {
            return true;
        }
        if let Some(values) = &self.one_of {
            return !values.iter().any(|value| self.allows(value));
        }
        let (Some((least, from)), Some((greatest, to))) = (&self.least, &self.greatest) else { return false };
        match least.partial_cmp(greatest) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => !(*from && *to) || self.none_of.contains(least),
            _ => false,
        }
    }

    /// Whether the least value possible here stands in one of `orders` to the greatest value possible there. Where both bounds
    /// are the same value and either side excludes it, the answer is yes.
    fn is_beyond(&self, other: &Self, orders: &[Ordering]) -> bool {
        let (Some((least, from)), Some((greatest, to))) = (self.least(), other.greatest()) else { return false };
        match least.partial_cmp(greatest) {
            Some(Ordering::Equal) => !(from && to) || orders.contains(&Ordering::Equal),
            Some(order) => orders.contains(&order),
            None => false,
        }
    }

    fn least(&self) -> Option<(&ScalarValue, bool)> {
        match &self.one_of {
            Some(values) => Some((values.iter().min_by(|one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal))?, true)),
            None => self.least.as_ref().map(|(bound, may_equal)| (bound, *may_equal)),
        }
    }

    fn greatest(&self) -> Option<(&ScalarValue, bool)> {
        match &self.one_of {
            Some(values) => Some((values.iter().max_by(|one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal))?, true)),
            None => self.greatest.as_ref().map(|(bound, may_equal)| (bound, *may_equal)),
        }
    }

    /// Whether one of them has a list of values and none of these is possible for both.
    fn shares_none_with(&self, other: &Self) -> bool {
        let rules_out = |one: &Self, other: &Self| {
            one.one_of.as_ref().is_some_and(|values| {
                values.iter().all(|value| {
                    !one.allows(value)
                        || !other.allows(value)
                        || other.one_of.as_ref().is_some_and(|others| !others.contains(value))
                })
            })
        };
        rules_out(self, other) || rules_out(other, self)
    }

    fn is_one_of(&self, values: &[ScalarValue]) -> bool {
        self.one_of.as_ref().is_some_and(|own| own.iter().filter(|value| self.allows(value)).all(|value| values.contains(value)))
    }

    /// Whether `value operator bound` holds for every possible value.
    fn implies(&self, operator: Operator, bound: &ScalarValue) -> bool {
        if let Some(values) = &self.one_of {
            return values.iter().filter(|value| self.allows(value)).all(|value| holds(value, operator, bound));
        }
        let at_least = |orders: &[Ordering]| self.least.as_ref().is_some_and(|(least, _)| is(least, bound, orders));
        let at_most = |orders: &[Ordering]| self.greatest.as_ref().is_some_and(|(greatest, _)| is(greatest, bound, orders));
        let least_beyond = |bound| self.least.as_ref().is_some_and(|(least, may)| !may && is(least, bound, &[Ordering::Equal]));
        let greatest_beyond =
            |bound| self.greatest.as_ref().is_some_and(|(greatest, may)| !may && is(greatest, bound, &[Ordering::Equal]));
        let above = at_least(&[Ordering::Greater]) || least_beyond(bound);
        let below = at_most(&[Ordering::Less]) || greatest_beyond(bound);
        match operator {
            Operator::Gt => above,
            Operator::GtEq => above || at_least(&[Ordering::Equal]),
            Operator::Lt => below,
            Operator::LtEq => below || at_most(&[Ordering::Equal]),
            Operator::NotEq => above || below || self.none_of.contains(bound),
            _ => false,
        }
    }
}

/// How a condition orders two expressions, neither of them a constant; the pair begins with the lesser text.
fn order(part: &Expr) -> Option<((String, String), u8)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return None };
    if matches!(left.as_ref(), Expr::Literal(..)) || matches!(right.as_ref(), Expr::Literal(..)) || part.is_volatile() {
        return None;
    }
    let (left, right) = (left.to_string(), right.to_string());
    let orders = match op {
        Operator::Lt => LESS,
        Operator::LtEq => LESS | EQUAL,
        Operator::Gt => GREATER,
        Operator::GtEq => GREATER | EQUAL,
        Operator::Eq => EQUAL,
        Operator::NotEq => LESS | GREATER,
        Operator::IsDistinctFrom if left == right => 0,
        _ => return None,
    };
    if left <= right {
        return Some(((left, right), orders));
    }
    let turned = orders & EQUAL | if orders & LESS != 0 { GREATER } else { 0 } | if orders & GREATER != 0 { LESS } else { 0 };
    Some(((right, left), turned))
}

fn is(one: &ScalarValue, other: &ScalarValue, orders: &[Ordering]) -> bool {
    one.partial_cmp(other).is_some_and(|order| orders.contains(&order))
}

fn holds(value: &ScalarValue, operator: Operator, bound: &ScalarValue) -> bool {
    let Some(order) = value.partial_cmp(bound) else { return false };
    match operator {
        Operator::Gt => order.is_gt(),
        Operator::GtEq => order.is_ge(),
        Operator::Lt => order.is_lt(),
        Operator::LtEq => order.is_le(),
        Operator::Eq => order.is_eq(),
        Operator::NotEq => order.is_ne(),
        _ => false,
    }
}

/// `expression operator constant`, turned round if the constant comes first; a boolean by itself is `expression = true`.
pub(crate) fn comparison(part: &Expr) -> Option<(&Expr, Operator, ScalarValue)> {
    match part {
        Expr::Column(_) => return Some((part, Operator::Eq, ScalarValue::Boolean(Some(true)))),
        Expr::Not(what) if matches!(what.as_ref(), Expr::Column(_)) => {
            return Some((what, Operator::Eq, ScalarValue::Boolean(Some(false))));
        }
        _ => {}
    }
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Literal(..), Expr::Literal(..)) => None,
        (what, constant @ Expr::Literal(..)) => is_comparison(*op).then_some((what, *op, literal(constant)?)),
        (constant @ Expr::Literal(..), what) => is_comparison(*op).then_some((what, op.swap()?, literal(constant)?)),
        _ => None,
    }
}

fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// A constant that is not null. Floats that are equal as conditions compare them get the same form.
pub(crate) fn literal(part: &Expr) -> Option<ScalarValue> {
    match part {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => Some(ScalarValue::Float64(Some(plain(*value)))),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => Some(ScalarValue::Float32(Some(plain32(*value)))),
        Expr::Literal(value, _) if !value.is_null() => Some(value.clone()),
        _ => None,
    }
}

/// `x IN (1, 2)`, also as the planner writes it: `x = 1 OR x = 2`.
fn one_of(part: &Expr) -> Option<(&Expr, Vec<ScalarValue>)> {
    match part {
        Expr::InList(InList { expr, list, negated: false }) => {
            let values: Vec<ScalarValue> = list.iter().filter_map(literal).collect();
            (values.len() == list.len()).then_some((expr.as_ref(), values))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let ((one, mut values), (other, more)) = (one_of(left)?, one_of(right)?);
            values.extend(more);
            (one == other).then_some((one, values))
        }
        _ => match comparison(part)? {
            (what, Operator::Eq, value) => Some((what, vec![value])),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_expr::{col, lit};

    #[test]
    fn what_leaves_nothing_is_found() {
        let x = || col("x");
        let y = || col("y");
        for (parts, never) in [
            (vec![x().lt(y()), x().gt(lit(5)), y().lt(lit(3))], true),
            (vec![x().lt(y()), x().gt_eq(lit(5)), y().lt_eq(lit(5))], true),
            (vec![x().lt_eq(y()), x().gt_eq(lit(5)), y().lt_eq(lit(5))], false),
            (vec![x().lt_eq(y()), x().gt(lit(5)), y().lt_eq(lit(5))], true),
            (vec![y().gt(x()), x().eq(lit(5)), y().eq(lit(6))], false),
            (vec![y().lt(x()), x().eq(lit(5)), y().eq(lit(6))], true),
            (vec![x().eq(y()), x().eq(lit("a")), y().eq(lit("b"))], true),
            (vec![x().eq(y()), x().eq(lit("a")), y().not_eq(lit("a"))], true),
            (vec![x().eq(y()), x().in_list(vec![lit(1), lit(2)], false), y().in_list(vec![lit(2), lit(3)], false)], false),
            (vec![x().not_eq(y()), x().eq(lit("a")), y().eq(lit("b"))], false),
            (vec![x().lt(y()), x().gt(lit(5)), y().lt(lit(3.0))], false),
            (vec![x().lt(lit(1.0)), x().gt(lit(2.0))], true),
            (vec![x().lt(lit(2.0)), x().gt(lit(1.0))], false),
            (vec![x().lt(lit(1.0)), x().gt_eq(lit(1.0))], true),
            (vec![x().lt_eq(lit(1.0)), x().gt_eq(lit(1.0))], false),
            (vec![x().lt_eq(lit(1.0)), x().gt_eq(lit(1.0)), x().not_eq(lit(1.0))], true),
            (vec![x().eq(lit("DE")), x().eq(lit("FR"))], true),
            (vec![x().eq(lit("DE")), x().not_eq(lit("DE"))], true),
            (vec![x().eq(lit("DE")), x().is_null()], true),
            (vec![x().is_not_null(), x().is_null()], true),
            (vec![x().eq(lit("DE")), x().is_not_null()], false),
            (vec![x().eq(lit("DE")), col("y").eq(lit("FR"))], false),
            (vec![lit(5.0).gt(x()), x().gt(lit(7.0))], true),
            (vec![x().gt(lit(3.0)), x().gt(lit(7.0)), x().lt(lit(6.0))], true),
            (vec![x().not_eq(lit(3.0)), x().gt(col("y"))], false),
            (vec![x().in_list(vec![lit(1), lit(2)], false), x().gt(lit(2))], true),
            (vec![x().in_list(vec![lit(1), lit(2)], false), x().gt(lit(1))], false),
            (vec![x().eq(lit(1)).or(x().eq(lit(2))), x().in_list(vec![lit(1), lit(2)], true)], true),
            (vec![x(), x().is_null()], true),
            (vec![x(), Expr::Not(Box::new(x()))], true),
            (vec![x().gt(x())], true),
            (vec![x().not_eq(x())], true),
            (vec![x().gt_eq(x())], false),
            (vec![x().gt(col("y")), x().lt(col("y"))], true),
            (vec![x().gt(col("y")), col("y").gt_eq(x())], true),
            (vec![x().gt_eq(col("y")), col("y").gt_eq(x())], false),
            (vec![x().gt_eq(col("y")), col("y").gt_eq(x()), x().not_eq(col("y"))], true),
            (vec![x().eq(col("y")), x().gt(col("z"))], false),
        ] {
            assert_eq!(Facts::of(&parts).contradict(), never, "{parts:?}");
        }
    }

    #[test]
    fn what_follows_is_found() {
        let x = || col("x");
        let some = |values: &[i32]| x().in_list(values.iter().map(|value| lit(*value)).collect(), false);
        for (parts, condition, follows) in [
            (vec![x().gt(lit(7))], x().gt(lit(5)), true),
            (vec![x().gt(lit(5))], x().gt(lit(7)), false),
            (vec![x().gt(lit(5))], x().gt_eq(lit(5)), true),
            (vec![x().gt_eq(lit(5))], x().gt(lit(5)), false),
            (vec![x().eq(lit(5))], x().lt_eq(lit(5)), true),
            (vec![x().eq(lit(5))], x().not_eq(lit(6)), true),
            (vec![x().lt(lit(5))], x().not_eq(lit(5)), true),
            (vec![x().lt_eq(lit(5))], x().not_eq(lit(5)), false),
            (vec![x().gt(lit(5))], x().is_not_null(), true),
            (vec![x().gt(lit(5))], col("y").gt(lit(5)), false),
            (vec![x().gt(lit(5)), col("y").is_null()], x().gt(lit(2)).and(col("y").is_null()), true),
            (vec![x().gt(lit(5))], x().gt(lit(2)).or(col("y").is_null()), true),
            (vec![some(&[1, 2])], some(&[1, 2, 3]), true),
            (vec![some(&[1, 2, 4])], some(&[1, 2, 3]), false),
            (vec![some(&[1, 2, 4]), x().lt(lit(3))], some(&[1, 2, 3]), true),
            (vec![some(&[1, 2])], x().eq(lit(1)).or(x().eq(lit(2))), true),
            (vec![x().gt(lit(5))], lit(true), true),
            (vec![x().gt(col("y"))], x().gt(col("y")), true),
            (vec![x().gt(col("y"))], col("y").lt_eq(x()), true),
            (vec![x().gt_eq(col("y"))], x().gt(col("y")), false),
        ] {
            assert_eq!(Facts::of(&parts).imply_all(&condition), follows, "{parts:?} and {condition}");
        }
    }
}
