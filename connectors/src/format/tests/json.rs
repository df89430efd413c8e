#![allow(clippy::unwrap_used)]
use super::*;
use crate::test_support::{Random, lines, schema};
use egret_core::StreamSchema;
use serde_json::Value;

fn parse_all(schema: &StreamSchema, texts: &[String]) -> (Vec<String>, Vec<(usize, Option<String>)>) {
    let mut columns = Columns::new(schema, TimestampUnit::Millisecond).unwrap();
    let mut parser = JsonParser::default();
    let mut bad = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match parser.parse(text.as_bytes(), &mut columns) {
            Ok(()) => columns.commit_row(),
            Err(fault) => {
                columns.rollback_row();
                bad.push((index, fault.column));
            }
        }
    }
    (lines(&columns.take().unwrap()), bad)
}

fn parse_one(schema: &StreamSchema, text: &str) -> Result<String, Fault> {
    let mut columns = Columns::new(schema, TimestampUnit::Millisecond).unwrap();
    JsonParser::default().parse(text.as_bytes(), &mut columns).map_err(|fault| *fault)?;
    columns.commit_row();
    Ok(lines(&columns.take().unwrap()).remove(0))
}

/// Null, and texts that are a value of hardly any type.
const OF_NO_TYPE: &[(&str, Option<&str>)] = &[
    ("null", Some("null")),
    ("tru", None),
    ("[1,{\"a\":\"}\"}]", None),
    ("{}", None),
    ("", None),
    ("nul", None),
    ("\"x", None),
    ("01", None),
    ("1.", None),
    ("-", None),
];

/// JSON texts of a value, and what each is as the given type: a value as we write it, or `None` if it does not fit.
fn literals(kind: &str) -> Vec<(&'static str, Option<&'static str>)> {
    let own: &[(&str, Option<&str>)] = match kind {
        "int64" => &[
            ("0", Some("0")),
            ("-12", Some("-12")),
            ("123456789012345678", Some("123456789012345678")),
            ("-9223372036854775808", Some("-9223372036854775808")),
            ("9223372036854775808", None),
            ("2.5", None),
            ("1e3", None),
            ("\"17\"", Some("17")),
            ("\" 17\"", Some("17")),
            ("\"1\\u0037\"", Some("17")),
            ("\"x\"", None),
            ("true", None),
        ],
        "int8" => &[("127", Some("127")), ("-128", Some("-128")), ("128", None), ("\"5\"", Some("5"))],
        "int32" => &[("2147483647", Some("2147483647")), ("2147483648", None), ("7", Some("7"))],
        "float64" => &[
            ("0.1", Some("0.1")),
            ("-0", Some("-0.0")),
            ("12", Some("12.0")),
            ("3.141592653589793238", Some("3.141592653589793")),
            ("1e3", Some("1000.0")),
            ("-2.5E-3", Some("-0.0025")),
            ("1e999", None),
            ("\"2.5\"", Some("2.5")),
            ("\"NaN\"", Some("null")),
            ("true", None),
            ("123456789012345.5", Some("123456789012345.5")),
        ],
        "float32" => &[("0.1", Some("0.1")), ("16777217", Some("16777216.0")), ("1e39", None)],
        "bool" => &[
            ("true", Some("true")),
            ("false", Some("false")),
            ("1", Some("true")),
            ("0", Some("false")),
            ("2", None),
            ("\"TRUE\"", Some("true")),
            ("\"maybe\"", None),
        ],
        "utf8" => &[
            ("\"\"", Some("\"\"")),
            ("\"ab c\"", Some("\"ab c\"")),
            ("\"a\\\"\\\\\\n\\u00e9\\ud83d\\ude00\\/\"", Some("\"a\\\"\\\\\\né😀/\"")),
            ("\"\\ud83d\"", None),
            ("\"\\x\"", None),
            ("12.50", Some("\"12.50\"")),
            ("true", Some("\"true\"")),
            ("[1, {\"a\":2}]", Some("\"[1, {\\\"a\\\":2}]\"")),
        ],
        "date" => &[("\"2024-02-29\"", Some("\"2024-02-29\"")), ("\"2023-02-29\"", None), ("5", None), ("true", None)],
        "time" => &[
            ("1700000040000", Some("\"2023-11-14T22:14:00.000Z\"")),
            ("\"2023-11-14T22:14:00Z\"", Some("\"2023-11-14T22:14:00.000Z\"")),
            ("\"2023-11-14 22:14\"", None),
            ("\"\\u0032023-11-14\"", Some("\"2023-11-14T00:00:00.000Z\"")),
            ("17.5", None),
            ("\"soon\"", None),
        ],
        other => panic!("no literals for {other}"),
    };
    let is_text = kind == "utf8";
    own.iter()
        .chain(OF_NO_TYPE.iter().filter(|(text, _)| !(is_text && matches!(*text, "[1,{\"a\":\"}\"}]" | "{}"))))
        .copied()
        .collect()
}

