//! The follower of components, in the graph's operator.

use super::census::Census;
use super::rows;
use crate::algorithm::{EdgeDelta, Follower};
use crate::components::{Change, ComponentId, DynamicComponents, LiveEdge};
use crate::store::{Edge, EdgeStore};
use crate::updates::UpdateRowsOut;
use crate::vertices::Vertices;
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The components and their facts. A vertex is retained while it is in a component.
#[derive(Debug, Default)]
pub(super) struct ComponentsFollower {
    components: DynamicComponents,
    census: Census,
}

impl ComponentsFollower {
    /// The components of a graph without edges.
    pub(super) fn new(deletes: bool) -> Self {
        let components = if deletes { DynamicComponents::with_deletions() } else { DynamicComponents::new() };
        Self { components, census: Census::default() }
    }

    /// Deletes an edge. Of duplicate edges the components keep only the latest expiry, so after a deletion the remaining ones are
    /// inserted again.
    fn delete(&mut self, edge: &Edge, store: &EdgeStore) {
        self.components.remove(edge.from, edge.to).expect("made with deletions, as there is a store");
        if let Some(expiry) = store.between(edge.from, edge.to).map(|other| other.expiry).max() {
            self.components.insert(edge.from, edge.to, expiry);
        }
    }
}

impl Follower for ComponentsFollower {
    fn advance(
        &mut self,
        delta: &EdgeDelta<'_>,
        store: Option<&EdgeStore>,
        vertices: &mut Vertices,
        out: &mut UpdateRowsOut<'_>,
    ) {
        delta.inserted.iter().for_each(|edge| self.components.insert(edge.from, edge.to, edge.expiry));
        for edge in delta.deleted {
            self.delete(edge, store.expect("edges are deleted from a store"));
        }
        self.components.expire_until(delta.version);
        let mut changes = self.components.take_changes();
        changes.sort_unstable_by(|a, b| vertices.compare(a.vertex, b.vertex));
        rows::write(&changes, &self.census.apply(&changes, vertices), vertices, out);
        for change in changes {
            match (change.before, change.after) {
                (None, Some(_)) => vertices.retain_number(change.vertex),
                (Some(_), None) => vertices.release(change.vertex),
                _ => {}
            }
        }
    }

    fn next_expiry(&mut self) -> Option<i64> {
        self.components.next_expiry()
    }

    fn save(&self, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>> {
        let vertices = self.components.members().map(|(vertex, id)| (number(vertex), id.0)).collect();
        let edges = self.components.edges();
        let edges = edges.iter().map(|edge| (number(edge.from), number(edge.to), edge.expiry)).collect();
        Ok(postcard::to_allocvec(&Saved { vertices, edges, next_component: self.components.next_id().0 })?)
    }

    fn restore(&mut self, saved: &[u8], numbers: &[u32], _: Option<&EdgeStore>, vertices: &mut Vertices) -> Result<()> {
        let saved: Saved = postcard::from_bytes(saved)?;
        let damaged = || Error::state("the vertices of a snapshot do not fit its edges");
        let number = |saved: u32| numbers.get(saved as usize).copied().ok_or_else(damaged);
        let edge = |&(from, to, expiry): &(u32, u32, i64)| Ok(LiveEdge { from: number(from)?, to: number(to)?, expiry });
        let edges = saved.edges.iter().map(edge).collect::<Result<Vec<_>>>()?;
        let member = |&(vertex, id): &(u32, u64)| Ok((number(vertex)?, ComponentId(id)));
        let members = saved.vertices.iter().map(member).collect::<Result<Vec<_>>>()?;
        self.components.restore(&edges, &members, ComponentId(saved.next_component))?;
        let change = |&(vertex, id): &(u32, ComponentId)| Change { vertex, before: None, after: Some(id) };
        self.census = Census::default();
        self.census.apply(&members.iter().map(change).collect::<Vec<_>>(), vertices);
        members.iter().for_each(|&(vertex, _)| vertices.retain_number(vertex));
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.components.bytes() + self.census.bytes()
    }
}

/// The components in a snapshot: the edges that are kept, and what cannot be derived from them.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    /// Vertices and their components.
    vertices: Vec<(u32, u64)>,
    /// From, to and expiry, in the order of insertion.
    edges: Vec<(u32, u32, i64)>,
    next_component: u64,
}

/// The bytes of a follower, from the parts of an older format.
pub(crate) fn saved_before(vertices: Vec<(u32, u64)>, edges: Vec<(u32, u32, i64)>, next_component: u64) -> Result<Vec<u8>> {
    Ok(postcard::to_allocvec(&Saved { vertices, edges, next_component })?)
}
