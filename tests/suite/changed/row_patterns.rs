//! SQL's row patterns. The rows since the first open start are kept, and the new text evaluates them again.

use super::support::{Change, Expected, Txn, check, pairs};

const FIRST: &[Txn] = &[(1, 7, 5.0, "x", 0), (2, 7, 8.0, "x", 10)];
const THEN: &[Txn] = &[(3, 7, 9.0, "x", 20), (4, 7, 90.0, "x", 30), (5, 7, 4.0, "x", 40), (6, 7, 70.0, "x", 50)];

/// It finds 1 to 3, then 4.
const BASE: &str = "SELECT * FROM txn MATCH_RECOGNIZE (PARTITION BY card ORDER BY at
  MEASURES FIRST(s.id) AS a, b.id AS b, MAX(s.amount) AS most
  ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
  PATTERN (s+ b)
  DEFINE s AS amount < 10, b AS amount > 80)";

fn named(name: &str, query: &str) -> &'static str {
    format!("CREATE STREAM {name} AS {query}; INSERT INTO out SELECT card, a, b FROM {name};").leak()
}

fn with(old: &str, new: &str) -> String {
    assert!(BASE.contains(old), "'{old}' is not in the text");
    BASE.replace(old, new)
}

fn change(name: &'static str, before: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before, after, first: FIRST, then: THEN, may_drop: false, expected }
}

fn goes_on(name: &'static str, after: &str, found: &str) -> Change {
    change(name, named("m", BASE), named("m", after), pairs(found))
}

fn refused(name: &'static str, before: &str, after: &str, said: &'static [&'static str]) -> Change {
    change(name, named("m", before), named("m", after), Expected::Refused(said))
}

#[test]
fn rows_that_are_open_are_looked_at_as_the_new_text_says() {
    check(&[
        goes_on("nothing", BASE, "1-4"),
        goes_on("the last condition", &with("> 80", "> 60"), "1-4 5-6"),
        // 8 and 9 are not s any more, so no s follows 1 and 5.
        goes_on("the first condition", &with("< 10", "< 6"), ""),
        goes_on("both conditions", &with("s AS amount < 10, b AS amount > 80", "s AS amount < 6, b AS amount > 60"), "5-6"),
        goes_on("PATTERN", &with("s+ b", "s{1} s b").replace("FIRST(s.id)", "LAST(s.id)"), "3-4"),
        goes_on("PATTERN, of other variables", &with("s+ b", "s t+ b"), "1-4"),
        goes_on("MEASURES", &with("FIRST(s.id)", "LAST(s.id)"), "3-4"),
        // From 1 to 4 it is 30 seconds, from 2 to 4 it is 20.
        goes_on("WITHIN", &with("(s+ b)", "(s+ b) WITHIN INTERVAL '25' SECOND"), "2-4"),
        goes_on("AFTER MATCH", &with("SKIP PAST LAST ROW", "SKIP TO NEXT ROW"), "1-4 2-4 3-4"),
        goes_on("SUBSET", &with("(s+ b)", "(s+ b) SUBSET u = (s, b)").replace("b.id", "LAST(u.id)"), "1-4"),
        refused(
            "a column that was not kept",
            BASE,
            &with("> 80", "> 80 AND device = 'x'"),
            &["'m: match_recognize", "'device' is needed now, and was not kept"],
        ),
        change(
            "a window that is gone",
            named("m", &with("(s+ b)", "(s+ b) WITHIN INTERVAL '25' SECOND")),
            named("m", BASE),
            pairs("1-4"),
        ),
    ]);
}

#[test]
fn what_depends_on_rows_that_are_gone_is_refused() {
    let of = |old, new| with(old, new);
    check(&[
        refused("PARTITION BY", BASE, &of("PARTITION BY card", "PARTITION BY card, device"), &["key was 'card Int64'"]),
        refused("ORDER BY", BASE, &of("ORDER BY at", "ORDER BY at, amount"), &["order was"]),
        refused("PREV", BASE, &of("> 80", "> 80 AND amount > PREV(amount)"), &["rows kept before a match, for PREV was '0'"]),
        refused(
            "MATCH_NUMBER",
            BASE,
            &of("b.id AS b", "b.id AS b, MATCH_NUMBER() AS n"),
            &["what is remembered of partitions was"],
        ),
        refused("the beginning of a partition", BASE, &of("s+ b", "^ s+ b"), &["what is remembered of partitions was"]),
    ]);
}

#[test]
fn a_row_pattern_is_known_by_its_statement() {
    let above = format!("-- three or more\n{}", named("m", BASE)).leak();
    let spaced =
        named("m", &BASE.replace("PATTERN (s+ b)", "PATTERN ( s+ /* some */\n b )").replace("DEFINE", "-- small\n DEFINE"));
    let elsewhere = format!(
        "CREATE SINK more WITH (connector = 'memory'); CREATE STREAM cheap AS SELECT id FROM txn WHERE amount < 5;
         INSERT INTO more SELECT id FROM cheap; {}",
        named("m", BASE)
    )
    .leak();
    let renamed = format!("CREATE STREAM n WITH (uid = 'm') AS {BASE}; INSERT INTO out SELECT card, a, b FROM n;").leak();
    check(&[
        change("a comment line above", named("m", BASE), above, pairs("1-4")),
        change("comments and white space", named("m", BASE), spaced, pairs("1-4")),
        change("its place", named("m", BASE), elsewhere, Expected::Rows(&["card=7 a=1 b=4", "more id=5"])),
        change("its name", named("m", BASE), named("n", BASE), Expected::Refused(&["'m: match_recognize", "is not in the job"])),
        change("its name, with the uid", named("m", BASE), renamed, pairs("1-4")),
    ]);
}

#[test]
fn two_that_swap_places_keep_their_state() {
    let second = |query: &str| {
        format!("CREATE SINK more WITH (connector = 'memory'); CREATE STREAM n AS {query}; INSERT INTO more SELECT a, b FROM n;")
    };
    let late = second(&with("> 80", "> 60").replace("< 10", "< 6"));
    let (one, other) = (named("m", BASE), late.as_str());
    check(&[change(
        "two in one program",
        format!("{one} {other}").leak(),
        format!("{other} {one}").leak(),
        Expected::Rows(&["card=7 a=1 b=4", "more a=5 b=6"]),
    )]);
}

/// This one runs as an event pattern: partial matches stay where the old text put them, as for `CREATE PATTERN`.
#[test]
fn one_that_runs_as_an_event_pattern_goes_on_as_one() {
    const SIMPLE: &str = "SELECT * FROM txn MATCH_RECOGNIZE (PARTITION BY card ORDER BY at MEASURES s.id AS a, b.id AS b
      ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (s x*? b) WITHIN INTERVAL '1' MINUTE
      DEFINE s AS amount < 10, b AS amount > 80)";
    let simple = |name, after: String, found| change(name, named("m", SIMPLE), named("m", &after), pairs(found));
    check(&[
        simple("nothing", SIMPLE.into(), "1-4"),
        simple("a threshold", SIMPLE.replace("> 80", "> 60"), "1-4 5-6"),
        simple("another one: 1 was taken by the old text", SIMPLE.replace("< 10", "< 3"), "1-4"),
        simple("a window", SIMPLE.replace("'1' MINUTE", "'25' SECOND"), "2-4"),
        change(
            "one that runs as a row pattern",
            named("m", SIMPLE),
            named("m", BASE),
            Expected::Refused(&["'m: match_recognize"]),
        ),
    ]);
}
