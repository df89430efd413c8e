//! Row patterns on endless and on hostile input: when matches are output, what state is kept, and where the limits are.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use egret_core::job::Partitioning;
use egret_core::{Batch, EventTime, MAIN, Result, StreamSchema};
use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, RowSkip, RowsPerMatch, parse_expression};
use egret_testkit::{Harness, show, table};
use std::sync::Arc;

fn schema() -> StreamSchema {
    table("key:int kind:text v:int at:time").schema
}

/// A clause with those of the definitions whose variables the pattern has.
fn spec(pattern: &str, defines: &[(&str, &str)], measures: &[(&str, &str)]) -> RowPattern {
    let mut spec = RowPattern::new(PatternExpr::parse(pattern).unwrap());
    let variables: Vec<String> = spec.pattern.variables().into_iter().map(str::to_owned).collect();
    let used = defines.iter().filter(|(name, _)| variables.iter().any(|variable| variable == name));
    spec.defines = used.map(|(name, condition)| ((*name).to_owned(), parse_expression(condition).unwrap())).collect();
    spec.measures = measures.iter().map(|(text, name)| (parse_expression(text).unwrap(), (*name).to_owned())).collect();
    spec
}

fn compile(spec: &RowPattern, keyed: bool) -> CompiledRowPattern {
    let partition = if keyed { vec![0] } else { vec![] };
    CompiledRowPattern::compile(spec, &schema(), partition, vec![(3, false)]).unwrap()
}

fn harness(compiled: &CompiledRowPattern) -> Harness {
    let keys = compiled.key_columns();
    let partitioning = if keys.indexes().is_empty() { Partitioning::Gather } else { Partitioning::Hash(keys) };
    Harness::new(compiled.factory(), vec![partitioning], 1).unwrap()
}

/// Rows of one key, one per letter and millisecond; `v` counts them.
fn rows(kinds: &str, from: i64) -> RecordBatch {
    let all = || from..from + kinds.len() as i64;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(all().map(|_| 7))),
        Arc::new(StringArray::from_iter_values(kinds.chars().map(|kind| kind.to_string()))),
        Arc::new(Int64Array::from_iter_values(all())),
        Arc::new(TimestampMicrosecondArray::from_iter_values(all())),
    ];
    RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
}

