//! How many edges a second a sliding window takes, and what it keeps.
//!
//! ```text
//! cargo bench -p egret-graph --bench sliding_window [edges]
//! ```
//!
//! * `structure`: [`DynamicComponents`] alone, a random graph as sparse, as dense and as skewed as they come.
//! * `store`: the [`EdgeStore`] alone, over the skewed graph.
//! * `operator`: [`GraphOperator`] and a [`GraphReader`] as in a job: rows in, updates out and applied, cards looked up.
//! * `edits`: 100 edits a time (50 insertions, 50 deletions) of a graph of a million edges, told one by one.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, EventTime, NoState, Operator, OperatorInfo, Result, StreamSchema};
use egret_graph::store::{Edge, EdgeStore};
use egret_graph::{DynamicComponents, GraphOperator, GraphReader, GraphSpec};
use egret_operators::knowledge::KnowledgeReader;
use std::sync::Arc;
use std::time::Instant;

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    /// Small numbers are frequent: a few vertices have most edges.
    fn skewed(&mut self, bound: u64) -> u64 {
        let most = self.below(bound) + 1;
        self.below(most)
    }
}

fn main() -> Result<()> {
    let edges: u64 = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1_000_000);
    for (name, vertices) in [("sparse", edges * 2), ("critical", edges), ("dense", edges / 10)] {
        structure(name, edges, vertices, |random| (random.below(vertices), random.below(vertices)));
    }
    structure("skewed", edges, edges / 2, |random| (random.skewed(edges / 2), random.skewed(edges / 2)));
    store(edges);
    for cards in [edges / 10, edges] {
        operator(edges, cards)?;
    }
    for vertices in [edges / 10, edges / 2, edges] {
        edits(edges, vertices)?;
    }
    Ok(())
}

/// A window of `edges` edges, filled and then moved by as many again, a step of 1000 edges a time.
fn structure(name: &str, edges: u64, vertices: u64, edge: impl Fn(&mut Random) -> (u64, u64)) {
    let (mut graph, mut random) = (DynamicComponents::new(), Random(1));
    let mut changes = 0;
    let mut run = |from: u64, to: u64| {
        let start = Instant::now();
        for time in from..to {
            let (a, b) = edge(&mut random);
            graph.insert(a as u32, b as u32, (time + edges) as i64);
            if time % 1_000 == 999 {
                graph.expire_until(time as i64);
                changes += graph.take_changes().len();
            }
        }
        start.elapsed()
    };
    let filled = run(0, edges);
    let moved = run(edges, edges * 2);
    println!(
        "structure {name}: window_edges={edges} vertices={vertices} fill_per_s={:.0} slide_per_s={:.0} us_per_edge={:.2} changes={changes} kept_edges={} mb={}",
        edges as f64 / filled.as_secs_f64(),
        edges as f64 / moved.as_secs_f64(),
        moved.as_secs_f64() * 1e6 / edges as f64,
        graph.kept_edges(),
        graph.bytes() >> 20,
    );
}

/// A window of `edges` edges in the edge store, filled and then moved by as many again, a step of 1000 edges a time.
fn store(edges: u64) {
    let (mut store, mut random, mut expired) = (EdgeStore::new(), Random(4), Vec::new());
    let vertices = edges / 8;
    let start = Instant::now();
    for time in 0..edges * 2 {
        let (from, to) = (random.skewed(vertices) as u32, random.skewed(vertices) as u32);
        store.insert(Edge { from, to, time: time as i64, expiry: (time + edges) as i64, weight: 1.0, attribute: 0 });
        if time % 1_000 == 999 {
            store.expire_until(time as i64, &mut expired);
            store.tidy();
            expired.clear();
        }
    }
    println!(
        "store: window_edges={edges} vertices={vertices} us_per_edge={:.2} bytes_per_edge={:.1}",
        start.elapsed().as_secs_f64() * 1e6 / (edges * 2) as f64,
        store.bytes() as f64 / store.len() as f64,
    );
}

