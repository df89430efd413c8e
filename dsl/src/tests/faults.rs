//! Bad texts: each fault is named at its place, and one does not hide the others.

use super::{faults, good};
use crate::{parse, parse_expression, parse_pattern, render};

/// The text has one fault, at this place, with this message and this help.
fn check(text: &str, place: &str, message: &str, help: &str) {
    let (_, diagnostics) = parse(text);
    let shown = render(&diagnostics, "test.egret", text, false);
    assert_eq!(diagnostics.len(), 1, "{text}\n{shown}");
    let fault = &diagnostics[0];
    assert_eq!(fault.span().unwrap().of(text), place, "{shown}");
    assert!(fault.message.contains(message), "{shown}");
    assert!(fault.help.as_deref().unwrap_or("").contains(help), "{shown}");
}

#[test]
fn statements() {
    check(
        "CREAT STREAM t (a INT)",
        "CREAT",
        "expected `CREATE`, `INSERT INTO` or `TEST`, found `CREAT`",
        "did you mean `CREATE`?",
    );
    check("CREATE STREM t (a INT)", "STREM", "expected `STREAM`", "did you mean `STREAM`?");
    check("STREAM t (a INT)", "STREAM", "expected `CREATE`", "write `CREATE STREAM`");
    check("CREATE TABLE t (a INT)", "TABLE", "expected `STREAM`", "CREATE STREAM name (columns)");
    check("CREATE", "", "found the end of the statement", "");
    check("SELECT 1", "SELECT", "this query goes nowhere", "INSERT INTO sink");
    check("DROP STREAM t", "DROP", "expected `CREATE`", "begins with");
    check("INSERT alerts SELECT 1", "alerts", "expected `INTO`", "");
    check("INSERT INTO SELECT 1", "SELECT", "expected the sink's name", "quote it");
    check("INSERT INTO a SELCT 1", "SELCT", "expected a query", "did you mean `SELECT`?");
    check("INSERT INTO a (x) SELECT 1", "(", "not a list of columns", "AS x");
    check("INSERT INTO a SELECT 1 FROM b WHRE x > 1", "WHRE", "found `x`", "did you mean `WHERE`?");
    check("INSERT INTO a SELECT (1 FROM b", "FROM", "expected `)`", "");
    check("INSERT INTO a SELECT 1 FROM b WHERE", "", "expected an expression, found the end", "");
    check("CREATE SINK 'a' WITH (x = 1)", "'a'", "expected the sink's name", "without quotes");
    check("CREATE SINK a WITH (x = 1) extra", "extra", "expected the end of the statement", "");
    check("CREATE SINK a (x = 1)", "(", "expected `WITH`", "");
    check("CREATE SINK a WITH (x = 1) CREATE SINK b WITH (x = 1);", ")", "a statement has no end", "");
}

#[test]
fn streams() {
    check("CREATE STREAM t WITH (a = 1)", "WITH", "expected the columns in brackets or `AS`", "AS SELECT");
    check("CREATE STREAM (a INT)", "(", "expected the stream's name", "");
    check("CREATE STREAM t (a BIGNT)", "BIGNT", "unknown type `BIGNT`", "did you mean `BIGINT`?");
    check("CREATE STREAM t (a INT b INT)", "b", "expected `,` or `)`", "");
    check("CREATE STREAM t (a INT, )", ")", "expected a column", "");
    check("CREATE STREAM t (a)", ")", "expected a type", "BIGINT");
    check("CREATE STREAM t (a INT, A TEXT)", "A", "the column `a` stands twice", "remove one");
    check("CREATE STREAM t (a INT PRIMARY KEY)", "PRIMARY", "`PRIMARY` is not known here", "NOT NULL");
    check("CREATE STREAM t (WATERMARK FOR a AS a)", "t", "has no columns", "");
    check("CREATE STREAM t (a TIMESTAMP, WATERMARK a AS a)", "a", "expected `FOR`", "");
    check("CREATE STREAM t (a TIMESTAMP, WATRMARK FOR a AS a)", "WATRMARK", "expected `WATERMARK`", "did you mean `WATERMARK`?");
    check(
        "CREATE STREAM t (a TIMESTAMP, WATERMARK FOR a AS a, WATERMARK FOR a AS a)",
        "WATERMARK FOR a AS a",
        "one watermark",
        "",
    );
    check("CREATE STREAM t (a INT) WIHT (x = 1)", "WIHT", "expected `WITH`", "did you mean `WITH`?");
    check("CREATE STREAM t (a INT) WITH (x = 1) WITH (y = 1)", "WITH", "`WITH` stands twice", "remove one");
    check("CREATE STREAM t (a INT) WITH (x = y)", "y", "expected a text in single quotes", "'y'");
    check("CREATE STREAM t (a INT) WITH (x => 1)", "=>", "expected `=`", "key = value");
    check("CREATE STREAM t (a INT) WITH (x 1)", "1", "expected `=`", "");
    check("CREATE STREAM t (a INT) WITH (x = 99999999999999999999)", "99999999999999999999", "too large", "");
    check("CREATE STREAM t (a INT) WITH (x = 1, x = 2)", "x", "the option `x` stands twice", "");
    check("CREATE STREAM t (a INT) WITH ()", ")", "expected an option", "");
    check("CREATE STREAM t AS", "", "expected a query", "");
}

