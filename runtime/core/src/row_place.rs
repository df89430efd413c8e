//! The place of a row, which orders rows of one event time.
//!
//! It is the rank of the row's split among all splits of the job, then the number of the row in its split. So it depends on the
//! input alone, whatever a statement selects. The engine adds it to a source's rows as a hidden column if something downstream
//! depends on order (`Stream::with_places`), and planners pass it on.
//!
//! # Encoding
//! 126 bits, as a decimal, so that it is compared, filtered and sent like any other column: 22 bits for the rank of the split, 40
//! bits for the number of the row, and 64 bits that distinguish rows derived from one row: 0 for the row itself.
//!
//! A row derived from several rows has the place of the last of them. Several rows may be derived from the same row: the low 64
//! bits are then a hash of the other rows they were derived from, so the order is the same however and wherever they were made.

use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Decimal128Type, Field};
use std::sync::{Arc, LazyLock};
use xxhash_rust::xxh3::Xxh3Default;

/// The name of the column.
pub const PLACE: &str = "__place";

/// Its type.
pub const PLACE_TYPE: DataType = DataType::Decimal128(38, 0);

const SPLIT_BITS: u32 = 22;
const ROW_BITS: u32 = 40;
const MADE_BITS: u32 = 64;

/// The column as a field.
pub fn place_field() -> Field {
    Field::new(PLACE, PLACE_TYPE, true)
}

/// Assigns places to the rows of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitPlaces {
    /// The rank of the split among all of the job.
    pub rank: u32,
    /// How many rows the split has produced.
    pub rows: u64,
}

impl SplitPlaces {
    /// Counts the next `rows` rows. Returns the position before them, whose [`SplitPlaces::column`] holds their places.
    pub fn count(&mut self, rows: usize) -> Self {
        let before = *self;
        self.rows += rows as u64;
        before
    }

    /// The places of the next `rows` rows.
    ///
    /// # Errors
    /// There are too many splits, or too many rows in this one.
    pub fn column(self, rows: usize) -> Result<ArrayRef> {
        if self.rank >= 1 << SPLIT_BITS {
            return Err(Error::job(format!("the job reads more than {} splits", 1_u32 << SPLIT_BITS))
                .help("put files together, or read them in several jobs"));
        }
        if self.rows + rows as u64 > 1 << ROW_BITS {
            return Err(Error::job(format!("it has more than {} rows", 1_u64 << ROW_BITS)).help("cut it into several"));
        }
        let first = u64::from(self.rank) << ROW_BITS | self.rows;
        Ok(column((first..first + rows as u64).map(of_row).collect()))
    }
}

/// The place of a row that was derived from others: the place of the last one, and a hash of the rest.
pub fn made_of(last: i128, hash: u64) -> i128 {
    last & !i128::from(u64::MAX) | i128::from(hash)
}

/// The place of a source row; `row` is the rank of its split and its number.
#[inline]
fn of_row(row: u64) -> i128 {
    i128::from(row) << MADE_BITS
}

/// A hash of the rows that a row was derived from: their places, and the role of each.
pub fn hash_of(parts: impl IntoIterator<Item = (i128, u64)>) -> u64 {
    let mut hasher = Xxh3Default::new();
    for (place, part) in parts {
        hasher.update(&place.to_le_bytes());
        hasher.update(&part.to_le_bytes());
    }
    hasher.digest()
}

/// The places of rows derived from sequences of rows, given the places of the last and the first row of each. Of two sequences
/// that end with one row, the one that begins first comes first. If there is no first row, the place is that of the last row.
///
/// # Panics
/// A column does not hold places.
pub fn from_first_to_last(last: &ArrayRef, first: &ArrayRef) -> ArrayRef {
    let begins = |first: i128| match first as u64 {
        0 => (first >> MADE_BITS) as u64,
        _ => hash_of([(first, 0)]),
    };
    let firsts = values(first);
    let made = values(last).iter().enumerate();
    let made = made.map(|(row, &last)| if first.is_null(row) { last } else { made_of(last, begins(firsts[row])) });
    with_nulls_of(column(made.collect()), last)
}

