//! Integer arithmetic against an oracle that computes in 128 bits, a row at a time.
#![allow(clippy::unwrap_used)]

use super::*;
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use std::sync::Arc;

/// The integer types of the language, with their least and greatest values.
const TYPES: [(DataType, i64, i64); 4] = [
    (DataType::Int8, i8::MIN as i64, i8::MAX as i64),
    (DataType::Int16, i16::MIN as i64, i16::MAX as i64),
    (DataType::Int32, i32::MIN as i64, i32::MAX as i64),
    (DataType::Int64, i64::MIN, i64::MAX),
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A value near an end of a range, or anywhere, or null.
    fn value(&mut self, least: i64, greatest: i64) -> Option<i64> {
        let near = (self.next() % 4) as i64;
        Some(match self.next() % 8 {
            0 => return None,
            1 => least + near,
            2 => greatest - near,
            3 => near - 2,
            4 => greatest / 2 + near,
            5 => (1 << (self.next() % 62)).min(greatest),
            _ => least + (i128::from(self.next()) % (i128::from(greatest) - i128::from(least))) as i64,
        })
    }
}

fn rows(columns: &[(&str, DataType, Vec<Option<i64>>)]) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, of, _)| Field::new(*name, of.clone(), true)).collect();
    let arrays = columns.iter().map(|(_, of, values)| {
        let whole: ArrayRef = Arc::new(Int64Array::from(values.clone()));
        cast(&whole, of).unwrap()
    });
    RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), arrays.collect()).unwrap()
}

fn compiled(text: &str, rows: &RecordBatch) -> Expression {
    Planner::new().compile_text(text, &Scope::of_arrow(&rows.schema()).unwrap()).unwrap()
}

/// The values of an expression; `Err` is a fault.
fn values(text: &str, rows: &RecordBatch) -> Vec<Result<Option<i64>, String>> {
    let computed = compute(&[&compiled(text, rows)], rows).unwrap();
    let whole = cast(&computed.columns[0], &DataType::Int64).unwrap();
    let mut good = whole.as_primitive::<Int64Type>().iter();
    let mut faults = computed.faults.into_iter().peekable();
    let one = |row: usize| match faults.next_if(|fault| fault.row == row) {
        Some(fault) => Err(fault.reason),
        None => Ok(good.next().expect("a value for every good row")),
    };
    (0..rows.num_rows()).map(one).collect()
}

type Oracle = fn(i128, i128) -> Option<i128>;

#[test]
fn integers_fail_where_their_type_does_not_hold_the_result() {
    let operations: [(&str, Oracle); 9] = [
        ("a + b", |a, b| Some(a + b)),
        ("a - b", |a, b| Some(a - b)),
        ("a * b", |a, b| Some(a * b)),
        ("-a", |a, _| Some(-a)),
        ("abs(a)", |a, _| Some(a.abs())),
        ("a / b", |a, b| a.checked_div(b)),
        ("a % b", |a, b| a.checked_rem(b)),
        ("a - b + b", |a, _| Some(a)),
        ("(a + b) * (a - b)", |a, b| Some((a + b) * (a - b))),
    ];
    let mut overflows = 0;
    for (seed, (of, least, greatest)) in TYPES.into_iter().enumerate() {
        let mut random = Random(seed as u64);
        let mut column = |_: usize| random.value(least, greatest);
        let (a, b): (Vec<_>, Vec<_>) = ((0..3_000).map(&mut column).collect(), (0..3_000).map(&mut column).collect());
        let rows = rows(&[("a", of.clone(), a.clone()), ("b", of.clone(), b.clone())]);
        let fits = |value: i128| (i128::from(least)..=i128::from(greatest)).contains(&value);
        for (text, oracle) in operations {
            let reads_b = text.contains('b') && !text.contains("abs");
            let found = values(text, &rows);
            for (row, found) in found.iter().enumerate() {
                let (Some(one), other) = (a[row], b[row]) else {
                    assert_eq!(*found, Ok(None), "{text} of {of}: a is null");
                    continue;
                };
                if reads_b && other.is_none() {
                    assert_eq!(*found, Ok(None), "{text} of {of}: b is null");
                    continue;
                }
                let (one, other) = (i128::from(one), i128::from(other.unwrap_or_default()));
                // Intermediate results must fit as well.
                let between = match text {
                    "a - b + b" => fits(one - other),
                    "(a + b) * (a - b)" => fits(one + other) && fits(one - other),
                    _ => true,
                };
                let expected = oracle(one, other).filter(|&value| fits(value) && between);
                match (expected, found) {
                    (Some(expected), Ok(Some(found))) => {
                        assert_eq!(expected, i128::from(*found), "{text} of {of}: {one}, {other}")
                    }
                    (None, Err(_)) => overflows += 1,
                    other => panic!("{text} of {of} where a = {one} and b = {:?}: {other:?}", b[row]),
                }
            }
        }
    }
    assert!(overflows > 5_000, "{overflows}");
}

