//! The benchmark workloads: `cargo bench --bench workloads -- w1 --events 10000000 --workers 1`.
//!
//! The last line has the figures; counts and checksums do not depend on workers, processes or how the job is written.

mod checksum;
mod generator;
mod patterns;
mod workload;

use clap::Parser;
use egret::engine::{JobReport, RunConfig, process_role, run};
use generator::{Transactions, write_json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use workload::{Via, Workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs one workload and prints what it cost.
#[derive(Parser)]
struct Args {
    /// Which workload
    workload: Workload,
    /// How many events
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Worker threads, in each process
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Processes on this machine
    #[arg(long, default_value_t = 1)]
    processes: usize,
    /// How many cards
    #[arg(long, default_value_t = 100_000)]
    cards: u64,
    /// Event time moves by step/per milliseconds an event
    #[arg(long, default_value_t = 1)]
    step: u64,
    /// See --step; 1 for patterns, 100 for windows unless said
    #[arg(long)]
    per: Option<u64>,
    /// How the job is written
    #[arg(long, default_value = "text")]
    via: Via,
    /// Rows a source reads at a time
    #[arg(long)]
    batch: Option<usize>,
    /// Folder for the files of w7
    #[arg(long, default_value = "target/workloads")]
    folder: PathBuf,
    /// What cargo passes to benchmarks
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let per = args.per.unwrap_or_else(|| args.workload.default_per());
    let transactions = Transactions { events: args.events, cards: args.cards, step: args.step, per };
    let mut config = RunConfig { workers: args.workers, processes: args.processes, ..RunConfig::default() };
    config.batch_rows = args.batch.unwrap_or(config.batch_rows);
    let stripes = args.workers * args.processes;
    let job = if args.workload == Workload::W7 {
        let input = files(&args.folder, &transactions, stripes)?;
        args.workload.file_job(&input, &args.folder.join("w7-alerts.jsonl"))?
    } else {
        args.workload.job(args.via, transactions, stripes)?
    };
    let before = cpu();
    let mut report = run(&job, &config)?;
    if args.processes == 1 {
        report.cpu = report.cpu.saturating_sub(before);
    }
    println!("{}", line(args.workload, args.events, &report));
    Ok(())
}

fn line(workload: Workload, events: u64, report: &JobReport) -> String {
    let state: u64 = report.nodes.iter().map(|node| node.state_peak_bytes).sum();
    format!(
        "{} events={events} count={} checksum={:016x} events_per_s={:.0} cpu_us_per_event={:.4} peak_rss_mb={:.0} state_mb={:.1}",
        format!("{workload:?}").to_lowercase(),
        report.named("count"),
        report.named("checksum"),
        events as f64 / report.elapsed.as_secs_f64(),
        report.cpu.as_secs_f64() * 1e6 / events as f64,
        report.peak_rss_bytes as f64 / 1e6,
        state as f64 / 1e6,
    )
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The input files of w7, made once; returns the glob that names them.
fn files(folder: &Path, transactions: &Transactions, stripes: usize) -> anyhow::Result<PathBuf> {
    let name = format!("w7-{}-{}-{}-{}", transactions.events, transactions.cards, transactions.per, stripes);
    let pattern = folder.join(format!("{name}.*.jsonl"));
    let done = folder.join(format!("{name}.done"));
    if process_role().is_none() && !done.exists() {
        std::fs::create_dir_all(folder)?;
        for stripe in 0..stripes {
            write_json(transactions, &folder.join(format!("{name}.{stripe}.jsonl")), stripe as u64, stripes as u64)?;
        }
        std::fs::write(done, "")?;
    }
    Ok(pattern)
}
