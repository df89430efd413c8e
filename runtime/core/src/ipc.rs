//! Rows as bytes, for snapshots: an Arrow IPC stream (its own format, versioned by Arrow).

use crate::row_place::PLACE;
use crate::{Error, Result};
use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{Field, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

/// Encodes batches of one schema. No batches give no bytes.
///
/// ```
/// use arrow::array::{Int64Array, RecordBatch};
/// use egret_core::ipc;
/// let rows = RecordBatch::try_from_iter([("id", std::sync::Arc::new(Int64Array::from(vec![1, 2])) as _)])?;
/// let bytes = ipc::encode_rows(&[rows.clone()])?;
/// assert_eq!(ipc::decode_rows(&bytes)?, [rows]);
/// # Ok::<(), egret_core::Error>(())
/// ```
///
/// # Errors
/// The schemas differ.
pub fn encode_rows<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> Result<Vec<u8>> {
    let mut batches = batches.into_iter().peekable();
    let Some(first) = batches.peek() else { return Ok(Vec::new()) };
    let mut writer = StreamWriter::try_new(Vec::new(), first.schema_ref())?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.into_inner()?)
}

/// Decodes the bytes of [`encode_rows`].
///
/// # Errors
/// The bytes are not an Arrow IPC stream.
pub fn decode_rows(bytes: &[u8]) -> Result<Vec<RecordBatch>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let damaged = |error| Error::state(format!("rows of a snapshot do not decode: {error}"));
    StreamReader::try_new(bytes, None).map_err(damaged)?.collect::<Result<_, _>>().map_err(damaged)
}

/// What happens if rows of a snapshot lack a column because the job that wrote them did not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// The rows are refused.
    Refused,
    /// The column is null, where its type allows that: for columns that only a side output shows.
    Null,
}

/// Converts rows of a snapshot to this schema: columns are found by name, and columns that are not in the schema are dropped.
///
/// # Errors
/// A column is missing or has another type; the message names it.
pub fn fit_rows(rows: &RecordBatch, schema: &SchemaRef, lacking: Lacking) -> Result<RecordBatch> {
    let column = |field: &Field| -> Result<ArrayRef> {
        match rows.schema_ref().index_of(field.name()) {
            Ok(index) if rows.column(index).data_type() == field.data_type() => Ok(rows.column(index).clone()),
            Ok(index) => {
                Err(unfit(format!("'{}' as {}, not as {}", field.name(), rows.column(index).data_type(), field.data_type())))
            }
            Err(_) if (lacking == Lacking::Null || field.name() == PLACE) && field.is_nullable() => {
                Ok(new_null_array(field.data_type(), rows.num_rows()))
            }
            Err(_) => Err(unfit(format!("no column '{}'", field.name()))),
        }
    };
    let columns = schema.fields().iter().map(|field| column(field)).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
}

fn unfit(what: String) -> Error {
    Error::job(format!("rows that waited when the checkpoint was made have {what}"))
        .help("undo the change, or give the changed statement another uid: it then starts without state")
}
