//! `MATCH_RECOGNIZE`: its tree, its faults, and any text at all.

use sqlparser::ast::{Expr, SetExpr, TableFactor};
use std::time::{Duration, Instant};

use super::{faults, for_seeds, one};
use crate::lex::lex;
use crate::*;

const WHOLE: &str = "\
INSERT INTO out SELECT m.card, é AS total FROM txn MATCH_RECOGNIZE (
  PARTITION BY card, t.shop
  ORDER BY at, amount DESC, id ASC
  MEASURES FINAL LAST(small.id) AS first_id, sum(u.amount) / 2 AS \"é\", classifier() AS label
  ALL ROWS PER MATCH WITH UNMATCHED ROWS
  AFTER MATCH SKIP TO FIRST big
  PATTERN (^ (small+? | \"Other\"{2,3}) /* é */ gap*? -- a comment
    big $) WITHIN INTERVAL '10' MINUTE
  SUBSET u = (small, big), v = (gap)
  DEFINE small AS amount < 10 AND prev(amount) > 5, big AS amount > RUNNING avg(small.amount)
) AS m WHERE é > 1";

/// The only MATCH_RECOGNIZE of a query, and its alias.
fn clause(text: &str) -> (MatchRecognize, Option<String>) {
    let query = match one(text) {
        Statement::Insert(insert) => insert.query,
        Statement::CreateStreamAs(stream) => stream.query,
        _ => panic!("no query: {text}"),
    };
    let SetExpr::Select(select) = query.tree.body.as_ref() else { panic!("{text}") };
    let factor = &select.from[0].joins.last().expect("a join stands for it").relation;
    let TableFactor::Table { alias, .. } = factor else { panic!("{text}") };
    let clause = query.match_recognize(factor).unwrap_or_else(|| panic!("{text}"));
    (clause.clone(), alias.as_ref().map(|alias| Name::normalise(&alias.name)))
}

fn query(body: &str) -> String {
    format!("INSERT INTO s SELECT * FROM t MATCH_RECOGNIZE ({body})")
}

