//! Compares alerts with ground truth: how many of the positives were found.

use arrow::array::{Array, ArrayRef, AsArray};
use egret_core::key::encode_key;
use egret_core::{
    Batch, Context, Epoch, Error, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateLayout, StateSize,
};
use std::collections::{BTreeMap, BTreeSet};

/// Makes the operator that compares: input 0 has the alerts (one column, the key), input 1 the truth (key, label, group as text).
#[derive(Clone, Debug, Default)]
pub struct TruthFactory {
    /// Facts about the keys that it keeps, for checkpoints.
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

/// Collects keys, and counts when the input ends.
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
        Ok(Snapshot { first: vec![bytes], ..Snapshot::default() })
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        for bytes in parts.iter().flat_map(|part| &part.first) {
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
