//! Keys as values, and the keys of the rows of a batch.

use super::{encode_key, hash_i64, hash_key};
use crate::Result;
use crate::scalar::{Kind, as_int, kind};
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// The one key of an operator without key columns.
    All,
    /// A single integer, or null.
    Int(Option<i64>),
    /// The canonical encoding of anything else.
    Bytes(Box<KeyBytes>),
}

/// The encoding of a key. It is boxed twice, so that a [`Key`] stays small: most keys are integers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyBytes(Box<[u8]>);

impl KeyBytes {
    /// The encoding.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Key {
    /// The hash that determines the key group.
    #[inline]
    pub fn hash(&self) -> u64 {
        match self {
            Self::All => hash_key(&[]),
            Self::Int(Some(value)) => hash_i64(*value),
            Self::Int(None) => hash_key(&[0]),
            Self::Bytes(bytes) => hash_key(&bytes.0),
        }
    }

    /// Its canonical encoding.
    pub fn encoded(&self) -> Vec<u8> {
        match self {
            Self::All => Vec::new(),
            Self::Int(Some(value)) => std::iter::once(1).chain(value.to_le_bytes()).collect(),
            Self::Int(None) => vec![0],
            Self::Bytes(bytes) => bytes.0.to_vec(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all rows"),
            Self::Int(Some(value)) => write!(f, "the key {value}"),
            Self::Int(None) => write!(f, "the key null"),
            Self::Bytes(bytes) => {
                let shown: String = bytes.0.iter().filter(|byte| byte.is_ascii_graphic()).map(|&byte| char::from(byte)).collect();
                write!(f, "the key '{shown}'")
            }
        }
    }
}

/// The keys of the rows of a batch.
pub enum RowKeys {
    /// All rows have [`Key::All`].
    All,
    /// One column of integers.
    Int(Int64Array),
    /// The columns of anything else.
    Other(Vec<ArrayRef>),
}

impl RowKeys {
    /// Reads the key columns.
    ///
    /// # Errors
    /// The column of an integer type cannot be converted to 64 bits.
    pub fn of(rows: &RecordBatch, columns: &[usize]) -> Result<Self> {
        Ok(match columns {
            [] => Self::All,
            [one] if kind(rows.column(*one).data_type()) == Kind::Int && rows.column(*one).data_type().is_integer() => {
                Self::Int(as_int(rows.column(*one))?)
            }
            columns => Self::Other(columns.iter().map(|&column| rows.column(column).clone()).collect()),
        })
    }

    /// The key of a row.
    ///
    /// # Errors
    /// A column's type cannot be a key.
    #[inline]
    pub fn key(&self, row: usize) -> Result<Key> {
        Ok(match self {
            Self::All => Key::All,
            Self::Int(values) => Key::Int(values.is_valid(row).then(|| values.value(row))),
            Self::Other(columns) => {
                let mut bytes = Vec::new();
                encode_key(columns, row, &mut bytes)?;
                Key::Bytes(Box::new(KeyBytes(bytes.into())))
            }
        })
    }
}
