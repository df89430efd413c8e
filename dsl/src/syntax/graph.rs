//! `CREATE GRAPH`: a graph that changes with a stream.

use crate::{Algorithm, DurationLit, Name, Options, Span, Sql};

/// `CREATE GRAPH name ON stream EDGE from [AS kind] TO to [AS kind] [DELETE WHEN ...] [EXPIRE AFTER ...] COMPUTE ... [VERSION EVERY ...] [WITH (uid = '...')]`.
#[derive(Debug, Clone)]
pub struct CreateGraph {
    /// The graph's name.
    pub name: Name,
    /// The stream whose rows are edges.
    pub stream: Name,
    /// One end of the edge.
    pub from: Sql,
    /// The other end.
    pub to: Sql,
    /// What kind of vertex each end is, if that is said; else its column's name says it.
    pub kinds: [Option<Name>; 2],
    /// What says that a row deletes an edge, if rows may.
    pub delete_when: Option<Sql>,
    /// How long after its last row an edge is forgotten; longer than nothing.
    pub expire_after: Option<DurationLit>,
    /// The algorithms whose answers are kept up to date, at least one.
    pub compute: Vec<Algorithm>,
    /// How often, in event time, readers see a new version; longer than nothing.
    pub step: Option<DurationLit>,
    /// `WITH (uid = '...')`, if that is said.
    pub options: Options,
    /// All of the statement.
    pub span: Span,
}
