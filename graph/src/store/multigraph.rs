//! The multigraph: edges, their lists by vertex, and the order of their expiries.

use super::chunks::{Chunks, NONE, Record};
use super::classes::Classes;
use super::edge::{Direction, Edge};
use super::expiry::ExpiryOrder;

/// The edges of a vertex.
#[derive(Clone, Copy, Debug)]
struct Lists {
    /// The newest edge, by direction.
    first: [u32; 2],
    /// The number of edges, by direction.
    count: [u32; 2],
}

/// All edges of a graph, by the rules of [the module](crate::store). Vertices are small numbers.
///
/// ```
/// use egret_graph::store::{Direction, Edge, EdgeStore};
/// let edge = |from, to, time| Edge { from, to, time, expiry: time + 100, weight: 1.0, attribute: 0 };
/// let mut store = EdgeStore::new();
/// store.insert(edge(0, 1, 5));
/// store.insert(edge(0, 1, 7)); // a duplicate edge
/// store.insert(edge(2, 0, 9));
/// assert_eq!((store.degree(0, Direction::Out), store.degree(0, Direction::In)), (2, 1));
/// assert_eq!(store.remove(0, 1).map(|edge| edge.time), Some(7));
/// let mut expired = Vec::new();
/// store.expire_until(105, &mut expired);
/// assert_eq!(expired, [edge(0, 1, 5)]);
/// assert_eq!(store.neighbours(0, Direction::In).collect::<Vec<_>>(), [2]);
/// ```
#[derive(Debug, Default)]
pub struct EdgeStore {
    edges: Chunks,
    vertices: Vec<Lists>,
    classes: Classes,
    order: ExpiryOrder,
}

impl EdgeStore {
    /// A store without edges.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts an edge.
    pub fn insert(&mut self, edge: Edge) {
        let last = edge.from.max(edge.to) as usize;
        if last >= self.vertices.len() {
            self.vertices.resize(last + 1, Lists { first: [NONE; 2], count: [0; 2] });
        }
        let class = self.classes.retain(&edge);
        let ends = [edge.from, edge.to];
        let next = [0, 1].map(|end| self.vertices[ends[end] as usize].first[end]);
        let id = self.edges.push(Record { time: edge.time, weight: edge.weight, ends, next, previous: [NONE; 2], class });
        for end in 0..2 {
            let lists = &mut self.vertices[ends[end] as usize];
            lists.first[end] = id;
            lists.count[end] += 1;
            if next[end] != NONE {
                self.edges.get_mut(next[end]).previous[end] = id;
            }
        }
        self.order.insert(edge.expiry, id);
    }

    /// Deletes the last edge inserted from one vertex to another, and returns it. The cost is linear in the number of edges that leave
    /// `from` or that arrive at `to`, whichever is smaller.
    pub fn remove(&mut self, from: u32, to: u32) -> Option<Edge> {
        self.remove_counted(from, to).map(|(_, edge)| edge)
    }

    /// As [`EdgeStore::remove`], with the value of [`EdgeStore::came`] before the edge was inserted.
    pub(crate) fn remove_counted(&mut self, from: u32, to: u32) -> Option<(u32, Edge)> {
        let id = self.ids_between(from, to).next()?;
        Some((id, self.take(id)))
    }

    /// The number of insertions so far. [`EdgeStore::tidy`] may reset it to the number of edges.
    pub(crate) fn came(&self) -> u32 {
        self.edges.range().end
    }

    /// The edges from one vertex to another, newest first, at the cost of [`EdgeStore::remove`].
    pub fn between(&self, from: u32, to: u32) -> impl Iterator<Item = Edge> {
        self.ids_between(from, to).map(|id| self.edge(id))
    }

    /// Removes every edge whose expiry is at or before `time`, and appends it to `expired`, in the order of insertion.
    pub fn expire_until(&mut self, time: i64, expired: &mut Vec<Edge>) {
        let mut ids = Vec::new();
        while let Some((expiry, id)) = self.next_to_expire().filter(|&(expiry, _)| expiry <= time) {
            self.order.take(expiry, id);
            ids.push(id);
        }
        ids.sort_unstable();
        ids.dedup(); // the cursor may return an edge that the heap has returned
        expired.extend(ids.into_iter().map(|id| self.take(id)));
    }

