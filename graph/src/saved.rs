//! The format of graphs and replicas in snapshots.
//!
//! # Format
//! One byte with the version, then [`SavedOperator`] or [`SavedReader`] in the encoding of postcard. Each algorithm has bytes of its own.
//! Version 1 is still read. It had components only, and saved the component of a vertex beside its key.

use crate::algorithms::components_before;
use crate::key::KeyKind;
use crate::store::Edge;
use crate::vertices::{Side, Vertices};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The first byte.
const VERSION: u8 = 2;

/// The state of [`crate::GraphOperator`].
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedOperator {
    pub(crate) step_us: i64,
    pub(crate) kinds: [KeyKind; 2],
    /// The texts of the algorithms.
    pub(crate) computes: Vec<String>,
    pub(crate) done_below: i64,
    /// The steps with buffered edges, and how many each has; the edges are in `graph`.
    pub(crate) steps: Vec<(i64, u64)>,
    pub(crate) graph: SavedGraph,
}

/// A graph and its buffered edges.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedGraph {
    /// The vertices. All other parts refer to them by index.
    pub(crate) vertices: Vec<SavedVertex>,
    /// The edges of the edge store, if there is one, in the order of insertion.
    pub(crate) edges: Option<Vec<SavedEdge>>,
    /// The bytes of each algorithm.
    pub(crate) followers: Vec<Vec<u8>>,
    pub(crate) pending: Vec<SavedPending>,
}

/// The state of [`crate::GraphReader`].
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedReader {
    pub(crate) kinds: [KeyKind; 2],
    /// The texts of the algorithms.
    pub(crate) computes: Vec<String>,
    pub(crate) vertices: Vec<SavedVertex>,
    /// The bytes of the replica of each algorithm.
    pub(crate) replicas: Vec<Vec<u8>>,
}

/// A vertex by its side and the canonical encoding of its key.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedVertex {
    side: u8,
    key: Vec<u8>,
}

impl SavedVertex {
    pub(crate) fn of(vertices: &Vertices, vertex: u32) -> Self {
        let mut key = Vec::new();
        vertices.write_canonical(vertex, &mut key);
        Self { side: vertices.get(vertex).0 as u8, key }
    }

    /// Adds a use of the vertex and returns its number.
    ///
    /// # Errors
    /// The bytes are no vertex.
    pub(crate) fn retain(&self, vertices: &mut Vertices) -> Result<u32> {
        let side = Side::from_number(self.side)?;
        let key = vertices.kind(side).parse(&self.key)?;
        let key = key.ok_or_else(|| Error::state("a vertex of a snapshot has no key"))?;
        Ok(vertices.retain(side, key))
    }
}

/// An edge: from, to, time, expiry, weight and attribute.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedEdge(u32, u32, i64, i64, f64, u32);

impl SavedEdge {
    pub(crate) fn of(edge: &Edge) -> Self {
        Self(edge.from, edge.to, edge.time, edge.expiry, edge.weight, edge.attribute)
    }

    pub(crate) fn edge(&self) -> Edge {
        let Self(from, to, time, expiry, weight, attribute) = *self;
        Edge { from, to, time, expiry, weight, attribute }
    }
}

/// A buffered edge: the time of its insertion, and the edge.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedPending(i64, SavedEdge);

impl SavedPending {
    pub(crate) fn of(comes: i64, edge: &Edge) -> Self {
        Self(comes, SavedEdge::of(edge))
    }

    pub(crate) fn pending(&self) -> (i64, Edge) {
        (self.0, self.1.edge())
    }
}

/// Encodes a state.
pub(crate) fn encode(saved: &impl Serialize) -> Result<Vec<u8>> {
    Ok(postcard::to_extend(saved, vec![VERSION])?)
}

impl SavedOperator {
    /// # Errors
    /// The bytes are damaged, or of another version.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [VERSION, rest @ ..] => Ok(postcard::from_bytes(rest)?),
            [1, rest @ ..] => postcard::from_bytes::<before::Operator>(rest)?.today(),
            _ => Err(other_version()),
        }
    }
}

impl SavedReader {
    /// # Errors
    /// The bytes are damaged, or of another version.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [VERSION, rest @ ..] => Ok(postcard::from_bytes(rest)?),
            [1, rest @ ..] => postcard::from_bytes::<before::Reader>(rest)?.today(),
            _ => Err(other_version()),
        }
    }
}

fn other_version() -> Error {
    Error::state("its state has a version that this program does not read")
}

/// The format of version 1.
mod before {
    use super::{Edge, KeyKind, SavedGraph, SavedOperator, SavedPending, SavedReader, SavedVertex, components_before};
    use egret_core::Result;
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Operator {
        step_us: i64,
        kinds: [KeyKind; 2],
        done_below: i64,
        steps: Vec<(i64, u64)>,
        graph: Graph,
    }

    #[derive(Deserialize)]
    struct Graph {
        vertices: Vec<Vertex<Option<u64>>>,
        /// From, to and expiry.
        edges: Vec<(u32, u32, i64)>,
        next_component: u64,
        /// Time of insertion, expiry, from and to.
        pending: Vec<(i64, i64, u32, u32)>,
    }

    #[derive(Deserialize)]
    pub(super) struct Reader {
        kinds: [KeyKind; 2],
        components: Vec<components_before::Component>,
        vertices: Vec<Vertex<u64>>,
    }

    #[derive(Deserialize)]
    struct Vertex<C> {
        side: u8,
        key: Vec<u8>,
        component: C,
    }

    impl Operator {
        pub(super) fn today(self) -> Result<SavedOperator> {
            let Graph { vertices, edges, next_component, pending } = self.graph;
            let component = |(vertex, saved): (usize, &Vertex<Option<u64>>)| Some((vertex as u32, saved.component?));
            let components = vertices.iter().enumerate().filter_map(component).collect();
            let waits = |(comes, expiry, from, to): (i64, i64, u32, u32)| {
                SavedPending::of(comes, &Edge { from, to, time: comes, expiry, weight: 1.0, attribute: 0 })
            };
            Ok(SavedOperator {
                step_us: self.step_us,
                kinds: self.kinds,
                computes: vec!["components".to_owned()],
                done_below: self.done_below,
                steps: self.steps,
                graph: SavedGraph {
                    vertices: vertices.into_iter().map(|Vertex { side, key, .. }| SavedVertex { side, key }).collect(),
                    edges: None,
                    followers: vec![components_before::follower(components, edges, next_component)?],
                    pending: pending.into_iter().map(waits).collect(),
                },
            })
        }
    }

    impl Reader {
        pub(super) fn today(self) -> Result<SavedReader> {
            let components = self.vertices.iter().enumerate().map(|(vertex, saved)| (vertex as u32, saved.component)).collect();
            Ok(SavedReader {
                kinds: self.kinds,
                computes: vec!["components".to_owned()],
                vertices: self.vertices.into_iter().map(|Vertex { side, key, .. }| SavedVertex { side, key }).collect(),
                replicas: vec![components_before::replica(self.components, components)?],
            })
        }
    }
}
