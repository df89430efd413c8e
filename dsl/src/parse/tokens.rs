//! The input of the parsers: a range of tokens, for nom.

use std::cell::RefCell;
use std::iter::Enumerate;
use std::slice;
use std::sync::Arc;

use nom::{Input, Needed};
use sqlparser::tokenizer::Token as SqlToken;

use crate::source::{SourceMap, Token};
use crate::{Diagnostic, Span};

/// A text being parsed: its tokens, and the faults reported so far.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) source: Arc<SourceMap>,
    reported: RefCell<Vec<Diagnostic>>,
}

/// A diagnostic equal to one of this many last ones is not reported again.
const SAME_MAX: usize = 8;

impl File {
    pub(crate) fn new(source: Arc<SourceMap>) -> Self {
        Self { source, reported: RefCell::new(Vec::new()) }
    }

    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        let mut reported = self.reported.borrow_mut();
        // A piece that is read in two ways would report its faults twice.
        if !reported.iter().rev().take(SAME_MAX).any(|before| *before == diagnostic) {
            reported.push(diagnostic);
        }
    }

    /// Whether an error has been reported, from the `since`th report on.
    pub(crate) fn has_errors(&self, since: usize) -> bool {
        self.reported.borrow().iter().skip(since).any(Diagnostic::is_error)
    }

    /// The number of reports so far.
    pub(crate) fn reports(&self) -> usize {
        self.reported.borrow().len()
    }

    /// Takes back the reports from the `kept`th on.
    pub(crate) fn forget(&self, kept: usize) {
        self.reported.borrow_mut().truncate(kept);
    }

    pub(crate) fn take_reported(&self) -> Vec<Diagnostic> {
        self.reported.take()
    }
}

