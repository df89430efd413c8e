//! Messages about patterns in the notations of other systems.

use egret::prelude::*;
use egret::testing::TestOutcome;

const STREAM: &str = "CREATE STREAM ev (id BIGINT, kind STRING, amount DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at)
    WITH (connector = 'file', path = 'none.csv'); CREATE SINK o WITH (connector = 'stdout');\n";

/// All messages about a program, including warnings.
fn said(statements: &str) -> String {
    match Program::new("job.egret", &format!("{STREAM}{statements}")).plan() {
        Ok(plan) => plan
            .warnings
            .iter()
            .map(|warning| format!("{}\n{}\n", warning.message, warning.help.as_deref().unwrap_or("")))
            .collect(),
        Err(errors) => errors.to_string(),
    }
}

fn of_condition(condition: &str) -> String {
    said(&format!(
        "CREATE PATTERN p ON ev MATCH a+ -> b DEFINE a AS kind = 'a', b AS {condition} SELECT first(a.id) AS a; INSERT INTO o SELECT a FROM p;"
    ))
}

fn of_steps(steps: &str) -> String {
    said(&format!("CREATE PATTERN p ON ev MATCH {steps} SELECT a.id AS a; INSERT INTO o SELECT a FROM p;"))
}

#[test]
fn what_other_notations_have_is_pointed_to() {
    for (condition, expected) in [
        ("amount > PREV(amount)", "the value of the step before is `last(a.v)`"),
        ("amount > lag(amount, 1)", "the value of the step before is `last(a.v)`"),
        ("amount > NEXT(amount)", "give the condition to the later step"),
        ("amount > LEAD(amount)", "give the condition to the later step"),
        ("kind = \"a\"", "a text stands in single quotes: 'a'"),
        ("kind = \"login\"", "a text stands in single quotes: 'login'"),
        ("kind = NULL", "nothing compares with NULL: write kind IS NULL"),
        ("amount > ALL(a.amount)", "write amount > max(a.amount)"),
        ("amount < ANY(a.amount)", "write amount < max(a.amount)"),
        ("cardinality(a) > 3", "`count(a)`"),
        ("cardinality(a.id) > 3", "`count(a)`"),
        ("at - a.at > '180 days'", "write a length as INTERVAL"),
        ("amount > PREVIOUS(amount)", "the value of the step before is `last(a.v)`"),
        ("CLASSIFIER() = 'A'", "CLASSIFIER() is one of MATCH_RECOGNIZE"),
        ("MATCH_NUMBER() = 1", "MATCH_NUMBER() is one of MATCH_RECOGNIZE"),
        ("count(a.*) > 3", "write count(a)"),
        ("at > a.at + '1 day'", "a TIMESTAMP and a text cannot be added"),
        ("at > a.at + '1 day'", "write a length as INTERVAL"),
        ("at - a.at > INTERVAL '1 dya'", "'1 dya' is no length of time"),
        ("at > '2024-13-01'", "'2024-13-01' is no time"),
        ("amount > 'x'", "in amount > 'x': a DOUBLE and a text cannot be compared or combined"),
        ("kind IN ('a', 1)", "in kind IN ('a', 1): a text and a BIGINT cannot be compared or combined"),
        ("kind BETWEEN 1 AND 2", "in kind BETWEEN 1 AND 2: a text and a BIGINT cannot be compared or combined"),
        ("id IN (1, NULL, 'a')", "a BIGINT and a text cannot be compared or combined"),
        ("amount + 1", "it is a value of type DOUBLE, not a condition"),
        ("CAST('x' AS INT) > 1", "Cannot cast string 'x' to value of INT type"),
        ("amount > last(b.amount)", "say what the first may be: count(b) = 0 OR amount > last(b.amount)"),
    ] {
        let said = of_condition(condition);
        assert!(said.contains(expected), "{condition}: {expected} is missing in\n{said}");
    }
}

