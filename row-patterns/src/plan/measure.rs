//! Measures: expressions over values of a match, and the columns of the output.

use super::columns::{StoredColumns, Variables};
use super::names::{Place, Resolver};
use super::spec::RowsPerMatch;
use super::value::{From, Kind, Read, RowValue};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::nullif;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast;
use egret_core::expr::{Expression, Planner, Scope, compute_or_null};
use egret_core::matches::MATCH_TIME;
use egret_core::{Error, Result, StreamSchema, Subject, Uncomputed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The output of a row pattern, compiled.
#[derive(Clone, Debug)]
pub(crate) struct RowMeasures {
    /// The values that measures read, in the order of `inputs`' columns.
    pub(crate) values: Vec<RowValue>,
    inputs: SchemaRef,
    expressions: Vec<Expression>,
    pub(crate) columns: Vec<OutputColumn>,
    pub(crate) output: StreamSchema,
}

/// A column of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputColumn {
    /// A stored column of the row shown.
    Stored(usize),
    /// A column of the key; minus zero becomes zero.
    Key(usize),
    /// A measure.
    Measure(usize),
    /// The event time of the last row of the match.
    Time,
}

/// The input for compiling measures.
pub(crate) struct MeasureSource<'a> {
    pub(crate) trees: &'a [(ast::Expr, String)],
    pub(crate) rows_per_match: RowsPerMatch,
    pub(crate) partition: &'a [usize],
    pub(crate) order: &'a [usize],
    /// Whether a match may be empty.
    pub(crate) may_be_empty: bool,
}

impl RowMeasures {
    /// Compiles measures; adds the columns that they and the output read to `columns`.
    pub(crate) fn compile(source: &MeasureSource<'_>, variables: &Variables, columns: &mut StoredColumns<'_>) -> Result<Self> {
        let of =
            |error: Error, name: &String| error.context(format!("the measure '{name}'")).about(Subject::Measure(name.clone()));
        let (mut values, mut shifts) = (Vec::new(), Vec::new());
        let mut resolved = Vec::new();
        for (tree, name) in source.trees {
            let mut tree = tree.clone();
            Resolver { variables, columns: &mut *columns, place: Place::Measure, values: &mut values, shifts: &mut shifts }
                .resolve(&mut tree)
                .map_err(|error| of(error, name))?;
            resolved.push((tree, name));
        }
        let inputs: SchemaRef = Arc::new(Schema::new(values.iter().map(RowValue::field).collect::<Vec<_>>()));
        let scope = Scope::of_arrow(&inputs)?;
        let plan = |(tree, name): &(ast::Expr, &String)| Planner::new().compile(tree, &scope).map_err(|error| of(error, name));
        let expressions = resolved.iter().map(plan).collect::<Result<Vec<_>>>()?;
        let output = columns.schema.clone();
        let mut measures = Self { values, inputs, expressions, columns: Vec::new(), output };
        measures.lay_out(source, columns)?;
        Ok(measures)
    }

    /// `ONE ROW`: partition columns, measures. `ALL ROWS`: partition columns, order columns, measures, the other columns, as the
    /// standard demands.
    fn lay_out(&mut self, source: &MeasureSource<'_>, columns: &mut StoredColumns<'_>) -> Result<()> {
        let schema = columns.schema;
        let mut fields: Vec<Field> = Vec::new();
        let all_rows = source.rows_per_match != RowsPerMatch::One;
        let measured = || source.trees.iter().zip(&self.expressions);
        let mut taken: Vec<usize> = Vec::new();
        let order = if all_rows { source.order } else { &[] };
        for &column in source.partition.iter().chain(order) {
            if !taken.contains(&column) {
                taken.push(column);
            }
        }
        for &column in &taken {
            let stored = columns.of_input(column)?;
            let is_key = source.partition.contains(&column);
            self.columns.push(if is_key { OutputColumn::Key(stored) } else { OutputColumn::Stored(stored) });
            fields.push(schema.arrow().field(column).clone());
        }
        for (index, ((_, name), expression)) in measured().enumerate() {
            self.columns.push(OutputColumn::Measure(index));
            fields.push(Field::new(name, expression.data_type().clone(), true));
        }
        let time = schema.event_time();
        if all_rows {
            for column in (0..schema.arrow().fields().len()).filter(|column| !taken.contains(column)) {
                self.columns.push(OutputColumn::Stored(columns.of_input(column)?));
                fields.push(schema.arrow().field(column).clone());
            }
            let time = time.map(|time| schema.arrow().field(time).name().clone());
            self.output = StreamSchema::new(fields, time.as_deref())?;
            return Ok(());
        }
        let name = match (time, self.time_measure(time, source.may_be_empty, columns)) {
            (None, _) => None,
            (Some(_), Some(measure)) => {
                let column = fields.len() - source.trees.len() + measure;
                fields[column] = StreamSchema::time_field(fields[column].name());
                Some(fields[column].name().clone())
            }
            (Some(_), None) => {
                self.columns.push(OutputColumn::Time);
                fields.push(StreamSchema::time_field(MATCH_TIME));
                Some(MATCH_TIME.to_owned())
            }
        };
        self.output = StreamSchema::new(fields, name.as_deref())?;
        Ok(())
    }

    /// The measure that is the event time of the match's last row, if there is one.
    fn time_measure(&self, time: Option<usize>, may_be_empty: bool, columns: &StoredColumns<'_>) -> Option<usize> {
        let time = columns.schema.arrow().field(time?).name();
        let is_time = |column: usize| matches!(columns.list[column].logical(), Expr::Column(column) if column.name == *time);
        let is_last = |value: &RowValue| match value.kind {
            Kind::Cell {
                from: From::Current | From::Last { set: None, n: 0 }, offset: 0, read: Read::Column(column), ..
            } => is_time(column),
            _ => false,
        };
        let reads = |expression: &Expression| match expression.logical() {
            Expr::Column(column) => self.values.iter().any(|value| value.name == column.name && is_last(value)),
            _ => false,
        };
        if may_be_empty { None } else { self.expressions.iter().position(reads) }
    }

    /// Computes the measures, one column each, from the columns of values; rows marked in `unmatched` belong to no match and get
    /// null. A measure that cannot be computed for a row is null, and the failure is returned under the row's number.
    pub(crate) fn evaluate(
        &self,
        values: Vec<ArrayRef>,
        rows: usize,
        unmatched: Option<&BooleanArray>,
    ) -> Result<(Vec<ArrayRef>, BTreeMap<usize, Uncomputed>)> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        let inputs = RecordBatch::try_new_with_options(SchemaRef::clone(&self.inputs), values, &options)?;
        let (mut columns, mut wrong) = (Vec::with_capacity(self.expressions.len()), BTreeMap::new());
        for expression in &self.expressions {
            let (column, faults) = compute_or_null(expression, &inputs)?;
            let counts = |row: usize| unmatched.is_none_or(|unmatched| !unmatched.value(row));
            for fault in faults.into_iter().filter(|fault| counts(fault.row)) {
                wrong.entry(fault.row).or_insert_with(|| Uncomputed::new(expression, &inputs, fault.row, &fault.reason));
            }
            columns.push(match unmatched {
                None => column,
                Some(unmatched) => nullif(&column, unmatched)?,
            });
        }
        Ok((columns, wrong))
    }

    /// Whether a measure can fail for some match; failures of the values that it reads are not counted.
    pub(crate) fn can_fail(&self) -> bool {
        self.expressions.iter().any(Expression::can_fail)
    }
}
