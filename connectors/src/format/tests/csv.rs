#![allow(clippy::unwrap_used)]
use super::*;
use crate::format::TimestampUnit;
use crate::format::frame::{Frame, frame};
use crate::test_support::{Random, lines, schema};
use memchr::memchr;

/// A field as text, and whether it was quoted.
type Field = (String, bool);

/// The obvious way to read CSV: one character after the other. A record is its fields, or `None` if it is malformed.
fn slow_records(text: &str) -> Vec<Option<Vec<Field>>> {
    let mut records = Vec::new();
    let mut rest: &[u8] = text.as_bytes();
    while !rest.is_empty() {
        let (record, used) = slow_record(rest);
        let is_blank = record.as_ref().is_some_and(|fields| fields.len() == 1 && fields[0] == (String::new(), false));
        if !is_blank {
            records.push(record);
        }
        rest = &rest[used..];
    }
    records
}

fn slow_record(text: &[u8]) -> (Option<Vec<Field>>, usize) {
    let mut fields = Vec::new();
    let (mut at, mut good) = (0, true);
    loop {
        let (mut field, quoted) = (Vec::new(), text.get(at) == Some(&b'"'));
        if quoted {
            at += 1;
            loop {
                match (text.get(at), text.get(at + 1)) {
                    (None, _) => {
                        let line = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
                        return (None, line);
                    }
                    (Some(b'"'), Some(b'"')) => {
                        field.push(b'"');
                        at += 2;
                    }
                    (Some(b'"'), _) => break,
                    (Some(byte), _) => {
                        field.push(*byte);
                        at += 1;
                    }
                }
            }
            at += 1;
            good &= matches!(text.get(at), None | Some(b',' | b'\n')) || text[at..].starts_with(b"\r\n") || &text[at..] == b"\r";
        }
        while let Some(byte) = text.get(at).filter(|byte| !matches!(byte, b',' | b'\n')) {
            field.push(*byte);
            at += 1;
        }
        let is_last = text.get(at) != Some(&b',');
        if is_last && field.last() == Some(&b'\r') {
            field.pop();
        }
        fields.push((String::from_utf8(field).unwrap(), quoted));
        at += 1;
        if is_last {
            return (good.then_some(fields), at.min(text.len()));
        }
    }
}

/// The records of a text the way the reader finds them.
fn fast_records(text: &str) -> Vec<Option<Vec<Field>>> {
    let mut records = Vec::new();
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let line_end = memchr(b'\n', rest).unwrap_or(rest.len());
        let end = match frame(rest, line_end, b',', true) {
            Frame::Record { end, .. } => end,
            Frame::Unclosed => {
                records.push(None);
                start += line_end + 1;
                continue;
            }
            Frame::Incomplete => panic!("all is there"),
        };
        let record = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if !record.is_empty() {
            let mut fields = Vec::new();
            let split = split_record(record, b',', &mut Vec::new(), |_, field, quoted| {
                fields.push((String::from_utf8(field.to_vec()).unwrap(), quoted));
                Ok(())
            });
            records.push(split.ok().map(|_| fields));
        }
        start += end + 1;
    }
    records
}

#[test]
fn random_text_is_cut_as_the_obvious_way_cuts_it() {
    for seed in 0..40_000 {
        let mut random = Random::new(seed);
        let text: String = (0..random.below(25))
            .map(|_| random.pick(&["a", "é", ",", ",", "\"", "\"", "\"\"", "\n", "\r\n", " ", "\"x\""]))
            .collect();
        assert_eq!(fast_records(&text), slow_records(&text), "seed {seed}: {text:?}");
    }
}

#[test]
fn a_record_is_incomplete_until_its_line_end_is_there() {
    let whole = "a,\"b\n\"\"c\",d\nx";
    for cut in 0..whole.len() {
        let bytes = &whole.as_bytes()[..cut];
        let Some(line_end) = memchr(b'\n', bytes) else { continue };
        let expected = if cut <= whole.len() - 2 { Frame::Incomplete } else { Frame::Record { end: whole.len() - 2, lines: 2 } };
        assert_eq!(frame(bytes, line_end, b',', false), expected, "{cut} bytes");
    }
}

fn parse(header: &str, record: &str, columns: &[usize]) -> Result<String, String> {
    let schema = schema(&[("id", "int64!"), ("name", "utf8"), ("amount", "float64")], None);
    let mut parser = CsvParser::new(&CsvConfig { null: "-".into(), ..CsvConfig::default() });
    parser.set_header(header.as_bytes(), &schema, columns).map_err(|error| error.to_string())?;
    let mut buffers = Columns::new(&schema.project(columns).unwrap(), TimestampUnit::Millisecond).unwrap();
    parser
        .parse(record.as_bytes(), &mut buffers)
        .map_err(|fault| format!("{}: {}", fault.column.unwrap_or_default(), fault.reason))?;
    buffers.commit_row();
    Ok(lines(&buffers.take().unwrap()).remove(0))
}

#[test]
fn columns_are_matched_by_name_and_nulls_by_text() {
    let all = [0, 1, 2];
    assert_eq!(parse("amount,extra,id,name", "2.5,?,1,x", &all).unwrap(), r#"{"id":1,"name":"x","amount":2.5}"#);
    assert_eq!(parse("\"id\",name , amount", "1,-,-", &all).unwrap(), r#"{"id":1,"name":null,"amount":null}"#);
    assert_eq!(parse("id,name,amount", "1,\"-\",\"-\"", &all).unwrap(), r#"{"id":1,"name":"-","amount":null}"#);
    assert_eq!(parse("id,name,amount", "1,,\" 2 \"", &all).unwrap(), r#"{"id":1,"name":"","amount":2.0}"#);
    assert_eq!(parse("id,name,amount", "x,y,2", &[2]).unwrap(), r#"{"amount":2.0}"#);
}

#[test]
fn faults_and_wrong_headers() {
    let all = [0, 1, 2];
    assert_eq!(parse("id,name,amount", "1,x", &all).unwrap_err(), ": the row has 2 fields and should have 3 (no 'amount')");
    assert_eq!(parse("id,name,amount", "1,x,2,3", &all).unwrap_err(), ": the row has 4 fields and should have 3");
    assert_eq!(parse("id,name,amount", "-,x,2", &all).unwrap_err(), "id: the column is NOT NULL");
    assert_eq!(parse("id,name,amount", "1,\"x\"y,2", &all).unwrap_err(), ": field 2 goes on after its closing quote");
    assert_eq!(
        parse("id,name,Amount", "1,x,2", &all).unwrap_err(),
        "the header has no column 'amount'\nhelp: did you mean 'Amount'? the header has id, name, Amount"
    );
    assert_eq!(
        parse("1,x,2.5", "1,x,2", &all).unwrap_err(),
        "the header has no column 'id'\nhelp: the header has 1, x, 2.5; for a file without header set header = 'false'"
    );
    assert_eq!(
        parse("id,id,name,amount", "1,1,x,2", &all).unwrap_err(),
        "the header has the column 'id' twice\nhelp: rename one of them"
    );
}
