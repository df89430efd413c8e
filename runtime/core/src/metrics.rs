//! Counters that operators update, for the live display, the summary and the benchmarks.

use crate::{EventTime, StateSize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A split that holds the watermark back while other splits have advanced further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The split's id.
    pub split: String,
    /// The watermark that cannot move.
    pub at: EventTime,
    /// How far other splits have come.
    pub reached: EventTime,
    /// Since when, by the wall clock.
    pub since: EventTime,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { split, at, reached, since } = self;
        match *at {
            EventTime::MIN => write!(f, "held back by {split}, which has given no row, since {since}; others are at {reached}"),
            _ => write!(f, "held back at {at} by {split} since {since}; others are at {reached}"),
        }
    }
}

/// The counters of one node of the job graph, shared by its instances in this process.
#[derive(Debug)]
pub struct Counters {
    /// Rows taken in.
    pub rows_in: AtomicU64,
    /// Rows sent out, all outputs together.
    pub rows_out: AtomicU64,
    /// Rows that came too late and were not used.
    pub late: AtomicU64,
    /// Rows that could not be read or computed, and were left out or sent to a dead-letter file.
    pub bad: AtomicU64,
    state: Mutex<BTreeMap<usize, (u64, u64)>>,
    state_peak_bytes: AtomicU64,
    watermark: AtomicI64,
    named: Mutex<BTreeMap<String, i64>>,
    notes: Mutex<Vec<String>>,
    /// The watermark of the split that is furthest ahead.
    reached: AtomicI64,
    holds: Mutex<BTreeMap<usize, Hold>>,
    remarked: AtomicBool,
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
            reached: AtomicI64::new(EventTime::MIN.0),
            holds: Mutex::default(),
            remarked: AtomicBool::new(false),
        }
    }
}

impl Counters {
    /// Increments a counter.
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Reads a counter.
    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// Counts rows that were left out; returns the count before.
    pub fn add_bad(&self, by: u64) -> u64 {
        self.bad.fetch_add(by, Ordering::Relaxed)
    }

    /// Sets how many keys and bytes of state an instance has.
    pub fn set_state(&self, instance: usize, keys: u64, bytes: u64) {
        let mut instances = self.state.lock().expect("no holder of this lock panics");
        instances.insert(instance, (keys, bytes));
        let sum = instances.values().map(|(_, bytes)| bytes).sum();
        self.state_peak_bytes.fetch_max(sum, Ordering::Relaxed);
    }

    /// The greatest size of the state so far, in bytes.
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

    /// Increments one of the operator's own counters. It takes a lock, so do not call it for every row.
    pub fn add_named(&self, name: &str, by: i64) {
        let mut named = self.named.lock().expect("no holder of this lock panics");
        *named.entry(name.to_owned()).or_default() += by;
    }

    /// The operator's own counters.
    pub fn named(&self) -> BTreeMap<String, i64> {
        self.named.lock().expect("no holder of this lock panics").clone()
    }

    /// Adds a remark to the summary; only the first few are kept.
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

    /// The last watermark that any instance has passed on.
    pub fn watermark(&self) -> EventTime {
        EventTime(self.watermark.load(Ordering::Relaxed))
    }

    /// For sources: a split has reached a watermark.
    pub fn set_reached(&self, watermark: EventTime) {
        self.reached.fetch_max(watermark.0, Ordering::Relaxed);
    }

    /// For sources: the greatest watermark of all splits.
    pub fn reached(&self) -> EventTime {
        EventTime(self.reached.load(Ordering::Relaxed))
    }

    /// For sources: sets what holds back the watermark of an instance, if anything does.
    pub fn set_hold(&self, instance: usize, hold: Option<Hold>) {
        let mut holds = self.holds.lock().expect("no holder of this lock panics");
        match hold {
            Some(hold) => holds.insert(instance, hold),
            None => holds.remove(&instance),
        };
    }

    /// The splits that hold back the watermark, the one furthest behind first.
    pub fn holds(&self) -> Vec<Hold> {
        let mut holds: Vec<Hold> = self.holds.lock().expect("no holder of this lock panics").values().cloned().collect();
        holds.sort_by_key(|hold| hold.at);
        holds
    }

    /// Replaces the holds by those that other processes report.
    pub fn mirror_holds(&self, reported: &[Hold]) {
        let mut holds = self.holds.lock().expect("no holder of this lock panics");
        *holds = reported.iter().cloned().enumerate().collect();
    }

    /// For sources: true on the first call, for a remark that is made once for each stream.
    pub fn remarks_now(&self) -> bool {
        !self.remarked.swap(true, Ordering::Relaxed)
    }

    /// Replaces the totals by those that another process reports.
    pub fn mirror(&self, rows_in: u64, rows_out: u64, late: u64, bad: u64, state: StateSize, watermark: EventTime) {
        self.rows_in.store(rows_in, Ordering::Relaxed);
        self.rows_out.store(rows_out, Ordering::Relaxed);
        self.late.store(late, Ordering::Relaxed);
        self.bad.store(bad, Ordering::Relaxed);
        self.set_state(0, state.keys, state.bytes);
        self.set_watermark(watermark);
    }

    /// Records that an instance passed a watermark on.
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
