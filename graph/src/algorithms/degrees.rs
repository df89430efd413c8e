//! `degrees`: how many edges a vertex has, and with how many other vertices.
//!
//! An edge from a vertex to itself counts twice, as one that leaves and one that arrives, and makes the vertex no neighbour of
//! its own. Each of several edges between two vertices counts in the degree; the two are neighbours once.
//!
//! Cost: a look-up for each edge that comes or goes, whatever the degrees are. Memory: a count for each pair of neighbours.

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

/// How many neighbours each vertex has. The store knows the rest.
#[derive(Default)]
struct Neighbours {
    /// How many edges there are between two vertices, the lesser one first.
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
    /// The ends of edges are all that changes.
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
