//! The conditions that rows meet, as a column that travels with the rows: per row, condition numbers of four bytes, little
//! endian. Conditions that cannot be computed for the row come first, with the top bit set: patterns that use one of them leave
//! the row out.

use super::index::Hits;
use arrow::array::BinaryArray;
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use egret_core::{Error, Result};
use std::collections::BTreeMap;

/// Bytes of a condition's number.
const WIDTH: usize = 4;

/// The bit that marks a condition that cannot be computed.
pub(super) const FAILED: u32 = 1 << 31;

/// By row: the conditions that cannot be computed.
pub(super) type Failed = BTreeMap<usize, Vec<u32>>;

/// Encodes the hits of some rows; `rows` are their numbers, ascending.
///
/// # Errors
/// A batch of rows meets more conditions than a column can hold.
pub(super) fn encode(hits: &Hits, failed: &Failed, rows: impl ExactSizeIterator<Item = usize>) -> Result<BinaryArray> {
    let mut offsets: Vec<i32> = Vec::with_capacity(rows.len() + 1);
    let mut bytes: Vec<u8> = Vec::with_capacity(hits.conditions.len() * WIDTH);
    offsets.push(0);
    for row in rows {
        if !failed.is_empty() {
            let marked = failed.get(&row).into_iter().flatten().map(|condition| condition | FAILED);
            marked.for_each(|condition| bytes.extend_from_slice(&condition.to_le_bytes()));
        }
        hits.of(row).iter().for_each(|condition| bytes.extend_from_slice(&condition.to_le_bytes()));
        offsets.push(i32::try_from(bytes.len()).map_err(|_| {
            Error::job("the rows of one batch meet more than 500 million conditions of a set of patterns")
                .help("read smaller batches, or make the conditions more selective")
        })?);
    }
    Ok(BinaryArray::try_new(OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes), None)?)
}

/// The conditions of a row, as encoded.
#[inline]
pub(super) fn of_row(hits: &BinaryArray, row: usize) -> impl Iterator<Item = u32> {
    let (numbers, _) = hits.value(row).as_chunks::<WIDTH>();
    numbers.iter().map(|bytes| u32::from_le_bytes(*bytes))
}
