//! Rows as bytes, for snapshots: an Arrow IPC stream (its own format, versioned by Arrow).

use crate::{Error, Result};
use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

/// Batches of one schema as bytes. No batches are no bytes.
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

/// What [`encode_rows`] was given.
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
