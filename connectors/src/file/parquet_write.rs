//! Rows as a Parquet file has them: a TIMESTAMP is a moment in UTC in microseconds, in whatever unit it was computed.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use egret_core::Result;
use std::sync::Arc;

/// The columns of the file.
pub(super) fn file_schema(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(file_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn file_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::List(item) => DataType::List(file_field(item)),
        _ => return Arc::clone(field),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

/// The rows with these columns.
///
/// # Errors
/// A time cannot be said in microseconds.
pub(super) fn file_rows(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = rows.columns().iter().zip(schema.fields()).map(|(column, field)| file_column(column, field.data_type()));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?)?)
}

fn file_column(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return Ok(Arc::new(times.clone().with_timezone("UTC")));
    }
    if let Some(times) = column.as_primitive_opt::<TimestampNanosecondType>() {
        let times = times.unary::<_, TimestampMicrosecondType>(|nanos| nanos.div_euclid(1_000));
        return Ok(Arc::new(times.with_timezone("UTC")));
    }
    Ok(cast(column, data_type)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{Int64Array, ListArray, TimestampMillisecondArray, TimestampNanosecondArray};
    use arrow::datatypes::TimestampMillisecondType;

    #[test]
    fn every_timestamp_is_a_moment_in_utc_in_microseconds() {
        let columns: [(&str, ArrayRef); 4] = [
            ("id", Arc::new(Int64Array::from(vec![1, 2]))),
            ("ns", Arc::new(TimestampNanosecondArray::from(vec![Some(-1), None]))),
            ("ms", Arc::new(TimestampMillisecondArray::from(vec![5, -5]).with_timezone("+02:00"))),
            ("list", Arc::new(ListArray::from_iter_primitive::<TimestampMillisecondType, _, _>([Some([Some(5)]), None]))),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let schema = file_schema(rows.schema_ref());
        let written = file_rows(&rows, &schema).unwrap();
        let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(written.column(0), rows.column(0));
        assert_eq!([1, 2].map(|column| written.column(column).data_type().clone()), [moment.clone(), moment.clone()]);
        let times = |column: &ArrayRef| column.as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>();
        assert_eq!(times(written.column(1)), [Some(-1), None]);
        assert_eq!(times(written.column(2)), [Some(5_000), Some(-5_000)]);
        let list = written.column(3).as_list::<i32>();
        assert_eq!((list.value_type(), times(list.values())), (moment, vec![Some(5_000)]));
    }
}