#[test]
fn graphs_and_models() {
    check("CREATE GRAPH g ON t COMPUTE c", "g", "the graph `g` has no `EDGE`", "EDGE card TO device");
    check("CREATE GRAPH g ON EDGE a TO b COMPUTE c", "EDGE", "expected the name of a stream", "");
    check("CREATE GRAPH g ON t EDGE a b COMPUTE c", "b", "expected `TO`", "");
    check("CREATE GRAPH g ON t COMPUTE c EDGE a TO b", "EDGE", "`EDGE` stands at the wrong place", "the order is");
    check(
        "CREATE GRAPH g ON t EDGE a TO b EXPIRE AFTER 7 DAYS COMPUTE c",
        "7",
        "expected a length of time",
        "write `INTERVAL '7' DAYS`",
    );
    check("CREATE GRAPH g ON t EDGE a TO b EXPIRE INTERVAL '7' DAY COMPUTE c", "INTERVAL", "expected `AFTER`", "`EXPIRE AFTER`");
    check("CREATE GRAPH g ON t EDGE a TO b EXPIRE AFTER INTERVAL '0' DAY COMPUTE c", "INTERVAL '0' DAY", "nothing", "");
    check(
        "CREATE GRAPH g ON t EDGE a TO b COMPUT c",
        "COMPUT",
        "expected `DELETE WHEN`, `EXPIRE AFTER`, `COMPUTE`",
        "did you mean `COMPUTE`?",
    );
    let model = |middle: &str| format!("CREATE MODEL m ON t {middle}");
    check(&model("FEATURES a LABEL b USING c"), "m", "has no `DELAYED BY`", "INTERVAL '1' DAY");
    check(&model("FEATURES a DELAYED BY INTERVAL '1' DAY USING c"), "m", "has no `LABEL`", "LABEL fraud");
    check(&model("FEATURES a b LABEL l DELAYED BY INTERVAL '1' DAY USING c"), "b", "expected `,`, `AS`, `LABEL`", "write `AS b`");
    check(&model("FEATURES LABEL l DELAYED BY INTERVAL '1' DAY USING c"), "LABEL", "expected an expression", "");
    check(&model("FEATURES a LABEL l DELAYED BY INTERVAL '1' DAY USING c(x = 1)"), "=", "expected `=>`", "name => value");
    check(&model("FEATURES a LABEL l DELAYED BY INTERVAL '1' DAY USING c(x => 1, x => 2)"), "x", "stands twice", "");
    check(&model("FEATURES a LABEL l DELAYED BY INTERVAL '1' DAY USING c EVALUATE x EVERY 0"), "0", "no number of rows", "");
    check(&model("FEATURES a LABEL l DELAYED BY INTERVAL '1' DAY USING c EVERY 5"), "5", "there are none", "EVALUATE");
    check(&model("FEATURES a LABEL l DELAYED BY INTERVAL '1' DAY USING c EVALUATE x y"), "y", "expected `,`, `EVERY`", "");
}

fn pattern(text: &str, place: &str, message: &str, help: &str) {
    check(&format!("CREATE PATTERN p ON t MATCH {text} WITHIN INTERVAL '1' DAY SELECT x"), place, message, help);
}

