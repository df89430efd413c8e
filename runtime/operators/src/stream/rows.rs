//! Operations on each row: conditions, computed columns, closures.

use super::job::Stream;
use crate::{BatchFunction, FilterFactory, ProjectFactory};
use arrow::array::RecordBatch;
use arrow::datatypes::Field;
use egret_core::expr::{Expression, Planner, Scope};
use egret_core::row::Row;
use egret_core::weight::WEIGHT;
use egret_core::{Result, StreamSchema};
use std::sync::Arc;

impl Stream {
    /// Keeps the rows where a condition holds: `filter("amount > 10")`.
    ///
    /// # Errors
    /// The condition does not parse, names something unknown, or is not a condition.
    pub fn filter(&self, condition: &str) -> Result<Self> {
        self.filter_by("filter", egret_core::expr::compile(condition, &self.schema)?)
    }

    /// Keeps the rows where a compiled condition holds.
    ///
    /// # Errors
    /// The expression is not a condition.
    pub fn filter_by(&self, name: &str, condition: Expression) -> Result<Self> {
        self.forward(name, Arc::new(FilterFactory::new(condition)?), self.schema.clone())
    }

    /// Computes columns: `select(&["card", "amount * 0.908 AS euros", "at"])`. A selected event time column stays event
    /// time, and the weights of a stream of changes are passed on.
    ///
    /// # Errors
    /// An expression does not parse or fit; a name is used twice.
    pub fn select(&self, columns: &[&str]) -> Result<Self> {
        let scope = Scope::of_stream(&self.schema)?;
        let planner = Planner::new();
        let named = columns
            .iter()
            .map(|text| {
                let (text, alias) = split_alias(text);
                let expression = planner.compile_text(text, &scope)?;
                Ok((alias.map_or_else(|| text.trim().to_owned(), str::to_owned), expression))
            })
            .collect::<Result<Vec<_>>>()?;
        self.project("select", named)
    }

    /// Computes columns from compiled expressions.
    ///
    /// # Errors
    /// A name is used twice.
    pub fn project(&self, name: &str, columns: Vec<(String, Expression)>) -> Result<Self> {
        self.project_described(name, columns, None)
    }

    /// Computes columns, with a description for the plan, for columns whose names mean nothing to a reader.
    ///
    /// # Errors
    /// A name is used twice.
    pub fn project_described(&self, name: &str, columns: Vec<(String, Expression)>, description: Option<String>) -> Result<Self> {
        let (projection, schema) = self.projection(columns, description)?;
        self.forward(name, Arc::new(projection), schema)
    }

    /// The operator that [`Stream::project_described`] would add, and the schema of its rows: for planners.
    ///
    /// # Errors
    /// A name is used twice.
    pub fn projection(
        &self,
        mut columns: Vec<(String, Expression)>,
        description: Option<String>,
    ) -> Result<(ProjectFactory, StreamSchema)> {
        if self.schema.weight().is_some() && columns.iter().all(|(name, _)| name != WEIGHT) {
            columns.push((WEIGHT.to_owned(), egret_core::expr::compile(WEIGHT, &self.schema)?));
        }
        let time = self.schema.event_time().map(|column| self.schema.arrow().field(column).name().clone());
        let mut event_time = None;
        let mut fields = Vec::new();
        for (column, expression) in &columns {
            let is_time = time.as_ref().is_some_and(|time| is_column(expression, time)) && event_time.is_none();
            if is_time {
                event_time = Some(column.clone());
            }
            fields.push(Field::new(column, expression.data_type().clone(), expression.is_nullable() && !is_time));
        }
        let schema = StreamSchema::new(fields, event_time.as_deref())?;
        let expressions = columns.into_iter().map(|(_, expression)| expression).collect();
        Ok((ProjectFactory::new(expressions, schema.clone()).described(description), schema))
    }

    /// Maps typed rows one to one.
    ///
    /// # Errors
    /// The output type's schema cannot be made.
    pub fn map<In: Row, Out: Row>(&self, function: impl Fn(In) -> Out + Send + Sync + 'static) -> Result<Self> {
        self.typed::<Out>("map", move |rows| Out::write(In::read(rows)?.into_iter().map(&function).collect()))
    }

    /// Maps a typed row to any number of rows.
    ///
    /// # Errors
    /// The output type's schema cannot be made.
    pub fn flat_map<In: Row, Out: Row, I: IntoIterator<Item = Out>>(
        &self,
        function: impl Fn(In) -> I + Send + Sync + 'static,
    ) -> Result<Self> {
        self.typed::<Out>("flat map", move |rows| Out::write(In::read(rows)?.into_iter().flat_map(&function).collect()))
    }

    /// Keeps the typed rows for which the closure returns true.
    ///
    /// # Errors
    /// The filter cannot be added.
    pub fn filter_rows<In: Row>(&self, keep: impl Fn(&In) -> bool + Send + Sync + 'static) -> Result<Self> {
        let schema = self.schema.clone();
        let function = move |rows: &RecordBatch| -> Result<RecordBatch> {
            let mask: arrow::array::BooleanArray = In::read(rows)?.iter().map(|row| Some(keep(row))).collect();
            Ok(arrow::compute::filter_record_batch(rows, &mask)?)
        };
        self.forward("filter", Arc::new(BatchFunction::new("filter", schema.clone(), function)), schema)
    }

    /// Maps whole batches by a closure over Arrow columns.
    ///
    /// # Errors
    /// The operator cannot be added.
    pub fn map_batches(
        &self,
        output: StreamSchema,
        function: impl Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Result<Self> {
        self.forward("map", Arc::new(BatchFunction::new("map", output.clone(), function)), output)
    }

    fn typed<Out: Row>(
        &self,
        what: &'static str,
        function: impl Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Result<Self> {
        let output = Out::schema()?;
        self.forward(what, Arc::new(BatchFunction::new(what, output.clone(), function)), output)
    }
}

/// Splits `expression AS name`.
fn split_alias(text: &str) -> (&str, Option<&str>) {
    let lower = text.to_ascii_lowercase();
    match lower.rfind(" as ") {
        Some(at) if is_identifier(text[at + 4..].trim()) => (&text[..at], Some(text[at + 4..].trim())),
        _ => (text, None),
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn is_column(expression: &Expression, name: &str) -> bool {
    matches!(expression.logical(), datafusion_expr::Expr::Column(column) if column.name == name)
}
