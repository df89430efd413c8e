//! Row patterns that run as event patterns find the matches that SQL prefers, and no text makes a planner panic.

use super::match_recognize::{STREAM, csv, run_program};
use egret::prelude::*;
use std::fmt::Write as _;

/// A splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

#[derive(Clone, Copy)]
struct Row {
    id: u64,
    key: u64,
    v: u64,
    w: Option<u64>,
    at: i64,
}

/// A condition as text, and as a function of the row and the rows of the first variable.
type Condition = (&'static str, fn(&Row, &[Row]) -> bool);

const CONDITIONS: [Condition; 13] = [
    ("v < 3", |row, _| row.v < 3),
    ("v >= 5", |row, _| row.v >= 5),
    ("v = 4", |row, _| row.v == 4),
    ("w <> 2", |row, _| row.w.is_some_and(|w| w != 2)),
    ("NOT (w > 1)", |row, _| row.w.is_some_and(|w| w <= 1)),
    ("v + w < 6", |row, _| row.w.is_some_and(|w| row.v + w < 6)),
    ("v % 3 = 0", |row, _| row.v % 3 == 0),
    ("w IS NULL", |row, _| row.w.is_none()),
    // Not for the first variable.
    ("v > a0.v", |row, a0| row.v > a0[a0.len() - 1].v),
    ("v <> first(a0.v) AND w < 3", |row, a0| row.v != a0[0].v && row.w.is_some_and(|w| w < 3)),
    ("v >= max(a0.v)", |row, a0| a0.iter().all(|other| row.v >= other.v)),
    ("v < sum(a0.v) - last(a0.v, 0)", |row, a0| a0[..a0.len() - 1].iter().map(|other| other.v).sum::<u64>() > row.v),
    ("w = a0.w", |row, a0| row.w.is_some() && row.w == a0[a0.len() - 1].w),
];

/// The opposites of the first three.
const OPPOSITES: [Condition; 3] =
    [("v >= 3", |row, _| row.v >= 3), ("NOT (v >= 5)", |row, _| row.v < 5), ("v <> 4", |row, _| row.v != 4)];

const ANY: Condition = ("TRUE", |_, _| true);

/// A position of a pattern: one row, or a gap.
#[derive(Clone, Copy)]
struct Position {
    gap: bool,
    condition: Condition,
}

/// A row pattern, as text and as positions.
struct Pattern {
    body: String,
    positions: Vec<Position>,
    /// How many rows each variable takes.
    counts: Vec<usize>,
    partition: bool,
    within_ms: Option<i64>,
    to_next_row: bool,
}

fn random_pattern(random: &mut Random) -> Pattern {
    let (mut text, mut defines, mut measures, mut positions) = (String::new(), Vec::new(), Vec::new(), Vec::new());
    let mut counts = Vec::new();
    let takes = 2 + random.below(3);
    for index in 0..takes {
        let chosen = random.below(if index == 0 { 9 } else { 16 }) as usize;
        let usable = &CONDITIONS[..if index == 0 { 8 } else { 13 }];
        let condition = usable.get(chosen).copied().unwrap_or(ANY);
        // Rows may be consecutive up to the first gap.
        let beside = index == 0 || (!text.contains('?') && random.below(3) == 0);
        if !beside {
            let gap = OPPOSITES.get(chosen).copied().filter(|_| random.below(2) == 0);
            defines.extend(gap.map(|(opposite, _)| format!("x{index} AS {opposite}")));
            write!(text, "x{index}*? ").unwrap();
            positions.push(Position { gap: true, condition: gap.unwrap_or(ANY) });
        }
        let count = if beside { random.pick(&[1, 1, 2]) } else { 1 };
        write!(text, "a{index}{} ", if count > 1 { "{2}" } else { "" }).unwrap();
        counts.push(count);
        positions.extend((0..count).map(|_| Position { gap: false, condition }));
        if condition.0 != "TRUE" || random.below(2) == 0 {
            defines.push(format!("a{index} AS {}", condition.0));
        }
        measures.extend([format!("first(a{index}.id) AS first{index}"), format!("a{index}.id AS last{index}")]);
    }
    let partition = random.below(3) > 0;
    let within_ms = (random.below(3) > 0).then(|| 1 + random.below(20_000) as i64);
    let within = within_ms.map_or(String::new(), |ms| format!("WITHIN INTERVAL '{ms}' MILLISECOND"));
    let to_next_row = random.below(2) == 0;
    let skip = if to_next_row { "AFTER MATCH SKIP TO NEXT ROW" } else { random.pick(&["", "AFTER MATCH SKIP PAST LAST ROW"]) };
    let define = if defines.is_empty() { String::new() } else { format!("DEFINE {}", defines.join(", ")) };
    let by = if partition { "PARTITION BY key" } else { "" };
    let body = format!("{by} ORDER BY at, id MEASURES {} {skip} PATTERN ({text}) {within} {define}", measures.join(", "));
    Pattern { body, positions, counts, partition, within_ms, to_next_row }
}

/// Rows out of order by up to two seconds, with ties in time.
fn random_rows(random: &mut Random) -> Vec<Row> {
    let mut time = 1_700_000_000_000;
    (0..20 + random.below(120))
        .map(|id| {
            time += random.below(5) as i64 * 400;
            let w = (random.below(6) > 0).then(|| random.below(4));
            Row { id, key: random.below(3), v: random.below(8), w, at: time - random.below(5) as i64 * 400 }
        })
        .collect()
}

/// The matches that SQL prefers, found by trying everything in the order of preference: the ids of the rows that are not in gaps.
fn slow_matches(pattern: &Pattern, rows: &[Row]) -> Vec<Vec<u64>> {
    fn search(rows: &[Row], start: usize, at: usize, positions: &[Position], pattern: &Pattern) -> Option<(Vec<u64>, usize)> {
        let Some((position, behind)) = positions.split_first() else {
            let span = rows[at - 1].at - rows[start].at;
            return pattern.within_ms.is_none_or(|within| span < within).then(|| (Vec::new(), at));
        };
        let first = &rows[start..rows.len().min(start + pattern.counts[0])];
        let fits = rows.get(at).is_some_and(|row| position.condition.1(row, first));
        if position.gap {
            // Reluctant: no row is tried before one more.
            return search(rows, start, at, behind, pattern)
                .or_else(|| fits.then(|| search(rows, start, at + 1, positions, pattern)).flatten());
        }
        let (mut ids, end) = fits.then(|| search(rows, start, at + 1, behind, pattern)).flatten()?;
        ids.insert(0, rows[at].id);
        Some((ids, end))
    }
    let mut found = Vec::new();
    for key in 0..if pattern.partition { 3 } else { 1 } {
        let mut part: Vec<Row> = rows.iter().copied().filter(|row| !pattern.partition || row.key == key).collect();
        part.sort_by_key(|row| (row.at, row.id));
        let mut start = 0;
        while start < part.len() {
            let matched = search(&part, start, start, &pattern.positions, pattern);
            start = match &matched {
                Some((_, end)) if !pattern.to_next_row => *end,
                _ => start + 1,
            };
            found.extend(matched.map(|(ids, _)| ids));
        }
    }
    found
}

#[test]
fn event_patterns_and_row_patterns_find_what_is_preferred() {
    let mut found = 0;
    for seed in 0..200 {
        let mut random = Random(seed);
        let (pattern, rows) = (random_pattern(&mut random), random_rows(&mut random));
        let lines = rows.iter().map(|row| {
            format!("{},{},{},{},{}\n", row.id, row.key, row.v, row.w.map_or(String::new(), |w| w.to_string()), row.at)
        });
        let file = csv(&format!("id,key,v,w,at\n{}", lines.collect::<String>()));
        let text = format!(
            "CREATE STREAM t (id BIGINT NOT NULL, key BIGINT NOT NULL, v BIGINT NOT NULL, w BIGINT, at TIMESTAMP,
               WATERMARK FOR at AS at - INTERVAL '2' SECOND) WITH (connector = 'file', path = '{}', format = 'csv');
             CREATE SINK out WITH (connector = 'stdout');
             CREATE STREAM found AS SELECT * FROM t MATCH_RECOGNIZE ({});
             INSERT INTO out SELECT {} FROM found;",
            file.path().display(),
            pattern.body,
            (0..pattern.counts.len()).map(|index| format!("first{index}, last{index}")).collect::<Vec<_>>().join(", ")
        );
        let mut expected: Vec<String> = slow_matches(&pattern, &rows).iter().map(|ids| line(&pattern, ids)).collect();
        expected.sort();
        for program in [Program::new("test", &text), Program::new("test", &text).with_row_patterns_only()] {
            assert_eq!(run_program(program, 1 + seed as usize % 3), expected, "seed {seed}: {}", pattern.body);
        }
        found += expected.len();
    }
    assert!(found > 500, "only {found} matches: the test says little");
}

