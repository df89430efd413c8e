//! `lpad` and `rpad` whose length comes from a row: a negative length gives an empty text, as in PostgreSQL, and a length above a
//! limit cannot be computed, so that a row cannot ask for all the memory.

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion_common::{Result, exec_err};
use datafusion_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use std::sync::Arc;

/// The greatest length, in characters, to which a text can be padded.
const LENGTH_MAX: i64 = 1 << 24;

/// The function with a check of its length argument.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Padded(pub(super) Arc<ScalarUDF>);

fn bounded(lengths: &ArrayRef) -> Result<ArrayRef> {
    let Some(lengths) = lengths.as_primitive_opt::<Int64Type>() else { return Ok(Arc::clone(lengths)) };
    if let Some(long) = lengths.iter().flatten().find(|&length| length > LENGTH_MAX) {
        return exec_err!("a text of {long} characters is too long: at most {LENGTH_MAX} are possible");
    }
    let bounded: Int64Array = lengths.unary(|length| length.max(0));
    Ok(Arc::new(bounded))
}

impl ScalarUDFImpl for Padded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.0.inner().return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<arrow::datatypes::FieldRef> {
        self.0.inner().return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.0.inner().coerce_types(arg_types)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(length) = args.args.get_mut(1) {
            *length = match &*length {
                ColumnarValue::Array(lengths) => ColumnarValue::Array(bounded(lengths)?),
                ColumnarValue::Scalar(one) => {
                    bounded(&one.to_array()?)?;
                    ColumnarValue::Scalar(one.clone())
                }
            };
        }
        self.0.inner().invoke_with_args(args)
    }
}
