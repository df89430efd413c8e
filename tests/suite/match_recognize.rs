//! MATCH_RECOGNIZE from text: rows at any number of workers, against a slow twin, and errors.

use egret::prelude::*;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

/// Prices of two symbols; `day` is event time.
const PRICES: &str = "\
symbol,price,shares,day
acme,12,100,2024-03-01
acme,17,,2024-03-02
globex,30,500,2024-03-02
acme,19,200,2024-03-03
globex,20,100,2024-03-03
acme,21,100,2024-03-04
globex,25,300,2024-03-04
acme,25,300,2024-03-05
acme,18,100,2024-03-06
globex,26,100,2024-03-06
acme,15,100,2024-03-07
globex,24,100,2024-03-07
acme,20,500,2024-03-08
acme,24,100,2024-03-09
";

const STREAM: &str =
    "CREATE STREAM prices (symbol STRING NOT NULL, price BIGINT NOT NULL, shares BIGINT, day TIMESTAMP, WATERMARK FOR day AS day)
      WITH (connector = 'file', path = '{path}', format = 'csv');
    CREATE SINK out WITH (connector = 'stdout');\n";

/// A file that is gone when the test ends.
fn csv(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The rows of a program, the same at one, two and three workers.
fn rows_of(statements: &str) -> Vec<String> {
    let file = csv(PRICES);
    let text = STREAM.replace("{path}", file.path().to_str().unwrap()) + statements;
    let lines = run_text(&text, 1);
    for workers in [2, 3] {
        assert_eq!(run_text(&text, workers), lines, "{workers} workers");
    }
    lines
}

fn run_text(text: &str, workers: usize) -> Vec<String> {
    run_program(Program::new("test", text), workers)
}

fn run_program(program: Program, workers: usize) -> Vec<String> {
    let sink = MemorySink::new();
    let program = program.with_sink("out", Arc::new(sink.clone()));
    let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
    run(&plan.job, &RunConfig { batch_rows: 3, ..RunConfig::with_workers(workers) }).unwrap();
    sink.sorted_lines()
}

/// What is wrong with a program, as a terminal shows it.
fn wrong(statements: &str) -> String {
    let text = STREAM.replace("{path}", "none.csv") + statements;
    Program::new("job.egret", &text).plan().err().map_or_else(|| panic!("accepted: {statements}"), |errors| errors.to_string())
}

#[test]
fn keys_with_too_many_partial_matches_are_a_stream() {
    // One that is run as an event pattern, and one that is not.
    for (pattern, low) in [("low x*? high", "price <= 20"), ("low+ x* high", "price < PREV(price)")] {
        let told = rows_of(&format!(
            "CREATE STREAM found AS SELECT * FROM prices MATCH_RECOGNIZE (
               PARTITION BY symbol ORDER BY day, price MEASURES low.price AS low
               AFTER MATCH SKIP PAST LAST ROW PATTERN ({pattern}) WITHIN INTERVAL '5' DAY
               DEFINE low AS {low}, high AS price >= 25);
             INSERT INTO out SELECT symbol, partial_matches, since, at, dropped, until, outcome, note FROM found.overflow;"
        ));
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn the_next_row_that_fits() {
    let lines = rows_of(
        "INSERT INTO out SELECT m.symbol, low, high, last_price FROM prices MATCH_RECOGNIZE (
           PARTITION BY symbol ORDER BY day, price
           MEASURES low.price AS low, FINAL LAST(high.price) AS high, price AS last_price
           ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
           PATTERN (low x*? high) WITHIN INTERVAL '5' DAY
           DEFINE low AS price <= 20, x AS prices.price < 25, high AS price >= 25
         ) AS m;",
    );
    assert_eq!(
        lines,
        ["symbol=acme low=12 high=25 last_price=25", "symbol=globex low=20 high=25 last_price=25"],
        "acme: 15 on the 7th is too far from any price of 25"
    );
}

#[test]
fn every_row_of_the_output_may_be_selected() {
    let lines = rows_of(
        "INSERT INTO out SELECT * FROM prices MATCH_RECOGNIZE (
           PARTITION BY symbol ORDER BY day
           MEASURES first(a.price) AS first, last(a.price) AS last, sum(a.price) AS total, b.price AS high
           AFTER MATCH SKIP TO NEXT ROW
           PATTERN (a{2} gap*? b) DEFINE a AS price < 22, b AS price > 23);",
    );
    assert_eq!(
        lines,
        [
            "symbol=acme first=12 last=17 total=29 high=25 match_time=2024-03-05T00:00:00",
            "symbol=acme first=15 last=20 total=35 high=24 match_time=2024-03-09T00:00:00",
            "symbol=acme first=17 last=19 total=36 high=25 match_time=2024-03-05T00:00:00",
            "symbol=acme first=18 last=15 total=33 high=24 match_time=2024-03-09T00:00:00",
            "symbol=acme first=19 last=21 total=40 high=25 match_time=2024-03-05T00:00:00",
        ]
    );
}

