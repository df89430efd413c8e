//! Decides which statement a text is.

use super::basics::{name, phrase};
use super::problem::{Expected, Parsed, Problem};
use super::tokens::Tokens;
use super::{graph, model, pattern, stream, test};
use crate::{Diagnostic, Name, Statement, suggest};

/// The kinds of objects that can be created.
pub(crate) const KINDS: [&str; 5] = ["STREAM", "GRAPH", "MODEL", "PATTERN", "SINK"];

/// One statement, which takes all of the input.
pub(crate) fn statement(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let reports = input.file.reports();
    let (rest, statement) = if input.starts_with("CREATE") {
        create(input)?
    } else if input.starts_with("INSERT") {
        stream::insert(input)?
    } else if input.starts_with("TEST") {
        test::test(input)?
    } else {
        return unknown(input).fail();
    };
    if !rest.is_empty() {
        return Problem::thing(rest, "the end of the statement").fail();
    }
    match input.file.has_errors(reports) {
        true => Problem::Reported.fail(),
        false => Ok((rest, statement)),
    }
}

/// The name that an unreadable statement would have defined, as far as that can be told.
pub(crate) fn defined_name(input: Tokens<'_>) -> Option<Name> {
    let first = input.first()?.word()?;
    let creates = first.eq_ignore_ascii_case("CREATE") || suggest(first, ["CREATE"]).is_some();
    let (_, name) = name("a name")(input.skip(2)).ok().filter(|_| creates)?;
    Some(name)
}

fn create(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let (kind, _) = phrase("CREATE")(input)?;
    let read = match kind.first().and_then(|token| token.word()).map(str::to_ascii_uppercase).as_deref() {
        Some("STREAM") => stream::create_stream,
        Some("SINK") => stream::create_sink,
        Some("GRAPH") => graph::create_graph,
        Some("MODEL") => model::create_model,
        Some("PATTERN") => pattern::create_pattern,
        Some(other) => return unknown_kind(kind, other).fail(),
        None => return unknown_kind(kind, "").fail(),
    };
    read(input)
}

fn unknown_kind(input: Tokens<'_>, kind: &str) -> Problem {
    let problem = Problem::expected(input, KINDS.map(|kind| Expected::Keyword(kind.into())).to_vec());
    match kind {
        "TABLE" | "SOURCE" => problem.help("rows from outside come by `CREATE STREAM name (columns) WITH (...)`"),
        "VIEW" => problem.help("a query gets a name by `CREATE STREAM name AS SELECT ...`"),
        "OR" | "IF" | "TEMPORARY" | "TEMP" => problem.help("a text defines everything afresh: `CREATE` has no conditions"),
        _ => problem,
    }
}

fn unknown(input: Tokens<'_>) -> Problem {
    const BEGINNINGS: [&str; 3] = ["CREATE", "INSERT INTO", "TEST"];
    let word = input.first().and_then(|token| token.word()).unwrap_or("");
    match word.to_ascii_uppercase().as_str() {
        "SELECT" | "WITH" | "VALUES" | "FROM" => Diagnostic::error("this query goes nowhere")
            .label(input.here(), "a query cannot stand alone")
            .help("write `INSERT INTO sink SELECT ...` to send its rows to a sink, or `CREATE STREAM name AS SELECT ...` to give them a name")
            .into(),
        // `STREAM txn (...)`: the first word is missing.
        other if KINDS.contains(&other) => Problem::keyword(input, "CREATE").help(format!("write `CREATE {other}`")),
        _ => {
            let expected = BEGINNINGS.map(|words| Expected::Keyword(words.into())).to_vec();
            let problem = Problem::expected(input, expected);
            match suggest(word, ["CREATE", "INSERT", "TEST"]) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("a statement begins with `CREATE`, `INSERT INTO` or `TEST`"),
            }
        }
    }
}
