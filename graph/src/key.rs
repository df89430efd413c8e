//! Vertex keys: the values of a column in a compact form with a total order.
//!
//! A key is a *rank* of 64 bits that orders as the values do. Texts also have their bytes, which order texts with
//! equal first eight bytes. Numbers are compared and hashed by their rank alone.
//! In updates and snapshots a key is in the canonical encoding of [`egret_core::key`].

use arrow::array::{ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, UInt64Builder};
use arrow::datatypes::DataType;
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The canonical encoding's tag of a value that is not null.
const PRESENT: u8 = 1;

/// How the values of a column are turned into keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyKind {
    Signed,
    Unsigned,
    Float,
    Bool,
    Text,
    Binary,
}

impl KeyKind {
    /// The kind of a type that can be a key.
    pub(crate) fn of(data_type: &DataType) -> Result<Self> {
        egret_core::key::check_key_type(data_type)?;
        Ok(match data_type {
            DataType::UInt64 => Self::Unsigned,
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Boolean => Self::Bool,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Binary => Self::Binary,
            _ => Self::Signed,
        })
    }

    /// Rank and bytes of a canonical encoding; `None` for a null.
    ///
    /// # Errors
    /// The bytes are no canonical encoding of a value of this kind.
    pub(crate) fn parse(self, canonical: &[u8]) -> Result<Option<(u64, &[u8])>> {
        let damaged = || Error::bug(format!("{} bytes are no key of kind {self:?}", canonical.len()));
        let (&tag, value) = canonical.split_first().ok_or_else(damaged)?;
        if tag != PRESENT {
            return Ok(None);
        }
        if self == Self::Bool {
            let [value] = value else { return Err(damaged()) };
            return Ok(Some((u64::from(*value), &[])));
        }
        let (head, tail) = value.split_first_chunk::<8>().ok_or_else(damaged)?;
        let bits = u64::from_le_bytes(*head);
        let rank = match self {
            Self::Signed => bits ^ (1 << 63),
            Self::Unsigned => bits,
            Self::Float if bits >> 63 == 1 => !bits,
            Self::Float => bits | (1 << 63),
            Self::Bool | Self::Text | Self::Binary if tail.len() as u64 == bits => return Ok(Some((prefix(tail), tail))),
            Self::Bool | Self::Text | Self::Binary => return Err(damaged()),
        };
        if tail.is_empty() { Ok(Some((rank, tail))) } else { Err(damaged()) }
    }

