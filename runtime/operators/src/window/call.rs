//! Aggregate calls as users write them.

use datafusion_common::ScalarValue;
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::{AggregateUDF, Expr};
use egret_core::expr::{Expression, Planner, Scope, parse_expression, show};
use egret_core::{Error, Result, StreamSchema};
use std::fmt;
use std::sync::Arc;

/// An aggregate of a window, such as `avg(amount)`, with the name of its result.
///
/// All aggregate functions of DataFusion can be used, with `DISTINCT`, `FILTER (WHERE ...)` and `ORDER BY` inside. Results depend
/// on the rows alone: sums and averages are exact and rounded once, and functions that depend on order (`first_value`,
/// `array_agg`) read rows in order of event time, with ties broken by place, or by content if rows have no places.
///
/// ```
/// use egret_core::StreamSchema;
/// use egret_operators::window::AggregateCall;
/// use arrow::datatypes::{DataType, Field};
/// let schema = StreamSchema::new(vec![Field::new("amount", DataType::Float64, true), StreamSchema::time_field("at")], Some("at"))?;
/// let call = AggregateCall::parse("large", "count(*) FILTER (WHERE amount > 900)", &schema)?;
/// assert_eq!(call.name(), "large");
/// assert!(AggregateCall::parse("x", "amount * 2", &schema).is_err());
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AggregateCall {
    pub(super) name: String,
    pub(super) function: AggregateFunction,
    /// The arguments and the FILTER condition as the user wrote them, if known.
    pub(super) written: Option<(Vec<String>, Option<String>)>,
}

impl AggregateCall {
    /// A function of some arguments; no arguments means `count(*)`.
    pub fn new(name: &str, function: Arc<AggregateUDF>, args: &[Expression], distinct: bool) -> Self {
        let args = if args.is_empty() {
            vec![Expr::Literal(ScalarValue::Int64(Some(1)), None)]
        } else {
            args.iter().map(|argument| argument.logical().clone()).collect()
        };
        let function = AggregateFunction::new_udf(function, args, distinct, None, Vec::new(), None);
        Self { name: name.to_owned(), function, written: None }
    }

    /// Parses a call over the columns of a stream.
    ///
    /// # Errors
    /// The text does not parse, names something unknown, or is not a single aggregate call.
    pub fn parse(name: &str, text: &str, schema: &StreamSchema) -> Result<Self> {
        let plan = || {
            let tree = parse_expression(text)?;
            Self::from_logical(name, Planner::new().logical(&tree, &Scope::of_stream(schema)?)?)
        };
        plan().map_err(|error| error.context(format!("in the aggregate `{text}`")))
    }

    /// A logical aggregate call, as a planner makes it.
    ///
    /// # Errors
    /// The expression is not an aggregate call.
    pub fn from_logical(name: &str, call: Expr) -> Result<Self> {
        match call {
            Expr::Alias(alias) => Self::from_logical(name, *alias.expr),
            Expr::AggregateFunction(function) => Ok(Self { name: name.to_owned(), function, written: None }),
            other => Err(Error::job(format!("`{}` is not an aggregate call", other.human_display())).help(
                "write one call of an aggregate function, such as avg(amount), and compute on its result behind the window",
            )),
        }
    }

    /// The same call, with its arguments and its FILTER condition as the user wrote them, for messages.
    #[must_use]
    pub fn with_texts(self, arguments: Vec<String>, filter: Option<String>) -> Self {
        Self { written: Some((arguments, filter)), ..self }
    }

    /// The name of the result's column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The call as the user wrote it.
    pub(super) fn shown(&self) -> String {
        show::sql(&Expr::AggregateFunction(self.function.clone()))
    }

    /// The call without the name of its result.
    pub(super) fn text(&self) -> String {
        Expr::AggregateFunction(self.function.clone()).human_display().to_string()
    }
}

impl fmt::Display for AggregateCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A generated name tells the user nothing.
        if self.name.starts_with("__") { f.write_str(&self.shown()) } else { write!(f, "{} AS {}", self.text(), self.name) }
    }
}
