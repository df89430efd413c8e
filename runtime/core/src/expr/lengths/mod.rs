//! Lengths of time: plans expressions that combine times, differences of times and INTERVALs.
//!
//! A difference of two times is a `Duration`. An INTERVAL is months, days and nanoseconds, which Arrow compares in that order:
//! ten days given in nanoseconds sort before one day. So an INTERVAL without months is planned as a *length*, a `Duration` in the
//! unit of event time, like a difference. (Times are in UTC, so a day has 24 hours.) An INTERVAL with months is a *calendar
//! interval*: it has no fixed length, can be added to a time, and is refused where a length is needed.
//!
//! Times are converted to the unit of event time before arithmetic, because other units cover fewer years.

mod functions;
mod operators;
mod signs;

pub(super) use signs::Signs;

use super::scope::Scope;
use crate::schema::TIME_TYPE;
use crate::{Error, Result};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DataFusionError, ScalarValue};
use datafusion_expr::expr::{Case, Cast, InList, ScalarFunction};
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion_expr::{Between, BinaryExpr, Expr, ExprSchemable, Operator, cast};
use datafusion_sql::sqlparser::ast::BinaryOperator;
use std::sync::{Arc, Mutex, PoisonError};

const DAY_NANOS: i128 = 86_400_000_000_000;

/// The type of a length.
pub(crate) const LENGTH_TYPE: DataType = DataType::Duration(UNIT);

const UNIT: TimeUnit = match TIME_TYPE {
    DataType::Timestamp(unit, _) => unit,
    _ => panic!("event time is a timestamp"),
};

/// Nanoseconds in one unit of lengths.
const UNIT_NANOS: i64 = match UNIT {
    TimeUnit::Second => 1_000_000_000,
    TimeUnit::Millisecond => 1_000_000,
    TimeUnit::Microsecond => 1_000,
    TimeUnit::Nanosecond => 1,
};

/// Plans the times and lengths in an expression as it was written; `made` are the casts that [`Products`] added.
///
/// # Errors
/// A length is combined with a value that has none, or months are used where a length is needed.
pub(super) fn plan(expr: Expr, scope: &Scope, made: &[Expr]) -> Result<Expr> {
    let lengths = Lengths { schema: scope.df(), made };
    let planned = lengths.planned(expr)?;
    if lengths.kind(&planned) == Kind::Calendar {
        return Err(months("be a value of its own"));
    }
    Ok(planned)
}

/// Wraps our error in a DataFusion error.
fn carried(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Unwraps our error from a DataFusion error, if it carries one.
pub(super) fn own(error: DataFusionError) -> std::result::Result<Error, DataFusionError> {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => Ok(*error),
            Err(other) => Err(DataFusionError::External(other)),
        },
        other => Err(other),
    }
}

/// Plans products, quotients and signs of lengths as soon as they are read: DataFusion asks for the type of the operand of NOT
/// and of minus, and does not know the type of such a product.
#[derive(Debug, Default)]
pub(super) struct Products {
    /// The casts to numbers that were added here, not written by the user.
    pub(super) made: Arc<Mutex<Vec<Expr>>>,
}

impl ExprPlanner for Products {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> datafusion_common::Result<PlannerResult<RawBinaryExpr>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let lengths = Lengths { schema, made: &made };
        let planned = match lengths.signed(&expr.op, &expr.right) {
            Some(signed) => signed.map(Some),
            None => lengths.scaled(&expr),
        };
        let Some(planned) = planned.map_err(carried)? else { return Ok(PlannerResult::Original(expr)) };
        let mut casts = Vec::new();
        planned.apply(|node| {
            casts.extend(matches!(node, Expr::Cast(_)).then(|| node.clone()));
            Ok(TreeNodeRecursion::Continue)
        })?;
        made.extend(casts);
        Ok(PlannerResult::Planned(planned))
    }
}

/// The kind of a value, as far as times are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Length,
    Calendar,
    Time,
    /// A time with a time zone.
    ZonedTime,
    Date,
    Whole,
    Float,
    Text,
    Null,
    Other,
}

