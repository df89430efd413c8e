//! The size of every component by side, and its least vertex, which is its name.
//!
//! The census is updated by the changes of a step: each vertex that changes its component costs a heap operation. The heaps record
//! the position of each vertex, so a vertex is removed at once.

use crate::components::{Change, ComponentId};
use crate::vertices::{Side, Vertices};
use hashbrown::HashMap;

/// The facts of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The least vertex on the side [`Side::From`].
    pub(super) name: u32,
    /// The number of vertices on each side.
    pub(super) sizes: [u32; 2],
}

/// A component whose facts changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ComponentChange {
    pub(super) id: ComponentId,
    /// The facts now; none if the component is gone.
    pub(super) after: Option<Facts>,
}

#[derive(Debug, Default)]
struct Members {
    /// The vertices of the side [`Side::From`], the least one first.
    heap: Vec<u32>,
    sizes: [u32; 2],
}

impl Members {
    fn is_empty(&self) -> bool {
        self.sizes == [0, 0]
    }

    fn facts(&self) -> Option<Facts> {
        self.heap.first().map(|&name| Facts { name, sizes: self.sizes })
    }
}

/// The facts of all components.
#[derive(Debug, Default)]
pub(super) struct Census {
    components: HashMap<ComponentId, Members>,
    /// The position of each vertex in the heap of its component.
    positions: Vec<u32>,
}

impl Census {
    /// Applies the changes of a step and returns the components whose facts changed, by id.
    pub(super) fn apply(&mut self, changes: &[Change], vertices: &Vertices) -> Vec<ComponentChange> {
        let mut touched: Vec<ComponentId> = changes.iter().flat_map(|change| [change.before, change.after]).flatten().collect();
        touched.sort_unstable();
        touched.dedup();
        let before: Vec<Option<Facts>> = touched.iter().map(|id| self.facts(*id)).collect();
        self.count(changes, vertices);
        self.move_members(changes, vertices);
        let after = touched.iter().map(|&id| ComponentChange { id, after: self.facts(id) });
        after.zip(before).filter(|(now, before)| now.after != *before).map(|(now, _)| now).collect()
    }

    /// Bytes of memory, estimated.
    pub(super) fn bytes(&self) -> usize {
        self.components.capacity() * (size_of::<(ComponentId, Members)>() + 1) + self.positions.capacity() * 8
    }

    fn facts(&self, id: ComponentId) -> Option<Facts> {
        self.components.get(&id)?.facts()
    }

    fn count(&mut self, changes: &[Change], vertices: &Vertices) {
        for change in changes {
            let side = vertices.get(change.vertex).0 as usize;
            if let Some(before) = change.before {
                self.components.get_mut(&before).expect("who leaves was counted").sizes[side] -= 1;
            }
            if let Some(after) = change.after {
                self.components.entry(after).or_default().sizes[side] += 1;
            }
        }
    }

    /// Moves vertices from heap to heap. A component without vertices is dropped with its heap.
    fn move_members(&mut self, changes: &[Change], vertices: &Vertices) {
        let named = |change: &&Change| vertices.get(change.vertex).0 == Side::From;
        for before in changes.iter().filter_map(|change| change.before) {
            if self.components.get(&before).is_some_and(Members::is_empty) {
                self.components.remove(&before);
            }
        }
        for change in changes.iter().filter(named) {
            if let Some(members) = change.before.and_then(|before| self.components.get_mut(&before)) {
                Heap { members, positions: &mut self.positions, vertices }.remove(change.vertex);
            }
        }
        for change in changes.iter().filter(named) {
            if let Some(after) = change.after {
                let members = self.components.get_mut(&after).expect("whoever is in it was counted");
                Heap { members, positions: &mut self.positions, vertices }.push(change.vertex);
            }
        }
    }
}

/// A binary heap in the order of vertices that records the position of each.
struct Heap<'a> {
    members: &'a mut Members,
    positions: &'a mut Vec<u32>,
    vertices: &'a Vertices,
}

impl Heap<'_> {
    fn push(&mut self, vertex: u32) {
        if self.positions.len() <= vertex as usize {
            self.positions.resize(vertex as usize + 1, u32::MAX);
        }
        self.members.heap.push(vertex);
        self.sift_up(self.members.heap.len() - 1);
    }

    fn remove(&mut self, vertex: u32) {
        let position = self.positions[vertex as usize] as usize;
        let last = self.members.heap.pop().expect("the vertex is in the heap");
        if position < self.members.heap.len() {
            self.members.heap[position] = last;
            let position = self.sift_up(position);
            self.sift_down(position);
        }
    }

    fn sift_up(&mut self, mut position: usize) -> usize {
        let vertex = self.members.heap[position];
        while position > 0 {
            let above = self.members.heap[(position - 1) / 2];
            if self.vertices.compare(above, vertex).is_le() {
                break;
            }
            self.set(position, above);
            position = (position - 1) / 2;
        }
        self.set(position, vertex);
        position
    }

    fn sift_down(&mut self, mut position: usize) {
        let vertex = self.members.heap[position];
        loop {
            let children = position * 2 + 1..(position * 2 + 3).min(self.members.heap.len());
            let least = children.min_by(|&a, &b| self.vertices.compare(self.members.heap[a], self.members.heap[b]));
            let Some(least) = least.filter(|&least| self.vertices.compare(self.members.heap[least], vertex).is_lt()) else {
                break;
            };
            self.set(position, self.members.heap[least]);
            position = least;
        }
        self.set(position, vertex);
    }

    fn set(&mut self, position: usize, vertex: u32) {
        self.members.heap[position] = vertex;
        self.positions[vertex as usize] = position as u32;
    }
}
