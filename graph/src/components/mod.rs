//! Connected components of a graph whose edges come, expire and are deleted.
//!
//! # The idea
//! The expiry of an edge is known when the edge is inserted. So the structure keeps the spanning forest that is *heaviest by expiry*:
//! a new edge within a component replaces the edge that expires first on the path between its ends, if that edge expires
//! earlier. An expiring edge of the forest then needs no replacement, because every other edge across the cut has
//! expired before it; an edge outside the forest is never needed again and is not kept. This is the recent-edge property of
//! Crouch, McGregor & Stubbs, "Dynamic graphs in the sliding-window model" (2013). Memory is proportional to the vertices, not to the
//! edges of the window. A link-cut tree finds the edge of a path that expires first.
//!
//! Labels are explicit. A join relabels the smaller component. An expiry walks the two halves alternately and relabels the
//! one whose walk ends first. Both cost time proportional to the smaller side, whose changes have to be sent anyway.
//!
//! # Deletions
//! An edge that is deleted before its expiry may need a replacement. [`DynamicComponents::with_deletions`] therefore keeps the spare
//! edges too, and searches those of the smaller half. The search is linear in the smaller half and its edges, where the structure of
//! Holm, de Lichtenberg & Thorup (2001) is polylogarithmic. The smaller half is almost always tiny, and has to be relabelled anyway if
//! there is no replacement.
//!
//! # Determinism
//! The forest is unique, because no two edges have the same weight. Which half keeps its id depends on the sizes of the halves and on
//! the direction of the edge. So ids depend on the sequence of calls alone, and a structure that is restored from
//! [`DynamicComponents::edges`] by [`DynamicComponents::restore`] behaves as the saved one would have.

mod edges;
mod expiry;
mod link_cut;
#[cfg(test)]
pub(crate) mod tests;
mod walk;

use edges::{Edges, List, NONE};
use egret_core::{Error, Result};
use expiry::ExpiryQueue;
use hashbrown::HashMap;
use link_cut::{LinkCut, Weight};
use walk::Walk;

/// An edge with this expiry never expires.
pub const NEVER: i64 = i64::MAX;

/// The id of a component. The larger part keeps it when a component splits, and the larger component when two join; no id is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(pub u64);

/// A vertex whose component changed since the last [`DynamicComponents::take_changes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The vertex.
    pub vertex: u32,
    /// Its component before; none if it had no edges.
    pub before: Option<ComponentId>,
    /// Its component now; none if it has no edges any more.
    pub after: Option<ComponentId>,
}

/// An edge: its ends and its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveEdge {
    /// The vertex that the edge leaves.
    pub from: u32,
    /// The vertex that the edge arrives at.
    pub to: u32,
    /// The expiry, [`NEVER`] if there is none.
    pub expiry: i64,
}

#[derive(Clone, Copy, Debug)]
struct Vertex {
    component: u32,
    /// The position of the vertex in `touched`.
    touched: u32,
}

#[derive(Clone, Copy, Debug)]
struct Component {
    id: ComponentId,
    size: u32,
}

/// Connected components of a changing graph. Vertices are small numbers; a vertex without edges is in no component.
///
/// ```
/// use egret_graph::DynamicComponents;
/// let mut graph = DynamicComponents::new();
/// graph.insert(0, 1, 100);
/// graph.insert(1, 2, 200);
/// graph.insert(2, 0, 300); // closes a triangle, so 0 - 1, which expires first, is dropped
/// assert_eq!(graph.size(0), 3);
/// graph.expire_until(100);
/// assert_eq!(graph.size(0), 3);
/// graph.expire_until(200);
/// assert_eq!((graph.size(0), graph.size(1)), (2, 1));
/// assert_eq!(graph.component(1), None);
/// ```
#[derive(Debug, Default)]
pub struct DynamicComponents {
    vertices: Vec<Vertex>,
    edges: Edges,
    trees: LinkCut,
    queue: ExpiryQueue,
    components: Vec<Component>,
    free_components: Vec<u32>,
    next_id: u64,
    edges_seen: u64,
    /// The number of edges of the forest that have an expiry.
    expiring: usize,
    touched: Vec<(u32, Option<ComponentId>)>,
    walks: [Walk; 2],
    /// The edge from one vertex to another; only if edges can be deleted.
    by_ends: Option<HashMap<(u32, u32), u32>>,
}

impl DynamicComponents {
    /// A graph without edges, whose edges leave when they expire.
    pub fn new() -> Self {
        Self::default()
    }

    /// A graph without edges, whose edges can also be deleted.
    pub fn with_deletions() -> Self {
        Self { by_ends: Some(HashMap::new()), ..Self::default() }
    }