impl Kind {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Duration(_) => Self::Length,
            DataType::Interval(_) => Self::Calendar,
            DataType::Timestamp(_, None) => Self::Time,
            DataType::Timestamp(_, Some(_)) => Self::ZonedTime,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Null => Self::Null,
            of if of.is_integer() => Self::Whole,
            of if of.is_numeric() => Self::Float,
            of if of.is_string() => Self::Text,
            _ => Self::Other,
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Whole | Self::Float)
    }

    fn is_time(self) -> bool {
        matches!(self, Self::Time | Self::ZonedTime | Self::Date)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Length => "a length of time",
            Self::Calendar => "an INTERVAL with months",
            Self::Time | Self::ZonedTime => "a TIMESTAMP",
            Self::Date => "a DATE",
            Self::Whole | Self::Float => "a number",
            Self::Text => "a text",
            Self::Null => "null",
            Self::Other => "a value of another type",
        }
    }
}

/// Months are used where a length is needed.
fn months(cannot: &str) -> Error {
    Error::job(format!("a month has no fixed length, so an INTERVAL with months cannot {cannot}"))
        .help("add it to a time, as in at < a.at + INTERVAL '1' MONTH, or write the length in days")
}

/// A length is combined with a value that has none.
fn mixed(verb: &str, one: Kind, other: Kind) -> Error {
    let (one, other) = (one.name(), other.name());
    Error::job(format!("{one} and {other} cannot be {verb}")).help(
        "write a length as INTERVAL '10' SECOND, n * INTERVAL '1' SECOND or at - a.at, and a number of seconds as EXTRACT(EPOCH FROM at - a.at)",
    )
}

struct Lengths<'a> {
    schema: &'a DFSchema,
    made: &'a [Expr],
}

