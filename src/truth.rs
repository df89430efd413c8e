//! Alerts against the truth: precision and recall, where the input says what was fraud.
//!
//! A sink with the options `truth = 'txn'`, `truth_key = 'id'`, `truth_label = 'fraud'` and `alert_key = 'txn'` compares the keys of its
//! rows with the rows of that stream whose label is true. `truth_group = 'scenario'` splits recall by a column. The keys of
//! all positive rows and of all alerts are kept, so it is for bounded input.

use arrow::array::{Array, ArrayRef, AsArray};
use egret_core::key::encode_key;
use egret_core::{
    Batch, Context, Epoch, Error, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateLayout, StateSize,
};
use egret_engine::{JobReport, NodeReport};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The name of the node begins with this, the sink's name follows.
pub const NODE: &str = "truth of ";

/// Makes the comparing operator: input 0 is the alerts (one column, the key), input 1 the truth (key, label, group as text).
#[derive(Clone, Debug, Default)]
pub struct TruthFactory {
    /// What the keys that it keeps are, for checkpoints.
    pub facts: Vec<(String, String)>,
}

impl OperatorFactory for TruthFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(TruthOperator::default()))
    }

    fn describe(&self) -> Vec<String> {
        vec!["precision and recall of the alerts".into()]
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        StateLayout::own(self.facts.clone())
    }
}

/// Collects keys; counts at the end.
#[derive(Default)]
struct TruthOperator {
    alerts: BTreeSet<Vec<u8>>,
    positives: BTreeMap<Vec<u8>, String>,
}

impl TruthOperator {
    fn take_truth(&mut self, rows: &Batch) -> Result<()> {
        let label = rows.column(1).as_boolean_opt().ok_or_else(|| Error::job("the label of the truth is not a BOOLEAN"))?;
        let groups = arrow::compute::cast(rows.column(2), &arrow::datatypes::DataType::Utf8)?;
        let groups = groups.as_string::<i32>();
        for row in (0..rows.num_rows()).filter(|&row| label.is_valid(row) && label.value(row)) {
            let group = if groups.is_valid(row) { groups.value(row).to_owned() } else { String::new() };
            self.positives.insert(key(rows.column(0), row)?, group);
        }
        Ok(())
    }
}

fn key(column: &ArrayRef, row: usize) -> Result<Vec<u8>> {
    let mut key = Vec::new();
    encode_key(std::slice::from_ref(column), row, &mut key)?;
    Ok(key)
}

impl Operator for TruthOperator {
    fn process(&mut self, input: usize, batch: Batch, _ctx: &mut Context<'_>) -> Result<()> {
        if input == 1 {
            return self.take_truth(&batch);
        }
        for row in 0..batch.num_rows() {
            self.alerts.insert(key(batch.column(0), row)?);
        }
        Ok(())
    }

    fn close(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        let counters = ctx.counters();
        let found = |key: &Vec<u8>| i64::from(self.alerts.contains(key));
        counters.add_named("alerts", self.alerts.len() as i64);
        counters.add_named("positives", self.positives.len() as i64);
        counters.add_named("found", self.positives.keys().map(found).sum());
        for (key, group) in self.positives.iter().filter(|(_, group)| !group.is_empty()) {
            counters.add_named(&format!("positives {group}"), 1);
            counters.add_named(&format!("found {group}"), found(key));
        }
        Ok(())
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        let bytes = postcard::to_stdvec(&(&self.alerts, &self.positives))?;
        Ok(Snapshot { operator: vec![bytes], ..Snapshot::default() })
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        for bytes in parts.iter().flat_map(|part| &part.operator) {
            let (alerts, positives): (BTreeSet<Vec<u8>>, BTreeMap<Vec<u8>, String>) = postcard::from_bytes(bytes)?;
            self.alerts.extend(alerts);
            self.positives.extend(positives);
        }
        Ok(())
    }

    fn state_size(&self) -> StateSize {
        let keys = self.alerts.len() + self.positives.len();
        StateSize { keys: keys as u64, bytes: 64 * keys as u64 }
    }
}

/// How good the alerts of one sink are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quality {
    /// The sink.
    pub sink: String,
    /// Different keys alerted.
    pub alerts: i64,
    /// Rows whose label is true.
    pub positives: i64,
    /// Those among them that were alerted.
    pub found: i64,
    /// Positives and found by group.
    pub groups: Vec<(String, i64, i64)>,
}

impl Quality {
    /// The qualities that a job's report tells of.
    pub fn of(report: &JobReport) -> Vec<Self> {
        report.nodes.iter().filter_map(Self::of_node).collect()
    }

    fn of_node(node: &NodeReport) -> Option<Self> {
        let sink = node.name.strip_prefix(NODE)?.to_owned();
        let get = |name: &str| node.named.get(name).copied().unwrap_or(0);
        let groups = node
            .named
            .iter()
            .filter_map(|(name, positives)| {
                let group = name.strip_prefix("positives ")?;
                Some((group.to_owned(), *positives, get(&format!("found {group}"))))
            })
            .collect();
        Some(Self { sink, alerts: get("alerts"), positives: get("positives"), found: get("found"), groups })
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: i64, whole: i64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let (alerts, positives, found) = (self.alerts, self.positives, self.found);
        write!(
            f,
            "{}: precision {:.3} ({found} of {alerts}), recall {:.3} ({found} of {positives})",
            self.sink,
            share(found, alerts),
            share(found, positives)
        )?;
        for (group, positives, found) in &self.groups {
            write!(f, "\n             {group:<18} recall {:.3} ({found} of {positives})", share(*found, *positives))?;
        }
        Ok(())
    }
}
