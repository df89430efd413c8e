//! Row patterns that are event patterns: `(A X*? B Y*? C)`, which is how SQL writes "A, then the next B, then the next C".
//!
//! # When both find the same matches
//! Such a pattern is a *head*, one or more consecutive rows, followed by any number of pairs of a *gap* `X*?` and a row. Every
//! condition reads the current row and, at most, earlier rows of the head. A first row determines the head, so given a first row
//! the condition is about a single row. A gap accepts at least all rows that do not fit the variable after it (`X` is not
//! defined, or is defined as the opposite). Let p be the rows that the event pattern `head -> b -> c` takes from a first row: the
//! head, then always the next row that fits.
//!
//! 1. Let q be any rows that SQL's pattern could take from there. Then p(i) does not come after q(i), for every i: the heads are
//!    the same. Further, q(i) fits and comes after q(i - 1), which is p(i - 1) or a later row, while p(i) is the first row that
//!    fits after p(i - 1). So if there is a q, there is a p; and p ends no later, so WITHIN, which compares the first and the last
//!    row, holds as well.
//! 2. p is one of the q: the rows between p(i - 1) and p(i) do not fit the i-th variable, so the gap accepts them.
//! 3. p is the preferred one: reluctant gaps prefer to be as short as possible, the first gap first. By (1) no q has a shorter
//!    first gap, nor, with the same first gap, a shorter second one, and so on.
//!
//! So the two patterns have a match for the same first rows, and it is the same match. SQL searches from left to right and
//! continues after the last row of a match (or with the row after its first): it takes the matches in the order of their first
//! rows, without those that begin inside a match that was taken. The event pattern does the same with SKIP PAST LAST EVENT (or
//! SKIP TO NEXT).
//!
//! A condition that reads a row after a gap breaks (1): the earliest row that fits may leave too little for a later one. So do
//! two consecutive rows after a gap.

use super::clause::{Clause, KeyAndOrder, PLACE_FIRST, Reason, is_over_rows};
use super::shape::Step;
use crate::planner::names::{object_name, quoted, unqualified};
use egret_cep::{AfterMatch, CompiledPattern, Element, Inner, Item, Link, Pattern, Quantifier, SkipMiss};
use egret_core::StreamSchema;
use egret_core::row_place::PLACE;
use egret_dsl::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator, Value,
};
use egret_dsl::walk;
use egret_dsl::{AfterMatchSkip, Name};
use std::ops::ControlFlow;

/// The event pattern that finds the same matches as the row pattern, or why there is none.
pub(super) fn relaxed(clause: &Clause<'_>, schema: &StreamSchema, columns: &KeyAndOrder) -> Result<CompiledPattern, Reason> {
    let after_match = after_match(clause)?;
    if !clause.syntax.is_one_row() {
        return Err("all rows of a match are asked for".into());
    }
    if !clause.syntax.subsets.is_empty() {
        return Err("it has a SUBSET".into());
    }
    if columns.order.iter().any(|(_, descending)| *descending) {
        return Err("ORDER BY has a descending column".into());
    }
    let name = |folded: &str| {
        clause.variables.iter().find(|(_, other)| other == folded).map_or_else(String::new, |(name, _)| name.clone())
    };
    let steps = super::shape::steps(&clause.pattern, &name).ok_or("the pattern has more than rows and gaps such as `x*?`")?;
    let shape = Shape::of(&steps, clause, schema)?;
    let pattern = Pattern {
        elements: shape.elements(),
        within_us: clause.within_us(),
        within_events: None,
        after_match,
        skip_miss: SkipMiss::Ignore,
    };
    let measures = shape.measures(schema, columns)?;
    let ties = columns.order.iter().map(|(column, _)| *column).filter(|column| Some(*column) != schema.event_time()).collect();
    let compiled = CompiledPattern::compile(&pattern, schema, columns.partition.clone(), ties, measures)
        .map_err(|error| format!("the engine of event patterns says: {error}"))?;
    Ok(compiled.with_late_at_prefilter(true))
}

