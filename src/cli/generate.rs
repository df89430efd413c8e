//! `egret generate`: test data with a known truth.

use super::{FAILED, OK, WRONG, complain};
use clap::{Args, Subcommand, ValueEnum};
use egret::connectors::fraud::{FraudConfig, FraudSimulator};
use egret::connectors::{Options, Registry};
use egret::core::{Batch, Epoch, Result, SinkContext};
use std::path::PathBuf;

/// What to make.
#[derive(Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Card transactions with labelled fraud: the bank of examples/fraud
    Fraud(FraudArgs),
}

#[derive(Args)]
struct FraudArgs {
    /// How many transactions
    #[arg(long, default_value_t = 100_000)]
    rows: u64,
    /// The same seed gives the same transactions
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many customers; chosen to fit the rows unless said
    #[arg(long)]
    customers: Option<u32>,
    /// The file to write (`.gz` and `.zst` compress); standard output unless said
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How rows are written; by the file's name unless said
    #[arg(long)]
    format: Option<Format>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Csv,
    Parquet,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

pub(crate) fn generate(args: &GenerateArgs) -> u8 {
    let What::Fraud(fraud) = &args.what;
    if fraud.rows == 0 {
        complain(&"--rows 0 makes nothing");
        return WRONG;
    }
    match write_fraud(fraud) {
        Ok(()) => OK,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

fn write_fraud(args: &FraudArgs) -> Result<()> {
    let schema = FraudSimulator::schema();
    let mut options: Vec<(&str, String)> = Vec::new();
    let sink = match &args.out {
        Some(path) => {
            options.push(("path", path.display().to_string()));
            options.extend(args.format.map(|format| ("format", format.name().to_owned())));
            "file"
        }
        None => {
            options.push(("format", args.format.unwrap_or(Format::Json).name().to_owned()));
            "stdout"
        }
    };
    let sink = Registry::with_builtin().sink(sink, &Options::new(options), &schema)?;
    let mut writer = sink.open(&schema, &SinkContext::new(0, 1))?;
    let config = FraudConfig { rows: args.rows, seed: args.seed, customers: args.customers, ..FraudConfig::default() };
    for rows in FraudSimulator::new(config).record_batches(8_192) {
        writer.write(&Batch::new(rows, &schema)?)?;
    }
    let committables = writer.prepare(Epoch(0))?;
    writer.commit(&committables)
}
