//! Resolves the names in a condition or a measure.
//!
//! In a condition a bare name, or one qualified by the condition's own variable, is a column of the event at hand; everything
//! else is a value of what the match has taken so far. In a measure every name except a partition column is such a value. Such
//! values are replaced by columns of their own, so that the rest is an ordinary expression.

use crate::plan::automaton::Variable;
use crate::plan::value::{Function, RunValue, intern};
use crate::plan::value::{WHY_CALL, WHY_COLUMN};
use arrow::datatypes::{DataType, Schema};
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::aggregate::AggregateExprBuilder;
use datafusion_physical_expr::expressions::CastExpr;
use datafusion_sql::sqlparser::ast::{
    self, DuplicateTreatment, Function as Call, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Value,
};
use egret_core::expr::{Planner, Rewrite, Scope, aggregate_function, rewrite};
use egret_core::matches::MATCH_TIME;
use egret_core::row_place::PLACE;
use egret_core::{Error, Result, StreamSchema};
use std::sync::Arc;

/// Where an expression stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// In a condition; `own` is its variable, if it belongs to one.
    Condition { own: Option<usize> },
    /// Among the measures; bare names are partition columns.
    Measure { partition: &'a [usize] },
}

/// The names there are.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) variables: &'a [Variable],
    pub(crate) schema: &'a StreamSchema,
    pub(crate) place: Place<'a>,
}

impl Names<'_> {
    /// Replaces values of the match by columns, and adds them to `values`.
    pub(crate) fn resolve(&self, tree: &mut ast::Expr, values: &mut Vec<RunValue>) -> Result<()> {
        rewrite(tree, &mut Resolver { names: *self, values })
    }
}

struct Resolver<'a, 'v> {
    names: Names<'a>,
    values: &'v mut Vec<RunValue>,
}

impl Rewrite for Resolver<'_, '_> {
    fn before(&mut self, node: &mut ast::Expr) -> Result<()> {
        if let Some(new) = self.replacement(node)? {
            *node = new;
        }
        Ok(())
    }
}

impl Resolver<'_, '_> {
    fn replacement(&mut self, node: &ast::Expr) -> Result<Option<ast::Expr>> {
        match node {
            ast::Expr::CompoundIdentifier(parts) => self.qualified(parts).map(Some),
            ast::Expr::Identifier(ident) => self.bare(ident),
            ast::Expr::Function(call) => self.call(call),
            ast::Expr::AnyOp { left, compare_op, right, .. } => Err(quantified(("ANY", false), left, compare_op, right)),
            ast::Expr::AllOp { left, compare_op, right } => Err(quantified(("ALL", true), left, compare_op, right)),
            _ => Ok(None),
        }
    }

    /// `x.col`: of the event at hand if `x` is the condition's own variable, else of the last event of `x`.
    fn qualified(&mut self, parts: &[Ident]) -> Result<ast::Expr> {
        let [variable, column] = parts else {
            return Err(Error::job(format!("'{}' has too many parts", spell(parts))).help("write variable.column"));
        };
        let Some(variable) = self.variable(variable) else {
            return Err(Error::job(format!("'{}': there is no variable '{variable}'", spell(parts))).help(self.known()));
        };
        let column = self.column(column)?;
        if matches!(self.names.place, Place::Condition { own: Some(own) } if own == variable) {
            return Ok(quoted(self.names.schema.arrow().field(column).name()));
        }
        let name = format!("{}.{}", self.names.variables[variable].name, self.names.schema.arrow().field(column).name());
        self.value(name, Some(variable), Function::Last(0), Some(column))
    }

