//! Filter and projection by expression: stateless, a column at a time. Late rows stay late. A row for which something cannot be
//! computed is a bad row and is left out.

use arrow::array::{BooleanArray, RecordBatch};
use egret_core::expr::{Computed, Expression, compute, mask};
use egret_core::row_place::PLACE;
use egret_core::weight::WEIGHT;
use egret_core::{Batch, Context, Operator, OperatorFactory, OperatorInfo, Result, StateLayout, StreamSchema, Uncomputed};
use std::any::Any;
use std::sync::Arc;

/// Keeps the rows where a condition is true.
#[derive(Clone, Debug)]
pub struct FilterFactory {
    condition: Expression,
}

impl FilterFactory {
    /// A filter with this condition.
    ///
    /// # Errors
    /// The expression is not a condition.
    pub fn new(condition: Expression) -> Result<Self> {
        if condition.data_type() != &arrow::datatypes::DataType::Boolean {
            return Err(egret_core::Error::job(format!("`{condition}` is {}, not a condition", condition.data_type()))
                .help("compare it with something"));
        }
        Ok(Self { condition })
    }
}

impl OperatorFactory for FilterFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(self.clone()))
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        Vec::new()
    }

    fn takes_weights(&self) -> bool {
        true
    }

    fn may_refuse(&self) -> bool {
        self.condition.can_fail()
    }

    fn describe(&self) -> Vec<String> {
        vec![format!("keep rows where {}", self.condition)]
    }
}

impl Operator for FilterFactory {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let (holds, faults) = mask(&self.condition, batch.rows())?;
        ctx.refuse(&Uncomputed::of_faults(&faults, &[&self.condition], batch.rows()))?;
        ctx.emit(batch.filter(&BooleanArray::new(holds, None))?);
        Ok(())
    }
}

/// Computes columns.
#[derive(Clone, Debug)]
pub struct ProjectFactory {
    columns: Vec<Expression>,
    output: StreamSchema,
    description: Option<String>,
}

impl ProjectFactory {
    /// One expression for each column of `output`, in order, with the column's type.
    pub fn new(columns: Vec<Expression>, output: StreamSchema) -> Self {
        Self { columns, output, description: None }
    }

    /// Replaces the list of columns in the plan's description.
    #[must_use]
    pub fn described(self, description: Option<String>) -> Self {
        Self { description, ..self }
    }

    /// Computes the columns of a batch, without the rows for which a column cannot be computed; returns what is wrong with these.
    ///
    /// # Errors
    /// Something other than a row is wrong.
    pub fn project(&self, batch: &Batch) -> Result<(Batch, Vec<Uncomputed>)> {
        let expressions: Vec<&Expression> = self.columns.iter().collect();
        let Computed { columns, faults, .. } = compute(&expressions, batch.rows())?;
        let wrong = Uncomputed::of_faults(&faults, &expressions, batch.rows());
        let rows = RecordBatch::try_new(Arc::clone(self.output.arrow()), columns)?;
        Ok((batch.with_rows(rows, self.output.event_time()), wrong))
    }
}

impl OperatorFactory for ProjectFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(self.clone()))
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        Vec::new()
    }

    fn takes_weights(&self) -> bool {
        self.output.weight().is_some()
    }

    fn may_refuse(&self) -> bool {
        self.columns.iter().any(Expression::can_fail)
    }

    fn describe(&self) -> Vec<String> {
        if let Some(description) = &self.description {
            return vec![description.clone()];
        }
        let columns = self
            .columns
            .iter()
            .zip(self.output.arrow().fields())
            .filter(|(_, field)| field.name() != PLACE && field.name() != WEIGHT);
        let texts: Vec<String> = columns
            .map(|(column, field)| {
                let text = column.to_string();
                if text == *field.name() { text } else { format!("{text} AS {}", field.name()) }
            })
            .collect();
        vec![format!("columns {}", texts.join(", "))]
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl Operator for ProjectFactory {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let (batch, wrong) = self.project(&batch)?;
        ctx.refuse(&wrong)?;
        ctx.emit(batch);
        Ok(())
    }
}
