#![allow(clippy::unwrap_used)]
use super::*;
use crate::format::{Encoder, Payloads, TextEncoder};
use crate::test_support::{Random, batch, lines, schema};

const COLUMNS: [(&str, &str); 4] = [("id", "int64!"), ("amount", "float64"), ("text", "utf8"), ("at", "time")];

fn decode(format: TextFormat, payloads: &[&[u8]], columns: &[usize]) -> (Vec<String>, Vec<String>) {
    let (schema, config) = (schema(&COLUMNS, None), TextConfig { line_bytes_max: 100, ..TextConfig::default() });
    let mut decoder = TextDecoder::new(format, &config, &schema, columns);
    let mut out = Columns::new(&schema.project(columns).unwrap(), config.timestamp_unit).unwrap();
    let faults = payloads.iter().filter_map(|payload| decoder.decode(payload, &mut out).err());
    let faults = faults.map(|fault| format!("{}: {}", fault.column.unwrap_or_default(), fault.reason)).collect();
    (lines(&out.take().unwrap()), faults)
}

#[test]
fn a_payload_is_a_row_however_it_is_laid_out() {
    let expected = [r#"{"id":1,"amount":2.5,"text":"a\nb","at":"2023-11-14T22:13:20.000Z"}"#.to_owned()];
    let json: [&[u8]; 3] = [
        br#"{"id":1,"amount":2.5,"text":"a\nb","at":1700000000000}"#,
        b"{\n  \"id\": 1,\r\n  \"amount\": 2.5,\n\"text\":\"a\\nb\",\"at\":\"2023-11-14T22:13:20Z\"\n}\n",
        br#" {"at":1700000000000,"text":"a\nb","other":[1],"amount":2.5,"id":1} "#,
    ];
    for payload in json {
        assert_eq!(decode(TextFormat::Json, &[payload], &[0, 1, 2, 3]), (expected.to_vec(), vec![]));
    }
    for payload in ["1,2.5,\"a\nb\",1700000000000", "1,2.5,\"a\nb\",2023-11-14T22:13:20Z\r\n"] {
        assert_eq!(decode(TextFormat::Csv, &[payload.as_bytes()], &[0, 1, 2, 3]), (expected.to_vec(), vec![]));
    }
    assert_eq!(decode(TextFormat::Csv, &[b"1,2.5,x,y"], &[0, 2]).0, [r#"{"id":1,"text":"x"}"#]);
}

#[test]
fn a_payload_that_is_no_row_leaves_nothing_behind() {
    let long = vec![b'x'; 101];
    let bad: [&[u8]; 6] = [b"", b"\n", b"{\"id\":1", b"{\"amount\":1}", b"{\"id\":2,\"text\":\"\xff\"}", &long];
    let mut payloads = vec![&b"{\"id\":1}"[..]];
    payloads.extend(bad);
    payloads.push(b"{\"id\":3}");
    let (rows, faults) = decode(TextFormat::Json, &payloads, &[0, 2]);
    assert_eq!(rows, [r#"{"id":1,"text":null}"#, r#"{"id":3,"text":null}"#]);
    let expected = [
        ": the payload is empty",
        ": the payload is empty",
        "id: the line ends after key 'id'",
        "id: the row does not have this column, which is NOT NULL",
        ": the byte 0xFF at position 17 of the row is not UTF-8",
        ": the row is longer than 100 bytes (option line_bytes_max)",
    ];
    assert_eq!(faults, expected);
    let payloads: [&[u8]; 5] = [b"1,2,3,4\n5,6,7,8", b"1,2,\"3\n,4", b"1,x,3,4", b"1,2", b"1,2,\"a\nb\",4\nx"];
    let (rows, faults) = decode(TextFormat::Csv, &payloads, &[0, 1]);
    assert_eq!((rows.len(), faults.len()), (0, 5), "{faults:?}");
    assert!(faults[0].contains("goes on behind its first row") && faults[4] == faults[0], "{faults:?}");
}

#[test]
fn what_is_encoded_is_decoded_as_it_was() {
    let schema = schema(&[("id", "int64"), ("text", "utf8"), ("at", "time")], None);
    let mut random = Random::new(5);
    for format in [TextFormat::Json, TextFormat::Csv] {
        let texts = ["", "a", ",", "\"", "\n", "\r\n", " ", "é", "null"];
        let rows: Vec<String> = (0..200)
            .map(|id| {
                let text: String = (0..random.below(4)).map(|_| random.pick(&texts)).collect();
                let at = random.between(0, 2_000_000_000_000);
                format!("{{\"id\":{id},\"text\":{},\"at\":{at}}}", serde_json::to_string(&text).unwrap())
            })
            .collect();
        let rows = batch(&schema, &rows.iter().map(String::as_str).collect::<Vec<_>>()).into_rows();
        let config = TextConfig::default();
        let mut payloads = Payloads::new();
        TextEncoder::new(format, &config.csv, schema.arrow().fields()).encode(&rows, &mut payloads).unwrap();
        assert_eq!((payloads.len(), payloads.iter().count()), (200, 200));
        let mut decoder = TextDecoder::new(format, &config, &schema, &[0, 1, 2]);
        let mut out = Columns::new(&schema, config.timestamp_unit).unwrap();
        payloads.iter().for_each(|payload| decoder.decode(payload, &mut out).unwrap());
        assert_eq!(lines(&out.take().unwrap()), lines(&rows), "{format:?}");
    }
}