impl Lengths<'_> {
    /// A product or a quotient that has a length; `None` if the expression is neither.
    fn scaled(&self, expr: &RawBinaryExpr) -> Result<Option<Expr>> {
        let op = match expr.op {
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            _ => return Ok(None),
        };
        let (left, right) = (self.planned(expr.left.clone())?, self.planned(expr.right.clone())?);
        if ![&left, &right].iter().any(|side| matches!(self.kind(side), Kind::Length | Kind::Calendar)) {
            return Ok(None);
        }
        self.binary(BinaryExpr::new(Box::new(left), op, Box::new(right))).map(Some)
    }

    fn planned(&self, expr: Expr) -> Result<Expr> {
        let planned = expr.transform_down_up(|node| Ok(self.keep_days_of_zones(node)), |node| self.node(node).map_err(carried));
        planned.map(|planned| planned.data).map_err(|error| own(error).unwrap_or_else(Error::from))
    }

    fn data_type(&self, expr: &Expr) -> Option<DataType> {
        expr.get_type(self.schema).ok()
    }

    /// An expression without a type is `Other`: later checks say why it has none.
    fn kind(&self, expr: &Expr) -> Kind {
        self.data_type(expr).map_or(Kind::Other, |data_type| Kind::of(&data_type))
    }

    /// In a time zone a day may have 23 hours, so an INTERVAL that is added to a zoned time keeps its days.
    fn keep_days_of_zones(&self, node: Expr) -> Transformed<Expr> {
        let of_zone = match &node {
            Expr::BinaryExpr(binary) if matches!(binary.op, Operator::Plus | Operator::Minus) => {
                let (left, right) = (self.kind(&binary.left), self.kind(&binary.right));
                [(left, &binary.right), (right, &binary.left)]
                    .iter()
                    .any(|(kind, other)| *kind == Kind::ZonedTime && matches!(other.as_ref(), Expr::Literal(..)))
            }
            _ => false,
        };
        let recursion = if of_zone { TreeNodeRecursion::Jump } else { TreeNodeRecursion::Continue };
        Transformed::new(node, false, recursion)
    }

    /// Plans a node whose children are planned already.
    fn node(&self, node: Expr) -> Result<Transformed<Expr>> {
        if self.made.contains(&node) {
            return Ok(Transformed::no(node));
        }
        Ok(Transformed::yes(match node {
            Expr::Literal(ref value, _) => match length_of(value)? {
                Some(length) => Expr::Literal(length, None),
                None => return Ok(Transformed::no(node)),
            },
            Expr::BinaryExpr(binary) => self.binary(binary)?,
            Expr::Negative(inner) if self.kind(&inner) == Kind::Length => match *inner {
                Expr::Literal(value, _) => Expr::Literal(value.arithmetic_negate()?, None),
                inner => Expr::Literal(length(0), None) - self.as_length(inner),
            },
            Expr::Between(Between { expr, negated, low, high }) => {
                let [expr, low, high] = self.same([*expr, *low, *high], Use::Compared)?;
                Expr::Between(Between::new(Box::new(expr), negated, Box::new(low), Box::new(high)))
            }
            Expr::InList(InList { expr, list, negated }) => {
                let mut all = self.same_all(std::iter::once(*expr).chain(list).collect(), Use::Compared)?;
                let list = all.split_off(1);
                Expr::InList(InList::new(Box::new(all.remove(0)), list, negated))
            }
            Expr::Case(case) => Expr::Case(self.case(case)?),
            Expr::ScalarFunction(ScalarFunction { func, args }) => self.function(func, args)?,
            Expr::AggregateFunction(function) => {
                self.aggregate(&function)?;
                Expr::AggregateFunction(function)
            }
            Expr::Cast(Cast { expr, field }) => self.cast(*expr, field.data_type(), false)?,
            Expr::TryCast(inner) => self.cast(*inner.expr, inner.field.data_type(), true)?,
            other => return Ok(Transformed::no(other)),
        }))
    }

    fn case(&self, case: Case) -> Result<Case> {
        let Case { expr, when_then_expr, else_expr } = case;
        let (whens, thens): (Vec<Expr>, Vec<Expr>) = when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
        let (expr, whens) = match expr {
            None => (None, whens),
            Some(expr) => {
                let mut all = self.same_all(std::iter::once(*expr).chain(whens).collect(), Use::Compared)?;
                let whens = all.split_off(1);
                (all.pop(), whens)
            }
        };
        let (branches, has_else) = (thens.len(), else_expr.is_some());
        let mut results = self.same_all(thens.into_iter().chain(else_expr.map(|last| *last)).collect(), Use::Result)?;
        let last = if has_else { results.pop() } else { None };
        debug_assert_eq!(results.len(), branches);
        let pairs = whens.into_iter().zip(results).map(|(when, then)| (Box::new(when), Box::new(then)));
        Ok(Case::new(expr.map(Box::new), pairs.collect(), last.map(Box::new)))
    }

    /// Converts a time to the unit of event time.
    fn as_time(&self, expr: Expr) -> Expr {
        match self.data_type(&expr) {
            Some(DataType::Timestamp(unit, zone)) if unit != UNIT => cast(expr, DataType::Timestamp(UNIT, zone)),
            Some(DataType::Date32 | DataType::Date64) => cast(expr, TIME_TYPE),
            _ => expr,
        }
    }

    /// Converts a time to its moment in UTC; any other value stays as it is.
    fn as_moment(&self, expr: Expr) -> Expr {
        match self.kind(&expr) {
            Kind::Time | Kind::ZonedTime | Kind::Date => {
                cast(self.as_time(expr), DataType::Timestamp(UNIT, Some("+00:00".into())))
            }
            _ => self.as_time(expr),
        }
    }

    /// Converts a length to the unit of event time.
    fn as_length(&self, expr: Expr) -> Expr {
        match self.data_type(&expr) {
            Some(DataType::Duration(unit)) if unit != UNIT => cast(expr, LENGTH_TYPE),
            _ => expr,
        }
    }

    fn same<const N: usize>(&self, all: [Expr; N], used: Use) -> Result<[Expr; N]> {
        let all = self.same_all(all.into(), used)?;
        all.try_into().map_err(|_| Error::bug("expressions were lost"))
    }

    /// Brings values that are compared with each other, or one of which is the result, to one kind.
    fn same_all(&self, all: Vec<Expr>, used: Use) -> Result<Vec<Expr>> {
        let kinds: Vec<Kind> = all.iter().map(|expr| self.kind(expr)).collect();
        let has = |kind: Kind| kinds.contains(&kind);
        if has(Kind::Calendar) {
            return match used {
                Use::Compared => Err(months("be compared")),
                Use::Result => self.same_calendars(all, &kinds),
            };
        }
        if has(Kind::Length) {
            if let Some(&other) = kinds.iter().find(|kind| !matches!(kind, Kind::Length | Kind::Null)) {
                return Err(mixed(
                    if used == Use::Compared { "compared" } else { "results of one expression" },
                    Kind::Length,
                    other,
                ));
            }
            return Ok(all.into_iter().map(|expr| self.as_length(expr)).collect());
        }
        if has(Kind::ZonedTime) && (has(Kind::Time) || has(Kind::Date)) {
            return Ok(all.into_iter().map(|expr| self.as_moment(expr)).collect());
        }
        let times = kinds.iter().filter(|kind| matches!(kind, Kind::Time | Kind::ZonedTime)).count();
        let dates = kinds.iter().filter(|&&kind| kind == Kind::Date).count();
        if used == Use::Compared && has(Kind::Time) && has(Kind::Text) && !has(Kind::ZonedTime) {
            let one = |expr| if self.kind(&expr) == Kind::Text { cast(expr, TIME_TYPE) } else { self.as_time(expr) };
            return Ok(all.into_iter().map(one).collect());
        }
        // Dates alone stay dates.
        Ok(if times > 0 && times + dates > 1 { all.into_iter().map(|expr| self.as_time(expr)).collect() } else { all })
    }

    fn same_calendars(&self, all: Vec<Expr>, kinds: &[Kind]) -> Result<Vec<Expr>> {
        let one = |(expr, kind): (Expr, &Kind)| match kind {
            Kind::Calendar | Kind::Null => Ok(expr),
            Kind::Length => match as_interval(&expr) {
                Some(interval) => Ok(interval),
                None => Err(months("be a result beside a difference of times")),
            },
            other => Err(mixed("results of one expression", Kind::Calendar, *other)),
        };
        all.into_iter().zip(kinds).map(one).collect()
    }
}

