//! The transactions as Arrow rows.

use super::{FraudSimulator, Transaction};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use egret_core::{EventTime, StreamSchema};
use std::sync::Arc;

impl FraudSimulator {
    /// The columns: id, card, device, terminal, amount, country, at (event time), fraud, scenario (null where there is none).
    pub fn schema() -> StreamSchema {
        let fields = vec![
            Field::new("id", DataType::Int64, false),
            Field::new("card", DataType::Int64, false),
            Field::new("device", DataType::Utf8, false),
            Field::new("terminal", DataType::Int64, false),
            Field::new("amount", DataType::Float64, false),
            Field::new("country", DataType::Utf8, false),
            StreamSchema::time_field("at"),
            Field::new("fraud", DataType::Boolean, false),
            Field::new("scenario", DataType::Utf8, true),
        ];
        StreamSchema::new(fields, Some("at")).expect("nine different columns, one of them event time")
    }

    /// The transactions in batches of `batch_rows` rows.
    pub fn record_batches(self, batch_rows: usize) -> RecordBatches {
        RecordBatches { simulator: self, schema: Self::schema(), batch_rows: batch_rows.max(1) }
    }
}

/// Batches of transactions.
pub struct RecordBatches {
    simulator: FraudSimulator,
    schema: StreamSchema,
    batch_rows: usize,
}

impl Iterator for RecordBatches {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        let rows: Vec<Transaction> = self.simulator.by_ref().take(self.batch_rows).collect();
        if rows.is_empty() {
            return None;
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.card))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.device))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.terminal))),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.amount))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.country))),
            Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| EventTime::from_millis(row.at_ms).0))),
            Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.scenario.is_some())))),
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.scenario))),
        ];
        Some(RecordBatch::try_new(Arc::clone(self.schema.arrow()), columns).expect("nine columns of the schema's types"))
    }
}
