#![allow(clippy::unwrap_used)]
//! The structure against a recomputation by union-find, against the conformance sets, and under hostile input.

mod conformance;
mod hostile;

use super::*;
use egret_testkit::Random;
use std::collections::BTreeMap;

/// The slow obvious one: the least vertex of every vertex's component.
pub(crate) fn union_find(vertices: usize, edges: impl Iterator<Item = (u32, u32)>) -> Vec<u32> {
    fn root(parents: &mut [u32], mut vertex: u32) -> u32 {
        while parents[vertex as usize] != vertex {
            parents[vertex as usize] = parents[parents[vertex as usize] as usize];
            vertex = parents[vertex as usize];
        }
        vertex
    }
    let mut parents: Vec<u32> = (0..vertices as u32).collect();
    for (a, b) in edges {
        let (a, b) = (root(&mut parents, a), root(&mut parents, b));
        parents[a.max(b) as usize] = a.min(b);
    }
    (0..vertices as u32).map(|vertex| root(&mut parents, vertex)).collect()
}

/// The least vertex of every vertex's component.
pub(super) fn least_vertices(graph: &DynamicComponents, vertices: usize) -> Vec<u32> {
    let mut least: BTreeMap<ComponentId, u32> = BTreeMap::new();
    let of = |vertex: u32, least: &mut BTreeMap<ComponentId, u32>| match graph.component(vertex) {
        Some(id) => *least.entry(id).or_insert(vertex),
        None => vertex,
    };
    (0..vertices as u32).map(|vertex| of(vertex, &mut least)).collect()
}

/// One graph, the same one made anew now and then, and the edges as a plain list.
struct Trial {
    graph: DynamicComponents,
    again: DynamicComponents,
    replica: BTreeMap<u32, ComponentId>,
    edges: BTreeMap<(u32, u32), i64>,
    vertices: u32,
    now: i64,
    deletions: bool,
}

impl Trial {
    fn new(vertices: u32, deletions: bool) -> Self {
        let make = || if deletions { DynamicComponents::with_deletions() } else { DynamicComponents::new() };
        Self { graph: make(), again: make(), replica: BTreeMap::new(), edges: BTreeMap::new(), vertices, now: 0, deletions }
    }

    fn change(&mut self, random: &mut Random) {
        let vertex = |random: &mut Random| random.below(self.vertices as usize) as u32;
        let (from, to) = (vertex(random), vertex(random));
        match random.below(10) {
            0 => {
                self.now += random.between(0, 9);
                let now = self.now;
                self.both(|graph| graph.expire_until(now));
                self.edges.retain(|_, expiry| *expiry > self.now);
            }
            1..=3 if self.deletions => {
                let known = self.edges.keys().nth(random.below(self.edges.len().max(1))).copied();
                let (from, to) = known.filter(|_| random.chance(90)).unwrap_or((from, to));
                let was_there = self.edges.remove(&(from, to)).is_some();
                for graph in [&mut self.graph, &mut self.again] {
                    assert_eq!(graph.remove(from, to).unwrap(), was_there);
                }
            }
            _ => {
                let expiry = if random.chance(5) { NEVER } else { self.now + random.between(1, 40) };
                self.both(|graph| graph.insert(from, to, expiry));
                if from != to {
                    let known = self.edges.entry((from, to)).or_insert(expiry);
                    *known = expiry.max(*known);
                }
            }
        }
    }

    fn both(&mut self, change: impl Fn(&mut DynamicComponents)) {
        [&mut self.graph, &mut self.again].into_iter().for_each(change);
    }

    fn check(&mut self) {
        let expected = union_find(self.vertices as usize, self.edges.keys().copied());
        assert_eq!(least_vertices(&self.graph, self.vertices as usize), expected);
        for vertex in 0..self.vertices {
            let size = expected.iter().filter(|&&least| least == expected[vertex as usize]).count();
            assert_eq!(self.graph.size(vertex) as usize, size);
        }
        let alone = (0..self.vertices).filter(|&vertex| self.graph.component(vertex).is_none()).count();
        if !self.deletions {
            let components = expected.iter().enumerate().filter(|(vertex, least)| *vertex as u32 == **least).count();
            assert_eq!(self.graph.kept_edges(), self.vertices as usize - components, "{alone} vertices are alone");
        } else {
            assert_eq!(self.graph.kept_edges(), self.edges.len());
        }
        if let Some(expiry) = self.graph.next_expiry() {
            assert!(expiry > self.now);
        }
        self.check_changes();
    }

