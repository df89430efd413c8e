//! The workloads, each in the language and in the Stream API.

use crate::checksum::{ChecksumSink, Hash};
use crate::generator::{TransactionSource, Transactions};
use crate::keys::EveryCardOnce;
use crate::latency::{LatencySink, PacedSource, Samples};
use crate::running::{Running, TickSink};
use crate::sets::TenColumns;
use egret::Program;
use egret::core::JobGraph;
use egret::core::{KeyColumns, Source};
use egret::operators::window::{AggregateCall, WindowKind, WindowSpec};
use egret::prelude::*;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The workloads there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Two small amounts, then a big one, per card, within ten minutes
    W1,
    /// As w1, with a condition on earlier events of the match
    W1b,
    /// Sum and count per card, tumbling 10 s
    W2,
    /// Average per card, sliding 60 s every 10 s
    W3card,
    /// Average per country, sliding 60 s every 10 s
    W3country,
    /// Filter and map
    W4,
    /// W1 in SQL, with MATCH_RECOGNIZE
    W5a,
    /// Running count, mean and variance of every card, in keyed state
    W6,
    /// JSON lines file, then w1, then JSON lines file
    W7,
    /// Latency of w1 in processing time, 50,000 events/s
    W8c,
    /// Latency of w1 in event time, 50,000 events/s
    W8d,
    /// As w8d, 100,000 events/s
    Latency,
    /// Memory of a million keys with one open partial match each, at most and when all have expired
    Keys,
    /// Many patterns at once: random thresholds over the same ten columns
    Sets,
}

/// How a workload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Via {
    /// In the Egret language
    Text,
    /// With the Stream API
    Rust,
    /// In the language, every MATCH_RECOGNIZE on the engine of row patterns
    Rows,
}

impl Workload {
    /// The default event time for each event: 1 ms for patterns, 10 us for windows.
    pub(crate) fn default_per(self) -> u64 {
        if matches!(self, Self::W2 | Self::W3card | Self::W3country) { 100 } else { 1 }
    }

    fn hash(self) -> Hash {
        match self {
            Self::W1 | Self::W1b | Self::W5a | Self::W7 | Self::W8c | Self::W8d | Self::Latency | Self::Keys | Self::Sets => {
                Hash::Match
            }
            Self::W2 => Hash::Sum,
            Self::W3card | Self::W3country => Hash::Average,
            Self::W4 => Hash::Converted,
            Self::W6 => Hash::Running,
        }
    }