/// Random rows with random order of keys, spaces and foreign keys, against what the literals are said to be.
#[test]
fn random_rows_give_what_their_literals_say() {
    let kinds = ["int64", "int8", "int32", "float64", "float32", "bool", "utf8", "date", "time"];
    let names: Vec<String> = (0..kinds.len()).map(|index| format!("c{index}")).collect();
    let columns: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(kinds).collect();
    let schema = schema(&columns, None);
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let bad_share = random.pick(&[&0, &1, &20]);
        let (mut texts, mut rows, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..40 {
            let (text, expected) = random_row(&mut random, &columns, *bad_share);
            match expected {
                Ok(row) => rows.push(row),
                Err(column) => bad.push((index, Some(column))),
            }
            texts.push(text);
        }
        let (got_rows, got_bad) = parse_all(&schema, &texts);
        assert_eq!(got_rows, rows, "seed {seed}\n{}", texts.join("\n"));
        assert_eq!(got_bad, bad, "seed {seed}\n{}", texts.join("\n"));
    }
}

fn random_row(random: &mut Random, columns: &[(&str, &str)], bad_share: u64) -> (String, Result<String, String>) {
    let mut order: Vec<usize> = (0..columns.len()).collect();
    if random.below(4) == 0 {
        (1..order.len()).for_each(|index| order.swap(index, random.below(index as u64 + 1) as usize));
    }
    let space = |random: &mut Random| if random.below(10) == 0 { " \t" } else { "" };
    let mut members = Vec::new();
    let mut values = vec!["null"; columns.len()];
    let mut fault = None;
    for index in order {
        if random.below(30) == 0 {
            members.push(random.pick(&["\"x\":[1,2,{\"c0\":\"]\"}]", "\"\\u0063\":\"\\\"\"", "\"deep\":{\"a\":{}}"]).to_owned());
        }
        if random.below(30) == 0 {
            continue;
        }
        let (name, kind) = columns[index];
        let fits = random.below(100) >= bad_share;
        let literals: Vec<_> = literals(kind).into_iter().filter(|(_, value)| value.is_some() == fits).collect();
        let (text, value) = literals[random.below(literals.len() as u64) as usize];
        match value {
            Some(value) => values[index] = value,
            None => fault = fault.or(Some(name.to_owned())),
        }
        let name = if random.below(50) == 0 { name.replace('c', "\\u0063") } else { name.to_owned() };
        members.push(format!("\"{name}\"{}:{}{text}{}", space(random), space(random), space(random)));
    }
    let text = format!("{}{{{}{}}}{}", space(random), space(random), members.join(&format!(",{}", space(random))), space(random));
    let row: Vec<String> = columns.iter().zip(values).map(|((name, _), value)| format!("\"{name}\":{value}")).collect();
    (text, fault.map_or(Ok(format!("{{{}}}", row.join(","))), Err))
}

