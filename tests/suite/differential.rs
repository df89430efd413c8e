//! Random expressions over random rows have the values that DuckDB computed, in all places where an expression can stand.
//!
//! The values are in `tests/differential/fixture.jsonl`, written by `tests/differential/generate.py`; EGRET_DIFFERENTIAL names
//! another such file. Where Egret differs on purpose, the generator writes the expression for DuckDB so that it computes what
//! Egret promises.

use super::places::{KEPT, Outcome, Rows, SHOWN, column};
use serde_json::Value;
use std::path::Path;

/// The number of expressions compared in one program.
const TOGETHER: usize = 12;

struct Case {
    expression: String,
    data_type: String,
    values: Vec<Value>,
}

fn fixture() -> Vec<Value> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/fixture.jsonl");
    let path = std::env::var_os("EGRET_DIFFERENTIAL").map_or(own, Into::into);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn rows_of(columns: &[(String, String)], rows: &[Value]) -> Rows {
    let texts = |index: usize| rows.iter().map(|row| row[index].as_str()).collect::<Vec<_>>();
    let columns: Vec<_> =
        columns.iter().enumerate().map(|(index, (name, of))| (name.as_str(), column(of, &texts(index)))).collect();
    Rows::new(&columns)
}

#[test]
fn expressions_have_the_values_that_another_engine_computed() {
    let lines = fixture();
    let columns: Vec<(String, String)> = serde_json::from_value(lines[0]["columns"].clone()).unwrap();
    let mut wrong = Vec::new();
    let (mut rows, mut cases, mut compared) = (None, Vec::new(), 0);
    for line in &lines[1..] {
        if let Some(given) = line["rows"].as_array() {
            compared += rows.as_ref().map_or(0, |rows| check(rows, &std::mem::take(&mut cases), &mut wrong));
            rows = Some(rows_of(&columns, given));
        } else if let Some(expression) = line["e"].as_str() {
            let values = line["v"].as_array().unwrap().clone();
            cases.push(Case { expression: expression.to_owned(), data_type: line["t"].as_str().unwrap().to_owned(), values });
        } else if let Some(call) = line["a"].as_str() {
            compared += 1;
            let rows = rows.as_ref().expect("rows stand before what is computed of them");
            check_call(rows, call, line["t"].as_str().unwrap(), &line["v"], &mut wrong);
        }
    }
    compared += rows.as_ref().map_or(0, |rows| check(rows, &cases, &mut wrong));
    assert!(compared > 500, "{compared} were compared");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Compares expressions over some rows, each in one place that shows values and in one that keeps rows.
fn check(rows: &Rows, cases: &[Case], wrong: &mut Vec<String>) -> usize {
    let (sound, failing): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| case.values.iter().all(|value| !value.is_array()));
    let all: Vec<usize> = (0..rows.num_rows()).collect();
    for (number, together) in sound.chunks(TOGETHER).enumerate() {
        compare(rows, &all, together, number, wrong);
    }
    for (number, case) in failing.iter().enumerate() {
        let (good, bad): (Vec<usize>, Vec<usize>) = all.iter().partition(|&&row| !case.values[row].is_array());
        if !good.is_empty() {
            compare(&rows.take(&good), &good, &[*case], number, wrong);
        }
        if !computes_all(case) {
            continue;
        }
        let one = rows.take(&bad[..1]);
        let (shown, kept) = (SHOWN[number % SHOWN.len()], KEPT[number % KEPT.len()]);
        let condition = format!("coalesce(CAST({} AS STRING), '-') <> '~'", case.expression);
        for (place, outcome) in [(shown, one.show(shown, &[case.expression.as_str()])), (kept, one.keep(kept, &condition))] {
            if !matches!(&outcome, Err(text) if text.starts_with("ended: ") || text.starts_with("refused: ")) {
                let row = bad[0] + 1;
                wrong.push(format!(
                    "{} in {place}: row {row} cannot be computed ({}), and gave {outcome:?}",
                    case.expression, case.values[bad[0]]
                ));
            }
        }
    }
    cases.len()
}