    /// Appends the canonical encoding.
    pub(crate) fn write_canonical(self, (rank, bytes): (u64, &[u8]), out: &mut Vec<u8>) {
        out.push(PRESENT);
        match self {
            Self::Bool => out.push(rank as u8),
            Self::Text | Self::Binary => {
                out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Signed | Self::Unsigned | Self::Float => out.extend_from_slice(&self.bits(rank).to_le_bytes()),
        }
    }

    /// A column of these keys, of a type of this kind.
    ///
    /// # Errors
    /// A text is not UTF-8.
    pub(crate) fn column<'a>(
        self,
        data_type: &DataType,
        keys: impl Iterator<Item = Option<(u64, &'a [u8])>>,
    ) -> Result<ArrayRef> {
        macro_rules! collect {
            ($builder:ident, $value:expr) => {{
                let mut builder = $builder::new();
                let value = $value;
                for key in keys {
                    match key {
                        Some((rank, bytes)) => builder.append_value(value(rank, bytes)?),
                        None => builder.append_null(),
                    }
                }
                Arc::new(builder.finish()) as ArrayRef
            }};
        }
        let utf8 = |bytes: &'a [u8]| std::str::from_utf8(bytes).map_err(|_| Error::state("a vertex of a graph is no UTF-8"));
        let column = match self {
            Self::Signed => collect!(Int64Builder, |rank, _| Ok::<_, Error>(self.bits(rank) as i64)),
            Self::Unsigned => collect!(UInt64Builder, |rank, _| Ok::<_, Error>(rank)),
            Self::Float => collect!(Float64Builder, |rank, _| Ok::<_, Error>(f64::from_bits(self.bits(rank)))),
            Self::Bool => collect!(BooleanBuilder, |rank, _| Ok::<_, Error>(rank != 0)),
            Self::Text => collect!(StringBuilder, |_, bytes| utf8(bytes)),
            Self::Binary => collect!(BinaryBuilder, |_, bytes| Ok::<_, Error>(bytes)),
        };
        Ok(if column.data_type() == data_type { column } else { arrow::compute::cast(&column, data_type)? })
    }

    /// The 64 bits that a rank of a fixed-width kind was made of.
    fn bits(self, rank: u64) -> u64 {
        match self {
            Self::Signed => rank ^ (1 << 63),
            Self::Float if rank >> 63 == 1 => rank ^ (1 << 63),
            Self::Float => !rank,
            Self::Unsigned | Self::Bool | Self::Text | Self::Binary => rank,
        }
    }
}

/// The first eight bytes as a number that orders as they do.
fn prefix(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = bytes.len().min(8);
    first[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int16Array, Int64Array, LargeStringArray,
        StringArray, StringViewArray, TimestampMicrosecondArray, UInt32Array, UInt64Array,
    };
    use egret_core::key::encode_key;

    /// The column is in ascending order; a null may be at its end.
    fn check(column: ArrayRef) {
        let kind = KeyKind::of(column.data_type()).unwrap();
        let canonical: Vec<Vec<u8>> = (0..column.len())
            .map(|row| {
                let mut bytes = Vec::new();
                encode_key(std::slice::from_ref(&column), row, &mut bytes).unwrap();
                bytes
            })
            .collect();
        let keys: Vec<Option<(u64, &[u8])>> = canonical.iter().map(|bytes| kind.parse(bytes).unwrap()).collect();
        let present: Vec<_> = keys.iter().flatten().collect();
        assert!(present.is_sorted(), "{} is not ordered as its values", column.data_type());
        for (key, canonical) in keys.iter().zip(&canonical).filter_map(|(key, canonical)| Some(((*key)?, canonical))) {
            let mut again = Vec::new();
            kind.write_canonical(key, &mut again);
            assert_eq!(&again, canonical);
        }
        assert_eq!(&kind.column(column.data_type(), keys.into_iter()).unwrap(), &column);
    }

    #[test]
    fn keys_order_as_values_and_come_back() {
        check(Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(-5), Some(0), Some(7), Some(i64::MAX), None])));
        check(Arc::new(Int16Array::from(vec![-3, 0, 300])));
        check(Arc::new(UInt64Array::from(vec![0, 1, u64::MAX])));
        check(Arc::new(UInt32Array::from(vec![0, u32::MAX])));
        check(Arc::new(Float64Array::from(vec![f64::NEG_INFINITY, -1.5, -1e-300, 0.0, 2.5, f64::INFINITY])));
        check(Arc::new(Float32Array::from(vec![-1.5, 0.0, 2.5])));
        check(Arc::new(BooleanArray::from(vec![Some(false), Some(true), None])));
        check(Arc::new(Date32Array::from(vec![-1, 0, 20_000])));
        check(Arc::new(TimestampMicrosecondArray::from(vec![-1, 0, 20_000]).with_timezone("Europe/Berlin")));
        let texts = vec![Some(""), Some("a"), Some("device-1"), Some("device-10"), Some("device-2"), Some("é"), None];
        check(Arc::new(StringArray::from(texts.clone())));
        check(Arc::new(LargeStringArray::from(texts.clone())));
        check(Arc::new(StringViewArray::from(texts)));
        check(Arc::new(BinaryArray::from(vec![&[][..], &[0], &[0, 1], &[255; 9]])));
    }

    #[test]
    fn damaged_keys_are_refused() {
        assert!(KeyKind::Signed.parse(&[]).is_err());
        assert!(KeyKind::Signed.parse(&[1, 2]).is_err());
        assert!(KeyKind::Signed.parse(&[1; 10]).is_err());
        assert!(KeyKind::Text.parse(&[1, 9, 0, 0, 0, 0, 0, 0, 0, b'a']).is_err());
        assert!(KeyKind::Bool.parse(&[1, 0, 0]).is_err());
        assert_eq!(KeyKind::Text.parse(&[0]).unwrap(), None);
    }
}