#[test]
fn values_and_faults_do_not_depend_on_batches() {
    let mut random = Random(9);
    let (a, b): (Vec<_>, Vec<_>) = (0..500).map(|_| (random.value(i64::MIN, i64::MAX), random.value(-3, 3))).unzip();
    let all = rows(&[("a", DataType::Int64, a), ("b", DataType::Int64, b)]);
    let texts = [
        "a * b",
        "100 / b",
        "CAST(a AS INT)",
        "CASE WHEN b <> 0 THEN a / b ELSE a END",
        "CAST(b <> 0 AND a / b > 5 AS BIGINT)",
        "CAST(b = 0 OR a * b > 5 OR a + b > 0 AS BIGINT)",
        "coalesce(nullif(b, 0), a * 2)",
    ];
    for text in texts {
        let whole = values(text, &all);
        for length in [1, 7, 64] {
            let pieces = (0..500).step_by(length).map(|from| all.slice(from, length.min(500 - from)));
            let apart: Vec<_> = pieces.flat_map(|piece| values(text, &piece)).collect();
            assert_eq!(apart, whole, "{text} in batches of {length}");
        }
    }
}

/// Rows that a condition guards against are not computed, wherever they stand in a batch.
#[test]
fn conditions_guard_what_stands_to_their_right() {
    let all = rows(&[("n", DataType::Int64, vec![Some(0), Some(4), None, Some(50), Some(0), Some(10)])]);
    for (text, holds, wrong) in [
        ("n <> 0 AND 100 / n > 5", vec![1, 5], vec![]),
        ("100 / n > 5 AND n <> 0", vec![1, 5], vec![0, 4]),
        ("n = 0 OR 100 / n > 5", vec![0, 1, 4, 5], vec![]),
        ("NOT (n = 0 OR 100 / n < 5)", vec![1, 5], vec![]),
        ("CASE WHEN n = 0 THEN false ELSE 100 / n > 5 END", vec![1, 5], vec![]),
        ("n BETWEEN 1 AND 60 AND n * 200000000000000000 > 0", vec![1, 5], vec![3]),
    ] {
        let condition = compiled(text, &all);
        let (found, faults) = mask(&condition, &all).unwrap();
        assert_eq!(found.set_indices().collect::<Vec<_>>(), holds, "{text}");
        assert_eq!(faults.iter().map(|fault| fault.row).collect::<Vec<_>>(), wrong, "{text}");
        for row in 0..all.num_rows() {
            let (alone, faults) = mask(&condition, &all.slice(row, 1)).unwrap();
            assert_eq!((alone.value(0), !faults.is_empty()), (found.value(row), wrong.contains(&row)), "{text}, row {row} alone");
        }
    }
}

/// A comparison with a constant keeps the cast that it is written with.
#[test]
fn casts_that_fail_are_not_simplified_away() {
    let all = rows(&[("n", DataType::Int64, vec![Some(1), Some(1 << 40), Some(200)])]);
    for (text, holds, wrong) in [
        ("CAST(n AS INT) > 0", vec![0, 2], vec![1]),
        ("CAST(n AS TINYINT) IN (1, 2, 3, 4, 5)", vec![0], vec![1, 2]),
        ("TRY_CAST(n AS INT) > 0", vec![0, 2], vec![]),
        ("CAST(n AS DOUBLE) > 100", vec![1, 2], vec![]),
    ] {
        let (found, faults) = mask(&compiled(text, &all), &all).unwrap();
        assert_eq!(found.set_indices().collect::<Vec<_>>(), holds, "{text}");
        assert_eq!(faults.iter().map(|fault| fault.row).collect::<Vec<_>>(), wrong, "{text}");
    }
}

#[test]
fn constants_that_overflow_are_found_when_the_job_is_read() {
    let all = rows(&[("n", DataType::Int64, vec![Some(1)])]);
    let scope = Scope::of_arrow(&all.schema()).unwrap();
    for text in ["n > 9223372036854775807 + 1", "-(-9223372036854775807 - 1) = n", "CAST(2147483647 AS INT) + CAST(1 AS INT) > n"]
    {
        let error = Planner::new().compile_text(text, &scope).unwrap_err().to_string();
        assert!(error.contains("is out of the range of") && error.contains("help: "), "{error}");
    }
    assert_eq!(values("9223372036854775806 + n", &all), [Ok(Some(i64::MAX))]);
}

#[test]
fn what_can_fail_is_known() {
    let all = rows(&[("n", DataType::Int64, vec![Some(1)]), ("i", DataType::Int32, vec![Some(1)])]);
    for (text, can_fail) in [
        ("n > 5 AND i IN (1, 2)", false),
        ("CAST(i AS BIGINT) = n", false),
        ("CAST(n AS DOUBLE) / 3.5", false),
        ("CAST(n AS STRING) LIKE '1%'", false),
        ("n + 1", true),
        ("n / 2", true),
        ("-i", true),
        ("CAST(n AS INT)", true),
        ("abs(i)", true),
    ] {
        assert_eq!(compiled(text, &all).can_fail(), can_fail, "{text}");
    }
}

/// Many bad rows cost a few evaluations each, however they are spread.
#[test]
fn a_batch_of_bad_rows_is_taken_apart_once() {
    let zeros = rows(&[("n", DataType::Int64, (0..20_000).map(|row| Some(row % 2)).collect())]);
    let found = values("7 / n", &zeros);
    assert_eq!(found.iter().filter(|value| value.is_err()).count(), 10_000);
    assert_eq!(found[1], Ok(Some(7)));
    assert_eq!(found[0], Err("division by zero".into()));
}
