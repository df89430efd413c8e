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
    /// The kind of vertex at each end, if given; otherwise the column's name is the kind.
    pub kinds: [Option<Name>; 2],
    /// The condition under which a row deletes an edge, if rows can.
    pub delete_when: Option<Sql>,
    /// How long after its last row an edge is removed; greater than zero.
    pub expire_after: Option<DurationLit>,
    /// The algorithms whose results are kept up to date, at least one.
    pub compute: Vec<Algorithm>,
    /// How often, in event time, readers see a new version; greater than zero.
    pub step: Option<DurationLit>,
    /// `WITH (uid = '...')`, if given.
    pub options: Options,
    /// All of the statement.
    pub span: Span,
}
