//! Why a parser stopped: what it would have accepted instead, or a finished diagnostic.

use std::borrow::Cow;

use nom::IResult;
use nom::error::{ErrorKind, ParseError};

use super::tokens::{File, Tokens};
use crate::{Diagnostic, suggest};

/// What a parser returns.
pub(crate) type Parsed<'a, T> = IResult<Tokens<'a>, T, Problem>;

/// Something that a parser would have accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A keyword or several, or a sign: shown in quotes, and suggested if the text has something similar.
    Keyword(Cow<'static, str>),
    /// Anything else: shown as it is.
    Thing(Cow<'static, str>),
}

/// Why a parser stopped.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// None of these was found. Nothing is decided yet: another parser may succeed.
    Expected {
        /// The token that was there instead, as an index within the file.
        position: usize,
        expected: Vec<Expected>,
        help: Option<Cow<'static, str>>,
    },
    /// The fault is known.
    Said(Box<Diagnostic>),
    /// The fault has been reported; the statement cannot be used.
    Reported,
}

impl Problem {
    pub(crate) fn keyword(input: Tokens<'_>, keyword: impl Into<Cow<'static, str>>) -> Self {
        Self::expected(input, vec![Expected::Keyword(keyword.into())])
    }

    pub(crate) fn thing(input: Tokens<'_>, thing: impl Into<Cow<'static, str>>) -> Self {
        Self::expected(input, vec![Expected::Thing(thing.into())])
    }

    pub(crate) fn expected(input: Tokens<'_>, expected: Vec<Expected>) -> Self {
        Self::Expected { position: input.position(), expected, help: None }
    }

    pub(crate) fn help(mut self, words: impl Into<Cow<'static, str>>) -> Self {
        let words = words.into();
        match &mut self {
            Self::Expected { help, .. } => *help = Some(words),
            Self::Said(diagnostic) => diagnostic.help = Some(words.into_owned()),
            Self::Reported => {}
        }
        self
    }

    /// As an error of nom: no other parser is tried.
    pub(crate) fn fail<'a, T>(self) -> Parsed<'a, T> {
        Err(nom::Err::Failure(self))
    }

    /// As an error of nom: another parser may be tried.
    pub(crate) fn miss<'a, T>(self) -> Parsed<'a, T> {
        Err(nom::Err::Error(self))
    }

    /// The diagnostic to report; `None` if it has been reported already.
    pub(crate) fn into_diagnostic(self, file: &File) -> Option<Diagnostic> {
        match self {
            Self::Reported => None,
            Self::Said(diagnostic) => Some(*diagnostic),
            Self::Expected { position, expected, help } => Some(unexpected(file, position, &expected, help)),
        }
    }
}

fn unexpected(file: &File, position: usize, expected: &[Expected], help: Option<Cow<'static, str>>) -> Diagnostic {
    let found = Tokens::new(file, position, position);
    let wanted = list(expected);
    let keywords = expected.iter().filter_map(|expected| match expected {
        Expected::Keyword(words) => words.split(' ').next(),
        Expected::Thing(_) => None,
    });
    let word = file.source.tokens().get(position).and_then(|token| token.word());
    let mut diagnostic = Diagnostic::error(format!("expected {wanted}, found {}", found.describe()))
        .label(found.here(), format!("expected {wanted}"));
    diagnostic.help = help.map(Cow::into_owned);
    diagnostic.suggestion(word.and_then(|word| suggest(word, keywords)))
}

/// `a`, `b` or `c`.
fn list(expected: &[Expected]) -> String {
    let mut wanted = String::new();
    for (index, item) in expected.iter().enumerate() {
        wanted.push_str(match index {
            0 => "",
            _ if index + 1 == expected.len() => " or ",
            _ => ", ",
        });
        match item {
            Expected::Keyword(words) => wanted.push_str(&format!("`{words}`")),
            Expected::Thing(words) => wanted.push_str(words),
        }
    }
    match wanted.is_empty() {
        true => "something else".to_owned(),
        false => wanted,
    }
}

impl From<Diagnostic> for Problem {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Said(Box::new(diagnostic))
    }
}

impl ParseError<Tokens<'_>> for Problem {
    fn from_error_kind(input: Tokens<'_>, _: ErrorKind) -> Self {
        Self::expected(input, Vec::new())
    }

    fn append(_: Tokens<'_>, _: ErrorKind, other: Self) -> Self {
        other
    }

    /// Of two parsers that both fail, the one that came further is right; if both came equally far, both are.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Expected { position, mut expected, help },
                Self::Expected { position: other_position, expected: more, help: other_help },
            ) => {
                if position != other_position {
                    return match position > other_position {
                        true => Self::Expected { position, expected, help },
                        false => Self::Expected { position: other_position, expected: more, help: other_help },
                    };
                }
                expected.extend(more.into_iter().filter(|item| !expected.contains(item)).collect::<Vec<_>>());
                Self::Expected { position, expected, help: help.or(other_help) }
            }
            (Self::Expected { .. }, known) | (known, _) => known,
        }
    }
}

/// The problem in an error of nom; `Incomplete` never occurs, as all tokens are there from the beginning.
pub(crate) fn problem_of(error: nom::Err<Problem>) -> Problem {
    match error {
        nom::Err::Error(problem) | nom::Err::Failure(problem) => problem,
        nom::Err::Incomplete(_) => Problem::Said(Box::new(Diagnostic::error("the text ends too early"))),
    }
}
