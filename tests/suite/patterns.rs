//! Patterns in the language, run on a handful of rows.

use egret::prelude::*;
use std::io::Write;
use std::sync::Arc;

/// The events of one user: kind, second, and an amount.
const EVENTS: [(&str, i64, f64); 9] = [
    ("login", 0, 0.0),
    ("device", 1, 0.0),
    ("view", 2, 0.0),
    ("country", 3, 0.0),
    ("pay", 4, 10.0),
    ("pay", 5, 30.0),
    ("view", 20, 0.0),
    ("pay", 21, 50.0),
    ("logout", 40, 0.0),
];

const STREAM: &str = "CREATE STREAM ev (id BIGINT, user STRING, kind STRING, amount DOUBLE, at TIMESTAMP,
    WATERMARK FOR at AS at) WITH (connector = 'file', path = '{path}', format = 'json');
    CREATE SINK out WITH (connector = 'stdout');\n";

/// The program's text, and the file it reads.
fn program(statements: &str) -> (String, tempfile::NamedTempFile) {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    for (id, (kind, second, amount)) in EVENTS.iter().enumerate() {
        writeln!(file, r#"{{"id":{id},"user":"u","kind":"{kind}","amount":{amount:.1},"at":"2024-03-01T10:00:{second:02}Z"}}"#)
            .unwrap();
    }
    (STREAM.replace("{path}", file.path().to_str().unwrap()) + statements, file)
}

fn run_program(statements: &str, workers: usize) -> Result<Vec<String>> {
    let (text, _file) = program(statements);
    let sink = MemorySink::new();
    let plan = Program::new("test", &text).with_sink("out", Arc::new(sink.clone())).plan();
    run(&plan.unwrap_or_else(|errors| panic!("{errors}")).job, &RunConfig { batch_rows: 2, ..RunConfig::with_workers(workers) })?;
    Ok(sink.sorted_lines())
}

/// The matches of a pattern with these clauses: `MATCH ... [WITHIN ...]`; every variable takes the events whose kind is its name.
fn matches_of(clauses: &str, select: &str, with: &str) -> Vec<String> {
    let named = ["login", "device", "view", "country", "pay", "logout"];
    let is_used = |kind: &&&str| clauses.split(|c: char| !c.is_alphanumeric()).any(|word| word == **kind);
    let defines: Vec<String> = named.iter().filter(is_used).map(|kind| format!("{kind} AS kind = '{kind}'")).collect();
    let at = ["WITHIN", "AFTER"].iter().filter_map(|word| clauses.find(&format!("\n{word}"))).min().unwrap_or(clauses.len());
    let (matching, rest) = clauses.split_at(at);
    let text = format!(
        "CREATE PATTERN p ON ev PARTITION BY user MATCH {matching} DEFINE {} {rest} SELECT {select} {with};
         INSERT INTO out SELECT * FROM p;",
        defines.join(", ")
    );
    let text = text.replace("SELECT * FROM p", &format!("SELECT {} FROM p", names(select)));
    let lines = run_program(&text, 1).unwrap();
    assert_eq!(run_program(&text, 2).unwrap(), lines, "at two workers");
    lines
}

fn names(select: &str) -> String {
    select.split(" AS ").skip(1).map(|rest| rest.split(',').next().unwrap().trim()).collect::<Vec<_>>().join(", ")
}

#[test]
fn alternatives() {
    assert_eq!(
        matches_of("login -> (device | country) -> pay", "device.id AS d, country.id AS c, pay.id AS p", ""),
        ["d=1 c=null p=4", "d=null c=3 p=4"]
    );
    assert_eq!(matches_of("login device | country pay", "login.id AS l, pay.id AS p", ""), ["l=0 p=null", "l=null p=4"]);
}

#[test]
fn any_order() {
    let both = |clauses: &str| matches_of(clauses, "country.id AS c, device.id AS d, pay.id AS p", "");
    assert_eq!(both("country & device -> pay"), ["c=3 d=1 p=4"]);
    assert_eq!(both("(country & device STRICT) -> pay"), Vec::<String>::new());
    assert_eq!(
        matches_of("(login device) & (view country) & pay", "login.id AS l, pay.id AS p, view.id AS v", ""),
        ["l=0 p=4 v=2"]
    );
}

#[test]
fn windows_in_events_and_between_events() {
    assert_eq!(matches_of("login -> pay \nWITHIN 4 EVENTS", "pay.id AS p", ""), Vec::<String>::new());
    assert_eq!(matches_of("login -> pay \nWITHIN 5 EVENTS", "pay.id AS p", ""), ["p=4"]);
    assert_eq!(matches_of("login ->> pay \nWITHIN 6 EVENTS AND INTERVAL '5' SECOND", "pay.id AS p", ""), ["p=4"]);
    // The last event of the window proves the absence.
    assert_eq!(
        matches_of("pay -> !logout \nWITHIN 2 EVENTS", "pay.id AS p, match_time AS t", ""),
        ["p=4 t=2024-03-01T10:00:05", "p=5 t=2024-03-01T10:00:20"]
    );
    assert_eq!(matches_of("view -> pay WITHIN INTERVAL '2' SECOND OF PREVIOUS", "view.id AS v, pay.id AS p", ""), ["v=6 p=7"]);
    assert_eq!(
        matches_of("pay{2} REQUIRED WITHIN INTERVAL '2' SECOND OF PREVIOUS", "first(pay.id) AS a, last(pay.id) AS b", ""),
        ["a=4 b=5"]
    );
    assert_eq!(
        matches_of("pay -> !logout WITHIN INTERVAL '10' SECOND OF PREVIOUS", "pay.id AS p, match_time AS t", ""),
        ["p=4 t=2024-03-01T10:00:14", "p=5 t=2024-03-01T10:00:15", "p=7 t=2024-03-01T10:00:31"]
    );
}

#[test]
fn aggregates_of_expressions() {
    assert_eq!(
        matches_of(
            "pay{3} -> logout",
            "2 * sum(pay.amount) AS double, median(pay.amount) AS mid, last(pay.amount, 1) AS before, count(pay) AS n",
            ""
        ),
        ["double=180.0 mid=30.0 before=30.0 n=3"]
    );
}

#[test]
fn open_state_is_bounded_as_asked() {
    let of = |overflow: &str| {
        matches_of("pay -> logout", "pay.id AS p", &format!("WITH (max_partial_matches = 2, overflow = '{overflow}')"))
    };
    assert_eq!(of("drop_oldest"), ["p=5", "p=7"]);
    assert_eq!(of("drop_new"), ["p=4", "p=5"]);
    let text = "CREATE PATTERN p ON ev PARTITION BY user MATCH pay -> logout
        DEFINE pay AS kind = 'pay', logout AS kind = 'logout' SELECT pay.id AS p WITH (max_partial_matches = 2, overflow = 'fail');
        INSERT INTO out SELECT p FROM p;";
    let error = run_program(text, 1).unwrap_err().to_string();
    assert!(error.contains("has more than 2 partial matches") && error.contains("overflow"), "{error}");
}

/// A card that is tested with very many small payments, and others.
#[test]
fn a_key_with_too_many_partial_matches_does_not_end_the_job() {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    writeln!(file, "id,card,amount,country,at").unwrap();
    let mut row = |id: u32, card: u32, amount: f64, country: &str, second: u32| {
        let (minute, second) = (second / 60, second % 60);
        writeln!(file, "{id},{card},{amount:.1},{country},2024-01-01T00:{minute:02}:{second:02}Z").unwrap();
    };
    for id in 0..100 {
        row(id, 7, 5.0, "DE", id);
        if id % 30 < 2 {
            row(1_000 + id, 8, 5.0, "DE", id);
        }
    }
    row(2_000, 7, 90.0, "FR", 100);
    row(2_001, 8, 90.0, "FR", 100);
    for (id, minute) in [(3_000, 20), (3_001, 21)] {
        row(id, 7, 5.0, "DE", minute * 60);
    }
    row(3_002, 7, 90.0, "FR", 22 * 60);
    let program = |options: &str| {
        format!(
            "CREATE STREAM txn (id BIGINT, card BIGINT, amount DOUBLE, country STRING, at TIMESTAMP, WATERMARK FOR at AS at)
               WITH (connector = 'file', path = '{}');
             CREATE PATTERN p ON txn PARTITION BY card MATCH probe{{2,}} -> big
               DEFINE probe AS amount < 10, big AS amount > 10 * avg(probe.amount) AND country <> last(probe.country)
               WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT
               SELECT card, count(probe) AS probes, big.id AS txn WITH (max_partial_matches = 500{options});
             CREATE SINK out WITH (connector = 'memory'); CREATE SINK told WITH (connector = 'memory');
             INSERT INTO out SELECT card, probes, txn FROM p;
             INSERT INTO told SELECT card, partial_matches, dropped, outcome, since, at, until, note FROM p.overflow;",
            file.path().display()
        )
    };
    let ran = |options: &str, workers: usize| {
        let (found, told) = (MemorySink::new(), MemorySink::new());
        let text = program(options);
        let program =
            Program::new("test", &text).with_sink("out", Arc::new(found.clone())).with_sink("told", Arc::new(told.clone()));
        let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
        let report = run(&plan.job, &RunConfig { batch_rows: 7, ..RunConfig::with_workers(workers) }).unwrap();
        let notes: Vec<String> = report.nodes.into_iter().flat_map(|node| node.notes).collect();
        (found.sorted_lines(), told.sorted_lines(), notes)
    };
    for workers in [1, 2] {
        let (found, told, notes) = ran("", workers);
        // Card 7 is put aside for ten minutes, and found when it does the same again.
        assert_eq!(found, ["card=7 probes=2 txn=3002", "card=8 probes=8 txn=2001"]);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("card=7 partial_matches=529 dropped=529 outcome=put_aside since=2024-01-01T00:00:00"),
            "{told:?}"
        );
        assert!(told[0].contains("until=2024-01-01T00:10:3"), "{told:?}");
        assert!(notes.len() == 1 && notes[0].contains("pattern p: the key 7 had more than 500 partial matches"), "{notes:?}");
    }
    let (found, told, _) = ran(", overflow = 'drop_oldest'", 2);
    let of_seven = found.iter().find(|line| line.contains("txn=2000")).unwrap();
    assert_ne!(of_seven, "card=7 probes=100 txn=2000", "it lacks what was dropped, and that is said");
    assert!(
        told.iter().all(|line| line.contains("outcome=drop_oldest") && line.contains("may be shorter than it was")),
        "{told:?}"
    );
}

