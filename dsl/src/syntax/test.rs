//! `TEST`: what a pattern must find in a few rows.

use crate::{Name, Span, Sql};

/// `TEST 'name' FOR pattern GIVEN (columns) rows EXPECT ...`: not part of the job, run by `egret test`.
#[derive(Debug, Clone)]
pub struct Test {
    /// The test's name.
    pub name: Name,
    /// The pattern, or the stream with `MATCH_RECOGNIZE`, that is tested.
    pub of: Name,
    /// The rows; at least one clause.
    pub given: Vec<Given>,
    /// What must be found; at least one.
    pub expects: Vec<Expect>,
    /// All of the statement.
    pub span: Span,
}

/// `GIVEN [stream] (columns) (values), (values), ...`
#[derive(Debug, Clone)]
pub struct Given {
    /// The stream of these rows; `None` means the stream that the pattern reads.
    pub stream: Option<Name>,
    /// The columns that the rows have values for; the others are null.
    pub columns: Vec<Name>,
    /// The rows in the order in which they come, each with one value per column.
    pub rows: Vec<GivenRow>,
    /// All of the clause.
    pub span: Span,
}

/// One row.
#[derive(Debug, Clone)]
pub struct GivenRow {
    /// The values, one for each column of the clause.
    pub values: Vec<TestValue>,
    /// All of it, with the brackets.
    pub span: Span,
}

/// A value of a row or of an expectation.
#[derive(Debug, Clone)]
pub enum TestValue {
    /// An expression without columns.
    Sql(Sql),
    /// `+ 5 MINUTE`: this many microseconds after the row before; in an expectation, after the last row.
    After {
        /// How long after.
        us: u64,
        /// All of it.
        span: Span,
    },
    /// `START + 5 MINUTE`: this many microseconds after the first row.
    FromStart {
        /// How long after.
        us: u64,
        /// All of it.
        span: Span,
    },
}

impl TestValue {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Sql(sql) => sql.span,
            Self::After { span, .. } | Self::FromStart { span, .. } => *span,
        }
    }
}

/// `EXPECT ...`
#[derive(Debug, Clone)]
pub struct Expect {
    /// What is expected.
    pub kind: ExpectKind,
    /// All of the clause.
    pub span: Span,
}

/// What an [`Expect`] requires.
#[derive(Debug, Clone)]
pub enum ExpectKind {
    /// `MATCH (column = value, ...)`: a match with these values; without values, any match.
    Match(Vec<ExpectedColumn>),
    /// `NO MATCH [BY time]`: no match, or none that is decided up to that time.
    NoMatch(Option<TestValue>),
    /// `TIMEOUT (column = value, ...)`: a partial match whose window ends.
    Timeout(Vec<ExpectedColumn>),
    /// `NO TIMEOUT`: no partial match is open when its window ends.
    NoTimeout,
}

/// `column = value`
#[derive(Debug, Clone)]
pub struct ExpectedColumn {
    /// A column of the match.
    pub column: Name,
    /// The value that it must have.
    pub value: TestValue,
}
