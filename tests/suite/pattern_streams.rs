//! Patterns over several streams, compared with the same pattern over a union made by hand and with a plain loop; their errors,
//! and what they show.

use egret::prelude::*;
use egret_testkit::Random;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const STREAMS: &str = "
CREATE STREAM logins (card BIGINT, device STRING, ok BOOLEAN, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '2' SECOND)
  WITH (connector = 'file', path = '{folder}/logins.csv');
CREATE STREAM payments (id BIGINT, card BIGINT, device BIGINT, amount DOUBLE, at TIMESTAMP,
  WATERMARK FOR at AS at - INTERVAL '3' SECOND) WITH (connector = 'file', path = '{folder}/payments.csv');
CREATE STREAM resets (why STRING, paid BIGINT, card BIGINT, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'file', path = '{folder}/resets.csv');
";

/// The union that a user would write without patterns over several streams.
const BY_HAND: &str = "CREATE STREAM every AS
  SELECT 0 AS kind, card, at, device AS l_device, ok AS l_ok, CAST(NULL AS BIGINT) AS p_id, CAST(NULL AS BIGINT) AS p_device,
    CAST(NULL AS DOUBLE) AS p_amount, CAST(NULL AS STRING) AS r_why, CAST(NULL AS BIGINT) AS r_paid FROM logins
  UNION ALL
  SELECT 1 AS kind, card, at, CAST(NULL AS STRING) AS l_device, CAST(NULL AS BOOLEAN) AS l_ok, id AS p_id, device AS p_device,
    amount AS p_amount, CAST(NULL AS STRING) AS r_why, CAST(NULL AS BIGINT) AS r_paid FROM payments
  UNION ALL
  SELECT 2 AS kind, card, at, CAST(NULL AS STRING) AS l_device, CAST(NULL AS BOOLEAN) AS l_ok, CAST(NULL AS BIGINT) AS p_id,
    CAST(NULL AS BIGINT) AS p_device, CAST(NULL AS DOUBLE) AS p_amount, why AS r_why, paid AS r_paid FROM resets;
";

const INSERTS: &str = "INSERT INTO found SELECT * FROM p; INSERT INTO timeouts SELECT * FROM p.timed_out;";

/// The variables: stream, condition, and condition over the union made by hand.
const VARIABLES: [(&str, &str, &str, &str); 5] = [
    ("fail", "logins", "NOT ok", "kind = 0 AND NOT l_ok"),
    ("good", "logins", "ok", "kind = 0 AND l_ok"),
    (
        "pay",
        "payments",
        "amount > 3 AND CAST(device AS STRING) <> last(fail.device)",
        "kind = 1 AND p_amount > 3 AND CAST(p_device AS STRING) <> last(fail.l_device)",
    ),
    ("spend", "payments", "", "kind = 1"),
    ("reset", "resets", "why = 'lost' OR paid > 2", "kind = 2 AND (r_why = 'lost' OR r_paid > 2)"),
];

/// The patterns, and the columns to select from them.
const PATTERNS: [(&str, &str); 13] = [
    ("fail{2,} -> pay", "fail, pay"),
    ("fail pay", "fail, pay"),
    ("fail ->> pay", "fail, pay"),
    ("fail -> !reset -> pay", "fail, pay"),
    ("fail !reset -> pay", "fail, pay"),
    ("fail -> !spend", "fail"),
    ("good | reset -> spend", "good, reset, spend"),
    ("fail & reset -> pay", "fail, reset, pay"),
    ("(fail -> spend){2}", "fail, spend"),
    ("fail{1,3} GREEDY -> pay", "fail, pay"),
    ("fail+ UNTIL (ok) -> pay", "fail, pay"),
    ("good spend+ STRICT reset", "good, spend, reset"),
    ("good -> reset WITHIN INTERVAL '3' SECOND OF PREVIOUS -> spend?", "good, reset, spend"),
];

const SKIPS: [&str; 3] = ["", "AFTER MATCH SKIP PAST LAST EVENT", "AFTER MATCH SKIP TO NEXT"];

