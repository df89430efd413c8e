//! The updates that a graph sends to its readers: the differences between versions.
//!
//! # Format
//! Updates are rows in the order of `version_time`. A row belongs to one algorithm. Its subject is a vertex, or something else that the
//! algorithm numbers itself, such as a component.
//!
//! | column | content |
//! | --- | --- |
//! | `version_time` | the start of the step that leads to the version |
//! | `algorithm` | the index of the algorithm in `COMPUTE`; only if the graph computes several |
//! | `side` | the side of the vertex: 0 from, 1 to; null if the subject is no vertex |
//! | `key` | the canonical encoding of the vertex; null if the subject is no vertex |
//! | the columns of each algorithm | defined by the algorithm; null in the rows of others |
//!
//! The rows of a version are in the order of the algorithms, and the rows of an algorithm in the order in which it wrote them.

use crate::vertices::{Side, Vertices};
use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BinaryArray, BinaryBuilder, Int64Array, Int64Builder, RecordBatch,
    TimestampMicrosecondBuilder, UInt8Array, UInt8Builder, UInt64Array, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Int64Type, UInt8Type, UInt64Type};
use egret_core::{Error, Result, StreamSchema};
use egret_operators::knowledge::VERSION_TIME;
use std::ops::Range;
use std::sync::Arc;

/// The schema of a graph's updates, with the columns of each algorithm.
#[derive(Clone, Debug)]
pub(crate) struct UpdateLayout {
    pub(crate) schema: StreamSchema,
    /// The columns of each algorithm.
    columns: Vec<Range<usize>>,
}

impl UpdateLayout {
    /// The layout for algorithms with these columns.
    ///
    /// # Errors
    /// Two columns have the same name.
    pub(crate) fn new(algorithms: Vec<Vec<Field>>) -> Result<Self> {
        let mut fields = vec![StreamSchema::time_field(VERSION_TIME)];
        if algorithms.len() > 1 {
            fields.push(Field::new("algorithm", DataType::UInt8, false));
        }
        fields.extend([Field::new("side", DataType::UInt8, true), Field::new("key", DataType::Binary, true)]);
        let mut columns = Vec::with_capacity(algorithms.len());
        for own in algorithms {
            columns.push(fields.len()..fields.len() + own.len());
            fields.extend(own);
        }
        Ok(Self { schema: StreamSchema::new(fields, Some(VERSION_TIME))?, columns })
    }

    fn has_algorithm_column(&self) -> bool {
        self.columns.len() > 1
    }

    /// The index of the first column of an algorithm.
    fn first_own(&self) -> usize {
        self.columns.first().map_or(0, |columns| columns.start)
    }
}

/// A value in a column of an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    Null,
    /// In a column of `UInt64`.
    Id(u64),
    /// In a column of `Int64`.
    Count(i64),
    /// In a column of `Binary`.
    Bytes(&'a [u8]),
}

enum CellBuilder {
    Ids(UInt64Builder),
    Counts(Int64Builder),
    Bytes(BinaryBuilder),
}

impl CellBuilder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::UInt64 => Self::Ids(UInt64Builder::new()),
            DataType::Int64 => Self::Counts(Int64Builder::new()),
            _ => Self::Bytes(BinaryBuilder::new()),
        }
    }

    /// Appends the value of a row. Rows before it that were left out are null.
    #[inline]
    fn append(&mut self, row: usize, cell: Cell<'_>) {
        if cell == Cell::Null {
            return;
        }
        if self.len() < row {
            self.pad(row);
        }
        match (self, cell) {
            (Self::Ids(builder), Cell::Id(id)) => builder.append_value(id),
            (Self::Counts(builder), Cell::Count(count)) => builder.append_value(count),
            (Self::Bytes(builder), Cell::Bytes(bytes)) => builder.append_value(bytes),
            _ => debug_assert!(false, "a value in a column of another type"),
        }
    }

    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Ids(builder) => builder.len(),
            Self::Counts(builder) => builder.len(),
            Self::Bytes(builder) => builder.len(),
        }
    }

    /// Appends nulls up to a row.
    fn pad(&mut self, row: usize) {
        let nulls = row - self.len();
        match self {
            Self::Ids(builder) => builder.append_nulls(nulls),
            Self::Counts(builder) => builder.append_nulls(nulls),
            Self::Bytes(builder) => builder.append_nulls(nulls),
        }
    }

    /// The column with this number of rows.
    fn finish(&mut self, rows: usize) -> ArrayRef {
        self.pad(rows);
        match self {
            Self::Ids(builder) => Arc::new(builder.finish()),
            Self::Counts(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Collects the rows of updates.
pub(crate) struct UpdateWriter {
    layout: UpdateLayout,
    rows: usize,
    version_time: TimestampMicrosecondBuilder,
    algorithm: UInt8Builder,
    side: UInt8Builder,
    key: BinaryBuilder,
    own: Vec<CellBuilder>,
    scratch: Vec<u8>,
}

impl UpdateWriter {
    pub(crate) fn new(layout: &UpdateLayout) -> Self {
        let own = layout.schema.arrow().fields().iter().skip(layout.first_own());
        Self {
            rows: 0,
            version_time: TimestampMicrosecondBuilder::new(),
            algorithm: UInt8Builder::new(),
            side: UInt8Builder::new(),
            key: BinaryBuilder::new(),
            own: own.map(|field| CellBuilder::new(field.data_type())).collect(),
            scratch: Vec::new(),
            layout: layout.clone(),
        }
    }

    /// Takes the rows of one algorithm in one version.
    pub(crate) fn rows_of(&mut self, algorithm: usize, version_time: i64) -> UpdateRowsOut<'_> {
        let (columns, first) = (&self.layout.columns[algorithm], self.layout.first_own());
        let own = columns.start - first..columns.end - first;
        UpdateRowsOut { writer: self, algorithm, own, version_time }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows collected since the last call.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.side.append_nulls(rows - self.side.len());
        self.key.append_nulls(rows - self.key.len());
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.version_time.finish())];
        if self.layout.has_algorithm_column() {
            columns.push(Arc::new(self.algorithm.finish()));
        }
        columns.extend([Arc::new(self.side.finish()) as ArrayRef, Arc::new(self.key.finish())]);
        columns.extend(self.own.iter_mut().map(|builder| builder.finish(rows)));
        Ok(RecordBatch::try_new(Arc::clone(self.layout.schema.arrow()), columns)?)
    }
}

