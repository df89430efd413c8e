//! A graph of keys that goes from version to version.

use crate::census::Census;
use crate::components::{Change, ComponentId, DynamicComponents, LiveEdge, NEVER};
use crate::key::KeyKind;
use crate::updates::UpdateWriter;
use crate::vertices::{Key, Side, Vertices};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// An edge that is not in the graph yet. It uses its two vertices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingEdge {
    /// When it comes: its event time, or for a late one the watermark it was behind.
    pub(crate) time: i64,
    /// When it expires.
    pub(crate) expiry: i64,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl PendingEdge {
    /// Whether the graph as of `version` does not have it any more.
    pub(crate) fn is_over(&self, version: i64) -> bool {
        self.expiry <= version && self.expiry != NEVER
    }
}

/// The components of a graph whose vertices are keys.
#[derive(Debug)]
pub(crate) struct EvolvingGraph {
    vertices: Vertices,
    components: DynamicComponents,
    census: Census,
}

impl EvolvingGraph {
    pub(crate) fn new(kinds: [KeyKind; 2]) -> Self {
        Self { vertices: Vertices::new(kinds), components: DynamicComponents::new(), census: Census::default() }
    }

    /// The number of a vertex, for a [`PendingEdge`].
    pub(crate) fn vertex(&mut self, side: Side, key: Key<'_>) -> u32 {
        self.vertices.retain(side, key)
    }

    /// Goes to version `version`: takes the edges that came before it, drops those that expire until it, and writes what is
    /// different. An edge that is over by then leaves no trace.
    pub(crate) fn advance(&mut self, edges: &mut [PendingEdge], version_time: i64, version: i64, out: &mut UpdateWriter) {
        let vertices = &self.vertices;
        edges.sort_unstable_by(|a, b| {
            let keys = || vertices.compare(a.from, b.from).then_with(|| vertices.compare(a.to, b.to));
            (a.time, a.expiry).cmp(&(b.time, b.expiry)).then_with(keys)
        });
        for edge in edges.iter().filter(|edge| !edge.is_over(version)) {
            self.components.insert(edge.from, edge.to, edge.expiry);
        }
        self.components.expire_until(version);
        let mut changes = self.components.take_changes();
        changes.sort_unstable_by(|a, b| vertices.compare(a.vertex, b.vertex));
        out.write(version_time, &changes, &self.census.apply(&changes, vertices), vertices);
        self.keep_and_drop(&changes, edges);
    }

    /// When the next edge expires.
    pub(crate) fn next_expiry(&mut self) -> Option<i64> {
        self.components.next_expiry()
    }

    /// How many vertices and components there are.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.vertices.len(), self.census.len())
    }

    /// Bytes of memory, estimated.
    pub(crate) fn bytes(&self) -> usize {
        self.vertices.bytes() + self.components.bytes() + self.census.bytes()
    }

    /// A vertex is used while it is in a component and while an edge waits for it.
    fn keep_and_drop(&mut self, changes: &[Change], edges: &[PendingEdge]) {
        for change in changes {
            match (change.before, change.after) {
                (None, Some(_)) => self.vertices.retain_number(change.vertex),
                (Some(_), None) => self.vertices.release(change.vertex),
                _ => {}
            }
        }
        for edge in edges {
            self.vertices.release(edge.from);
            self.vertices.release(edge.to);
        }
    }

    /// The graph, and edges that wait, as they are kept in a snapshot: vertices are numbered anew.
    pub(crate) fn save<'a>(&self, pending: impl Iterator<Item = &'a PendingEdge>) -> SavedGraph {
        let mut numbers = vec![u32::MAX; self.vertices.numbers().last().map_or(0, |last| last as usize + 1)];
        let mut vertices = Vec::with_capacity(self.vertices.len());
        for vertex in self.vertices.numbers() {
            numbers[vertex as usize] = vertices.len() as u32;
            let mut key = Vec::new();
            self.vertices.write_canonical(vertex, &mut key);
            let component = self.components.component(vertex).map(|id| id.0);
            vertices.push(SavedVertex { side: self.vertices.get(vertex).0 as u8, key, component });
        }
        let number = |vertex: u32| numbers[vertex as usize];
        SavedGraph {
            vertices,
            edges: self.components.edges().iter().map(|edge| (number(edge.from), number(edge.to), edge.expiry)).collect(),
            next_component: self.components.next_id().0,
            pending: pending.map(|edge| PendingEdge { from: number(edge.from), to: number(edge.to), ..*edge }).collect(),
        }
    }

    /// Takes up what [`EvolvingGraph::save`] gave, and gives the edges that wait.
    pub(crate) fn restore(&mut self, saved: &SavedGraph) -> Result<Vec<PendingEdge>> {
        *self = Self::new([self.vertices.kind(Side::From), self.vertices.kind(Side::To)]);
        let damaged = || Error::state("the vertices of a snapshot do not fit its edges");
        let mut numbers = Vec::with_capacity(saved.vertices.len());
        for vertex in &saved.vertices {
            let side = Side::from_number(vertex.side)?;
            let key = self.vertices.kind(side).parse(&vertex.key)?.ok_or_else(damaged)?;
            numbers.push(self.vertices.retain(side, key));
        }
        let number = |saved: u32| numbers.get(saved as usize).copied().ok_or_else(damaged);
        let edge = |&(from, to, expiry): &(u32, u32, i64)| Ok(LiveEdge { from: number(from)?, to: number(to)?, expiry });
        let edges = saved.edges.iter().map(edge).collect::<Result<Vec<_>>>()?;
        let of_component = |(vertex, &number): (&SavedVertex, &u32)| Some((number, ComponentId(vertex.component?)));
        let components: Vec<_> = saved.vertices.iter().zip(&numbers).filter_map(of_component).collect();
        self.components.restore(&edges, &components, ComponentId(saved.next_component))?;
        let changes: Vec<Change> =
            components.iter().map(|&(vertex, id)| Change { vertex, before: None, after: Some(id) }).collect();
        self.census.apply(&changes, &self.vertices);
        let pending = saved
            .pending
            .iter()
            .map(|edge| Ok(PendingEdge { from: number(edge.from)?, to: number(edge.to)?, ..*edge }))
            .collect::<Result<Vec<_>>>()?;
        pending.iter().flat_map(|edge| [edge.from, edge.to]).for_each(|vertex| self.vertices.retain_number(vertex));
        // Each vertex was numbered with one use: that of its component, if it is in one.
        let without = saved.vertices.iter().zip(&numbers).filter(|(vertex, _)| vertex.component.is_none());
        without.for_each(|(_, &vertex)| self.vertices.release(vertex));
        Ok(pending)
    }
}

/// A graph in a snapshot: the edges that still matter, and what does not follow from them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedGraph {
    vertices: Vec<SavedVertex>,
    /// From, to (numbers of `vertices`) and expiry, in the order they came.
    edges: Vec<(u32, u32, i64)>,
    next_component: u64,
    pending: Vec<PendingEdge>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedVertex {
    side: u8,
    /// The canonical encoding.
    key: Vec<u8>,
    component: Option<u64>,
}
