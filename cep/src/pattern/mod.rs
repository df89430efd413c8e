//! The description of a pattern: the language and the Rust API make it, [`crate::CompiledPattern`] binds it to a stream.

mod builder;
mod show;
mod validate;

use datafusion_sql::sqlparser::ast;
use egret_core::Result;
use egret_core::expr::parse_expression;
use std::fmt;

/// The most copies of an element that repetitions may ask for, where the counts of nested groups multiply.
pub const REPETITIONS_MAX: u32 = 10_000;

/// The most sequences that can come in any order: their automaton has n * 2^(n-1) copies of them.
pub const PARTS_MAX: usize = 8;

/// Which events follow which, how fast, and what a match does to other matches.
///
/// Built with the fluent methods, from [`Pattern::begin`] on, or from its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The elements, in order.
    pub elements: Vec<Element>,
    /// The window: the last event's time minus the first's must be *less than* this.
    pub within_us: Option<i64>,
    /// The window in events: a match lies within this many consecutive events of its key, from its first event to its last. All
    /// events of the key count, whether or not they meet a condition; late rows do not.
    pub within_events: Option<u64>,
    /// Which other matches a match ends.
    pub after_match: AfterMatch,
    /// What happens when a match has no event to skip to.
    pub skip_miss: SkipMiss,
}

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// How the element follows the one before it. Ignored for the first element of a pattern or group.
    pub link: Link,
    /// A variable or a group.
    pub item: Item,
    /// How often the element comes.
    pub quantifier: Quantifier,
    /// The condition that ends a repetition; the event that meets it is not taken.
    pub until: Option<Condition>,
    /// The gap between the previous event of the match and this element's event must be less than this. For a negation at the
    /// end: how long the event must stay absent.
    pub within_previous_us: Option<i64>,
}

/// What an element consists of.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An event.
    Variable {
        /// The variable's name.
        name: String,
        /// The condition of the event; `None` accepts any event.
        condition: Option<Condition>,
    },
    /// A sequence of elements.
    Group(Vec<Element>),
    /// One of several sequences. Each is matched on its own: the event before is linked with the first event of each, and the
    /// matches are those of all sequences together. A variable of a sequence that was not taken has no events.
    Alternatives(Vec<Vec<Element>>),
    /// Several sequences, each once, one after the other in any order: with two, `(a, b)` or `(b, a)`. A sequence that is missing
    /// is treated as coming, empty, after the others.
    AllOf {
        /// The sequences: at least two, at most [`PARTS_MAX`].
        parts: Vec<Vec<Element>>,
        /// How the first event of a part follows the last event of the part before it.
        link: Inner,
    },
}

impl Item {
    /// The sequences of the item; a variable has none.
    pub fn sequences(&self) -> &[Vec<Element>] {
        match self {
            Self::Variable { .. } => &[],
            Self::Group(sequence) => std::slice::from_ref(sequence),
            Self::Alternatives(sequences) | Self::AllOf { parts: sequences, .. } => sequences,
        }
    }
}

/// How an event follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The very next event.
    Next,
    /// The first later event that meets the condition.
    FollowedBy,
    /// Any later event that meets the condition.
    FollowedByAny,
    /// The very next event must not meet the condition.
    NotNext,
    /// No event may meet the condition until the next one is taken.
    NotFollowedBy,
}

impl Link {
    /// Whether the element is a negation.
    pub fn is_negation(self) -> bool {
        matches!(self, Self::NotNext | Self::NotFollowedBy)
    }
}

/// How the repetitions of an element follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inner {
    /// Each is the very next event.
    Strict,
    /// Each is the first later event that meets the condition.
    #[default]
    Relaxed,
    /// Each is any later event that meets the condition.
    Any,
}

/// How often an element comes. `{0,3}` may be written as `{1,3}` and optional; they are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantifier {
    /// The least number of times.
    pub min: u32,
    /// The most; `None` is no bound.
    pub max: Option<u32>,
    /// Whether the element may be missing altogether.
    pub optional: bool,
    /// Whether it takes as many events as it can.
    pub greedy: bool,
    /// How the repetitions follow each other.
    pub inner: Inner,
    /// Each required event must come less than this after the previous event of the match.
    pub window_us: Option<i64>,
}

impl Default for Quantifier {
    fn default() -> Self {
        Self { min: 1, max: Some(1), optional: false, greedy: false, inner: Inner::Relaxed, window_us: None }
    }
}

impl Quantifier {
    /// Whether more than one event can come.
    pub fn repeats(&self) -> bool {
        self.max != Some(1)
    }
}

/// Which other matches a match ends. Matches are taken in the order of their first events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AfterMatch {
    /// No other match.
    #[default]
    NoSkip,
    /// All others that start with the same event.
    SkipToNext,
    /// All that start up to the match's last event.
    SkipPastLastEvent,
    /// All that start before the first event of a variable.
    SkipToFirst(String),
    /// All that start before the last event of a variable.
    SkipToLast(String),
}

/// What happens when a match has no event of the variable to skip to, or that event is the match's first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SkipMiss {
    /// The match skips nothing.
    #[default]
    Ignore,
    /// The job ends with an error.
    Error,
}

/// A condition of a pattern, as text or as a syntax tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Text in the expression language.
    Text(String),
    /// A parsed expression.
    Tree(Box<ast::Expr>),
    /// A parsed expression with another text to show for it.
    Shown {
        /// The expression.
        tree: Box<ast::Expr>,
        /// The text shown in messages.
        text: String,
    },
}

impl Condition {
    /// The condition as a syntax tree.
    ///
    /// # Errors
    /// The text does not parse.
    pub fn tree(&self) -> Result<ast::Expr> {
        match self {
            Self::Tree(tree) | Self::Shown { tree, .. } => Ok(tree.as_ref().clone()),
            Self::Text(text) => parse_expression(text).map_err(|error| error.context(format!("in the expression `{text}`"))),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Shown { text, .. } => write!(f, "{text}"),
            Self::Tree(tree) => write!(f, "{tree}"),
        }
    }
}

impl From<&str> for Condition {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Condition {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<ast::Expr> for Condition {
    fn from(tree: ast::Expr) -> Self {
        Self::Tree(Box::new(tree))
    }
}
