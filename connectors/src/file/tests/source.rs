#![allow(clippy::unwrap_used)]
use super::*;
use crate::test_support::{Folder, lines, read, read_columns, schema};
use egret_core::Poll;
use std::io::Write;

#[test]
fn each_file_of_a_glob_is_a_split_in_order_of_name() {
    let (folder, schema) = (Folder::new(), schema(&[("id", "int64")], None));
    for (name, id) in [("b/2.jsonl", 2), ("a/9.jsonl", 1), ("b/10.jsonl", 3), ("b/x.txt", 4)] {
        folder.write(name, format!("{{\"id\":{id}}}\n{{\"id\":\"x\"}}\n"));
    }
    std::fs::create_dir(folder.path("b/dir.jsonl")).unwrap();
    let source = folder.source("*/*.jsonl", &[("bad_rows", "dead_letter")], &schema);
    let names: Vec<String> =
        source.splits().unwrap().iter().map(|split| split.id.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["9.jsonl", "10.jsonl", "2.jsonl"]);
    assert_eq!(read(&source).rows, ["{\"id\":1}", "{\"id\":3}", "{\"id\":2}"]);
    assert_eq!(folder.names("bad/b"), ["10.jsonl.bad", "2.jsonl.bad"]);
    assert_eq!(folder.names("bad/a"), ["9.jsonl.bad"]);
}

#[test]
fn only_the_columns_asked_for_are_decoded() {
    let (folder, schema) = (Folder::new(), schema(&[("id", "int64!"), ("x", "float64"), ("s", "utf8")], None));
    folder.write("t.jsonl", "{\"id\":1,\"x\":\"bad\",\"s\":\"a\"}\n{\"s\":\"b\",\"x\":[1],\"id\":2}\n");
    folder.write("t.csv", "s,x,id\na,bad,1\nb,,2\n");
    for name in ["t.jsonl", "t.csv"] {
        let columns =
            |columns: &[usize]| read_columns(&folder.source(name, &[], &schema), columns, &mut |_, reader, _| (reader, 100));
        assert_eq!(columns(&[0, 2]).rows, ["{\"id\":1,\"s\":\"a\"}", "{\"id\":2,\"s\":\"b\"}"], "{name}");
        assert_eq!(columns(&[]).rows, ["{}", "{}"], "{name}");
        assert!(columns(&[1]).error().contains("column 'x': 'bad'"), "{name}");
    }
}

#[test]
fn missing_files_and_folders() {
    let (folder, schema) = (Folder::new(), schema(&[("id", "int64")], None));
    folder.write("transactions.jsonl", "");
    let error = |name: &str| read(&folder.source(name, &[("format", "json")], &schema)).error();
    let expected = format!(
        "cannot read {}: it does not exist\nhelp: did you mean '{}'?",
        folder.text_path("transaction.jsonl"),
        folder.text_path("transactions.jsonl")
    );
    assert_eq!(error("transaction.jsonl"), expected);
    assert!(error("nowhere/t.jsonl").contains("help: check the path; relative paths start at the current folder"));
    assert!(error("*.jsom").starts_with("no file is like "));
    assert!(error("").contains("it is a folder\nhelp: to read the files in it, write '"));
}

#[test]
fn types_that_cannot_be_read_are_refused_at_once() {
    let field = arrow::datatypes::Field::new("b", arrow::datatypes::DataType::Binary, true);
    let schema = StreamSchema::new(vec![field], None).unwrap();
    let error = FileSource::new(FileSourceConfig::new("t.csv").unwrap(), schema).err().unwrap();
    assert!(error.to_string().starts_with("the column 'b' has type Binary, which cannot be read"), "{error}");
}

#[test]
fn dead_letters_do_not_replace_the_input() {
    let (folder, schema) = (Folder::new(), schema(&[("id", "int64")], None));
    folder.write("t.jsonl", "x\n");
    let path = folder.text_path("t.jsonl");
    let source = folder.source("t.jsonl", &[("bad_rows", "dead_letter"), ("dead_letter_path", &path)], &schema);
    assert!(read(&source).error().contains("would replace it"));
    assert_eq!(folder.read("t.jsonl"), "x\n");
}

/// Reads until there is nothing more for now.
fn drain(reader: &mut dyn SourceReader) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    loop {
        match reader.poll(3)? {
            Poll::Rows(batch) => rows.extend(lines(&batch)),
            Poll::Pending(_) => return Ok(rows),
            Poll::End => panic!("a followed file does not end"),
        }
    }
}

#[test]
fn a_growing_file_is_followed_line_by_line() {
    let (folder, schema) = (Folder::new(), schema(&[("id", "int64"), ("s", "utf8")], None));
    let path = folder.write("t.csv", "");
    let source = folder.source("t.csv", &[("follow", "true")], &schema);
    assert!(!source.is_bounded());
    let split = source.splits().unwrap().remove(0);
    let mut reader = source.open(&split, &[0, 1], &Arc::default()).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let mut all = Vec::new();
    for piece in ["", "id,", "s\n", "1,a\n2", ",b\n", "3,\"c\n", "", "c\"\n4,d\n5,e\n6,f\n7"] {
        file.write_all(piece.as_bytes()).unwrap();
        all.extend(drain(reader.as_mut()).unwrap());
        let position = reader.position();
        reader = source.open(&split, &[0, 1], &Arc::default()).unwrap();
        reader.seek(&position).unwrap();
    }
    assert_eq!(
        all,
        [
            r#"{"id":1,"s":"a"}"#,
            r#"{"id":2,"s":"b"}"#,
            r#"{"id":3,"s":"c\nc"}"#,
            r#"{"id":4,"s":"d"}"#,
            r#"{"id":5,"s":"e"}"#,
            r#"{"id":6,"s":"f"}"#
        ]
    );
}

#[test]
fn descriptions() {
    let schema = schema(&[("id", "int64")], None);
    let of = |options: &[(&str, &str)]| {
        let config = FileSourceConfig::from_options(&crate::Options::new(options.iter().copied())).unwrap();
        FileSource::new(config, schema.clone()).unwrap().describe()
    };
    assert_eq!(of(&[("path", "a/t.csv.gz")]), "file a/t.csv.gz (csv, gzip)");
    assert_eq!(
        of(&[("path", "t.csv"), ("follow", "true"), ("bad_rows", "skip")]),
        "file t.csv (csv, followed), bad rows are skipped"
    );
    assert_eq!(of(&[("path", "a/t.csv"), ("bad_rows", "dead_letter")]), "file a/t.csv (csv), bad rows go to out/a/t.csv.bad");
    assert_eq!(of(&[("path", "a/*.csv"), ("bad_rows", "dead_letter")]), "file a/*.csv (csv), bad rows go to out/a/");
}
