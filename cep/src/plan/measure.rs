//! The columns of a match: expressions over what it took.

use crate::plan::automaton::Variable;
use crate::plan::condition::names::{Names, Place};
use crate::plan::value::{RunValue, values_read};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast;
use egret_core::expr::{Computed, Expression, Planner, Scope, compute, parse_expression};
use egret_core::matches::MATCH_TIME;
use egret_core::{Error, Result, StreamSchema, Subject, Uncomputed};
use std::sync::Arc;

/// Measures from text: pairs of a column's name and its expression.
///
/// ```
/// let measures = egret_cep::measures(&[("card", "card"), ("spent", "sum(small.amount) + big.amount")])?;
/// assert_eq!(measures.len(), 2);
/// # Ok::<(), egret_core::Error>(())
/// ```
///
/// # Errors
/// A text does not parse.
pub fn measures(texts: &[(&str, &str)]) -> Result<Vec<(String, ast::Expr)>> {
    let one = |(name, text): &(&str, &str)| match parse_expression(text) {
        Ok(tree) => Ok(((*name).to_owned(), tree)),
        Err(error) => Err(error.context(format!("in the measure `{text}`"))),
    };
    texts.iter().map(one).collect()
}

/// The measures, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Measures {
    /// The values of the match that they read, in the order of `inputs`' columns.
    pub(crate) values: Vec<usize>,
    inputs: SchemaRef,
    expressions: Vec<Expression>,
    pub(crate) output: StreamSchema,
}

impl Measures {
    /// Compiles measures; adds the values they read to `values`.
    pub(crate) fn compile(
        trees: &[(String, ast::Expr)],
        variables: &[Variable],
        schema: &StreamSchema,
        partition: &[usize],
        values: &mut Vec<RunValue>,
    ) -> Result<Self> {
        if trees.is_empty() {
            return Err(Error::job("a pattern selects no columns").help("SELECT at least one: SELECT x.column"));
        }
        let of =
            |error: Error, name: &String| error.context(format!("the measure '{name}'")).about(Subject::Measure(name.clone()));
        let names = Names { variables, schema, place: Place::Measure { partition } };
        let mut resolved = Vec::new();
        for (name, tree) in trees {
            let mut tree = tree.clone();
            names.resolve(&mut tree, values).map_err(|error| of(error, name))?;
            resolved.push(tree);
        }
        let wide = Scope::of_arrow(&inputs(values.iter()))?;
        let plan = |(tree, (name, _)): (&ast::Expr, &(String, ast::Expr))| {
            Planner::new().compile(tree, &wide).map_err(|error| of(error, name))
        };
        let planned = resolved.iter().zip(trees).map(plan).collect::<Result<Vec<_>>>()?;
        // Column 0 is the time of the match.
        let mut read: Vec<usize> = planned.iter().flat_map(|expression| values_read(expression, 1)).collect();
        read.sort_unstable();
        read.dedup();
        let inputs = inputs(read.iter().map(|&value| &values[value]));
        let narrow = Scope::of_arrow(&inputs)?;
        let expressions =
            planned.iter().map(|expression| Expression::new(expression.logical().clone(), &narrow)).collect::<Result<_>>()?;
        let mut measures = Self { values: read, inputs, expressions, output: schema.clone() };
        measures.output = measures.output_schema(trees, schema.event_time().is_some())?;
        Ok(measures)
    }

    fn output_schema(&mut self, trees: &[(String, ast::Expr)], has_time: bool) -> Result<StreamSchema> {
        let is_time = |expression: &Expression| matches!(expression.logical(), Expr::Column(column) if column.name == MATCH_TIME);
        let time = self.expressions.iter().position(is_time).filter(|_| has_time);
        let mut fields: Vec<Field> = trees
            .iter()
            .zip(&self.expressions)
            .enumerate()
            .map(|(index, ((name, _), expression))| Field::new(name, expression.data_type().clone(), Some(index) != time))
            .collect();
        let name = match time {
            Some(index) => fields[index].name().clone(),
            None if has_time => {
                if trees.iter().any(|(name, _)| name == MATCH_TIME) {
                    return Err(Error::job(format!(
                        "a measure is named '{MATCH_TIME}', which is the column of the match's time"
                    ))
                    .help("give the measure another name with AS")
                    .about(Subject::Measure(MATCH_TIME.to_owned())));
                }
                self.expressions.push(Expression::new(datafusion_expr::col(MATCH_TIME), &Scope::of_arrow(&self.inputs)?)?);
                fields.push(StreamSchema::time_field(MATCH_TIME));
                MATCH_TIME.to_owned()
            }
            None => return StreamSchema::new(fields, None),
        };
        StreamSchema::new(fields, Some(&name))
    }

    /// Computes the output's rows from the times of the matches and the columns of the values read. Matches for which a measure
    /// fails are left out and returned as faults.
    pub(crate) fn evaluate(&self, times: ArrayRef, values: Vec<ArrayRef>) -> Result<(RecordBatch, Vec<Uncomputed>)> {
        let columns = std::iter::once(times).chain(values).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.inputs), columns)?;
        let expressions: Vec<&Expression> = self.expressions.iter().collect();
        let Computed { columns, faults, .. } = compute(&expressions, &rows)?;
        let wrong = Uncomputed::of_faults(&faults, &expressions, &rows);
        Ok((RecordBatch::try_new(Arc::clone(self.output.arrow()), columns)?, wrong))
    }

    /// Whether a measure can fail for some match; failures of the values that it reads are not counted.
    pub(crate) fn can_fail(&self) -> bool {
        self.expressions.iter().any(Expression::can_fail)
    }
}

/// The columns that measures are computed from: the time of the match, then values.
fn inputs<'a>(values: impl Iterator<Item = &'a RunValue>) -> SchemaRef {
    Arc::new(Schema::new(
        std::iter::once(StreamSchema::time_field(MATCH_TIME)).chain(values.map(RunValue::field)).collect::<Vec<_>>(),
    ))
}