#[test]
fn every_part_is_read() {
    let (clause, alias) = clause(WHOLE);
    let names = |names: &[Name]| names.iter().map(|name| name.text.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(alias.as_deref(), Some("m"));
    assert!(clause.span.of(WHOLE).starts_with("MATCH_RECOGNIZE (\n") && clause.span.of(WHOLE).ends_with("avg(small.amount)\n)"));
    assert_eq!(names(&clause.partition_by), "card shop");
    let order: Vec<_> = clause.order_by.iter().map(|order| (order.column.text.as_str(), order.descending)).collect();
    assert_eq!(order, [("at", false), ("amount", true), ("id", false)]);
    let measures: Vec<_> = clause.measures.iter().map(|m| (m.expr.text.as_str(), m.name.text.as_str())).collect();
    let expected = [("FINAL LAST(small.id)", "first_id"), ("sum(u.amount) / 2", "é"), ("classifier()", "label")];
    assert_eq!(measures, expected);
    assert_eq!(clause.measures[0].expr.tree.to_string(), "FINAL.LAST(small.id)");
    let (mode, span) = clause.rows_per_match.unwrap();
    assert_eq!((mode, span.of(WHOLE)), (RowsPerMatch::AllWithUnmatched, "ALL ROWS PER MATCH WITH UNMATCHED ROWS"));
    let (skip, span) = clause.after_match.unwrap();
    assert!(matches!(skip, AfterMatchSkip::ToFirst(name) if name.text == "big"));
    assert_eq!(span.of(WHOLE), "AFTER MATCH SKIP TO FIRST big");
    let pattern = clause.pattern;
    let words: Vec<&str> = pattern.text.split_whitespace().collect();
    assert_eq!(words, ["^", "(small+?", "|", "\"Other\"{2,3})", "gap*?", "big", "$"]);
    assert_eq!(pattern.text.len(), pattern.span.of(WHOLE).len());
    assert_eq!(pattern.span_at(pattern.text.find("gap").unwrap()).of(WHOLE), "gap");
    assert_eq!(pattern.span_at(pattern.text.find('|').unwrap()).of(WHOLE), "|");
    assert_eq!(pattern.span_at(pattern.text.len()).of(WHOLE), ")");
    assert_eq!(clause.within.unwrap().us, 600_000_000);
    let subsets: Vec<_> = clause.subsets.iter().map(|s| (s.name.text.as_str(), names(&s.variables))).collect();
    assert_eq!(subsets, [("u", "small big".to_owned()), ("v", "gap".to_owned())]);
    let defines: Vec<_> = clause.defines.iter().map(|d| (d.variable.text.as_str(), d.condition.tree.to_string())).collect();
    assert_eq!(defines[0], ("small", "amount < 10 AND prev(amount) > 5".to_owned()));
    assert_eq!(defines[1], ("big", "amount > RUNNING.avg(small.amount)".to_owned()));
}

#[test]
fn it_stands_behind_any_relation() {
    for (from, alias) in [
        ("t MATCH_RECOGNIZE (PATTERN (a))", None),
        ("t match_recognize(PATTERN (a)) m", Some("m")),
        ("t AS x MATCH_RECOGNIZE (PATTERN (a)) AS M", Some("m")),
        ("(SELECT * FROM t) MATCH_RECOGNIZE (PATTERN (a)) m", Some("m")),
        ("(SELECT * FROM t) AS x MATCH_RECOGNIZE (PATTERN (a)) m", Some("m")),
        ("TUMBLE(t, INTERVAL '1' HOUR) MATCH_RECOGNIZE (PATTERN (a)) m", Some("m")),
        ("t MATCH_RECOGNIZE (PATTERN (b)) AS x MATCH_RECOGNIZE (PATTERN (a)) AS m", Some("m")),
    ] {
        let (clause, name) = clause(&format!("CREATE STREAM s AS SELECT * FROM {from} WHERE x > 1"));
        assert_eq!((clause.pattern.text.as_str(), name.as_deref()), ("a", alias), "{from}");
    }
    // A table that only has this name is not a clause.
    let text = "INSERT INTO s SELECT match_recognize FROM t CROSS JOIN \"MATCH_RECOGNIZE\"";
    let Statement::Insert(insert) = one(text) else { panic!() };
    let SetExpr::Select(select) = insert.query.tree.body.as_ref() else { panic!() };
    assert!(insert.query.match_recognize(&select.from[0].joins[0].relation).is_none());
}

#[test]
fn rows_per_match_and_skips_in_every_spelling() {
    use RowsPerMatch::*;
    for (words, expected) in [
        ("", None),
        ("ONE ROW PER MATCH", Some(One)),
        ("ALL ROWS PER MATCH", Some(AllShowEmpty)),
        ("all rows per match show empty matches", Some(AllShowEmpty)),
        ("ALL ROWS PER MATCH OMIT EMPTY MATCHES", Some(AllOmitEmpty)),
        ("ALL ROWS PER MATCH WITH UNMATCHED ROWS", Some(AllWithUnmatched)),
    ] {
        let (clause, _) = clause(&query(&format!("{words} PATTERN (a)")));
        assert_eq!(clause.rows_per_match.map(|(mode, _)| mode), expected, "{words}");
    }
    for (words, expected) in [
        ("", "None"),
        ("PAST LAST ROW", "PastLastRow"),
        ("TO NEXT ROW", "ToNextRow"),
        ("TO FIRST A", "ToFirst(Name { text: \"a\""),
        ("TO LAST a", "ToLast(Name { text: \"a\""),
        ("TO a", "ToLast(Name { text: \"a\""),
    ] {
        let words = if words.is_empty() { String::new() } else { format!("AFTER MATCH SKIP {words}") };
        let (clause, _) = clause(&query(&format!("{words} PATTERN (a)")));
        let shown = clause.after_match.map_or("None".to_owned(), |(skip, _)| format!("{skip:?}"));
        assert!(shown.starts_with(expected), "{shown}");
    }
}

#[test]
fn final_and_running_stand_before_calls_only() {
    for (text, tree) in [
        ("final last(a.x) - first(a.x)", "final.last(a.x) - first(a.x)"),
        ("abs(RUNNING sum(a.x) - FINAL sum(a.x))", "abs(RUNNING.sum(a.x) - FINAL.sum(a.x))"),
        ("prev(FINAL last(x, 1), 2)", "prev(FINAL.last(x, 1), 2)"),
        ("final IN (1, 2)", "final IN (1, 2)"),
        ("running + 1", "running + 1"),
        ("FINAL(last(x))", "FINAL(last(x))"),
        ("count(a.*)", "count(a.*)"),
        ("\"final\" * 2", "\"final\" * 2"),
    ] {
        let (clause, _) = clause(&query(&format!("MEASURES {text} AS m PATTERN (a)")));
        assert_eq!(clause.measures[0].expr.tree.to_string(), tree);
        assert_eq!(clause.measures[0].expr.text, text);
    }
}

/// The faults of `MATCH_RECOGNIZE (body)`, with their help.
fn check(body: &str, place: &str, message: &str, help: &str) {
    let text = query(body);
    let (_, diagnostics) = parse(&text);
    let shown = render(&diagnostics, "test.egret", &text, false);
    assert_eq!(diagnostics.len(), 1, "{body}\n{shown}");
    let fault = &diagnostics[0];
    assert_eq!(fault.span().unwrap().of(&text), place, "{shown}");
    assert!(fault.message.contains(message), "{shown}");
    assert!(fault.help.as_deref().unwrap_or("").contains(help), "{shown}");
}

#[test]
fn faults_are_named_at_their_place() {
    check("", "MATCH_RECOGNIZE", "has no `PATTERN`", "PATTERN (a b+ c)");
    check("DEFINE a AS x > 1", "MATCH_RECOGNIZE", "has no `PATTERN`", "");
    check("DEFINE a AS x > 1 PATTERN (a)", "PATTERN", "stands at the wrong place", "`PATTERN`, `WITHIN`, `SUBSET`, `DEFINE`");
    check("PATTERN (a) MEASURES a.x AS x", "MEASURES", "stands at the wrong place", "the order is `PARTITION BY`, `ORDER BY`");
    check("PATTERN (a) PATTERN (b)", "PATTERN", "stands twice", "remove one");
    check("PARTITION card PATTERN (a)", "card", "expected `BY`", "called `PARTITION BY`");
    check("ONE ROW PR MATCH PATTERN (a)", "PR", "expected `PER`", "did you mean `PER`?");
    check("ALL ROWS PER MATCH SHOW EMPTY PATTERN (a)", "PATTERN", "expected `MATCHES`", "");
    check("ALL ROWS PER MATCH ALWAYS PATTERN (a)", "ALWAYS", "`SHOW EMPTY MATCHES`, `OMIT EMPTY MATCHES`", "");
    check("ONE ROW PER MATCH ALL ROWS PER MATCH PATTERN (a)", "ALL ROWS PER MATCH", "either one row or all", "remove one");
    check("MEASURS a.x AS x PATTERN (a)", "MEASURS", "expected `PARTITION BY`", "did you mean `MEASURES`?");
    check("PATERN (a)", "PATERN", "expected", "did you mean `PATTERN`?");
    check("MEASURES a.x PATTERN (a)", "PATTERN", "expected `AS`", "`a.x AS name`");
    check("MEASURES a.x x PATTERN (a)", "x", "expected `AS`", "`a.x AS name`");
    check("MEASURES a.x AS x, b.x AS x PATTERN (a b)", "x", "the measure `x` stands twice", "remove one");
    check("MEASURES AS x PATTERN (a)", "AS", "expected an expression", "");
    check("PARTITION BY upper(x) PATTERN (a)", "upper", "not an expression", "CREATE STREAM ... AS");
    check("ORDER BY at NULLS FIRST PATTERN (a)", "NULLS", "expected the end of the column", "nulls");
    check("AFTER MATCH PATTERN (a)", "PATTERN", "expected `SKIP`", "");
    check("AFTER MATCH SKIP PAST LAST EVENT PATTERN (a)", "EVENT", "expected `ROW`", "");
    check("AFTER MATCH SKIP TO NEXT PATTERN (a)", "PATTERN", "expected `ROW`", "");
    check("AFTER MATCH SKIP TO PATTERN (a)", "PATTERN", "expected `NEXT`, `FIRST`, `LAST` or a variable", "");
    check("PATTERN a b", "a", "expected `(`", "stands in brackets");
    check("PATTERN (a) WITHIN 10 MINUTE", "10", "expected a length of time", "INTERVAL '10' MINUTE");
    check("PATTERN (a) WITHIN INTERVAL '0' MINUTE", "INTERVAL '0' MINUTE", "is nothing", "");
    check("PATTERN (a) SUBSET u (a)", "(", "expected `=`", "");
    check("PATTERN (a) SUBSET u = a", "a", "expected `(`", "");
    check("PATTERN (a) SUBSET u = (a), u = (a)", "u", "the subset `u` stands twice", "");
    check("PATTERN (a) DEFINE a x > 1", "x", "expected `AS`", "");
    check("PATTERN (a) DEFINE a AS x >", ")", "expected an expression", "");
    check("PATTERN (a) DEFINE a AS x > 1, a AS x > 2", "a", "the definition of `a` stands twice", "");
    check("PATTERN (a) DEFINE a AS x > 1 extra", "extra", "expected `,`", "");
    check("PATTERN (a) DEFINE a AS x > 1, select AS 2", "select", "expected a variable", "quote it");
}

#[test]
fn one_fault_does_not_hide_the_others() {
    let found = faults(
        "INSERT INTO s SELECT x, FROM t MATCH_RECOGNIZE (
           PARTITON BY card MEASURES a.x, b.x AS 'x', c.x AS y PATTERN (a) WITHIN 5 DEFINE a AS (x, b AS < 3);
         INSERT INTO s SELCT 1;",
    );
    assert!(found.iter().any(|(place, _)| *place == "SELCT"), "{found:?}");
    let text = query("PARTITON BY card MEASURES a.x, b.x AS 'x', c.x AS y PATTERN (a) WITHIN 5 DEFINE a AS x >, b AS < 3");
    let found = faults(&text);
    let places: Vec<&str> = found.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, ["PARTITON", ",", "'x'", "5", ",", "<"], "{found:?}");
}

