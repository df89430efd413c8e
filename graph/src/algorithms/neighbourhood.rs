//! `neighbourhood(hops => k)`: the number of vertices within `k` hops.
//!
//! The vertex itself is counted, as in a component. `direction => 'out'` follows edges from the vertex that they leave to the vertex
//! that they arrive at, `'in'` the opposite way, and `'both'`, the default, either way.
//!
//! Cost: every vertex within `k - 1` hops of an end of a changed edge is counted again, and each count reads all edges within
//! `k - 1` hops of the vertex. With one hop these are the two ends; with two, an edge at a vertex with a thousand neighbours
//! leads to a thousand counts. Therefore `k` is at most 4.

use crate::algorithm::{Algorithm, EdgeDelta, Plan};
use crate::counts::{CountAnswer, Counter, CountsPlan};
use crate::settings::Settings;
use crate::store::{Direction, EdgeStore};
use egret_core::Result;
use std::sync::Arc;

/// The member of the registry.
pub(crate) struct Neighbourhood;

const ANSWERS: &[CountAnswer] =
    &[CountAnswer { name: "within_hops", meaning: "how many vertices are within so many hops, itself included", alone: 1 }];

impl Algorithm for Neighbourhood {
    fn name(&self) -> &'static str {
        "neighbourhood"
    }

    fn plan(&self, settings: &mut Settings<'_>) -> Result<Arc<dyn Plan>> {
        let hops = settings.whole_number("hops", 2, 1..=4)?;
        let direction = settings.word("direction", &["both", "out", "in"])?;
        let (out, back): (&[Direction], &[Direction]) = match direction {
            "out" => (&[Direction::Out], &[Direction::In]),
            "in" => (&[Direction::In], &[Direction::Out]),
            _ => (&Direction::BOTH, &Direction::BOTH),
        };
        Ok(Arc::new(CountsPlan {
            name: self.name(),
            text: format!("{}(hops => {hops}, direction => '{direction}')", self.name()),
            describe: format!("neighbourhoods of {hops} hop{}", if hops == 1 { "" } else { "s" }),
            answers: ANSWERS,
            counter: Box::new(move || Box::new(Balls { hops, out, back, search: Search::default() })),
        }))
    }
}

/// Counts the vertices in the ball around a vertex: those within `hops` of it.
struct Balls {
    hops: u32,
    /// The directions that hops follow.
    out: &'static [Direction],
    /// The directions of hops in reverse.
    back: &'static [Direction],
    search: Search,
}

impl Counter for Balls {
    /// A ball changes only if a path from its centre uses a changed edge. The path up to the first such edge is in the store, so the
    /// centre reaches the near end of that edge in one hop less.
    fn advance(&mut self, delta: &EdgeDelta<'_>, store: &EdgeStore, touched: &mut Vec<u32>) {
        // The near end of an edge is the vertex that it leaves if hops go out, and the vertex that it arrives at if they go in.
        let near = |edge: &crate::store::Edge| {
            self.out.iter().map(|&direction| [edge.from, edge.to][direction as usize]).collect::<Vec<_>>()
        };
        let start: Vec<u32> = delta.changed().flat_map(near).collect();
        let back = self.back;
        let found = self.search.within(&start, self.hops - 1, |vertex, see| {
            for &direction in back {
                store.neighbours(vertex, direction).for_each(&mut *see);
            }
        });
        touched.extend(found);
    }

    fn count(&mut self, vertex: u32, store: &EdgeStore, counts: &mut [i64]) {
        let out = self.out;
        let found = self.search.within(&[vertex], self.hops, |vertex, see| {
            out.iter().for_each(|&direction| store.neighbours(vertex, direction).for_each(&mut *see));
        });
        counts[0] = found.len() as i64;
    }

    fn bytes(&self) -> usize {
        self.search.marks.capacity() * 4 + self.search.found.capacity() * 4
    }
}

/// A breadth-first search whose scratch space is reused without being cleared.
#[derive(Default)]
struct Search {
    /// For each vertex, the number of the last search that found it.
    marks: Vec<u32>,
    number: u32,
    found: Vec<u32>,
}

impl Search {
    /// The vertices within `hops` of the `start` vertices, including these. `next` passes on the vertices one hop from a vertex.
    fn within(&mut self, start: &[u32], hops: u32, next: impl Fn(u32, &mut dyn FnMut(u32))) -> &[u32] {
        if self.number == u32::MAX {
            self.marks.fill(0);
            self.number = 0;
        }
        self.number += 1;
        self.found.clear();
        start.iter().for_each(|&vertex| self.see(vertex));
        let mut from = 0;
        for _ in 0..hops {
            let to = self.found.len();
            for position in from..to {
                next(self.found[position], &mut |vertex| self.see(vertex));
            }
            from = to;
        }
        &self.found
    }

    fn see(&mut self, vertex: u32) {
        if vertex as usize >= self.marks.len() {
            self.marks.resize(vertex as usize + 1, 0);
        }
        if std::mem::replace(&mut self.marks[vertex as usize], self.number) != self.number {
            self.found.push(vertex);
        }
    }
}
