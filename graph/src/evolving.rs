//! The graph of an operator: vertices, edges and algorithms, from version to version.

use crate::algorithm::{EdgeDelta, Follower};
use crate::saved::{SavedEdge, SavedGraph, SavedPending, SavedVertex};
use crate::spec::GraphSpec;
use crate::store::{Edge, EdgeStore, NEVER};
use crate::updates::UpdateWriter;
use crate::vertices::{Key, Side, Vertices};
use egret_core::{Error, Result};

/// The expiry that marks a deletion. No edge has this expiry, because durations are positive.
pub(crate) const DELETION: i64 = i64::MIN;

/// A buffered edge, or the buffered deletion of one. It holds a use of each of its two vertices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PendingEdge {
    /// The time of its insertion: the event time, or for a late row the watermark that the row was behind.
    pub(crate) comes: i64,
    /// For a deletion: the ends of the edge to delete, with [`DELETION`] as expiry.
    pub(crate) edge: Edge,
}

impl PendingEdge {
    pub(crate) fn deletes(&self) -> bool {
        self.edge.expiry == DELETION
    }

    /// Whether the edge has expired in the graph as of `version`.
    pub(crate) fn is_over(&self, version: i64) -> bool {
        self.edge.expiry <= version && self.edge.expiry != NEVER && !self.deletes()
    }
}

/// The edges that a step changed.
#[derive(Default)]
struct StepEdges {
    inserted: Vec<Edge>,
    deleted: Vec<Edge>,
    expired: Vec<Edge>,
    /// Edges that were inserted and deleted in the step.
    undone: Vec<Edge>,
    /// The number of deletions without an edge to delete.
    missing: usize,
}

/// A graph whose vertices are keys, with the followers of its algorithms and, if one of them reads it, the edge store.
pub(crate) struct EvolvingGraph {
    vertices: Vertices,
    /// Each edge in the store holds a use of each of its two vertices.
    store: Option<EdgeStore>,
    /// One for each algorithm, in the order of `COMPUTE`.
    followers: Vec<Box<dyn Follower>>,
}

impl EvolvingGraph {
    /// A graph without edges.
    pub(crate) fn new(spec: &GraphSpec) -> Self {
        Self {
            vertices: Vertices::new(spec.kinds()),
            store: spec.needs_store().then(EdgeStore::new),
            followers: spec.plans().map(|plan| plan.follower(spec.deletes())).collect(),
        }
    }

    /// The number of a vertex of a [`PendingEdge`], with the use that the edge holds.
    pub(crate) fn vertex(&mut self, side: Side, key: Key<'_>) -> u32 {
        self.vertices.retain(side, key)
    }

    /// Advances to a version: inserts and deletes the buffered edges of its step, expires edges, and lets the algorithms write
    /// the differences. Edges that expire within the step are never inserted. Returns the number of deletions without an edge to
    /// delete.
    pub(crate) fn advance(
        &mut self,
        edges: &mut [PendingEdge],
        version_time: i64,
        version: i64,
        out: &mut UpdateWriter,
    ) -> usize {
        self.sort(edges);
        let step = match &mut self.store {
            Some(store) => take_step(store, edges, version),
            None => {
                let inserted = edges.iter().filter(|edge| !edge.is_over(version)).map(|pending| pending.edge).collect();
                StepEdges { inserted, ..StepEdges::default() }
            }
        };
        if self.store.is_some() {
            self.retain_ends(step.inserted.iter().chain(&step.undone));
        }
        let delta = EdgeDelta { version, inserted: &step.inserted, deleted: &step.deleted, expired: &step.expired };
        for (algorithm, follower) in self.followers.iter_mut().enumerate() {
            let mut rows = out.rows_of(algorithm, version_time);
            follower.advance(&delta, self.store.as_ref(), &mut self.vertices, &mut rows);
        }
        let waited = edges.iter().map(|pending| &pending.edge);
        let gone = waited.chain(&step.deleted).chain(&step.expired).chain(&step.undone);
        gone.flat_map(|edge| [edge.from, edge.to]).for_each(|vertex| self.vertices.release(vertex));
        if let Some(store) = &mut self.store {
            store.tidy();
        }
        step.missing
    }

    /// The earliest expiry that an algorithm or the store waits for.
    pub(crate) fn next_expiry(&mut self) -> Option<i64> {
        let of_store = self.store.as_mut().and_then(EdgeStore::next_expiry);
        self.followers.iter_mut().filter_map(|follower| follower.next_expiry()).chain(of_store).min()
    }

