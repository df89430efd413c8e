#![allow(clippy::unwrap_used)]
use crate::test_support::{Folder, Random, batch, lines, read, read_columns, read_restarting, schema};
use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

fn write(folder: &Folder, name: &str, rows: &RecordBatch, group: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(folder.path(name)).unwrap(), rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

#[test]
fn rows_come_back_whatever_the_row_groups_batches_and_restarts() {
    let schema =
        schema(&[("id", "int64"), ("s", "utf8"), ("x", "float64"), ("ok", "bool"), ("d", "date"), ("at", "time!")], Some("at"));
    let folder = Folder::new();
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let count = random.below(50);
        let texts: Vec<String> = (0..count)
            .map(|id| {
                format!(
                    "{{\"id\":{id},\"s\":\"s{id}\",\"x\":{id}.5,\"ok\":{},\"d\":\"2024-01-01\",\"at\":{}}}",
                    id % 2 == 0,
                    id * 1_000
                )
            })
            .collect();
        let rows = batch(&schema, &texts.iter().map(String::as_str).collect::<Vec<_>>()).into_rows();
        write(&folder, "t.parquet", &rows, 1 + random.below(20) as usize);
        let source = folder.source("t.parquet", &[], &schema);
        assert_eq!(read(&source).rows, lines(&rows), "seed {seed}");
        assert_eq!(read_restarting(&source, &mut random).rows, lines(&rows), "seed {seed}");
        let some = read_columns(&source, &[1, 4], &mut |_, reader, _| (reader, 7));
        assert_eq!(some.rows, lines(&rows.project(&[1, 4]).unwrap()), "seed {seed}");
        assert_eq!(read_columns(&source, &[], &mut |_, reader, _| (reader, 7)).rows.len() as u64, count);
    }
}

#[test]
fn types_are_made_to_fit_and_what_does_not_is_a_bad_row() {
    let folder = Folder::new();
    let country: DictionaryArray<Int32Type> = vec!["FR", "DE", "FR", "IT"].into_iter().collect();
    let columns: [(&str, ArrayRef); 5] = [
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_700_000_040_000_999), Some(0), None, Some(5_000)])
                    .with_timezone("+02:00"),
            ),
        ),
        ("id", Arc::new(Int64Array::from(vec![1, 300, 3, 4]))),
        ("n", Arc::new(Int32Array::from(vec![Some(7), Some(8), None, None]))),
        ("x", Arc::new(Float32Array::from(vec![0.5, 1.5, 2.5, 3.5]))),
        ("country", Arc::new(country)),
    ];
    write(
        &folder,
        "t.parquet",
        &RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap(),
        3,
    );
    let schema = schema(&[("id", "int8"), ("x", "float64"), ("at", "time"), ("n", "int64"), ("country", "utf8")], Some("at"));
    let failed = read(&folder.source("t.parquet", &[], &schema));
    assert!(failed.error().contains("t.parquet: row 2, column 'id': '300': it does not fit Int8"), "{}", failed.error());
    let mut random = Random::new(1);
    let source = folder.source("t.parquet", &[("bad_rows", "dead_letter")], &schema);
    let outcome = read(&source);
    assert_eq!(
        outcome.rows,
        [
            r#"{"id":1,"x":0.5,"at":"2023-11-14T22:14:00.000999Z","n":7,"country":"FR"}"#,
            r#"{"id":4,"x":3.5,"at":"1970-01-01T00:00:00.005Z","n":null,"country":"IT"}"#
        ]
    );
    assert_eq!(outcome.bad, 2);
    let letters: Vec<serde_json::Value> = folder.read("bad").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&letters[1]["line"], &letters[1]["column"], &letters[1]["reason"]),
        (&3.into(), &"at".into(), &"the column is NOT NULL".into())
    );
    let before = folder.read("bad");
    assert_eq!(read_restarting(&source, &mut random).rows, outcome.rows);
    assert_eq!(folder.read("bad"), before);
}

#[test]
fn files_and_columns_that_do_not_fit() {
    let folder = Folder::new();
    let columns: [(&str, ArrayRef); 2] =
        [("amount", Arc::new(StringArray::from(vec!["1"]))), ("when", Arc::new(Int64Array::from(vec![17])))];
    write(&folder, "t.parquet", &RecordBatch::try_from_iter(columns).unwrap(), 3);
    let error = |columns: &[(&str, &str)], name: &str| read(&folder.source(name, &[], &schema(columns, None))).error();
    let text = error(&[("amuont", "float64")], "t.parquet");
    assert!(text.ends_with("the file has no column 'amuont'\nhelp: did you mean 'amount'? the file has amount, when"), "{text}");
    let text = error(&[("amount", "float64")], "t.parquet");
    assert!(text.contains("the column 'amount' is Utf8 in the file and cannot be read as Float64"), "{text}");
    let outcome = read(&folder.source("t.parquet", &[("timestamp_unit", "s")], &schema(&[("when", "time")], Some("when"))));
    assert_eq!(outcome.rows, ["{\"when\":\"1970-01-01T00:00:17.000Z\"}"]);
    for (name, bytes) in [("empty.parquet", &b""[..]), ("other.parquet", b"id,name\n1,2\n")] {
        folder.write(name, bytes);
        assert!(error(&[("amount", "utf8")], name).contains("it is not a complete Parquet file"), "{name}");
    }
}