    fn bare(&mut self, ident: &Ident) -> Result<Option<ast::Expr>> {
        let is_measure = matches!(self.names.place, Place::Measure { .. });
        if is_measure && normalised(ident) == WHY_COLUMN && self.names.schema.index_of(WHY_COLUMN).is_err() {
            return self.value(WHY_CALL.into(), None, Function::Why, None).map(Some);
        }
        if is_measure
            && normalised(ident) == PLACE
            && let Some(place) = self.names.schema.place()
        {
            return self.value(PLACE.into(), None, Function::Place, Some(place)).map(Some);
        }
        if is_measure && normalised(ident) == MATCH_TIME && self.names.schema.index_of(MATCH_TIME).is_err() {
            return Ok(None);
        }
        if self.variable(ident).is_some() && self.names.schema.index_of(&normalised(ident)).is_err() {
            let wrong = Error::job(format!("'{ident}' is a variable, not a value"));
            return Err(match ident.quote_style {
                Some(_) => wrong.help(format!("a text stands in single quotes: '{}'", ident.value)),
                None => wrong.help(format!("write {ident}.column or count({ident})")),
            });
        }
        let column = self.column(ident)?;
        let Place::Measure { partition } = self.names.place else { return Ok(None) };
        let name = self.names.schema.arrow().field(column).name().clone();
        if !partition.contains(&column) {
            return Err(Error::job(format!("'{name}' does not say which event's")).help(format!(
                "write variable.{name}; only the columns of PARTITION BY are the same for all events of a match"
            )));
        }
        self.value(name, None, Function::Any, Some(column)).map(Some)
    }

