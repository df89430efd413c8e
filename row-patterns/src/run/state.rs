//! The state of an operator: the stored rows, and the partitions.
//!
//! A row is left out before it reaches its partition if a definition that reads the row alone, or an expression inside navigation
//! or an aggregate, cannot be computed for it. A definition that reads other rows, or the match so far, and cannot be computed is
//! not met; the row stays.

use super::arrivals::Arrivals;
use super::partition::{Partition, Scratch, Search};
use super::schedule::Schedule;
use crate::kept::store::{RowRef, RowStore, SegmentShape, bit_column};
use crate::plan::row_plan::RowPlan;
use crate::show::render::Rendered;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use egret_core::expr::{Expression, Fault, compute, compute_or_null};
use egret_core::key::{Key, RowKeys};
use egret_core::overflow::Overflows;
use egret_core::{Error, Result, StateSize, Uncomputed};
use hashbrown::HashTable;

/// All state of an operator.
#[derive(Debug)]
pub(crate) struct RowState {
    pub(crate) arrivals: Arrivals,
    pub(crate) store: RowStore,
    partitions: Vec<Option<Partition>>,
    free: Vec<u32>,
    places: HashTable<u32>,
    scratch: Scratch,
    pub(crate) rendered: Rendered,
    pub(crate) overflows: Overflows,
    /// When WITHIN ends the current starts of partitions.
    deadlines: Schedule,
    /// The least times of the rows that partitions may still output.
    held: Schedule,
    /// Future rows have this time or a later one.
    now: i64,
    /// Bytes of memory of partitions.
    bytes: usize,
}

impl RowState {
    pub(crate) fn new(plan: &RowPlan) -> Self {
        let shape = SegmentShape::new(&plan.columns, &plan.defines.sides, plan.defines.locals.len());
        Self {
            arrivals: Arrivals::default(),
            store: RowStore::new(shape, plan.time),
            partitions: Vec::new(),
            free: Vec::new(),
            places: HashTable::new(),
            scratch: Scratch::default(),
            rendered: Rendered::default(),
            overflows: Overflows::default(),
            deadlines: Schedule::default(),
            held: Schedule::default(),
            now: i64::MIN,
            bytes: 0,
        }
    }

    /// Adds rows that come after all earlier ones, and searches for matches.
    pub(crate) fn work_on(&mut self, plan: &RowPlan, rows: &RecordBatch) -> Result<()> {
        let screened = self.screen(plan, rows)?;
        let rows = screened.as_ref().unwrap_or(rows);
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let touched = self.take_up(plan, rows)?;
        for place in touched {
            self.search(plan, place, false)?;
        }
        self.settle(plan)
    }

    /// Advances time to `now`: decides the matches that WITHIN ends.
    pub(crate) fn advance_to(&mut self, plan: &RowPlan, now: i64) -> Result<()> {
        self.now = now;
        for place in self.deadlines.due(now) {
            self.search(plan, place, false)?;
        }
        self.settle(plan)
    }

    /// Ends the input: partitions get no more rows.
    pub(crate) fn end(&mut self, plan: &RowPlan) -> Result<()> {
        for place in self.live() {
            self.search(plan, place, true)?;
            self.remove(place);
        }
        self.settle(plan)
    }

    /// The places of the partitions, ascending.
    pub(crate) fn live(&self) -> Vec<u32> {
        (0..self.partitions.len()).filter(|&place| self.partitions[place].is_some()).map(|place| place as u32).collect()
    }

    pub(crate) fn partition(&self, place: u32) -> Result<&Partition> {
        self.partitions[place as usize].as_ref().ok_or_else(|| Error::bug("a partition that is known is there"))
    }

    /// The least time of the rows that may still be output.
    pub(crate) fn held_since(&self) -> Option<i64> {
        self.held.first()
    }

    pub(crate) fn size(&self) -> StateSize {
        let tables = self.partitions.capacity() * size_of::<Option<Partition>>() + self.places.allocation_size();
        let times = self.deadlines.bytes() + self.held.bytes();
        let bytes = self.arrivals.bytes() + self.store.bytes() + self.bytes + tables + times;
        StateSize { keys: self.places.len() as u64, bytes: bytes as u64 }
    }

    /// Adds a partition.
    pub(crate) fn add(&mut self, partition: Partition) -> u32 {
        let place = self.free.pop().unwrap_or(self.partitions.len() as u32);
        if place as usize == self.partitions.len() {
            self.partitions.push(None);
        }
        let hash = partition.key.hash();
        self.bytes += partition.bytes();
        self.partitions[place as usize] = Some(partition);
        let Self { partitions, places, .. } = self;
        places.insert_unique(hash, place, |&other| partitions[other as usize].as_ref().map_or(0, |other| other.key.hash()));
        place
    }

