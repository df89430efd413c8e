//! Patterns: conditions, windows, strategies, columns, keys and steps.
//!
//! A partial match stays where the old text put it, and continues as the new text says. The last row before the stop waits for
//! the watermark, so the new text judges it.

use super::support::{Change, Expected, Txn, check, pairs};

/// Three small amounts before the stop; the last of them waits.
const FIRST: &[Txn] = &[(1, 7, 5.0, "x", 0), (2, 7, 8.0, "x", 10), (3, 7, 9.0, "x", 20)];
const THEN: &[Txn] = &[(4, 7, 70.0, "y", 30), (5, 7, 90.0, "x", 40), (6, 7, 4.0, "y", 50), (7, 7, 95.0, "y", 90)];

const BASE: &str = "MATCH a -> b DEFINE a AS amount < 10, b AS amount > 80 WITHIN INTERVAL '1' MINUTE
  SELECT card, a.id AS a, b.id AS b, a.amount AS spent";
/// The matches without a change.
const SAME: &str = "1-5 2-5 3-5 6-7";

/// A program of one pattern by card.
fn by_card(clauses: &str) -> &'static str {
    by("card", clauses)
}

fn by(key: &str, clauses: &str) -> &'static str {
    format!("CREATE PATTERN p ON txn PARTITION BY {key} {clauses}; INSERT INTO out SELECT card, a, b FROM p;").leak()
}

fn change(name: &'static str, before: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before, after, first: FIRST, then: THEN, may_drop: false, expected }
}

/// A change of the clauses, and the events of a and b in the expected matches.
fn goes_on(name: &'static str, before: &str, after: &str, found: &str) -> Change {
    change(name, by_card(before), by_card(after), pairs(found))
}

