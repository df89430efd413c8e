//! Numbers by vertex against a recomputation from the rows, as of every version.

use super::law::{graph, payments, random_payments};
use super::*;
use crate::{Computation, Setting};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use std::collections::BTreeSet;

/// A row: when it comes, its event time, whether it deletes, and the ends.
type Row = (i64, i64, bool, i64, i64);

fn rows_of(batch: &Batch) -> Vec<Row> {
    let [payer, payee] = [0, 1].map(|column| batch.column(column).as_primitive::<Int64Type>());
    let gone = batch.column(2).as_boolean();
    let times = batch.event_times().unwrap();
    let row = |row: usize| {
        let comes = batch.late().map_or(times[row], |late| late.0);
        (comes, times[row], gone.is_valid(row) && gone.value(row), payer.value(row), payee.value(row))
    };
    (0..times.len()).filter(|&row| payer.is_valid(row)).map(row).collect()
}

/// The slow obvious one: the edges as of a version, by going through all rows again.
fn edges_as_of(rows: &[Row], version: i64, expire: Option<i64>) -> Vec<(i64, i64)> {
    let mut rows: Vec<Row> = rows.iter().copied().filter(|(.., from, to)| from != to).collect();
    rows.sort_by_key(|&(comes, time, deletes, from, to)| (comes, !deletes, time, from, to));
    let expiry = |time: i64| expire.map_or(i64::MAX, |expire| time + expire);
    let mut edges: Vec<(i64, i64, i64)> = Vec::new();
    for (comes, time, deletes, from, to) in rows.into_iter().filter(|row| row.0 < version) {
        // Edges go when a step is over: the graph as of a step's start has none that expired until then.
        let step = comes.div_euclid(STEP_US) * STEP_US;
        edges.retain(|edge| edge.0 > step);
        if !deletes {
            edges.extend((expiry(time) > step + STEP_US).then_some((expiry(time), from, to)));
        } else if let Some(last) = edges.iter().rposition(|edge| (edge.1, edge.2) == (from, to)) {
            edges.remove(last);
        }
    }
    edges.into_iter().filter(|edge| edge.0 > version).map(|(_, from, to)| (from, to)).collect()
}

fn degrees(edges: &[(i64, i64)], vertex: i64) -> Vec<i64> {
    let leave = edges.iter().filter(|edge| edge.0 == vertex).count() as i64;
    let arrive = edges.iter().filter(|edge| edge.1 == vertex).count() as i64;
    let others = edges.iter().filter(|edge| edge.0 == vertex || edge.1 == vertex).map(|edge| edge.0 + edge.1 - vertex);
    vec![leave + arrive, leave, arrive, others.collect::<BTreeSet<i64>>().len() as i64]
}

fn within(edges: &[(i64, i64)], vertex: i64, hops: i64, direction: &str) -> i64 {
    let mut found = BTreeSet::from([vertex]);
    for _ in 0..hops {
        let before = found.clone();
        for &(from, to) in edges {
            found.extend((direction != "in" && before.contains(&from)).then_some(to));
            found.extend((direction != "out" && before.contains(&to)).then_some(from));
        }
    }
    found.len() as i64
}

