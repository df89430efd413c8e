//! Conditions that no event can meet: `amount < 1 AND amount > 2`.

use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Expr, Operator};
use std::cmp::Ordering;
use std::collections::HashMap;

/// What a value may be.
#[derive(Default)]
struct Range<'a> {
    /// A bound, and whether the value may equal it.
    least: Option<(&'a ScalarValue, bool)>,
    greatest: Option<(&'a ScalarValue, bool)>,
}

impl<'a> Range<'a> {
    fn above(&mut self, bound: &'a ScalarValue, may_equal: bool) {
        let is_tighter = self.least.is_none_or(|(least, equal)| match bound.partial_cmp(least) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => equal && !may_equal,
            _ => false,
        });
        if is_tighter {
            self.least = Some((bound, may_equal));
        }
    }

    fn below(&mut self, bound: &'a ScalarValue, may_equal: bool) {
        let is_tighter = self.greatest.is_none_or(|(greatest, equal)| match bound.partial_cmp(greatest) {
            Some(Ordering::Less) => true,
            Some(Ordering::Equal) => equal && !may_equal,
            _ => false,
        });
        if is_tighter {
            self.greatest = Some((bound, may_equal));
        }
    }

    fn is_empty(&self) -> bool {
        let (Some((least, from)), Some((greatest, to))) = (self.least, self.greatest) else { return false };
        match least.partial_cmp(greatest) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => !(from && to),
            _ => false,
        }
    }
}

/// Whether comparisons of one thing with constants leave nothing that it could be. All parts have to hold.
pub(super) fn contradict<'a>(parts: impl IntoIterator<Item = &'a Expr>) -> bool {
    let mut ranges: HashMap<String, Range<'a>> = HashMap::new();
    for part in parts {
        let Some((what, operator, bound)) = comparison(part) else { continue };
        let range = ranges.entry(what.to_string()).or_default();
        match operator {
            Operator::Gt => range.above(bound, false),
            Operator::GtEq => range.above(bound, true),
            Operator::Lt => range.below(bound, false),
            Operator::LtEq => range.below(bound, true),
            Operator::Eq => {
                range.above(bound, true);
                range.below(bound, true);
            }
            _ => {}
        }
    }
    ranges.values().any(Range::is_empty)
}

/// `what operator constant`, turned round if it stands the other way.
fn comparison(part: &Expr) -> Option<(&Expr, Operator, &ScalarValue)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Literal(..), Expr::Literal(..)) => None,
        (what, Expr::Literal(bound, _)) if !bound.is_null() => Some((what, *op, bound)),
        (Expr::Literal(bound, _), what) if !bound.is_null() => Some((what, op.swap()?, bound)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_expr::{col, lit};

    #[test]
    fn ranges_that_do_not_meet_are_found() {
        let x = || col("x");
        for (parts, never) in [
            (vec![x().lt(lit(1.0)), x().gt(lit(2.0))], true),
            (vec![x().lt(lit(2.0)), x().gt(lit(1.0))], false),
            (vec![x().lt(lit(1.0)), x().gt_eq(lit(1.0))], true),
            (vec![x().lt_eq(lit(1.0)), x().gt_eq(lit(1.0))], false),
            (vec![x().eq(lit("DE")), x().eq(lit("FR"))], true),
            (vec![x().eq(lit("DE")), col("y").eq(lit("FR"))], false),
            (vec![lit(5.0).gt(x()), x().gt(lit(7.0))], true),
            (vec![x().gt(lit(3.0)), x().gt(lit(7.0)), x().lt(lit(6.0))], true),
            (vec![x().not_eq(lit(3.0)), x().gt(col("y"))], false),
        ] {
            assert_eq!(contradict(&parts), never, "{parts:?}");
        }
    }
}