fn refused(name: &'static str, before: &str, after: &str, said: &'static [&'static str]) -> Change {
    change(name, by_card(before), by_card(after), Expected::Refused(said))
}

/// The base with some words replaced.
fn with(old: &str, new: &str) -> String {
    assert!(BASE.contains(old), "'{old}' is not in the text");
    BASE.replace(old, new)
}

#[test]
fn conditions_hold_from_the_stop_on() {
    check(&[
        goes_on("nothing", BASE, BASE, SAME),
        goes_on("the last step's threshold", BASE, &with("> 80", "> 60"), "1-4 2-4 3-4 6-7"),
        // The old text took 1 and 2. 3 waited; now 3, 4 and 6 are not events of a.
        goes_on("the first step's threshold", BASE, &with("< 10", "< 3"), "1-5 2-5"),
        // 70 begins a match that 90 completes.
        goes_on("a first step that takes more", BASE, &with("< 10", "< 75"), "1-5 2-5 3-5 4-5 6-7"),
        // 90 is above 11 * 5 and 11 * 8, and neither 90 nor 95 is above 11 * 9.
        goes_on("earlier events are read", BASE, &with("> 80", "> 80 AND amount > 11 * a.amount"), "1-5 2-5 6-7"),
        goes_on("earlier events are read no more", &with("> 80", "> 80 AND amount > 11 * a.amount"), BASE, SAME),
        goes_on("no condition at all", BASE, &with("b AS amount > 80", "b AS true"), "1-3 2-3 3-4 6-7"),
        refused(
            "a column that was not kept",
            BASE,
            &with("> 80", "> 80 AND device = 'x'"),
            &["pattern p", "'device' is needed now, and was not kept"],
        ),
    ]);
}

/// Forty small amounts that are open, and one row that makes the watermark pass them.
const MANY: [Txn; 41] = {
    let mut rows = [(99, 7, 50.0, "x", 50); 41];
    let mut row = 0;
    while row < 40 {
        rows[row] = (row as i64, 7, 0.1 * row as f64, "x", row as i64);
        row += 1;
    }
    rows
};

#[test]
fn partial_matches_that_are_kept_as_sets_are_told_apart() {
    let many = |name, after: &str, found: &str| Change {
        first: &MANY,
        then: &[(50, 7, 81.0, "x", 60)],
        ..goes_on(name, BASE, after, found)
    };
    let all: Vec<String> = (0..40).map(|id| format!("{id}-50")).collect();
    // Those of 1 to 39 s: at 60 s the one of 0 s has ended.
    let within = all[1..].join(" ");
    // 81 exceeds 30 times the amount for amounts up to 2.6, which is row 26.
    let dearer = all[1..=26].join(" ");
    check(&[
        many("nothing", BASE, &within),
        many("earlier events are read", &with("> 80", "> 80 AND amount > 30 * a.amount"), &dearer),
        many("no WITHIN", &with("WITHIN INTERVAL '1' MINUTE", ""), &all.join(" ")),
        many("a shorter WITHIN", &with("'1' MINUTE", "'30' SECOND"), &all[31..].join(" ")),
        many("the first match ends all others", &with("SELECT", "AFTER MATCH SKIP PAST LAST EVENT SELECT"), "1-50"),
        many("only two may be open", &format!("{BASE} WITH (max_partial_matches = 2, overflow = 'drop_oldest')"), "38-50 39-50"),
    ]);
}

#[test]
fn windows_hold_from_the_stop_on_also_for_what_is_open() {
    let late = with("> 80", "> 92");
    let window = |window: &str| late.replace("WITHIN INTERVAL '1' MINUTE", window);
    let events = |window: &str| with("INTERVAL '1' MINUTE", window);
    check(&[
        // The windows of 1, 2 and 3 end at 35, 45 and 55, that of 6 at 85.
        goes_on("shorter", BASE, &with("'1' MINUTE", "'35' SECOND"), "2-5 3-5"),
        goes_on("longer", &late, &window("WITHIN INTERVAL '75' SECOND"), "3-7 6-7"),
        // 1 ended at 15, before the stop.
        goes_on("longer, after some are over", &with("'1' MINUTE", "'15' SECOND"), BASE, "2-5 3-5 6-7"),
        goes_on("gone", &late, &window(""), "1-7 2-7 3-7 6-7"),
        goes_on("new", &window(""), &window("WITHIN INTERVAL '75' SECOND"), "3-7 6-7"),
        // From 1 to 5 there are five events, from 2 and from 3 fewer.
        goes_on("fewer events", &events("10 EVENTS"), &events("4 EVENTS"), "2-5 3-5 6-7"),
        goes_on("more events", &events("4 EVENTS"), &events("5 EVENTS"), SAME),
        goes_on("three events, as it was", &events("3 EVENTS"), &events("3 EVENTS"), "3-5 6-7"),
        goes_on("three events no more", &events("3 EVENTS"), &events("INTERVAL '1' MINUTE"), SAME),
        refused("events, new", BASE, &events("INTERVAL '1' MINUTE AND 4 EVENTS"), &["pattern p", "WITHIN 4 EVENTS is new"]),
        goes_on("of the event before, new", BASE, &with("a -> b", "a -> b WITHIN INTERVAL '25' SECOND OF PREVIOUS"), "3-5"),
        goes_on(
            "of the event before, longer",
            &with("a -> b", "a -> b WITHIN INTERVAL '15' SECOND OF PREVIOUS"),
            &with("a -> b", "a -> b WITHIN INTERVAL '35' SECOND OF PREVIOUS"),
            "2-5 3-5",
        ),
        // 1 times out at 35 and 6 at 85; the old text had no reader of time-outs.
        change(
            "time-outs are asked for",
            by_card(BASE),
            format!(
                "CREATE SINK more WITH (connector = 'memory'); {} INSERT INTO more SELECT a FROM p.timed_out;",
                by_card(&with("'1' MINUTE", "'35' SECOND"))
            )
            .leak(),
            Expected::Rows(&["card=7 a=2 b=5", "card=7 a=3 b=5", "more a=1", "more a=6"]),
        ),
    ]);
}

#[test]
fn what_a_match_puts_an_end_to_is_as_the_new_text_says() {
    let skip = |strategy: &str| with("SELECT", &format!("AFTER MATCH {strategy} SELECT"));
    let [none, next, past] = ["NO SKIP", "SKIP TO NEXT", "SKIP PAST LAST EVENT"].map(skip);
    check(&[
        goes_on("none to past the last event", &none, &past, "1-5 6-7"),
        goes_on("past the last event to none", &past, &none, SAME),
        goes_on("past the last event to the next", &past, &next, SAME),
        goes_on("to the first event of b", &next, &skip("SKIP TO FIRST b"), "1-5 6-7"),
    ]);
}

/// A match of 2 is complete before the stop, and waits for that of 1, for which no event is large enough.
#[test]
fn matches_that_wait_for_others_are_shown_when_nothing_is_skipped_any_more() {
    let text = "MATCH a -> b DEFINE a AS amount < 10, b AS amount > 12 AND amount < 2 * a.amount
      AFTER MATCH SKIP PAST LAST EVENT SELECT card, a.id AS a, b.id AS b";
    let first: &[Txn] = &[(1, 7, 6.5, "x", 0), (2, 7, 9.0, "x", 10), (3, 7, 15.0, "x", 20), (4, 7, 100.0, "x", 30)];
    let change =
        |name, after: &str, found: &str| Change { first, then: &[(5, 7, 12.5, "x", 40)], ..goes_on(name, text, after, found) };
    check(&[
        // 1-5 is complete at last and comes first. It removes 2, which began before 5.
        change("nothing", text, "1-5"),
        change("no strategy", &text.replace("AFTER MATCH SKIP PAST LAST EVENT", ""), "1-5 2-3"),
        // At the stop, that of 1 has ended.
        change("a window", &text.replace("AFTER MATCH", "WITHIN INTERVAL '25' SECOND AFTER MATCH"), "2-3"),
    ]);
}

#[test]
fn columns_of_matches_are_those_that_were_kept() {
    let select = |columns: &str| with("SELECT card, a.id AS a, b.id AS b, a.amount AS spent", columns);
    let ordered = |by: &str| format!("ORDER BY {by} {BASE}");
    check(&[
        goes_on("fewer columns", BASE, &select("SELECT card, a.id AS a, b.id AS b"), SAME),
        goes_on("other expressions of the same columns", BASE, &select("SELECT card, first(a.id) AS a, max(b.id) AS b"), SAME),
        refused(
            "a column that was not kept",
            BASE,
            &select("SELECT card, a.id AS a, b.id AS b, a.device AS device"),
            &["pattern p", "'device' is needed now, and was not kept"],
        ),
        goes_on(
            "a column that was kept and is not read any more",
            &select("SELECT card, a.id AS a, b.id AS b, a.device AS device"),
            &select("SELECT card, a.id AS a, b.id AS b"),
            SAME,
        ),
        goes_on("another order of events at one time", BASE, &ordered("at, amount"), SAME),
        refused("an order by a column that was not kept", BASE, &ordered("at, device"), &["'device' is needed now"]),
    ]);
}

#[test]
fn keys_are_known_by_their_columns_in_any_order() {
    let keyed = |name, key, after_key, expected| change(name, by(key, BASE), by(after_key, BASE), expected);
    check(&[
        // x has 1, 2, 3 and 5; y has 4, 6 and 7.
        keyed("the same columns in another order", "card, device", "device, card", pairs(SAME)),
        keyed("one column fewer", "card, device", "card", Expected::Refused(&["'pattern p': key was"])),
        keyed("another column", "card", "card, device", Expected::Refused(&["'pattern p': key was"])),
    ]);
    let typed = |of_type: &str, column: &str| {
        let view = format!("CAST({column} AS {of_type}) AS {column}");
        let columns = ["id", "card", "amount", "device"].map(|name| if name == column { view.clone() } else { name.into() });
        format!(
            "CREATE STREAM t AS SELECT {}, at FROM txn; CREATE PATTERN p ON t PARTITION BY card {BASE};
             INSERT INTO out SELECT CAST(card AS BIGINT) AS card, CAST(a AS BIGINT) AS a, CAST(b AS BIGINT) AS b FROM p;",
            columns.join(", ")
        )
        .leak() as &str
    };
    check(&[
        change("the key's type", typed("INT", "card"), typed("BIGINT", "card"), Expected::Refused(&["'pattern p': key was"])),
        change(
            "the type of a column that is kept",
            typed("INT", "id"),
            typed("BIGINT", "id"),
            Expected::Refused(&["'id' of the rows that are kept was 'Int32' and is now 'Int64'"]),
        ),
        change(
            "that of one that conditions read",
            typed("BIGINT", "amount"),
            typed("DOUBLE", "amount"),
            Expected::Refused(&["'amount' of the rows that are kept was 'Int64' and is now 'Float64'"]),
        ),
        change("a number that becomes a text", typed("TEXT", "device"), typed("TEXT", "id"), {
            Expected::Refused(&["'id' of the rows that are kept was 'Int64' and is now 'Utf8'"])
        }),
        change("nothing, behind a view", by_card(BASE), typed("TEXT", "device"), pairs(SAME)),
    ]);
}

#[test]
fn other_steps_are_refused_with_what_they_were() {
    const SEQUENCE: &[&str] = &["'pattern p': the sequence of variables was 'a b' and is now"];
    const WAYS: &[&str] = &["'pattern p': how they follow each other was"];
    let steps = |steps: &str| with("a -> b", steps);
    let renamed = with("a -> b", "small -> b").replace("a AS amount < 10", "small AS amount < 10").replace("a.", "small.");
    check(&[
        refused("a step's name", BASE, &renamed, SEQUENCE),
        refused("one step more", BASE, &steps_with("a -> c -> b", "c AS amount > 60"), SEQUENCE),
        refused("the order of steps", BASE, &steps("b -> a"), SEQUENCE),
        refused("how steps follow", BASE, &steps("a b"), WAYS),
        refused("any that follows", BASE, &steps("a ->> b"), WAYS),
        refused("a quantifier", BASE, &steps("a{2} -> b").replace("SELECT card, a.id", "SELECT card, first(a.id)"), SEQUENCE),
        refused("a repetition", BASE, &steps("a+ -> b").replace("SELECT card, a.id", "SELECT card, first(a.id)"), WAYS),
        refused("a negation", BASE, &steps_with("a -> !n -> b", "n AS amount > 60"), WAYS),
        refused("a negation that is gone", &steps_with("a -> !n -> b", "n AS amount > 60"), BASE, WAYS),
    ]);
}

/// The base with other steps and one definition more.
fn steps_with(steps: &str, definition: &str) -> String {
    with("a -> b", steps).replace("DEFINE", &format!("DEFINE {definition},"))
}

#[test]
fn negations_are_judged_by_the_new_text() {
    let between = |condition: &str| steps_with("a -> !n -> b", &format!("n AS {condition}"));
    let silence = |least: i64| {
        format!(
            "MATCH a -> !n DEFINE a AS amount < 10, n AS amount > {least} WITHIN INTERVAL '25' SECOND
             SELECT card, a.id AS a, a.id AS b"
        )
    };
    check(&[
        // 70 removes all that are open.
        goes_on("nothing", &between("amount > 60 AND amount < 80"), &between("amount > 60 AND amount < 80"), "6-7"),
        goes_on("nothing is forbidden", &between("amount > 60 AND amount < 80"), &between("amount < 0"), SAME),
        goes_on("something is", &between("amount < 0"), &between("amount = 70 AND a.amount > 6"), "1-5 6-7"),
        // The silences end at 25, 35, 45 and 75; 70 arrives at 30 and 90 at 40.
        goes_on("silence, as it was", &silence(60), &silence(60), "1-1 6-6"),
        goes_on("silence, of fewer", &silence(60), &silence(80), "1-1 2-2 6-6"),
        goes_on("silence, of more", &silence(80), &silence(60), "1-1 6-6"),
    ]);
}

#[test]
fn repetitions_and_groups_go_on() {
    let counted = |least: i64, many: &str| {
        format!(
            "MATCH a{many} -> b DEFINE a AS amount < 10, b AS amount > {least}
             SELECT card, first(a.id) AS a, b.id + 100 * count(a) AS b"
        )
    };
    let group = |least: i64| {
        format!(
            "MATCH (a -> c)+ -> b DEFINE a AS amount < 10, c AS amount > 8.5 AND amount < 80, b AS amount > {least}
             SELECT card, first(a.id) AS a, b.id AS b"
        )
    };
    check(&[
        // 1 and 2, and 2 and 3, both with 4; 3 and 6 with 7.
        goes_on("exactly two", &counted(80, "{2}"), &counted(60, "{2}"), "1-204 2-204 3-207"),
        // All three, the first two and the last two.
        Change { then: &THEN[..1], ..goes_on("two and more", &counted(80, "{2,}"), &counted(60, "{2,}"), "1-204 1-304 2-204") },
        // For 1 and 2, c is 3, which waited; for 3 it is 4. 90 completes all.
        goes_on("a group", &group(92), &group(80), "1-5 2-5 3-5"),
    ]);
}

#[test]
fn a_pattern_over_several_streams_goes_on_if_they_are_the_same() {
    const VIEWS: &str = "CREATE STREAM small AS SELECT id, card, amount, at FROM txn WHERE amount < 10;
      CREATE STREAM big AS SELECT id, card, amount, device, at FROM txn WHERE amount > 60;
      CREATE STREAM other AS SELECT id, card, amount, at FROM txn WHERE amount > 1000;";
    let of = |streams: &str, define: &str| {
        format!(
            "{VIEWS} CREATE PATTERN p ON {streams} PARTITION BY card MATCH a -> b DEFINE {define}
             SELECT card, a.id AS a, b.id AS b, a.amount AS spent; INSERT INTO out SELECT card, a, b FROM p;"
        )
        .leak() as &str
    };
    let base = of("small, big", "a ON small, b ON big AS amount > 80");
    check(&[
        change("nothing", base, base, pairs(SAME)),
        change("a threshold", base, of("small, big", "a ON small, b ON big"), pairs("1-4 2-4 3-4 6-7")),
        change(
            "earlier events are read",
            base,
            of("small, big", "a ON small AS amount > 0, b ON big AS amount > 11 * a.amount"),
            // 70 is above 55; 90 above 88; 95 above 44 and not above 99.
            pairs("1-4 2-5 6-7"),
        ),
        change(
            "the order of the streams",
            base,
            of("big, small", "a ON small, b ON big AS amount > 80"),
            Expected::Refused(&["'pattern p': the order of the streams was"]),
        ),
        change(
            "one stream more",
            base,
            of("small, big, other", "a ON small, b ON big AS amount > 80"),
            Expected::Refused(&["'pattern p': the order of the streams was"]),
        ),
        change(
            "a column of one that was not kept",
            base,
            of("small, big", "a ON small, b ON big AS amount > 80 AND device = 'x'"),
            Expected::Refused(&["is needed now, and was not kept"]),
        ),
    ]);
}
