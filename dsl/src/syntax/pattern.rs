//! `CREATE PATTERN`: events that follow each other.

use sqlparser::ast::Expr;

use crate::{DurationLit, Name, Options, Span, Sql};

/// `CREATE PATTERN name ON stream, ... [PARTITION BY ...] [ORDER BY ...] MATCH ... [DEFINE ...] [WITHIN ...] [AFTER MATCH ...] SELECT ...
/// [WITH (...)]`.
#[derive(Debug, Clone)]
pub struct CreatePattern {
    /// The pattern's name; its matches are a stream of that name.
    pub name: Name,
    /// The streams it reads, at least one, each once.
    pub streams: Vec<Name>,
    /// The columns that an event must share with the others of its match.
    pub partition_by: Vec<Name>,
    /// The order of two events: event time, then the columns that break ties.
    pub order_by: Vec<Name>,
    /// The steps of the pattern: always a group without a quantifier.
    pub pattern: PatternNode,
    /// The conditions of variables; a variable that is not defined may be any event. No variable comes twice.
    pub defines: Vec<PatternDefine>,
    /// How long a match may take from its first to its last event; greater than zero.
    pub within: Option<DurationLit>,
    /// How many events of its key a match may span, from its first to its last, all of them counted; at least one.
    pub within_events: Option<EventsLit>,
    /// Where the search continues after a match.
    pub after_match: Option<AfterMatch>,
    /// The columns of a match, at least one.
    pub select: Vec<SelectItem>,
    /// Settings of the engine.
    pub options: Options,
    /// All of the statement.
    pub span: Span,
}

/// `100 EVENTS`.
#[derive(Debug, Clone, Copy)]
pub struct EventsLit {
    /// How many.
    pub count: u64,
    /// Where it stands.
    pub span: Span,
}

/// `variable [ON stream] [AS condition]`, at least one of the two.
#[derive(Debug, Clone)]
pub struct PatternDefine {
    /// The variable.
    pub variable: Name,
    /// The stream whose rows it takes, if given.
    pub stream: Option<Name>,
    /// The condition on its event; if none is given, any row of the stream.
    pub condition: Option<Sql>,
}

impl PatternDefine {
    /// All of it.
    pub fn span(&self) -> Span {
        let end = self.condition.as_ref().map(|condition| condition.span).or(self.stream.as_ref().map(|stream| stream.span));
        end.map_or(self.variable.span, |end| self.variable.span.to(end))
    }
}

/// `expr [AS alias]`: a column of a match, or a feature of a model.
#[derive(Debug, Clone)]
pub struct SelectItem {
    /// The value.
    pub expr: Sql,
    /// Its name, if it has one.
    pub alias: Option<Name>,
}

impl SelectItem {
    /// The name of the column: the alias, or the last part of a plain (dotted) name; `None` for any other expression.
    pub fn output_name(&self) -> Option<Name> {
        let ident = match (&self.alias, &self.expr.tree) {
            (Some(alias), _) => return Some(alias.clone()),
            (None, Expr::Identifier(ident)) => ident,
            (None, Expr::CompoundIdentifier(idents)) => idents.last()?,
            _ => return None,
        };
        Some(Name { text: Name::normalise(ident), span: self.expr.span_of(ident) })
    }
}

/// One step of a pattern: `a`, `!a`, `-> a{2,}`, `(a -> b)+`.
#[derive(Debug, Clone)]
pub struct PatternNode {
    /// How it follows the step before it.
    pub link: Link,
    /// The place of the arrow, or, if there is none, of the step's beginning.
    pub link_span: Span,
    /// Whether the event must *not* come. Only ever true of a variable without quantifier that is not the first step.
    pub negated: bool,
    /// A variable or a group.
    pub item: PatternItem,
    /// How often; `None` is once.
    pub quantifier: Option<Quantifier>,
    /// `WITHIN ... OF PREVIOUS`: each of its events comes less than this after the previous event of the match.
    pub within_previous: Option<DurationLit>,
    /// All of it except the arrow.
    pub span: Span,
}

/// The item that a [`PatternNode`] repeats or negates.
#[derive(Debug, Clone)]
pub enum PatternItem {
    /// `a`
    Variable(Name),
    /// `(a -> b)`; at least one step
    Group(Vec<PatternNode>),
    /// `(a -> b | c)`: one of several sequences, at least two
    Alternatives(Vec<Vec<PatternNode>>),
    /// `a & b`: several sequences, at least two, each once, in any order
    AllOf {
        /// The sequences.
        parts: Vec<Vec<PatternNode>>,
        /// How the first event of one follows the last of the one before it.
        link: InnerLink,
    },
}

