//! Functions of lengths of time, and casts.

use super::operators::{as_float, as_units, rounded};
use super::{INTERVAL_TYPE, Kind, LENGTH_TYPE, Lengths, UNIT, UNIT_NANOS, Use, as_interval, length_of, mixed, months};
use crate::expr::functions::scalar_function;
use crate::expr::times::{date_bin, date_trunc};
use crate::schema::TIME_TYPE;
use crate::{Error, Result};
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion_expr::{Expr, ScalarUDF, cast, lit, try_cast};
use std::sync::Arc;

/// The aggregate functions that accept lengths.
const OF_LENGTHS: [&str; 10] =
    ["count", "min", "max", "sum", "avg", "first_value", "last_value", "nth_value", "array_agg", "approx_distinct"];

impl Lengths<'_> {
    /// Plans a call whose arguments are planned already.
    pub(super) fn function(&self, func: Arc<ScalarUDF>, args: Vec<Expr>) -> Result<Expr> {
        let args = match func.name() {
            "greatest" | "least" | "nullif" => self.same_all(args, Use::Compared)?,
            "coalesce" | "nvl" => self.same_all(args, Use::Result)?,
            "date_part" if matches!(args.as_slice(), [_, of] if self.kind(of) == Kind::Length) => {
                let [part, of] = <[Expr; 2]>::try_from(args).map_err(|_| Error::bug("date_part has two arguments"))?;
                return part_of(&part, self.as_length(of));
            }
            "to_char" if args.first().is_some_and(|of| self.kind(of) == Kind::Length) => {
                return Err(
                    Error::job("a length of time has no format").help("EXTRACT(HOUR FROM at - a.at) and the like are its parts")
                );
            }
            "date_bin" | "date_trunc" if self.is_of_times(&args) => return Ok(self.own_function(&func, args)),
            name if of_texts_and_numbers(name) && args.len() == 1 => return self.time_of(func, args),
            // Other functions know only INTERVALs.
            _ => args.into_iter().map(|arg| as_interval(&arg).unwrap_or(arg)).collect(),
        };
        let call = Expr::ScalarFunction(ScalarFunction::new_udf(func, args));
        Ok(match self.data_type(&call) {
            Some(DataType::Timestamp(unit, zone)) if unit != UNIT => cast(call, DataType::Timestamp(UNIT, zone)),
            _ => call,
        })
    }

    /// Whether the second argument is a time without a time zone.
    fn is_of_times(&self, args: &[Expr]) -> bool {
        args.get(1).is_some_and(|of| matches!(self.kind(of), Kind::Time | Kind::Date | Kind::Text))
    }

    /// Our own `date_bin` and `date_trunc`, which cover all years from 0001 to 9999.
    fn own_function(&self, func: &ScalarUDF, args: Vec<Expr>) -> Expr {
        let args = args.into_iter().map(|arg| as_interval(&arg).unwrap_or(arg)).enumerate();
        let args = args.map(|(place, arg)| if place == 0 { arg } else { self.as_time(arg) }).collect();
        let own = if func.name() == "date_bin" { date_bin() } else { date_trunc() };
        Expr::ScalarFunction(ScalarFunction::new_udf(own, args))
    }

    /// Conversions from text or numbers to a time, and from a time to seconds, without nanoseconds, whose range of years is
    /// small.
    fn time_of(&self, func: Arc<ScalarUDF>, mut args: Vec<Expr>) -> Result<Expr> {
        let arg = args.remove(0);
        let (name, kind) = (func.name(), self.kind(&arg));
        let cut = |part: &str, time: Expr| date_trunc().call(vec![lit(part), time]);
        let as_written = |arg: Expr| {
            let call = Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&func), vec![arg]));
            match self.data_type(&call) {
                Some(DataType::Timestamp(unit, zone)) if unit != UNIT => cast(call, DataType::Timestamp(UNIT, zone)),
                _ => call,
            }
        };
        Ok(match (name, kind) {
            ("to_unixtime", Kind::Text | Kind::Time | Kind::Date) => {
                as_units(cut("second", cast(arg, TIME_TYPE))) / lit(1_000_000_000 / UNIT_NANOS)
            }
            ("to_timestamp_seconds", Kind::Text) => cut("second", cast(arg, TIME_TYPE)),
            ("to_timestamp_millis", Kind::Text) => cut("millisecond", cast(arg, TIME_TYPE)),
            ("to_unixtime", _) => as_written(arg),
            (_, Kind::Text | Kind::Time | Kind::Date) => cast(arg, TIME_TYPE),
            ("to_timestamp", Kind::Whole) => {
                let seconds = scalar_function("to_timestamp_seconds").ok_or_else(|| Error::bug("there are times of seconds"))?;
                cast(seconds.call(vec![arg]), TIME_TYPE)
            }
            ("to_timestamp", Kind::Float) => {
                let second = lit((1_000_000_000 / UNIT_NANOS) as f64);
                cast(as_units(rounded(cast(arg, DataType::Float64) * second)?), TIME_TYPE)
            }
            _ => as_written(arg),
        })
    }

    pub(super) fn aggregate(&self, function: &AggregateFunction) -> Result<()> {
        let name = function.func.name();
        for arg in &function.params.args {
            match self.kind(arg) {
                Kind::Calendar => return Err(months("be aggregated")),
                Kind::Length if !OF_LENGTHS.contains(&name) => {
                    return Err(Error::job(format!("{name} of lengths of time is not known"))
                        .help(format!("write {name}(EXTRACT(EPOCH FROM at - a.at)), which is in seconds")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Plans a cast that the user wrote.
    pub(super) fn cast(&self, expr: Expr, to: &DataType, is_try: bool) -> Result<Expr> {
        let as_written = |expr: Expr, to: DataType| if is_try { try_cast(expr, to) } else { cast(expr, to) };
        let (from, into) = (self.kind(&expr), Kind::of(to));
        Ok(match (from, into) {
            (Kind::Length, Kind::Calendar) | (Kind::Calendar, Kind::Calendar) => expr,
            (_, Kind::Calendar) => self.to_interval(expr, from, is_try)?,
            (Kind::Length, Kind::Text | Kind::Length) => as_written(expr, to.clone()),
            (Kind::Calendar, _) => return Err(months("be cast")),
            (Kind::Length, _) => {
                return Err(Error::job(format!("a length of time cannot become {}", into.name()))
                    .help("EXTRACT(EPOCH FROM at - a.at) is in seconds"));
            }
            (Kind::Time | Kind::ZonedTime, into) if into.is_number() => {
                return Err(Error::job("a TIMESTAMP does not say what it is to count as a number")
                    .help("EXTRACT(EPOCH FROM at) is in seconds since 1970"));
            }
            (from, Kind::Time | Kind::ZonedTime) if from.is_number() => {
                return Err(Error::job("a number does not say what it counts as a TIMESTAMP")
                    .help("write to_timestamp_seconds(n), to_timestamp_millis(n) or to_timestamp_micros(n)"));
            }
            // A time is a moment in UTC; with a time zone it is the same moment.
            (Kind::Time | Kind::Date, Kind::ZonedTime) => {
                let moment = self.as_moment(expr);
                match to {
                    DataType::Timestamp(_, zone) => cast(moment, DataType::Timestamp(UNIT, zone.clone())),
                    _ => moment,
                }
            }
            _ => match to {
                DataType::Timestamp(unit, zone) if *unit != UNIT => as_written(expr, DataType::Timestamp(UNIT, zone.clone())),
                _ => as_written(expr, to.clone()),
            },
        })
    }

    /// Plans the cast of a constant text to an INTERVAL.
    fn to_interval(&self, expr: Expr, from: Kind, is_try: bool) -> Result<Expr> {
        let none = || Ok(Expr::Literal(ScalarValue::try_from(&LENGTH_TYPE)?, None));
        match &expr {
            _ if from == Kind::Null => none(),
            Expr::Literal(value, _) if from == Kind::Text => match value.cast_to(&INTERVAL_TYPE) {
                Ok(interval) => Ok(Expr::Literal(length_of(&interval)?.unwrap_or(interval), None)),
                Err(_) if is_try => none(),
                Err(error) => Err(error.into()),
            },
            _ => Err(Error::job(format!("{} cannot become a length of time", from.name()))
                .help("a number of seconds becomes one as n * INTERVAL '1' SECOND")),
        }
    }
}

/// Whether a function converts text or numbers to a time, or a time to a number.
fn of_texts_and_numbers(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "to_timestamp",
        "to_timestamp_seconds",
        "to_timestamp_millis",
        "to_timestamp_micros",
        "to_timestamp_nanos",
        "to_unixtime",
    ];
    NAMES.contains(&name)
}

/// `EXTRACT(part FROM length)`: days, and the hours, minutes and seconds beyond whole days, each with the sign of the length.
fn part_of(part: &Expr, length: Expr) -> Result<Expr> {
    let Expr::Literal(ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)), _) = part else {
        return Err(mixed("taken apart by a part that is no constant", Kind::Length, Kind::Other));
    };
    let second = 1_000_000_000 / UNIT_NANOS;
    let (minute, hour, day) = (60 * second, 3_600 * second, 86_400 * second);
    let field = |within: i64, of: i64| (as_units(length.clone()) % lit(within)) / lit(of);
    let name = name.to_ascii_lowercase();
    let singular = name.strip_suffix('s').unwrap_or(&name);
    Ok(match singular {
        "epoch" => as_float(length) / lit(second as f64),
        "day" => as_units(length) / lit(day),
        "hour" => field(day, hour),
        "minute" => field(hour, minute),
        "second" => field(minute, second),
        // Milliseconds include the whole seconds of the minute, as they do for a time.
        "millisecond" => as_units(length) % lit(minute) * lit(1_000) / lit(second),
        "microsecond" => as_units(length) % lit(minute) * lit(1_000_000) / lit(second),
        _ => {
            return Err(Error::job(format!("a length of time has no {name}"))
                .help("it has EPOCH (seconds in all), DAY, HOUR, MINUTE, SECOND, MILLISECOND and MICROSECOND"));
        }
    })
}