#[test]
fn words_between_steps_are_pointed_to() {
    for (steps, expected) in [
        ("a -> NOT b", "what must not come is written with `!`: `a -> !b`"),
        ("a NOT b", "what must not come is written with `!`: `a -> !b`"),
        ("a -> b WHERE a.amount < 10", "what an event must be stands behind the pattern: `DEFINE a AS amount < 10`"),
        ("a followed by b", "`followed`, `by` are variables that any event can be"),
        ("a then b", "`then` is a variable that any event can be"),
        ("a followedBy b", "`followedby` is a variable that any event can be"),
        ("a -> b AND c", "`a & b`"),
        ("a OR b", "`a | b`"),
    ] {
        let said = of_steps(steps);
        assert!(said.contains(expected), "{steps}: {expected} is missing in\n{said}");
    }
    assert!(!of_steps("a followed b DEFINE followed AS kind = 'f'").contains("any event can be: it has no condition"));
}

/// Errors point at the wrong part, not at the pattern as a whole.
#[test]
fn the_part_that_is_wrong_is_pointed_at() {
    let pointed = |statement: &str| {
        let text = format!("{STREAM}{statement}; INSERT INTO o SELECT a FROM p;");
        let errors = Program::new("job.egret", &text).plan().err().unwrap();
        let spans = errors.diagnostics.iter().filter_map(|wrong| wrong.span());
        spans.map(|span| span.of(&text).to_owned()).collect::<Vec<_>>()
    };
    for (statement, expected) in [
        ("CREATE PATTERN p ON ev MATCH a -> b SELECT a.id AS a, b.id AS a", "a"),
        ("CREATE PATTERN p ON ev MATCH a -> b SELECT a.kind, b.kind", "kind"),
        ("CREATE PATTERN p ON ev MATCH a -> b DEFINE a AS b.amount > 3 SELECT a.id AS a", "b.amount > 3"),
        ("CREATE PATTERN p ON ev MATCH a -> b -> c DEFINE c AS id = 1, b AS id > c.id SELECT a.id AS a", "id > c.id"),
        ("CREATE PATTERN p ON ev MATCH a -> b WITHIN INTERVAL '0' SECOND SELECT a.id AS a", "INTERVAL '0' SECOND"),
    ] {
        assert_eq!(pointed(statement), [expected], "{statement}");
    }
}

#[test]
fn what_a_pattern_with_errors_would_have_made_is_not_missing_as_well() {
    let said = said(
        "CREATE PATTERN p ON ev MATCH a -> b DEFINE d AS kind = 'd' WITHIN INTERVAL '5' SECOND SELECT a.id AS a;
         CREATE STREAM gone AS SELECT * FROM p.timed_out; INSERT INTO o SELECT * FROM gone;",
    );
    assert!(said.contains("the pattern has no variable `d`") && !said.contains("there is no stream"), "{said}");
}

#[test]
fn a_test_that_cannot_be_run_keeps_no_other_from_running() {
    let text = format!(
        "{STREAM} CREATE PATTERN one ON ev MATCH a SELECT a.id AS id;
         CREATE PATTERN two ON one MATCH x{{2}} SELECT first(x.id) AS id;
         TEST 'of matches' FOR two GIVEN (id) (1), (2) EXPECT MATCH (id = 1);
         TEST 'of rows' FOR two GIVEN ev (id) (1), (2) EXPECT MATCH (id = 1);
         TEST 'another' FOR one GIVEN (id) (1) EXPECT MATCH (id = 1);"
    );
    let program = Program::new("job.egret", &text);
    let report = program.test("").unwrap();
    assert_eq!(report.tests.iter().map(|test| test.name.as_str()).collect::<Vec<_>>(), ["of rows", "another"]);
    assert!(report.tests.iter().all(TestOutcome::passed), "{report:?}");
    let refused = report.refused.unwrap().to_string();
    assert!(refused.contains("`one` is a pattern: its rows are its matches"), "{refused}");
    assert!(refused.contains("give rows of `ev`, which it reads: GIVEN ev"), "{refused}");
    assert!(program.check_tests().is_err());
    assert!(program.test("of matches").is_err());
}
