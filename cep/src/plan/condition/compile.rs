//! From syntax trees to conditions, in two steps: drafts over the stream's columns, and, when it is known which of these the
//! matcher gets, the terms over those.

use super::arithmetic::Arithmetic;
use super::facts::Facts;
use super::gate_choice;
use super::names::{Names, Place};
use super::{Condition, Conditions, How, RunSide, Term};
use crate::plan::automaton::{ConditionSource, Variable};
use crate::plan::local::MaskBit;
use crate::plan::value::{Function, RunValue, values_read};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Expr, Operator as Op, utils::conjunction};
use datafusion_sql::sqlparser::ast;
use egret_core::expr::bare_column;
use egret_core::expr::{Expression, Planner, Scope, sql_type};
use egret_core::scalar::{is_comparison, kind, mirrored};
use egret_core::{Error, Result, StreamSchema};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Conditions whose iterative parts are not bound to columns yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drafts {
    pub(crate) list: Vec<Draft>,
    /// The local parts, each once.
    pub(crate) locals: Vec<Expression>,
    /// The columns of the stream that iterative parts read.
    pub(crate) columns: BTreeSet<usize>,
}

/// One condition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    never: bool,
    local: Option<usize>,
    iterative: Vec<Expr>,
    /// The values of the match that it reads.
    pub(crate) values: BTreeSet<usize>,
}

/// Compiles the conditions of a pattern over a stream's columns; adds the values they read to `values`.
pub(crate) fn draft(
    sources: &[ConditionSource],
    variables: &[Variable],
    schema: &StreamSchema,
    values: &mut Vec<RunValue>,
) -> Result<Drafts> {
    let mut drafts = Drafts::default();
    for source in sources {
        let place = || match (source.variable, source.is_until) {
            (Some(variable), false) => format!("the condition of '{}'", variables[variable].name),
            (Some(variable), true) => format!("the UNTIL of '{}'", variables[variable].name),
            (None, _) => "the UNTIL of a group".into(),
        };
        let about = |error: Error| source.about(error.context(place()), variables);
        let draft = drafts.one(source, variables, schema, values).map_err(about)?;
        drafts.list.push(draft);
    }
    Ok(drafts)
}

/// The columns of rows, followed by the values of a match.
pub(crate) fn wide_schema(rows: &Schema, values: &[RunValue]) -> SchemaRef {
    let fields: Vec<Field> =
        rows.fields().iter().map(|field| field.as_ref().clone()).chain(values.iter().map(RunValue::field)).collect();
    Arc::new(Schema::new(fields))
}

/// The type of the first part of a conjunction that is not boolean.
fn no_condition(tree: &ast::Expr, scope: &Scope) -> Option<DataType> {
    match tree {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            no_condition(left, scope).or_else(|| no_condition(right, scope))
        }
        ast::Expr::Nested(inner) => no_condition(inner, scope),
        part => {
            let part = Planner::new().compile(part, scope).ok()?;
            Some(part.data_type().clone()).filter(|of| !matches!(of, DataType::Boolean | DataType::Null))
        }
    }
}

impl Drafts {
    fn one(
        &mut self,
        source: &ConditionSource,
        variables: &[Variable],
        schema: &StreamSchema,
        values: &mut Vec<RunValue>,
    ) -> Result<Draft> {
        let Some(condition) = &source.condition else { return Ok(Draft::default()) };
        let in_text = |error: Error| error.context(format!("in `{condition}`"));
        let mut tree = condition.tree()?;
        Names { variables, schema, place: Place::Condition { own: source.variable } }
            .resolve(&mut tree, values)
            .map_err(in_text)?;
        let scope = Scope::of_arrow(&wide_schema(schema.arrow(), values))?;
        let whole = Planner::new().compile(&tree, &scope);
        let is_condition = whole.as_ref().is_ok_and(|whole| matches!(whole.data_type(), DataType::Boolean | DataType::Null));
        if !is_condition && let Some(data_type) = no_condition(&tree, &scope) {
            let wrong = in_text(Error::job(format!("it is a value of type {}, not a condition", sql_type(&data_type))));
            return Err(wrong.help("write a comparison"));
        }
        let whole = whole.map_err(in_text)?;
        self.split(&whole, &scope, schema).map_err(in_text)
    }

    fn split(&mut self, whole: &Expression, scope: &Scope, schema: &StreamSchema) -> Result<Draft> {
        let columns = schema.arrow().fields().len();
        let mut draft = Draft { values: values_read(whole, columns), ..Draft::default() };
        let mut local = Vec::new();
        draft.never = Facts::of(whole.conjuncts()).contradict();
        for part in whole.conjuncts() {
            match part {
                Expr::Literal(ScalarValue::Boolean(Some(true)), _) => {}
                Expr::Literal(..) => draft.never = true,
                part => {
                    let reads = Expression::new(part.clone(), scope)?;
                    if values_read(&reads, columns).is_empty() {
                        local.push(part.clone());
                    } else {
                        self.columns.extend(reads.columns().iter().filter(|&&column| column < columns));
                        draft.iterative.push(part.clone());
                    }
                }
            }
        }
        if let Some(local) = conjunction(local) {
            draft.local = Some(self.local(Expression::new(local, &Scope::of_stream(schema)?)?));
        }
        Ok(draft)
    }

    fn local(&mut self, expression: Expression) -> usize {
        let text = expression.logical().to_string();
        self.locals.iter().position(|other| other.logical().to_string() == text).unwrap_or_else(|| {
            self.locals.push(expression);
            self.locals.len() - 1
        })
    }

