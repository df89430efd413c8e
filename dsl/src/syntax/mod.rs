//! The syntax tree: the contents of a text, each part with its bytes. The tree does not tell whether a name exists.

mod graph;
mod literal;
mod model;
mod pattern;
mod sql;
mod stream;
mod test;

use std::fmt;
use std::sync::Arc;

use sqlparser::ast::{Ident, Query};

use crate::{SourceMap, Span};

pub use graph::CreateGraph;
pub use literal::{DurationLit, Literal, LiteralKind, OptionEntry, Options};
pub use model::{Algorithm, Argument, CreateModel, Label};
pub use pattern::{
    AfterMatch, CreatePattern, EventsLit, InnerLink, Link, PatternDefine, PatternItem, PatternNode, Quantifier, SelectItem, Skip,
    Until, Variables,
};
pub use sql::{AfterMatchSkip, Define, MatchRecognize, RowMeasure, RowOrder, RowPatternText, RowSubset, RowsPerMatch, Sql};
pub use stream::{ColumnDef, CreateSink, CreateStream, CreateStreamAs, Insert, Watermark};
pub use test::{Expect, ExpectKind, ExpectedColumn, Given, GivenRow, Test, TestValue};

/// A name, without quotes. Unquoted names do not depend on letter case, so they are kept in lower case; quoted names are kept as
/// written. This is what DataFusion does.
#[derive(Debug, Clone)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Name {
    /// The text that a sqlparser identifier stands for: lower case unless quoted.
    pub fn normalise(ident: &Ident) -> String {
        match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_ascii_lowercase(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// A whole text: its statements in the order written.
#[derive(Debug, Clone)]
pub struct Program {
    /// The statements that could be read.
    pub statements: Vec<Statement>,
    /// The names that unreadable statements would have defined: uses of them should not be reported as unknown.
    pub broken: Vec<Name>,
    /// The text, which turns parts of sqlparser's trees into spans.
    pub source: Arc<SourceMap>,
}

/// A query, as read by sqlparser.
pub type SqlQuery = Sql<Box<Query>>;

/// One statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// `CREATE STREAM name (columns) WITH (options)`
    CreateStream(CreateStream),
    /// `CREATE STREAM name AS SELECT ...`
    CreateStreamAs(CreateStreamAs),
    /// `CREATE GRAPH name ON stream EDGE from TO to ...`
    CreateGraph(CreateGraph),
    /// `CREATE MODEL name ON stream FEATURES ...`
    CreateModel(CreateModel),
    /// `CREATE PATTERN name ON stream MATCH ...`
    CreatePattern(CreatePattern),
    /// `CREATE SINK name WITH (options)`
    CreateSink(CreateSink),
    /// `INSERT INTO sink SELECT ...`
    Insert(Insert),
    /// `TEST 'name' FOR pattern GIVEN rows EXPECT ...`; no part of the job
    Test(Test),
}

impl Statement {
    /// The name it defines; for `INSERT INTO`, the sink; for `TEST`, the pattern or stream tested.
    pub fn name(&self) -> &Name {
        match self {
            Self::CreateStream(statement) => &statement.name,
            Self::CreateStreamAs(statement) => &statement.name,
            Self::CreateGraph(statement) => &statement.name,
            Self::CreateModel(statement) => &statement.name,
            Self::CreatePattern(statement) => &statement.name,
            Self::CreateSink(statement) => &statement.name,
            Self::Insert(statement) => &statement.sink,
            Self::Test(statement) => &statement.of,
        }
    }

    /// Its options; `None` for `TEST`, which has none.
    pub fn options(&self) -> Option<&Options> {
        match self {
            Self::CreateStream(statement) => Some(&statement.options),
            Self::CreateStreamAs(statement) => Some(&statement.options),
            Self::CreateGraph(statement) => Some(&statement.options),
            Self::CreateModel(statement) => Some(&statement.options),
            Self::CreatePattern(statement) => Some(&statement.options),
            Self::CreateSink(statement) => Some(&statement.options),
            Self::Insert(statement) => Some(&statement.options),
            Self::Test(_) => None,
        }
    }

    /// The whole statement, without the `;`.
    pub fn span(&self) -> Span {
        match self {
            Self::CreateStream(statement) => statement.span,
            Self::CreateStreamAs(statement) => statement.span,
            Self::CreateGraph(statement) => statement.span,
            Self::CreateModel(statement) => statement.span,
            Self::CreatePattern(statement) => statement.span,
            Self::CreateSink(statement) => statement.span,
            Self::Insert(statement) => statement.span,
            Self::Test(statement) => statement.span,
        }
    }
}
