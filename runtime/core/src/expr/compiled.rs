//! A compiled expression: evaluates a batch of rows to a column.

use super::guard::can_fail;
use super::physical::physical;
use super::scope::Scope;
use super::show;
use super::simplify::simplify;
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Schema};
use datafusion_expr::Expr;
use datafusion_physical_expr::PhysicalExpr;
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// An expression bound to a schema. Cheap to clone; shared by all workers.
#[derive(Clone)]
pub struct Expression {
    logical: Expr,
    physical: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    nullable: bool,
    columns: BTreeSet<usize>,
    can_fail: bool,
    /// The expression as the user wrote it.
    text: Option<Arc<str>>,
}

impl Expression {
    /// Coerces, simplifies and compiles a logical expression.
    ///
    /// # Errors
    /// Its types do not fit, or it contains something that cannot be evaluated row by row, such as an aggregate.
    pub fn new(logical: Expr, scope: &Scope) -> Result<Self> {
        let logical = simplify(logical, scope)?;
        let physical = physical(&logical, scope)?;
        let arrow = scope.df().as_arrow();
        let can_fail = can_fail(&physical, arrow);
        let physical = super::floats::compared_by_value(physical, arrow)?;
        let (data_type, nullable) = (physical.data_type(arrow)?, physical.nullable(arrow)?);
        try_out(&physical, arrow)?;
        let columns = datafusion_physical_expr::utils::collect_columns(&physical).iter().map(|column| column.index()).collect();
        Ok(Self { logical, physical, data_type, nullable, columns, can_fail, text: None })
    }

    /// The same expression, with the text that the user wrote.
    #[must_use]
    pub fn with_text(self, text: &str) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// The text that the user wrote; if unknown, the expression printed.
    pub fn text(&self) -> String {
        self.text.as_ref().map_or_else(|| show::sql(&self.logical), |text| text.to_string())
    }

    /// Whether evaluation may fail for some row; false only if that is certain.
    pub fn can_fail(&self) -> bool {
        self.can_fail
    }

    /// A null of this type.
    ///
    /// ```
    /// use arrow::datatypes::DataType;
    /// let null = egret_core::expr::Expression::null(&DataType::Utf8)?;
    /// assert_eq!((null.data_type(), null.is_nullable()), (&DataType::Utf8, true));
    /// # Ok::<(), egret_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The type has no null.
    pub fn null(data_type: &DataType) -> Result<Self> {
        let scope = Scope::of_arrow(&Arc::new(arrow::datatypes::Schema::empty()))?;
        Self::new(Expr::Literal(datafusion_common::ScalarValue::try_from(data_type)?, None), &scope)
    }

    /// The type of the column it evaluates to.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Whether the column may hold nulls.
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// The columns of its scope that it reads, ascending.
    pub fn columns(&self) -> &BTreeSet<usize> {
        &self.columns
    }

    /// The logical expression, coerced and simplified.
    pub fn logical(&self) -> &Expr {
        &self.logical
    }

    /// The physical expression.
    pub fn physical(&self) -> &Arc<dyn PhysicalExpr> {
        &self.physical
    }

    /// The conditions that must all hold, if this is a conjunction.
    pub fn conjuncts(&self) -> Vec<&Expr> {
        datafusion_expr::utils::split_conjunction(&self.logical)
    }

    /// The value for every row.
    ///
    /// # Errors
    /// A value cannot be computed: a division by zero, a cast that fails.
    pub fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let evaluate = || Ok(self.physical.evaluate(rows)?.into_array(rows.num_rows())?);
        // Functions of libraries may panic at odd values. The state that a panic leaves behind is not used again.
        catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or_else(|panic| Err(given_up(panic.as_ref())))
    }

    /// The columns that the expression reads, with their values in a row: `amount = 'n/a', id = 2`.
    pub fn values_read(&self, rows: &RecordBatch, row: usize) -> String {
        let schema = rows.schema_ref();
        let read = self.columns.iter().filter(|&&column| column < rows.num_columns());
        let texts = read.map(|&column| {
            format!("{} = {}", show::column_name(schema.field(column).name()), show::literal(rows.column(column), row))
        });
        texts.collect::<Vec<_>>().join(", ")
    }

    /// For a condition: the rows where it is true. Null counts as false.
    ///
    /// # Errors
    /// As [`Expression::evaluate`]; or it is not a condition.
    pub fn mask(&self, rows: &RecordBatch) -> Result<BooleanArray> {
        let column = self.evaluate(rows)?;
        let mask = column.as_boolean_opt().ok_or_else(|| Error::bug(format!("{self} is not a condition")))?;
        Ok(match mask.nulls() {
            None => mask.clone(),
            Some(nulls) => BooleanArray::new(mask.values() & nulls.inner(), None),
        })
    }

    /// For a condition: the rows where it is true, as bits.
    ///
    /// # Errors
    /// As [`Expression::mask`].
    pub fn bits(&self, rows: &RecordBatch) -> Result<BooleanBuffer> {
        Ok(self.mask(rows)?.values().clone())
    }
}

/// Refuses an expression that fails for every row: functions reject an unsupported constant argument only when they are called.
fn try_out(physical: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<()> {
    let none = RecordBatch::new_empty(Arc::new(schema.clone()));
    match catch_unwind(AssertUnwindSafe(|| physical.evaluate(&none))) {
        Ok(Err(error)) => match Error::from(error) {
            wrong @ Error::Job(_) => {
                let text = wrong.message();
                let known = ["Error during planning: ", "This feature is not implemented: "];
                Err(Error::job(known.iter().fold(text, |text, prefix| text.strip_prefix(prefix).unwrap_or(text))))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// A function panicked.
#[cold]
fn given_up(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Error::data(format!("the function gave up: {}", text.unwrap_or("it did not say why")))
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.logical.human_display())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.logical)
    }
}
