//! Masks: for every row one bit a local condition.

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::buffer::BooleanBuffer;
use egret_core::Result;
use egret_core::expr::Expression;
use std::sync::Arc;

/// How many conditions a mask column holds. The top bit is free: the matcher uses it for "whatever the row is".
pub(crate) const BITS_A_WORD: usize = 63;

/// The bit that every row has.
pub(crate) const ANY_ROW: u64 = 1 << 63;

/// Where a condition's result is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaskBit {
    /// The mask column.
    pub(crate) word: usize,
    /// The bit, as a mask.
    pub(crate) bit: u64,
}

impl MaskBit {
    /// The place of a condition.
    pub(crate) fn of(condition: usize) -> Self {
        Self { word: condition / BITS_A_WORD, bit: 1 << (condition % BITS_A_WORD) }
    }

    /// The condition whose place it is.
    pub(crate) fn index(self) -> usize {
        self.word * BITS_A_WORD + self.bit.trailing_zeros() as usize
    }
}

/// How many mask columns there are.
pub(crate) fn words(conditions: usize) -> usize {
    conditions.div_ceil(BITS_A_WORD)
}

/// The results of all conditions for some rows.
pub(crate) struct Masks {
    pub(crate) words: Vec<Vec<u64>>,
    bits: Vec<BooleanBuffer>,
}

impl Masks {
    /// Evaluates the conditions.
    pub(crate) fn of(conditions: &[Expression], rows: &RecordBatch) -> Result<Self> {
        let bits = conditions.iter().map(|condition| condition.bits(rows)).collect::<Result<Vec<_>>>()?;
        let mut words = vec![vec![0_u64; rows.num_rows()]; words(conditions.len())];
        for (condition, bits) in bits.iter().enumerate() {
            let place = MaskBit::of(condition);
            let word = &mut words[place.word];
            bits.set_indices().for_each(|row| word[row] |= place.bit);
        }
        Ok(Self { words, bits })
    }

    /// Masks of rows that are not looked at.
    pub(crate) fn empty(conditions: usize, rows: usize) -> Self {
        Self { words: vec![vec![0; rows]; words(conditions)], bits: Vec::new() }
    }

    /// The rows for which some condition holds.
    pub(crate) fn any(&self) -> Option<BooleanBuffer> {
        self.bits.iter().cloned().reduce(|all, more| &all | &more)
    }

    /// The mask columns.
    pub(crate) fn into_columns(self) -> Vec<ArrayRef> {
        self.words.into_iter().map(|word| Arc::new(UInt64Array::from(word)) as ArrayRef).collect()
    }
}