    /// The number of vertices.
    pub(crate) fn len(&self) -> usize {
        self.vertices.len()
    }

    /// Bytes of memory, estimated.
    pub(crate) fn bytes(&self) -> usize {
        let followers: usize = self.followers.iter().map(|follower| follower.bytes()).sum();
        self.vertices.bytes() + self.store.as_ref().map_or(0, EdgeStore::bytes) + followers
    }

    /// Adds a use of both ends of each edge.
    fn retain_ends<'a>(&mut self, edges: impl Iterator<Item = &'a Edge>) {
        edges.flat_map(|edge| [edge.from, edge.to]).for_each(|vertex| self.vertices.retain_number(vertex));
    }

    /// Sorts the edges of a step by time of insertion, then by expiry (deletions are first), then by their other fields.
    fn sort(&self, edges: &mut [PendingEdge]) {
        let vertices = &self.vertices;
        edges.sort_unstable_by(|a, b| {
            let keys = || vertices.compare(a.edge.from, b.edge.from).then_with(|| vertices.compare(a.edge.to, b.edge.to));
            let weights = || a.edge.weight.total_cmp(&b.edge.weight);
            let times = |pending: &PendingEdge| (pending.comes, pending.edge.expiry, pending.edge.time);
            times(a).cmp(&times(b)).then_with(keys).then_with(weights)
        });
    }

    /// The graph and the buffered edges for a snapshot, in which vertices have new numbers.
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

    /// Restores the result of [`EvolvingGraph::save`] into a graph without edges, and returns the buffered edges.
    ///
    /// # Errors
    /// The parts do not fit together.
    pub(crate) fn restore(&mut self, saved: &SavedGraph) -> Result<Vec<PendingEdge>> {
        let damaged = || Error::state("the vertices of a snapshot do not fit its edges");
        // This function holds a use of each vertex until all others that need it have added theirs.
        let numbers = saved.vertices.iter().map(|vertex| vertex.retain(&mut self.vertices)).collect::<Result<Vec<_>>>()?;
        let number = |saved: u32| numbers.get(saved as usize).copied().ok_or_else(damaged);
        let renumbered = |edge: Edge| Ok::<_, Error>(Edge { from: number(edge.from)?, to: number(edge.to)?, ..edge });
        if saved.edges.is_some() != self.store.is_some() || saved.followers.len() != self.followers.len() {
            return Err(damaged());
        }
        if let Some(store) = &mut self.store {
            for edge in saved.edges.iter().flatten() {
                store.insert(renumbered(edge.edge())?);
            }
            let ends = store.edges().flat_map(|edge| [edge.from, edge.to]);
            ends.for_each(|vertex| self.vertices.retain_number(vertex));
        }
        for (follower, bytes) in self.followers.iter_mut().zip(&saved.followers) {
            follower.restore(bytes, &numbers, self.store.as_ref(), &mut self.vertices)?;
        }
        let pending = saved.pending.iter().map(|saved| {
            let (comes, edge) = saved.pending();
            Ok(PendingEdge { comes, edge: renumbered(edge)? })
        });
        let pending = pending.collect::<Result<Vec<_>>>()?;
        self.retain_ends(pending.iter().map(|pending| &pending.edge));
        numbers.iter().for_each(|&vertex| self.vertices.release(vertex));
        Ok(pending)
    }
}

/// Applies the sorted edges of a step to the store.
fn take_step(store: &mut EdgeStore, edges: &[PendingEdge], version: i64) -> StepEdges {
    let mut step = StepEdges::default();
    let (before, mut is_undone) = (store.came(), Vec::new());
    for pending in edges.iter().filter(|edge| !edge.is_over(version)) {
        let edge = pending.edge;
        if !pending.deletes() {
            store.insert(edge);
            step.inserted.push(edge);
            is_undone.push(false);
            continue;
        }
        match store.remove_counted(edge.from, edge.to) {
            None => step.missing += 1,
            Some((place, gone)) if place >= before => {
                is_undone[(place - before) as usize] = true;
                step.undone.push(gone);
            }
            Some((_, gone)) => step.deleted.push(gone),
        }
    }
    if !step.undone.is_empty() {
        let mut undone = is_undone.into_iter();
        step.inserted.retain(|_| undone.next() == Some(false));
    }
    store.expire_until(version, &mut step.expired);
    step
}
