//! The constant data of a trace: the events in order, and the results of conditions that read one event alone.

use super::TracedEvent;
use crate::plan::automaton::ConditionId;
use crate::plan::condition::names::zero;
use crate::plan::known::Facts;
use crate::plan::local::Masks;
use crate::plan::pattern_plan::Plan;
use crate::plan::shown::{Part, ShownConditions, is_true};
use crate::plan::value::{Function, RunValue};
use crate::plan::words::show_time;
use crate::run::why::values_of;
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{SortColumn, lexsort_to_indices, take, take_record_batch};
use arrow::datatypes::{DataType, Schema};
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use egret_core::batch::micros;
use egret_core::exact::{ExactSum, average_of_integers, sum_of_integers, total_of_call};
use egret_core::expr::aggregated;
use egret_core::expr::{Expression, compute};
use egret_core::floats::plain_column;
use egret_core::scalar::{self, Scalar, read};
use egret_core::{Error, Result};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An event that a partial match took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) variable: usize,
    pub(super) event: usize,
}

/// The events of a key, and the pattern.
pub(super) struct World<'a> {
    pub(super) plan: &'a Plan,
    pub(super) shown: ShownConditions,
    rows: RecordBatch,
    /// For each event: the number of its row in the input.
    origins: Vec<usize>,
    /// For each event: its time; without event time its number.
    pub(super) times: Vec<i64>,
    /// For each condition and part: whether it holds for each event; `None` if the part reads more than the event, or cannot be
    /// computed for some events.
    local: Vec<Vec<Option<ArrayRef>>>,
}

impl<'a> World<'a> {
    pub(super) fn new(plan: &'a Plan, rows: &RecordBatch) -> Result<Self> {
        if rows.schema_ref().fields() != plan.input.arrow().fields() {
            return Err(Error::bug("the rows to be traced have other columns than the pattern's stream"));
        }
        let order = order(plan, rows)?;
        let rows = take_record_batch(rows, &order)?;
        let times = match plan.input.event_time() {
            Some(column) => micros(rows.column(column)).to_vec(),
            None => (0..rows.num_rows() as i64).collect(),
        };
        let shown = plan.show_conditions()?;
        let of_part = |part: &Part| if part.test.is_local() { part.test.of_rows(&rows).ok() } else { None };
        let of_condition = |condition: usize| shown.parts(condition as ConditionId).iter().map(of_part).collect();
        let local = (0..plan.sources.len()).map(of_condition).collect();
        Ok(Self { plan, origins: order.values().iter().map(|&row| row as usize).collect(), times, local, shown, rows })
    }

    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The facts that a condition reads: an event, and the events taken before it.
    pub(super) fn facts<'w>(&'w self, event: Option<usize>, taken: &'w [Taken]) -> RowFacts<'w> {
        RowFacts { world: self, event, taken }
    }

    /// Whether an event meets a condition, given what was taken.
    pub(super) fn meets(&self, condition: ConditionId, event: usize, taken: &[Taken]) -> Result<bool> {
        for number in 0..self.shown.parts(condition).len() {
            if !self.part_holds(condition, number, event, taken)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether an event comes from another stream than the one that the condition tests for.
    pub(super) fn is_elsewhere(&self, condition: ConditionId, event: usize) -> bool {
        let mut parts = self.shown.parts(condition).iter().zip(&self.local[condition as usize]);
        parts.any(|(part, known)| part.is_of_stream && known.as_ref().is_some_and(|known| !is_true(known, event)))
    }

    /// Whether a part of a condition holds.
    pub(super) fn part_holds(&self, condition: ConditionId, part: usize, event: usize, taken: &[Taken]) -> Result<bool> {
        match &self.local[condition as usize][part] {
            Some(known) => Ok(is_true(known, event)),
            None => self.shown.parts(condition)[part].test.holds(&mut self.facts(Some(event), taken)),
        }
    }

    /// The events in the form in which the trace shows them.
    pub(super) fn traced_events(&self) -> Result<Vec<TracedEvent>> {
        let has_time = self.plan.input.event_time().is_some();
        let event = |event: usize| {
            let at_us = has_time.then(|| self.times[event]);
            let values = values_of(self.plan, &self.shown, &mut self.facts(Some(event), &[]))?;
            Ok(TracedEvent { row: self.origins[event], at_us, at: at_us.map(show_time), values })
        };
        (0..self.len()).map(event).collect()
    }

    pub(super) fn name(&self, variable: usize) -> String {
        self.plan.automaton.variables[variable].name.clone()
    }
}

/// The order in which the pattern reads rows: by time, with ties broken as in the matcher. Rows that it leaves out are not
/// included.
fn order(plan: &Plan, rows: &RecordBatch) -> Result<UInt32Array> {
    let locals: Vec<&Expression> = plan.locals.iter().collect();
    let wrong: BTreeSet<usize> = compute(&locals, rows)?.faults.into_iter().map(|fault| fault.row).collect();
    let good: Vec<u32> = (0..rows.num_rows()).filter(|row| !wrong.contains(row)).map(|row| row as u32).collect();
    let Some(time) = plan.input.event_time() else { return Ok(good.into()) };
    let (masks, rows, _) = Masks::of(&plan.locals, rows)?;
    let masks = masks.into_columns();
    let kept: Vec<ArrayRef> = plan.kept.iter().map(|&column| rows.column(column).clone()).chain(masks).collect();
    let by = |values: &ArrayRef| SortColumn { values: Arc::clone(values), options: None };
    let columns: Vec<SortColumn> =
        std::iter::once(by(rows.column(time))).chain(plan.ties.iter().map(|&tie| by(&kept[tie]))).collect();
    Ok(lexsort_to_indices(&columns, None)?.values().iter().map(|&place| good[place as usize]).collect())
}

/// The facts of an event, computed from the rows.
pub(super) struct RowFacts<'w> {
    world: &'w World<'w>,
    event: Option<usize>,
    taken: &'w [Taken],
}

impl Facts for RowFacts<'_> {
    fn column(&mut self, column: usize) -> Result<Option<ArrayRef>> {
        Ok(self.event.map(|event| self.world.rows.column(column).slice(event, 1)))
    }

