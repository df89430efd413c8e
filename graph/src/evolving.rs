//! A graph of keys that goes from version to version.

use crate::algorithm::{EdgeDelta, Follower};
use crate::saved::{SavedEdge, SavedGraph, SavedPending, SavedVertex};
use crate::spec::GraphSpec;
use crate::store::{Edge, EdgeStore, NEVER};
use crate::updates::UpdateWriter;
use crate::vertices::{Key, Side, Vertices};
use egret_core::{Error, Result};

/// An edge that is not in the graph yet. It uses its two vertices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PendingEdge {
    /// When it comes: its event time, or for a late one the watermark it was behind.
    pub(crate) comes: i64,
    pub(crate) edge: Edge,
}

impl PendingEdge {
    /// Whether the graph as of `version` does not have it any more.
    pub(crate) fn is_over(&self, version: i64) -> bool {
        self.edge.expiry <= version && self.edge.expiry != NEVER
    }
}

/// A graph whose vertices are keys: what its algorithms follow, and the edge store if one of them reads it.
pub(crate) struct EvolvingGraph {
    vertices: Vertices,
    /// Each edge in it uses its two vertices.
    store: Option<EdgeStore>,
    /// By algorithm, in the order of `COMPUTE`.
    followers: Vec<Box<dyn Follower>>,
}

impl EvolvingGraph {
    /// A graph without edges.
    pub(crate) fn new(spec: &GraphSpec) -> Self {
        Self {
            vertices: Vertices::new(spec.kinds()),
            store: spec.needs_store().then(EdgeStore::new),
            followers: spec.plans().map(|plan| plan.follower()).collect(),
        }
    }

    /// The number of a vertex, for a [`PendingEdge`].
    pub(crate) fn vertex(&mut self, side: Side, key: Key<'_>) -> u32 {
        self.vertices.retain(side, key)
    }

    /// Goes to version `version`: takes the edges that came before it, drops those that expire until it, and has the algorithms
    /// write what is different. An edge that is over by then leaves no trace.
    pub(crate) fn advance(&mut self, edges: &mut [PendingEdge], version_time: i64, version: i64, out: &mut UpdateWriter) {
        self.sort(edges);
        let inserted: Vec<Edge> = edges.iter().filter(|edge| !edge.is_over(version)).map(|pending| pending.edge).collect();
        let mut removed = Vec::new();
        if let Some(store) = &mut self.store {
            for edge in &inserted {
                [edge.from, edge.to].into_iter().for_each(|vertex| self.vertices.retain_number(vertex));
                store.insert(*edge);
            }
            store.expire_until(version, &mut removed);
        }
        let delta = EdgeDelta { version, inserted: &inserted, removed: &removed };
        for (algorithm, follower) in self.followers.iter_mut().enumerate() {
            let mut rows = out.rows_of(algorithm, version_time);
            follower.advance(&delta, self.store.as_ref(), &mut self.vertices, &mut rows);
        }
        let gone = edges.iter().map(|pending| &pending.edge).chain(&removed);
        gone.flat_map(|edge| [edge.from, edge.to]).for_each(|vertex| self.vertices.release(vertex));
        if let Some(store) = &mut self.store {
            store.tidy();
        }
    }

    /// When the next edge expires.
    pub(crate) fn next_expiry(&mut self) -> Option<i64> {
        let of_store = self.store.as_mut().and_then(EdgeStore::next_expiry);
        self.followers.iter_mut().filter_map(|follower| follower.next_expiry()).chain(of_store).min()
    }

    /// How many vertices there are.
    pub(crate) fn len(&self) -> usize {
        self.vertices.len()
    }

    /// Bytes of memory, estimated.
    pub(crate) fn bytes(&self) -> usize {
        let followers: usize = self.followers.iter().map(|follower| follower.bytes()).sum();
        self.vertices.bytes() + self.store.as_ref().map_or(0, EdgeStore::bytes) + followers
    }

    /// The order of the edges of a step: that in which they come, else by what they are.
    fn sort(&self, edges: &mut [PendingEdge]) {
        let vertices = &self.vertices;
        edges.sort_unstable_by(|a, b| {
            let keys = || vertices.compare(a.edge.from, b.edge.from).then_with(|| vertices.compare(a.edge.to, b.edge.to));
            let weights = || a.edge.weight.total_cmp(&b.edge.weight);
            let times = |pending: &PendingEdge| (pending.comes, pending.edge.expiry, pending.edge.time);
            times(a).cmp(&times(b)).then_with(keys).then_with(weights)
        });
    }

    /// The graph, and edges that wait, as they are kept in a snapshot: vertices are numbered anew.
    pub(crate) fn save<'a>(&self, pending: impl Iterator<Item = &'a PendingEdge>) -> Result<SavedGraph> {
        let mut numbers = vec![u32::MAX; self.vertices.numbers().last().map_or(0, |last| last as usize + 1)];
        let mut vertices = Vec::with_capacity(self.vertices.len());
        for vertex in self.vertices.numbers() {
            numbers[vertex as usize] = vertices.len() as u32;
            vertices.push(SavedVertex::of(&self.vertices, vertex));
        }
        let number = |vertex: u32| numbers[vertex as usize];
        let renumbered = |edge: Edge| Edge { from: number(edge.from), to: number(edge.to), ..edge };
        Ok(SavedGraph {
            vertices,
            edges: self.store.as_ref().map(|store| store.edges().map(|edge| SavedEdge::of(&renumbered(edge))).collect()),
            followers: self.followers.iter().map(|follower| follower.save(&number)).collect::<Result<_>>()?,
            pending: pending.map(|pending| SavedPending::of(pending.comes, &renumbered(pending.edge))).collect(),
        })
    }

    /// Takes up what [`EvolvingGraph::save`] gave in a graph without edges, and gives the edges that wait.
    ///
    /// # Errors
    /// The parts do not fit together.
    pub(crate) fn restore(&mut self, saved: &SavedGraph) -> Result<Vec<PendingEdge>> {
        let damaged = || Error::state("the vertices of a snapshot do not fit its edges");
        // Each vertex is used once here, until all that need it have said so.
        let numbers = saved.vertices.iter().map(|vertex| vertex.retain(&mut self.vertices)).collect::<Result<Vec<_>>>()?;
        let number = |saved: u32| numbers.get(saved as usize).copied().ok_or_else(damaged);
        let renumbered = |edge: Edge| Ok::<_, Error>(Edge { from: number(edge.from)?, to: number(edge.to)?, ..edge });
        if saved.edges.is_some() != self.store.is_some() || saved.followers.len() != self.followers.len() {
            return Err(damaged());
        }
        if let Some(store) = &mut self.store {
            for edge in saved.edges.iter().flatten() {
                let edge = renumbered(edge.edge())?;
                [edge.from, edge.to].into_iter().for_each(|vertex| self.vertices.retain_number(vertex));
                store.insert(edge);
            }
        }
        for (follower, bytes) in self.followers.iter_mut().zip(&saved.followers) {
            follower.restore(bytes, &numbers, self.store.as_ref(), &mut self.vertices)?;
        }
        let pending = saved.pending.iter().map(|saved| {
            let (comes, edge) = saved.pending();
            Ok(PendingEdge { comes, edge: renumbered(edge)? })
        });
        let pending = pending.collect::<Result<Vec<_>>>()?;
        let ends = pending.iter().flat_map(|pending| [pending.edge.from, pending.edge.to]);
        ends.for_each(|vertex| self.vertices.retain_number(vertex));
        numbers.iter().for_each(|&vertex| self.vertices.release(vertex));
        Ok(pending)
    }
}
