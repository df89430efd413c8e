//! Labels of a binary classifier.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use egret_core::metrics::Counters;
use egret_core::{Error, Result};

/// Whether a column of this type can hold labels.
///
/// # Errors
/// It cannot; the message says which can.
pub(crate) fn check_type(name: &str, data_type: &DataType) -> Result<()> {
    if data_type == &DataType::Boolean || data_type.is_numeric() && data_type != &DataType::Float16 {
        return Ok(());
    }
    Err(Error::job(format!("the label '{name}' is {data_type}, not a BOOLEAN or a number"))
        .help(format!("labels are true or false, 1 or 0; a comparison gives one, such as {name} = 'fraud'")))
}

/// The labels as 1 and 0, NaN where there is none; what is left out is counted.
pub(crate) fn read(column: &ArrayRef, counters: &Counters) -> Result<Vec<f64>> {
    let mut labels: Vec<f64> = match column.data_type() {
        DataType::Boolean => {
            column.as_boolean().iter().map(|label| label.map_or(f64::NAN, |label| f64::from(u8::from(label)))).collect()
        }
        _ => {
            let numbers = arrow::compute::cast(column, &DataType::Float64)?;
            numbers.as_primitive::<Float64Type>().iter().map(|label| label.unwrap_or(f64::NAN)).collect()
        }
    };
    let nulls = column.null_count();
    let mut unusable = 0;
    for label in labels.iter_mut().filter(|label| **label != 0.0 && **label != 1.0) {
        *label = f64::NAN;
        unusable += 1;
    }
    count(counters, "rows without a label", nulls);
    count(counters, "labels that are neither 0 nor 1", unusable - nulls);
    Ok(labels)
}

/// Raises a named counter, if there is something to say.
pub(crate) fn count(counters: &Counters, name: &str, by: usize) {
    if by > 0 {
        counters.add_named(name, by as i64);
    }
}