    /// A call of an aggregate, `first` or `last` over a variable; any other call is left as it is.
    fn call(&mut self, call: &Call) -> Result<Option<ast::Expr>> {
        let [ObjectNamePart::Identifier(name)] = call.name.0.as_slice() else { return Ok(None) };
        let name = name.value.to_ascii_lowercase();
        if name == "why" {
            return self.why(call).map(Some);
        }
        let is_ours = matches!(name.as_str(), "first" | "last");
        let aggregate = aggregate_function(&name);
        if !is_ours && aggregate.is_none() {
            return Ok(None);
        }
        let FunctionArguments::List(list) = &call.args else { return Ok(None) };
        if call.over.is_some() || call.filter.is_some() || !call.within_group.is_empty() || !list.clauses.is_empty() {
            return Err(Error::job(format!("'{call}' cannot be used over a match")).help("use a plain call: sum(x.amount)"));
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let (variable, column) = self.argument(call, &name, list.args.first())?;
        let function = match name.as_str() {
            "first" => Function::First(offset(call, list.args.get(1))?),
            "last" => Function::Last(offset(call, list.args.get(1))?),
            "count" if !distinct => Function::Count,
            _ => return self.aggregate(call, variable, column, distinct).map(Some),
        };
        if list.args.len() > 1 + usize::from(is_ours) {
            return Err(Error::job(format!("'{call}' has too many arguments")));
        }
        if is_ours && column.is_none() {
            return Err(Error::job(format!("'{call}' does not say which column")).help("write first(x.column)"));
        }
        self.value(self.text(call, &name, variable, column), variable, function, column).map(Some)
    }

    /// `why()`: a value of the whole match.
    fn why(&mut self, call: &Call) -> Result<ast::Expr> {
        let has_none = match &call.args {
            FunctionArguments::None => true,
            FunctionArguments::List(list) => list.args.is_empty(),
            FunctionArguments::Subquery(_) => false,
        };
        match self.names.place {
            Place::Condition { .. } => Err(Error::job("'why()' is said of a match that is complete, not in a condition")
                .help("move it to SELECT: SELECT why() AS why")),
            Place::Measure { .. } if !has_none => {
                Err(Error::job(format!("'{call}': why() takes nothing")).help("write why(): it is about the whole match"))
            }
            Place::Measure { .. } => self.value(WHY_CALL.into(), None, Function::Why, None),
        }
    }

    /// The variable and the column that a call is about.
    fn argument(&self, call: &Call, name: &str, argument: Option<&FunctionArg>) -> Result<(Option<usize>, Option<usize>)> {
        let unclear = || {
            Err(Error::job(format!("'{call}' does not say which variable's events"))
                .help(format!("write {name}(variable.column)")))
        };
        match argument {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Wildcard)) if name == "count" => Ok((None, None)),
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(ident)))) => match self.variable(ident) {
                Some(variable) if name == "count" => Ok((Some(variable), None)),
                _ => unclear(),
            },
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::CompoundIdentifier(parts)))) if parts.len() == 2 => {
                match self.variable(&parts[0]) {
                    Some(variable) => Ok((Some(variable), Some(self.column(&parts[1])?))),
                    None => Err(Error::job(format!("'{call}': there is no variable '{}'", parts[0])).help(self.known())),
                }
            }
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(_)))) | None => unclear(),
            Some(FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(of))) if name == "count" => {
                Err(Error::job(format!("'{call}' does not count events here")).help(format!("write count({of})")))
            }
            Some(_) => Err(Error::job(format!("'{call}' is over an expression")).help(format!(
                "write {name}(variable.column); compute the expression as a column of the stream before the pattern"
            ))),
        }
    }

    /// `sum`, `avg`, `min`, `max` over numbers are kept up event by event; every other aggregate reads all events.
    fn aggregate(&mut self, call: &Call, variable: Option<usize>, column: Option<usize>, distinct: bool) -> Result<ast::Expr> {
        let name = call.name.to_string().to_ascii_lowercase();
        let Some(column) = column else {
            return Err(Error::job(format!("'{call}' does not say which column")).help(format!("write {name}(variable.column)")));
        };
        let data_type = self.names.schema.arrow().field(column).data_type().clone();
        let number = matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)
            || matches!(data_type, DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::Float32 | DataType::Float64);
        let ordered =
            number || matches!(data_type, DataType::Timestamp(..) | DataType::Duration(_) | DataType::Date32 | DataType::Boolean);
        let single = match &call.args {
            FunctionArguments::List(list) => list.args.len() == 1,
            _ => false,
        };
        let function = match name.as_str() {
            "sum" if number && !distinct && single => Function::Sum,
            "avg" | "mean" if number && !distinct && single => Function::Average,
            "min" if ordered && single => Function::Least,
            "max" if ordered && single => Function::Greatest,
            _ => self.other(call, column, distinct)?,
        };
        self.value(self.text(call, &name, variable, Some(column)), variable, function, Some(column))
    }

    /// Any other aggregate function of DataFusion, over a batch of one column.
    fn other(&self, call: &Call, column: usize, distinct: bool) -> Result<Function> {
        let field = self.names.schema.arrow().field(column).clone();
        let schema = Arc::new(Schema::new(vec![field.clone()]));
        let mut plain = call.clone();
        let FunctionArguments::List(list) = &mut plain.args else { return Err(Error::bug("a call without arguments")) };
        list.args[0] = FunctionArg::Unnamed(FunctionArgExpr::Expr(quoted(field.name())));
        let planned = Planner::new().logical(&ast::Expr::Function(plain), &Scope::of_arrow(&schema)?)?;
        let Expr::AggregateFunction(function) = planned else { return Err(Error::job(format!("'{call}' is not an aggregate"))) };
        let scope = Scope::of_arrow(&schema)?;
        let compiled = function
            .params
            .args
            .iter()
            .map(|arg| egret_core::expr::Expression::new(arg.clone(), &scope))
            .collect::<Result<Vec<_>>>()?;
        let fields: Vec<_> = compiled.iter().map(|arg| arg.physical().return_field(&schema)).collect::<Result<_, _>>()?;
        let wanted = fields_with_udf(&fields, function.func.as_ref())
            .map_err(|_| Error::job(format!("'{call}' cannot be computed over a column of type {}", field.data_type())))?;
        let args = compiled
            .iter()
            .zip(&wanted)
            .map(|(arg, wanted)| cast(Arc::clone(arg.physical()), arg.data_type(), wanted.data_type()))
            .collect();
        let expression = AggregateExprBuilder::new(Arc::clone(&function.func), args)
            .schema(schema)
            .alias(call.to_string())
            .with_distinct(distinct)
            .build()?;
        Ok(Function::Other(Arc::new(expression)))
    }

    fn value(&mut self, name: String, variable: Option<usize>, function: Function, column: Option<usize>) -> Result<ast::Expr> {
        if let Some(negated) = variable.map(|variable| &self.names.variables[variable]).filter(|variable| variable.negated) {
            return Err(Error::job(format!("'{name}' is read, but '{}' is negated and never takes an event", negated.name))
                .help("read a variable that is not negated"));
        }
        let of_column = column.map(|column| self.names.schema.arrow().field(column).data_type().clone());
        let data_type = match (&function, of_column) {
            (Function::Why, _) => DataType::Utf8,
            (Function::Count, _) | (_, None) => DataType::Int64,
            (Function::Average, _) => DataType::Float64,
            (Function::Sum, Some(column)) => {
                if column.is_floating() {
                    DataType::Float64
                } else {
                    DataType::Int64
                }
            }
            (Function::Other(function), _) => function.field().data_type().clone(),
            (_, Some(column)) => column,
        };
        let variable = variable.map(|variable| variable as u16);
        intern(self.values, RunValue { name: name.clone(), variable, function, column, data_type })?;
        Ok(quoted(&name))
    }

    /// One text for all ways to write a call.
    fn text(&self, call: &Call, name: &str, variable: Option<usize>, column: Option<usize>) -> String {
        let FunctionArguments::List(list) = &call.args else { return call.to_string() };
        let distinct = if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) { "DISTINCT " } else { "" };
        let variable = variable.map_or("*", |variable| &self.names.variables[variable].name);
        let column = column.map_or(String::new(), |column| format!(".{}", self.names.schema.arrow().field(column).name()));
        let rest: String = list.args.iter().skip(1).map(|argument| format!(", {argument}")).collect();
        format!("{name}({distinct}{variable}{column}{rest})")
    }

    fn variable(&self, ident: &Ident) -> Option<usize> {
        let name = normalised(ident);
        let same = |variable: &Variable| {
            variable.name == name || (ident.quote_style.is_none() && variable.name.eq_ignore_ascii_case(&name))
        };
        self.names.variables.iter().position(same)
    }

    fn column(&self, ident: &Ident) -> Result<usize> {
        self.names.schema.index_of(&normalised(ident))
    }

    fn known(&self) -> String {
        let names: Vec<&str> = self.names.variables.iter().map(|variable| variable.name.as_str()).collect();
        format!("the variables are {}", names.join(", "))
    }
}

