//! What the parts of the suite share.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use egret_connectors::format::JsonEncoder;
use egret_core::StreamSchema;
use std::time::{Duration, Instant};

/// Columns `id` and `text`.
pub(crate) fn schema() -> StreamSchema {
    let fields = vec![Field::new("id", DataType::Int64, false), Field::new("text", DataType::Utf8, true)];
    StreamSchema::new(fields, None).unwrap()
}

/// Rows as JSON, each without its line end.
pub(crate) fn lines(rows: &RecordBatch) -> Vec<String> {
    let mut text = Vec::new();
    JsonEncoder::new(rows.schema_ref().fields()).encode(rows, &mut text).unwrap();
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

/// Lets others work; gives up when nothing has come of that for long.
#[derive(Default)]
pub(crate) struct Waits(Option<Instant>);

impl Waits {
    pub(crate) fn wait(&mut self) {
        let since = *self.0.get_or_insert_with(Instant::now);
        assert!(since.elapsed() < Duration::from_secs(60), "what is waited for does not come");
        std::thread::yield_now();
    }
}

/// The splitmix64 generator.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}