/// The same as rows: `cards` cards and a fifth as many devices, 1000 rows a second of event time, a window of `edges`.
fn operator(edges: u64, cards: u64) -> Result<()> {
    const ROWS: u64 = 8_192;
    let schema = StreamSchema::new(
        vec![
            Field::new("card", DataType::Int64, true),
            Field::new("device", DataType::Int64, true),
            StreamSchema::time_field("at"),
        ],
        Some("at"),
    )?;
    let spec = Arc::new(GraphSpec::new("ring", 0, 1, Some(edges as i64 * 1_000), 1_000_000, &schema)?);
    let lookups = vec![spec.lookup("size", 0, &schema)?, spec.lookup("component", 0, &schema)?];
    let (mut follower, mut reader) = (GraphOperator::new(Arc::clone(&spec))?, GraphReader::new(Arc::clone(&spec), lookups));
    let (info, counters) = (OperatorInfo::alone("ring"), Counters::default());
    let mut random = Random(2);
    let (mut follow, mut apply, mut ask) = (0.0, 0.0, 0.0);
    let mut updates = 0;
    for batch in 0..edges * 2 / ROWS {
        let first = batch * ROWS;
        let column = |bound: u64, random: &mut Random| -> ArrayRef {
            Arc::new((0..ROWS).map(|_| random.below(bound) as i64).collect::<Int64Array>())
        };
        let columns = vec![
            column(cards, &mut random),
            column(cards / 5, &mut random),
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                (first..first + ROWS).map(|at| EventTime::from_millis(at as i64).0),
            )),
        ];
        let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?;
        let (mut state, mut wake_at, mut output) = (NoState, None, Vec::new());
        let mut ctx = Context::new(&mut output, &info, &counters, &mut state, &mut wake_at, EventTime::MIN, 0);
        let start = Instant::now();
        follower.process(0, Batch::from_parts(rows.clone(), Some(2), None), &mut ctx)?;
        follower.on_watermark(EventTime::from_millis((first + ROWS) as i64), &mut ctx)?;
        let followed = Instant::now();
        for (_, update) in &output {
            updates += update.num_rows();
            reader.apply(update.rows())?;
        }
        let applied = Instant::now();
        reader.enrich(&rows)?;
        if first >= edges {
            follow += (followed - start).as_secs_f64();
            apply += (applied - followed).as_secs_f64();
            ask += applied.elapsed().as_secs_f64();
        }
    }
    let per_row = |seconds: f64| seconds * 1e6 / edges as f64;
    println!(
        "operator: window_edges={edges} cards={cards} devices={} rows_per_s={:.0} us_per_row={:.2} apply_us_per_row={:.2} ask_us_per_row={:.3} updates={updates} vertices={} mb={} reader_mb={}",
        cards / 5,
        edges as f64 / follow,
        per_row(follow),
        per_row(apply),
        per_row(ask),
        follower.state_size().keys,
        follower.state_size().bytes >> 20,
        reader.state_size().bytes >> 20,
    );
    Ok(())
}

/// 100 edits of a graph of `edges` random edges, half of them deletions of random edges; the median and the longest time.
fn edits(edges: u64, vertices: u64) -> Result<()> {
    const ROUNDS: usize = 300;
    let (mut graph, mut random) = (DynamicComponents::with_deletions(), Random(3));
    let edge = |random: &mut Random| (random.below(vertices) as u32, random.below(vertices) as u32);
    let mut all: Vec<(u32, u32)> = (0..edges).map(|_| edge(&mut random)).collect();
    let start = Instant::now();
    all.iter().for_each(|&(a, b)| graph.insert(a, b, egret_graph::components::NEVER));
    graph.take_changes();
    let loaded = start.elapsed();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..50 {
            let (a, b) = edge(&mut random);
            graph.insert(a, b, egret_graph::components::NEVER);
            let gone = random.below(all.len() as u64) as usize;
            let (from, to) = std::mem::replace(&mut all[gone], (a, b));
            graph.remove(from, to)?;
        }
        graph.take_changes();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "edits: edges={edges} vertices={vertices} load_s={:.2} ms_per_100_edits={:.3} longest_ms={:.3} mb={}",
        loaded.as_secs_f64(),
        times[ROUNDS / 2],
        times[ROUNDS - 1],
        graph.bytes() >> 20,
    );
    Ok(())
}
