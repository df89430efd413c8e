//! MATCH_RECOGNIZE in programs: rows with any number of workers, compared with a slow twin, and errors.

use egret::prelude::*;
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

pub(super) const STREAM: &str =
    "CREATE STREAM prices (symbol STRING NOT NULL, price BIGINT NOT NULL, shares BIGINT, day TIMESTAMP, WATERMARK FOR day AS day)
      WITH (connector = 'file', path = '{path}', format = 'csv');
    CREATE SINK out WITH (connector = 'stdout');\n";

/// A file that is removed at the end of the test.
pub(super) fn csv(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The rows of a program, the same on one, two and three workers.
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

pub(super) fn run_program(program: Program, workers: usize) -> Vec<String> {
    let sink = MemorySink::new();
    let program = program.with_sink("out", Arc::new(sink.clone()));
    let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
    run(&plan.job, &RunConfig { batch_rows: 3, ..RunConfig::with_workers(workers) }).unwrap();
    sink.sorted_lines()
}

/// The errors of a program, as a terminal shows them.
fn wrong(statements: &str) -> String {
    let text = STREAM.replace("{path}", "none.csv") + statements;
    Program::new("job.egret", &text).plan().err().map_or_else(|| panic!("accepted: {statements}"), |errors| errors.to_string())
}

#[test]
fn keys_with_too_many_partial_matches_are_a_stream() {
    // One that runs as an event pattern, and one that does not.
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