/// Collects the rows of one algorithm in one version.
pub(crate) struct UpdateRowsOut<'a> {
    writer: &'a mut UpdateWriter,
    algorithm: usize,
    /// The columns of the algorithm.
    own: Range<usize>,
    version_time: i64,
}

impl UpdateRowsOut<'_> {
    /// Appends a row about a vertex. Columns without a cell are null.
    pub(crate) fn vertex(&mut self, vertex: u32, vertices: &Vertices, cells: &[Cell<'_>]) {
        let writer = &mut *self.writer;
        let row = writer.rows;
        if writer.side.len() < row {
            writer.side.append_nulls(row - writer.side.len());
            writer.key.append_nulls(row - writer.key.len());
        }
        writer.side.append_value(vertices.get(vertex).0 as u8);
        writer.scratch.clear();
        vertices.write_canonical(vertex, &mut writer.scratch);
        writer.key.append_value(&writer.scratch);
        self.other(cells);
    }

    /// Appends a row about something else. Columns without a cell are null.
    #[inline]
    pub(crate) fn other(&mut self, cells: &[Cell<'_>]) {
        let writer = &mut *self.writer;
        for (builder, &cell) in writer.own[self.own.clone()].iter_mut().zip(cells) {
            builder.append(writer.rows, cell);
        }
        writer.version_time.append_value(self.version_time);
        if writer.layout.has_algorithm_column() {
            writer.algorithm.append_value(self.algorithm as u8);
        }
        writer.rows += 1;
    }
}

enum CellArray<'a> {
    Ids(&'a UInt64Array),
    Counts(&'a Int64Array),
    Bytes(&'a BinaryArray),
}

/// Reads updates row by row.
pub(crate) struct UpdateRows<'a> {
    layout: &'a UpdateLayout,
    rows: usize,
    algorithm: Option<&'a UInt8Array>,
    side: &'a UInt8Array,
    key: &'a BinaryArray,
    own: Vec<CellArray<'a>>,
}

impl<'a> UpdateRows<'a> {
    /// # Errors
    /// The columns are not those of the layout.
    pub(crate) fn new(updates: &'a RecordBatch, layout: &'a UpdateLayout) -> Result<Self> {
        if updates.schema_ref().fields() != layout.schema.arrow().fields() {
            return Err(Error::bug(format!("updates of a graph have the columns {}", updates.schema_ref())));
        }
        let side = 1 + usize::from(layout.has_algorithm_column());
        let own = updates.columns().iter().skip(layout.first_own()).map(|column| match column.data_type() {
            DataType::UInt64 => CellArray::Ids(column.as_primitive::<UInt64Type>()),
            DataType::Int64 => CellArray::Counts(column.as_primitive::<Int64Type>()),
            _ => CellArray::Bytes(column.as_binary()),
        });
        Ok(Self {
            layout,
            rows: updates.num_rows(),
            algorithm: layout.has_algorithm_column().then(|| updates.column(1).as_primitive::<UInt8Type>()),
            side: updates.column(side).as_primitive::<UInt8Type>(),
            key: updates.column(side + 1).as_binary(),
            own: own.collect(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// # Errors
    /// The row has an algorithm or a side that does not exist.
    pub(crate) fn get(&self, row: usize) -> Result<UpdateRow<'_>> {
        let algorithm = self.algorithm.map_or(0, |algorithm| usize::from(algorithm.value(row)));
        let columns = self.layout.columns.get(algorithm);
        let columns = columns.ok_or_else(|| Error::bug(format!("an update of a graph is of its algorithm {algorithm}")))?;
        let vertex = match self.key.is_valid(row) {
            true => Some((Side::from_number(self.side.value(row))?, self.key.value(row))),
            false => None,
        };
        let first = columns.start - self.layout.first_own();
        Ok(UpdateRow { algorithm, vertex, own: &self.own[first..first + columns.len()], row })
    }
}

/// One row of an update.
pub(crate) struct UpdateRow<'a> {
    pub(crate) algorithm: usize,
    /// The vertex that the row is about, by side and canonical encoding.
    pub(crate) vertex: Option<(Side, &'a [u8])>,
    own: &'a [CellArray<'a>],
    row: usize,
}

impl<'a> UpdateRow<'a> {
    /// The value in a column of ids.
    #[inline]
    pub(crate) fn id(&self, column: usize) -> Option<u64> {
        match &self.own[column] {
            CellArray::Ids(ids) if ids.is_valid(self.row) => Some(ids.value(self.row)),
            _ => None,
        }
    }

    /// The value in a column of the algorithm.
    #[inline]
    pub(crate) fn cell(&self, column: usize) -> Cell<'a> {
        let row = self.row;
        match &self.own[column] {
            CellArray::Ids(ids) if ids.is_valid(row) => Cell::Id(ids.value(row)),
            CellArray::Counts(counts) if counts.is_valid(row) => Cell::Count(counts.value(row)),
            CellArray::Bytes(bytes) if bytes.is_valid(row) => Cell::Bytes(bytes.value(row)),
            _ => Cell::Null,
        }
    }
}