/// A range of a file's tokens, together with the clauses that their statement may have and the clause they belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens<'a> {
    pub(crate) file: &'a File,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) clauses: &'static [&'static str],
    pub(crate) clause: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(file: &'a File, start: usize, end: usize) -> Self {
        Self { file, start, end, clauses: &[], clause: 0 }
    }

    pub(crate) fn all(&self) -> &'a [Token] {
        &self.file.source.tokens()[self.start..self.end]
    }

    pub(crate) fn first(&self) -> Option<&'a Token> {
        self.all().first()
    }

    /// The token before them.
    pub(crate) fn before(&self) -> Option<&'a Token> {
        self.start.checked_sub(1).and_then(|before| self.file.source.tokens().get(before))
    }

    pub(crate) fn nth(&self, index: usize) -> Option<&'a Token> {
        self.all().get(index)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    pub(crate) fn text(&self) -> &'a str {
        self.file.source.text()
    }

    /// The index of the first token within the file.
    pub(crate) fn position(&self) -> usize {
        self.start
    }

    /// The first `count` tokens, and the rest.
    pub(crate) fn split(&self, count: usize) -> (Self, Self) {
        let middle = (self.start + count).min(self.end);
        (Self { end: middle, ..*self }, Self { start: middle, ..*self })
    }

    pub(crate) fn skip(&self, count: usize) -> Self {
        self.split(count).1
    }

    /// The tokens before `rest`, which is what a parser left of these tokens.
    pub(crate) fn until(&self, rest: Self) -> Self {
        Self { end: rest.start.clamp(self.start, self.end), ..*self }
    }

    /// The bytes of all tokens; an empty span at their place if there are none.
    pub(crate) fn span(&self) -> Span {
        match (self.all().first(), self.all().last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => self.here(),
        }
    }

    /// The bytes of the first token; if there is none, of the next token of the file.
    pub(crate) fn here(&self) -> Span {
        let tokens = self.file.source.tokens();
        match tokens.get(self.start) {
            Some(token) => token.span,
            None => tokens.last().map_or(Span::at(0), |last| Span::at(last.span.end)),
        }
    }

    /// A description of the first token, for messages.
    pub(crate) fn describe(&self) -> String {
        match self.file.source.tokens().get(self.start) {
            Some(token) if !token.is(&SqlToken::SemiColon) => describe(token, self.text()),
            _ => "the end of the statement".to_owned(),
        }
    }

    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        self.file.report(diagnostic);
    }

    /// Whether these words come first, in any letter case.
    pub(crate) fn starts_with(&self, phrase: &str) -> bool {
        let mut tokens = self.all().iter();
        phrase.split(' ').all(|word| tokens.next().is_some_and(|token| token.is_word(word)))
    }

    /// The clause whose first words come first here: its index, and how many words it has.
    pub(crate) fn clause_here(&self) -> Option<(usize, usize)> {
        let found = self.clauses.iter().position(|phrase| self.starts_with(phrase))?;
        Some((found, self.clauses[found].split(' ').count()))
    }

    /// Like [`Tokens::clause_here`], `skipped` tokens later.
    pub(crate) fn clause_at(&self, skipped: usize) -> Option<(usize, usize)> {
        self.skip(skipped).clause_here()
    }

    /// The clauses that can follow the present one.
    pub(crate) fn later_clauses(&self) -> &'static [&'static str] {
        self.clauses.get(self.clause + 1..).unwrap_or(&[])
    }

    /// How many tokens come before the first at which `stop` is true; bracketed tokens are skipped as a whole. A closing bracket
    /// without an opening one always stops.
    pub(crate) fn count_until(&self, stop: impl Fn(Self) -> bool) -> usize {
        let mut depth = 0usize;
        for (index, token) in self.all().iter().enumerate() {
            if depth == 0 && (token.closes() || stop(self.skip(index))) {
                return index;
            }
            if token.opens() {
                depth += 1;
            } else if token.closes() {
                depth -= 1;
            }
        }
        self.all().len()
    }

    /// How many tokens come before the next clause, or before the first at which `stop` is true: the place to continue after a
    /// fault. Bracketed tokens are skipped as a whole, unless the bracket is never closed: then a clause within it counts, as the
    /// bracket may be the fault.
    pub(crate) fn count_to_clause(&self, stop: impl Fn(Self) -> bool) -> usize {
        let stop = |rest: Self| rest.clause_here().is_some() || stop(rest);
        let count = self.count_until(stop);
        match count == self.all().len() {
            true => (1..count).find(|index| self.clause_at(*index).is_some()).unwrap_or(count),
            false => count,
        }
    }

    /// Whether a comma comes first.
    pub(crate) fn at_comma(&self) -> bool {
        self.first().is_some_and(|token| token.is(&SqlToken::Comma))
    }
}

/// A token as it is written, quoted and shortened, for messages.
pub(crate) fn describe(token: &Token, text: &str) -> String {
    let written = token.span.of(text);
    let first_line = written.lines().next().unwrap_or("");
    match first_line.char_indices().nth(40) {
        Some((at, _)) => format!("`{}...`", &first_line[..at]),
        None if first_line.len() < written.len() => format!("`{first_line}...`"),
        None => format!("`{written}`"),
    }
}

impl<'a> Input for Tokens<'a> {
    type Item = &'a Token;
    type Iter = slice::Iter<'a, Token>;
    type IterIndices = Enumerate<Self::Iter>;

    fn input_len(&self) -> usize {
        self.end - self.start
    }

    fn take(&self, index: usize) -> Self {
        self.split(index).0
    }

    fn take_from(&self, index: usize) -> Self {
        self.split(index).1
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        let (prefix, suffix) = self.split(index);
        (suffix, prefix)
    }

    fn position<P>(&self, predicate: P) -> Option<usize>
    where
        P: Fn(Self::Item) -> bool,
    {
        self.all().iter().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.all().iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.all().iter().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        match self.input_len().checked_sub(count) {
            Some(_) => Ok(count),
            None => Err(Needed::new(count - self.input_len())),
        }
    }
}
