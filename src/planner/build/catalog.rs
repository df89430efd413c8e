//! The names that a program defines.

use egret_dsl::{Cause, Diagnostic, Name, Span, suggest};
use egret_operators::Stream;
use std::collections::{BTreeMap, BTreeSet};

/// A named stream: declared, derived, or the output of a pattern or a model.
#[derive(Clone)]
pub(crate) struct Relation {
    /// Its rows, without the columns that models and graphs add.
    pub(crate) base: Stream,
    /// The same rows with the columns added so far: a chain of joins that grows as statements need more.
    pub(crate) enriched: Stream,
    /// The columns a `*` stands for.
    pub(crate) visible: Vec<String>,
    /// Whether its input ends by itself.
    pub(crate) bounded: bool,
}

impl Relation {
    pub(crate) fn new(stream: Stream, bounded: bool) -> Self {
        let schema = stream.schema().without_place();
        let visible = schema.arrow().fields().iter().map(|field| field.name().clone()).collect();
        Self { base: stream.clone(), enriched: stream, visible, bounded }
    }
}

/// The names, and where each was defined.
#[derive(Default)]
pub(crate) struct Catalog {
    relations: BTreeMap<String, Relation>,
    defined: BTreeMap<String, (Span, &'static str)>,
    /// Names whose definition has errors: errors elsewhere that only follow from these are not reported.
    pub(crate) broken: BTreeSet<String>,
}

impl Catalog {
    /// Defines a name.
    pub(crate) fn define(&mut self, name: &Name, what: &'static str) -> Result<(), Diagnostic> {
        if let Some((first, other)) = self.defined.get(&name.text) {
            return Err(Diagnostic::error(format!("`{name}` is defined twice"))
                .label(name.span, format!("a {what} of this name"))
                .label(*first, format!("a {other} has it already"))
                .help("give one of them another name"));
        }
        self.defined.insert(name.text.clone(), (name.span, what));
        Ok(())
    }

    /// The kind of thing that a name was defined as.
    pub(crate) fn kind(&self, name: &str) -> Option<&'static str> {
        self.defined.get(name).map(|(_, what)| *what)
    }

    pub(crate) fn insert(&mut self, name: &str, relation: Relation) {
        self.relations.insert(name.to_owned(), relation);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Relation> {
        self.relations.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Relation> {
        self.relations.get_mut(name)
    }

    /// The relation with a name, or the error if there is none.
    pub(crate) fn relation(&self, name: &str, span: Span) -> Result<&Relation, Diagnostic> {
        if let Some(relation) = self.get(name) {
            return Ok(relation);
        }
        let owner = name.split_once('.').map_or(name, |(owner, _)| owner);
        if self.broken.contains(owner) {
            return Err(crate::planner::names::consequence(span));
        }
        let unknown = match self.kind(name) {
            Some("model") => Diagnostic::error(format!("`{name}` is a model, not a stream"))
                .label(span, "rows are expected here")
                .help(format!("its quality is the stream `{name}.metrics`; its score is `{name}(row)` in an expression")),
            Some("graph") => Diagnostic::error(format!("`{name}` is a graph, not a stream"))
                .label(span, "rows are expected here")
                .help(format!("ask it in an expression: `{name}.size(column)`")),
            Some("sink") => {
                Diagnostic::error(format!("`{name}` is a sink: it cannot be read")).label(span, "a stream is expected here")
            }
            Some(_) | None => Diagnostic::error(format!("there is no stream `{name}`"))
                .label(span, "not defined above")
                .suggestion(suggest(name, self.relations.keys().map(String::as_str)))
                .because(Cause::Missing(name.to_owned())),
        };
        Err(unknown)
    }
}
