//! `CREATE STREAM`, `CREATE SINK`, `INSERT INTO`.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, opt};
use nom::sequence::{pair, preceded};
use sqlparser::tokenizer::Token as SqlToken;

use super::basics::{bracketed_list, name, phrase};
use super::clauses::{clauses, put};
use super::expression::{data_type, expression};
use super::options::{options, twice};
use super::problem::{Expected, Parsed, Problem};
use super::query::query;
use super::tokens::Tokens;
use crate::{ColumnDef, CreateSink, CreateStream, CreateStreamAs, Diagnostic, Insert, Name, Options, Statement, Watermark};

/// `CREATE STREAM name (columns) WITH (options)` or `CREATE STREAM name [WITH (options)] AS query`.
pub(crate) fn create_stream(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let reports = input.file.reports();
    let (rest, name) = preceded(phrase("CREATE STREAM"), cut(name("the stream's name"))).parse(input)?;
    if let Ok((behind, options)) = bracketed_options(rest)
        && behind.starts_with("AS")
    {
        let (rest, query) = query(behind.skip(1))?;
        return Ok((rest, Statement::CreateStreamAs(CreateStreamAs { name, query, options, span: input.span() })));
    }
    if !rest.first().is_some_and(|token| token.is(&SqlToken::LParen)) {
        let expected = vec![Expected::Thing("the columns in brackets".into()), Expected::Keyword("AS".into())];
        return Problem::expected(rest, expected).help("write `(column TYPE, ...)`, or `AS SELECT ...`").fail();
    }
    let (rest, elements) = bracketed_list("columns", element)(rest)?;
    let (columns, watermark) = sorted(rest, elements);
    if columns.is_empty() && !input.file.has_errors(reports) {
        rest.report(
            Diagnostic::error(format!("the stream `{name}` has no columns")).label(name.span, "a stream has at least one column"),
        );
    }
    let (rest, options) = with_options(rest)?;
    Ok((rest, Statement::CreateStream(CreateStream { name, columns, watermark, options, span: input.span() })))
}

/// `CREATE SINK name WITH (options)`.
pub(crate) fn create_sink(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let (rest, name) = preceded(phrase("CREATE SINK"), cut(name("the sink's name"))).parse(input)?;
    let (rest, options) = with_options(rest)?;
    Ok((rest, Statement::CreateSink(CreateSink { name, options, span: input.span() })))
}

/// `INSERT INTO sink [WITH (options)] query`.
pub(crate) fn insert(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let (rest, sink) = preceded(phrase("INSERT INTO"), cut(name("the sink's name"))).parse(input)?;
    let is_column_list = rest.first().is_some_and(|token| token.is(&SqlToken::LParen))
        && !["SELECT", "WITH", "VALUES"].iter().any(|word| rest.skip(1).starts_with(word))
        && !rest.nth(1).is_some_and(|token| token.is(&SqlToken::LParen));
    if is_column_list {
        let help = "the query says which columns the sink gets and what they are called: `INSERT INTO sink SELECT a AS x, b AS y FROM ...`";
        return Problem::thing(rest, "a query, not a list of columns").help(help).fail();
    }
    let (rest, options) = bracketed_options(rest)?;
    let (rest, query) = query(rest)?;
    Ok((rest, Statement::Insert(Insert { sink, query, options, span: input.span() })))
}

/// `WITH (options)` before a query, or nothing: a query can also begin with `WITH`, but followed by a name.
fn bracketed_options(input: Tokens<'_>) -> Parsed<'_, Options> {
    let is_there = input.starts_with("WITH") && input.nth(1).is_some_and(|token| token.is(&SqlToken::LParen));
    if is_there { options(input.here())(input.skip(1)) } else { Ok((input, Options::default())) }
}

/// `WITH (options)`, or nothing.
fn with_options(input: Tokens<'_>) -> Parsed<'_, Options> {
    let mut found = None;
    let (rest, ()) = clauses(input, &["WITH"], |_, rest| {
        let with = rest.before().map_or(rest.here(), |token| token.span);
        put(&mut found, options(with)(rest))
    })?;
    Ok((rest, found.unwrap_or_default()))
}

enum Element {
    Column(ColumnDef),
    Watermark(Watermark),
}

fn element(input: Tokens<'_>) -> Parsed<'_, Element> {
    let word = |index: usize, word: &str| input.nth(index).is_some_and(|token| token.is_word(word));
    // `WATERMARK at AS`, `WATERMARK FR at AS`: a column would have a type and no `AS`.
    if word(0, "WATERMARK") && (word(1, "FOR") || word(2, "AS") || word(3, "AS")) {
        return map(watermark, Element::Watermark).parse(input);
    }
    if word(1, "FOR") {
        return Problem::keyword(input, "WATERMARK").fail();
    }
    map(column, Element::Column).parse(input)
}

fn watermark(input: Tokens<'_>) -> Parsed<'_, Watermark> {
    let column = preceded(phrase("WATERMARK FOR"), cut(name("the column that is event time")));
    let (rest, (column, expr)) = pair(column, preceded(cut(phrase("AS")), cut(expression))).parse(input)?;
    Ok((rest, Watermark { column, expr, span: input.until(rest).span() }))
}

fn column(input: Tokens<'_>) -> Parsed<'_, ColumnDef> {
    let (rest, (name, (data_type, type_span))) = pair(name("a column"), cut(data_type)).parse(input)?;
    let not_null = map(phrase("NOT NULL"), |_| true);
    let null = map(phrase("NULL"), |_| false);
    let (rest, not_null) = opt(alt((not_null, null))).parse(rest)?;
    const UNSUPPORTED: [&str; 7] = ["PRIMARY", "UNIQUE", "DEFAULT", "REFERENCES", "CHECK", "GENERATED", "COMMENT"];
    if let Some(word) = UNSUPPORTED.into_iter().find(|word| rest.starts_with(word)) {
        let wrong = Diagnostic::error(format!("`{word}` is not known here"))
            .label(rest.here(), "not part of a stream's column")
            .help("a column has a name, a type and perhaps `NOT NULL`");
        return Problem::from(wrong).fail();
    }
    Ok((rest, ColumnDef { name, data_type, type_span, not_null: not_null.unwrap_or(false) }))
}

/// Sorts the elements into columns and the watermark; doubled ones are reported.
fn sorted(input: Tokens<'_>, elements: Vec<Element>) -> (Vec<ColumnDef>, Option<Watermark>) {
    let (mut columns, mut watermark) = (Vec::<ColumnDef>::new(), None::<Watermark>);
    let mut names = std::collections::HashMap::<String, Name>::new();
    for element in elements {
        match element {
            Element::Column(column) => match names.get(&column.name.text) {
                Some(first) => twice(input, "the column", &column.name, first.span),
                None => {
                    names.insert(column.name.text.clone(), column.name.clone());
                    columns.push(column);
                }
            },
            Element::Watermark(second) => match &watermark {
                Some(first) => input.report(
                    Diagnostic::error("a stream has one watermark")
                        .label(second.span, "this is the second")
                        .label(first.span, "this is the first"),
                ),
                None => watermark = Some(second),
            },
        }
    }
    (columns, watermark)
}