/// The pattern over the streams, and over their union made by hand.
fn programs(matching: &str, taken: &str, skip: &str) -> [String; 2] {
    let words: Vec<&str> = matching.split(|c: char| !c.is_alphanumeric()).collect();
    let used = || VARIABLES.iter().filter(|variable| words.contains(&variable.0));
    let taken: Vec<&str> = taken.split(", ").collect();
    let names = |own: bool| -> String {
        let of = |name: &&str| {
            let stream = VARIABLES.iter().find(|variable| variable.0 == *name).unwrap().1;
            let column = match (stream, own) {
                ("logins", true) => "device",
                ("logins", false) => "l_device",
                ("payments", true) => "id",
                ("payments", false) => "p_id",
                (_, true) => "paid",
                (_, false) => "r_paid",
            };
            format!(
                ", first({name}.{column}) AS first_{name}, array_agg({name}.{column}) AS all_{name}, count({name}) AS n_{name}"
            )
        };
        taken.iter().map(of).collect()
    };
    let several: Vec<String> = used()
        .map(|(name, stream, own, _)| match *own {
            "" => format!("{name} ON {stream}"),
            own => format!("{name} ON {stream} AS {own}"),
        })
        .collect();
    let one: Vec<String> = used().map(|(name, _, _, by_hand)| format!("{name} AS {by_hand}")).collect();
    let by_hand = matching.replace("UNTIL (ok)", "UNTIL (kind = 0 AND l_ok)");
    let within = "WITHIN INTERVAL '7' SECOND";
    [
        format!(
            "CREATE PATTERN p ON logins, payments, resets PARTITION BY card MATCH {matching} DEFINE {} {within} {skip}
             SELECT card, match_time AS decided {};",
            several.join(", "),
            names(true)
        ),
        format!(
            "{BY_HAND} CREATE PATTERN p ON every PARTITION BY card ORDER BY kind MATCH {by_hand} DEFINE {} {within} {skip}
             SELECT card, match_time AS decided {};",
            one.join(", "),
            names(false)
        ),
    ]
}

/// A row of any of the streams.
#[derive(Clone, Debug)]
enum Row {
    Login { device: i64, ok: bool },
    Payment { id: usize, device: i64, amount: i64 },
    Reset { lost: bool, paid: i64 },
}

/// Rows with their cards and seconds, many at one time, some late.
fn random_rows(random: &mut Random) -> Vec<(i64, i64, Row)> {
    let (mut rows, mut now) = (Vec::new(), 0);
    for id in 0..40 + random.below(60) {
        now += random.between(0, 2);
        let row = match random.below(5) {
            0 | 1 => Row::Login { device: random.between(0, 2), ok: random.chance(30) },
            2 | 3 => Row::Payment { id, device: random.between(0, 2), amount: random.between(0, 9) },
            _ => Row::Reset { lost: random.chance(50), paid: random.between(0, 4) },
        };
        let behind = if random.chance(20) { random.between(0, 5) } else { 0 };
        rows.push((random.between(0, 2), (now - behind).max(0), row));
    }
    rows
}

fn write(folder: &Path, rows: &[(i64, i64, Row)]) {
    let [mut logins, mut payments, mut resets] =
        ["card,device,ok,at\n", "id,card,device,amount,at\n", "why,paid,card,at\n"].map(String::from);
    for (card, second, row) in rows {
        let at = format!("2024-03-01T10:{:02}:{:02}Z", second / 60, second % 60);
        match row {
            Row::Login { device, ok } => writeln!(logins, "{card},{device},{ok},{at}"),
            Row::Payment { id, device, amount } => writeln!(payments, "{id},{card},{device},{amount},{at}"),
            Row::Reset { lost, paid } => writeln!(resets, "{},{paid},{card},{at}", if *lost { "lost" } else { "" }),
        }
        .unwrap();
    }
    for (name, text) in [("logins", logins), ("payments", payments), ("resets", resets)] {
        std::fs::write(folder.join(name).with_extension("csv"), text).unwrap();
    }
}

/// The rows written to the sinks `found`, `timeouts` and `late`.
fn run_program(folder: &Path, statements: &str, workers: usize) -> [Vec<String>; 3] {
    let sinks = ["found", "timeouts", "late"].map(|name| (name, MemorySink::new()));
    let is_used = |name: &str| statements.contains(&format!("INSERT INTO {name} "));
    let declared = sinks
        .iter()
        .filter(|(name, _)| is_used(name))
        .map(|(name, _)| format!("CREATE SINK {name} WITH (connector = 'memory');"));
    let text = STREAMS.replace("{folder}", folder.to_str().unwrap()) + &declared.collect::<String>() + statements;
    let with_sink = |program: Program, (name, sink): &(&str, MemorySink)| program.with_sink(name, Arc::new(sink.clone()));
    let program = sinks.iter().fold(Program::new("job.egret", &text), with_sink);
    let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
    run(&plan.job, &RunConfig { batch_rows: 7, ..RunConfig::with_workers(workers) }).unwrap();
    sinks.map(|(_, sink)| sink.sorted_lines())
}