    /// The statements after that of the stream.
    fn statements(self) -> String {
        let select = |columns: &str, big: &str| {
            let names = columns.split(", ").filter_map(|column| column.rsplit(' ').next()).collect::<Vec<_>>().join(", ");
            format!(
                "CREATE PATTERN found ON txn PARTITION BY card_id
                   MATCH small{{2}} -> big
                   DEFINE small AS amount < 10, big AS {big}
                   WITHIN INTERVAL '10' MINUTE
                   AFTER MATCH SKIP PAST LAST EVENT
                   SELECT {columns};
                 INSERT INTO out SELECT {names} FROM found;"
            )
        };
        let pattern = |big: &str| select("first(small.txn_id) AS a, last(small.txn_id) AS b, big.txn_id AS c", big);
        let average = |key: &str| {
            format!(
                "INSERT INTO out SELECT {key}, window_start, avg(amount) AS mean
                 FROM HOP(txn, ts, INTERVAL '10' SECOND, INTERVAL '60' SECOND)
                 GROUP BY {key}, window_start, window_end;"
            )
        };
        match self {
            Self::W1 | Self::Keys => pattern("amount > 900"),
            Self::W8c | Self::W8d | Self::Latency => select("big.due_us AS due, big.made_us AS made", "amount > 900"),
            Self::W1b => pattern("country <> last(small.country) AND amount > 150 * avg(small.amount)"),
            Self::W2 => "INSERT INTO out SELECT card_id, window_start, sum(amount) AS total, count(*) AS n
                         FROM TUMBLE(txn, ts, INTERVAL '10' SECOND) GROUP BY card_id, window_start, window_end;"
                .into(),
            Self::W3card => average("card_id"),
            Self::W3country => average("country"),
            Self::W4 => {
                "INSERT INTO out SELECT card_id, amount * 0.908 AS amount, country, ts FROM txn WHERE amount >= 10.0;".into()
            }
            Self::W5a => "INSERT INTO out SELECT a, b, c FROM txn MATCH_RECOGNIZE (
                   PARTITION BY card_id ORDER BY ts
                   MEASURES S1.txn_id AS a, S2.txn_id AS b, B.txn_id AS c
                   ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
                   PATTERN (S1 X1*? S2 X2*? B) WITHIN INTERVAL '10' MINUTE
                   DEFINE S1 AS amount < 10, X1 AS amount >= 10, S2 AS amount < 10, X2 AS amount <= 900, B AS amount > 900);"
                .into(),
            // Written by `sets`, and in the Stream API.
            Self::Sets | Self::W6 => String::new(),
            Self::W7 => "CREATE PATTERN found ON txn PARTITION BY card_id
                   MATCH small{2} -> big
                   DEFINE small AS amount < 10, big AS amount > 900
                   WITHIN INTERVAL '10' MINUTE
                   AFTER MATCH SKIP PAST LAST EVENT
                   SELECT first(small.txn_id) AS a, last(small.txn_id) AS b, big.txn_id AS c,
                          card_id, big.amount AS amount, big.ts AS ts;
                 INSERT INTO out SELECT a, b, c FROM found;
                 INSERT INTO alerts SELECT card_id, a, b, c, amount, ts FROM found;"
                .into(),
        }
    }

    fn program(self, source_options: &str, more: &str) -> String {
        format!(
            "CREATE STREAM txn (txn_id BIGINT NOT NULL, card_id BIGINT NOT NULL, amount DOUBLE NOT NULL, country INT NOT NULL, ts TIMESTAMP,
               WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ({source_options});
             CREATE SINK out WITH (connector = 'checksum');
             {more}
             {}",
            self.statements()
        )
    }

    /// The job over generated transactions.
    pub(crate) fn job(self, via: Via, transactions: Transactions, stripes: usize) -> anyhow::Result<JobGraph> {
        let source: Arc<dyn Source> = match self {
            Self::Keys => Arc::new(EveryCardOnce::new(transactions.cards)),
            _ => Arc::new(TransactionSource::new(transactions, stripes)),
        };
        match via {
            _ if self == Self::W6 => self.running_job(source),
            Via::Text | Via::Rows => {
                let program = Program::new(&format!("{self:?}"), &self.program("connector = 'transactions'", ""))
                    .with_source("txn", source)
                    .with_sink("out", Arc::new(ChecksumSink(self.hash())));
                let program = if via == Via::Rows { program.with_row_patterns_only() } else { program };
                Ok(program.plan().map_err(|errors| anyhow::anyhow!("{errors}"))?.job)
            }
            Via::Rust => self.stream_job(source),
        }
    }

    fn running_job(self, source: Arc<dyn Source>) -> anyhow::Result<JobGraph> {
        let job = Job::new();
        let txn = job.source("txn", source, None)?.select(&["card_id", "amount"])?;
        txn.key_by(&["card_id"])?.process(|| Running)?.sink("out", Arc::new(TickSink))?;
        Ok(job.graph())
    }

    /// The job of many patterns.
    pub(crate) fn set_job(self, patterns: usize, rare: f64, events: u64, cards: u64) -> anyhow::Result<JobGraph> {
        let program = Program::new("sets", &crate::sets::statements(patterns, rare))
            .with_source("txn", Arc::new(TenColumns::new(events, cards)))
            .with_sink("out", Arc::new(ChecksumSink(self.hash())));
        Ok(program.plan().map_err(|errors| anyhow::anyhow!("{errors}"))?.job)
    }

    /// Events per second of the latency workloads.
    pub(crate) fn rate(self) -> Option<u64> {
        match self {
            Self::W8c | Self::W8d => Some(50_000),
            Self::Latency => Some(100_000),
            _ => None,
        }
    }

    /// The job over transactions at a fixed rate.
    pub(crate) fn paced_job(
        self,
        transactions: Transactions,
        rate: u64,
        stripes: usize,
        samples: Arc<Mutex<Samples>>,
    ) -> anyhow::Result<JobGraph> {
        let watermark = if self == Self::W8c { "" } else { ", WATERMARK FOR ts AS ts" };
        let text = format!(
            "CREATE STREAM txn (txn_id BIGINT NOT NULL, card_id BIGINT NOT NULL, amount DOUBLE NOT NULL, country INT NOT NULL,
               ts TIMESTAMP NOT NULL, due_us BIGINT NOT NULL, made_us BIGINT NOT NULL{watermark}) WITH (connector = 'paced');
             CREATE SINK out WITH (connector = 'latency');
             {}",
            self.statements()
        );
        let program = Program::new(&format!("{self:?}"), &text)
            .with_source("txn", Arc::new(PacedSource::new(transactions, rate, stripes)))
            .with_sink("out", Arc::new(LatencySink(samples)));
        Ok(program.plan().map_err(|errors| anyhow::anyhow!("{errors}"))?.job)
    }

    /// The job over JSON files.
    pub(crate) fn file_job(self, input: &Path, output: &Path) -> anyhow::Result<JobGraph> {
        let source = format!("connector = 'file', format = 'json', path = '{}'", input.display());
        let sink = format!("CREATE SINK alerts WITH (connector = 'file', format = 'json', path = '{}');", output.display());
        let program = Program::new("w7", &self.program(&source, &sink)).with_sink("out", Arc::new(ChecksumSink(self.hash())));
        Ok(program.plan().map_err(|errors| anyhow::anyhow!("{errors}"))?.job)
    }

    fn stream_job(self, source: Arc<dyn Source>) -> anyhow::Result<JobGraph> {
        let job = Job::new();
        let watermark = WatermarkStrategy::bounded_out_of_orderness(Duration::from_secs(1));
        let txn = job.source("txn", source, Some(watermark))?;
        let window = |kind, name: &str, calls: &[&str]| -> Result<WindowSpec> {
            let aggregates = calls
                .iter()
                .enumerate()
                .map(|(n, call)| AggregateCall::parse(&format!("{name}{n}"), call, txn.schema()))
                .collect::<Result<_>>()?;
            Ok(WindowSpec { keys: KeyColumns::new(Vec::new()), kind, aggregates, allowed_lateness_us: 0 })
        };
        let sliding = WindowKind::Sliding { size_us: 60_000_000, slide_us: 10_000_000 };
        let result = match self {
            Self::W1 | Self::Keys => crate::patterns::match_w1(&txn)?,
            Self::W1b => crate::patterns::match_w1b(&txn)?,
            Self::W2 => txn
                .select(&["card_id", "amount", "ts"])?
                .key_by(&["card_id"])?
                .window(window(WindowKind::Tumbling { size_us: 10_000_000 }, "a", &["sum(amount)", "count(*)"])?)?
                .select(&["card_id", "window_start", "a0", "a1"])?,
            Self::W3card => txn.key_by(&["card_id"])?.window(window(sliding, "a", &["avg(amount)"])?)?.select(&[
                "card_id",
                "window_start",
                "a0",
            ])?,
            Self::W3country => txn.key_by(&["country"])?.window(window(sliding, "a", &["avg(amount)"])?)?.select(&[
                "country",
                "window_start",
                "a0",
            ])?,
            Self::W4 => txn.filter("amount >= 10.0")?.select(&["card_id", "amount * 0.908 AS amount", "country", "ts"])?,
            Self::W5a => anyhow::bail!("w5a is SQL: run it with --via text"),
            Self::W6 | Self::W7 | Self::W8c | Self::W8d | Self::Latency | Self::Sets => {
                anyhow::bail!("{self:?} is written in the language: run it with --via text")
            }
        };
        result.sink("out", Arc::new(ChecksumSink(self.hash())))?;
        Ok(job.graph())
    }
}