#[test]
fn the_time_of_the_last_row_can_have_a_name() {
    let found = "CREATE STREAM found AS SELECT * FROM prices MATCH_RECOGNIZE (
           PARTITION BY symbol ORDER BY day MEASURES a.day AS began, day AS ended
           PATTERN (a x*? b) DEFINE a AS price < 13, b AS price > 20);";
    let lines = rows_of(&format!("{found} INSERT INTO out SELECT * FROM found;"));
    assert_eq!(lines, ["symbol=acme began=2024-03-01T00:00:00 ended=2024-03-04T00:00:00"]);
    let lines = rows_of(&format!(
        "{found} INSERT INTO out SELECT count(*) AS n, window_start FROM TUMBLE(found, ended, INTERVAL '1' DAY) GROUP BY window_start;"
    ));
    assert_eq!(lines, ["n=1 window_start=2024-03-04T00:00:00"]);
}

#[test]
fn the_time_of_the_last_row_has_the_name_that_flink_gives_it() {
    let found = |rows: &str, pattern: &str| {
        rows_of(&format!(
            "INSERT INTO out SELECT symbol, at FROM prices MATCH_RECOGNIZE (
               PARTITION BY symbol ORDER BY day MEASURES MATCH_ROWTIME() AS at, match_rowtime(day) AS again {rows}
               PATTERN ({pattern}) DEFINE a AS price < 13, b AS price > 18);"
        ))
    };
    let line = "symbol=acme at=2024-03-03T00:00:00";
    assert_eq!(found("ONE ROW PER MATCH", "a x*? b"), [line]);
    assert_eq!(found("ONE ROW PER MATCH", "a x+ b | a x b"), ["symbol=acme at=2024-03-09T00:00:00"]);
    assert_eq!(found("ALL ROWS PER MATCH", "a x*? b"), [line; 3]);
}

#[test]
fn input_and_output_are_relations_like_others() {
    let lines = rows_of(
        "CREATE STREAM twice AS SELECT symbol, price * 2 AS double, day AS at FROM prices WHERE symbol = 'acme';
         CREATE STREAM rises AS SELECT * FROM twice MATCH_RECOGNIZE (
           ORDER BY at MEASURES a.double AS low, b.double AS high PATTERN (a x*? b) DEFINE a AS double < 32, b AS double > 45) AS r;
         INSERT INTO out SELECT low, high FROM rises WHERE high - low > 8
         UNION ALL
         SELECT low, high FROM (SELECT * FROM prices WHERE symbol = 'globex') AS g MATCH_RECOGNIZE (
           ORDER BY day MEASURES a.price AS low, b.price AS high PATTERN (a x*? b) DEFINE a AS g.price < 25, b AS g.price = 24)
         UNION ALL
         SELECT count(*) AS low, max(high) AS high FROM TUMBLE(rises, INTERVAL '30' DAY) GROUP BY window_start;",
    );
    assert_eq!(lines, ["low=2 high=50", "low=20 high=24", "low=24 high=50", "low=30 high=48"]);
}

#[test]
fn late_rows_are_a_stream() {
    let file = csv("symbol,price,shares,day\na,1,1,2024-03-05\na,2,7,2024-03-01\na,3,1,2024-03-06\n");
    let text = STREAM.replace("{path}", file.path().to_str().unwrap())
        + "CREATE STREAM m AS SELECT * FROM prices MATCH_RECOGNIZE (
             ORDER BY day MEASURES b.price AS high PATTERN (a x*? b) DEFINE b AS price > 1);
           INSERT INTO out SELECT price, shares FROM m.late; INSERT INTO out SELECT high AS price, high - 3 AS shares FROM m;";
    for workers in [1, 2] {
        assert_eq!(run_text(&text, workers), ["price=2 shares=7", "price=3 shares=0"]);
    }
}