    /// Binds the iterative parts to the columns that the matcher gets.
    pub(crate) fn bind(&self, rows: &Schema, values: &[RunValue]) -> Result<Conditions> {
        let mut binding =
            Binding { rows, values, wide: Scope::of_arrow(&wide_schema(rows, values))?, conditions: Conditions::default() };
        for draft in &self.list {
            let terms = draft.iterative.iter().map(|part| binding.term(part)).collect::<Result<_>>()?;
            let local = draft.local.map(MaskBit::of);
            binding.conditions.list.push(Condition {
                local,
                terms,
                iterative: draft.iterative.clone(),
                never: draft.never,
                gate: None,
            });
        }
        Ok(gated(binding.conditions))
    }
}

/// Chooses the gate. A condition that contains the gate's comparison evaluates it first, unless it can fail; then no part before
/// it can fail (see `gate_choice::may_stand_in`). So it does not matter which rows are passed over: no part that fails is reached
/// only because of another partial match.
fn gated(mut conditions: Conditions) -> Conditions {
    let Some(gate) = gate_choice::choose(&conditions) else { return conditions };
    for index in 0..conditions.list.len() {
        let condition = &conditions.list[index];
        let found = condition.terms.iter().enumerate().find_map(|(term, of)| match gate_choice::of(&conditions, of) {
            Some((fits, run)) if fits == gate && gate_choice::may_stand_in(&conditions, condition, of) => Some((term, run)),
            _ => None,
        });
        if let Some((term, run)) = found {
            let can_fail = conditions.can_fail(&condition.terms[term]);
            let condition = &mut conditions.list[index];
            if !can_fail {
                condition.terms[..=term].rotate_right(1);
            }
            condition.gate = Some(run);
        }
    }
    conditions.gate = Some(gate);
    conditions
}

struct Binding<'a> {
    rows: &'a Schema,
    values: &'a [RunValue],
    wide: Scope,
    conditions: Conditions,
}

impl Binding<'_> {
    fn term(&mut self, part: &Expr) -> Result<Term> {
        let whole = Expression::new(part.clone(), &self.wide)?;
        if whole.columns().iter().all(|&column| column >= self.rows.fields().len()) {
            return Ok(Term::Run(self.run_side(&whole)?));
        }
        if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part
            && is_comparison(*op)
        {
            let (left, right) =
                (Expression::new(left.as_ref().clone(), &self.wide)?, Expression::new(right.as_ref().clone(), &self.wide)?);
            if left.data_type() == right.data_type() && kind(left.data_type()) == kind(right.data_type()) {
                if self.is_event(&left) && self.is_run(&right) {
                    return self.compare(&left, *op, &right);
                }
                if self.is_run(&left) && self.is_event(&right) {
                    return self.compare(&right, mirrored(*op), &left);
                }
            }
        }
        self.mixed(&whole)
    }

    fn is_event(&self, side: &Expression) -> bool {
        side.columns().iter().all(|&column| column < self.rows.fields().len())
    }

    fn is_run(&self, side: &Expression) -> bool {
        side.columns().iter().all(|&column| column >= self.rows.fields().len())
    }

    fn compare(&mut self, event: &Expression, op: Op, run: &Expression) -> Result<Term> {
        Ok(Term::Compare { event: self.event_side(event)?, op, run: self.run_side(run)? })
    }

    fn event_side(&mut self, side: &Expression) -> Result<usize> {
        let text = side.logical().to_string();
        let sides = &mut self.conditions.event_sides;
        if let Some(found) = sides.iter().position(|other| other.logical().to_string() == text) {
            return Ok(found);
        }
        let scope = Scope::of_arrow(&Arc::new(self.rows.clone()))?;
        sides.push(Expression::new(side.logical().clone(), &scope)?);
        Ok(sides.len() - 1)
    }

    fn run_side(&mut self, side: &Expression) -> Result<usize> {
        let text = side.logical().to_string();
        if let Some(found) = self.conditions.run_sides.iter().position(|other| other.text == text) {
            return Ok(found);
        }
        let values: Vec<usize> = values_read(side, self.rows.fields().len()).into_iter().collect();
        let schema: SchemaRef = Arc::new(Schema::new(values.iter().map(|&value| self.values[value].field()).collect::<Vec<_>>()));
        let is_scalar = values.iter().all(|&value| !matches!(self.values[value].function, Function::Other(_)));
        let how = match (bare_column(side.physical()), Arithmetic::of(side.logical(), &schema)) {
            (Some(_), _) => How::Value { scalar: is_scalar },
            (None, Some(arithmetic)) if is_scalar => How::Arithmetic(arithmetic),
            _ => How::Expression(Expression::new(side.logical().clone(), &Scope::of_arrow(&schema)?)?),
        };
        let fails = matches!(&how, How::Expression(expression) if expression.can_fail());
        let can_fail = fails || values.iter().any(|&value| self.values[value].can_fail());
        self.conditions.run_sides.push(RunSide { values, schema, how, text, can_fail });
        Ok(self.conditions.run_sides.len() - 1)
    }

    fn mixed(&self, whole: &Expression) -> Result<Term> {
        let rows = self.rows.fields().len();
        let columns: Vec<usize> = whole.columns().iter().copied().filter(|&column| column < rows).collect();
        let values: Vec<usize> = values_read(whole, rows).into_iter().collect();
        let of_rows = columns.iter().map(|&column| self.rows.field(column).clone());
        let fields: Vec<Field> = of_rows.chain(values.iter().map(|&value| self.values[value].field())).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let expression = Expression::new(whole.logical().clone(), &Scope::of_arrow(&schema)?)?;
        let can_fail = expression.can_fail() || values.iter().any(|&value| self.values[value].can_fail());
        Ok(Term::Mixed { expression, schema, columns, values, can_fail })
    }
}