fn after_match(clause: &Clause<'_>) -> Result<AfterMatch, Reason> {
    match clause.syntax.after_match.as_ref().map(|(skip, _)| skip) {
        None | Some(AfterMatchSkip::PastLastRow) => Ok(AfterMatch::SkipPastLastEvent),
        Some(AfterMatchSkip::ToNextRow) => Ok(AfterMatch::SkipToNext),
        Some(_) => Err("it skips to a variable".into()),
    }
}

/// A row that is taken.
struct Take {
    variable: String,
    count: u32,
    /// Whether it must be the very next row, rather than the next one that fits.
    next: bool,
    condition: Option<Expr>,
}

/// The takes of a pattern that has the required shape.
struct Shape<'a> {
    takes: Vec<Take>,
    /// How many of the takes are the head.
    head: usize,
    clause: &'a Clause<'a>,
}

impl<'a> Shape<'a> {
    fn of(steps: &[Step], clause: &'a Clause<'a>, schema: &StreamSchema) -> Result<Self, Reason> {
        let mut takes: Vec<Take> = Vec::new();
        let (mut gap, mut gaps): (Option<&String>, Vec<(&String, usize)>) = (None, Vec::new());
        for step in steps {
            match step {
                Step::Gap { variable } if takes.is_empty() => return Err(format!("it begins with a gap, `{variable}*?`")),
                Step::Gap { variable } if gap.is_some() => return Err(format!("a gap, `{variable}*?`, follows another one")),
                Step::Gap { variable } => gap = Some(variable),
                Step::Take { variable, count } => {
                    if (gap.is_some() && *count > 1) || (gap.is_none() && !gaps.is_empty()) {
                        return Err("two rows side by side follow a gap".into());
                    }
                    gaps.extend(gap.map(|gap| (gap, takes.len())));
                    takes.push(Take {
                        variable: variable.clone(),
                        count: *count,
                        next: gap.is_none(),
                        condition: clause.define(variable),
                    });
                    gap = None;
                }
            }
        }
        if let Some(variable) = gap {
            return Err(format!("it ends with a gap, `{variable}*?`"));
        }
        if takes.is_empty() {
            return Err("it is empty".into());
        }
        let head = gaps.first().map_or(takes.len(), |(_, first)| *first);
        let shape = Self { takes, head, clause };
        shape.check(&gaps, schema)?;
        Ok(shape)
    }

    fn check(&self, gaps: &[(&String, usize)], schema: &StreamSchema) -> Result<(), Reason> {
        for (index, take) in self.takes.iter().enumerate() {
            let variable = &take.variable;
            if self.takes[..index].iter().any(|other| other.variable == *variable) {
                return Err(format!("`{variable}` stands twice"));
            }
            if schema.index_of(variable).is_ok() {
                return Err(format!("`{variable}` is a column as well"));
            }
            if let Some(condition) = &take.condition {
                self.check_condition(condition, index, schema)?;
            }
        }
        for (gap, next) in gaps {
            let next = &self.takes[*next];
            if self.takes.iter().any(|take| take.variable == **gap) {
                return Err(format!("`{gap}` is a gap and a row that is taken"));
            }
            let Some(condition) = self.clause.define(gap) else { continue };
            let opposite = next
                .condition
                .as_ref()
                .is_some_and(|taken| is_opposite(&plain(&condition, gap), &plain(taken, &next.variable), schema));
            if !opposite {
                return Err(format!("the gap `{gap}` has a condition that is not the opposite of that of `{}`", next.variable));
            }
        }
        Ok(())
    }