/// The places of the rows of branch `branch`, one of several that derive rows from the same rows.
///
/// # Panics
/// The column does not hold places.
pub fn of_branch(places: &ArrayRef, branch: u64) -> ArrayRef {
    let of = |&place: &i128| match place as u64 {
        0 => made_of(place, branch),
        _ => made_of(place, hash_of([(place, branch)])),
    };
    with_nulls_of(column(values(places).iter().map(of).collect()), places)
}

/// The places of rows that are not derived from a particular row, but numbered among themselves.
pub fn of_numbers(numbers: &[i64]) -> ArrayRef {
    column(numbers.iter().map(|&number| of_row(number.max(0).unsigned_abs())).collect())
}

/// The places of a batch's rows, if it has them.
pub fn places_of(rows: &RecordBatch) -> Option<&[i128]> {
    Some(rows.column_by_name(PLACE)?.as_primitive_opt::<Decimal128Type>()?.values())
}

/// Places as integers, which have the order of the places.
///
/// # Panics
/// The column does not hold places.
pub fn values(places: &ArrayRef) -> &[i128] {
    places.as_primitive_opt::<Decimal128Type>().expect("the column of places is made as one").values()
}

/// A column of places.
pub fn column(places: Vec<i128>) -> ArrayRef {
    let places = Decimal128Array::from(places).with_precision_and_scale(38, 0);
    Arc::new(places.expect("38 digits are what the type has"))
}

/// A column of nulls, for rows without places.
pub fn none(rows: usize) -> ArrayRef {
    static NONE: LazyLock<ArrayRef> = LazyLock::new(|| new_null_array(&PLACE_TYPE, 16_384));
    if rows <= NONE.len() { NONE.slice(0, rows) } else { new_null_array(&PLACE_TYPE, rows) }
}

fn with_nulls_of(places: ArrayRef, like: &ArrayRef) -> ArrayRef {
    match like.nulls() {
        None => places,
        Some(nulls) => {
            let places = places.as_primitive::<Decimal128Type>().clone().into_parts();
            let places = Decimal128Array::new(places.1, Some(nulls.clone())).with_precision_and_scale(38, 0);
            Arc::new(places.expect("38 digits are what the type has"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_are_in_order_of_splits_and_rows() {
        let mut places = Vec::new();
        for rank in [0, 1, (1 << SPLIT_BITS) - 1] {
            let mut split = SplitPlaces { rank, rows: 0 };
            for rows in [3, 1, 2] {
                let column = split.count(rows).column(rows).unwrap();
                places.extend_from_slice(values(&column));
            }
            assert_eq!(split.rows, 6);
            let last = SplitPlaces { rank, rows: (1 << ROW_BITS) - 1 }.column(1).unwrap();
            places.extend_from_slice(values(&last));
        }
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
        assert!(places.iter().all(|&place| (0..10_i128.pow(38)).contains(&place)));
    }

    #[test]
    fn too_many_of_something_are_refused() {
        let refused = |rank, rows| SplitPlaces { rank, rows }.column(1).unwrap_err().to_string();
        assert!(refused(1 << SPLIT_BITS, 0).contains("more than 4194304 splits"));
        assert!(refused(0, 1 << ROW_BITS).contains("more than 1099511627776 rows"));
    }

    #[test]
    fn rows_made_of_one_are_between_it_and_the_next() {
        let rows = SplitPlaces { rank: 7, rows: 5 }.column(3).unwrap();
        let [first, last, next] = *values(&rows) else { panic!("three rows") };
        for hash in [0, 1, u64::MAX] {
            let made = made_of(last, hash);
            assert!(last <= made && made < next);
        }
        let ends: ArrayRef = column(vec![last, last, last]);
        let begins =
            Arc::new(Decimal128Array::from(vec![Some(first), Some(last), None]).with_precision_and_scale(38, 0).unwrap());
        let made = from_first_to_last(&ends, &(begins as ArrayRef));
        let made = values(&made);
        assert!(made[0] < made[1] && made[1] < next, "the earlier beginning comes first");
        assert_eq!(made[2], last);
        let branches: Vec<i128> = (0..3).map(|branch| values(&of_branch(&rows, branch))[1]).collect();
        assert!(branches.is_sorted_by(|a, b| a < b) && branches[0] == last && branches[2] < next);
        let again = of_branch(&of_branch(&rows, 1), 1);
        assert!(values(&again)[1] != branches[1] && values(&again)[1] < next);
        assert!(of_branch(&none(2), 1).is_null(1));
    }
}
