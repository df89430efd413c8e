#![allow(clippy::unwrap_used)]
use crate::test_support::{Folder, Random, gzip, read, read_restarting, schema};
use egret_core::StreamSchema;

fn columns() -> StreamSchema {
    schema(&[("id", "int64!"), ("name", "utf8"), ("amount", "float64"), ("at", "time")], Some("at"))
}

/// A file of `rows` rows of which some are bad, as JSON and as CSV, and how many are good.
fn random_file(random: &mut Random, rows: u64) -> (String, String, usize) {
    let (mut json, mut csv, mut good) = (String::new(), String::from("at,id,name,amount\n"), 0);
    for row in 0..rows {
        let name = random.pick(&["a", "zoë", "x,y", "two\nlines", "q\"q", ""]);
        let amount = random.pick(&["1.5", "-3", "17.25"]);
        let (id, at) = match random.below(8) {
            0 => ("x".to_owned(), "2024-01-01"),
            1 => (row.to_string(), "never"),
            _ => (row.to_string(), "2024-01-01 10:00:00"),
        };
        good += usize::from(id != "x" && at != "never");
        let id_json = if id == "x" { "\"x\"".to_owned() } else { id.clone() };
        json += &format!("{{\"id\":{id_json},\"name\":{},\"amount\":{amount},\"at\":\"{at}\"}}\n", serde_json::Value::from(name));
        csv += &format!("{at},{id},\"{}\",{amount}\r\n", name.replace('"', "\"\""));
        if random.below(5) == 0 {
            json.push('\n');
            csv.push('\n');
        }
    }
    (json, csv, good)
}

/// The law for sources: the same rows and the same dead letters, however they are read and wherever reading continues.
#[test]
fn rows_do_not_depend_on_batches_restarts_format_or_compression() {
    let schema = columns();
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let rows = random.below(60);
        let (json, csv, good) = random_file(&mut random, rows);
        let folder = Folder::new();
        folder.write("t.jsonl", &json);
        folder.write("t.jsonl.gz", gzip(json.as_bytes()));
        folder.write("t.csv", &csv);
        folder.write("t.csv.zst", zstd::encode_all(csv.as_bytes(), 1).unwrap());
        let expected = read(&folder.source("t.jsonl", &[("bad_rows", "skip")], &schema));
        assert_eq!(
            (expected.rows.len(), expected.bad, expected.error()),
            (good, rows - good as u64, String::new()),
            "seed {seed}"
        );
        for name in ["t.jsonl", "t.jsonl.gz", "t.csv", "t.csv.zst"] {
            let source = folder.source(name, &[("bad_rows", "dead_letter")], &schema);
            let whole = read(&source);
            let letters = if whole.bad > 0 { folder.read("bad") } else { String::new() };
            assert_eq!(letters.lines().count() as u64, whole.bad);
            for _ in 0..3 {
                let cut = read_restarting(&source, &mut random);
                assert_eq!((&cut.rows, cut.error()), (&expected.rows, String::new()), "seed {seed}, {name}");
                let again = if whole.bad > 0 { folder.read("bad") } else { String::new() };
                assert_eq!(again, letters, "seed {seed}, {name}");
            }
        }
    }
}

#[test]
fn errors_name_file_line_column_and_value() {
    let (folder, schema) = (Folder::new(), columns());
    let csv = "id,name,amount,at\n1,\"two\nlines\",1,2024-01-01\n\n2,b,abc,2024-01-01\n3,c,1,2024-01-01\n";
    folder.write("t.csv", csv);
    folder.write("t.csv.gz", gzip(csv.as_bytes()));
    for name in ["t.csv", "t.csv.gz"] {
        let failed = read(&folder.source(name, &[], &schema));
        let expected = format!(
            "file {}: line 5, column 'amount': 'abc': it is not a number of DOUBLE\n\
             help: mend the row, or set bad_rows = 'skip' or 'dead_letter' to go on without it",
            folder.text_path(name)
        );
        assert_eq!((failed.rows.len(), failed.error()), (1, expected));
        assert!(matches!(failed.error, Some(egret_core::Error::Data(_))));
    }
    let skipped = read(&folder.source("t.csv", &[("bad_rows", "skip")], &schema));
    assert_eq!((skipped.rows.len(), skipped.bad), (2, 1));
    assert_eq!(
        skipped.notes,
        [format!("skipped: file {}: line 5, column 'amount': 'abc': it is not a number of DOUBLE", folder.text_path("t.csv"))]
    );
}

#[test]
fn dead_letters_hold_the_row_and_start_anew_with_each_run() {
    let (folder, schema) = (Folder::new(), columns());
    folder.write("t.jsonl", b"{\"id\":1,\"at\":0}\n{\"id\":\"\xff\",\"at\":0}\n{\"id\":2,\"at\":\"no\"}\n".as_slice());
    for _ in 0..2 {
        assert_eq!(read(&folder.source("t.jsonl", &[("bad_rows", "dead_letter")], &schema)).bad, 2);
        let letters: Vec<serde_json::Value> =
            folder.read("bad").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(letters.len(), 2);
        assert_eq!(letters[0]["file"], folder.text_path("t.jsonl"));
        assert_eq!((&letters[0]["line"], &letters[0]["column"]), (&2.into(), &serde_json::Value::Null));
        assert_eq!(letters[0]["reason"], "the byte 0xFF at position 8 of the row is not UTF-8");
        assert_eq!((&letters[1]["line"], &letters[1]["column"], &letters[1]["value"]), (&3.into(), &"at".into(), &"no".into()));
        assert_eq!(letters[1]["row"], "{\"id\":2,\"at\":\"no\"}");
    }
    folder.write("t.jsonl", "{\"id\":1,\"at\":0}\n");
    assert_eq!(read(&folder.source("t.jsonl", &[("bad_rows", "dead_letter")], &schema)).rows.len(), 1);
    assert!(!folder.path("bad").exists(), "dead letters of the run before are gone");
}

