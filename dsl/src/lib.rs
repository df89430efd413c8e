//! The Egret language: turns text into a syntax tree, and faults into diagnostics that point into the text.
//!
//! The language belongs to the family of SQL: queries and expressions *are* SQL, read by DataFusion's parser; around them are
//! statements for streams, graphs, models, patterns and sinks. `docs/language.md` explains it by example and has its grammar.
//!
//! This crate checks only syntax: whether a stream, a column or a function exists and whether types fit is decided by the
//! planner. The planner reports faults with the same [`Diagnostic`], because everything in the tree has its [`Span`], and [`Sql`]
//! finds the span of every part of an expression.
//!
//! ```
//! use egret_dsl::{Diagnostic, Statement, parse, render, suggest};
//! let text = "CREATE GRAPH ring ON txm EDGE card TO device COMPUTE components;";
//! let (program, diagnostics) = parse(text);
//! assert!(diagnostics.is_empty());
//! let Statement::CreateGraph(graph) = &program.statements[0] else { panic!("a graph") };
//! // What a planner would say:
//! let unknown = Diagnostic::error(format!("unknown stream `{}`", graph.stream))
//!     .label(graph.stream.span, "no such stream")
//!     .suggestion(suggest(&graph.stream.text, ["txn"]));
//! let shown = render(&[unknown], "job.egret", text, false);
//! assert!(shown.contains("did you mean `txn`?"));
//! ```

mod canonical;
mod diagnostic;
mod dialect;
mod duration;
mod lex;
mod locate;
mod parse;
mod source;
mod span;
mod syntax;
pub mod walk;
mod window;

#[cfg(test)]
mod tests;

/// The SQL parser whose trees are part of ours, in the version that DataFusion uses.
pub use sqlparser;

pub use diagnostic::{Cause, Diagnostic, Severity, render};
pub use egret_words::suggest;
pub use parse::{parse, parse_expression, parse_pattern};
pub use source::SourceMap;
pub use span::Span;
pub use syntax::{
    AfterMatch, AfterMatchSkip, Algorithm, Argument, ColumnDef, CreateGraph, CreateModel, CreatePattern, CreateSink,
    CreateStream, CreateStreamAs, Define, DurationLit, EventsLit, Expect, ExpectKind, ExpectedColumn, Given, GivenRow, InnerLink,
    Insert, Label, Link, Literal, LiteralKind, MatchRecognize, Name, OptionEntry, Options, PatternDefine, PatternItem,
    PatternNode, Program, Quantifier, RowMeasure, RowOrder, RowPatternText, RowSubset, RowsPerMatch, SelectItem, Skip, Sql,
    SqlQuery, Statement, Test, TestValue, Until, Variables, Watermark,
};
pub use window::{WINDOW_FUNCTIONS, WindowCall, WindowKind, window_call};
