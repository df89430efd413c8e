//! The updates that a graph sends to its readers: what is different since the last version.
//!
//! # Format
//! A stream of rows, in order of `version_time`. The update of one version is first the components that are new or
//! different, by id, then the vertices that went elsewhere, by side and key, then the components that are no more, by id.
//!
//! | column | vertex | vertex that left | component | component that is no more |
//! | --- | --- | --- | --- | --- |
//! | `version_time` | start of the step | the same | the same | the same |
//! | `side` | 0 from, 1 to | the same | null | null |
//! | `key` | canonical encoding | the same | null | null |
//! | `component` | its component's id | null | id | id |
//! | `name` | null | null | the least `from` vertex, canonical encoding | null |
//! | `from_size`, `to_size` | null | null | how many vertices on each side | null |
//!
//! A component's id stays with the larger part when it falls apart and with the larger one when two join, so few vertices
//! change theirs; what a component *is*, its name and sizes, is told once for all its vertices.

use crate::census::{ComponentChange, Facts};
use crate::components::Change;
use crate::vertices::{Side, Vertices};
use arrow::array::{
    Array, AsArray, BinaryArray, BinaryBuilder, Int64Array, Int64Builder, RecordBatch, TimestampMicrosecondBuilder, UInt8Array,
    UInt8Builder, UInt64Array, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Int64Type, UInt8Type, UInt64Type};
use egret_core::{Error, Result, StreamSchema};
use egret_operators::knowledge::VERSION_TIME;
use std::sync::Arc;

/// The columns of updates.
pub(crate) fn update_schema() -> Result<StreamSchema> {
    StreamSchema::new(
        vec![
            StreamSchema::time_field(VERSION_TIME),
            Field::new("side", DataType::UInt8, true),
            Field::new("key", DataType::Binary, true),
            Field::new("component", DataType::UInt64, true),
            Field::new("name", DataType::Binary, true),
            Field::new("from_size", DataType::Int64, true),
            Field::new("to_size", DataType::Int64, true),
        ],
        Some(VERSION_TIME),
    )
}

/// Updates on their way out.
pub(crate) struct UpdateWriter {
    schema: StreamSchema,
    rows: usize,
    version_time: TimestampMicrosecondBuilder,
    side: UInt8Builder,
    key: BinaryBuilder,
    component: UInt64Builder,
    name: BinaryBuilder,
    sizes: [Int64Builder; 2],
    scratch: Vec<u8>,
}

impl UpdateWriter {
    pub(crate) fn new(schema: &StreamSchema) -> Self {
        Self {
            schema: schema.clone(),
            rows: 0,
            version_time: TimestampMicrosecondBuilder::new(),
            side: UInt8Builder::new(),
            key: BinaryBuilder::new(),
            component: UInt64Builder::new(),
            name: BinaryBuilder::new(),
            sizes: [Int64Builder::new(), Int64Builder::new()],
            scratch: Vec::new(),
        }
    }

    /// The update of one version. The changes are in order already.
    pub(crate) fn write(&mut self, version_time: i64, changes: &[Change], components: &[ComponentChange], vertices: &Vertices) {
        for change in components {
            if let Some(facts) = change.after {
                self.write_component(version_time, change, Some((facts, vertices)));
            }
        }
        for change in changes {
            self.write_vertex(version_time, change, vertices);
        }
        for change in components.iter().filter(|change| change.after.is_none()) {
            self.write_component(version_time, change, None);
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows written since the last call.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        self.rows = 0;
        let [from_size, to_size] = &mut self.sizes;
        Ok(RecordBatch::try_new(
            Arc::clone(self.schema.arrow()),
            vec![
                Arc::new(self.version_time.finish()),
                Arc::new(self.side.finish()),
                Arc::new(self.key.finish()),
                Arc::new(self.component.finish()),
                Arc::new(self.name.finish()),
                Arc::new(from_size.finish()),
                Arc::new(to_size.finish()),
            ],
        )?)
    }

    fn write_component(&mut self, version_time: i64, change: &ComponentChange, facts: Option<(Facts, &Vertices)>) {
        self.rows += 1;
        self.version_time.append_value(version_time);
        self.side.append_null();
        self.key.append_null();
        self.component.append_value(change.id.0);
        match facts {
            Some((facts, vertices)) => {
                self.scratch.clear();
                vertices.write_canonical(facts.name, &mut self.scratch);
                self.name.append_value(&self.scratch);
                self.sizes.iter_mut().zip(facts.sizes).for_each(|(sizes, size)| sizes.append_value(i64::from(size)));
            }
            None => {
                self.name.append_null();
                self.sizes.iter_mut().for_each(Int64Builder::append_null);
            }
        }
    }

    fn write_vertex(&mut self, version_time: i64, change: &Change, vertices: &Vertices) {
        self.rows += 1;
        self.version_time.append_value(version_time);
        self.side.append_value(vertices.get(change.vertex).0 as u8);
        self.scratch.clear();
        vertices.write_canonical(change.vertex, &mut self.scratch);
        self.key.append_value(&self.scratch);
        self.component.append_option(change.after.map(|id| id.0));
        self.name.append_null();
        self.sizes.iter_mut().for_each(Int64Builder::append_null);
    }
}

/// One row of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update<'a> {
    /// A vertex is in this component; in none if it left.
    Vertex { side: Side, key: &'a [u8], component: Option<u64> },
    /// A component is this.
    Component { id: u64, name: &'a [u8], sizes: [i64; 2] },
    /// A component is no more.
    NoComponent { id: u64 },
}

/// The columns of updates, to read them row by row.
pub(crate) struct UpdateRows<'a> {
    side: &'a UInt8Array,
    key: &'a BinaryArray,
    component: &'a UInt64Array,
    name: &'a BinaryArray,
    sizes: [&'a Int64Array; 2],
}

impl<'a> UpdateRows<'a> {
    /// # Errors
    /// The columns are not those of `schema`, which is [`update_schema`].
    pub(crate) fn new(updates: &'a RecordBatch, schema: &StreamSchema) -> Result<Self> {
        if updates.schema_ref().fields() != schema.arrow().fields() {
            return Err(Error::bug(format!("updates of a graph have the columns {}", updates.schema_ref())));
        }
        Ok(Self {
            side: updates.column(1).as_primitive::<UInt8Type>(),
            key: updates.column(2).as_binary(),
            component: updates.column(3).as_primitive::<UInt64Type>(),
            name: updates.column(4).as_binary(),
            sizes: [updates.column(5).as_primitive::<Int64Type>(), updates.column(6).as_primitive::<Int64Type>()],
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.component.len()
    }

    pub(crate) fn get(&self, row: usize) -> Result<Update<'a>> {
        let component = self.component.is_valid(row).then(|| self.component.value(row));
        if self.key.is_valid(row) {
            return Ok(Update::Vertex { side: Side::from_number(self.side.value(row))?, key: self.key.value(row), component });
        }
        let id = component.ok_or_else(|| Error::bug("an update of a graph is about nothing"))?;
        if self.name.is_null(row) {
            return Ok(Update::NoComponent { id });
        }
        Ok(Update::Component { id, name: self.name.value(row), sizes: self.sizes.map(|sizes| sizes.value(row)) })
    }
}
