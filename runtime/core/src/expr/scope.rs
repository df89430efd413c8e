//! The columns an expression may name.

use crate::{Result, StreamSchema};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::{DFSchema, DFSchemaRef, TableReference};
use datafusion_expr::{Expr, ExprSchemable};
use std::sync::Arc;

/// The columns an expression may name.
#[derive(Clone, Debug)]
pub struct Scope {
    schema: DFSchemaRef,
}

impl Scope {
    /// A stream's columns, unqualified.
    ///
    /// # Errors
    /// Two columns have one name.
    pub fn of_stream(schema: &StreamSchema) -> Result<Self> {
        Self::of_arrow(schema.arrow())
    }

    /// The columns of an Arrow schema, unqualified.
    ///
    /// # Errors
    /// Two columns have one name.
    pub fn of_arrow(schema: &SchemaRef) -> Result<Self> {
        Ok(Self { schema: Arc::new(DFSchema::try_from(Arc::clone(schema))?) })
    }

    /// A stream's columns that may also be written `name.column`.
    ///
    /// # Errors
    /// Two columns have one name.
    pub fn of_named_stream(name: &str, schema: &StreamSchema) -> Result<Self> {
        Ok(Self { schema: Arc::new(DFSchema::try_from_qualified_schema(TableReference::bare(name), schema.arrow())?) })
    }

    /// The type of an expression over these columns, if it has one.
    pub fn type_of(&self, expr: &Expr) -> Option<DataType> {
        expr.get_type(&self.schema).ok()
    }

    pub(super) fn df(&self) -> &DFSchema {
        &self.schema
    }

    pub(super) fn df_ref(&self) -> DFSchemaRef {
        Arc::clone(&self.schema)
    }
}