#[test]
fn files_without_rows() {
    let (folder, schema) = (Folder::new(), columns());
    for (name, bytes) in
        [("e.jsonl", ""), ("n.jsonl", "\n\n"), ("h.csv", "id,name,amount,at"), ("h2.csv", "id,name,amount,at\r\n\r\n")]
    {
        folder.write(name, bytes);
        let outcome = read(&folder.source(name, &[], &schema));
        assert_eq!((outcome.rows.len(), outcome.error(), outcome.notes.len()), (0, String::new(), 0), "{name}");
    }
    folder.write("e.csv", "");
    let outcome = read(&folder.source("e.csv", &[], &schema));
    assert_eq!(
        (outcome.error(), outcome.notes),
        (String::new(), vec![format!("{} is empty: it has no header and no rows", folder.text_path("e.csv"))])
    );
    for name in ["e.csv.gz", "e.jsonl.zst"] {
        folder.write(name, "");
        assert_eq!(read(&folder.source(name, &[], &schema)).error(), "", "{name}");
    }
}

#[test]
fn a_header_that_does_not_fit_is_no_bad_row() {
    let (folder, schema) = (Folder::new(), columns());
    folder.write("t.csv", "id,name,amuont,at\n1,a,1,2024-01-01\n");
    let outcome = read(&folder.source("t.csv", &[("bad_rows", "skip")], &schema));
    let error = outcome.error();
    assert!(
        error.contains("the header has no column 'amount'\nhelp: did you mean 'amuont'?") && error.contains("t.csv"),
        "{error}"
    );
    let without = read(&folder.source("t.csv", &[("header", "false"), ("bad_rows", "skip")], &schema));
    assert_eq!((without.rows.len(), without.bad), (1, 1));
}

#[test]
fn a_truncated_or_damaged_file_gives_the_rows_before() {
    let schema = schema(&[("id", "int64")], None);
    let text: String = (0..200_000).map(|id| format!("{{\"id\":{}}}\n", id * 7_919 % 1_000_003)).collect();
    for (name, packed) in [("t.jsonl.gz", gzip(text.as_bytes())), ("t.jsonl.zst", zstd::encode_all(text.as_bytes(), 1).unwrap())]
    {
        let folder = Folder::new();
        folder.write(name, &packed[..packed.len() / 2]);
        for policy in ["fail", "skip"] {
            let outcome = read(&folder.source(name, &[("bad_rows", policy)], &schema));
            let error = outcome.error();
            assert!(outcome.rows.len() > 50_000 && outcome.rows.len() < 150_000, "{}", outcome.rows.len());
            assert!(error.contains("data ends in the middle: the file is truncated"), "{error}");
            assert!(error.contains(&format!("after {} rows, at line {}", outcome.rows.len(), outcome.rows.len() + 1)), "{error}");
            assert!(error.contains(name), "{error}");
        }
        folder.write(name, "this is not compressed\n");
        assert!(read(&folder.source(name, &[], &schema)).error().contains("damaged or not"));
    }
}

#[test]
fn a_ten_megabyte_line_is_read_or_refused() {
    let (folder, schema) = (Folder::new(), schema(&[("id", "int64"), ("s", "utf8")], None));
    let long = "x".repeat(10 << 20);
    folder.write("t.jsonl", format!("{{\"id\":1}}\n{{\"id\":2,\"s\":\"{long}\"}}\n{{\"id\":3}}\n"));
    let whole = read(&folder.source("t.jsonl", &[], &schema));
    assert_eq!((whole.rows.len(), whole.bad, whole.rows[1].len()), (3, 0, long.len() + 15));
    let short = read(&folder.source("t.jsonl", &[("line_bytes_max", "1 MiB"), ("bad_rows", "dead_letter")], &schema));
    assert_eq!((short.rows.len(), short.bad), (2, 1));
    assert!(
        short.notes[0].contains("line 2: '{\"id\":2,") && short.notes[0].contains("longer than 1048576 bytes"),
        "{}",
        short.notes[0].len()
    );
    let failed = read(&folder.source("t.jsonl", &[("line_bytes_max", "1 MiB")], &schema));
    assert!(failed.error().contains("line 2"), "{}", failed.error());
    assert_eq!(failed.rows.len(), 1);
}

#[test]
fn timestamps_in_three_formats_and_one_that_is_none() {
    let (folder, schema) = (Folder::new(), schema(&[("at", "time")], Some("at")));
    folder.write("t.csv", "at\n2023-11-14T23:14:00+01:00\n2023-11-14 22:14:00.000\n2023-11-14\n1700000040000\n14.11.2023\n");
    let outcome = read(&folder.source("t.csv", &[("bad_rows", "skip")], &schema));
    let time = "{\"at\":\"2023-11-14T22:14:00.000Z\"}";
    assert_eq!(outcome.rows, [time, time, "{\"at\":\"2023-11-14T00:00:00.000Z\"}", time]);
    assert!(
        outcome.notes[0].contains("line 6, column 'at': '14.11.2023': it is not a timestamp; accepted are"),
        "{:?}",
        outcome.notes
    );
    folder.write("s.csv", "at\n1700000040\n");
    assert_eq!(read(&folder.source("s.csv", &[("timestamp_unit", "s")], &schema)).rows, [time]);
}
