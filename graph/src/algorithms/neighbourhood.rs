//! `neighbourhood(hops => k)`: how many vertices are within `k` hops.
//!
//! The vertex itself is one of them, as in a component. `direction => 'out'` follows edges from where they leave to where they
//! arrive, `'in'` the other way, and `'both'`, which it is unless said, either way.
//!
//! Cost: the vertices whose number may be another are those within `k - 1` hops of the ends of edges that came or went, and each
//! is counted anew, at the cost of the edges within `k - 1` hops of it. With 1 hop that is the edges of the two ends; with
//! more, a vertex of a thousand edges makes a thousand others be counted again. So `k` is small, and at most 4.

use crate::algorithm::{Algorithm, EdgeDelta, Plan};
use crate::counts::{CountAnswer, Counter, CountsPlan};
use crate::settings::Settings;
use crate::store::{Direction, EdgeStore};
use egret_core::Result;
use hashbrown::HashMap;
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

/// Counts the vertices in the ball around a vertex.
struct Balls {
    hops: u32,
    /// The directions that hops follow.
    out: &'static [Direction],
    /// The directions that lead back.
    back: &'static [Direction],
    search: Search,
}

impl Counter for Balls {
    /// Looks for the vertices that had a changed edge within their hops, or have one: those that reach the edge's near end in one
    /// hop less. Edges that went are followed, too, so the balls of before are within those that are looked at.
    fn advance(&mut self, delta: &EdgeDelta<'_>, store: &EdgeStore, touched: &mut Vec<u32>) {
        let mut gone: HashMap<(u32, usize), Vec<u32>> = HashMap::new();
        for edge in delta.removed() {
            gone.entry((edge.from, Direction::Out as usize)).or_default().push(edge.to);
            gone.entry((edge.to, Direction::In as usize)).or_default().push(edge.from);
        }
        // An edge that is followed outward begins where it leaves, one that is followed inward where it arrives.
        let near = |edge: &crate::store::Edge| {
            self.out.iter().map(|&direction| [edge.from, edge.to][direction as usize]).collect::<Vec<_>>()
        };
        let start: Vec<u32> = delta.changed().flat_map(near).collect();
        let back = self.back;
        let found = self.search.within(&start, self.hops - 1, |vertex, see| {
            for &direction in back {
                store.neighbours(vertex, direction).for_each(&mut *see);
                gone.get(&(vertex, direction as usize)).into_iter().flatten().copied().for_each(&mut *see);
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

/// A search, breadth first, that forgets the one before at no cost.
#[derive(Default)]
struct Search {
    /// By vertex, the number of the last search that found it.
    marks: Vec<u32>,
    number: u32,
    found: Vec<u32>,
}

impl Search {
    /// The vertices within some hops of others, which are among them; `next` shows the vertices that are a hop further.
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
