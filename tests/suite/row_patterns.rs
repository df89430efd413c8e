//! Row patterns that only their own engine can find, in programs: the conformance cases of SQL engines, and what a match shows.

use egret::prelude::*;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Prices of two symbols, not in order; `day` is event time.
const PRICES: &str = "\
symbol,price,day
acme,12,2024-03-01
acme,19,2024-03-03
globex,30,2024-03-02
acme,17,2024-03-02
globex,20,2024-03-03
acme,25,2024-03-05
globex,25,2024-03-04
acme,21,2024-03-04
globex,26,2024-03-06
acme,18,2024-03-06
acme,15,2024-03-07
acme,24,2024-03-09
globex,24,2024-03-07
acme,20,2024-03-08
";

const STREAM: &str = "CREATE STREAM prices (symbol STRING NOT NULL, price BIGINT NOT NULL, day TIMESTAMP,
      WATERMARK FOR day AS day - INTERVAL '2' DAY) WITH (connector = 'file', path = '{path}');\n";

fn file(suffix: &str, text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn run_text(text: &str, workers: usize, batch_rows: usize) -> Result<Vec<String>, String> {
    let sink = MemorySink::new();
    let text = format!("CREATE SINK out WITH (connector = 'stdout');\n{text}");
    let program = Program::new("job.egret", &text).with_sink("out", Arc::new(sink.clone()));
    let plan = program.plan().map_err(|errors| errors.to_string())?;
    let config = RunConfig { batch_rows, ..RunConfig::with_workers(workers) };
    run(&plan.job, &config).map_err(|error| error.to_string())?;
    Ok(sink.sorted_lines())
}

/// The rows of a query, the same on one, two and three workers and for any batching.
fn same_rows(text: &str) -> Result<Vec<String>, String> {
    let rows = run_text(text, 1, 1_000)?;
    for (workers, batch_rows) in [(1, 1), (2, 3), (3, 2)] {
        assert_eq!(run_text(text, workers, batch_rows)?, rows, "{workers} workers, {batch_rows} rows at a time:\n{text}");
    }
    Ok(rows)
}

/// The columns of the rows that a clause over the prices gives, without their names.
fn shown(columns: &str, clause: &str) -> Vec<String> {
    let prices = file(".csv", PRICES);
    let stream = STREAM.replace("{path}", prices.path().to_str().unwrap());
    let query =
        format!("INSERT INTO out SELECT {columns} FROM prices MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY day {clause});");
    let rows = same_rows(&(stream + &query)).unwrap_or_else(|error| panic!("{error}"));
    rows.iter().map(|row| values(row)).collect()
}

/// `a=1 b=2` as `1 2`.
fn values(row: &str) -> String {
    row.split(' ').map(|column| column.split_once('=').map_or(column, |(_, value)| value)).collect::<Vec<_>>().join(" ")
}

/// A fall and a rise.
const VALLEY: &str = "DEFINE down AS price < PREV(price), up AS price > PREV(price)";

#[test]
fn all_rows_of_a_match() {
    let measures =
        "MEASURES match_number() AS n, classifier() AS what, LAST(down.price) AS low, FINAL LAST(down.price) AS bottom";
    let columns = "symbol, price, n, what, low, bottom";
    assert_eq!(
        shown(columns, &format!("{measures} ALL ROWS PER MATCH PATTERN (strt down+ up+) {VALLEY}")),
        [
            "acme 15 1 DOWN 15 15",
            "acme 18 1 DOWN 18 15",
            "acme 20 1 UP 15 15",
            "acme 24 1 UP 15 15",
            "acme 25 1 STRT null 15",
            "globex 20 1 DOWN 20 20",
            "globex 25 1 UP 20 20",
            "globex 26 1 UP 20 20",
            "globex 30 1 STRT null 20",
        ]
    );
    assert_eq!(
        shown(columns, &format!("{measures} ALL ROWS PER MATCH PATTERN (strt {{- down+ -}} up+) {VALLEY}")),
        [
            "acme 20 1 UP 15 15",
            "acme 24 1 UP 15 15",
            "acme 25 1 STRT null 15",
            "globex 25 1 UP 20 20",
            "globex 26 1 UP 20 20",
            "globex 30 1 STRT null 20",
        ]
    );
}

#[test]
fn columns_of_all_rows() {
    let lines = shown("*", "MEASURES classifier() AS what ALL ROWS PER MATCH PATTERN (^ a b) DEFINE b AS price > 16");
    assert_eq!(
        lines,
        [
            "acme 2024-03-01T00:00:00 A 12",
            "acme 2024-03-02T00:00:00 B 17",
            "globex 2024-03-02T00:00:00 A 30",
            "globex 2024-03-03T00:00:00 B 20"
        ]
    );
}

#[test]
fn unmatched_rows_and_empty_matches() {
    let some = "MEASURES match_number() AS n, classifier() AS what ALL ROWS PER MATCH WITH UNMATCHED ROWS
        PATTERN (a b) DEFINE a AS price < 13, b AS price > 16";
    let lines = shown("symbol, price, n, what", some);
    assert_eq!(lines.len(), 14, "{lines:?}");
    let matched: Vec<&String> = lines.iter().filter(|line| !line.ends_with("null null")).collect();
    assert_eq!(matched, ["acme 12 1 A", "acme 17 1 B"]);
    let empty = |rows: &str| {
        let clause = format!("MEASURES match_number() AS n, classifier() AS what {rows} PATTERN (a*) DEFINE a AS price > 25");
        let mut lines = shown("symbol, n, what", &clause);
        lines.retain(|line| line.starts_with("globex"));
        lines
    };
    let all = ["globex 1 A", "globex 2 null", "globex 3 null", "globex 4 A", "globex 5 null"];
    assert_eq!(empty("ONE ROW PER MATCH"), all);
    assert_eq!(empty("ALL ROWS PER MATCH"), all);
    assert_eq!(empty("ALL ROWS PER MATCH SHOW EMPTY MATCHES"), all);
    assert_eq!(empty("ALL ROWS PER MATCH OMIT EMPTY MATCHES"), ["globex 1 A", "globex 4 A"]);
}

#[test]
fn any_order_alternatives_and_unions() {
    let clause = "MEASURES first(price) AS first, a.price AS a, b.price AS b, c.price AS c PATTERN (PERMUTE(a, b, c))
        DEFINE a AS price < 18, b AS price BETWEEN 18 AND 20, c AS price > 20";
    assert_eq!(shown("symbol, first, a, b, c", clause), ["acme 17 17 19 21", "acme 25 15 18 25"]);
    let clause = "MEASURES edge.price AS edge, classifier(edge) AS what, mid.price AS mid PATTERN ((low | high) mid)
        SUBSET edge = (low, high) DEFINE low AS price < 16, high AS price > 24, mid AS price BETWEEN 17 AND 20";
    assert_eq!(
        shown("symbol, edge, what, mid", clause),
        ["acme 12 LOW 17", "acme 15 LOW 20", "acme 25 HIGH 18", "globex 30 HIGH 20"]
    );
}

#[test]
fn aggregates_neighbours_and_the_end() {
    let clause = "MEASURES count(a.*) AS n, sum(a.price) AS total, b.price AS price PATTERN (a+ b) DEFINE a AS sum(a.price) < 50";
    assert_eq!(
        shown("symbol, n, total, price", clause),
        ["acme 1 20 24", "acme 2 43 15", "acme 3 48 21", "globex 1 25 26", "globex 1 30 20"]
    );
    let peak = "MEASURES price AS price, NEXT(price) AS after, PREV(price, 2) AS before PATTERN (peak)
        DEFINE peak AS price > PREV(price) AND price > NEXT(price)";
    assert_eq!(shown("symbol, price, after, before", peak), ["acme 25 18 19", "globex 26 24 20"]);
    let last = "MEASURES a.price AS a, b.price AS b PATTERN (a b $)";
    assert_eq!(shown("symbol, a, b", last), ["acme 20 24", "globex 26 24"]);
}

#[test]
fn the_search_goes_on_where_it_is_told_to() {
    let up = "DEFINE up AS price > PREV(price)";
    let skip = |to: &str| {
        let clause = format!("MEASURES strt.price AS low, up.price AS high AFTER MATCH SKIP TO {to} PATTERN (strt up+) {up}");
        shown("symbol, low, high", &clause)
    };
    assert_eq!(skip("LAST up"), ["acme 12 25", "acme 15 24", "globex 20 26"]);
    assert_eq!(
        skip("FIRST up"),
        ["acme 12 25", "acme 15 24", "acme 17 25", "acme 19 25", "acme 20 24", "acme 21 25", "globex 20 26", "globex 25 26"]
    );
    let prices = file(".csv", PRICES);
    let stream = STREAM.replace("{path}", prices.path().to_str().unwrap());
    for (clause, expected) in [
        ("AFTER MATCH SKIP TO b PATTERN (a b? c) DEFINE b AS price > 100", "has no row of"),
        ("AFTER MATCH SKIP TO FIRST a PATTERN (a b)", "is the first of the match"),
    ] {
        let query =
            format!("INSERT INTO out SELECT * FROM prices MATCH_RECOGNIZE (ORDER BY day MEASURES a.price AS p {clause});");
        let error = run_text(&format!("{stream}{query}"), 1, 3).unwrap_err();
        assert!(error.contains(expected) && error.contains("help"), "{error}");
    }
}

#[test]
fn the_program_writes_the_same_file_at_any_parallelism() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prices.csv"), PRICES).unwrap();
    let program = STREAM.replace("{path}", "prices.csv")
        + &format!(
            "CREATE SINK found WITH (connector = 'file', path = 'found.jsonl');
             INSERT INTO found SELECT * FROM prices MATCH_RECOGNIZE (
               PARTITION BY symbol ORDER BY day MEASURES classifier() AS what, avg(price) AS mean
               ALL ROWS PER MATCH PATTERN (strt {{- down+ -}} up+) {VALLEY});"
        );
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    for workers in ["1", "2", "3"] {
        let output = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["run", "job.egret", "--workers", workers])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(folder.path().join("found.jsonl")).unwrap();
        let mut rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        rows.sort_by_key(|row| (row["symbol"].to_string(), row["day"].to_string()));
        let means: Vec<f64> = rows.iter().map(|row| row["mean"].as_f64().unwrap()).collect();
        assert_eq!(means, [25.0, 19.5, 20.4, 30.0, 25.0, 25.25], "{workers} workers: {text}");
        assert!(rows.iter().all(|row| row["what"] != "DOWN"), "{text}");
    }
}