    fn value(&mut self, value: usize) -> Result<ArrayRef> {
        let plan = self.world.plan;
        let value = &plan.values[value];
        let is_its = |taken: &&Taken| value.variable.is_none_or(|variable| usize::from(variable) == taken.variable);
        let events: UInt32Array = self.taken.iter().filter(is_its).map(|taken| taken.event as u32).collect();
        let Some(column) = value.column else { return Ok(whole(events.len() as i64)) };
        let column = plan.kept[plan.stored[column]];
        let cells = take(self.world.rows.column(column), &events, None)?;
        of_cells(value, &cells, self.world.rows.schema_ref(), column)
    }
}

fn whole(number: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![number]))
}

/// The value computed over a column's cells, in order.
fn of_cells(value: &RunValue, cells: &ArrayRef, schema: &Schema, column: usize) -> Result<ArrayRef> {
    let cell = |place: Option<usize>| match place {
        Some(place) if place < cells.len() => cells.slice(place, 1),
        _ => new_null_array(&value.data_type, 1),
    };
    let valid = || (0..cells.len()).filter(|&place| cells.is_valid(place));
    Ok(match &value.function {
        Function::Any => cell(Some(0)),
        Function::First(forward) => cell(Some(*forward)),
        Function::Last(back) => cell(cells.len().checked_sub(back + 1)),
        Function::Count => whole(valid().count() as i64),
        Function::Sum | Function::Average => {
            let (mut integer, mut float) = (0_i128, ExactSum::default());
            for place in valid() {
                match read(cells, place)? {
                    Scalar::Int(number) => integer += i128::from(number),
                    Scalar::Float(number) => float.add(number),
                    _ => {}
                }
            }
            let count = valid().count() as u64;
            match value.data_type {
                DataType::Int64 => whole(sum_of_integers(integer)?),
                _ if matches!(value.function, Function::Sum) => Arc::new(Float64Array::from(vec![float.value()])),
                _ => {
                    let mean = if integer == 0 { float.average(count) } else { average_of_integers(integer, count) };
                    Arc::new(Float64Array::from(vec![(count > 0).then_some(mean)]))
                }
            }
        }
        Function::Least => plain_column(&cell(best(cells, Ordering::Less)?)),
        Function::Greatest => plain_column(&cell(best(cells, Ordering::Greater)?)),
        Function::Why | Function::Place => return Err(Error::bug("no condition asks why, or for a place")),
        Function::Other(function) => aggregate(value, function, cells, schema, column)?,
    })
}

/// The place of the first cell that is the least, or the greatest.
fn best(cells: &ArrayRef, wanted: Ordering) -> Result<Option<usize>> {
    let mut best: Option<usize> = None;
    for place in (0..cells.len()).filter(|&place| cells.is_valid(place)) {
        let order = match best {
            None => wanted,
            Some(best) => scalar::order(&read(cells, place)?, &read(cells, best)?),
        };
        if order == wanted {
            best = Some(place);
        }
    }
    Ok(best)
}

fn aggregate(
    value: &RunValue,
    function: &AggregateFunctionExpr,
    cells: &ArrayRef,
    schema: &Schema,
    column: usize,
) -> Result<ArrayRef> {
    if cells.is_empty() && value.is_zero_of_nothing() {
        return Ok(zero(&value.data_type)?.to_array()?);
    }
    let field = schema.field(column).clone().with_nullable(true);
    let rows = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::clone(cells)])?;
    if let Some(total) = total_of_call(function, &rows)? {
        return Ok(total.to_array()?);
    }
    Ok(aggregated(function, &rows)?.to_array()?)
}