/// Feeds random rows and compares the answers of all vertices as of every version.
fn check(seed: u64, computes: Computation, expected: impl Fn(&[(i64, i64)], i64) -> Vec<i64>) {
    let expire = [Some(60), None, Some(25), Some(200)][seed as usize % 4];
    println!("seed {seed}, expire {expire:?}, {:?}", computes.plan().text()); // shown if the test fails
    let mut random = Random::new(seed);
    let spec = Arc::new(graph(&[computes], expire, !seed.is_multiple_of(3), true));
    let (mut harness, mut rows, mut batches) = (harness(&spec), Vec::new(), Vec::new());
    let mut split = egret_core::SplitWatermark::new(&egret_core::WatermarkStrategy::bounded_out_of_orderness(
        std::time::Duration::from_micros(random.between(0, 30) as u64),
    ));
    split.split(random_payments(&mut random, 120), 3, |batch| batches.push(batch)).unwrap();
    for batch in batches {
        rows.extend(
            rows_of(&batch).into_iter().map(|row| if spec.deletes() { row } else { (row.0, row.1, false, row.3, row.4) }),
        );
        harness.feed(0, batch).unwrap();
    }
    harness.finish().unwrap();
    let updates = egret_core::batch::concat(&harness.take(MAIN)).unwrap().unwrap().into_rows();
    let versions = egret_core::batch::micros(updates.column(0)).to_vec();
    let lookups: Vec<Lookup> = all_lookups(&spec).into_iter().filter(|lookup| lookup.column == 0).collect();
    let mut reader = GraphReader::new(Arc::clone(&spec), lookups.clone());
    let asked: Vec<i64> = (-1..11).collect();
    let ask = random_rows_of(&asked);
    let mut applied = 0;
    for version in (-80..=versions.last().unwrap() + 30).step_by(STEP_US as usize) {
        let end = versions.partition_point(|&step| step < version);
        reader.apply(&updates.slice(applied, end - applied)).unwrap();
        applied = end;
        if random.chance(20) {
            let state = reader.snapshot().unwrap();
            reader = GraphReader::new(Arc::clone(&spec), lookups.clone());
            reader.restore(&state).unwrap();
        }
        let edges = edges_as_of(&rows, version, expire);
        let answers = reader.enrich(&ask).unwrap();
        for (row, &vertex) in asked.iter().enumerate() {
            let got: Vec<i64> = answers.iter().map(|answer| answer.as_primitive::<Int64Type>().value(row)).collect();
            assert_eq!(got, expected(&edges, vertex), "vertex {vertex} as of {version}");
        }
    }
}

/// Rows that ask for vertices.
fn random_rows_of(vertices: &[i64]) -> RecordBatch {
    let all: ArrayRef = Arc::new(Int64Array::from(vertices.to_vec()));
    let gone: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![None; vertices.len()]));
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0; vertices.len()]));
    RecordBatch::try_new(payments().arrow().clone(), vec![all.clone(), all, gone, at]).unwrap()
}

#[test]
fn degrees_are_those_of_the_edges() {
    for seed in 0..24 {
        check(seed, Computation::new("degrees", &[]).unwrap(), degrees);
    }
}

#[test]
fn neighbourhoods_are_what_a_search_finds() {
    for seed in 0..36 {
        let (hops, direction) = (1 + seed as i64 % 4, ["both", "out", "in"][seed as usize / 4 % 3]);
        let settings = [("hops".into(), Setting::Integer(hops)), ("direction".into(), Setting::Text(direction.into()))];
        check(seed, Computation::new("neighbourhood", &settings).unwrap(), |edges, vertex| {
            vec![within(edges, vertex, hops, direction)]
        });
    }
}

#[test]
fn settings_that_cannot_be() {
    let wrong = |name: &str, settings: &[(&str, Setting)]| {
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Computation::new(name, &settings).unwrap_err().to_string()
    };
    let number = Setting::Integer;
    let check =
        |text: String, parts: &[&str]| parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in `{text}`"));
    check(wrong("degree", &[]), &["there is no graph algorithm 'degree'", "did you mean 'degrees'?"]);
    check(wrong("degrees", &[("hops", number(1))]), &["there is no setting 'hops'", "degrees has no settings"]);
    check(wrong("neighbourhood", &[("hop", number(1))]), &["no setting 'hop'", "did you mean 'hops'?"]);
    check(wrong("neighbourhood", &[("hops", number(5))]), &["'hops' is 5, out of range", "from 1 up to 4"]);
    check(wrong("neighbourhood", &[("hops", number(-1))]), &["'hops' is -1, out of range"]);
    check(wrong("neighbourhood", &[("hops", Setting::Float(1.5))]), &["is 1.5, not a whole number"]);
    check(wrong("neighbourhood", &[("hops", number(1)), ("HOPS", number(1))]), &["given twice"]);
    check(
        wrong("neighbourhood", &[("direction", Setting::Text("bot".into()))]),
        &["'direction' is 'bot'", "direction => 'both'"],
    );
    check(wrong("neighbourhood", &[("direction", Setting::Boolean(true))]), &["is true", "'both', 'out', 'in'"]);
    let degrees = Computation::new("degrees", &[]).unwrap();
    let twice = ring(None).compute(vec![degrees.clone(), degrees]).unwrap_err().to_string();
    check(twice, &["graph 'ring'", "'degrees' is computed twice"]);
    check(ring(None).compute(Vec::new()).unwrap_err().to_string(), &["computes nothing"]);
    check(ring(None).delete_when(1).unwrap_err().to_string(), &["'device' is Utf8, no truth value", "CREATE STREAM"]);
}
