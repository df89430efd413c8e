//! Row patterns held to the law: same input, same rows, however these are cut, wherever there is a restore.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use egret_core::{StreamSchema, job::Partitioning};
use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, RowSkip, RowsPerMatch, parse_expression};
use egret_testkit::{Case, Input, Random, check_law, table};
use std::sync::Arc;

const DELAY_US: i64 = 25;

fn schema() -> StreamSchema {
    table("card:int kind:text amount:float id:int at:time").schema
}

/// Random rows: three cards, nulls in every column, rows of the same time and equal rows, and some that come too late.
fn random_rows(seed: u64, count: usize) -> RecordBatch {
    let mut random = Random::new(seed);
    let (mut cards, mut kinds, mut amounts, mut ids, mut times) = (vec![], vec![], vec![], vec![], vec![]);
    for row in 0..count as i64 {
        cards.push((!random.chance(15)).then(|| random.between(0, 3)));
        kinds.push((!random.chance(10)).then(|| ["in", "out", "pay", ""][random.below(4)]));
        amounts.push((!random.chance(10)).then(|| random.between(1, 160) as f64 / 4.0));
        ids.push(random.between(0, 50));
        times.push((row * 4 + random.between(-40, 5)) / 3 * 3);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(cards)),
        Arc::new(StringArray::from(kinds)),
        Arc::new(Float64Array::from(amounts)),
        Arc::new(Int64Array::from(ids)),
        Arc::new(TimestampMicrosecondArray::from(times)),
    ];
    RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
}

fn spec(pattern: &str, defines: &[(&str, &str)], measures: &[&str]) -> RowPattern {
    let mut spec = RowPattern::new(PatternExpr::parse(pattern).unwrap());
    spec.defines = defines.iter().map(|(name, condition)| ((*name).to_owned(), parse_expression(condition).unwrap())).collect();
    let measure = |(index, text): (usize, &&str)| (parse_expression(text).unwrap(), format!("m{index}"));
    spec.measures = measures.iter().enumerate().map(measure).collect();
    spec
}

/// Holds a row pattern to the law, in each way to show its matches: in one split, and in three, one of which goes idle.
fn check(name: &str, spec: &RowPattern, keys: &[&str]) {
    let schema = schema();
    let columns = |names: &[&str]| -> Vec<usize> { names.iter().map(|name| schema.index_of(name).unwrap()).collect() };
    let excludes = spec.pattern.to_string().contains("{-");
    let last = if excludes { RowsPerMatch::AllOmitEmpty } else { RowsPerMatch::AllWithUnmatched };
    for rows_per_match in [RowsPerMatch::One, RowsPerMatch::AllShowEmpty, last] {
        let spec = RowPattern { rows_per_match, ..spec.clone() };
        let order = vec![(schema.index_of("at").unwrap(), false), (schema.index_of("id").unwrap(), true)];
        let compiled = CompiledRowPattern::compile(&spec, &schema, columns(keys), order).unwrap();
        let keys = compiled.key_columns();
        let partitioning = if keys.indexes().is_empty() { Partitioning::Gather } else { Partitioning::Hash(keys) };
        let input = Input::new(&schema).partitioned(partitioning).out_of_order_by(DELAY_US);
        let one = input.clone().split(random_rows(1, 150));
        let name = format!("{name}, {rows_per_match:?}");
        let shown = check_law(&Case::new(&name, compiled.factory()).input(one).seeds(24));
        assert!(!shown.is_empty(), "the row pattern '{name}' shows nothing, so nothing was tested");
        let three = input.split(random_rows(2, 70)).split(random_rows(3, 60)).idle_split(random_rows(4, 20));
        check_law(&Case::new(&format!("{name}, three splits"), compiled.factory()).input(three).seeds(12));
    }
}