#[test]
fn the_keyword_and_its_brackets() {
    let check = |text: &str, place: &str, message: &str| {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, place, "{found:?}");
        assert!(found[0].1.contains(message), "{found:?}");
    };
    check("INSERT INTO s SELECT * FROM t MATCH_RECOGNISE (PATTERN (a))", "MATCH_RECOGNISE", "expected `MATCH_RECOGNIZE`");
    check("INSERT INTO s SELECT * FROM t MATCH_RECOGNIZE (PATTERN (a)", "(", "never closed");
    check("INSERT INTO s SELECT * FROM t MATCH_RECOGNIZE PATTERN (a)", "PATTERN", "expected");
    check("INSERT INTO s SELECT * FROM MATCH_RECOGNIZE (PATTERN (a))", "MATCH_RECOGNIZE", "expected");
    check("INSERT INTO s SELECT 1 + MATCH_RECOGNIZE (PATTERN (a)) FROM t", "MATCH_RECOGNIZE", "expected");
    check("INSERT INTO s SELECT * FROM t MATCH_RECOGNIZE (PATTERN (a)) extra words", "words", "expected");
}

/// Any text gives a tree or faults with a place, quickly.
fn survive(text: &str) {
    let start = Instant::now();
    let (_, diagnostics) = parse(text);
    for diagnostic in &diagnostics {
        let span = diagnostic.span().expect("every fault has a place");
        assert!(text.get(span.range()).is_some(), "{span:?} in {text:?}");
    }
    let _ = render(&diagnostics, "fuzz.egret", text, false);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}: {text:.200}", start.elapsed());
}

