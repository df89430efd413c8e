//! Cycles in a directed graph.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The shortest cycle through each node that is on one; each cycle begins with its least member.
pub(super) fn circles<T: Ord + Clone>(edges: &BTreeMap<T, BTreeSet<T>>) -> BTreeSet<Vec<T>> {
    edges.keys().filter_map(|start| shortest(edges, start)).map(turned).collect()
}

/// The shortest path from a node back to itself.
fn shortest<T: Ord + Clone>(edges: &BTreeMap<T, BTreeSet<T>>, start: &T) -> Option<Vec<T>> {
    let mut before: BTreeMap<&T, &T> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(here) = queue.pop_front() {
        for next in edges.get(here).into_iter().flatten() {
            if next == start {
                let mut way = vec![here.clone()];
                while let Some(earlier) = before.get(way.last()?) {
                    way.push((*earlier).clone());
                }
                way.reverse();
                return Some(way);
            }
            if !before.contains_key(next) {
                before.insert(next, here);
                queue.push_back(next);
            }
        }
    }
    None
}

/// The cycle, rotated to begin with its least member.
fn turned<T: Ord>(mut circle: Vec<T>) -> Vec<T> {
    let least = (0..circle.len()).min_by_key(|&at| &circle[at]).unwrap_or(0);
    circle.rotate_left(least);
    circle
}

#[test]
fn each_circle_is_found_once() {
    let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "c"), ("e", "a")];
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges {
        all.entry(from).or_default().insert(to);
    }
    assert_eq!(circles(&all), BTreeSet::from([vec!["a", "b", "c"], vec!["c", "d"]]));
}
