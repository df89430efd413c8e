//! Masks: for every row one bit per local condition.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::buffer::BooleanBuffer;
use egret_core::expr::{Expression, compute};
use egret_core::{Error, Result, Uncomputed};
use std::sync::Arc;

/// How many conditions a mask column holds. The top bit is free: the matcher sets it in every row.
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

/// The rows where a condition is true; null is not.
fn is_true(column: &ArrayRef) -> Result<BooleanBuffer> {
    let mask = column.as_boolean_opt().ok_or_else(|| Error::bug("a local condition is a condition"))?;
    Ok(match mask.nulls() {
        None => mask.values().clone(),
        Some(nulls) => mask.values() & nulls.inner(),
    })
}

/// The results of all conditions for some rows.
pub(crate) struct Masks {
    pub(crate) words: Vec<Vec<u64>>,
    bits: Vec<BooleanBuffer>,
}

impl Masks {
    /// Evaluates the conditions on the rows for which all of them can be computed. Also returns these rows, and the faults of the
    /// others.
    pub(crate) fn of(conditions: &[Expression], rows: &RecordBatch) -> Result<(Self, RecordBatch, Vec<Uncomputed>)> {
        let expressions: Vec<&Expression> = conditions.iter().collect();
        let computed = compute(&expressions, rows)?;
        let wrong = Uncomputed::of_faults(&computed.faults, &expressions, rows);
        let rows = computed.good_rows(rows)?;
        let bits = computed.columns.iter().map(is_true).collect::<Result<Vec<_>>>()?;
        Ok((Self::of_bits(bits, &rows), rows, wrong))
    }

    fn of_bits(bits: Vec<BooleanBuffer>, rows: &RecordBatch) -> Self {
        let conditions = bits.len();
        let mut words = vec![vec![0_u64; rows.num_rows()]; words(conditions)];
        for (condition, bits) in bits.iter().enumerate() {
            let place = MaskBit::of(condition);
            let word = &mut words[place.word];
            bits.set_indices().for_each(|row| word[row] |= place.bit);
        }
        Self { words, bits }
    }

    /// Masks without any bit set, for rows whose conditions are not evaluated.
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