#[test]
fn graphs_and_models_can_be_asked() {
    let lines = rows_of(
        "CREATE GRAPH g ON prices EDGE symbol TO price COMPUTE components;
         CREATE STREAM found AS SELECT * FROM prices MATCH_RECOGNIZE (
           PARTITION BY symbol ORDER BY day MEASURES b.price AS price, g.size(b.symbol) AS size
           PATTERN (a x*? b) DEFINE a AS price < 15, b AS g.size(symbol) >= 6);
         INSERT INTO out SELECT price, size FROM found;",
    );
    assert_eq!(lines, ["price=18 size=9"], "25 on the 5th joined the two symbols, with nine vertices before the 6th");
}

#[test]
fn errors_name_place_cause_and_remedy() {
    for (body, expected) in [
        ("PATTERN (a x*? b)", "MATCH_RECOGNIZE has no ORDER BY"),
        ("ORDER BY price PATTERN (a x*? b)", "does not begin with `day`, the event time of `prices`"),
        ("ORDER BY day DESC PATTERN (a x*? b)", "`day` cannot descend"),
        ("ORDER BY dya PATTERN (a x*? b)", "did you mean `day`?"),
        ("PARTITION BY symbl ORDER BY day PATTERN (a x*? b)", "did you mean `symbol`?"),
        ("ORDER BY day MEASURES a.prise AS p PATTERN (a x*? b)", "did you mean `price`?"),
        ("ORDER BY day MEASURES down.price AS p PATTERN (dwon x*? b)", "did you mean `dwon`?"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? b) DEFINE c AS price > 1", "defined here, not matched"),
        ("ORDER BY day MEASURES clasifier() AS p PATTERN (a x*? b)", "did you mean `classifier`?"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a b) DEFINE b AS price > lag(price)", "the row before is `PREV(column)`"),
        ("ORDER BY day MEASURES FINAL lead(price) AS p PATTERN (a b)", "the next row is `NEXT(column)`"),
        ("ORDER BY day MEASURES match_sequence_number() AS p PATTERN (a b)", "`RUNNING count(*)`"),
        ("ORDER BY day MEASURES match_proctime() AS p PATTERN (a b)", "`MATCH_ROWTIME()` is that of"),
        ("ORDER BY day MEASURES match_rowtime(price) AS p PATTERN (a b)", "takes no argument"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a b) DEFINE b AS match_rowtime() > day", "is a measure"),
        ("ORDER BY day MEASURES sum(a.symbol) AS p PATTERN (a b)", "cannot be computed over"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a{0} b)", "repetitions"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a b) DEFINE a AS price > 1, a AS price > 2", "stands twice"),
        ("ORDER BY day MEASURES a.price AS p ONE ROW PER MATCH PATTERN (a b) DEFINE b AS FINAL last(price) > 1", "is final"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? b) SUBSET u = (a, c)", "the pattern has no variable `c`"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? b) SUBSET a = (b)", "a variable of the pattern already"),
        ("ORDER BY day MEASURES a.price AS p AFTER MATCH SKIP TO c PATTERN (a x*? b)", "the pattern has no variable `c`"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? b) DEFINE a AS price", "condition"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? b) DEFINE a AS price > 'x'", "cannot be compared"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? b) WITHIN 5 MINUTE", "INTERVAL '5' MINUTE"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? b | )", "no row pattern"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? b{3,2})", "no row pattern"),
        ("ORDER BY day MEASURES a.price AS p PATTERN (a x*? \"a\")", "differ only in case"),
        ("ORDER BY day MEASURS a.price AS p PATTERN (a x*? b)", "did you mean `MEASURES`?"),
        ("MEASURES a.price AS p ORDER BY day PATTERN (a x*? b)", "`ORDER BY` stands at the wrong place"),
    ] {
        let shown = wrong(&format!("INSERT INTO out SELECT * FROM prices MATCH_RECOGNIZE ({body});"));
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
        assert!(shown.contains("job.egret:"), "{shown}");
    }
    let body = "(ORDER BY day MEASURES a.price AS p PATTERN (a x*? b))";
    for (query, expected) in [
        (format!("SELECT p FROM price MATCH_RECOGNIZE {body}"), "did you mean `prices`?"),
        (format!("SELECT q FROM prices MATCH_RECOGNIZE {body} AS m"), "there is no column `q`"),
        (format!("SELECT n.p FROM prices MATCH_RECOGNIZE {body} AS m"), "there is no stream `n` here"),
        (format!("SELECT x FROM prices MATCH_RECOGNIZE {body} AS m (x)"), "none to columns"),
        (format!("SELECT p FROM TUMBLE(prices, INTERVAL '1' HOUR) MATCH_RECOGNIZE {body}"), "not at windows"),
        (format!("SELECT count(*) AS n FROM prices MATCH_RECOGNIZE {body}"), "FROM TUMBLE(that name"),
        (format!("SELECT p FROM prices MATCH_RECOGNIZE {body} ORDER BY p"), "sort what the sink has written"),
        (
            "SELECT p FROM (SELECT price FROM prices) x MATCH_RECOGNIZE (ORDER BY price MEASURES a.price AS p PATTERN (a x*? b))"
                .to_owned(),
            "cannot be ordered without event time",
        ),
        ("SELECT a.p FROM prices a JOIN prices b ON a.p = b.p".to_owned(), "JOIN is not supported"),
    ] {
        let shown = wrong(&format!("INSERT INTO out {query};"));
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
}

