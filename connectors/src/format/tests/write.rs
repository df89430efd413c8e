#![allow(clippy::unwrap_used)]
use super::*;
use crate::format::{CsvConfig, CsvEncoder};
use crate::test_support::{Folder, Random, batch, lines, read, schema};
use arrow::array::{
    Decimal128Array, Float64Array, ListArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray,
};
use std::sync::Arc;

const KINDS: [(&str, &str); 9] = [
    ("a", "int8"),
    ("b", "int32"),
    ("c", "int64"),
    ("d", "float32"),
    ("e", "float64"),
    ("f", "bool"),
    ("g", "utf8"),
    ("h", "date"),
    ("i", "time"),
];

fn random_value(random: &mut Random, kind: &str) -> String {
    if random.below(6) == 0 {
        return "null".into();
    }
    match kind {
        "int8" => random.between(-128, 127).to_string(),
        "int32" => (random.next() as i32).to_string(),
        "int64" => ((random.next() >> random.below(64)) as i64).to_string(),
        "float32" => serde_json::to_string(&f32::from_bits(random.next() as u32)).unwrap(),
        "float64" => serde_json::to_string(&f64::from_bits(random.next())).unwrap(),
        "bool" => (random.below(2) == 0).to_string(),
        "utf8" => {
            let text: String = (0..random.below(6))
                .map(|_| random.pick(&["a", "é", ",", ";", "\"", "\n", "\r", "\t", "\\", "😀", "-", "\u{1}", " "]))
                .collect();
            serde_json::to_string(&text).unwrap()
        }
        "date" => format!("\"20{:02}-0{}-1{}\"", random.below(100), 1 + random.below(9), random.below(10)),
        _ => random.between(-62_135_596_800_000, 253_402_300_799_999).to_string(),
    }
}

/// What is written is read again as it was, in every format.
#[test]
fn random_rows_survive_writing_and_reading() {
    let (folder, schema) = (Folder::new(), schema(&KINDS, None));
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let rows = (0..20).map(|_| {
            let members: Vec<String> =
                KINDS.iter().map(|(name, kind)| format!("\"{name}\":{}", random_value(&mut random, kind))).collect();
            format!("{{{}}}", members.join(","))
        });
        let rows: Vec<String> = rows.collect();
        let rows = batch(&schema, &rows.iter().map(String::as_str).collect::<Vec<_>>()).into_rows();
        let expected = lines(&rows);
        folder.write("t.jsonl", expected.join("\n"));
        assert_eq!(read(&folder.source("t.jsonl", &[], &schema)).rows, expected, "seed {seed}");
        for (delimiter, null) in [(",", ""), (";", "-"), ("\\t", "NULL")] {
            let byte = if delimiter == "\\t" { b'\t' } else { delimiter.as_bytes()[0] };
            let encoder = CsvEncoder::new(CsvConfig { header: true, delimiter: byte, null: null.into() });
            let mut text = Vec::new();
            encoder.header(schema.arrow().fields(), &mut text);
            encoder.encode(&rows, &mut text).unwrap();
            folder.write("t.csv", text);
            let outcome = read(&folder.source("t.csv", &[("delimiter", delimiter), ("null", null)], &schema));
            assert_eq!((outcome.rows, outcome.error.map(|error| error.to_string())), (expected.clone(), None), "seed {seed}");
        }
    }
}

/// A function may give a timestamp of any unit, with a zone or without: it is written as the moment it is.
#[test]
fn timestamps_of_every_unit_are_written_alike() {
    let columns: [(&str, ArrayRef); 4] = [
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![Some(-1), Some(1_700_000_040_000_000_999)]))),
        ("us", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500), None]).with_timezone("+02:00"))),
        ("ms", Arc::new(TimestampMillisecondArray::from(vec![Some(-1), Some(1)]))),
        ("s", Arc::new(TimestampSecondArray::from(vec![0, 60]))),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    let texts = [
        ["1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00.001500Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z"],
        ["2023-11-14T22:14:00.000Z", "", "1970-01-01T00:00:00.001Z", "1970-01-01T00:01:00.000Z"],
    ];
    let mut text = Vec::new();
    CsvEncoder::new(CsvConfig::default()).encode(&rows, &mut text).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), texts.map(|row| row.join(",") + "\n").concat());
    let quoted = |text: &str| if text.is_empty() { "null".to_owned() } else { format!("\"{text}\"") };
    let names = ["ns", "us", "ms", "s"];
    let objects = texts.map(|row| {
        let members: Vec<String> = names.iter().zip(row).map(|(name, text)| format!("\"{name}\":{}", quoted(text))).collect();
        format!("{{{}}}", members.join(","))
    });
    assert_eq!(lines(&rows), objects);
}

#[test]
fn rare_values_and_types() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None]), None]);
    let columns: [(&str, ArrayRef); 4] = [
        ("f", Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY]))),
        ("l", Arc::new(list)),
        ("d", Arc::new(Decimal128Array::from(vec![1_250, -5]).with_precision_and_scale(10, 2).unwrap())),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX, 0]))),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    assert_eq!(
        lines(&rows),
        [
            r#"{"f":null,"l":[1,null],"d":12.50,"at":9223372036854775}"#,
            r#"{"f":null,"l":null,"d":-0.05,"at":"1970-01-01T00:00:00.000Z"}"#
        ]
    );
    let mut text = Vec::new();
    CsvEncoder::new(CsvConfig::default()).encode(&rows, &mut text).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "NaN,\"[1, ]\",12.50,9223372036854775\ninf,,-0.05,1970-01-01T00:00:00.000Z\n");
}