#[test]
fn elements_of_patterns() {
    pattern("a{3,2}", "{3,2}", "can never match", "{2,3}");
    pattern("a{0}", "{0}", "can never match", "!a");
    pattern("a{0,0}", "{0,0}", "can never match", "");
    pattern("a{}", "}", "expected a number", "{2}");
    pattern("a{,}", "}", "expected a number", "{2}");
    pattern("a{2", "WITHIN", "expected `,` or `}`", "{2}");
    pattern("a{1.5}", "1.5", "no number of times", "");
    pattern("a{99999999999}", "99999999999", "no number of times", "");
    pattern("a{1,99999999999}", "99999999999", "no number of times", "");
    pattern("a+?", "?", "one quantifier", "write `*`");
    pattern("a{2}{3}", "{", "one quantifier", "brackets");
    pattern("a+ STRICT ANY", "ANY", "exclude each other", "");
    pattern("a+ GREEDY GREEDY", "GREEDY", "twice", "");
    pattern("a STRICT", "STRICT", "expected a variable or `(`, found `STRICT`", "repetitions");
    pattern("a+ UNTIL x > 1", "x", "expected `(`", "brackets");
    pattern("a+ UNTIL ()", ")", "expected an expression", "");
    pattern("a+ UNTIL (x > 1, y)", ",", "expected the end of the expression", "");
    pattern("-> a", "->", "expected a variable, `(` or `!`", "arrow");
    pattern("a ->", "WITHIN", "expected a variable or `(`", "");
    pattern("a -> -> b", "->", "expected a variable or `(`", "");
    pattern("()", "()", "empty", "");
    pattern("(a b", "WITHIN", "expected more of the group or `)`", "");
    pattern("a b)", ")", "expected more of the pattern", "");
    pattern("a, b", ",", "expected more of the pattern", "`a b`");
    pattern("a | | b", "|", "expected", "");
    pattern("a & * b", "*", "expected", "");
    pattern("a - > b", "-", "expected more of the pattern", "did you mean `->`?");
    pattern("!a b", "!a", "cannot begin", "a !b");
    pattern("a !(b c)", "!(b c)", "group cannot be negated", "");
    pattern("a !b+", "!b+", "cannot be repeated", "");
    pattern("a ->> !b", "->> !b", "`->>` cannot lead", "-> !b");
    pattern("a !!b", "!!", "expected more of the pattern", "once");
    pattern("a -> b AND c", "AND", "expected more of the pattern", "a & b");
    pattern("a OR b", "OR", "expected more of the pattern", "a | b");
}

#[test]
fn clauses_of_patterns() {
    pattern("a b DEFINE c AS x", "c", "no variable `c`", "");
    pattern("aa bb DEFINE ab AS x", "ab", "no variable `ab`", "did you mean `aa`?");
    pattern("a b DEFINE a AS x, a AS y", "a", "the definition of `a` stands twice", "");
    pattern("a b DEFINE a x", "x", "expected `AS`", "");
    pattern("a b DEFINE a ON t x, b ON t", "x", "expected `AS`", "");
    pattern("a b DEFINE a ON, b ON t", ",", "expected the name of a stream", "");
    pattern("a b DEFINE a ON t AS, b ON t AS x", ",", "expected an expression", "");
    pattern("a b DEFINE a x ON t, b ON t", "x", "expected `AS`", "");
    check("CREATE PATTERN p ON t, MATCH a SELECT x", "MATCH", "expected the name of a stream", "");
    check("CREATE PATTERN p ON t u MATCH a SELECT x", "u", "expected `PARTITION BY`", "");
    check("CREATE PATTERN p ON t, u, t MATCH a SELECT x", "t", "the stream `t` stands twice", "remove one");
    pattern("a b DEFINE a AS amount <", "WITHIN", "expected an expression, found `WITHIN`", "");
    pattern("a b DEFIN a AS x", "DEFIN", "no clause of a pattern", "did you mean `DEFINE`?");
    check("CREATE PATTERN p ON t MATCH a -> !b SELECT x", "!b", "wait for ever", "WITHIN");
    check(
        "CREATE PATTERN p ON t MATCH a WITHIN INTERVAL '1' DAY AFTER MATCH SKIP TO b SELECT x",
        "b",
        "expected `NEXT`",
        "FIRST b",
    );
    check("CREATE PATTERN p ON t MATCH a AFTER MATCH SKIP TO LAST b SELECT x", "b", "no variable `b`", "");
    check("CREATE PATTERN p ON t MATCH a AFTER MATCH SKIP PAST b SELECT x", "b", "expected `LAST`", "");
    check("CREATE PATTERN p ON t MATCH a AFTER MATCH SELECT x", "SELECT", "expected `NO SKIP` or `SKIP`", "");
    check("CREATE PATTERN p ON t MATCH a SELECT *", "*", "not all of them", "name each column");
    check("CREATE PATTERN p ON t MATCH a SELECT a.*", "a.*", "whole events", "name each column");
    check("CREATE PATTERN p ON t MATCH a", "p", "has no `SELECT`", "");
    check("CREATE PATTERN p ON t DEFINE a AS x SELECT x", "p", "has no `MATCH`", "");
    check("CREATE PATTERN p ON t PARTITION card MATCH a SELECT x", "card", "expected `BY`", "PARTITION BY");
    check("CREATE PATTERN p ON t PARTITION BY k % 2 MATCH a SELECT x", "%", "expected `,`", "CREATE STREAM ... AS");
    check("CREATE PATTERN p ON t PARTITION BY k, k MATCH a SELECT x", "k", "the column `k` stands twice", "remove one");
    check("CREATE PATTERN p ON t ORDER BY k DESC MATCH a SELECT x", "DESC", "expected `,`", "ascending order");
    check("CREATE PATTERN p ON t MATCH a WITHIN INTERVAL '0' SECOND SELECT x", "INTERVAL '0' SECOND", "is nothing", "");
    check("CREATE PATTERN p ON t MATCH a WITHIN INTERVAL '1' MONTH SELECT x", "INTERVAL '1' MONTH", "not a length", "30");
    check(
        "CREATE PATTERN p ON t MATCH a b WITHIN INTERVAL '0' SECOND OF PREVIOUS SELECT x",
        "INTERVAL '0' SECOND",
        "is nothing",
        "",
    );
}