impl PatternItem {
    /// The sequences of the item; a variable has none.
    pub fn sequences(&self) -> &[Vec<PatternNode>] {
        match self {
            Self::Variable(_) => &[],
            Self::Group(steps) => std::slice::from_ref(steps),
            Self::Alternatives(sequences) | Self::AllOf { parts: sequences, .. } => sequences,
        }
    }
}

/// How an event follows the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// The first step of the pattern or of a group.
    Start,
    /// `a b`: the very next event.
    Next,
    /// `a -> b`: the next event that meets the condition; other events between are skipped.
    FollowedBy,
    /// `a ->> b`: any later event that meets the condition, so that one `a` makes a match with each of them.
    FollowedByAny,
}

/// How the repetitions of a step follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InnerLink {
    /// `STRICT`: each is the very next event.
    Strict,
    /// `RELAXED`, the default: events that do not meet the condition are skipped.
    Relaxed,
    /// `ANY`: any later event that meets the condition may be the next.
    Any,
}

/// How often a step comes. `*` is `{1,}` and optional, `?` is `{1,1}` and optional, `{0,3}` is `{1,3}` and optional.
#[derive(Debug, Clone)]
pub struct Quantifier {
    /// The least number of times if it comes at all; never zero.
    pub min: u32,
    /// The greatest number of times, at least `min`; `None` is no bound.
    pub max: Option<u32>,
    /// Whether the step may be missing altogether.
    pub optional: bool,
    /// Whether it takes as many events as it can.
    pub greedy: bool,
    /// How the repetitions follow each other.
    pub inner: InnerLink,
    /// The condition that ends the repetitions.
    pub until: Option<Until>,
    /// `REQUIRED WITHIN ... OF PREVIOUS`: each required repetition comes less than this after the previous event of the match.
    pub window: Option<DurationLit>,
    /// All of it.
    pub span: Span,
}

impl Quantifier {
    /// Whether more than one event can come.
    pub fn repeats(&self) -> bool {
        self.max != Some(1)
    }
}

/// `UNTIL (condition)`: the first event that meets it ends the repetitions and is not one of them.
#[derive(Debug, Clone)]
pub struct Until {
    /// The condition.
    pub condition: Sql,
    /// All of it.
    pub span: Span,
}

/// `AFTER MATCH ...`.
#[derive(Debug, Clone)]
pub struct AfterMatch {
    /// Which other matches a match ends.
    pub skip: Skip,
    /// All of it.
    pub span: Span,
}

/// Which other matches a match ends.
#[derive(Debug, Clone)]
pub enum Skip {
    /// `NO SKIP`: no other match.
    NoSkip,
    /// `SKIP TO NEXT`: those that began with the same event.
    ToNext,
    /// `SKIP PAST LAST EVENT`: those that began up to the match's last event.
    PastLastEvent,
    /// `SKIP TO FIRST x`: those that began before the first event of `x`.
    ToFirst(Name),
    /// `SKIP TO LAST x`: those that began before the last event of `x`.
    ToLast(Name),
}

impl PatternNode {
    /// Every variable in it, in the order of the text, groups included.
    ///
    /// ```
    /// let pattern = egret_dsl::parse_pattern("a (b -> !c -> d)+ e")?;
    /// let names: Vec<&str> = pattern.variables().map(|name| name.text.as_str()).collect();
    /// assert_eq!(names, ["a", "b", "c", "d", "e"]);
    /// # Ok::<(), egret_dsl::Diagnostic>(())
    /// ```
    pub fn variables(&self) -> Variables<'_> {
        Variables { rest: vec![self] }
    }
}

/// The variables of a pattern: see [`PatternNode::variables`].
#[derive(Debug, Clone)]
pub struct Variables<'a> {
    rest: Vec<&'a PatternNode>,
}

impl<'a> Iterator for Variables<'a> {
    type Item = &'a Name;

    fn next(&mut self) -> Option<&'a Name> {
        loop {
            match &self.rest.pop()?.item {
                PatternItem::Variable(name) => return Some(name),
                item => self.rest.extend(item.sequences().iter().flatten().rev()),
            }
        }
    }
}