/// Whether every part of an expression is computed for every row: neither engine computes more than it needs.
fn computes_all(case: &Case) -> bool {
    const LAZY: [&str; 9] = [" AND ", " OR ", " IN ", "CASE", "BETWEEN", "coalesce", "nullif", "IS ", "TRY_CAST"];
    case.data_type != "BOOLEAN" && !LAZY.iter().any(|word| case.expression.contains(word))
}

fn compare(rows: &Rows, numbers: &[usize], cases: &[&Case], number: usize, wrong: &mut Vec<String>) {
    let (shown, kept) = (SHOWN[number % SHOWN.len()], KEPT[number % KEPT.len()]);
    let expressions: Vec<&str> = cases.iter().map(|case| case.expression.as_str()).collect();
    let each = |wrong: &mut Vec<String>| cases.iter().for_each(|case| compare(rows, numbers, &[*case], number, wrong));
    match rows.show(shown, &expressions) {
        Err(_) if cases.len() > 1 => return each(wrong),
        // The other engine may have computed less.
        Err(error) if error.starts_with("ended: ") && (!computes_all(cases[0]) || cases[0].values.iter().any(Value::is_null)) => {
            return;
        }
        Err(error) => return wrong.push(format!("{} in {shown}: {error}", expressions[0])),
        Ok(found) => {
            for (index, case) in cases.iter().enumerate() {
                let differ = numbers.iter().find_map(|&row| {
                    let value = found.get(&(row as i64 + 1)).map(|values| values[index].as_str());
                    let is_same = value.is_some_and(|value| same(&case.data_type, &case.values[row], value, 0.0));
                    (!is_same).then(|| {
                        format!("{} in {shown}: row {} is {value:?}, not {}", case.expression, row + 1, case.values[row])
                    })
                });
                wrong.extend(differ);
            }
        }
    }
    match rows.agree(kept, &expressions) {
        Ok(found) if found.len() == numbers.len() => {}
        _ if cases.len() > 1 => each(wrong),
        Ok(found) => wrong.push(format!("{} in {kept} is another value: {:?} of {numbers:?}", expressions[0], found.keys())),
        Err(error) => wrong.push(format!("{} in {kept}: {error}", expressions[0])),
    }
}

/// Compares an aggregate by group: in a window, and if it can stand there in a row pattern.
fn check_call(rows: &Rows, call: &str, data_type: &str, values: &Value, wrong: &mut Vec<String>) {
    let window = format!("INSERT INTO o SELECT g, {call} AS v FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY g;");
    compare_groups("a window", call, data_type, values, &rows.query(&window), wrong);
    if !call.contains("FILTER") {
        let matched = format!(
            "INSERT INTO o SELECT g, v FROM t MATCH_RECOGNIZE (PARTITION BY g ORDER BY at, id MEASURES {} AS v PATTERN (A+) DEFINE A AS id > 0);",
            rows.qualified(call, "A.")
        );
        compare_groups("a row pattern", call, data_type, values, &rows.query(&matched), wrong);
    }
}

fn compare_groups(place: &str, call: &str, data_type: &str, values: &Value, outcome: &Outcome, wrong: &mut Vec<String>) {
    let found = match outcome {
        Ok(found) => found,
        Err(error) => return wrong.push(format!("{call} in {place}: {error}")),
    };
    for (group, value) in values.as_object().unwrap() {
        let is = found.get(&group.parse().unwrap()).map(|values| values[0].as_str());
        if !is.is_some_and(|is| same(data_type, value, is, 1e-9)) {
            wrong.push(format!("{call} in {place}: group {group} is {is:?}, not {value}"));
        }
    }
}

/// Whether a value equals the expected one: floats in their one order, times with any number of digits.
fn same(data_type: &str, expected: &Value, found: &str, tolerance: f64) -> bool {
    let Some(expected) = expected.as_str() else { return found == "null" };
    match data_type {
        "DOUBLE" => match (expected.parse::<f64>(), found.parse::<f64>()) {
            (Ok(one), Ok(other)) => {
                egret::core::floats::order(one, other).is_eq() || (one - other).abs() <= tolerance * one.abs().max(other.abs())
            }
            _ => false,
        },
        "TIMESTAMP" => digits(expected) == digits(found),
        _ => expected == found,
    }
}

fn digits(time: &str) -> &str {
    if time.contains('.') { time.trim_end_matches('0').trim_end_matches('.') } else { time }
}
