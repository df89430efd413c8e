//! The evolving graphs of `tests/data`: see the README there.

use super::super::{DynamicComponents, NEVER};
use super::least_vertices;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// The lines behind the header, each as its fields.
fn read(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn numbers(name: &str) -> Vec<Vec<u32>> {
    read(name).iter().map(|line| line.iter().map(|field| field.parse().unwrap()).collect()).collect()
}

fn check(name: &str) {
    let mut edits: BTreeMap<u32, Vec<(bool, u32, u32)>> = BTreeMap::new();
    for line in read(&format!("{name}.edits.csv.gz")) {
        let number = |field: usize| line[field].parse::<u32>().unwrap();
        edits.entry(number(0)).or_default().push((line[1] == "+", number(2), number(3)));
    }
    let mut full: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for line in numbers(&format!("{name}.wcc.csv.gz")) {
        assert_eq!(full.entry(line[0]).or_default().len() as u32, line[1]);
        full.entry(line[0]).or_default().push(line[2]);
    }
    let mut graph = DynamicComponents::with_deletions();
    let mut replica = BTreeMap::new();
    for line in numbers(&format!("{name}.totals.csv.gz")) {
        let [epoch, vertices, count, largest] = line[..] else { panic!("four columns") };
        for (inserts, from, to) in edits.remove(&epoch).unwrap_or_default() {
            if inserts {
                graph.insert(from, to, NEVER);
            } else {
                assert!(graph.remove(from, to).unwrap(), "{name}, epoch {epoch}: the edge {from} - {to} is there");
            }
        }
        let least = least_vertices(&graph, vertices as usize);
        let components = least.iter().enumerate().filter(|(vertex, least)| *vertex as u32 == **least).count();
        assert_eq!(components as u32, count, "{name}, epoch {epoch}: wcc_count");
        assert_eq!((0..vertices).map(|vertex| graph.size(vertex)).max().unwrap(), largest, "{name}, epoch {epoch}: wcc_largest");
        if let Some(expected) = full.remove(&epoch) {
            assert_eq!(least, expected, "{name}, epoch {epoch}: wcc");
        }
        for change in graph.take_changes() {
            assert_ne!(change.before, change.after);
            let was = match change.after {
                Some(id) => replica.insert(change.vertex, id),
                None => replica.remove(&change.vertex),
            };
            assert_eq!(was, change.before);
        }
        assert!((0..vertices).all(|vertex| replica.get(&vertex).copied() == graph.component(vertex)));
    }
    assert!(edits.is_empty() && full.is_empty());
}

#[test]
fn evolve_karate() {
    check("evolve_karate");
}

#[test]
fn evolve_ring() {
    check("evolve_ring");
}

#[test]
fn evolve_shrink() {
    check("evolve_shrink");
}

#[test]
fn evolve_rmat_12() {
    check("evolve_rmat_12");
}
