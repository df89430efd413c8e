//! Compares alerts with ground truth: precision and recall, where the input says what was fraud.
//!
//! A sink with the options `truth = 'txn'`, `truth_key = 'id'`, `truth_label = 'fraud'` and `alert_key = 'txn'` compares the keys
//! of its rows with the rows of that stream whose label is true. `truth_group = 'scenario'` splits recall by a column. The keys
//! of all positive rows and of all alerts are kept, so this is for bounded input.

use egret_engine::{JobReport, NodeReport};
use std::fmt;

/// The prefix of the node's name, followed by the sink's name.
pub const NODE: &str = "truth of ";

/// The quality of the alerts of one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quality {
    /// The sink.
    pub sink: String,
    /// Distinct keys alerted.
    pub alerts: i64,
    /// Rows whose label is true.
    pub positives: i64,
    /// Positive rows that were alerted.
    pub found: i64,
    /// For each group, its positives and those found.
    pub groups: Vec<(String, i64, i64)>,
}

impl Quality {
    /// The qualities in a job's report.
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