#[test]
fn any_text_at_all() {
    for end in (0..=WHOLE.len()).filter(|end| WHOLE.is_char_boundary(*end)) {
        survive(&WHOLE[..end]);
        survive(&format!("{};", &WHOLE[end..]));
    }
    let (source, _) = lex(WHOLE);
    let whole: Vec<&str> = source.tokens().iter().map(|token| token.span.of(WHOLE)).collect();
    let others =
        ["FINAL", "RUNNING", "(", ")", "{", "}", "$$", "'", "/*", ";", "é", "MATCH_RECOGNIZE", "JOIN", "AS", "SELECT", ","];
    for_seeds(600, |random| {
        let mut tokens = whole.clone();
        for _ in 0..random.usize(1..6) {
            let place = random.usize(..tokens.len());
            let other = match random.bool() {
                true => others[random.usize(..others.len())],
                false => whole[random.usize(..whole.len())],
            };
            match random.u8(..4) {
                0 => drop(tokens.remove(place)),
                1 => tokens.insert(place, tokens[place]),
                2 => tokens[place] = other,
                _ => tokens.insert(place, other),
            }
        }
        survive(&tokens.join([" ", "", "\n"][random.usize(..3)]));
    });
    let deep = |open: &str, close: &str, depth: usize| format!("{}a{}", open.repeat(depth), close.repeat(depth));
    for depth in [20, 60, 10_000] {
        survive(&query(&format!("PATTERN ({}) DEFINE a AS x > 1", deep("(", ")", depth))));
        survive(&query(&format!("PATTERN (a) DEFINE a AS {}", deep("FINAL last(", ")", depth))));
        survive(&query(&format!("PATTERN (a) DEFINE a AS {}", "FINAL last(".repeat(depth))));
        survive(&format!("INSERT INTO s SELECT * FROM {}", deep("(SELECT * FROM t MATCH_RECOGNIZE (PATTERN (x)) ", ")", depth)));
        survive(&format!("INSERT INTO s SELECT * FROM t {}", "MATCH_RECOGNIZE (PATTERN (a)) ".repeat(depth)));
        survive(&"MATCH_RECOGNIZE (".repeat(depth));
    }
    let names: Vec<String> = (0..300).map(|number| format!("v{number}")).collect();
    survive(&query(&format!("PATTERN ({})", names.join("* "))));
}

#[test]
fn columns_in_expressions_have_their_place() {
    let text = query("MEASURES FINAL last(a.x) + é AS m PATTERN (a)");
    let (clause, _) = clause(&text);
    let places: Vec<&str> = clause.measures[0].expr.identifiers().iter().map(|(_, span)| span.of(&text)).collect();
    assert_eq!(places, ["a.x", "é"]);
    let Expr::BinaryOp { left, .. } = &clause.measures[0].expr.tree else { panic!() };
    assert_eq!(clause.measures[0].expr.span_of_expr(left).of(&text), "FINAL last(a.x)");
}
