//! `egret generate`: test data with known ground truth.

use super::out::status_of;
use super::{FAILED, OK, WRONG, report_error};
use clap::{Args, Subcommand, ValueEnum};
use egret::connectors::fraud::{FraudConfig, FraudSimulator};
use egret::connectors::stdio::{StdoutFormat, StdoutSink};
use egret::connectors::{Options, Registry};
use egret::core::{Batch, Epoch, Error, Result, SinkContext, SinkWriter};
use std::cell::RefCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

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
    /// How many customers [default: a number that suits the rows]
    #[arg(long)]
    customers: Option<u32>,
    /// The file to write (`.gz` and `.zst` compress) [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The format of the rows [default: by the file's name]
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
        report_error(&"--rows 0 makes nothing");
        return WRONG;
    }
    let failed = Rc::new(RefCell::new(None));
    match write_fraud(fraud, &failed) {
        Ok(()) => OK,
        Err(error) => match failed.take() {
            Some(failed) => status_of(Err(failed)),
            None => {
                report_error(&error);
                FAILED
            }
        },
    }
}

/// The error of writing to standard output, if there was one.
type Failed = Rc<RefCell<Option<io::Error>>>;

fn write_fraud(args: &FraudArgs, failed: &Failed) -> Result<()> {
    let mut writer = match &args.out {
        Some(path) => open_file(path, args.format)?,
        None => open_stdout(args.format, failed)?,
    };
    let config = FraudConfig { rows: args.rows, seed: args.seed, customers: args.customers, ..FraudConfig::default() };
    let schema = FraudSimulator::schema();
    for rows in FraudSimulator::new(config).record_batches(8_192) {
        writer.write(&Batch::new(rows, &schema)?)?;
    }
    let committables = writer.prepare(Epoch(0))?;
    writer.commit(&committables)
}

fn open_file(path: &Path, format: Option<Format>) -> Result<Box<dyn SinkWriter>> {
    let schema = FraudSimulator::schema();
    let mut options = vec![("path", path.display().to_string())];
    options.extend(format.map(|format| ("format", format.name().to_owned())));
    let sink = Registry::with_builtin().sink("file", &Options::new(options), &schema)?;
    sink.open(&schema, &SinkContext::new(0, 1))
}

fn open_stdout(format: Option<Format>, failed: &Failed) -> Result<Box<dyn SinkWriter>> {
    let format = match format {
        None | Some(Format::Json) => StdoutFormat::Json,
        Some(Format::Csv) => StdoutFormat::Csv,
        Some(Format::Parquet) => {
            let error = Error::job("Parquet cannot be written to standard output");
            return Err(error.help("name a file with --out, or choose --format json or csv"));
        }
    };
    Ok(StdoutSink::new(format).open_to(&FraudSimulator::schema(), Box::new(Output(Rc::clone(failed)))))
}

/// Standard output; keeps the error that ended it.
struct Output(Failed);

impl Output {
    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let same = io::Error::from(error.kind());
            *self.0.borrow_mut() = Some(error);
            same
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.keep(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.keep(io::stdout().flush())
    }
}
