//! Columns of saved rows. They are looked up by name, so that a changed plan can say which one it needs.

use crate::row_place::{self, PLACE};
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field};
use datafusion_common::ScalarValue;

/// The column of saved rows that the plan calls `field`; `shown` is its name in messages.
///
/// # Errors
/// The rows lack it, or it has another type or nulls.
pub fn column(rows: &RecordBatch, field: &Field, shown: &str) -> Result<ArrayRef> {
    let Some(column) = rows.column_by_name(field.name()) else {
        if field.name() == PLACE {
            // The rows were saved by a job that did not order by places.
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

/// A placeholder for a column that nobody reads.
///
/// # Errors
/// There is no default value of its type.
pub fn unread(field: &Field, rows: usize) -> Result<ArrayRef> {
    match field.is_nullable() {
        true => Ok(new_null_array(field.data_type(), rows)),
        false => of_default(field.data_type(), rows),
    }
}

fn of_default(data_type: &DataType, rows: usize) -> Result<ArrayRef> {
    Ok(ScalarValue::new_default(data_type)?.to_array_of_size(rows)?)
}

/// The error of state that does not fit a changed program.
pub fn unfit(what: String) -> Error {
    Error::job(what).help("undo the change, or start without this state: under another name, with --allow-dropped-state")
}
