//! `degrees`: the numbers of edges and of neighbours of a vertex.
//!
//! A loop counts twice in the degree, as an edge that leaves and as one that arrives, and does not make a vertex its own neighbour.
//! Duplicate edges count each in the degree, and once as neighbours.
//!
//! Cost: one look-up for each edge that is inserted or removed, independent of the degrees. Memory: a count for each pair of neighbours.

use crate::algorithm::{Algorithm, EdgeDelta, Plan};
use crate::counts::{CountAnswer, Counter, CountsPlan};
use crate::settings::Settings;
use crate::store::{Direction, Edge, EdgeStore};
use egret_core::Result;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::sync::Arc;

/// The member of the registry.
pub(crate) struct Degrees;

const ANSWERS: &[CountAnswer] = &[
    CountAnswer { name: "degree", meaning: "how many edges it has, in both directions", alone: 0 },
    CountAnswer { name: "out_degree", meaning: "how many edges leave it", alone: 0 },
    CountAnswer { name: "in_degree", meaning: "how many edges arrive at it", alone: 0 },
    CountAnswer { name: "neighbours", meaning: "how many other vertices it shares an edge with", alone: 0 },
];

impl Algorithm for Degrees {
    fn name(&self) -> &'static str {
        "degrees"
    }

    fn plan(&self, _settings: &mut Settings<'_>) -> Result<Arc<dyn Plan>> {
        Ok(Arc::new(CountsPlan {
            name: self.name(),
            text: self.name().to_owned(),
            describe: self.name().to_owned(),
            answers: ANSWERS,
            counter: Box::new(|| Box::new(Neighbours::default())),
        }))
    }
}

/// The number of neighbours of each vertex. The store has the other numbers.
#[derive(Default)]
struct Neighbours {
    /// The number of edges between two vertices; the lesser vertex is first.
    edges: HashMap<(u32, u32), u32>,
    neighbours: Vec<u32>,
}

impl Neighbours {
    fn add(&mut self, edge: &Edge) {
        let (a, b) = (edge.from.min(edge.to), edge.from.max(edge.to));
        if b as usize >= self.neighbours.len() {
            self.neighbours.resize(b as usize + 1, 0);
        }
        let edges = self.edges.entry((a, b)).or_insert(0);
        *edges += 1;
        if *edges == 1 && a != b {
            self.neighbours[a as usize] += 1;
            self.neighbours[b as usize] += 1;
        }
    }

    fn remove(&mut self, edge: &Edge) {
        let (a, b) = (edge.from.min(edge.to), edge.from.max(edge.to));
        let Entry::Occupied(mut edges) = self.edges.entry((a, b)) else { return };
        *edges.get_mut() -= 1;
        if *edges.get() == 0 {
            edges.remove();
            if a != b {
                self.neighbours[a as usize] -= 1;
                self.neighbours[b as usize] -= 1;
            }
        }
    }
}

impl Counter for Neighbours {
    /// Only the ends of edges change their numbers.
    fn advance(&mut self, delta: &EdgeDelta<'_>, _: &EdgeStore, _: &mut Vec<u32>) {
        delta.inserted.iter().for_each(|edge| self.add(edge));
        delta.removed().for_each(|edge| self.remove(edge));
    }

    fn count(&mut self, vertex: u32, store: &EdgeStore, counts: &mut [i64]) {
        let [leave, arrive] = Direction::BOTH.map(|direction| i64::from(store.degree(vertex, direction)));
        counts.copy_from_slice(&[leave + arrive, leave, arrive, i64::from(self.neighbours[vertex as usize])]);
    }

    fn restore(&mut self, store: &EdgeStore) {
        store.edges().for_each(|edge| self.add(&edge));
    }

    fn bytes(&self) -> usize {
        self.edges.capacity() * (size_of::<((u32, u32), u32)>() + 1) + self.neighbours.capacity() * 4
    }
}