#[test]
fn a_missing_target_of_a_skip_ends_the_job_if_asked() {
    let text = |with: &str| {
        format!(
            "CREATE PATTERN p ON ev PARTITION BY user MATCH login -> device -> logout? -> view
             DEFINE login AS kind = 'login', device AS kind = 'device', logout AS kind = 'logout', view AS kind = 'view'
             AFTER MATCH SKIP TO FIRST logout SELECT view.id AS v {with}; INSERT INTO out SELECT v FROM p;"
        )
    };
    assert_eq!(run_program(&text(""), 1).unwrap(), ["v=2"]);
    let error = run_program(&text("WITH (skip_miss = 'fail')"), 1).unwrap_err().to_string();
    assert!(error.contains("'logout'"), "{error}");
}

#[test]
fn what_is_wrong_is_named() {
    let shown = |matching: &str, with: &str| {
        let text = format!("CREATE PATTERN p ON ev PARTITION BY user MATCH {matching} SELECT match_time AS t {with};");
        let (text, _file) = program(&text);
        Program::new("job.egret", &text).plan().err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    let parts = (0..9).map(|n| format!("v{n}")).collect::<Vec<_>>().join(" & ");
    for (matching, with, expected) in [
        ("a || b", "", "alternatives are written with one `|`"),
        ("a && b", "", "what comes in any order is written with one `&`"),
        ("a -> (b | !c)", "", "cannot begin with what must not come"),
        ("a -> !b & c", "", "what must not come has no place in any order"),
        ("a -> | b", "", "expected"),
        (&parts, "", "9 parts come in any order, possible are 2 to 8"),
        ("a -> b WITHIN 0 EVENTS", "", "room for no event"),
        ("a -> b WITHIN 5 EVENTS AND 6 EVENTS", "", "one window in time and one in events"),
        ("a{2} REQUIRED b", "", "REQUIRED WITHIN INTERVAL '1' MINUTE OF PREVIOUS"),
        ("a{3,2}", "", "at least 3 times and at most 2"),
        ("a{0}", "", "comes no times at all"),
        ("a -> b -> a", "", "two variables of this name"),
        ("(a | b) GREEDY", "", "GREEDY"),
        ("(a -> b)+ GREEDY", "", "a group cannot be greedy"),
        ("a -> !(b -> !c)", "", "a group cannot be negated"),
        ("a{10001}", "", "the most is 10000"),
        ("a -> !b", "", "this pattern would wait for ever"),
        ("a -> b", "WITH (max_partial_match = 5)", "did you mean `max_partial_matches`?"),
        ("a -> b", "WITH (max_partial_matches = 0)", "expected a whole number, 1 or more"),
        ("a -> b", "WITH (overflow = 'drop_olds')", "did you mean `drop_oldest`?"),
    ] {
        let shown = shown(matching, with);
        assert!(shown.contains(expected) && shown.contains("job.egret:"), "{matching} {with}: {expected} is missing in\n{shown}");
    }
}

#[test]
fn long_and_wide_patterns_work() {
    let wide = (0..200).map(|n| format!("v{n}")).collect::<Vec<_>>();
    let text = format!(
        "CREATE PATTERN p ON ev PARTITION BY user MATCH {} DEFINE {} SELECT v0.id AS a;
         CREATE PATTERN q ON ev PARTITION BY user MATCH x{{10000}} SELECT first(x.id) AS a;
         INSERT INTO out SELECT a FROM p; INSERT INTO out SELECT a FROM q;",
        wide.join(" -> "),
        wide.iter().map(|v| format!("{v} AS amount >= {}", &v[1..])).collect::<Vec<_>>().join(", ")
    );
    assert_eq!(run_program(&text, 1).unwrap(), Vec::<String>::new());
}