    /// Checks that a condition reads only the current row and earlier rows of the head.
    fn check_condition(&self, condition: &Expr, index: usize, schema: &StreamSchema) -> Result<(), Reason> {
        let (own, given) = (&self.takes[index].variable, &self.takes[..index.min(self.head)]);
        let outcome = walk::expressions(condition, |expr| {
            let reads_given = match expr {
                Expr::CompoundIdentifier(parts) => {
                    parts.first().is_some_and(|row| Name::normalise(row) == *own) || column_of(parts, given).is_some()
                }
                Expr::Function(call) => is_same_in_both(call, given, schema),
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => false,
                _ => true,
            };
            if reads_given { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match outcome {
            ControlFlow::Break(()) => {
                Err(format!("the condition of `{own}` reads other rows than its own and those at the beginning of the pattern"))
            }
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn elements(&self) -> Vec<Element> {
        let element = |take: &Take| Element {
            link: if take.next { Link::Next } else { Link::FollowedBy },
            item: Item::Variable { name: take.variable.clone(), condition: take.condition.clone().map(Into::into) },
            quantifier: Quantifier { min: take.count, max: Some(take.count), inner: Inner::Strict, ..Quantifier::default() },
            until: None,
            within_previous_us: None,
        };
        self.takes.iter().map(element).collect()
    }

    /// The columns of the output, in the language of event patterns: those of PARTITION BY, then the measures.
    fn measures(&self, schema: &StreamSchema, columns: &KeyAndOrder) -> Result<Vec<(String, Expr)>, Reason> {
        let names = columns.partition.iter().map(|&column| schema.arrow().field(column).name().as_str());
        let partition: Vec<&str> = names.collect();
        let keys = partition.iter().map(|name| Ok(((*name).to_owned(), Expr::Identifier(quoted(name)))));
        let measures = self.clause.measures.iter();
        let measure = |name: &str, tree: &Expr| match self.place_measure(name) {
            Some(place) => Ok(place),
            None => self.measure(tree, schema, &partition),
        };
        keys.chain(measures.map(|(name, sql)| Ok((name.clone(), measure(name, &sql.tree)?)))).collect()
    }

    /// A measure of the place of the first or the last row.
    fn place_measure(&self, name: &str) -> Option<Expr> {
        let of = |take: Option<&Take>| Some(format!("{}.{}", quoted(&take?.variable), quoted(PLACE)));
        let call = match name {
            PLACE => format!("last({})", of(self.takes.last())?),
            PLACE_FIRST => format!("first({})", of(self.takes.first())?),
            _ => return None,
        };
        egret_rows::parse_expression(&call).ok()
    }

    fn measure(&self, tree: &Expr, schema: &StreamSchema, partition: &[&str]) -> Result<Expr, Reason> {
        let time = schema.event_time().map(|column| schema.arrow().field(column).name().as_str());
        if let Expr::Identifier(column) = tree
            && time == Some(Name::normalise(column).as_str())
        {
            // The time of the last row is the time of the match, which is the event time of the output.
            return Ok(Expr::Identifier(quoted(egret_cep::MATCH_TIME)));
        }
        let mut tree = without_semantics(tree.clone());
        let outcome = walk::expressions(&tree, |expr| match self.check_measure(expr, schema) {
            Ok(()) => ControlFlow::Continue(()),
            Err(reason) => ControlFlow::Break(reason),
        });
        if let ControlFlow::Break(reason) = outcome {
            return Err(reason);
        }
        // A bare column is that of the match's last row.
        let last = self.takes.last().map(|take| take.variable.clone()).unwrap_or_default();
        let _ = walk::expressions_mut(&mut tree, |expr| {
            if let Expr::Identifier(column) = expr
                && !partition.contains(&Name::normalise(column).as_str())
            {
                *expr = Expr::CompoundIdentifier(vec![Ident::with_quote('"', &last), column.clone()]);
            }
            ControlFlow::<()>::Continue(())
        });
        Ok(tree)
    }

    fn check_measure(&self, expr: &Expr, schema: &StreamSchema) -> Result<(), Reason> {
        match expr {
            Expr::CompoundIdentifier(parts) if column_of(parts, &self.takes).is_none() => {
                Err(format!("the gap `{}` is read", parts.first().map_or("", |row| &row.value)))
            }
            Expr::Function(call) if !is_same_in_both(call, &self.takes, schema) => {
                Err(format!("event patterns do not compute `{call}` as row patterns do"))
            }
            _ => Ok(()),
        }
    }
}

/// The column of `a.x`, if `a` is one of the takes.
fn column_of(parts: &[Ident], takes: &[Take]) -> Option<String> {
    match parts {
        [row, column] if takes.iter().any(|take| take.variable == Name::normalise(row)) => Some(Name::normalise(column)),
        _ => None,
    }
}

/// Whether both engines compute a call in the same way: a function of the current row, or `first`, `last` or a simple aggregate
/// over a column of a variable whose rows are all kept.
fn is_same_in_both(call: &Function, takes: &[Take], schema: &StreamSchema) -> bool {
    let name = object_name(&call.name);
    let navigates = matches!(name.as_str(), "first" | "last");
    if !is_over_rows(&name) {
        return true;
    }
    let FunctionArguments::List(list) = &call.args else { return false };
    if call.over.is_some() || call.filter.is_some() || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return false;
    }
    let argument = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let column = match list.args.iter().map(argument).collect::<Option<Vec<_>>>().as_deref() {
        Some([Expr::CompoundIdentifier(parts)]) => column_of(parts, takes),
        Some([Expr::CompoundIdentifier(parts), Expr::Value(_)]) if navigates => column_of(parts, takes),
        _ => None,
    };
    let nullable = |column: &String| schema.arrow().field_with_name(column).is_ok_and(|field| field.is_nullable());
    match name.as_str() {
        "first" | "last" | "count" | "min" | "max" => column.is_some(),
        // Over nulls alone, one engine gives null and the other 0.
        "sum" | "avg" => column.is_some_and(|column| !nullable(&column)),
        _ => false,
    }
}

/// The condition without its variable's name, for comparisons of conditions of different variables.
fn plain(condition: &Expr, variable: &str) -> Expr {
    unqualified(condition.clone(), &[variable.to_owned()])
}

/// Whether a row that does not fit `taken` certainly fits `gap`.
fn is_opposite(gap: &Expr, taken: &Expr, schema: &StreamSchema) -> bool {
    let (gap, taken) = (inner(gap), inner(taken));
    if matches!(gap, Expr::Value(value) if value.value == Value::Boolean(true)) {
        return true;
    }
    if !never_null(taken, schema) {
        return false;
    }
    match (gap, taken) {
        (Expr::UnaryOp { op: UnaryOperator::Not, expr }, _) if inner(expr) == taken => true,
        (_, Expr::UnaryOp { op: UnaryOperator::Not, expr }) if inner(expr) == gap => true,
        (Expr::BinaryOp { left, op, right }, Expr::BinaryOp { left: other_left, op: other, right: other_right }) => {
            use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
            let opposite = matches!((op, other), (Lt, GtEq) | (GtEq, Lt) | (Gt, LtEq) | (LtEq, Gt) | (Eq, NotEq) | (NotEq, Eq));
            opposite && left == other_left && right == other_right
        }
        _ => false,
    }
}

fn inner(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(expr) => inner(expr),
        _ => expr,
    }
}

/// Whether an expression consists of columns that are never null and literals, combined by operators that give no null for these.
fn never_null(expr: &Expr, schema: &StreamSchema) -> bool {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, Minus, Multiply, NotEq, Or, Plus};
    match expr {
        // Any other name before a column is that of a row of the head, which exists.
        Expr::CompoundIdentifier(parts) => {
            parts.last().is_some_and(|column| never_null(&Expr::Identifier(column.clone()), schema))
        }
        Expr::Identifier(column) => {
            schema.arrow().field_with_name(&Name::normalise(column)).is_ok_and(|field| !field.is_nullable())
        }
        Expr::Value(value) => !matches!(value.value, Value::Null | Value::Placeholder(_)),
        Expr::Nested(expr) | Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::Minus, expr } => never_null(expr, schema),
        Expr::BinaryOp { left, op: And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq | Plus | Minus | Multiply, right } => {
            never_null(left, schema) && never_null(right, schema)
        }
        _ => false,
    }
}

/// Replaces `FINAL f(x)` and `RUNNING f(x)` by `f(x)`: in a match that gives one row they are the same.
fn without_semantics(mut tree: Expr) -> Expr {
    let _ = walk::expressions_mut(&mut tree, |expr| {
        if let Expr::Function(call) = expr
            && super::clause::without_semantics(&object_name(&call.name)) != object_name(&call.name)
        {
            call.name.0.remove(0);
        }
        ControlFlow::<()>::Continue(())
    });
    tree
}
