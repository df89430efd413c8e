//! From text to a syntax tree, and to diagnostics for what is not text of the language.
//!
//! sqlparser's tokeniser cuts the text into tokens, which are split into statements at each `;`. Our statements are read by nom's
//! combinators; the expressions, queries and types in them are read by sqlparser from the same tokens, so every place that
//! sqlparser reports is a place in the text. A statement that cannot be read affects only itself: its faults are reported and
//! reading continues, with the next item of a list, the next clause or the next statement.

mod basics;
mod clauses;
mod depth;
mod expression;
mod graph;
mod handover;
mod match_recognize;
mod model;
mod options;
mod pattern;
mod problem;
mod quantifier;
mod query;
mod sequence;
mod statement;
mod stream;
mod test;
mod tokens;

use std::ops::Range;
use std::sync::Arc;

use sqlparser::tokenizer::Token as SqlToken;

use crate::lex::lex;
use crate::{Diagnostic, PatternNode, Program, Span, Sql};
use problem::{Parsed, problem_of};
use statement::KINDS;
use tokens::{File, Tokens};

/// Reads a text. The faults are in the diagnostics, in the order of the text; the statements that could be read are in the
/// program all the same. Never panics, whatever the text.
///
/// ```
/// use egret_dsl::{Statement, parse};
/// let text = "CREATE STREAM txn (card BIGINT, amount DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5' SECOND)
///               WITH (connector = 'file', path = 'txn.csv', format = 'csv');
///             CREATE PATTERN jump ON txn PARTITION BY card
///               MATCH small+ -> large
///               DEFINE small AS amount < 10, large AS amount > 100 * avg(small.amount)
///               WITHIN INTERVAL '10' MINUTE
///               SELECT card, large.amount AS amount;";
/// let (program, diagnostics) = parse(text);
/// assert!(diagnostics.is_empty());
/// let Statement::CreatePattern(pattern) = &program.statements[1] else { panic!("a pattern") };
/// assert_eq!(pattern.within.expect("it has one").us, 600_000_000);
/// let condition = pattern.defines[1].condition.as_ref().expect("it has one");
/// let (_, average) = &condition.functions()[0];
/// assert_eq!(average.of(text), "avg");
/// ```
///
/// A text with faults gives all of them, each with its place:
///
/// ```
/// use egret_dsl::{parse, render};
/// let text = "CREAT STREAM txn (card BIGINT);\nCREATE SINK alerts WITH (path = 5 + 5);";
/// let (_, diagnostics) = parse(text);
/// assert_eq!(diagnostics.len(), 2);
/// assert_eq!(diagnostics[0].help.as_deref(), Some("did you mean `CREATE`?"));
/// assert_eq!(diagnostics[1].span().map(|span| span.of(text)), Some("+"));
/// print!("{}", render(&diagnostics, "job.egret", text, false));
/// ```
pub fn parse(text: &str) -> (Program, Vec<Diagnostic>) {
    let (source, unreadable) = lex(text);
    let file = File::new(Arc::new(source));
    let mut program = Program { statements: Vec::new(), broken: Vec::new(), source: file.source.clone() };
    let pieces = split(&file);
    let last = pieces.len();
    for (index, piece) in pieces.into_iter().enumerate() {
        let tokens = Tokens::new(&file, piece.start, piece.end);
        let before = file.reports();
        match statement::statement(tokens) {
            Ok((_, statement)) => program.statements.push(statement),
            Err(error) => {
                basics::report(tokens, error);
                program.broken.extend(statement::defined_name(tokens));
                // The text ends where it becomes unreadable, so an incomplete last statement is not worth reporting.
                if unreadable.is_some() && index + 1 == last {
                    file.forget(before);
                }
            }
        }
    }
    let mut diagnostics = file.take_reported();
    diagnostics.extend(unreadable);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span().map_or(0, |span| span.start));
    (program, diagnostics)
}

/// Reads an expression.
///
/// # Errors
/// The text is not an expression, or is more than one.
pub fn parse_expression(text: &str) -> Result<Sql, Diagnostic> {
    whole(text, expression::whole_expression)
}

/// Reads a pattern, the text after `MATCH`: `probe{2,} -> big`.
///
/// # Errors
/// The text is not a pattern.
pub fn parse_pattern(text: &str) -> Result<PatternNode, Diagnostic> {
    whole(text, sequence::whole_pattern)
}

fn whole<T>(text: &str, read: impl for<'a> Fn(Tokens<'a>) -> Parsed<'a, T>) -> Result<T, Diagnostic> {
    let (source, unreadable) = lex(text);
    if let Some(diagnostic) = unreadable {
        return Err(diagnostic);
    }
    let file = File::new(Arc::new(source));
    let outcome = read(Tokens::new(&file, 0, file.source.tokens().len())).map(|(_, value)| value);
    let first = file.take_reported().into_iter().find(Diagnostic::is_error);
    match (outcome, first) {
        (Ok(value), None) => Ok(value),
        (_, Some(diagnostic)) => Err(diagnostic),
        (Err(error), None) => {
            Err(problem_of(error).into_diagnostic(&file).unwrap_or_else(|| Diagnostic::error("this cannot be read")))
        }
    }
}

/// Splits the tokens into statements: at every `;`, and where a statement begins although the previous one was not ended, which
/// is reported.
fn split(file: &File) -> Vec<Range<usize>> {
    let tokens = file.source.tokens();
    let mut pieces = Vec::new();
    let mut start = 0;
    for (index, token) in tokens.iter().enumerate() {
        if token.is(&SqlToken::SemiColon) {
            pieces.push(start..index);
            start = index + 1;
        } else if index > start && begins_statement(Tokens::new(file, index, tokens.len())) {
            let end = tokens[index - 1].span.end;
            file.report(
                Diagnostic::error("a statement has no end")
                    .label(Span::new(tokens[index - 1].span.start, end), "expected `;` after this")
                    .label(token.span, "another statement begins here"),
            );
            pieces.push(start..index);
            start = index;
        }
    }
    pieces.push(start..tokens.len());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn begins_statement(tokens: Tokens<'_>) -> bool {
    let is_kind = || KINDS.iter().any(|kind| tokens.nth(1).is_some_and(|token| token.is_word(kind)));
    tokens.starts_with("INSERT INTO") || test::begins(tokens) || (tokens.starts_with("CREATE") && is_kind())
}
