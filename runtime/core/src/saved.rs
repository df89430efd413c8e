//! Columns of saved rows: they are known by their names, so that a plan which reads others can say which.

use crate::row_place::{self, PLACE};
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field};
use datafusion_common::ScalarValue;

/// A column of saved rows, as the plan has it; `shown` is its name in messages.
///
/// # Errors
/// The rows do not have it, or it had another type or nulls.
pub fn column(rows: &RecordBatch, field: &Field, shown: &str) -> Result<ArrayRef> {
    let Some(column) = rows.column_by_name(field.name()) else {
        if field.name() == PLACE {
            // Nothing was put in order by it then.
            return Ok(row_place::none(rows.num_rows()));
        }
        return Err(unfit(format!("of the rows that are kept the column '{shown}' is needed now, and was not kept")));
    };
    if column.data_type() != field.data_type() {
        let (was, is) = (column.data_type(), field.data_type());
        return Err(unfit(format!("the column '{shown}' of the rows that are kept was '{was}' and is now '{is}'")));
    }
    if !field.is_nullable() && column.null_count() > 0 {
        return Err(unfit(format!("the column '{shown}' of the rows that are kept has nulls and is now NOT NULL")));
    }
    Ok(ArrayRef::clone(column))
}

/// A column that nobody reads.
///
/// # Errors
/// There are no values of its type.
pub fn unread(field: &Field, rows: usize) -> Result<ArrayRef> {
    match field.is_nullable() {
        true => Ok(new_null_array(field.data_type(), rows)),
        false => of_default(field.data_type(), rows),
    }
}

fn of_default(data_type: &DataType, rows: usize) -> Result<ArrayRef> {
    Ok(ScalarValue::new_default(data_type)?.to_array_of_size(rows)?)
}

/// State that a changed text has no use for.
pub fn unfit(what: String) -> Error {
    Error::job(what).help("undo the change, or start without this state: under another name, with --allow-dropped-state")
}
