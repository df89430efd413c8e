//! Binds aggregate calls to a stream, and chooses how each is computed.

use super::broad_sums::BroadSums;
use super::call::AggregateCall;
use super::distinct::DistinctCounts;
use super::extremes::extremes;
use super::ordered::{OrderedCall, OrderedRows};
use super::per_group::PerGroup;
use super::sums::{FloatSums, IntegerSums, Total, WHOLE};
use super::variances::{Statistic, Variances};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute::{SortOptions, take_arrays};
use arrow::datatypes::{DataType, Field};
use datafusion_common::ScalarValue;
use datafusion_expr::expr::{AggregateFunction, AggregateFunctionParams, NullTreatment, Sort};
use datafusion_expr::{AggregateUDF, EmitTo, Expr, GroupsAccumulator};
use datafusion_physical_expr::PhysicalSortExpr;
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::expressions::Column;
use egret_core::exact::Broad;
use egret_core::expr::{Expression, Scope, coerce, show};
use egret_core::floats::plain_column;
use egret_core::key::check_key_type;
use egret_core::layout::type_name;
use egret_core::{Error, Result, StreamSchema};
use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

/// An aggregate call bound to a stream, ready to make accumulators.
#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) field: Field,
    inputs: Vec<InputColumn>,
    filter: Option<Expression>,
    method: Method,
}

#[derive(Debug)]
enum InputColumn {
    Expression(Expression),
    /// The same, with floats in canonical form.
    Plain(Expression),
    /// Any column without nulls, for `count(*)`.
    Ones,
}

#[derive(Debug)]
enum Method {
    Variance(Statistic),
    Floats(Total),
    Integers(Total),
    /// A sum or an average of durations or decimals.
    Broad(Broad),
    Distinct(DataType),
    /// `min` (`Less`) or `max` of floats.
    Extreme(Ordering, DataType),
    Groups(AggregateFunctionExpr),
    PerGroup(Arc<AggregateFunctionExpr>),
    Ordered(Arc<OrderedCall>),
}

/// The columns that one aggregate reads, for some rows.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    pub(super) values: Vec<ArrayRef>,
    pub(super) filter: Option<BooleanArray>,
}

impl Arguments {
    pub(super) fn take(&self, rows: &UInt32Array) -> Result<Self> {
        let filter = self.filter.as_ref().map(|mask| arrow::compute::take(mask, rows, None)).transpose()?;
        let filter = filter.map(|mask| arrow::array::AsArray::as_boolean(&mask).clone());
        Ok(Self { values: take_arrays(&self.values, rows, None)?, filter })
    }
}

/// Functions whose result does not depend on the order of rows.
const ORDER_FREE: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "median",
    "percentile_cont",
    "approx_distinct",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "regr_count",
];

/// Whether the result of an aggregate function depends on the order of rows.
pub fn depends_on_order(function: &str) -> bool {
    !ORDER_FREE.contains(&function) && Statistic::of(function).is_none()
}

impl Aggregate {
    /// Binds a call to a stream's columns.
    ///
    /// # Errors
    /// Types do not fit, or the function cannot be used in a window.
    pub(super) fn plan(call: &AggregateCall, schema: &StreamSchema) -> Result<Self> {
        Self::plan_inner(call, schema).map_err(|error| error.context(format!("in the aggregate {call}")))
    }

