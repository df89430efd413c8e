//! The state of planning: facts about the whole program that are known beforehand, and what is planned so far.

pub(crate) mod catalog;
pub(crate) mod entries;
pub(crate) mod ids;
pub(crate) mod lookup;
pub(crate) mod pattern_group;
pub(crate) mod pattern_input;

pub(crate) use catalog::{Catalog, Relation};
use egret_connectors::Registry;
use egret_core::{Sink, Source};
use egret_dsl::{CreateStream, Diagnostic, Name};
use egret_operators::stream::Job;
use entries::{GraphEntry, ModelEntry, OutputEntry};
use ids::Ids;
use lookup::Lookups;
use pattern_group::PatternGroup;
pub use pattern_input::PatternInput;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Sources and sinks given by the program that embeds Egret, in place of connectors named in the text.
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(crate) sources: BTreeMap<String, Arc<dyn Source>>,
    pub(crate) sinks: BTreeMap<String, Arc<dyn Sink>>,
    /// Whether MATCH_RECOGNIZE always runs on the engine of row patterns.
    pub(crate) row_patterns_only: bool,
}

/// A plan under construction.
pub(crate) struct Build<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) given: &'a Given,
    pub(crate) reads: Reads,
    pub(crate) job: Job,
    pub(crate) catalog: Catalog,
    pub(crate) inputs: Inputs,
    pub(crate) graphs: BTreeMap<String, GraphEntry>,
    pub(crate) models: BTreeMap<String, ModelEntry>,
    pub(crate) patterns: Patterns,
    pub(crate) outputs: BTreeMap<String, OutputEntry>,
    /// The lookups in graphs and models.
    pub(crate) lookups: Lookups,
    /// The uids under which state is kept.
    pub(crate) ids: Ids,
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) query: QueryAtHand,
    numbers: usize,
}

/// What the program as a whole reads, known before the first statement is planned.
pub(crate) struct Reads {
    /// The names of all relations that queries read, including side outputs.
    pub(crate) relations: BTreeSet<String>,
    /// The names of the relations whose rows need places.
    pub(crate) in_order: BTreeSet<String>,
    /// The relations whose column `_why` queries read.
    pub(crate) why: BTreeSet<String>,
}

/// The declared streams so far.
#[derive(Default)]
pub(crate) struct Inputs {
    /// The streams whose input does not end even when everything available has been read.
    pub(crate) endless: Vec<String>,
    /// Whether inputs are read only up to their current end.
    pub(crate) replays: bool,
    /// The stream that reads standard input.
    pub(crate) stdin: RefCell<Option<Name>>,
    /// The streams whose bad rows are written to files.
    pub(crate) with_letters: Vec<CreateStream>,
}

/// The patterns so far.
#[derive(Default)]
pub(crate) struct Patterns {
    pub(crate) inputs: Vec<PatternInput>,
    /// Groups of patterns that share a pair of nodes.
    pub(crate) groups: Vec<PatternGroup>,
    /// For each MATCH_RECOGNIZE so far, its late rows, and the keys that had too many partial matches.
    pub(crate) match_sides: Vec<[Relation; 2]>,
}

/// The query that is being planned.
pub(crate) struct QueryAtHand {
    /// Whether a reader of the query's rows depends on their order.
    pub(crate) keeps_places: bool,
    /// Whether the query of the statement is a single SELECT.
    pub(crate) is_one_select: bool,
}

impl<'a> Build<'a> {
    /// An empty plan.
    pub(crate) fn new(reads: Reads, registry: &'a Registry, given: &'a Given) -> Self {
        Self {
            registry,
            given,
            reads,
            job: Job::new(),
            catalog: Catalog::default(),
            inputs: Inputs::default(),
            graphs: BTreeMap::new(),
            models: BTreeMap::new(),
            patterns: Patterns::default(),
            outputs: BTreeMap::new(),
            lookups: Lookups::default(),
            ids: Ids::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            query: QueryAtHand { keeps_places: false, is_one_select: true },
            numbers: 0,
        }
    }

    /// The next number for an unnamed item.
    pub(crate) fn next_number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }
}