#[test]
fn unreadable_text() {
    check("CREATE SINK a WITH (x = 'abc);", "'abc);", "a quoted text has no end", "same quote");
    check("CREATE SINK a WITH (x = 1); /* a /* b */", "/* a /* b */", "a comment has no end", "*/");
    check("CREATE SINK \"a WITH (x = 1);", "\"a WITH (x = 1);", "a quoted text has no end", "same quote");
    let text = "CREATE SINK a WITH (x = 'abc, y = 1);\nCREATE SINK b WITH (x = 'd');";
    let (_, diagnostics) = parse(text);
    assert!(render(&diagnostics, "f", text, false).contains("is its closing quote missing?"), "{diagnostics:?}");
}

#[test]
fn one_fault_does_not_hide_the_next() {
    let found = faults(
        "CREATE STREAM t (a BIGNT, b INT c, d INT) WITH (x = y, z 1);
         CREATE MODEL m ON t FEATURES f(a, b +, c LABEL l DELAYED BY 1 DAY USING x(y = 1) EVRY 5;
         CREATE PATTERN p ON t MATCH a b DEFINE a AS x >, b AS (y WITHIN INTERVAL '1' MONTH SELECT 1 +, *;
         CREATE SINK s WITH (x = 1);",
    );
    let places: Vec<&str> = found.iter().map(|(place, _)| *place).collect();
    assert_eq!(
        places,
        ["BIGNT", "c", "y", "1", ",", "1", "=", "EVRY", ",", "WITHIN", "INTERVAL '1' MONTH", ",", "*"],
        "{found:#?}"
    );
}

#[test]
fn names_of_broken_statements_are_known() {
    let (program, _) = parse(
        "CREATE STREAM t (a BIGNT); CREAT SINK s; INSERT INTO x SELEC; foo bar baz; CREATE GRAPH; CREATE SINK ok WITH (x = 1)",
    );
    assert_eq!(program.broken.iter().map(|name| name.text.as_str()).collect::<Vec<_>>(), ["t", "s"]);
    assert_eq!(program.statements.len(), 1);
    assert_eq!(good("CREATE SINK ok WITH (x = 1)").broken.len(), 0);
}

#[test]
fn expressions_and_patterns_alone() {
    assert_eq!(parse_expression("a +").unwrap_err().message, "expected an expression, found the end of the statement");
    assert_eq!(parse_expression("").unwrap_err().message, "expected an expression, found the end of the statement");
    assert_eq!(parse_expression("a b").unwrap_err().message, "expected the end of the expression, found `b`");
    assert_eq!(parse_expression("'").unwrap_err().message, "a quoted text has no end");
    assert!(parse_pattern("a -> ").unwrap_err().message.starts_with("expected a variable"));
    assert!(parse_pattern("a ; b").is_err());
    assert!(parse_pattern("!a").unwrap_err().message.contains("cannot begin"));
}

#[test]
fn rendering() {
    let text = "CREATE SINK é WITH (x = yes);\n";
    let (_, diagnostics) = parse(text);
    let shown = render(&diagnostics, "job.egret", text, false);
    assert!(shown.contains("job.egret:1:25"), "{shown}");
    assert!(shown.contains("CREATE SINK é WITH (x = yes);"), "{shown}");
    assert!(shown.ends_with("╯\n") && !shown.contains('\u{1b}') && !shown.contains(" \n"), "{shown}");
    assert!(render(&diagnostics, "job.egret", text, true).contains('\u{1b}'));
}