    fn plan_inner(call: &AggregateCall, schema: &StreamSchema) -> Result<Self> {
        let scope = Scope::of_stream(schema)?;
        let coerced = coerce(Expr::AggregateFunction(call.function.clone()), &scope)?;
        let Expr::AggregateFunction(AggregateFunction { func, params }) = coerced else {
            return Err(Error::bug("coercing an aggregate call gave something else"));
        };
        if func.name() == "grouping" {
            return Err(Error::job("grouping() has no meaning in a window").help("leave it out"));
        }
        let compile = |expr: &Expr| Expression::new(expr.clone(), &scope);
        let arguments = &call.function.params.args;
        let (texts, filter_text) = match &call.written {
            Some((texts, filter)) if texts.len() == params.args.len() => (texts.clone(), filter.clone()),
            _ => (arguments.iter().map(show::sql).collect(), call.function.params.filter.as_deref().map(show::sql)),
        };
        let text = |place: usize| texts.get(place).map_or("", String::as_str);
        let argument = |(place, expr): (usize, &Expr)| Ok(compile(expr)?.with_text(text(place)));
        let args = params.args.iter().enumerate().map(argument).collect::<Result<Vec<_>>>()?;
        let integers = integers(arguments, &scope).map(|expr| argument((0, &expr))).transpose()?;
        let filter = params.filter.as_deref().map(compile).transpose()?;
        let filter = filter.map(|filter| match &filter_text {
            Some(text) => filter.with_text(text),
            None => filter,
        });
        let order = params.order_by.iter().map(|sort| Ok((compile(&sort.expr)?, options(sort)))).collect::<Result<Vec<_>>>()?;
        Binding { call, func, params: &params, schema, args, integers, order }.choose(filter)
    }

    /// The types of its arguments and of its result.
    pub(super) fn types(&self) -> String {
        let name = |input: &InputColumn| match input {
            InputColumn::Expression(expression) | InputColumn::Plain(expression) => type_name(expression.data_type()),
            InputColumn::Ones => "rows".to_owned(),
        };
        let inputs: Vec<String> = self.inputs.iter().map(name).collect();
        format!("{} -> {}", inputs.join(", "), type_name(self.field.data_type()))
    }

    /// A new accumulator for many groups.
    pub(super) fn accumulator(&self) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(match &self.method {
            Method::Variance(statistic) => Box::new(Variances::new(*statistic)),
            Method::Floats(total) => Box::new(FloatSums::new(*total)),
            Method::Integers(total) => Box::new(IntegerSums::new(*total)),
            Method::Broad(total) => Box::new(BroadSums::new(total.clone())),
            Method::Distinct(data_type) => Box::new(DistinctCounts::new(data_type)),
            Method::Extreme(wanted, data_type) => {
                extremes(data_type, *wanted).ok_or_else(|| Error::bug(format!("{data_type} is no float")))?
            }
            Method::Groups(expression) => expression.create_groups_accumulator()?,
            Method::PerGroup(expression) => {
                let expression = Arc::clone(expression);
                Box::new(PerGroup::new(self.field.data_type().clone(), Box::new(move || expression.create_accumulator())))
            }
            Method::Ordered(call) => {
                let call = Arc::clone(call);
                let is_whole = call.total == Some(Total::Sum) && self.field.data_type().is_integer();
                let result = match &call.broad {
                    Some(broad) => broad.total_type(),
                    None if is_whole => WHOLE,
                    None => self.field.data_type().clone(),
                };
                let make = Box::new(move || Ok(Box::new(OrderedRows::new(Arc::clone(&call))) as _));
                Box::new(PerGroup::new(result, make))
            }
        })
    }

    /// The types of the columns of a group's state.
    pub(super) fn state_types(&self) -> Result<Vec<DataType>> {
        if let Method::Groups(expression) = &self.method
            && matches!(expression.fun().name(), "first_value" | "last_value")
        {
            // Expressions over no groups have no state that could be inspected.
            return Ok(expression.state_fields()?.iter().map(|field| field.data_type().clone()).collect());
        }
        let states = self.accumulator()?.state(EmitTo::All)?;
        Ok(states.iter().map(|column| column.data_type().clone()).collect())
    }

    /// Functions say only when their accumulator is made whether they support a type: find out at once.
    fn try_out(&self) -> Result<()> {
        match &self.method {
            Method::PerGroup(expression) => expression.create_accumulator().map(drop)?,
            Method::Ordered(call) => call.expression.create_accumulator().map(drop)?,
            _ => self.accumulator().map(drop)?,
        }
        Ok(())
    }

    /// Whether the result of a window may overflow its column.
    pub(super) fn can_overflow(&self) -> bool {
        match &self.method {
            Method::Integers(total) => *total == Total::Sum,
            Method::Broad(_) => true,
            Method::Ordered(call) => {
                call.broad.is_some() || (call.total == Some(Total::Sum) && self.field.data_type().is_integer())
            }
            _ => false,
        }
    }

    /// The expressions that are evaluated for every row.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let inputs = self.inputs.iter().filter_map(|input| match input {
            InputColumn::Expression(expression) | InputColumn::Plain(expression) => Some(expression),
            InputColumn::Ones => None,
        });
        inputs.chain(&self.filter)
    }

    /// The arguments of the accumulator for some rows, from the values of [`Aggregate::expressions`].
    pub(super) fn arguments(&self, rows: usize, columns: &mut impl Iterator<Item = ArrayRef>) -> Result<Arguments> {
        let lacking = || Error::bug("an expression of an aggregate was not computed");
        let column = |input: &InputColumn| match input {
            InputColumn::Expression(_) => columns.next().ok_or_else(lacking),
            InputColumn::Plain(_) => columns.next().map(|column| plain_column(&column)).ok_or_else(lacking),
            InputColumn::Ones => Ok(ones(rows)),
        };
        let values = self.inputs.iter().map(column).collect::<Result<_>>()?;
        let filter = self.filter.as_ref().map(|_| columns.next().ok_or_else(lacking)).transpose()?;
        Ok(Arguments { values, filter: filter.map(|filter| is_true(filter.as_boolean())) })
    }

    /// Whether the size of a group's state is independent of the number of its rows.
    pub(super) fn has_small_state(&self) -> bool {
        const GROWING: [&str; 3] = ["median", "percentile_cont", "count"];
        match &self.method {
            Method::Variance(_) | Method::Floats(_) | Method::Integers(_) | Method::Broad(_) | Method::Extreme(..) => true,
            Method::Groups(expression) => {
                let is_plain_count = expression.fun().name() == "count" && !expression.is_distinct();
                is_plain_count || !GROWING.contains(&expression.fun().name())
            }
            Method::Distinct(_) | Method::PerGroup(_) | Method::Ordered(_) => false,
        }
    }

    /// A remark about how it is computed, if a user should know.
    pub(super) fn remark(&self) -> Option<String> {
        let Method::Ordered(_) = &self.method else { return None };
        Some(format!("{}: keeps all rows of a window, as its result depends on their order", self.field.name()))
    }
}

