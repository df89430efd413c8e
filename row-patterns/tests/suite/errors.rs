//! Row patterns that are refused: errors name the place, the cause and the remedy.

use egret_core::{Result, StreamSchema};
use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, RowSkip, RowsPerMatch, parse_expression};
use egret_testkit::table;

fn schema() -> StreamSchema {
    table("key:int kind:text v:int at:time").schema
}

fn plain(pattern: &str) -> RowPattern {
    RowPattern {
        measures: vec![(parse_expression("LAST(v)").unwrap(), "last".into())],
        ..RowPattern::new(PatternExpr::parse(pattern).unwrap())
    }
}

fn compile(spec: &RowPattern) -> Result<CompiledRowPattern> {
    CompiledRowPattern::compile(spec, &schema(), vec![0], vec![(3, false)])
}

/// The error of a clause must contain these words, and a remedy.
fn refused(spec: &RowPattern, words: &str) {
    let error = compile(spec).err().unwrap_or_else(|| panic!("accepted: {spec:?}"));
    let text = error.to_string();
    assert!(text.contains(words), "'{words}' is missing in:\n{text}");
    assert!(text.contains("help"), "no remedy in:\n{text}");
}

#[test]
fn definitions() {
    for (condition, words) in [
        ("v", "DEFINE B: it is a value of type BIGINT, not a condition"),
        ("B.w > 1", "DEFINE B: "),
        ("D.v > 1", "'D.v': there is no variable 'D'"),
        ("B > 1", "'B' is a variable, not a value"),
        ("B.v.w > 1", "too many parts"),
        ("v > 'x'", "DEFINE B: "),
        ("FINAL LAST(v) > 1", "is final, but a definition is decided before the match is"),
        ("FINAL SUM(v) > 1", "is final, but a definition is decided before the match is"),
        ("PREV(FINAL LAST(v), 1) > 1", "is final"),
        ("RUNNING PREV(v) > 1", "PREV and NEXT are neither RUNNING nor FINAL"),
        ("RUNNING abs(v) > 1", "only FIRST, LAST and aggregates are RUNNING or FINAL"),
        ("PREV(v, v) > 1", "the second argument is not a whole number"),
        ("PREV(v, 9999999) > 1", "the second argument is not a whole number from 0 to 1000000"),
        ("LAST(v, -1) > 1", "the second argument is not a whole number"),
        ("PREV() > 1", "must have one or two arguments"),
        ("LAST(PREV(v)) > 1", "cannot stand inside"),
        ("SUM(LAST(v)) > 1", "cannot stand inside"),
        ("LAST(SUM(v)) > 1", "cannot stand inside"),
        ("LAST(A.v + B.v) > 1", "reads rows of different variables at a time"),
        ("SUM(A.v * B.v) > 1", "reads rows of different variables at a time"),
        ("SUM(kind) > 1", "cannot be computed over Utf8"),
        ("SUM(v) OVER () > 1", "cannot be used over a match"),
        ("SUM(v) FILTER (WHERE v > 1) > 1", "cannot be used over a match"),
        ("CLASSIFIER(D) = 'A'", "there is no variable 'D'"),
        ("CLASSIFIER(A, B) = 'A'", "takes the name of a variable"),
        ("COUNT(D.*) > 1", "there is no variable 'D'"),
        ("v IN (SELECT 1)", "a query cannot stand inside"),
        ("MATCH_NUMBER(1) > 1", "takes no argument"),
    ] {
        refused(&RowPattern { defines: vec![("B".into(), parse_expression(condition).unwrap())], ..plain("a b") }, words);
    }
}

#[test]
fn measures() {
    for (expression, words) in [
        ("w", "the measure 'm'"),
        ("X.v", "there is no variable 'X'"),
        ("LAST(A.v, B.v)", "the second argument is not a whole number"),
        ("NEXT(NEXT(v))", "cannot stand inside"),
        ("string_agg(v)", "the measure 'm'"),
    ] {
        refused(&RowPattern { measures: vec![(parse_expression(expression).unwrap(), "m".into())], ..plain("a b") }, words);
    }
    let twice = vec![(parse_expression("A.v").unwrap(), "m".into()), (parse_expression("B.v").unwrap(), "m".into())];
    refused(&RowPattern { measures: twice, ..plain("a b") }, "m");
}