#[test]
fn an_insert_that_does_not_parse_is_the_only_error() {
    let shown = wrong(
        "INSERT INTO out SELECT * FROM prices MATCH_RECOGNIZE (ORDER BY day ONE ROW PER MATCH WITH TIMEOUT PATTERN (a b));",
    );
    assert!(shown.contains("found `WITH`") && !shown.contains("nothing is written"), "{shown}");
}

#[test]
fn several_errors_at_once() {
    let shown = wrong(
        "INSERT INTO out SELECT * FROM prices MATCH_RECOGNIZE (
           PARTITION BY symbl ORDER BY dya MEASURES a.prise AS p, lst(b.price) AS q
           AFTER MATCH SKIP TO d PATTERN (a x*? b) DEFINE c AS price > 1, b AS prcie > 2);",
    );
    for expected in ["`symbl`", "`dya`", "`prise`", "`lst`", "`d`", "`c`", "`prcie`"] {
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
}

#[test]
fn what_grows_is_said() {
    let warnings = |within: &str| {
        let text = format!(
            "CREATE STREAM s (x BIGINT, at TIMESTAMP, WATERMARK FOR at AS at) WITH (connector = 'generator', kind = 'sequence');
             CREATE SINK out WITH (connector = 'stdout');
             INSERT INTO out SELECT * FROM s MATCH_RECOGNIZE (ORDER BY at MEASURES a.x AS x PATTERN (a b*? c) {within}
               DEFINE a AS x > 1, c AS x > 10);"
        );
        Program::new("job.egret", &text).plan().unwrap_or_else(|errors| panic!("{errors}")).warnings
    };
    let shown = warnings("");
    assert!(shown.iter().any(|warning| warning.help.as_deref().is_some_and(|help| help.contains("WITHIN"))), "{shown:?}");
    assert!(warnings("WITHIN INTERVAL '1' MINUTE").is_empty());
}

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

/// A condition as text and as a function of the row and of those of the first variable.
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
        // Until the first gap rows may stand side by side.
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

/// The matches that SQL prefers, by trying everything in the order of preference: the ids of the rows that are no gaps.
fn slow_matches(pattern: &Pattern, rows: &[Row]) -> Vec<Vec<u64>> {
    fn search(rows: &[Row], start: usize, at: usize, positions: &[Position], pattern: &Pattern) -> Option<(Vec<u64>, usize)> {
        let Some((position, behind)) = positions.split_first() else {
            let span = rows[at - 1].at - rows[start].at;
            return pattern.within_ms.is_none_or(|within| span < within).then(|| (Vec::new(), at));
        };
        let first = &rows[start..rows.len().min(start + pattern.counts[0])];
        let fits = rows.get(at).is_some_and(|row| position.condition.1(row, first));
        if position.gap {
            // Reluctant: no row before one more.
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