    fn check_changes(&mut self) {
        let key = |change: &Change| (change.vertex, change.before, change.after);
        let mut changes = self.graph.take_changes();
        let mut changes_again = self.again.take_changes();
        changes.sort_by_key(key);
        changes_again.sort_by_key(key);
        assert_eq!(changes, changes_again, "a graph that was made anew goes on in another way");
        for Change { vertex, before, after } in changes {
            assert_ne!(before, after);
            let was = match after {
                Some(id) => self.replica.insert(vertex, id),
                None => self.replica.remove(&vertex),
            };
            assert_eq!(was, before);
        }
        let all: BTreeMap<u32, ComponentId> =
            (0..self.vertices).filter_map(|vertex| Some((vertex, self.graph.component(vertex)?))).collect();
        assert_eq!(self.replica, all);
    }

    /// Makes the second graph anew from what a snapshot holds.
    fn restore(&mut self) {
        let components: Vec<_> = self.replica.iter().map(|(&vertex, &id)| (vertex, id)).collect();
        let (edges, next_id) = (self.again.edges(), self.again.next_id());
        self.again.restore(&edges, &components, next_id).unwrap();
    }
}

fn random_edits(seeds: std::ops::Range<u64>, deletions: bool) {
    for seed in seeds {
        println!("seed {seed}"); // shown if the test fails
        let mut random = Random::new(seed);
        let mut trial = Trial::new(2 + random.below(40) as u32, deletions);
        let every = 1 + random.below(20);
        for step in 0..600 {
            trial.change(&mut random);
            if step % every == 0 {
                trial.check();
                if random.chance(10) {
                    trial.restore();
                }
            }
        }
        trial.check();
        trial.both(|graph| graph.expire_until(NEVER - 1));
        trial.edges.retain(|_, expiry| *expiry == NEVER);
        trial.check();
    }
}

#[test]
fn random_edges_that_expire_give_what_union_find_gives() {
    random_edits(0..150, false);
}

#[test]
fn random_edges_that_expire_and_are_deleted_give_what_union_find_gives() {
    random_edits(1000..1150, true);
}

#[test]
fn only_a_graph_with_deletions_deletes() {
    let mut graph = DynamicComponents::new();
    graph.insert(0, 1, 10);
    assert!(graph.remove(0, 1).is_err());
    assert_eq!(graph.size(0), 2);
}

#[test]
fn the_larger_component_keeps_its_id() {
    let mut graph = DynamicComponents::new();
    graph.insert(0, 1, 10);
    let pair = graph.component(0);
    [(2, 3), (3, 4)].into_iter().for_each(|(from, to)| graph.insert(from, to, 20));
    let triple = graph.component(2);
    graph.take_changes();

    graph.insert(1, 2, 15);
    let moved: Vec<u32> = graph.take_changes().iter().map(|change| change.vertex).collect();
    assert_eq!((moved.len(), graph.component(0), graph.component(4)), (2, triple, triple));
    assert_ne!(pair, triple);

    graph.expire_until(15);
    let changes = graph.take_changes();
    assert_eq!(graph.component(3), triple);
    assert!(changes.iter().all(|change| change.vertex < 2 && change.after.is_none()), "the edges 0 - 1 and 1 - 2 are gone");
}

#[test]
fn changes_that_cancel_are_no_changes() {
    let mut graph = DynamicComponents::with_deletions();
    graph.insert(0, 1, NEVER);
    graph.insert(1, 2, NEVER);
    graph.take_changes();
    assert!(graph.remove(0, 1).unwrap());
    graph.insert(0, 2, NEVER);
    assert_eq!(graph.take_changes(), []);
    graph.insert(5, 6, NEVER);
    assert!(graph.remove(5, 6).unwrap());
    assert_eq!(graph.take_changes(), []);
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let mut graph = DynamicComponents::new();
    let edges = [LiveEdge { from: 0, to: 1, expiry: 5 }, LiveEdge { from: 2, to: 3, expiry: 5 }];
    let id = ComponentId;
    let next = ComponentId(9);
    assert!(graph.restore(&edges, &[(0, id(1)), (1, id(1)), (2, id(2)), (3, id(2))], next).is_ok());
    for components in [
        vec![(0, id(1)), (1, id(1))],
        vec![(0, id(1)), (1, id(1)), (2, id(1)), (3, id(1))],
        vec![(0, id(1)), (2, id(2)), (7, id(3))],
        vec![(0, id(1)), (2, id(9))],
    ] {
        assert!(graph.restore(&edges, &components, next).is_err(), "{components:?}");
    }
}
