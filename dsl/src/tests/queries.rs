//! Queries and the windows in them.

use sqlparser::ast::{SetExpr, TableFactor};

use super::one;
use crate::*;

fn query(text: &str) -> SqlQuery {
    match one(text) {
        Statement::Insert(insert) => insert.query,
        Statement::CreateStreamAs(stream) => stream.query,
        _ => panic!("no query: {text}"),
    }
}

fn first_table(query: &SqlQuery) -> &TableFactor {
    let SetExpr::Select(select) = query.tree.body.as_ref() else { panic!() };
    &select.from[0].relation
}

/// The window that a table stands for, as text; or the place and message of its fault.
fn window(table: &str) -> Option<Result<String, String>> {
    let text = format!("INSERT INTO s SELECT a FROM {table} WHERE é > 1");
    let query = query(&text);
    let found = query.window_call(first_table(&query))?;
    Some(match found {
        Ok(call) => {
            assert!(call.span.of(&text).ends_with(')'), "{}", call.span.of(&text));
            let kind = match call.kind {
                WindowKind::Tumble { size } => format!("tumble {}", size.us),
                WindowKind::Hop { slide, size } => format!("hop {} {}", slide.us, size.us),
                WindowKind::Session { gap } => format!("session {}", gap.us),
                WindowKind::Cumulate { step, size } => format!("cumulate {} {}", step.us, size.us),
            };
            let name = |name: Option<Name>| name.map_or("-".to_owned(), |name| name.text);
            assert_eq!(call.stream.span.of(&text).to_lowercase(), call.stream.text);
            Ok(format!("{kind} {} {} {}", call.stream, name(call.time), name(call.alias)))
        }
        Err(wrong) => Err(format!("{}: {}", wrong.span().unwrap().of(&text), wrong.labels[0].1)),
    })
}

#[test]
fn windows_in_every_spelling() {
    let good = |table: &str, expected: &str| assert_eq!(window(table), Some(Ok(expected.to_owned())), "{table}");
    good("TUMBLE(txn, at, INTERVAL '10' SECOND)", "tumble 10000000 txn at -");
    good("tumble(Txn, INTERVAL '10' SECOND) AS w", "tumble 10000000 txn - w");
    good("TABLE(TUMBLE(TABLE txn, DESCRIPTOR(at), INTERVAL '10' SECOND)) w", "tumble 10000000 txn at w");
    good("TUMBLE(TABLE txn, DESCRIPTOR(at), INTERVAL '10' SECOND)", "tumble 10000000 txn at -");
    good("TABLE(TUMBLE(DATA => TABLE txn, TIMECOL => DESCRIPTOR(at), SIZE => INTERVAL '1' MINUTE))", "tumble 60000000 txn at -");
    good("HOP(DATA => txn, SIZE => INTERVAL '1' MINUTE, SLIDE => INTERVAL '5' SECOND)", "hop 5000000 60000000 txn - -");
    good("HOP(txn, at, INTERVAL '5' SECOND, INTERVAL '1' MINUTE)", "hop 5000000 60000000 txn at -");
    good("SESSION(txn, at, INTERVAL '30 minutes')", "session 1800000000 txn at -");
    good("CUMULATE(txn, at, INTERVAL '1' HOUR, INTERVAL '1' DAY)", "cumulate 3600000000 86400000000 txn at -");
    assert_eq!(window("txn"), None);
    assert_eq!(window("generate_series(1, 2)"), None);
    assert_eq!(window("(SELECT 1)"), None);
}

#[test]
fn windows_called_wrongly() {
    let bad = |table: &str, expected: &str| assert_eq!(window(table), Some(Err(expected.to_owned())), "{table}");
    bad("TUMBLE(txn)", "TUMBLE(txn): takes 2 or 3 arguments, not 1");
    bad("TUMBLE(txn, at, at, INTERVAL '1' DAY)", "TUMBLE(txn, at, at, INTERVAL '1' DAY): takes 2 or 3 arguments, not 4");
    bad("TUMBLE(txn, at, 5)", "5: this is none");
    bad("TUMBLE(txn, at, INTERVAL '0' SECOND)", "INTERVAL '0' SECOND: must be longer than nothing");
    bad("TUMBLE(txn, 1 + 1, INTERVAL '1' DAY)", "1 + 1: expected the column that is event time");
    bad("HOP(txn, at, INTERVAL '1' DAY)", "at: this is none");
    bad("TUMBLE(DATA => txn, SIZ => INTERVAL '1' DAY)", "SIZ => INTERVAL '1' DAY: there is no argument `siz`");
    bad("TUMBLE(DATA => txn)", "TUMBLE(DATA => txn): `size` is missing");
    bad(
        "TUMBLE(txn, SIZE => INTERVAL '1' DAY)",
        "TUMBLE(txn, SIZE => INTERVAL '1' DAY): either all arguments have a name or none",
    );
}

#[test]
fn queries_of_many_shapes() {
    for text in [
        "INSERT INTO s SELECT * FROM a",
        "INSERT INTO s (SELECT * FROM a) UNION ALL (SELECT * FROM b)",
        "INSERT INTO s WITH x AS (SELECT 1) SELECT * FROM x",
        "INSERT INTO s VALUES (1, 'x')",
        "CREATE STREAM t AS SELECT a.x, count(DISTINCT b.y) FROM a JOIN b ON a.k = b.k AND b.at BETWEEN a.at - INTERVAL '1' HOUR AND a.at GROUP BY a.x HAVING count(*) > 1",
        "CREATE STREAM t AS SELECT CASE WHEN x THEN 1 ELSE 2 END AS y, cast(z AS DOUBLE), z::BIGINT FROM s WHERE z LIKE 'a%' ORDER BY 1 LIMIT 5",
    ] {
        let query = query(text);
        assert!(text.ends_with(&query.text));
    }
}

#[test]
fn and_and_or_bind_less_than_is_distinct_from() {
    for (text, bracketed) in [
        ("a IS DISTINCT FROM b AND c", "(a IS DISTINCT FROM b) AND c"),
        ("a IS NOT DISTINCT FROM b OR c", "(a IS NOT DISTINCT FROM b) OR c"),
        ("NOT a IS DISTINCT FROM b + 1 AND c", "NOT (a IS DISTINCT FROM b + 1) AND c"),
        ("a AND b IS DISTINCT FROM c OR d", "a AND (b IS DISTINCT FROM c) OR d"),
    ] {
        let mut tree = crate::parse_expression(bracketed).unwrap().tree;
        let _ = crate::walk::expressions_mut(&mut tree, |expr| {
            while let sqlparser::ast::Expr::Nested(inner) = expr {
                *expr = inner.as_ref().clone();
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
        assert_eq!(crate::parse_expression(text).unwrap().tree, tree, "{text}");
    }
    assert!(crate::parse_expression("a IS DISTINCT b").is_err());
}
