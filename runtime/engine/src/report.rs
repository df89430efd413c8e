//! What a job did, node by node.

use crate::checkpoint::CheckpointReport;
use egret_core::StateSize;
use egret_core::metrics::{Counters, Hold, JobMetrics};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What happened at one node, over all workers and processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The node's name.
    pub name: String,
    /// Rows taken in.
    pub rows_in: u64,
    /// Rows given out.
    pub rows_out: u64,
    /// Rows that came too late to be used.
    pub late: u64,
    /// Rows that could not be read.
    pub bad: u64,
    /// State at the end.
    pub state: StateSize,
    /// The largest state seen.
    pub state_peak_bytes: u64,
    /// The operator's own counters.
    pub named: BTreeMap<String, i64>,
    /// Remarks for the summary.
    pub notes: Vec<String>,
    /// The last watermark, in microseconds.
    pub watermark_us: i64,
    /// Of a source: what keeps the watermark from moving.
    #[serde(default)]
    pub holds: Vec<Hold>,
}

impl NodeReport {
    fn of(name: &str, counters: &Counters) -> Self {
        Self {
            name: name.to_owned(),
            rows_in: Counters::read(&counters.rows_in),
            rows_out: Counters::read(&counters.rows_out),
            late: Counters::read(&counters.late),
            bad: Counters::read(&counters.bad),
            state: counters.state(),
            state_peak_bytes: counters.state_peak_bytes(),
            named: counters.named(),
            notes: counters.notes(),
            watermark_us: counters.watermark().0,
            holds: counters.holds(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.late += other.late;
        self.bad += other.bad;
        self.state.keys += other.state.keys;
        self.state.bytes += other.state.bytes;
        self.state_peak_bytes += other.state_peak_bytes;
        for (name, value) in &other.named {
            let sum = self.named.entry(name.clone()).or_default();
            *sum = sum.wrapping_add(*value);
        }
        self.notes.extend(other.notes.iter().cloned());
        self.watermark_us = self.watermark_us.max(other.watermark_us);
        self.holds.extend(other.holds.iter().cloned());
    }
}

/// What a job did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Every node, in the order of the graph.
    pub nodes: Vec<NodeReport>,
    /// From start to end.
    pub elapsed: Duration,
    /// CPU time of all processes of the job, start-up of this process included.
    pub cpu: Duration,
    /// The most memory the processes held, added up.
    pub peak_rss_bytes: u64,
    /// Whether somebody stopped the job before its input ended.
    pub stopped: bool,
    /// How often it was started again.
    #[serde(default)]
    pub restarts: u32,
    /// What came of checkpoints.
    #[serde(default)]
    pub checkpoints: CheckpointReport,
}

impl JobReport {
    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&NodeReport> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The sum of a counter of the operators' own over all nodes, wrapping.
    pub fn named(&self, name: &str) -> i64 {
        self.nodes.iter().filter_map(|node| node.named.get(name)).fold(0, |sum, value| sum.wrapping_add(*value))
    }

    pub(crate) fn of(metrics: &JobMetrics, elapsed: Duration, stopped: bool) -> Self {
        let nodes = metrics.nodes.iter().map(|(name, counters)| NodeReport::of(name, counters)).collect();
        let (cpu, peak_rss_bytes) = usage();
        Self { nodes, elapsed, cpu, peak_rss_bytes, stopped, restarts: 0, checkpoints: CheckpointReport::default() }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if self.nodes.is_empty() {
            self.nodes = other.nodes.clone();
        } else {
            self.nodes.iter_mut().zip(&other.nodes).for_each(|(mine, theirs)| mine.add(theirs));
        }
        self.elapsed = self.elapsed.max(other.elapsed);
        self.cpu += other.cpu;
        self.peak_rss_bytes += other.peak_rss_bytes;
        self.stopped |= other.stopped;
        self.checkpoints.add(&other.checkpoints);
    }
}

/// CPU time and peak memory of this process, as Linux tells them; zero elsewhere.
fn usage() -> (Duration, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let cpu = Duration::from_millis(fields.iter().sum::<u64>() * 10);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|rest| rest.split_whitespace().next());
    (cpu, peak.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1_024)
}
