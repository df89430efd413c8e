//! The benchmark workloads: `cargo bench --bench workloads -- w1 --events 10000000 --workers 1`.
//!
//! The last line has the results; counts and checksums do not depend on workers, processes or how the job is written.

mod checksum;
mod generator;
mod keys;
mod latency;
mod patterns;
mod running;
mod sets;
mod workload;

use clap::Parser;
use egret::engine::{CheckpointConfig, JobReport, RunConfig, process_role, run};
use generator::{Transactions, write_json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use workload::{Via, Workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs one workload and prints its cost.
#[derive(Parser)]
struct Args {
    /// Which workload
    workload: Workload,
    /// How many events [default: 10,000,000; of w6 20,000,000; of latency workloads 30 s; of keys one a card]
    #[arg(long)]
    events: Option<u64>,
    /// Worker threads, in each process
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Processes on this machine
    #[arg(long, default_value_t = 1)]
    processes: usize,
    /// How many cards [default: 100,000; of keys 1,000,000; of w6 10,000,000]
    #[arg(long)]
    cards: Option<u64>,
    /// Events per second, of latency workloads
    #[arg(long)]
    rate: Option<u64>,
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
    /// How many patterns, of sets
    #[arg(long, default_value_t = 1_000)]
    patterns: usize,
    /// The largest share of all rows that a condition of sets is true of
    #[arg(long, default_value_t = 0.00001)]
    rare: f64,
    /// Make checkpoints in a folder of its own, which is removed before
    #[arg(long)]
    checkpoints: Option<PathBuf>,
    /// Milliseconds from one checkpoint to the next
    #[arg(long, default_value_t = 1_000)]
    checkpoint_interval: u64,
    /// Folder for the files of w7
    #[arg(long, default_value = "target/workloads")]
    folder: PathBuf,
    /// Arguments that cargo passes to benchmarks
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let is_keys = args.workload == Workload::Keys;
    let rate = args.workload.rate().map(|rate| args.rate.unwrap_or(rate));
    let cards = args.cards.unwrap_or(match args.workload {
        Workload::Keys => 1_000_000,
        Workload::W6 => 10_000_000,
        _ => 100_000,
    });
    let events = args.events.unwrap_or(match args.workload {
        Workload::Keys => cards,
        Workload::W6 => 2 * cards,
        _ => rate.map_or(10_000_000, |rate| 30 * rate),
    });
    let per = args.per.unwrap_or_else(|| args.workload.default_per());
    let each_once = args.workload == Workload::W6;
    let transactions = Transactions { events, cards, step: args.step, per, each_once };
    let mut config = RunConfig { workers: args.workers, processes: args.processes, ..RunConfig::default() };
    config.batch_rows = args.batch.unwrap_or(config.batch_rows);
    let stripes = args.workers * args.processes;
    let samples = Arc::default();
    let job = match (args.workload, rate) {
        (Workload::W7, _) => {
            let input = files(&args.folder, &transactions, stripes)?;
            args.workload.file_job(&input, &args.folder.join("w7-alerts.jsonl"))?
        }
        (Workload::Sets, _) => args.workload.set_job(args.patterns, args.rare, events, cards)?,
        (workload, Some(rate)) => workload.paced_job(transactions, rate, stripes, Arc::clone(&samples))?,
        (workload, None) => workload.job(args.via, transactions, stripes)?,
    };
    if let Some(folder) = &args.checkpoints {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        config.checkpoints = Some(CheckpointConfig::new(folder).every(Duration::from_millis(args.checkpoint_interval)));
    }
    let (before, resident) = (cpu(), resident_bytes());
    let mut report = run(&job, &config)?;
    if args.processes == 1 {
        report.cpu = report.cpu.saturating_sub(before);
    }
    print!("{}", line(args.workload, events, &report));
    if args.checkpoints.is_some() {
        print!(" checkpoints={} longest_ms={}", report.checkpoints.complete, report.checkpoints.longest_ms);
    }
    match (rate, is_keys) {
        (Some(_), _) => println!(" {}", samples.lock().unwrap_or_else(PoisonError::into_inner).line()),
        (None, true) => println!(" {}", memory_of_keys(&report, cards, resident)),
        (None, false) => println!(),
    }
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

/// The memory for each key: as the operators count it, and as the process grew (with everything else that a job needs).
fn memory_of_keys(report: &JobReport, cards: u64, resident: u64) -> String {
    let (peak, after) =
        report.nodes.iter().fold((0, 0), |(peak, after), node| (peak + node.state_peak_bytes, after + node.state.bytes));
    format!(
        "bytes_per_key={:.1} resident_bytes_per_key={:.1} state_after_bytes={after}",
        peak as f64 / cards as f64,
        report.peak_rss_bytes.saturating_sub(resident) as f64 / cards as f64,
    )
}

/// The memory of this process now, in bytes.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4_096
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