/// Lines with random damage: we take what `serde_json` takes, and the same text from it.
#[test]
fn damaged_lines_are_refused_as_serde_json_refuses_them() {
    let schema = schema(&[("a", "utf8"), ("b", "utf8")], None);
    let good = r#"{"a":"x\u0041\n","b":[1.5,-2e3,{"k":null}],"other":{"t":true,"f":false,"s":"q,}"}} "#;
    let mut random = Random::new(5);
    let (mut taken, mut refused) = (0, 0);
    for case in 0..60_000 {
        let mut text = good.as_bytes().to_vec();
        for _ in 0..=random.below(2) {
            let at = random.below(text.len() as u64) as usize;
            let byte =
                random.pick(&[b"{", b"}", b"[", b"]", b"\"", b",", b":", b"0", b"1", b".", b"e", b"-", b" ", b"u", b"t"])[0];
            match random.below(3) {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        let text = String::from_utf8(text).unwrap();
        let ours = parse_one(&schema, &text);
        let theirs: Option<serde_json::Map<String, Value>> = serde_json::from_str(&text).ok();
        match (ours, theirs) {
            (Ok(row), Some(theirs)) => {
                let row: Value = serde_json::from_str(&row).unwrap();
                if let Some(Value::String(a)) = theirs.get("a") {
                    assert_eq!(row["a"], Value::String(a.clone()), "case {case}: {text}");
                }
                taken += 1;
            }
            (Err(_), None) => refused += 1,
            // An escape in a value that nobody asked for is not looked at.
            (Ok(_), None) if !text.contains(r#""a":"x\u0041\n""#) => {}
            (Err(fault), Some(_)) if fault.reason.contains("twice") => {}
            (ours, theirs) => panic!("case {case}: {text}\nours {ours:?}\ntheirs {theirs:?}"),
        }
    }
    assert!(taken > 1_000 && refused > 10_000, "{taken} taken, {refused} refused");
}

#[test]
fn faults_say_what_is_wrong() {
    let schema = schema(&[("id", "int64!"), ("amount", "float64"), ("at", "time")], Some("at"));
    let fault = |text: &str| {
        let Fault { column, value, reason } = parse_one(&schema, text).unwrap_err();
        format!("{} '{}' {reason}", column.unwrap_or_default(), value.unwrap_or_default())
    };
    assert_eq!(fault(r#"{"id":"x"}"#), "id 'x' it is not a whole number of BIGINT");
    assert_eq!(fault(r#"{"id":1,"amount":[1,2],"at":1}"#), "amount '[1,2]' it is not a number of DOUBLE");
    assert!(
        fault(r#"{"id":1,"at":"noon"}"#)
            .starts_with("at 'noon' it is not a timestamp; accepted are 2024-05-31T14:00:00.123+02:00")
    );
    assert_eq!(fault(r#"{"id":1,"at":null}"#), "at 'null' the column is NOT NULL");
    assert_eq!(fault(r#"{"id":1}"#), "at '' the row does not have this column, which is NOT NULL");
    assert_eq!(fault(r#"{"id":1,"id":2}"#), "id '2}' the key occurs twice in the row");
    assert_eq!(fault(r#"{"id":1 "at":2}"#), "id '\"at\":2}' ',' or '}' must stand here, after the value");
    assert_eq!(fault(r#"{"id":1,"at":"#), "at '' the line ends after key 'at'");
    assert_eq!(fault(r#"{"id":1"#), "id '' the line ends after key 'id'");
    assert_eq!(fault(r#"{"id":1,"at":2}}"#), " '}' the line goes on after its object");
    assert_eq!(fault("[1]"), " '[1]' a JSON object must start here with '{'");
    assert_eq!(fault("{id:1}"), " 'id:1}' a key in quotes and a colon must stand here");
    assert_eq!(fault(r#"{"x":tru,"id":1}"#), "x 'tru,\"id\":1}' it is not a JSON value");
    let long = format!("{{\"id\":\"{}\"}}", "é".repeat(100));
    assert_eq!(fault(&long), format!("id '{}...' it is not a whole number of BIGINT", "é".repeat(60)));
}

#[test]
fn deep_nesting_and_many_keys_are_no_danger() {
    let schema = schema(&[("a", "int64")], None);
    let deep = format!("{{\"x\":{}1{},\"a\":1}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse_one(&schema, &deep).is_err());
    let keys: Vec<String> = (0..5_000).map(|index| format!("\"k{index}\":{index}")).collect();
    let wide = format!("{{{},\"a\":7}}", keys.join(","));
    let (rows, bad) = parse_all(&schema, &[wide.clone(), wide]);
    assert_eq!((rows.len(), rows[1].as_str(), bad.len()), (2, "{\"a\":7}", 0));
}
