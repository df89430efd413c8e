//! Every line of docs/semantics.md holds, in every place where an expression can stand.

use super::places::{KEPT, Rows, SHOWN, column};
use egret::prelude::*;
use std::path::Path;
use std::sync::Arc;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/semantics.md")).unwrap()
}

/// The cells of the rows of tables with this header.
fn table(page: &str, header: &str) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        inside = line == header || (inside && line.starts_with('|'));
        if inside && line != header && !line.starts_with("| ---") {
            let line = line.replace("\\|", "\u{1}");
            let cells = line.trim_matches('|').split('|');
            lines.push(cells.map(|cell| cell.trim().replace('\u{1}', "|").trim_matches('`').to_owned()).collect());
        }
    }
    lines
}

fn row_of(page: &str) -> Rows {
    let given = table(page, "| column | type | value |");
    let columns: Vec<(&str, arrow::array::ArrayRef)> = given
        .iter()
        .map(|cells| {
            let value = Some(cells[2].as_str()).filter(|value| *value != "null");
            (cells[0].as_str(), column(&cells[1], &[value]))
        })
        .collect();
    Rows::new(&columns)
}

#[test]
fn every_line_of_the_page_holds_in_every_place() {
    let page = page();
    let row = row_of(&page);
    let lines = table(&page, "| expression | value |");
    assert!(lines.len() > 100, "{}", lines.len());
    let mut wrong: Vec<String> = Vec::new();
    let (odd, plain): (Vec<_>, Vec<_>) =
        lines.iter().partition(|cells| matches!(cells[1].as_str(), "cannot be computed" | "refused"));
    let expressions: Vec<&str> = plain.iter().map(|cells| cells[0].as_str()).collect();
    for place in SHOWN {
        match row.show(place, &expressions) {
            Err(error) => wrong.push(format!("{place}: {error}")),
            Ok(rows) => {
                let differ = plain.iter().zip(&rows[&1]).filter(|(cells, found)| !same(&cells[1], found));
                wrong.extend(differ.map(|(cells, found)| format!("{} is {found} in {place}, not {}", cells[0], cells[1])));
            }
        }
    }
    for (cells, place) in plain.iter().flat_map(|cells| KEPT.map(|place| (cells, place))) {
        match row.agree(place, &[cells[0].as_str()]) {
            Ok(rows) if rows.len() == 1 => {}
            Ok(_) => wrong.push(format!("{} is not {} in {place}", cells[0], cells[1])),
            Err(error) => wrong.push(format!("{} in {place}: {error}", cells[0])),
        }
    }
    for cells in odd {
        let beginning = if cells[1] == "refused" { "refused: " } else { "ended: " };
        let shown = SHOWN.iter().map(|place| (place, row.show(place, &[cells[0].as_str()])));
        let kept =
            KEPT.iter().map(|place| (place, row.keep(place, &format!("coalesce(CAST({} AS STRING), '-') <> '~'", cells[0]))));
        let bad = shown.chain(kept).filter(|(_, outcome)| !matches!(outcome, Err(text) if text.starts_with(beginning)));
        wrong.extend(bad.map(|(place, outcome)| format!("{} in {place} is not {}: {outcome:?}", cells[0], cells[1])));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The language and the Rust API each parse expressions with a dialect of its own.
#[test]
fn both_dialects_read_every_line_alike() {
    let page = page();
    let lines = table(&page, "| expression | value |");
    let more = [
        "a IS DISTINCT FROM b AND c OR d",
        "NOT a IS NOT DISTINCT FROM b + 1 OR c",
        "a IS DISTINCT FROM b IS NULL",
        "~a << b | c & d",
    ];
    for text in lines.iter().map(|cells| cells[0].as_str()).chain(more) {
        let language = egret::dsl::parse_expression(text).map(|sql| sql.tree);
        let api = egret::core::expr::parse_expression(text);
        match (language, api) {
            (Ok(language), Ok(api)) => assert_eq!(language, api, "{text}"),
            (language, api) => panic!("{text}: {language:?} {api:?}"),
        }
    }
}

/// Whether two values are equal: floats by their bits, others by their text.
fn same(expected: &str, found: &str) -> bool {
    let bits = |text: &str| text.parse::<f64>().map(|value| if value.is_nan() { u64::MAX } else { value.to_bits() });
    expected == found
        || matches!((bits(expected), bits(found)), (Ok(one), Ok(other)) if one == other && found.contains(['.', 'e', 'N', 'i']))
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(entry.path());
                }
            } else if name.ends_with(".rs") {
                sources.push_str(&std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    let lines = table(&page(), "| what | rule | test |");
    assert!(!lines.is_empty());
    for cells in lines {
        assert!(sources.contains(&format!("fn {}()", cells[2])), "there is no test {}", cells[2]);
    }
}

#[test]
fn aggregates_of_nulls_and_of_nothing() {
    let calls = "count(*) AS a, count(nothing) AS b, sum(nothing) AS c, avg(nothing) AS d, min(nothing) AS e, max(nothing) AS f,
        count(DISTINCT nothing) AS g, sum(n) FILTER (WHERE n < 0) AS h, stddev(x) AS i";
    let (page, sink) = (page(), MemorySink::new());
    let row = row_of(&page);
    let text = format!(
        "CREATE STREAM t ({}, WATERMARK FOR at AS at) WITH (connector = 'memory');
         CREATE SINK o WITH (connector = 'memory');
         INSERT INTO o SELECT {calls} FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY window_start;",
        row.declared()
    );
    let program = Program::new("test", &text).with_source("t", row.source()).with_sink("o", Arc::new(sink.clone()));
    let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
    run(&plan.job, &RunConfig::with_workers(1)).unwrap();
    assert_eq!(sink.sorted_lines(), ["a=1 b=0 c=null d=null e=null f=null g=0 h=null i=null"]);
}