/// The output after each row and its watermark: first and last row of each match.
fn as_they_come(spec: &RowPattern, kinds: &str) -> Vec<String> {
    let compiled = compile(spec, true);
    let mut harness = harness(&compiled);
    let shown = |harness: &mut Harness| {
        let text = show(&harness.take(MAIN));
        text.lines()
            .skip(1)
            .map(|line| line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join("-"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let mut found = Vec::new();
    for (row, kind) in kinds.chars().enumerate() {
        harness.feed(0, Batch::new(rows(&kind.to_string(), row as i64), &schema()).unwrap()).unwrap();
        harness.watermark(0, EventTime(row as i64 + 1)).unwrap();
        found.push(shown(&mut harness));
    }
    harness.finish().unwrap();
    found.push(shown(&mut harness));
    found
}

const KINDS: [(&str, &str); 3] = [("A", "kind = 'a'"), ("B", "kind = 'b'"), ("C", "kind = 'c'")];
const ENDS: [(&str, &str); 2] = [("FIRST(v)", "first"), ("LAST(v)", "last")];

#[test]
fn a_match_leaves_as_soon_as_no_later_row_can_change_it() {
    let found = |pattern: &str, kinds: &str| as_they_come(&spec(pattern, &KINDS, &ENDS), kinds);
    assert_eq!(found("a b", "abxab"), ["", "0-1", "", "", "3-4", ""]);
    assert_eq!(found("a b+", "abbxab"), ["", "", "", "0-2", "", "", "4-5"], "another b would be part of it");
    assert_eq!(found("a b+?", "abbxab"), ["", "0-1", "", "", "", "4-5", ""]);
    assert_eq!(found("a (b | b c)", "abcab"), ["", "0-1", "", "", "3-4", ""]);
    assert_eq!(found("a (b c | b)", "abcabx"), ["", "", "0-2", "", "", "3-4", ""]);
    assert_eq!(found("a b{1,2}", "abbb"), ["", "", "0-2", "", ""]);
    assert_eq!(found("a b $", "abab"), ["", "", "", "", "2-3"], "only the end of the input says which row is last");
}

#[test]
fn time_ends_what_within_forbids() {
    let greedy = RowPattern { within_us: Some(3), ..spec("a b*", &KINDS, &ENDS) };
    assert_eq!(as_they_come(&greedy, "abbbb"), ["", "", "0-2", "", "", ""], "the watermark passes the window");
    let looks_on = spec("a b", &KINDS, &[("FIRST(v)", "first"), ("NEXT(LAST(v), 2)", "next")]);
    assert_eq!(as_they_come(&looks_on, "abxy"), ["", "", "", "0-3", ""], "a measure waits for the row that it reads");
    let ahead = spec("a b", &[("A", "NEXT(kind, 2) = 'c'"), ("B", "kind = 'b'")], &ENDS);
    assert_eq!(as_they_come(&ahead, "abcab"), ["", "", "", "0-1", "", ""], "a definition, too, here for two rows");
}

#[test]
fn nothing_is_kept_of_what_cannot_match() {
    let compiled = compile(&RowPattern { within_us: Some(100), ..spec("a x*? b", &KINDS, &ENDS) }, true);
    let mut harness = harness(&compiled);
    let mut most = 0;
    for part in 0..200 {
        harness.feed(0, Batch::new(rows(&"a".repeat(1_000), part * 1_000), &schema()).unwrap()).unwrap();
        harness.watermark(0, EventTime((part + 1) * 1_000)).unwrap();
        most = most.max(harness.state_size().bytes);
    }
    assert!(most < 1_000_000, "{most} bytes of state for a hundred rows that may still match");
    harness.watermark(0, EventTime(1_000_000)).unwrap();
    assert_eq!(harness.state_size().keys, 0, "all windows have passed");
    assert!(harness.take(MAIN).is_empty());
}

#[test]
fn patterns_that_explode_elsewhere_take_linear_time() {
    let rows = rows(&"a".repeat(20_000), 0);
    for pattern in [
        "(a+)+ b",
        "(a*)* b",
        "(a | a)* b",
        "((a+)+ | (a+)+)+ b",
        "a{0,30} a{0,30} a{30} b",
        "(a? a?){20} b",
        "PERMUTE(a+, a, a*, a) b",
        "(a (a | x)*?)+ b",
    ] {
        let compiled = compile(&spec(pattern, &KINDS, &ENDS), false);
        assert_eq!(compiled.match_rows(&rows).unwrap().num_rows(), 0, "{pattern}");
        let within = compile(&RowPattern { within_us: Some(2_000), ..spec(pattern, &KINDS, &ENDS) }, false);
        assert_eq!(within.match_rows(&rows).unwrap().num_rows(), 0, "{pattern} within 2000 ms");
    }
}

#[test]
fn conditions_over_the_match_are_bounded() {
    let rows = rows(&"a".repeat(3_000), 0);
    let found = |compiled: &CompiledRowPattern| -> Result<usize> { Ok(compiled.match_rows(&rows)?.num_rows()) };
    // Ways to match that have the same sums are merged.
    let sums =
        spec("(a | x)+ y", &[("A", "COUNT(*) > 0"), ("X", "v > FIRST(v)"), ("Y", "SUM(v) < 0 AND COUNT(*) > 2900")], &ENDS);
    assert_eq!(found(&compile(&RowPattern { within_us: Some(40), ..sums }, false)).unwrap(), 0);
    // Here all ways differ.
    let labels = spec("(a | x)* y", &[("Y", "LAST(A.v, 1) > LAST(X.v, 2) AND kind = 'b'")], &ENDS);
    let compiled = compile(&labels, false).with_max_ways_per_key(5_000);
    let error = compiled.clone().with_overflow_fails(true).match_rows(&rows_with_end()).unwrap_err().to_string();
    assert!(error.contains("all rows") && error.contains("more than 5000 ways"), "{error}");
    assert!(error.contains("WITHIN"), "{error}");
    let told = compiled.describe().join("\n");
    assert!(told.contains("at most 5000 a key"), "{told}");
}

/// Many rows of a, and a b that lets the search begin.
fn rows_with_end() -> RecordBatch {
    rows(&format!("{}b", "a".repeat(100)), 0)
}

#[test]
fn rows_of_an_open_match_are_bounded() {
    let compiled = compile(&spec("a b* c", &KINDS, &ENDS), true).with_max_rows_per_key(1_000);
    let mut harness = harness(&compiled);
    harness.feed(0, Batch::new(rows(&format!("a{}", "b".repeat(900)), 0), &schema()).unwrap()).unwrap();
    harness.watermark(0, EventTime(901)).unwrap();
    harness.feed(0, Batch::new(rows(&"b".repeat(900), 901), &schema()).unwrap()).unwrap();
    let error = harness.watermark(0, EventTime(2_000)).unwrap_err().to_string();
    assert!(error.contains("the key 7 has more than 1000 rows"), "{error}");
    assert!(error.contains("WITHIN"), "{error}");
}

#[test]
fn skipping_to_a_row_that_is_not_there_is_an_error() {
    let to = |skip: RowSkip| {
        let spec = RowPattern { after_match: skip, rows_per_match: RowsPerMatch::AllShowEmpty, ..spec("a b? c", &KINDS, &ENDS) };
        compile(&spec, true).match_rows(&rows("abcac", 0)).map(|rows| rows.num_rows()).map_err(|error| error.to_string())
    };
    assert_eq!(to(RowSkip::ToFirst("C".into())), Ok(5));
    let missing = to(RowSkip::ToLast("B".into())).unwrap_err();
    assert!(missing.contains("the key 7: a match has no row of 'B' to skip to"), "{missing}");
    let first = to(RowSkip::ToFirst("A".into())).unwrap_err();
    assert!(first.contains("the row of 'A' to skip to is the first of the match"), "{first}");
}