#[test]
fn a_pattern_over_streams_finds_what_it_finds_over_their_union() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = 0;
    for seed in 0..8 {
        let mut random = Random::new(seed);
        write(folder.path(), &random_rows(&mut random));
        for (number, (matching, taken)) in PATTERNS.iter().enumerate() {
            let skip = SKIPS[(number + seed as usize) % SKIPS.len()];
            let [several, by_hand] = programs(matching, taken, skip);
            let expected = run_program(folder.path(), &format!("{by_hand}{INSERTS}"), 1);
            for workers in [1, 2] {
                let is = run_program(folder.path(), &format!("{several}{INSERTS}"), workers);
                assert_eq!(is, expected, "seed {seed}, {workers} workers: {matching} {skip}\n{several}");
            }
            found += expected[0].len();
        }
    }
    assert!(found > 500, "{found} matches say little");
}

/// `fail -> !reset -> pay` as a loop: in order of time, logins before payments before resets.
fn looped(rows: &[(i64, i64, Row)]) -> Vec<String> {
    let order = |row: &Row| match row {
        Row::Login { device, ok } => (0, i64::from(*ok), *device, 0),
        Row::Payment { id, .. } => (1, *id as i64, 0, 0),
        Row::Reset { lost, paid } => (2, *paid, i64::from(*lost), 0),
    };
    let mut rows = rows.to_vec();
    rows.sort_by_key(|(_, second, row)| (*second, order(row)));
    let mut found = Vec::new();
    for (start, (card, began, row)) in rows.iter().enumerate() {
        let Row::Login { device: from, ok: false } = row else { continue };
        for (_, second, row) in rows[start + 1..].iter().filter(|(other, ..)| other == card) {
            match row {
                _ if second - began >= 7 => break,
                Row::Reset { lost, paid } if *lost || *paid > 2 => break,
                Row::Payment { id, device, amount } if *amount > 3 && device != from => {
                    found.push(format!("card={card} device={from} pay={id}"));
                    break;
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_pattern_over_streams_finds_what_a_loop_finds() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = 0;
    for seed in 100..130 {
        // No row is late here: the loop knows no watermarks.
        let mut rows = random_rows(&mut Random::new(seed));
        rows.sort_by_key(|(_, second, _)| *second);
        write(folder.path(), &rows);
        let is = run_program(
            folder.path(),
            "CREATE PATTERN p ON logins, payments, resets PARTITION BY card MATCH fail -> !reset -> pay
               DEFINE fail ON logins AS NOT ok, reset ON resets AS why = 'lost' OR paid > 2,
                 pay ON payments AS amount > 3 AND CAST(device AS STRING) <> fail.device
               WITHIN INTERVAL '7' SECOND SELECT card, fail.device, pay.id AS pay;
             INSERT INTO found SELECT card, device, pay FROM p;",
            1,
        );
        let expected = looped(&rows);
        assert_eq!(is[0], expected, "seed {seed}");
        found += expected.len();
    }
    assert!(found > 100, "{found} matches say little");
}

#[test]
fn late_rows_have_their_stream_and_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = 0;
    for seed in 0..5 {
        write(folder.path(), &random_rows(&mut Random::new(seed)));
        let [several, by_hand] = programs("fail -> pay", "fail, pay", "");
        let late = "INSERT INTO found SELECT * FROM p; INSERT INTO late SELECT";
        let own = format!(
            "{several}{late} card, at, stream, logins_device AS ld, logins_ok AS lo, payments_id AS pi, payments_amount AS pa, resets_why AS rw FROM p.late;"
        );
        let is = run_program(folder.path(), &own, 2);
        let names = "CASE kind WHEN 0 THEN 'logins' WHEN 1 THEN 'payments' ELSE 'resets' END AS stream";
        let union = format!(
            "{by_hand}{late} card, at, {names}, l_device AS ld, l_ok AS lo, p_id AS pi, p_amount AS pa, r_why AS rw FROM p.late;"
        );
        assert_eq!(is[2], run_program(folder.path(), &union, 1)[2], "seed {seed}");
        all += is[2].len();
    }
    assert!(all > 10, "{all} late rows say little");
}

const JOB: &str = "
CREATE STREAM logins (card BIGINT, device STRING, ok BOOLEAN, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'file', path = 'logins.csv');
CREATE STREAM payments (id BIGINT, card BIGINT, device STRING, amount DOUBLE, paid_at TIMESTAMP,
  WATERMARK FOR paid_at AS paid_at) WITH (connector = 'file', path = 'payments.csv');
CREATE STREAM views (card STRING, page STRING, at TIMESTAMP, WATERMARK FOR at AS at) WITH (connector = 'file', path = 'views.csv');
CREATE STREAM notes (card BIGINT, note STRING) WITH (connector = 'file', path = 'notes.csv');
";

const TAKEOVER: &str = "CREATE PATTERN takeover ON logins, payments PARTITION BY card
  MATCH fail{3,} -> pay
  DEFINE fail ON logins AS NOT ok,
         pay ON payments AS amount > 500 AND device <> last(fail.device)
  WITHIN INTERVAL '10' MINUTE
  SELECT card, count(fail) AS fails, pay.id AS txn, pay.amount AS amount, first(fail.at) AS since, pay.paid_at;
";

fn diagnostics(statements: &str) -> String {
    let text = format!("{JOB}{statements} CREATE SINK out WITH (connector = 'stdout'); INSERT INTO out SELECT * FROM p;");
    match Program::new("job.egret", &text).plan() {
        Ok(plan) => plan.warnings.iter().map(|warning| format!("{}\n", warning.message)).collect(),
        Err(errors) => errors.to_string(),
    }
}

/// The errors of a pattern over logins and payments with these definitions and columns.
fn wrong(define: &str, select: &str) -> String {
    diagnostics(&format!(
        "CREATE PATTERN p ON logins, payments PARTITION BY card MATCH fail -> pay DEFINE {define} WITHIN INTERVAL '1' MINUTE SELECT {select};"
    ))
}

fn says(shown: &str, expected: &[&str]) {
    for part in expected.iter().chain(&["job.egret:"]) {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    for internal in ["__0_", "__1_", "__stream", "__time"] {
        assert!(!shown.contains(internal), "{internal} is shown in\n{shown}");
    }
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let right = "fail ON logins AS NOT ok, pay ON payments AS amount > 5";
    assert_eq!(wrong(right, "card, pay.id"), "");
    says(
        &wrong("fail ON login AS NOT ok, pay ON payments", "card"),
        &["the pattern does not read `login`", "did you mean `logins`?"],
    );
    says(&wrong("fail ON views, pay ON payments", "card"), &["does not read `views`", "`ON logins, payments, views`"]);
    says(
        &wrong("fail AS NOT ok, pay ON payments", "card"),
        &["`fail` does not say which stream it is of", "write `fail ON logins AS ...`", "`logins` and `payments`"],
    );
    says(&wrong("fail ON logins AS NOT ok", "card"), &["`pay` does not say which stream it is of", "`DEFINE pay ON logins`"]);
    says(
        &wrong("fail ON logins AS amount > 5, pay ON payments", "card"),
        &["`amount` is a column of `payments`, not of `logins`", "this is a row of `logins`", "write `pay.amount`"],
    );
    says(
        &wrong("fail ON logins, pay ON payments AS id > fail.id", "card"),
        &["`id` is a column of `payments`, not of `logins`", "write `pay.id`"],
    );
    says(
        &wrong("fail ON logins, pay ON payments AS amuont > 5", "card"),
        &["there is no column `amuont`", "did you mean `amount`?", "the row is one of `payments`"],
    );
    says(&wrong("fail ON logins, pay ON payments AS logins.ok", "card"), &["`logins` is a stream, not a variable", "`fail.ok`"]);
    says(&wrong("fail ON logins, pay ON payments AS x.ok", "card"), &["the pattern has no variable `x`"]);
    says(&wrong("fail ON logins, pay ON payments AS frist(fail.ok)", "card"), &["there is no function `frist`"]);
    says(&wrong(right, "card, amount"), &["`amount` does not say which event's", "write `pay.amount`"]);
    says(&wrong(right, "card, device"), &["`device` does not say", "write `fail.device` or `pay.device`"]);
    says(&wrong(right, "card, nothing"), &["there is no column `nothing`"]);
    says(&wrong(right, "card, fail"), &["'fail' is a variable, not a value"]);
    says(&wrong("fail ON logins AS device > 5.5, pay ON payments AS -device", "card"), &["device"]);
    says(&wrong("fail ON logins AS device, pay ON payments", "card"), &["not a condition", "the condition of 'fail'"]);
}

#[test]
fn what_is_wrong_with_the_streams_is_said() {
    let pattern = |on: &str, clauses: &str, define: &str| {
        diagnostics(&format!(
            "CREATE PATTERN p ON {on} {clauses} MATCH a -> b DEFINE {define} WITHIN INTERVAL '1' MINUTE SELECT a.card AS c;"
        ))
    };
    says(
        &pattern("logins, views", "PARTITION BY card", "a ON logins, b ON views"),
        &["`card` has different types", "Int64 in `logins`, Utf8 in `views`", "CAST(card AS ...)"],
    );
    says(
        &pattern("logins, payments", "PARTITION BY id", "a ON logins, b ON payments"),
        &["`id` is no column of `logins`", "only `payments` has it", "FROM logins"],
    );
    says(
        &pattern("logins, payments", "PARTITION BY crad", "a ON logins, b ON payments"),
        &["there is no column `crad`", "did you mean `card`?"],
    );
    says(
        &pattern("logins, payments", "ORDER BY amount", "a ON logins, b ON payments"),
        &["`amount` is no column of `logins`", "ORDER BY names columns"],
    );
    says(
        &pattern("logins, notes", "PARTITION BY card", "a ON logins, b ON notes"),
        &["a pattern over several streams needs event time, and `notes` has none"],
    );
    says(&pattern("logins, nothing", "", "a ON logins, b ON nothing"), &["there is no stream `nothing`"]);
    says(&pattern("logins, logins", "", "a ON logins, b ON logins"), &["the stream `logins` stands twice"]);
    says(&pattern("logins", "", "a ON payments, b AS ok"), &["the pattern does not read `payments`", "`ON logins, payments`"]);
    assert_eq!(pattern("logins", "", "a ON logins AS ok, b ON logins AS NOT ok"), "");
    assert_eq!(pattern("logins, payments", "", "a ON logins AS ok, b ON logins AS NOT ok"), "no variable is of `payments`\n");
    says(
        &diagnostics(
            "CREATE PATTERN p ON logins, payments MATCH (a -> b)+ UNTIL (ok) -> c DEFINE a ON logins, b ON payments, c ON logins
               WITHIN INTERVAL '1' MINUTE SELECT a.card AS c;",
        ),
        &["this UNTIL does not say of which stream its rows are", "variables of several streams"],
    );
}

#[test]
fn tests_give_the_rows_of_each_stream() {
    let given = "GIVEN logins (card, device, ok, at)
                   (7, 'a', false, START), (7, 'a', false, + 1 SECOND), (7, 'a', false, + 1 SECOND), (7, 'a', true, + 1 SECOND)
                 GIVEN payments (id, card, device, amount, paid_at) (1, 7, 'b', 10.0, START + 10 SECOND), (2, 7, 'b', 600.0, + 1 SECOND)";
    let report = |test: &str| Program::new("job.egret", &format!("{JOB}{TAKEOVER}{test}")).test("");
    let passed = report(&format!("TEST 't' FOR takeover {given} EXPECT MATCH (card = 7, fails = 3, txn = 2);")).unwrap();
    assert_eq!(passed.failed(), 0, "{passed:?}");
    assert_eq!(passed.coverage[0].steps_at(egret::testing::Reached::Match), ["fail", "pay"]);
    assert_eq!(report(&format!("TEST 't' FOR takeover {given} EXPECT NO MATCH;")).unwrap().failed(), 1);
    let unclear = report("TEST 't' FOR takeover GIVEN (card) (7) EXPECT NO MATCH;").unwrap_err().to_string();
    says(&unclear, &["whose rows are these?", "`takeover` reads several streams"]);
}

/// A folder with the job and some rows.
fn with_rows(statements: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |second: i64| format!("2024-03-01T10:00:{second:02}Z");
    let logins = (0..3).map(|second| format!("7,a,false,{}\n", at(second))).collect::<String>();
    std::fs::write(folder.path().join("logins.csv"), format!("card,device,ok,at\n{logins}8,a,false,{}\n", at(9))).unwrap();
    let payments = format!("1,7,a,900,{}\n2,7,b,700,{}\n3,8,b,700,{}\n", at(4), at(5), at(6));
    std::fs::write(folder.path().join("payments.csv"), format!("id,card,device,amount,paid_at\n{payments}")).unwrap();
    for (name, columns) in [("views", "card,page,at\n"), ("notes", "card,note\n")] {
        std::fs::write(folder.path().join(name).with_extension("csv"), columns).unwrap();
    }
    let job = format!("{JOB}CREATE SINK out WITH (connector = 'stdout', format = 'json');{statements}");
    std::fs::write(folder.path().join("job.egret"), job).unwrap();
    folder
}

fn egret(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_egret")).args(args).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = text(&output.stdout) + &text(&output.stderr);
    for internal in ["__0_", "__1_", "__stream", "__time"] {
        assert!(!shown.contains(internal), "{internal} is shown in\n{shown}");
    }
    shown
}

#[test]
fn why_speaks_of_the_streams_columns() {
    let folder = with_rows(&format!("{TAKEOVER}INSERT INTO out SELECT card, txn, _why FROM takeover;"));
    let shown = egret(folder.path(), &["run", "job.egret"]);
    for part in [
        r#"\"variable\":\"fail\",\"at\":\"2024-03-01T10:00:00.000Z\",\"values\":{\"ok\":false},\"because\":[\"fail ON logins\",\"NOT fail.ok false\"]"#,
        r#"\"values\":{\"amount\":700.0,\"device\":\"b\"},\"because\":[\"pay ON payments\",\"pay.amount 700 > 500\",\"pay.device 'b' <> last(fail.device) 'a'\"]"#,
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let shown = egret(folder.path(), &["why", "job.egret", "--key", "7"]);
    for part in ["7: 5 events", "pay.device 'b' <> last(fail.device) 'a'", "wanted  fail ON logins", "amount 700.0, device 'b'"] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let shown = egret(folder.path(), &["why", "job.egret", "--key", "8", "--format", "json"]);
    assert!(shown.contains("\"fail ON logins\"") && shown.contains("\"device\": \"b\""), "{shown}");
}

#[test]
fn plans_and_samples_speak_of_the_streams_columns() {
    let folder = with_rows(&format!("{TAKEOVER}INSERT INTO out SELECT card, txn FROM takeover;"));
    let shown = egret(folder.path(), &["explain", "job.egret"]);
    for part in [
        "pattern takeover: rows of logins",
        "a column at a time: ON payments AND amount > 500",
        "logins.device",
        "in order of event time",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let shown =
        egret(folder.path(), &["check", "job.egret", "--sample", "logins=logins.csv", "--sample", "payments=payments.csv"]);
    assert!(shown.contains("takeover: 7 rows over 9 s") && shown.contains("1 matches"), "{shown}");
}

#[test]
fn graphs_and_models_are_asked_of_a_variables_stream() {
    let text = |define: &str, select: &str| {
        format!(
            "{JOB} CREATE GRAPH ring ON payments EDGE card TO device COMPUTE components;
             CREATE PATTERN p ON logins, payments PARTITION BY card MATCH fail -> pay DEFINE fail ON logins AS NOT ok, {define}
               WITHIN INTERVAL '1' MINUTE SELECT card, {select} AS size;
             CREATE SINK out WITH (connector = 'stdout', format = 'json'); INSERT INTO out SELECT card, size, _why FROM p;"
        )
    };
    let plan = |define: &str, select: &str| Program::new("job.egret", &text(define, select)).plan();
    let unclear = plan("pay ON payments", "ring.size(card)").map(drop).unwrap_err().to_string();
    says(&unclear, &["this does not say which event's", "`ring.size(variable.card)`"]);
    let folder = with_rows("");
    std::fs::write(
        folder.path().join("job.egret"),
        text("pay ON payments AS ring.size(card) >= 0 AND amount > 600", "ring.size(pay.card)"),
    )
    .unwrap();
    let shown = egret(folder.path(), &["run", "job.egret"]);
    assert!(shown.contains(r#""card":7,"size":"#) && shown.contains("ring.size(pay.card)"), "{shown}");
}
