//! The way back from parts of sqlparser's trees to the text.

use crate::walk;
use sqlparser::ast::Expr;
use sqlparser::tokenizer::Token as SqlToken;
use std::ops::ControlFlow;

use super::{EXAMPLE, for_seeds, good, text_of};
use crate::lex::lex;
use crate::{Span, Statement, parse_expression};

/// The text of every subexpression, outermost first.
fn parts(text: &str) -> Vec<String> {
    let sql = parse_expression(text).unwrap();
    let mut found = Vec::new();
    let _: ControlFlow<()> = walk::expressions(&sql.tree, |expr: &Expr| {
        found.push(sql.span_of_expr(expr).of(text).to_owned());
        ControlFlow::Continue(())
    });
    found
}

#[test]
fn every_part_of_an_expression_is_found() {
    assert_eq!(parts("amount < 'é' "), ["amount < 'é'", "amount", "'é'"]);
    assert_eq!(
        parts("é.x > 10 * avg(probe.amount)"),
        ["é.x > 10 * avg(probe.amount)", "é.x", "10 * avg(probe.amount)", "10", "avg(probe.amount)", "probe.amount"]
    );
    assert_eq!(parts("extract(hour FROM at) > 5"), ["extract(hour FROM at) > 5", "extract(hour FROM at)", "at", "5"]);
    assert_eq!(parts("NOT (a OR b)"), ["NOT (a OR b)", "(a OR b)", "a OR b", "a", "b"]);
    assert_eq!(parts("a - (-b)"), ["a - (-b)", "a", "(-b)", "-b", "b"]);
    assert_eq!(
        parts("x IS NOT NULL AND y IN (1, 2)"),
        ["x IS NOT NULL AND y IN (1, 2)", "x IS NOT NULL", "x", "y IN (1, 2)", "y", "1", "2"]
    );
    assert_eq!(parts("at - INTERVAL '5' SECOND"), ["at - INTERVAL '5' SECOND", "at", "INTERVAL '5' SECOND", "'5'"]);
    assert_eq!(parts("cast(x AS DOUBLE) + 1"), ["cast(x AS DOUBLE) + 1", "cast(x AS DOUBLE)", "x", "1"]);
    assert_eq!(parts("ring.size(card)"), ["ring.size(card)", "card"]);
    assert_eq!(parts("CASE WHEN a THEN 1 ELSE f(2) END"), ["CASE WHEN a THEN 1 ELSE f(2) END", "a", "1", "f(2)", "2"]);
}

#[test]
fn names_within_an_expression() {
    let text = "\n\n é > 1 AND ring.size(Card, \"Big\".id) < x.y.z -- é\n";
    let sql = parse_expression(text).unwrap();
    let names: Vec<&str> = sql.identifiers().iter().map(|(_, span)| span.of(text)).collect();
    assert_eq!(names, ["é", "Card", "\"Big\".id", "x.y.z"]);
    let functions: Vec<&str> = sql.functions().iter().map(|(_, span)| span.of(text)).collect();
    assert_eq!(functions, ["ring.size"]);
    assert_eq!(sql.text, "é > 1 AND ring.size(Card, \"Big\".id) < x.y.z");
}

#[test]
fn places_hold_in_the_whole_file() {
    let text = format!("-- façade ☂\r\n/* ☂ */ {EXAMPLE}");
    let program = good(&text);
    let Statement::CreatePattern(pattern) = &program.statements[3] else { panic!() };
    let condition = pattern.defines[1].condition.as_ref().unwrap();
    let names: Vec<&str> = condition.identifiers().iter().map(|(_, span)| span.of(&text)).collect();
    assert_eq!(names, ["amount", "probe.amount", "country", "probe.country"]);
    let Statement::Insert(insert) = &program.statements[6] else { panic!() };
    let names: Vec<&str> = insert.query.identifiers().iter().map(|(_, span)| span.of(&text)).collect();
    assert_eq!(names, ["risk"]);
    let (line, column) = program.source.line_column(pattern.name.span.start);
    assert_eq!((line, column), (18, 16));
}

/// Every token's bytes are those of its text, and sqlparser's locations lead to them.
fn check_tokens(text: &str) {
    let (source, _) = lex(text);
    let mut end = 0;
    for token in source.tokens() {
        assert!(token.span.start >= end && token.span.end > token.span.start, "{:?} in {text:?}", token.span);
        end = token.span.end;
        let written = token.span.of(text);
        match &token.sql.token {
            SqlToken::Word(word) if word.quote_style.is_none() => assert_eq!(written, word.value, "{text:?}"),
            SqlToken::Number(digits, false) => assert_eq!(written, digits, "{text:?}"),
            _ => {}
        }
        assert_eq!(source.span(token.sql.span), Some(token.span), "{text:?}");
        let start = Span::at(source.walk_to(token.sql.span.start)).to(Span::at(source.walk_to(token.sql.span.end)));
        assert_eq!(start, token.span, "{text:?}");
    }
}

#[test]
fn tokens_know_their_bytes() {
    for_seeds(500, |random| check_tokens(&text_of("abc0123456789é☂ \t\r\n'\"`(){},.;+*?!<>=/-", 60, random)));
}

#[test]
fn the_examples_tokens_know_their_bytes() {
    check_tokens(EXAMPLE);
    check_tokens(&EXAMPLE.replace('\n', "\r\n"));
}