    /// The earliest expiry of all edges.
    pub fn next_expiry(&mut self) -> Option<i64> {
        self.next_to_expire().map(|(expiry, _)| expiry)
    }

    /// Frees memory if most positions are empty. The amortised cost is constant for each edge inserted, however often it is called.
    pub fn tidy(&mut self) {
        const SLACK: usize = 1_024;
        if self.edges.places() > self.edges.len() * 2 + SLACK || self.edges.is_near_the_end() {
            let mut tidied = Self { vertices: Vec::with_capacity(self.vertices.len()), ..Self::default() };
            self.edges().for_each(|edge| tidied.insert(edge));
            *self = tidied;
        }
    }

    /// The number of edges.
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// Whether there are no edges.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All edges, in the order of insertion.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        self.edges.ids().map(|id| self.edge(id))
    }

    /// The number of edges that leave a vertex, or that arrive at it.
    pub fn degree(&self, vertex: u32, direction: Direction) -> u32 {
        self.vertices.get(vertex as usize).map_or(0, |lists| lists.count[direction as usize])
    }

    /// Whether a vertex has any edges.
    pub fn has(&self, vertex: u32) -> bool {
        self.vertices.get(vertex as usize).is_some_and(|lists| lists.count != [0; 2])
    }

    /// The edges that leave a vertex, or that arrive at it, newest first.
    pub fn edges_of(&self, vertex: u32, direction: Direction) -> impl Iterator<Item = Edge> {
        self.ids(vertex, direction).map(|id| self.edge(id))
    }

    /// The other end of each edge that leaves a vertex, or that arrives at it, newest first.
    pub fn neighbours(&self, vertex: u32, direction: Direction) -> impl Iterator<Item = u32> {
        self.ids(vertex, direction).map(move |id| self.edges.get(id).ends[1 - direction as usize])
    }

    /// The vertices that have edges, by number.
    pub fn vertices(&self) -> impl Iterator<Item = u32> {
        (0..self.vertices.len() as u32).filter(|&vertex| self.has(vertex))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.edges.bytes() + self.vertices.capacity() * size_of::<Lists>() + self.classes.bytes() + self.order.bytes()
    }

    fn ids(&self, vertex: u32, direction: Direction) -> impl Iterator<Item = u32> {
        let end = direction as usize;
        let first = self.vertices.get(vertex as usize).map_or(NONE, |lists| lists.first[end]);
        let some = |id: u32| (id != NONE).then_some(id);
        std::iter::successors(some(first), move |&id| some(self.edges.get(id).next[end]))
    }

    fn ids_between(&self, from: u32, to: u32) -> impl Iterator<Item = u32> {
        let (start, direction) = match self.degree(from, Direction::Out) <= self.degree(to, Direction::In) {
            true => (from, Direction::Out),
            false => (to, Direction::In),
        };
        self.ids(start, direction).filter(move |&id| self.edges.get(id).ends == [from, to])
    }

    fn edge(&self, id: u32) -> Edge {
        let Record { time, weight, ends: [from, to], class, .. } = *self.edges.get(id);
        let (expiry, attribute) = self.classes.get(class, time);
        Edge { from, to, time, expiry, weight, attribute }
    }

    /// Removes an edge from the lists and from memory, and returns it.
    fn take(&mut self, id: u32) -> Edge {
        let edge = self.edge(id);
        let Record { ends, next, previous, class, .. } = *self.edges.get(id);
        for end in 0..2 {
            let lists = &mut self.vertices[ends[end] as usize];
            lists.count[end] -= 1;
            match previous[end] {
                NONE => lists.first[end] = next[end],
                before => self.edges.get_mut(before).next[end] = next[end],
            }
            if next[end] != NONE {
                self.edges.get_mut(next[end]).previous[end] = previous[end];
            }
        }
        self.classes.release(class);
        self.edges.remove(id);
        edge
    }

    fn next_to_expire(&mut self) -> Option<(i64, u32)> {
        let (edges, classes) = (&self.edges, &self.classes);
        let expiry_of = |id: u32| edges.find(id).map(|record| classes.get(record.class, record.time).0);
        self.order.next(edges.range(), expiry_of)
    }
}
