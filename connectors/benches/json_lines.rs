//! How fast JSON lines are read and written, on one core: `cargo bench -p egret-connectors --bench json_lines -- 1000000`.

use arrow::datatypes::{DataType, Field};
use egret_connectors::file::{FileSink, FileSinkConfig, FileSource, FileSourceConfig};
use egret_core::{Batch, Epoch, Poll, Sink, SinkContext, Source, StreamSchema};
use std::fmt::Write as _;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("egret-json-speed-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!(
        "lines as {}: {}",
        workload_line(1_234_567).trim_end(),
        measure_workload(&folder.join("w7.jsonl").to_string_lossy(), rows)?
    );
    for name in ["t.jsonl", "t.csv", "t.jsonl.gz", "t.parquet"] {
        println!("{name}: {}", measure(&folder.join(name).to_string_lossy(), rows)?);
    }
    let text = std::fs::read(folder.join("t.jsonl"))?;
    let start = Instant::now();
    let reader = arrow::json::ReaderBuilder::new(schema()?.arrow().clone()).with_batch_size(8_192).build(text.as_slice())?;
    let read: usize = reader.map(|rows| rows.map(|rows| rows.num_rows())).sum::<Result<usize, _>>()?;
    println!("arrow-json on t.jsonl, in memory: {:.0} ns a row to read", start.elapsed().as_nanos() as f64 / read as f64);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn schema() -> Result<StreamSchema, egret_core::Error> {
    let int = |name: &str| Field::new(name, DataType::Int64, false);
    let fields = vec![
        int("txn_id"),
        int("card_id"),
        Field::new("amount", DataType::Float64, false),
        int("country"),
        StreamSchema::time_field("ts"),
    ];
    StreamSchema::new(fields, Some("ts"))
}

/// A line of the benchmark workloads.
fn workload_line(id: u64) -> String {
    let (card, quarters, country) = (id * 7_919 % 100_000, id * 31 % 4_000, id % 50);
    format!(
        "{{\"txn_id\":{id},\"card_id\":{card},\"amount\":{},\"country\":{country},\"ts\":{}}}\n",
        quarters as f64 / 4.0,
        1_700_000_040_000 + id
    )
}

/// Reads such lines, with event time as an integer.
fn measure_workload(path: &str, rows: u64) -> Result<String, Box<dyn std::error::Error>> {
    std::fs::write(path, (0..rows).map(workload_line).collect::<String>())?;
    let best = (0..5).map(|_| read_all(path)).collect::<Result<Vec<f64>, _>>()?.into_iter().fold(f64::MAX, f64::min);
    Ok(format!("{best:.0} ns a row to read, {} bytes a row", std::fs::metadata(path)?.len() / rows))
}

/// Nanoseconds a row.
fn read_all(path: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let source = FileSource::new(FileSourceConfig::new(path)?, schema()?)?;
    let mut reader = source.open(&source.splits()?[0], &[0, 1, 2, 3, 4], &Default::default())?;
    let (start, mut read) = (Instant::now(), 0);
    while let Poll::Rows(rows) = reader.poll(8_192)? {
        read += rows.num_rows();
    }
    Ok(start.elapsed().as_nanos() as f64 / read as f64)
}

/// Writes the rows and reads them again.
fn measure(path: &str, rows: u64) -> Result<String, Box<dyn std::error::Error>> {
    let schema = schema()?;
    let source = egret_connectors::generator::GeneratorSource::new(
        std::sync::Arc::new(
            egret_connectors::generator::Sequence::new(schema.clone())?
                .with_cycle("country", 50)?
                .with_cycle("card_id", 100_000)?,
        ),
        egret_connectors::generator::GeneratorConfig { rows: Some(rows), ..Default::default() },
    );
    let mut batches = Vec::new();
    let mut reader = source.open(&source.splits()?[0], &[0, 1, 2, 3, 4], &Default::default())?;
    while let Poll::Rows(rows) = reader.poll(8_192)? {
        batches.push(Batch::new(rows, &schema)?);
    }
    let mut writer = FileSink::new(FileSinkConfig::new(path)?).open(&schema, &SinkContext::new(0, 1))?;
    let start = Instant::now();
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    let ready = writer.prepare(Epoch(1))?;
    writer.commit(&ready)?;
    let mut report = String::new();
    write!(report, "{:.0} ns a row to write, ", start.elapsed().as_nanos() as f64 / rows as f64)?;
    write!(report, "{:.0} ns a row to read, {} bytes a row", read_all(path)?, std::fs::metadata(path)?.len() / rows)?;
    Ok(report)
}