    /// Inserts an edge that lives while time is below `expiry`. A duplicate edge (for [`DynamicComponents::with_deletions`]: one in
    /// the same direction) extends the life of the first to the later of the two expiries. A loop changes nothing.
    pub fn insert(&mut self, from: u32, to: u32, expiry: i64) {
        if from == to {
            return;
        }
        self.grow(from.max(to));
        if self.refresh(from, to, expiry) {
            return;
        }
        self.edges_seen += 1;
        let weight = Weight { expiry, age: u64::MAX - self.edges_seen };
        let (a, b) = (self.vertices[from as usize].component, self.vertices[to as usize].component);
        if a == b && a != NONE {
            self.insert_within(from, to, weight);
        } else {
            self.join([from, to]);
            self.add(from, to, weight, List::Tree);
        }
    }

    /// Deletes an edge. Returns whether there was one.
    ///
    /// # Errors
    /// The structure was not created [with deletions](DynamicComponents::with_deletions).
    pub fn remove(&mut self, from: u32, to: u32) -> Result<bool> {
        let Some(by_ends) = &mut self.by_ends else {
            return Err(Error::bug("an edge is deleted from a graph that only lets edges expire"));
        };
        let Some(edge) = by_ends.remove(&(from, to)) else { return Ok(false) };
        let weight = self.edges.get(edge).weight;
        if self.edges.get(edge).list == List::Tree {
            self.cut(edge);
            self.edges.remove(edge);
            let smaller = self.split([from, to]);
            self.mend(smaller);
        } else {
            self.edges.remove(edge);
        }
        self.queue.forget(weight, &self.edges);
        Ok(true)
    }

    /// Removes every edge whose expiry is at or before `time`.
    pub fn expire_until(&mut self, time: i64) {
        while let Some((expiry, edge)) = self.queue.next(&self.edges) {
            if expiry > time {
                break;
            }
            self.queue.pop();
            let [from, to] = self.edges.get(edge).ends;
            if let Some(by_ends) = &mut self.by_ends {
                by_ends.remove(&(from, to));
            }
            if self.edges.get(edge).list == List::Tree {
                self.cut(edge);
                self.edges.remove(edge);
                self.split([from, to]);
            } else {
                self.edges.remove(edge);
            }
        }
    }

    /// The earliest expiry of the edges that are kept.
    pub fn next_expiry(&mut self) -> Option<i64> {
        self.queue.next(&self.edges).map(|(expiry, _)| expiry)
    }

    /// The component of a vertex; none if it has no edges.
    pub fn component(&self, vertex: u32) -> Option<ComponentId> {
        self.component_of(vertex).map(|component| component.id).filter(|_| self.edges.first(vertex, List::Tree) != NONE)
    }

    /// The number of vertices in the component of a vertex: 1 if it has no edges.
    pub fn size(&self, vertex: u32) -> u32 {
        self.component_of(vertex).map_or(1, |component| component.size)
    }