/// How values that stand side by side are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Compared,
    /// One of them is the result.
    Result,
}

/// A length of this many units.
fn length(units: i64) -> ScalarValue {
    let units = Some(units);
    match UNIT {
        TimeUnit::Second => ScalarValue::DurationSecond(units),
        TimeUnit::Millisecond => ScalarValue::DurationMillisecond(units),
        TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(units),
        TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(units),
    }
}

/// The length of an INTERVAL; `None` if the value has months, or is no INTERVAL.
fn length_of(value: &ScalarValue) -> Result<Option<ScalarValue>> {
    let nanos = match value {
        ScalarValue::IntervalMonthDayNano(Some(of)) if of.months == 0 => {
            i128::from(of.days) * DAY_NANOS + i128::from(of.nanoseconds)
        }
        ScalarValue::IntervalDayTime(Some(of)) => i128::from(of.days) * DAY_NANOS + i128::from(of.milliseconds) * 1_000_000,
        ScalarValue::IntervalYearMonth(Some(0)) => 0,
        ScalarValue::IntervalMonthDayNano(None) | ScalarValue::IntervalDayTime(None) | ScalarValue::IntervalYearMonth(None) => {
            return Ok(Some(ScalarValue::try_from(&LENGTH_TYPE)?));
        }
        _ => return Ok(None),
    };
    if nanos % i128::from(UNIT_NANOS) != 0 {
        return Err(Error::job(format!("an INTERVAL of {nanos} nanoseconds is finer than times are, which count {UNIT_NANOS}"))
            .help("write a whole number of these"));
    }
    let units = i64::try_from(nanos / i128::from(UNIT_NANOS))
        .map_err(|_| Error::job("an INTERVAL is longer than all times are apart").help("write a shorter one"))?;
    Ok(Some(length(units)))
}

/// A constant length as an INTERVAL.
fn as_interval(expr: &Expr) -> Option<Expr> {
    let units = match expr {
        Expr::Literal(
            ScalarValue::DurationSecond(units)
            | ScalarValue::DurationMillisecond(units)
            | ScalarValue::DurationMicrosecond(units)
            | ScalarValue::DurationNanosecond(units),
            _,
        ) => *units,
        _ => return None,
    };
    let interval = units.map(|units| {
        let nanos = i128::from(units) * i128::from(UNIT_NANOS);
        let days = i32::try_from(nanos / DAY_NANOS).ok()?;
        Some(IntervalMonthDayNano::new(0, days, (nanos % DAY_NANOS) as i64))
    });
    let interval = match interval {
        None => None,
        Some(interval) => Some(interval?),
    };
    Some(Expr::Literal(ScalarValue::IntervalMonthDayNano(interval), None))
}

/// The type of an INTERVAL as DataFusion's functions take it.
const INTERVAL_TYPE: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
