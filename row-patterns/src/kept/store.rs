//! The stored rows of partitions, in segments of columns.
//!
//! Rows that arrive together form a segment. Partitions refer to rows by segment and row. When few of the rows in segments are
//! referred to any more, or there are many segments, all rows still needed are merged into one segment.

use crate::plan::row_plan::RowPlan;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{interleave, interleave_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use egret_core::batch::micros;
use egret_core::expr::Expression;
use egret_core::scalar::Column;
use egret_core::{Error, Result, Uncomputed};
use hashbrown::HashMap;
use std::sync::Arc;

/// The place of a stored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowRef {
    pub(crate) segment: u32,
    pub(crate) row: u32,
}

/// The columns of a segment: stored columns, then sides of definitions, then one per local condition.
#[derive(Clone, Debug)]
pub(crate) struct SegmentShape {
    pub(crate) schema: SchemaRef,
    stored: usize,
    sides: usize,
}

/// Rows that arrived together.
#[derive(Debug)]
pub(crate) struct Segment {
    rows: RecordBatch,
    sides: Vec<Column>,
    bits: Vec<BooleanBuffer>,
    live: usize,
}

/// All stored rows.
#[derive(Debug)]
pub(crate) struct RowStore {
    pub(crate) shape: SegmentShape,
    time: Option<usize>,
    segments: Vec<Option<Segment>>,
    free: Vec<u32>,
    rows: usize,
    live: usize,
    bytes: usize,
    /// Why a side of a definition cannot be computed for a row.
    faults: HashMap<(RowRef, usize), String>,
}

impl SegmentShape {
    pub(crate) fn new(columns: &[Expression], sides: &[Expression], locals: usize) -> Self {
        let of = |(index, expression): (usize, &Expression)| Field::new(format!("{index}"), expression.data_type().clone(), true);
        let fields = columns.iter().chain(sides).enumerate().map(of);
        let bits = (0..locals).map(|index| Field::new(format!("bit {index}"), DataType::Boolean, true));
        let schema = Arc::new(Schema::new(fields.chain(bits).collect::<Vec<_>>()));
        Self { schema, stored: columns.len(), sides: sides.len() }
    }

    /// Makes a segment of rows, whose columns have this shape.
    fn segment(&self, rows: RecordBatch, live: usize) -> Result<Segment> {
        let columns = rows.columns();
        let sides = columns[self.stored..self.stored + self.sides].iter().cloned().map(Column::of).collect::<Result<_>>()?;
        let bit = |column: &ArrayRef| match column.as_boolean_opt() {
            Some(bits) => Ok(bits.values().clone()),
            None => Err(Error::bug("the results of conditions are booleans")),
        };
        let bits = columns[self.stored + self.sides..].iter().map(bit).collect::<Result<_>>()?;
        Ok(Segment { rows, sides, bits, live })
    }
}

impl RowStore {
    pub(crate) fn new(shape: SegmentShape, time: Option<usize>) -> Self {
        Self { shape, time, segments: Vec::new(), free: Vec::new(), rows: 0, live: 0, bytes: 0, faults: HashMap::new() }
    }