    fn find(&self, key: &Key) -> Option<u32> {
        let same = |&place: &u32| self.partitions[place as usize].as_ref().is_some_and(|other| other.key == *key);
        self.places.find(key.hash(), same).copied()
    }

    fn remove(&mut self, place: u32) {
        let Some(partition) = self.partitions[place as usize].take() else { return };
        self.bytes = self.bytes.saturating_sub(partition.bytes());
        partition.rows.list.iter().for_each(|&at| self.store.release(at));
        if let Ok(entry) = self.places.find_entry(partition.key.hash(), |&other| other == place) {
            entry.remove();
        }
        self.free.push(place);
        self.deadlines.set(place, None);
        self.held.set(place, None);
    }

    /// Adds rows to their partitions. Returns the places of these.
    fn take_up(&mut self, plan: &RowPlan, rows: &RecordBatch) -> Result<Vec<u32>> {
        let keys = RowKeys::of(rows, &plan.partition)?;
        let segment = self.store.next_segment();
        let shifts = &plan.defines.shifts;
        let mut before: Vec<Vec<Option<RowRef>>> = shifts.iter().map(|_| Vec::with_capacity(rows.num_rows())).collect();
        let mut touched: Vec<u32> = Vec::new();
        for row in 0..rows.num_rows() {
            let key = keys.key(row)?;
            let place = self.find(&key).unwrap_or_else(|| self.add(Partition::new(key)));
            let Some(partition) = self.partitions[place as usize].as_mut() else { continue };
            let position = partition.rows.end();
            partition.rows.list.push_back(RowRef { segment, row: row as u32 });
            if !std::mem::replace(&mut partition.is_touched, true) {
                touched.push(place);
            }
            if partition.rows.list.len() > plan.options.rows_per_key_max {
                return Err(too_many_rows(plan, &partition.key));
            }
            for (shift, before) in shifts.iter().zip(&mut before) {
                before.push(position.checked_sub(shift.rows).and_then(|position| partition.rows.get(position)));
            }
        }
        self.compute(plan, rows, &before, false)?;
        Ok(touched)
    }

    /// Adds the saved rows of partitions: the given number of rows for each, one partition after the other. Rows before a start
    /// are needed only because other rows look back at them.
    pub(crate) fn take_up_saved(
        &mut self,
        plan: &RowPlan,
        rows: &RecordBatch,
        partitions: Vec<(Partition, u32)>,
    ) -> Result<Vec<u32>> {
        let segment = self.store.next_segment();
        let shifts = &plan.defines.shifts;
        let mut before: Vec<Vec<Option<RowRef>>> = shifts.iter().map(|_| Vec::with_capacity(rows.num_rows())).collect();
        let (mut places, mut from) = (Vec::with_capacity(partitions.len()), 0);
        for (mut partition, count) in partitions {
            partition.rows.list.extend((from..from + count).map(|row| RowRef { segment, row }));
            from += count;
            for position in partition.rows.base..partition.rows.end() {
                for (shift, before) in shifts.iter().zip(&mut before) {
                    before.push(position.checked_sub(shift.rows).and_then(|position| partition.rows.get(position)));
                }
            }
            places.push(self.add(partition));
        }
        if rows.num_rows() > 0 {
            self.compute(plan, rows, &before, true)?;
        }
        Ok(places)
    }

    /// The rows that are not left out; `None` if all rows stay.
    fn screen(&mut self, plan: &RowPlan, rows: &RecordBatch) -> Result<Option<RecordBatch>> {
        if plan.screens.is_empty() {
            return Ok(None);
        }
        let expressions: Vec<&Expression> = plan.screens.iter().collect();
        let computed = compute(&expressions, rows)?;
        if computed.faults.is_empty() {
            return Ok(None);
        }
        self.refuse(plan, &computed.faults, &expressions, rows)?;
        computed.good_rows(rows).map(Some)
    }

