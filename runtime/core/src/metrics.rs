//! Counters that operators raise and the live display, the summary and the benchmarks read.

use crate::{EventTime, StateSize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The counters of one node of the job graph, shared by its instances in this process.
#[derive(Debug)]
pub struct Counters {
    /// Rows taken in.
    pub rows_in: AtomicU64,
    /// Rows sent out, all outputs together.
    pub rows_out: AtomicU64,
    /// Rows that came too late and were not used.
    pub late: AtomicU64,
    /// Rows that could not be read and were skipped or sent to a dead-letter file.
    pub bad: AtomicU64,
    state: Mutex<BTreeMap<usize, (u64, u64)>>,
    state_peak_bytes: AtomicU64,
    watermark: AtomicI64,
    named: Mutex<BTreeMap<String, i64>>,
    notes: Mutex<Vec<String>>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            late: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            state: Mutex::default(),
            state_peak_bytes: AtomicU64::new(0),
            watermark: AtomicI64::new(EventTime::MIN.0),
            named: Mutex::default(),
            notes: Mutex::default(),
        }
    }
}

impl Counters {
    /// Raises a counter.
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Reads a counter.
    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// Says how many keys and bytes of state an instance has.
    pub fn set_state(&self, instance: usize, keys: u64, bytes: u64) {
        let mut instances = self.state.lock().expect("no holder of this lock panics");
        instances.insert(instance, (keys, bytes));
        let sum = instances.values().map(|(_, bytes)| bytes).sum();
        self.state_peak_bytes.fetch_max(sum, Ordering::Relaxed);
    }

    /// The largest state seen, in bytes.
    pub fn state_peak_bytes(&self) -> u64 {
        self.state_peak_bytes.load(Ordering::Relaxed)
    }

    /// Keys and bytes of state, over all instances.
    pub fn state(&self) -> StateSize {
        let instances = self.state.lock().expect("no holder of this lock panics");
        instances
            .values()
            .fold(StateSize::default(), |sum, (keys, bytes)| StateSize { keys: sum.keys + keys, bytes: sum.bytes + bytes })
    }

    /// Raises a counter of the operator's own. Not for every row: it takes a lock.
    pub fn add_named(&self, name: &str, by: i64) {
        let mut named = self.named.lock().expect("no holder of this lock panics");
        *named.entry(name.to_owned()).or_default() += by;
    }

    /// The operator's own counters.
    pub fn named(&self) -> BTreeMap<String, i64> {
        self.named.lock().expect("no holder of this lock panics").clone()
    }

    /// Keeps a remark for the summary; the first few are kept.
    pub fn note(&self, note: impl Into<String>) {
        const NOTES_MAX: usize = 8;
        let mut notes = self.notes.lock().expect("no holder of this lock panics");
        if notes.len() < NOTES_MAX {
            notes.push(note.into());
        }
    }

    /// The remarks.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().expect("no holder of this lock panics").clone()
    }

    /// The last watermark any instance passed on.
    pub fn watermark(&self) -> EventTime {
        EventTime(self.watermark.load(Ordering::Relaxed))
    }

    /// Takes over the totals that another process reports, in place of what was here.
    pub fn mirror(&self, rows_in: u64, rows_out: u64, late: u64, bad: u64, state: StateSize, watermark: EventTime) {
        self.rows_in.store(rows_in, Ordering::Relaxed);
        self.rows_out.store(rows_out, Ordering::Relaxed);
        self.late.store(late, Ordering::Relaxed);
        self.bad.store(bad, Ordering::Relaxed);
        self.set_state(0, state.keys, state.bytes);
        self.set_watermark(watermark);
    }

    /// Says that an instance passed a watermark on.
    pub fn set_watermark(&self, watermark: EventTime) {
        self.watermark.fetch_max(watermark.0, Ordering::Relaxed);
    }
}

/// The counters of a whole job, one entry a node, in the order of the graph.
#[derive(Clone, Debug, Default)]
pub struct JobMetrics {
    /// Node names and their counters.
    pub nodes: Vec<(Arc<str>, Arc<Counters>)>,
}