    /// The number that the next segment will have.
    pub(crate) fn next_segment(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.segments.len() as u32)
    }

    /// Adds a segment, `live` rows of which are referred to.
    pub(crate) fn add(&mut self, columns: Vec<ArrayRef>, live: usize) -> Result<u32> {
        let rows = RecordBatch::try_new(SchemaRef::clone(&self.shape.schema), columns)?;
        self.add_rows(rows, live)
    }

    /// Adds rows of a segment's shape.
    pub(crate) fn add_rows(&mut self, rows: RecordBatch, live: usize) -> Result<u32> {
        let place = self.next_segment();
        self.free.pop();
        if place as usize == self.segments.len() {
            self.segments.push(None);
        }
        self.rows += rows.num_rows();
        self.live += live;
        self.bytes += bytes(&rows);
        self.segments[place as usize] = Some(self.shape.segment(rows, live)?);
        Ok(place)
    }

    fn segment(&self, at: RowRef) -> &Segment {
        self.segments[at.segment as usize].as_ref().expect("a segment stays while a row of it is referred to")
    }

    /// A row as JSON, with the columns that are read.
    pub(crate) fn row_json(&self, plan: &RowPlan, at: RowRef) -> String {
        let schema = plan.input.arrow();
        let (fields, cells): (Vec<_>, Vec<_>) = plan
            .saved
            .iter()
            .map(|&(column, stored)| {
                let (cells, row) = self.cell(at, stored);
                (schema.field(column).clone().with_nullable(true), cells.slice(row, 1))
            })
            .unzip();
        let row = RecordBatch::try_new(Arc::new(Schema::new(fields)), cells);
        row.map(|row| Uncomputed::default().with_row(&row, 0).row).unwrap_or_default()
    }

    /// Whether a local condition holds for a row.
    #[inline]
    pub(crate) fn bit(&self, at: RowRef, local: usize) -> bool {
        self.segment(at).bits[local].value(at.row as usize)
    }

    /// A side of a definition, as a column and the row in it.
    #[inline]
    pub(crate) fn side(&self, at: RowRef, side: usize) -> (&Column, usize) {
        (&self.segment(at).sides[side], at.row as usize)
    }

    /// Records that a side of a definition cannot be computed for a row.
    pub(crate) fn add_fault(&mut self, at: RowRef, side: usize, reason: String) {
        self.faults.insert((at, side), reason);
    }

    /// Checks that a side of a definition can be computed for a row.
    ///
    /// # Errors
    /// It cannot: bad data.
    #[inline]
    pub(crate) fn check_side(&self, at: RowRef, side: usize) -> Result<()> {
        match self.faults.get(&(at, side)) {
            Some(reason) => Err(Error::data(reason.clone())),
            None => Ok(()),
        }
    }

    /// A side of a definition, as an array of one row.
    pub(crate) fn side_array(&self, at: RowRef, side: usize) -> ArrayRef {
        self.segment(at).rows.column(self.shape.stored + side).slice(at.row as usize, 1)
    }

    /// A stored column and the row in it.
    #[inline]
    pub(crate) fn cell(&self, at: RowRef, column: usize) -> (&ArrayRef, usize) {
        (self.segment(at).rows.column(column), at.row as usize)
    }

    /// The event time of a row; 0 if the stream has none.
    pub(crate) fn time(&self, at: RowRef) -> i64 {
        self.time.map_or(0, |time| micros(self.segment(at).rows.column(time))[at.row as usize])
    }

    /// A stored column of some rows, null for missing rows. `fresh` is this column of the segment that is added next.
    pub(crate) fn gather(&self, column: usize, rows: &[Option<RowRef>], fresh: Option<&ArrayRef>) -> Result<ArrayRef> {
        let nothing = new_null_array(self.shape.schema.field(column).data_type(), 1);
        let mut arrays: Vec<&dyn Array> = vec![nothing.as_ref()];
        let mut places: Vec<usize> = vec![0; self.segments.len() + 1];
        let next = self.next_segment();
        let mut indexes = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(at) = row else {
                indexes.push((0, 0));
                continue;
            };
            let place = &mut places[at.segment as usize];
            if *place == 0 {
                *place = arrays.len();
                arrays.push(match fresh {
                    Some(fresh) if at.segment == next => fresh.as_ref(),
                    _ => self.segment(*at).rows.column(column).as_ref(),
                });
            }
            indexes.push((*place, at.row as usize));
        }
        Ok(interleave(&arrays, &indexes)?)
    }

    /// Rows with all columns of their segments.
    pub(crate) fn gather_rows(&self, rows: &[RowRef]) -> Result<RecordBatch> {
        if rows.is_empty() {
            return Ok(RecordBatch::new_empty(SchemaRef::clone(&self.shape.schema)));
        }
        let mut places: Vec<usize> = vec![usize::MAX; self.segments.len()];
        let mut batches = Vec::new();
        let mut indexes = Vec::with_capacity(rows.len());
        for at in rows {
            let place = &mut places[at.segment as usize];
            if *place == usize::MAX {
                *place = batches.len();
                batches.push(&self.segment(*at).rows);
            }
            indexes.push((*place, at.row as usize));
        }
        Ok(interleave_record_batch(&batches, &indexes)?)
    }

    /// Removes the reference to a row.
    pub(crate) fn release(&mut self, at: RowRef) {
        if let Some(segment) = &mut self.segments[at.segment as usize] {
            segment.live -= 1;
            self.live -= 1;
        }
    }

    /// Drops segments without referenced rows.
    pub(crate) fn drop_empty(&mut self) {
        for (place, segment) in self.segments.iter_mut().enumerate() {
            if let Some(empty) = segment.take_if(|segment| segment.live == 0) {
                self.rows -= empty.rows.num_rows();
                self.bytes = self.bytes.saturating_sub(bytes(&empty.rows));
                self.free.push(place as u32);
            }
        }
        if !self.faults.is_empty() {
            let Self { segments, faults, .. } = self;
            faults.retain(|(at, _), _| segments.get(at.segment as usize).is_some_and(Option::is_some));
        }
    }

    /// Whether the rows should be merged.
    pub(crate) fn is_scattered(&self) -> bool {
        const SLACK: usize = 8_192;
        const SEGMENTS: usize = 64;
        self.rows > 2 * self.live + SLACK || self.segments.len() - self.free.len() > SEGMENTS + self.live / 1_024
    }

    /// Merges `rows`, which are all that are referenced, into one segment, in the order given.
    pub(crate) fn put_together(&mut self, rows: &[RowRef]) -> Result<u32> {
        let together = self.gather_rows(rows)?;
        let faults = std::mem::take(&mut self.faults);
        *self = Self::new(self.shape.clone(), self.time);
        let segment = self.add_rows(together, rows.len())?;
        if !faults.is_empty() {
            let places: HashMap<RowRef, u32> = rows.iter().enumerate().map(|(row, &at)| (at, row as u32)).collect();
            let moved = |((at, side), reason)| Some(((RowRef { segment, row: *places.get(&at)? }, side), reason));
            self.faults = faults.into_iter().filter_map(moved).collect();
        }
        Ok(segment)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn bytes(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(|column| column.get_array_memory_size()).sum()
}

/// The result of a condition as a segment's column.
pub(crate) fn bit_column(bits: BooleanBuffer) -> ArrayRef {
    Arc::new(BooleanArray::new(bits, None))
}