#[test]
fn names_and_numbers() {
    let define = |name: &str| (name.to_owned(), parse_expression("v > 1").unwrap());
    refused(&RowPattern { defines: vec![define("C")], ..plain("a b") }, "DEFINE C: there is no variable 'C'");
    refused(&RowPattern { defines: vec![define("A"), define("A")], ..plain("a b") }, "DEFINE A: it is defined twice");
    let union = |name: &str, of: &[&str]| vec![(name.to_owned(), of.iter().map(|name| (*name).to_owned()).collect())];
    refused(&RowPattern { subsets: union("A", &["B"]), ..plain("a b") }, "SUBSET A: there is a variable of that name already");
    refused(&RowPattern { subsets: union("U", &["C"]), ..plain("a b") }, "SUBSET U: there is no variable 'C'");
    refused(&RowPattern { subsets: union("U", &[]), ..plain("a b") }, "SUBSET U unites nothing");
    let both = RowPattern { subsets: union("U", &["A"]), defines: vec![define("U")], ..plain("a b") };
    refused(&both, "DEFINE U: a union variable has no definition of its own");
    refused(
        &RowPattern { after_match: RowSkip::ToLast("C".into()), ..plain("a b") },
        "AFTER MATCH SKIP TO C: there is no variable",
    );
    refused(&RowPattern { within_us: Some(0), ..plain("a b") }, "WITHIN");
    let unmatched = RowPattern { rows_per_match: RowsPerMatch::AllWithUnmatched, ..plain("a {- b -}") };
    refused(&unmatched, "rows are excluded with {- -} while unmatched rows are to be shown");
    refused(&plain("((a{100}){100}){100}"), "the row pattern is too large");
    refused(&plain("PERMUTE(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)"), "PERMUTE has 15 elements, more than 14");
    refused(&plain("PERMUTE(a+, b+, c+, d+, e+, f+, g+, h+, i+, j+)"), "the row pattern is too large");
    let many: Vec<String> = (0..1_200).map(|index| format!("v{index}")).collect();
    refused(&plain(&many.join(" ")), "the pattern has 1200 variables");
}

#[test]
fn large_patterns_work() {
    let many: Vec<String> = (0..200).map(|index| format!("x{index}")).collect();
    for pattern in ["a{10000}", "a{1,10000}? b", &many.join(" "), &many.join(" | ")] {
        compile(&plain(pattern)).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn order_and_time() {
    let spec = plain("a b");
    let error = |order: Vec<(usize, bool)>| {
        CompiledRowPattern::compile(&spec, &schema(), vec![0], order).err().map_or_else(String::new, |error| error.to_string())
    };
    assert!(error(vec![(2, false)]).contains("ORDER BY does not begin with the event time at"), "{}", error(vec![(2, false)]));
    assert!(error(vec![(3, true)]).contains("ascending"), "{}", error(vec![(3, true)]));
    let timeless = table("key:int v:int").schema;
    let within = RowPattern { within_us: Some(5), ..plain("a b") };
    let text = CompiledRowPattern::compile(&within, &timeless, vec![0], vec![])
        .err()
        .map_or_else(String::new, |error| error.to_string());
    assert!(text.contains("WITHIN needs event time"), "{text}");
}

#[test]
fn what_never_matches_or_grows_is_warned_of() {
    let warnings = |spec: &RowPattern, unbounded: bool| compile(spec).unwrap().warnings(unbounded).join("\n");
    let never = RowPattern { defines: vec![("B".into(), parse_expression("v > 1 AND FALSE").unwrap())], ..plain("a b") };
    let text = warnings(&never, false);
    assert!(text.contains("the definition of B is never true") && text.contains("can never match"), "{text}");
    let grows = plain("a b* c");
    assert!(warnings(&grows, true).contains("B* may take any number of rows"), "{}", warnings(&grows, true));
    assert_eq!(warnings(&grows, false), "");
    assert_eq!(warnings(&RowPattern { within_us: Some(5), ..grows }, true), "");
    assert_eq!(warnings(&plain("a b{1,3} c"), true), "");
    assert!(warnings(&plain("a b $"), true).contains("last row of a partition"), "{}", warnings(&plain("a b $"), true));
}