/// A match as a line of the output: the first and the last id of each variable.
fn line(pattern: &Pattern, ids: &[u64]) -> String {
    let mut rest = ids;
    let column = |(index, count): (usize, &usize)| {
        let (own, behind) = rest.split_at(*count);
        rest = behind;
        format!("first{index}={} last{index}={}", own[0], own[count - 1])
    };
    pattern.counts.iter().enumerate().map(column).collect::<Vec<_>>().join(" ")
}

#[test]
fn only_patterns_with_the_same_matches_are_event_patterns() {
    let plan = |body: &str| {
        let text = STREAM.replace("'file', path = '{path}', format = 'csv'", "'generator', kind = 'sequence', rows = 10")
            + &format!("INSERT INTO out SELECT * FROM prices MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY day {body});");
        Program::new("job.egret", &text).plan().map(|plan| plan.job.explain()).map_err(|errors| errors.to_string())
    };
    for body in [
        "MEASURES a.price AS p PATTERN (a x*? b) DEFINE a AS price < 10, b AS price > 10",
        "MEASURES a.price AS p PATTERN (a x*? b) DEFINE a AS price < 10, x AS price <= 10, b AS b.price > 10",
        "MEASURES last(a.price, 1) AS p AFTER MATCH SKIP TO NEXT ROW PATTERN (a{2} x*? b) DEFINE a AS a.price < 10",
        "MEASURES a.price AS p PATTERN (a b) DEFINE b AS price > 10",
        "MEASURES a.price AS p PATTERN (a{2} x*? b y*? c) DEFINE b AS price > sum(a.price), c AS price < first(a.price, 1)",
        "MEASURES a.price AS p PATTERN (a x*? b) DEFINE x AS price <= a.price, b AS b.price > a.price",
        "MEASURES price AS p PATTERN (a x*? b) DEFINE a AS price < 10, x AS NOT (x.price > 3), b AS price > 3",
    ] {
        let shown = plan(body).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(shown.contains("as an event pattern"), "{body}\n{shown}");
    }
    for (body, reason) in [
        ("MEASURES a.price AS p PATTERN (a x* b) DEFINE b AS price > 10", "more than rows and gaps"),
        ("MEASURES a.price AS p PATTERN (a x*? b c) DEFINE b AS price > 10", "side by side follow a gap"),
        ("MEASURES a.price AS p PATTERN (a x*? b{2}) DEFINE b AS price > 10", "side by side follow a gap"),
        ("MEASURES a.price AS p PATTERN (a x*? b y*? c) DEFINE c AS price > b.price", "`c` reads other rows"),
        ("MEASURES a.price AS p PATTERN (a x*? b) DEFINE a AS price < b.price", "`a` reads other rows"),
        ("MEASURES a.price AS p PATTERN (a{2} x*? b) DEFINE a AS price > first(a.price)", "`a` reads other rows"),
        ("MEASURES a.price AS p PATTERN (a x*? b) DEFINE x AS price < a.price, b AS price > a.price", "not the opposite"),
        ("MEASURES price AS p PATTERN (())", "more than rows and gaps"),
        ("MEASURES a.price AS p PATTERN (a | b)", "more than rows and gaps"),
        ("MEASURES a.price AS p PATTERN (a x*? b) DEFINE b AS price > prev(price)", "`b` reads other rows"),
        ("MEASURES a.price AS p PATTERN (a x*? b) DEFINE x AS price > 5, b AS price > 7", "not the opposite"),
        ("MEASURES a.price AS p PATTERN (a x*? b) DEFINE x AS shares <= 5, b AS shares > 5", "not the opposite"),
        ("MEASURES x.price AS p PATTERN (a x*? b) DEFINE b AS price > 10", "the gap `x` is read"),
        ("MEASURES classifier() AS p PATTERN (a x*? b) DEFINE b AS price > 10", "classifier()"),
        ("MEASURES count(*) AS p PATTERN (a x*? b) DEFINE b AS price > 10", "count(*)"),
        ("MEASURES sum(price) AS p PATTERN (a x*? b) DEFINE b AS price > 10", "sum(price)"),
        ("MEASURES sum(a.shares) AS p PATTERN (a x*? b) DEFINE b AS price > 10", "sum(a.shares)"),
        ("MEASURES a.price AS p ALL ROWS PER MATCH PATTERN (a x*? b) DEFINE b AS price > 10", "all rows of a match"),
        ("MEASURES a.price AS p AFTER MATCH SKIP TO LAST b PATTERN (a x*? b) DEFINE b AS price > 10", "skips to a variable"),
        ("MEASURES a.price AS p PATTERN (x*? b y*? a) DEFINE b AS price > 10", "begins with a gap"),
        ("MEASURES a.price AS p PATTERN (a x*? b x*?) DEFINE b AS price > 10", "ends with a gap"),
        ("MEASURES a.price AS p PATTERN (a x*? a) DEFINE a AS price > 10", "stands twice"),
    ] {
        let (Ok(shown) | Err(shown)) = plan(body);
        assert!(shown.contains(reason) && !shown.contains("as an event pattern"), "{body}\n{shown}");
    }
}