    /// Computes and stores the columns of rows; `before` are the rows that each shift reads.
    fn compute(&mut self, plan: &RowPlan, rows: &RecordBatch, before: &[Vec<Option<RowRef>>], is_restored: bool) -> Result<()> {
        let value = |column: &Expression| compute_or_null(column, rows).map(|(column, _)| column);
        let stored = plan.columns.iter().map(value).collect::<Result<Vec<_>>>()?;
        let mut wide: Vec<ArrayRef> = rows.columns().to_vec();
        for (shift, before) in plan.defines.shifts.iter().zip(before) {
            wide.push(self.store.gather(shift.column, before, Some(&stored[shift.column]))?);
        }
        let wide = RecordBatch::try_new(SchemaRef::clone(&plan.row_schema), wide)?;
        let (mut sides, mut faults) = (Vec::with_capacity(plan.defines.sides.len()), Vec::new());
        for (side, expression) in plan.defines.sides.iter().enumerate() {
            let (column, of_side) = compute_or_null(expression, &wide)?;
            sides.push(column);
            faults.extend(of_side.into_iter().map(|fault| (side, fault)));
        }
        let mut bits = Vec::with_capacity(plan.defines.locals.len());
        for local in &plan.defines.locals {
            let (column, faults) = compute_or_null(local, &wide)?;
            bits.push(bit_column(bits_of(&column)?));
            if !is_restored {
                self.refuse(plan, &faults, &[local], &wide)?;
            }
        }
        let segment = self.store.add(stored.into_iter().chain(sides).chain(bits).collect(), rows.num_rows())?;
        for (side, fault) in faults {
            self.store.add_fault(RowRef { segment, row: fault.row as u32 }, side, fault.reason);
        }
        Ok(())
    }

    /// Reports rows for which an expression cannot be computed. They are shown with the columns that are read: rows that were
    /// buffered over a restart have no others.
    fn refuse(&mut self, plan: &RowPlan, faults: &[Fault], expressions: &[&Expression], rows: &RecordBatch) -> Result<()> {
        if faults.is_empty() {
            return Ok(());
        }
        let shown = rows.project(&plan.input_columns())?;
        for fault in faults {
            let wrong = Uncomputed::new(expressions[fault.expression], rows, fault.row, &fault.reason);
            self.rendered.refuse(wrong.with_row(&shown, fault.row));
        }
        Ok(())
    }

    /// Searches a partition for matches.
    pub(crate) fn search(&mut self, plan: &RowPlan, place: u32, ended: bool) -> Result<()> {
        let Self { partitions, store, scratch, rendered, overflows, now, .. } = self;
        let Some(partition) = partitions[place as usize].as_mut() else { return Ok(()) };
        let bytes = partition.bytes();
        partition.is_touched = false;
        let mut search = Search { plan, store: &*store, scratch, rendered, overflows, ended, now: *now };
        partition.search(&mut search)?;
        let (deadline, held) = (partition.deadline(&search), partition.held_since(plan, store));
        partition.forget(plan, store);
        self.bytes = self.bytes.saturating_sub(bytes) + partition.bytes();
        if partition.is_done(plan) {
            self.remove(place);
        } else {
            self.deadlines.set(place, deadline);
            self.held.set(place, held);
        }
        Ok(())
    }

    /// Makes batches of the output, and drops rows that are not needed any more.
    pub(crate) fn settle(&mut self, plan: &RowPlan) -> Result<()> {
        self.rendered.flush(plan, &self.store)?;
        self.store.drop_empty();
        if self.store.is_scattered() {
            let mut partitions = self.partitions.iter_mut().flatten();
            let rows: Vec<RowRef> = partitions.by_ref().flat_map(|partition| partition.rows.list.iter().copied()).collect();
            let segment = self.store.put_together(&rows)?;
            let lists = self.partitions.iter_mut().flatten().flat_map(|partition| partition.rows.list.iter_mut());
            lists.enumerate().for_each(|(row, at)| *at = RowRef { segment, row: row as u32 });
        }
        Ok(())
    }
}

/// The rows for which a condition holds.
fn bits_of(column: &ArrayRef) -> Result<BooleanBuffer> {
    match column.as_boolean_opt() {
        Some(bits) => Ok(match bits.nulls() {
            Some(nulls) => bits.values() & nulls.inner(),
            None => bits.values().clone(),
        }),
        None if column.data_type().is_null() => Ok(BooleanBuffer::new_unset(column.len())),
        None => Err(Error::bug("a condition is boolean")),
    }
}

fn too_many_rows(plan: &RowPlan, key: &Key) -> Error {
    let most = plan.options.rows_per_key_max;
    Error::job(format!("{key} has more than {most} rows that a match of the pattern ({}) may still need", plan.spec.pattern))
        .help("give the pattern WITHIN, make its first definitions more selective, or partition by more columns")
}