#[test]
fn the_example_of_the_documentation_gives_what_is_said_there() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md")).unwrap();
    let example = text.split("```sql\n").find(|block| block.contains("AS valley")).unwrap().split("```").next().unwrap();
    let days = "symbol,price,day\na,25,2024-03-01\na,18,2024-03-02\na,15,2024-03-03\na,20,2024-03-04\n";
    let prices = file(".csv", days);
    let sink = MemorySink::new();
    let text = example.replace("prices.csv", prices.path().to_str().unwrap());
    let program = Program::new("job.egret", &text).with_sink("valleys", Arc::new(sink.clone()));
    let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
    run(&plan.job, &RunConfig::with_workers(2)).unwrap();
    let found: Vec<String> = sink.sorted_lines().iter().map(|row| values(row)).collect();
    let expected = ["01 STRT 25.0 25.0", "02 DOWN 21.5 18.0", "03 DOWN 19.333333333333332 15.0", "04 UP 19.5 20.0"].map(|row| {
        let [day, step, mean, price] = row.split(' ').collect::<Vec<_>>()[..] else { panic!("{row}") };
        format!("a 2024-03-{day}T00:00:00 1 {step} 15.0 {mean} {price}")
    });
    assert_eq!(found, expected);
}

/// The folder of shared files: `EGRET_SHARED`, or `shared` beside the workspace.
fn shared() -> PathBuf {
    std::env::var_os("EGRET_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The first column of a case's order, or the position of arrival, is the event time.
const PLACE: &str = "CREATE STREAM t ({columns}, place TIMESTAMP, WATERMARK FOR place AS place - INTERVAL '1' HOUR)
      WITH (connector = 'file', path = '{path}');\n";

/// A case as a program, and its input as JSON lines.
fn program(case: &Value) -> (String, String) {
    let columns = case["input"]["columns"].as_array().unwrap().iter().map(texts).collect::<Vec<_>>();
    let order: Vec<&str> = texts(&case["sql"]["order_by"]);
    let names: Vec<&str> = columns.iter().map(|column| column[0]).collect();
    let mut lines = String::new();
    for (arrival, row) in case["input"]["rows"].as_array().unwrap().iter().enumerate() {
        let mut object: serde_json::Map<String, Value> =
            names.iter().zip(row.as_array().unwrap()).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let place = order.first().and_then(|column| object[*column].as_i64()).unwrap_or(arrival as i64);
        object.insert("place".into(), place.into());
        lines += &format!("{}\n", Value::Object(object));
    }
    let columns: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {}", column[0], if column[1] == "varchar" { "STRING" } else { "BIGINT" }))
        .collect();
    let query = format!(
        "INSERT INTO out SELECT {} FROM t {};",
        texts(&case["expected"]["columns"]).join(", "),
        clause(&case["sql"], &order)
    );
    (PLACE.replace("{columns}", &columns.join(", ")) + &query, lines)
}

/// The clause of a case, as a user would write it.
fn clause(sql: &Value, order: &[&str]) -> String {
    let list =
        |words: &str, items: Vec<String>| if items.is_empty() { String::new() } else { format!("{words} {} ", items.join(", ")) };
    let owned = |value: &Value| texts(value).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let quoted = |name: &str| if name.to_uppercase() == name { name.to_owned() } else { format!("\"{name}\"") };
    let order: Vec<String> = std::iter::once("place").chain(order.iter().skip(1).copied()).map(str::to_owned).collect();
    let measures = sql["measures"].as_array().into_iter().flatten().map(|measure| texts(measure).join(" AS ")).collect();
    let subsets = sql["subset"].as_object().into_iter().flatten();
    let defines = sql["define"].as_object().into_iter().flatten();
    let rows = match sql["rows_per_match"].as_str() {
        None => "",
        Some("one") => "ONE ROW PER MATCH",
        Some("all") => "ALL ROWS PER MATCH",
        Some("all_show_empty") => "ALL ROWS PER MATCH SHOW EMPTY MATCHES",
        Some("all_omit_empty") => "ALL ROWS PER MATCH OMIT EMPTY MATCHES",
        Some("all_with_unmatched") => "ALL ROWS PER MATCH WITH UNMATCHED ROWS",
        Some(other) => panic!("rows_per_match {other}"),
    };
    let skip = sql["after_match"]
        .as_str()
        .map_or(String::new(), |skip| format!("AFTER MATCH {}", skip.replace(['_', '('], " ").replace(')', "").to_uppercase()));
    format!(
        "MATCH_RECOGNIZE ({}{}{}{rows} {skip} PATTERN ({}) {}{})",
        list("PARTITION BY", owned(&sql["partition_by"])),
        list("ORDER BY", order),
        list("MEASURES", measures),
        // In a program, `$A$` begins a quoted text, as in PostgreSQL.
        sql["pattern"].as_str().unwrap().replace("$A$", "$ A $"),
        list("SUBSET", subsets.map(|(name, of)| format!("{name} = ({})", texts(of).join(", "))).collect()),
        list("DEFINE", defines.map(|(name, when)| format!("{} AS {}", quoted(name), when.as_str().unwrap())).collect()),
    )
}

#[test]
fn the_cases_of_other_engines_hold_from_text() {
    let mut passed = 0;
    let folder = shared().join("conformance/match_recognize");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}; set EGRET_SHARED", folder.display()));
    let mut failed = String::new();
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "json")) {
        let cases: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        // A case with a dialect does not test SQL's standard.
        for case in cases.as_array().unwrap().iter().filter(|case| case.get("dialect").is_none()) {
            let (text, lines) = program(case);
            let input = file(".jsonl", &lines);
            let found = same_rows(&text.replace("{path}", input.path().to_str().unwrap()));
            let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let row = |row: &Value| row.as_array().unwrap().iter().map(shown).collect::<Vec<_>>().join(" ");
            let mut expected: Vec<String> = case["expected"]["rows"].as_array().unwrap().iter().map(row).collect();
            let mut found: Vec<String> = match found {
                Ok(rows) => rows.iter().map(|row| values(row)).collect(),
                Err(error) => vec![error],
            };
            expected.sort();
            found.sort();
            match expected == found {
                true => passed += 1,
                false => failed += &format!("{}\n{text}\nexpected {expected:#?}\nfound {found:#?}\n", case["id"]),
            }
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(passed >= 80, "only {passed} cases were found");
}