/// The argument as 64-bit integers, if there is one argument and it is an integer before coercion: averages convert it to a
/// float.
fn integers(args: &[Expr], scope: &Scope) -> Option<Expr> {
    let [argument] = args else { return None };
    let wide = match scope.type_of(argument)? {
        DataType::UInt64 => DataType::UInt64,
        of if of.is_integer() => DataType::Int64,
        _ => return None,
    };
    Some(datafusion_expr::cast(argument.clone(), wide))
}

/// Null counts as false.
fn is_true(mask: &BooleanArray) -> BooleanArray {
    match mask.nulls() {
        None => mask.clone(),
        Some(nulls) => BooleanArray::new(mask.values() & nulls.inner(), None),
    }
}

fn ones(rows: usize) -> ArrayRef {
    static ONES: LazyLock<ArrayRef> = LazyLock::new(|| Arc::new(BooleanArray::from(vec![true; 16_384])));
    if rows <= ONES.len() { ONES.slice(0, rows) } else { Arc::new(BooleanArray::from(vec![true; rows])) }
}

fn options(sort: &Sort) -> SortOptions {
    SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first }
}

/// The parts of a call from which an [`Aggregate`] is made.
struct Binding<'a> {
    call: &'a AggregateCall,
    func: Arc<AggregateUDF>,
    params: &'a AggregateFunctionParams,
    schema: &'a StreamSchema,
    args: Vec<Expression>,
    /// The argument as 64-bit integers, if it is an integer.
    integers: Option<Expression>,
    order: Vec<(Expression, SortOptions)>,
}

