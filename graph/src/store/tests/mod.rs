#![allow(clippy::unwrap_used)]
//! The edge store against a plain list of edges.

use super::*;
use egret_testkit::Random;

/// The slow obvious one: the edges in the order they came.
#[derive(Default)]
struct List(Vec<Edge>);

impl List {
    fn remove(&mut self, from: u32, to: u32) -> Option<Edge> {
        let last = self.0.iter().rposition(|edge| (edge.from, edge.to) == (from, to))?;
        Some(self.0.remove(last))
    }

    fn expire_until(&mut self, time: i64) -> Vec<Edge> {
        self.0.extract_if(.., |edge| edge.expiry <= time && edge.expiry != NEVER).collect()
    }

    fn of(&self, vertex: u32, direction: Direction) -> Vec<Edge> {
        let end = |edge: &&Edge| [edge.from, edge.to][direction as usize] == vertex;
        self.0.iter().rev().filter(end).copied().collect()
    }
}

fn check(store: &mut EdgeStore, list: &List, vertices: u32) {
    assert_eq!(store.edges().collect::<Vec<_>>(), list.0);
    assert_eq!((store.len(), store.is_empty()), (list.0.len(), list.0.is_empty()));
    let next = list.0.iter().map(|edge| edge.expiry).filter(|&expiry| expiry != NEVER).min();
    assert_eq!(store.next_expiry(), next);
    for vertex in 0..vertices {
        for direction in Direction::BOTH {
            let edges = list.of(vertex, direction);
            assert_eq!(store.degree(vertex, direction) as usize, edges.len());
            assert_eq!(store.edges_of(vertex, direction).collect::<Vec<_>>(), edges);
            let other = |edge: &Edge| if direction == Direction::Out { edge.to } else { edge.from };
            assert_eq!(store.neighbours(vertex, direction).collect::<Vec<_>>(), edges.iter().map(other).collect::<Vec<_>>());
        }
        for to in 0..vertices.min(5) {
            let edges: Vec<Edge> = list.of(vertex, Direction::Out).into_iter().filter(|edge| edge.to == to).collect();
            assert_eq!(store.between(vertex, to).collect::<Vec<_>>(), edges);
        }
        assert_eq!(store.has(vertex), Direction::BOTH.iter().any(|&direction| !list.of(vertex, direction).is_empty()));
    }
    assert!(store.vertices().eq((0..vertices).filter(|&vertex| store.has(vertex))));
}

fn random_edge(random: &mut Random, vertices: u32, now: i64) -> Edge {
    let mut vertex = || random.below(vertices as usize) as u32;
    let (from, to) = (vertex(), vertex());
    let time = now - if random.chance(20) { random.between(0, 30) } else { 0 };
    let expiry = match random.below(10) {
        0 => NEVER,
        1 => time + random.between(1, 80),
        _ => time + 50,
    };
    Edge { from, to, time, expiry, weight: random.between(-3, 9) as f64 / 4.0, attribute: random.below(3) as u32 }
}

#[test]
fn the_store_is_a_list_of_edges() {
    for seed in 0..40 {
        println!("seed {seed}"); // shown if the test fails
        let mut random = Random::new(seed);
        let vertices = [3, 12, 40][seed as usize % 3];
        let (mut store, mut list, mut now) = (EdgeStore::new(), List::default(), 0);
        for _ in 0..400 {
            match random.below(12) {
                0 => {
                    now += random.between(0, 25);
                    let mut expired = Vec::new();
                    store.expire_until(now, &mut expired);
                    assert_eq!(expired, list.expire_until(now));
                }
                1..=3 => {
                    let known = list.0.get(random.below(list.0.len().max(1))).filter(|_| random.chance(80));
                    let edge = known.copied().unwrap_or_else(|| random_edge(&mut random, vertices, now));
                    assert_eq!(store.remove(edge.from, edge.to), list.remove(edge.from, edge.to));
                }
                4 => store.tidy(),
                _ => {
                    let edge = random_edge(&mut random, vertices, now);
                    store.insert(edge);
                    list.0.push(edge);
                }
            }
            if random.chance(10) {
                check(&mut store, &list, vertices);
            }
        }
        check(&mut store, &list, vertices);
    }
}

/// Windows that slide over many chunks, with edges that stay, edges that are deleted early, and edges that never expire.
#[test]
fn memory_follows_the_edges_that_are_there() {
    for (stays, deleted) in [(0, 0), (1, 0), (0, 40), (3, 40)] {
        let mut random = Random::new(7);
        let (mut store, mut list) = (EdgeStore::new(), List::default());
        let mut most = 0;
        for now in 0..60_000_i64 {
            let edge = random_edge(&mut random, 500, now);
            let expiry = if random.below(1_000) < stays { NEVER } else { now + 5_000 };
            let edge = Edge { time: now, expiry, ..edge };
            store.insert(edge);
            list.0.push(edge);
            if random.chance(deleted) {
                let edge = list.0[random.below(list.0.len())];
                assert_eq!(store.remove(edge.from, edge.to), list.remove(edge.from, edge.to));
            }
            if now % 500 == 0 {
                let mut expired = Vec::new();
                store.expire_until(now, &mut expired);
                assert_eq!(expired, list.expire_until(now));
                store.tidy();
            }
            most = most.max(store.bytes());
        }
        check(&mut store, &list, 500);
        // At most 5,500 edges and those that stay; half of the places may be empty, and a tail of a chunk.
        let edges = 5_500 + list.0.len();
        assert!(most <= edges * 44 * 2 + 200_000, "{most} bytes for {edges} edges");
    }
}

#[test]
fn lengths_of_life_at_the_ends_of_the_scale() {
    let edge = |time, expiry| Edge { from: 0, to: 1, time, expiry, weight: 1.0, attribute: 0 };
    let edges = [edge(i64::MIN, 5), edge(i64::MIN, i64::MAX - 1), edge(i64::MAX, NEVER), edge(i64::MAX, i64::MIN), edge(0, 0)];
    let mut store = EdgeStore::new();
    edges.iter().for_each(|edge| store.insert(*edge));
    assert_eq!(store.edges().collect::<Vec<_>>(), edges);
    let mut expired = Vec::new();
    store.expire_until(i64::MAX, &mut expired);
    assert_eq!(expired, [edges[0], edges[1], edges[3], edges[4]]);
    assert_eq!(store.next_expiry(), None);
}

/// A graph of the shape that real ones have: 2^17 vertices, a million edges, a few vertices with many of them.
#[test]
fn an_edge_takes_less_than_48_bytes() {
    let mut random = Random::new(1);
    let mut store = EdgeStore::new();
    let mut vertex = || (0..17).fold(0_u32, |bits, _| bits << 1 | u32::from(random.chance(30)));
    for time in 0..1_000_000_i64 {
        store.insert(Edge { from: vertex(), to: vertex(), time, expiry: time + 1_000_000, weight: 0.5, attribute: 3 });
    }
    let per_edge = store.bytes() as f64 / 1e6;
    println!("{per_edge:.1} bytes an edge");
    assert!(per_edge < 48.0, "{per_edge} bytes an edge");
}