    /// The vertices whose component changed since the last call, in no particular order. The members of a component that keeps its id
    /// are not changed by others that joined or left it.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let touched = std::mem::take(&mut self.touched);
        let mut changes = Vec::with_capacity(touched.len());
        for (vertex, before) in touched {
            self.vertices[vertex as usize].touched = NONE;
            if self.edges.first(vertex, List::Tree) == NONE {
                self.leave(vertex);
            }
            let after = self.component_of(vertex).map(|component| component.id);
            if before != after {
                changes.push(Change { vertex, before, after });
            }
        }
        changes
    }

    /// The vertices that are in a component, by number, with their components.
    pub fn members(&self) -> impl Iterator<Item = (u32, ComponentId)> {
        (0..self.vertices.len() as u32).filter_map(|vertex| Some((vertex, self.component(vertex)?)))
    }

    /// The edges that are kept, in the order in which they were inserted.
    pub fn edges(&self) -> Vec<LiveEdge> {
        let mut edges: Vec<_> = self.edges.iter().collect();
        edges.sort_unstable_by_key(|edge| std::cmp::Reverse(edge.weight.age));
        edges.iter().map(|edge| LiveEdge { from: edge.ends[0], to: edge.ends[1], expiry: edge.weight.expiry }).collect()
    }

    /// The id that the next new component will get.
    pub fn next_id(&self) -> ComponentId {
        ComponentId(self.next_id)
    }

    /// Restores what [`DynamicComponents::edges`], [`DynamicComponents::members`] and [`DynamicComponents::next_id`] returned. Vertices may
    /// have new numbers.
    ///
    /// # Errors
    /// The parts do not fit together: a component has two ids, or two components have one.
    pub fn restore(&mut self, edges: &[LiveEdge], components: &[(u32, ComponentId)], next_id: ComponentId) -> Result<()> {
        let by_ends = self.by_ends.as_ref().map(|_| HashMap::new());
        *self = Self { by_ends, ..Self::default() };
        for edge in edges {
            self.insert(edge.from, edge.to, edge.expiry);
        }
        self.take_changes();
        let damaged = || Error::state("the components of a snapshot do not fit its edges");
        let mut slots: HashMap<ComponentId, u32> = HashMap::new();
        for &(vertex, id) in components {
            let slot = self.vertices.get(vertex as usize).map_or(NONE, |vertex| vertex.component);
            if slot == NONE || *slots.entry(id).or_insert(slot) != slot || id >= next_id {
                return Err(damaged());
            }
            self.components[slot as usize].id = id;
        }
        if slots.len() != self.components.len() - self.free_components.len() {
            return Err(damaged());
        }
        self.next_id = next_id.0;
        Ok(())
    }

    /// The number of edges that are kept.
    pub fn kept_edges(&self) -> usize {
        self.edges.len()
    }

    /// Bytes of memory, estimated.
    pub fn bytes(&self) -> usize {
        self.vertices.capacity() * size_of::<Vertex>()
            + self.components.capacity() * size_of::<Component>()
            + self.by_ends.as_ref().map_or(0, |by_ends| by_ends.capacity() * 13)
            + self.edges.bytes()
            + self.trees.bytes()
            + self.queue.bytes()
    }

    fn grow(&mut self, vertex: u32) {
        assert!(vertex < NONE / 2, "there are fewer than 2 billion vertices");
        let vertices = vertex as usize + 1;
        for new in self.vertices.len()..vertices {
            self.vertices.push(Vertex { component: NONE, touched: NONE });
            self.trees.set_alone(vertex_node(new as u32), Weight::MAX);
        }
        self.edges.grow(vertices);
    }

    /// Extends the life of a duplicate edge. Returns whether the insertion is complete.
    fn refresh(&mut self, from: u32, to: u32, expiry: i64) -> bool {
        let Some(&edge) = self.by_ends.as_ref().and_then(|by_ends| by_ends.get(&(from, to))) else { return false };
        let old = *self.edges.get(edge);
        if old.weight.expiry >= expiry {
            return true;
        }
        if old.list == List::Spare {
            self.edges.remove(edge);
            self.queue.forget(old.weight, &self.edges);
            return false;
        }
        // A heaviest forest remains one when an edge of it gains weight.
        let weight = Weight { expiry, ..old.weight };
        self.edges.set_weight(edge, weight);
        self.trees.set_weight(edge_node(edge), weight);
        self.queue.forget(old.weight, &self.edges);
        self.queue.push(weight, edge);
        self.expiring -= usize::from(expiry == NEVER);
        true
    }

    /// Inserts an edge between two vertices of one component.
    fn insert_within(&mut self, from: u32, to: u32, weight: Weight) {
        let least = match self.expiring {
            0 => None,
            _ => Some(self.trees.least_on_path(vertex_node(from), vertex_node(to)) / 2),
        };
        let Some(least) = least.filter(|&least| self.edges.get(least).weight < weight) else {
            if self.by_ends.is_some() {
                self.add(from, to, weight, List::Spare);
            }
            return;
        };
        let lost = self.edges.get(least).weight;
        self.trees.cut_least(edge_node(least));
        self.expiring -= 1; // an edge that weighs less than another has an expiry
        if self.by_ends.is_some() {
            self.edges.move_to(least, List::Spare);
        } else {
            self.edges.remove(least);
            self.queue.forget(lost, &self.edges);
        }
        self.add(from, to, weight, List::Tree);
    }

    /// Adds an edge whose ends have their labels already.
    fn add(&mut self, from: u32, to: u32, weight: Weight, list: List) {
        let edge = self.edges.add([from, to], weight, list);
        self.queue.push(weight, edge);
        if let Some(by_ends) = &mut self.by_ends {
            by_ends.insert((from, to), edge);
        }
        if list == List::Tree {
            self.link(edge);
        }
    }

    fn link(&mut self, edge: u32) {
        let edges::Edge { ends, weight, .. } = *self.edges.get(edge);
        self.trees.set_alone(edge_node(edge), weight);
        self.trees.link(vertex_node(ends[0]), edge_node(edge), vertex_node(ends[1]));
        self.expiring += usize::from(weight.expiry != NEVER);
    }

    fn cut(&mut self, edge: u32) {
        let edges::Edge { ends, weight, .. } = *self.edges.get(edge);
        self.trees.cut(vertex_node(ends[0]), edge_node(edge), vertex_node(ends[1]));
        self.expiring -= usize::from(weight.expiry != NEVER);
    }

    /// Joins the components of two vertices. The larger one keeps its id; of two equally large ones, the older.
    fn join(&mut self, ends: [u32; 2]) {
        let [a, b] = ends.map(|vertex| self.vertices[vertex as usize].component);
        match (a, b) {
            (NONE, NONE) => {
                let new = self.new_component();
                ends.into_iter().for_each(|vertex| self.label(vertex, new));
                self.components[new as usize].size = 2;
            }
            (component, NONE) | (NONE, component) => {
                self.label(ends[usize::from(b == NONE)], component);
                self.components[component as usize].size += 1;
            }
            (a, b) => {
                let rank = |component: u32| {
                    let Component { size, id } = self.components[component as usize];
                    (std::cmp::Reverse(size), id)
                };
                let (kept, lost, vertex) = if rank(a) < rank(b) { (a, b, ends[1]) } else { (b, a, ends[0]) };
                self.walks[0].whole(&self.edges, vertex);
                self.relabel_found(0, kept);
                self.components[kept as usize].size += self.components[lost as usize].size;
                self.free_components.push(lost);
            }
        }
    }

    /// Relabels the smaller of the two halves that a cut has left; of two equally large ones, the first. Returns
    /// which half it is; the walk of that half has found its vertices.
    fn split(&mut self, ends: [u32; 2]) -> usize {
        let old = self.vertices[ends[0] as usize].component;
        let smaller = walk::find_smaller(&mut self.walks, &self.edges, ends);
        let new = self.new_component();
        self.relabel_found(smaller, new);
        let size = self.walks[smaller].found.len() as u32;
        self.components[new as usize].size = size;
        self.components[old as usize].size -= size;
        // A vertex without edges leaves its component, so `take_changes` must look at it although its label is unchanged.
        let larger_end = ends[1 - smaller];
        self.label(larger_end, old);
        smaller
    }

    /// Reconnects a half that was split off by the heaviest spare edge to the rest, if there is one.
    fn mend(&mut self, half: usize) {
        let found = std::mem::take(&mut self.walks[half].found);
        let new = self.vertices[found[0] as usize].component;
        let mut best: Option<(Weight, u32)> = None;
        for &vertex in &found {
            let mut spare = self.edges.first(vertex, List::Spare);
            while spare != NONE {
                let candidate = (self.edges.get(spare / 2).weight, spare / 2);
                if self.vertices[self.edges.opposite(spare) as usize].component != new && best < Some(candidate) {
                    best = Some(candidate);
                }
                spare = self.edges.next(spare);
            }
        }
        self.walks[half].found = found;
        let Some((_, edge)) = best else { return };
        let rest = self.edges.get(edge).ends.map(|end| self.vertices[end as usize].component).into_iter().find(|&c| c != new);
        let rest = rest.expect("one end is not in the half");
        self.edges.move_to(edge, List::Tree);
        self.link(edge);
        self.relabel_found(half, rest);
        self.components[rest as usize].size += self.components[new as usize].size;
        self.free_components.push(new);
    }

    fn relabel_found(&mut self, walk: usize, component: u32) {
        let found = std::mem::take(&mut self.walks[walk].found);
        found.iter().for_each(|&vertex| self.label(vertex, component));
        self.walks[walk].found = found;
    }

    fn label(&mut self, vertex: u32, component: u32) {
        if self.vertices[vertex as usize].touched == NONE {
            let before = self.component_of(vertex).map(|component| component.id);
            self.vertices[vertex as usize].touched = self.touched.len() as u32;
            self.touched.push((vertex, before));
        }
        self.vertices[vertex as usize].component = component;
    }

    /// Removes the label of a vertex without edges.
    fn leave(&mut self, vertex: u32) {
        let component = std::mem::replace(&mut self.vertices[vertex as usize].component, NONE);
        if component != NONE {
            self.free_components.push(component);
        }
    }

    fn new_component(&mut self) -> u32 {
        let component = Component { id: ComponentId(self.next_id), size: 0 };
        self.next_id += 1;
        match self.free_components.pop() {
            Some(slot) => {
                self.components[slot as usize] = component;
                slot
            }
            None => {
                self.components.push(component);
                (self.components.len() - 1) as u32
            }
        }
    }

    fn component_of(&self, vertex: u32) -> Option<&Component> {
        let slot = self.vertices.get(vertex as usize)?.component;
        self.components.get(slot as usize)
    }
}

/// The node of a vertex in the link-cut tree.
fn vertex_node(vertex: u32) -> u32 {
    vertex * 2
}

/// The node of an edge in the link-cut tree.
fn edge_node(edge: u32) -> u32 {
    edge * 2 + 1
}