/// The error for `v > ALL(a.v)` and `v > ANY(a.v)`; its help names the `min` or `max` to compare with.
fn quantified((word, all): (&str, bool), left: &ast::Expr, op: &ast::BinaryOperator, right: &ast::Expr) -> Error {
    use ast::BinaryOperator::{Gt, GtEq, Lt, LtEq};
    let inner = match right {
        ast::Expr::Nested(inner) => inner,
        other => other,
    };
    let extreme = match op {
        Gt | GtEq if all => Some("max"),
        Gt | GtEq => Some("min"),
        Lt | LtEq if all => Some("min"),
        Lt | LtEq => Some("max"),
        _ => None,
    };
    let help = match extreme {
        Some(extreme) => format!("write {left} {op} {extreme}({inner})"),
        None => "compare with first, last, min or max of the variable's column".to_owned(),
    };
    Error::job(format!("a value is compared with one value, not with {word} values of a variable")).help(help)
}

/// The n of `last(x.col, n)`.
fn offset(call: &Call, argument: Option<&FunctionArg>) -> Result<usize> {
    let wrong = || {
        Error::job(format!("'{call}': the second argument is not a whole number"))
            .help("write last(x.column, 1) for the one before the last")
    };
    match argument {
        None => Ok(0),
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(value)))) => match &value.value {
            Value::Number(text, _) => text.parse().map_err(|_| wrong()),
            _ => Err(wrong()),
        },
        Some(_) => Err(wrong()),
    }
}

fn cast(arg: Arc<dyn PhysicalExpr>, from: &DataType, to: &DataType) -> Arc<dyn PhysicalExpr> {
    if from == to { arg } else { Arc::new(CastExpr::new(arg, to.clone(), None)) }
}

fn normalised(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

fn quoted(name: &str) -> ast::Expr {
    ast::Expr::Identifier(Ident::with_quote('"', name))
}

fn spell(parts: &[Ident]) -> String {
    parts.iter().map(Ident::to_string).collect::<Vec<_>>().join(".")
}

/// The value of an aggregate over no events.
pub(crate) fn zero(data_type: &DataType) -> Result<ScalarValue> {
    Ok(ScalarValue::new_zero(data_type)?)
}