impl Binding<'_> {
    fn choose(self, filter: Option<Expression>) -> Result<Aggregate> {
        let name = self.func.name();
        // DISTINCT does not change the result of these.
        let distinct = self.params.distinct && !matches!(name, "min" | "max" | "bit_and" | "bit_or" | "bool_and" | "bool_or");
        let expression = self.build(distinct, Vec::new())?;
        let field = expression.field().as_ref().clone().with_name(&self.call.name).with_nullable(name != "count");
        let floats = field.data_type() == &DataType::Float64
            && self.args.iter().all(|argument| argument.data_type() == &DataType::Float64);
        let within_group = self.func.supports_within_group_clause();
        let (method, inputs) = match (Total::of(name), Statistic::of(name)) {
            (Some(total), _) if !distinct && self.integers.is_some() => {
                (Method::Integers(total), self.integers.iter().cloned().map(InputColumn::Expression).collect())
            }
            (Some(total), _) if floats && !distinct => (Method::Floats(total), self.arguments()),
            (Some(total), _) if !distinct && let Some(broad) = self.broad(total, field.data_type()) => {
                (Method::Broad(broad), self.arguments())
            }
            (_, Some(statistic)) if floats && !distinct => (Method::Variance(statistic), self.arguments()),
            _ if name == "count" && distinct && self.counts_one_key() => {
                (Method::Distinct(self.args[0].data_type().clone()), self.arguments())
            }
            _ if matches!(name, "min" | "max") && field.data_type().is_floating() => {
                let wanted = if name == "min" { Ordering::Less } else { Ordering::Greater };
                (Method::Extreme(wanted, field.data_type().clone()), self.arguments())
            }
            _ if matches!(name, "first_value" | "last_value") && self.order.is_empty() && self.schema.event_time().is_some() => {
                self.first_or_last()?
            }
            _ if ORDER_FREE.contains(&name) && (!distinct || name == "count") => {
                let expression = if within_group { self.build(distinct, self.physical_order())? } else { expression };
                (direct(expression), plain(self.arguments()))
            }
            _ => self.ordered(distinct, within_group)?,
        };
        let aggregate = Aggregate { field, inputs, filter, method };
        aggregate.try_out()?;
        Ok(aggregate)
    }

    fn build(&self, distinct: bool, order: Vec<PhysicalSortExpr>) -> Result<AggregateFunctionExpr> {
        let args = self.args.iter().map(|argument| Arc::clone(argument.physical())).collect();
        Ok(AggregateExprBuilder::new(Arc::clone(&self.func), args)
            .schema(Arc::clone(self.schema.arrow()))
            .alias(&self.call.name)
            .order_by(order)
            .with_distinct(distinct)
            .with_ignore_nulls(self.params.null_treatment == Some(NullTreatment::IgnoreNulls))
            .build()?)
    }

    fn physical_order(&self) -> Vec<PhysicalSortExpr> {
        self.order.iter().map(|(by, options)| PhysicalSortExpr { expr: Arc::clone(by.physical()), options: *options }).collect()
    }

    fn arguments(&self) -> Vec<InputColumn> {
        let is_constant = |argument: &Expression| matches!(argument.logical(), Expr::Literal(value, _) if !value.is_null());
        if let [argument] = self.args.as_slice()
            && self.func.name() == "count"
            && !self.params.distinct
            && is_constant(argument)
        {
            return vec![InputColumn::Ones];
        }
        self.args.iter().cloned().map(InputColumn::Expression).collect()
    }

    /// The total, if it is one of durations or of decimals.
    fn broad(&self, total: Total, result: &DataType) -> Option<Broad> {
        let [argument] = self.args.as_slice() else { return None };
        Broad::of(total == Total::Sum, argument.data_type(), result)
    }

    /// Whether there is one argument, of a type that can be a key.
    fn counts_one_key(&self) -> bool {
        matches!(self.args.as_slice(), [argument] if check_key_type(argument.data_type()).is_ok())
    }

    /// The event time column, and the column of places if there is one, as expressions.
    fn time_and_place(&self) -> Result<Vec<Expression>> {
        let Some(time) = self.schema.event_time() else { return Ok(Vec::new()) };
        let column = |column: usize| {
            let name = self.schema.arrow().field(column).name();
            let column = Expr::Column(datafusion_common::Column::new_unqualified(name));
            Expression::new(column, &Scope::of_stream(self.schema)?)
        };
        std::iter::once(time).chain(self.schema.place()).map(column).collect()
    }

    /// The first or last value by event time; ties are broken by the row's place, or by the value if rows have no places.
    /// DataFusion keeps the least or greatest (time, place) of each group.
    fn first_or_last(&self) -> Result<(Method, Vec<InputColumn>)> {
        let (mut by, [argument]) = (self.time_and_place()?, self.args.as_slice()) else {
            return Err(Error::bug("first_value is planned over event time and one argument"));
        };
        let is_time =
            argument.physical().downcast_ref::<Column>().is_some_and(|column| Some(column.index()) == self.schema.event_time());
        if !is_time && self.schema.place().is_none() {
            by.push(argument.clone());
        }
        let options = SortOptions::default();
        let order = by.iter().map(|by| PhysicalSortExpr { expr: Arc::clone(by.physical()), options }).collect();
        let expression = self.build(false, order)?;
        if !expression.groups_accumulator_supported() {
            return self.ordered(false, false);
        }
        let inputs = std::iter::once(argument.clone()).chain(by).map(InputColumn::Expression).collect();
        Ok((Method::Groups(expression), inputs))
    }

    fn ordered(&self, distinct: bool, within_group: bool) -> Result<(Method, Vec<InputColumn>)> {
        let expression = self.build(false, if within_group { self.physical_order() } else { Vec::new() })?;
        let mut by = self.order.clone();
        if !distinct {
            by.extend(self.time_and_place()?.into_iter().map(|by| (by, SortOptions::default())));
        }
        let broad = Total::of(self.func.name()).and_then(|total| self.broad(total, expression.field().data_type()));
        let of_numbers = |argument: &Expression| *argument.data_type() == DataType::Float64 || self.integers.is_some();
        let total = Total::of(self.func.name()).filter(|_| self.args.first().is_some_and(of_numbers));
        let args = match (&self.integers, total) {
            (Some(integers), Some(_)) => std::slice::from_ref(integers),
            _ => self.args.as_slice(),
        };
        let constants: Vec<Option<ScalarValue>> = args.iter().map(constant).collect();
        let kept = args.iter().zip(&constants).filter(|(_, constant)| constant.is_none()).map(|(argument, _)| argument.clone());
        let (order, columns): (Vec<SortOptions>, Vec<Expression>) =
            (by.iter().map(|(_, options)| *options).collect(), by.iter().map(|(by, _)| by.clone()).chain(kept).collect());
        if columns.len() == order.len() {
            return Err(Error::job("all its arguments are constants").help("give it a column"));
        }
        let kept_types = columns.iter().map(|column| column.data_type().clone()).collect();
        let sorts = distinct || !order.is_empty();
        let is_list =
            matches!(self.func.name(), "array_agg" | "nth_value" | "first_value" | "last_value") && self.order.is_empty();
        let call = OrderedCall { expression, total, broad, order, kept_types, constants, distinct, sorts };
        let inputs: Vec<InputColumn> = columns.into_iter().map(InputColumn::Expression).collect();
        // Functions that only collect values keep them as given.
        Ok((Method::Ordered(Arc::new(call)), if distinct || !is_list { plain(inputs) } else { inputs }))
    }
}

/// The inputs with floats in canonical form.
fn plain(inputs: Vec<InputColumn>) -> Vec<InputColumn> {
    let one = |input: InputColumn| match input {
        InputColumn::Expression(expression) if expression.data_type().is_floating() => InputColumn::Plain(expression),
        other => other,
    };
    inputs.into_iter().map(one).collect()
}

fn direct(expression: AggregateFunctionExpr) -> Method {
    if expression.groups_accumulator_supported() { Method::Groups(expression) } else { Method::PerGroup(Arc::new(expression)) }
}

fn constant(argument: &Expression) -> Option<ScalarValue> {
    match argument.logical() {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    }
}
