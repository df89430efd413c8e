//! Lookups: calls such as `ring.size(card)` and `risk(big)`, which become columns of the rows that they are about.

use egret_dsl::{Span, Sql};
use egret_ml::Answer;
use std::collections::BTreeMap;

/// A call that looks up an answer of a graph or a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The answer of a graph about the vertex in a column.
    Graph { graph: String, answer: String, column: String },
    /// The answer of a model about the row.
    Model { model: String, answer: Answer },
}

impl Lookup {
    /// The name of the column that holds the answer.
    pub(crate) fn column(&self) -> String {
        match self {
            Self::Graph { graph, answer, column } => format!("__{graph}_{answer}_{column}"),
            Self::Model { model, answer: Answer::Score } => format!("__{model}"),
            Self::Model { model, answer: Answer::Class } => format!("__{model}.class"),
            Self::Model { model, answer: Answer::Cluster } => format!("__{model}.cluster"),
            Self::Model { model, answer: Answer::Distance } => format!("__{model}.distance"),
            Self::Model { model, answer: Answer::Probability(class) } => format!("__{model}.probability.{class}"),
        }
    }

    /// The call as the user writes it; `{row}` stands for a row's name and `{row.}` for the name and a point.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Graph { graph, answer, column } => format!("{graph}.{answer}({{row.}}{column})"),
            Self::Model { model, answer: Answer::Score } => format!("{model}({{row}})"),
            Self::Model { model, answer: Answer::Class } => format!("{model}.class({{row}})"),
            Self::Model { model, answer: Answer::Cluster } => format!("{model}.cluster({{row}})"),
            Self::Model { model, answer: Answer::Distance } => format!("{model}.distance({{row}})"),
            Self::Model { model, answer: Answer::Probability(class) } => {
                format!("{model}.probability({{row}}, '{}')", class.replace('\'', "''"))
            }
        }
    }
}

/// An expression in which calls of graphs and models are replaced by columns.
pub(crate) struct Rewritten {
    pub(crate) sql: Sql,
    pub(crate) lookups: Vec<(Lookup, Span)>,
}

/// The program's lookups in graphs and models, by relation.
#[derive(Default)]
pub(crate) struct Lookups {
    /// The lookups that an earlier pass of planning found.
    known: BTreeMap<String, Vec<(Lookup, Span)>>,
    so_far: BTreeMap<String, Vec<(Lookup, Span)>>,
    /// The number of joins of each pair of a relation and a graph or model.
    joins: BTreeMap<(String, String), usize>,
}

impl Lookups {
    pub(crate) fn add(&mut self, relation: &str, lookups: &[(Lookup, Span)]) {
        let all = self.so_far.entry(relation.to_owned()).or_default();
        for lookup in lookups {
            if !all.iter().any(|(known, _)| *known == lookup.0) {
                all.push(lookup.clone());
            }
        }
    }

    pub(crate) fn known_of(&self, relation: &str) -> &[(Lookup, Span)] {
        self.known.get(relation).map(Vec::as_slice).unwrap_or_default()
    }

    /// Counts a join of a graph or a model to a relation's rows.
    pub(crate) fn joined(&mut self, relation: &str, name: &str) {
        *self.joins.entry((relation.to_owned(), name.to_owned())).or_default() += 1;
    }

    /// Whether a graph or a model was joined to a relation twice, because a later statement needed more answers.
    pub(crate) fn has_split_joins(&self) -> bool {
        self.joins.values().any(|joins| *joins > 1)
    }

    /// All lookups found, for another pass of planning, in an order that does not depend on the order of the statements.
    pub(crate) fn known(self) -> Self {
        let mut known = self.so_far;
        known.values_mut().for_each(|lookups| lookups.sort_by_key(|(lookup, _)| lookup.column()));
        Self { known, ..Self::default() }
    }
}
