//! The graphs of `conformance/graph` in the shared folder, static and evolving: degrees and components at every epoch that has a
//! table, through the operator and a reader. Its README defines the columns.

use super::*;
use crate::Computation;
use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::Int64Type;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

const EPOCH_US: i64 = 1_000_000;

/// `EGRET_SHARED`, or `shared` beside the workspace.
fn folder() -> PathBuf {
    let shared = std::env::var_os("EGRET_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let folder = shared.join("conformance/graph");
    assert!(folder.is_dir(), "no graphs in {}; EGRET_SHARED says where the shared files are", folder.display());
    folder
}

/// The lines behind the header of a file, which may be compressed.
fn lines(path: &Path) -> Option<Vec<Vec<String>>> {
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let text = match fs::File::open(packed) {
        Ok(file) => {
            let mut text = String::new();
            flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
            text
        }
        Err(_) => fs::read_to_string(path).ok()?,
    };
    Some(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

/// An edit: when, whether it deletes, and the ends.
type Edit = (i64, bool, i64, i64);

/// The edits of a graph: those of an epoch are a step's. A static graph is one epoch.
fn edits(folder: &Path) -> Vec<Edit> {
    let number = |text: &String| text.parse::<i64>().unwrap();
    match lines(&folder.join("edits.csv")) {
        Some(lines) => {
            let edit = |(at, line): (usize, &Vec<String>)| {
                // In the order of the file, which has fewer lines than an epoch microseconds.
                (number(&line[0]) * EPOCH_US + at as i64, line[1] == "-", number(&line[2]), number(&line[3]))
            };
            lines.iter().enumerate().map(edit).collect()
        }
        None => {
            let edges = lines(&folder.join("edges.csv")).unwrap();
            edges.iter().map(|line| (0, false, number(&line[0]), number(&line[1]))).collect()
        }
    }
}

/// The tables by epoch: out degree, in degree and least vertex of the component, by vertex.
fn tables(folder: &Path) -> BTreeMap<i64, Vec<[i64; 3]>> {
    let table = |lines: Vec<Vec<String>>| -> Vec<[i64; 3]> {
        lines.iter().map(|line| [1, 2, 3].map(|column: usize| line[column].parse().unwrap())).collect()
    };
    if let Some(lines) = lines(&folder.join("expected_vertices.csv")) {
        return BTreeMap::from([(0, table(lines))]);
    }
    let files = fs::read_dir(folder.join("expected")).unwrap().map(|entry| entry.unwrap().path());
    let file = |path: PathBuf| {
        let epoch = path.file_name().unwrap().to_str().unwrap()["epoch_".len()..][..4].parse().unwrap();
        (epoch, table(lines(&path.with_file_name(format!("epoch_{epoch:04}.csv"))).unwrap()))
    };
    files.map(file).collect()
}

fn rows(edits: &[Edit]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(edits.iter().map(|edit| edit.2))),
        Arc::new(Int64Array::from_iter_values(edits.iter().map(|edit| edit.3))),
        Arc::new(edits.iter().map(|edit| Some(edit.1)).collect::<BooleanArray>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(edits.iter().map(|edit| edit.0))),
    ];
    RecordBatch::try_new(law::payments().arrow().clone(), columns).unwrap()
}

/// Feeds the edits in random batches, with restores between, and compares the answers after each epoch that has a table.
fn check(folder: &Path, seed: u64) {
    println!("{}", folder.display()); // shown if the test fails
    let mut random = Random::new(seed);
    let is_directed = fs::read_to_string(folder.join("meta.json")).unwrap().contains("\"directed\": true");
    let computes = ["components", "degrees"].map(|name| Computation::new(name, &[]).unwrap()).to_vec();
    let spec = GraphSpec::new("g", 0, 1, None, EPOCH_US, &law::payments()).unwrap().same_kind().unwrap();
    let spec = Arc::new(spec.delete_when(2).unwrap().compute(computes).unwrap());
    let lookup = |answer: &str| spec.lookup(answer, 0, &law::payments()).unwrap();
    let lookups = ["degree", "out_degree", "in_degree", "neighbours", "component"].map(lookup).to_vec();
    let (mut harness, mut reader) = (harness(&spec), GraphReader::new(Arc::clone(&spec), lookups));
    let (edits, tables) = (edits(folder), tables(folder));
    let mut fed = 0;
    for (epoch, table) in tables {
        let end = edits.partition_point(|edit| edit.0 < (epoch + 1) * EPOCH_US);
        while fed < end {
            let count = random.between(1, 4_000).min((end - fed) as i64) as usize;
            harness.feed(0, Batch::from_parts(rows(&edits[fed..fed + count]), Some(3), None)).unwrap();
            fed += count;
            if random.chance(30) {
                harness.watermark(0, EventTime(edits[fed - 1].0)).unwrap();
                harness.take(MAIN).iter().for_each(|updates| reader.apply(updates.rows()).unwrap());
                let snapshot = harness.snapshot().unwrap();
                harness.restore(&snapshot, 1).unwrap();
            }
        }
        harness.watermark(0, EventTime((epoch + 1) * EPOCH_US)).unwrap();
        harness.take(MAIN).iter().for_each(|updates| reader.apply(updates.rows()).unwrap());
        let vertices: Vec<Edit> = (0..table.len() as i64).map(|vertex| (0, false, vertex, vertex)).collect();
        let answers = reader.enrich(&rows(&vertices)).unwrap();
        let answers: Vec<_> = answers.iter().map(|answer| answer.as_primitive::<Int64Type>()).collect();
        for (vertex, &[out_degree, in_degree, least]) in table.iter().enumerate() {
            let got: Vec<i64> = answers[..3].iter().map(|answer| answer.value(vertex)).collect();
            let degrees = [out_degree + in_degree, out_degree, in_degree];
            match is_directed {
                true => assert_eq!(got, degrees, "vertex {vertex}, epoch {epoch}"),
                // An edge stands for both directions, and there are no two between a pair.
                false => {
                    assert_eq!((got[0], answers[3].value(vertex)), (out_degree, out_degree), "vertex {vertex}, epoch {epoch}")
                }
            }
            let component = if answers[4].is_valid(vertex) { answers[4].value(vertex) } else { vertex as i64 };
            assert_eq!(component, least, "component of {vertex}, epoch {epoch}");
        }
    }
    assert_eq!(harness.counters().named().get("deletions of edges that are not there"), None);
}

#[test]
fn static_and_evolving_graphs() {
    let mut folders: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(folders.len() >= 13, "{folders:?}");
    folders.iter().zip(0..).for_each(|(folder, seed)| check(folder, seed));
}
