//! Errors point at the part of the statement that they are about, however names are spelled and messages worded.

use egret::prelude::*;
use std::path::Path;

const STREAM: &str =
    "CREATE STREAM ev (id BIGINT, kind STRING, amount DOUBLE, flag BOOLEAN, at TIMESTAMP, WATERMARK FOR at AS at)
    WITH (connector = 'file', path = 'none.csv'); CREATE SINK o WITH (connector = 'stdout');\n";

/// The first error of a program: its message, and the text that it points at.
fn first(statements: &str) -> (String, String) {
    let text = format!("{STREAM}{statements}");
    let program = Program::new("job.egret", &text);
    let errors = program.plan().err().unwrap_or_else(|| panic!("nothing is wrong with {statements}"));
    let wrong = errors.diagnostics.first().expect("something is wrong");
    let span = wrong.span().unwrap_or_default();
    (wrong.message.clone(), text[span.start..span.end].to_owned())
}

/// Checks cases: statements, a part of the message, and the text that it points at.
fn check(cases: impl IntoIterator<Item = (String, &'static str, &'static str)>) {
    let wrong: Vec<String> = cases
        .into_iter()
        .filter_map(|(statements, message, place)| {
            let (said, at) = first(&statements);
            let is_right = said.contains(message) && at == place;
            (!is_right).then(|| format!("{statements}\nsays: {said}\nof: {at}\nnot of: {place} ({message})"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn errors_of_patterns_point_at_what_they_are_about() {
    let of = |pattern: &str| format!("CREATE PATTERN p ON ev MATCH {pattern}; INSERT INTO o SELECT * FROM p;");
    let cases = [
        // The condition that reads, not the variable that is read.
        ("a -> b DEFINE a AS a.amount > b.amount, b AS amount > 1 SELECT a.id AS a", "is read before 'b'", "a.amount > b.amount"),
        ("a -> !b -> c DEFINE b AS amount > 1, c AS amount > b.amount SELECT a.id AS a", "'b' is negated", "amount > b.amount"),
        ("a -> b DEFINE a AS amount > 1, b AS amount + 1 SELECT a.id AS a", "not a condition", "amount + 1"),
        // The end of a repetition, although the variable has a condition of its own.
        ("a+ UNTIL (amount + 2) -> b DEFINE a AS amount > 1 SELECT b.id AS a", "not a condition", "amount + 2"),
        ("(a -> b)+ UNTIL (amount + 3) -> c DEFINE a AS amount > 1 SELECT c.id AS a", "not a condition", "amount + 3"),
        // The selected column, whatever its name is; unnamed ones have none.
        ("a -> b DEFINE a AS amount > 1 SELECT a.id AS b, sum(b.kind) AS a", "the measure 'a'", "sum(b.kind)"),
        ("a -> b SELECT a.id + 1, first(b) + 1", "the measure 'column_2'", "first(b) + 1"),
        ("a -> b SELECT a.id, b.id", "two columns of a match are named `id`", "id"),
        // The variable in the pattern, not its condition.
        ("a{20000} -> b DEFINE a AS amount > 1 SELECT b.id AS a", "the most is", "a"),
        ("a -> (b -> c){20000} DEFINE b AS amount > 1 SELECT a.id AS a", "the most is", "b"),
        (
            "a -> !b -> c DEFINE b AS amount > 1 AFTER MATCH SKIP TO LAST b SELECT a.id AS a",
            "cannot skip to 'b'",
            "MATCH SKIP TO LAST b",
        ),
    ];
    check(cases.map(|(pattern, message, place)| (of(pattern), message, place)));
}

#[test]
fn errors_of_row_patterns_point_at_what_they_are_about() {
    let of = |clause: &str| format!("INSERT INTO o SELECT * FROM ev MATCH_RECOGNIZE (PARTITION BY kind ORDER BY at {clause});");
    let cases = [
        // Options named like the variables.
        (
            "MEASURES a.id AS b, a.kind + 1 AS a PATTERN (a b) DEFINE a AS amount > 1, b AS amount < 1",
            "the measure 'a'",
            "a.kind + 1",
        ),
        ("MEASURES a.id AS x PATTERN (a b) DEFINE a AS amount > 1, b AS amount + a.amount", "DEFINE B", "amount + a.amount"),
        ("MEASURES a.id AS \"A\" PATTERN (a b) DEFINE a AS amount + 1, b AS amount > 1", "DEFINE A", "amount + 1"),
        ("MEASURES a.id AS x, b.id AS x PATTERN (a b) DEFINE a AS amount > 1", "`x`", "x"),
    ];
    check(cases.map(|(clause, message, place)| (of(clause), message, place)));
}

#[test]
fn errors_of_models_point_at_what_they_are_about() {
    let of = |name: &str, features: &str, label: &str, args: &str, rest: &str| {
        format!(
            "CREATE MODEL {name} ON ev FEATURES {features} LABEL {label} DELAYED BY INTERVAL '1' HOUR \
             USING logistic_regression({args}){rest}; INSERT INTO o SELECT id, {name}(ev) AS s FROM ev;"
        )
    };
    check([
        // A model that is named like one of its arguments.
        (of("l2", "amount", "flag", "l2 => 0.1, learning_rate => -1", ""), "option 'learning_rate'", "learning_rate => -1"),
        (of("m", "amount", "flag", "optimiser => 'sgd'", ""), "there is no option 'optimiser'", "optimiser => 'sgd'"),
        (of("m", "amount", "flag", "optimizer => 'sdg'", ""), "there is no optimizer", "optimizer => 'sdg'"),
        (of("m", "amount", "flag", "l2 => 10, learning_rate => 1", ""), "would oscillate", "learning_rate => 1"),
        (of("m", "amount", "flag", "categorical => 'kind'", ""), "which is not a feature", "categorical => 'kind'"),
        (of("m", "amount", "kind", "l2 => 0.1", ""), "not a BOOLEAN", "kind"),
        (of("m", "id, amount, id", "flag", "l2 => 0.1", ""), "two columns are named 'id'", "id"),
    ]);
}

#[test]
fn errors_of_models_of_classes_point_at_what_they_are_about() {
    let of = |label: &str, args: &str, more: &str, asked: &str| {
        format!(
            "CREATE MODEL m ON ev FEATURES amount LABEL {label} DELAYED BY INTERVAL '1' HOUR USING gaussian_nb({args}) {more}; \
             INSERT INTO o SELECT id, {asked} AS s FROM ev;"
        )
    };
    check([
        (of("kind", "max_categories => 0", "", "m.class(ev)"), "option 'max_categories'", "max_categories => 0"),
        (of("kind", "", "EVALUATE accuracy", "m.class(ev)"), "no metrics yet of a label that is", "accuracy"),
        (of("kind", "", "", "m(ev)"), "has classes and no score", "m(ev)"),
        (of("kind", "", "", "m.clas(ev)"), "has no answer `clas`", "m.clas(ev)"),
        (of("kind", "", "", "m.probability(ev)"), "is that of a class", "m.probability(ev)"),
        (of("kind", "", "", "m.probability(ev, kind)"), "is that of a class", "m.probability(ev, kind)"),
        (of("kind", "", "", "m.probability(id, 'x')"), "`m` scores a row", "m.probability(id, 'x')"),
        (of("flag", "", "", "m.probability(ev, 'x')"), "has no class `x`", "m.probability(ev, 'x')"),
    ]);
}

#[test]
fn errors_of_models_without_labels_point_at_what_they_are_about() {
    let of = |label: &str, using: &str, asked: &str| {
        format!("CREATE MODEL m ON ev FEATURES amount {label} USING {using}; INSERT INTO o SELECT id, {asked} AS s FROM ev;")
    };
    let label = "LABEL flag DELAYED BY INTERVAL '1' HOUR";
    check([
        (of(label, "half_space_trees()", "m(ev)"), "learns without labels", "flag"),
        (of("", "gaussian_nb()", "m(ev)"), "learns from labels, and the model has none", "gaussian_nb()"),
        (of("", "half_space_trees() EVALUATE roc_auc", "m(ev)"), "no metrics of a model that learns without", "roc_auc"),
        (of("", "half_space_trees()", "m.class(ev)"), "learns without labels and has no classes", "m.class(ev)"),
        (of("", "half_space_trees()", "m.cluster(ev)"), "has no clusters", "m.cluster(ev)"),
        (of("", "kmeans()", "m(ev)"), "has clusters and no score", "m(ev)"),
        (of("", "kmeans()", "m.clster(ev)"), "has no answer `clster`", "m.clster(ev)"),
        (of(label, "kmeans()", "m.cluster(ev)"), "learns without labels", "flag"),
        (of("", "half_space_trees(height => 13)", "m(ev)"), "option 'height'", "height => 13"),
    ]);
}

#[test]
fn errors_of_regressions_point_at_what_they_are_about() {
    let of = |label: &str, args: &str, more: &str, asked: &str| {
        format!(
            "CREATE MODEL m ON ev FEATURES id LABEL {label} DELAYED BY INTERVAL '1' HOUR USING linear_regression({args}) {more}; \
             INSERT INTO o SELECT id, {asked} AS s FROM ev;"
        )
    };
    check([
        (of("kind", "", "", "m(ev)"), "not a number: linear_regression predicts a number", "kind"),
        (of("flag", "", "", "m(ev)"), "not a number: linear_regression predicts a number", "flag"),
        (of("amount", "momentum => 1", "", "m(ev)"), "there is no option 'momentum'", "momentum => 1"),
        (of("amount", "", "EVALUATE mae, roc_auc", "m(ev)"), "is of labels that are true or false", "roc_auc"),
        (of("amount", "", "", "m.class(ev)"), "predicts a number and has no classes", "m.class(ev)"),
        (of("amount", "", "", "m.probability(ev, 'x')"), "predicts a number and has no classes", "m.probability(ev, 'x')"),
    ]);
}

#[test]
fn two_outputs_to_one_file_point_at_the_first() {
    let sink = |name: &str, path: &str| format!("CREATE SINK {name} WITH (connector = 'file', path = '{path}');");
    let insert = |name: &str| format!("INSERT INTO {name} SELECT id FROM ev;");
    // One named like a part of another's name.
    let names = ["z", "y", "x"];
    let sinks: String = names.iter().map(|name| sink(name, if *name == "x" { "c.csv" } else { "d.csv" })).collect();
    let inserts: String = names.iter().map(|name| insert(name)).collect();
    let (said, at) = first(&format!("{sinks}{inserts}INSERT INTO o SELECT id FROM ev;"));
    assert!(said.contains("both write to d.csv"), "{said}");
    assert_eq!(at, "y", "{said}");
}

/// Every file of the planner below a folder.
fn planner_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the planner's folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => planner_files(&path, found),
            false => found.push(path),
        }
    }
}

/// Messages may be reworded: no place, and nothing else, depends on the text of one.
#[test]
fn the_planner_does_not_look_into_messages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("src/program.rs")];
    planner_files(&root.join("src/planner"), &mut files);
    assert!(files.len() > 20, "these are not all: {files:?}");
    let looks =
        ["error.to_string()", ".cause().", ".message.", ".message()", ".message ==", ".message !=", "match diagnostic.message"];
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file of the planner");
        for (number, line) in text.lines().enumerate() {
            let is_look = looks.iter().any(|look| line.contains(look)) && !line.contains("message.clone()");
            assert!(!is_look, "{}:{}: a message is looked into: {line}", file.display(), number + 1);
        }
    }
}