#[test]
fn no_text_makes_the_planner_panic() {
    const BODY: &str = "PARTITION BY symbol ORDER BY day , price MEASURES FINAL last ( a . price ) AS p , sum ( b . price ) AS s , symbol AS t \
        ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN ( a {2} x *? b y *? c ) WITHIN INTERVAL '5' DAY \
        DEFINE a AS price < 10 , x AS price <= 20 , b AS price > 20 , c AS c . price > first ( a . price , 1 )";
    const MORE: [&str; 25] = [
        "SUBSET u = ( a , b )",
        "ALL ROWS PER MATCH",
        "TO LAST",
        "prev",
        "classifier ( )",
        "match_number ( )",
        "count ( * )",
        "u . price",
        "NOT",
        "( a | b ) +",
        "^",
        "$",
        "{- a -}",
        "PERMUTE",
        "\"",
        "9223372036854775808",
        "NULL",
        "{0}",
        "*",
        "running",
        "risk ( a )",
        "''",
        "DESC",
        "é",
        "x",
    ];
    let whole: Vec<&str> = BODY.split_whitespace().collect();
    let mut planned = 0;
    for seed in 0..600 {
        let mut random = Random(seed);
        let mut words = whole.clone();
        for _ in 0..random.below(5) {
            let place = random.below(words.len() as u64) as usize;
            let other = if random.below(2) == 0 { random.pick(&MORE) } else { random.pick(&whole) };
            match random.below(4) {
                0 => drop(words.remove(place)),
                1 => words.insert(place, words[place]),
                2 => words[place] = other,
                _ => words.insert(place, other),
            }
        }
        let text = STREAM.replace("'file', path = '{path}', format = 'csv'", "'generator', kind = 'sequence', rows = 10")
            + &format!("INSERT INTO out SELECT * FROM prices MATCH_RECOGNIZE ({}) AS m;", words.join(" "));
        match Program::new("job.egret", &text).plan() {
            Ok(_) => planned += 1,
            Err(errors) => assert!(errors.diagnostics.iter().all(|wrong| wrong.span().is_some()), "seed {seed}: {errors}"),
        }
    }
    assert!(planned > 20, "{planned} of 600 could be planned");
}