#[test]
fn conditions_about_rows() {
    let down_up = spec(
        "start down+ up+",
        &[("DOWN", "amount < PREV(amount)"), ("UP", "amount > PREV(amount)")],
        &["START.id", "LAST(DOWN.amount)", "FINAL LAST(UP.amount)", "COUNT(*)", "MATCH_NUMBER()", "CLASSIFIER()"],
    );
    check("down and up", &down_up, &["card"]);
    check("down and up by text", &down_up, &["kind"]);
    check("down and up together", &down_up, &[]);
    let to_next = RowPattern { after_match: RowSkip::ToNextRow, ..down_up.clone() };
    check("down and up, to the next row", &to_next, &["card"]);
    let within = RowPattern { within_us: Some(60), ..down_up };
    check("down and up within", &within, &["card"]);
}

#[test]
fn rows_ahead_and_behind() {
    let ahead = spec(
        "a+? b",
        &[("A", "amount < NEXT(amount, 2) OR kind = 'in'"), ("B", "kind <> PREV(kind, 2)")],
        &["NEXT(B.amount, 2)", "PREV(FIRST(A.id), 3)", "LAST(A.amount, 1)", "NEXT(CLASSIFIER())"],
    );
    check("ahead", &ahead, &["card"]);
    check("ahead within", &RowPattern { within_us: Some(80), ..ahead }, &["card"]);
}

#[test]
fn conditions_about_the_match() {
    let sums = spec(
        "a+ b{1,2}? c?",
        &[("A", "SUM(A.amount) < 60"), ("B", "amount > AVG(A.amount) AND COUNT(*) > 2"), ("C", "amount < FIRST(amount)")],
        &[
            "SUM(A.amount)",
            "FINAL SUM(A.amount)",
            "MIN(B.id)",
            "FINAL MAX(id)",
            "COUNT(DISTINCT kind)",
            "array_agg(CLASSIFIER())",
        ],
    );
    check("sums", &sums, &["card"]);
    check(
        "sums within, to the next row",
        &RowPattern { within_us: Some(50), after_match: RowSkip::ToNextRow, ..sums },
        &["card"],
    );
    let labels = RowPattern {
        subsets: vec![("U".into(), vec!["A".into(), "B".into()])],
        after_match: RowSkip::ToLast("U".into()),
        ..spec(
            "x (a | b)+ c",
            &[("A", "amount < 20"), ("B", "amount > 10"), ("C", "CLASSIFIER(U) = 'B' AND id < LAST(U.id, 1)")],
            &["CLASSIFIER(U)", "FIRST(CLASSIFIER())", "LAST(A.id, 1)", "COUNT(U.*)", "C.id"],
        )
    };
    check("labels", &RowPattern { within_us: Some(100), ..labels }, &["card"]);
}

#[test]
fn empty_matches_exclusion_and_anchors() {
    let empty = spec("a*", &[("A", "amount < 15")], &["COUNT(*)", "MATCH_NUMBER()", "LAST(id)"]);
    check("empty", &empty, &["card"]);
    let excluded = spec("a {- b+ -} c", &[("A", "amount < 20"), ("B", "kind <> 'pay'")], &["COUNT(B.*)", "CLASSIFIER()"]);
    check("excluded", &excluded, &["card"]);
    let anchors = spec("^ a+? (b $ | c)", &[("C", "amount > 35")], &["COUNT(*)", "LAST(C.id)", "LAST(B.id)"]);
    check("anchors", &anchors, &["card"]);
    let permuted = spec(
        "PERMUTE(a, b, c?)",
        &[("A", "kind = 'in'"), ("B", "kind = 'out'"), ("C", "kind = 'pay'")],
        &["A.id", "B.id", "C.id"],
    );
    check("permuted", &permuted, &["card"]);
}

/// Rows and matches for which an expression cannot be computed are left out and reported once. (A definition that reads the match
/// so far is reported for the rows for which it is evaluated.)
#[test]
fn what_cannot_be_computed_is_said_once() {
    let defines = [("A", "100 / (id % 5) > 20"), ("B", "100 / (id % 7) < 40")];
    let spec = spec("A B+", &defines, &["sum(B.id)", "100 / (LAST(B.id) % 3)"]);
    check("bad rows", &spec, &["card"]);
}
