//! Whether a row meets a condition, given what a partial match has taken.
//!
//! A condition that cannot be computed is not met, and the row is a bad row, whichever partial match it was evaluated for. The
//! parts of a condition are evaluated in order, up to the first that does not hold: an earlier part guards the later ones.

use super::cache::Cache;
use super::slab::NONE;
use super::store::Store;
use super::values::{self};
use crate::plan::condition::gate::{CLOSED, NOTHING};
use crate::plan::condition::{Condition, How, RunSide, Term};
use crate::plan::local::ANY_ROW;
use crate::plan::pattern_plan::Plan;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, UInt64Type};
use egret_core::expr::{Expression, compute_or_null, literal};
use egret_core::scalar::{Column, Scalar, holds, read};
use egret_core::{Error, Result, Uncomputed};
use std::collections::BTreeMap;

/// The rows being worked on.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) rows: RecordBatch,
    /// The mask columns; the first has the bit of any row.
    masks: Vec<Vec<u64>>,
    /// The event's sides of comparisons, computed when first needed.
    sides: Vec<Option<Column>>,
    /// The run sides computed over no events at all.
    initial: Vec<Option<Scalar>>,
    /// The coarse values of rows that are compared with the gate's bounds; empty if the pattern has no gate.
    gate: Vec<i32>,
    /// By side and row: why the event's side cannot be computed.
    faults: BTreeMap<(usize, usize), String>,
    /// The failures of rows, at most one per row.
    pub(crate) wrong: Vec<Uncomputed>,
    /// The row of the last failure in `wrong`.
    wrong_row: Option<usize>,
}

impl Current {
    /// Prepares rows.
    ///
    /// # Errors
    /// The event's side of the gate cannot be computed.
    pub(crate) fn new(rows: RecordBatch, plan: &Plan) -> Result<Self> {
        let word = |word: usize| rows.column(plan.kept.len() + word).as_primitive::<UInt64Type>().values().to_vec();
        let mut masks: Vec<Vec<u64>> = (0..plan.words()).map(word).collect();
        match masks.first_mut() {
            Some(first) => first.iter_mut().for_each(|mask| *mask |= ANY_ROW),
            None => masks.push(vec![ANY_ROW; rows.num_rows()]),
        }
        let mut current = Self {
            rows,
            masks,
            sides: vec![None; plan.conditions.event_sides.len()],
            initial: vec![None; plan.conditions.run_sides.len()],
            gate: Vec::new(),
            faults: BTreeMap::new(),
            wrong: Vec::new(),
            wrong_row: None,
        };
        if let Some(gate) = plan.conditions.gate {
            current.gate = gate.values(current.side(plan, gate.event)?);
            // A row whose value fails passes the gate; the failure is reported if its condition is evaluated.
            for (_, row) in current.faults.keys() {
                current.gate[*row] = i32::MAX;
            }
        }
        Ok(current)
    }

    /// Rows of which only the masks are read.
    pub(crate) fn of_masks(rows: RecordBatch, masks: Vec<Vec<u64>>, plan: &Plan) -> Self {
        let initial = vec![None; plan.conditions.run_sides.len()];
        let (sides, gate, faults, wrong) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        Self { rows, masks, sides, initial, gate, faults, wrong, wrong_row: None }
    }

    /// The mask columns, for reuse.
    pub(crate) fn into_masks(self) -> Vec<Vec<u64>> {
        self.masks
    }

    /// The coarse value of a row that is compared with bounds.
    #[inline]
    pub(crate) fn reach(&self, row: usize) -> i32 {
        self.gate.get(row).copied().unwrap_or(NOTHING)
    }

    /// The mask that the interest of nodes is compared with.
    #[inline]
    pub(crate) fn mask(&self, row: usize) -> u64 {
        self.masks[0][row]
    }

    /// Whether the local part of a condition holds.
    #[inline]
    pub(crate) fn local(&self, condition: &Condition, row: usize) -> bool {
        condition.local.is_none_or(|local| self.masks[local.word][row] & local.bit != 0)
    }

    fn side(&mut self, plan: &Plan, side: usize) -> Result<&Column> {
        if self.sides[side].is_none() {
            let (column, faults) = compute_or_null(&plan.conditions.event_sides[side], &self.rows)?;
            self.faults.extend(faults.into_iter().map(|fault| ((side, fault.row), fault.reason)));
            self.sides[side] = Some(Column::of(column)?);
        }
        Ok(self.sides[side].as_ref().expect("it was just made"))
    }

    /// Records that a part of a condition cannot be computed for a row.
    #[cold]
    fn report(&mut self, plan: &Plan, store: &mut Store, term: &Term, (chain, row): (u32, usize), reason: &str) {
        if self.wrong_row.replace(row) == Some(row) {
            return;
        }
        let wrong = match term {
            Term::Compare { event, .. } if self.faults.contains_key(&(*event, row)) => {
                Uncomputed::new(&plan.conditions.event_sides[*event], &self.rows, row, reason)
            }
            Term::Compare { run, .. } | Term::Run(run) => {
                let side = &plan.conditions.run_sides[*run];
                let expression = side.shown();
                Uncomputed {
                    expression,
                    values: of_match(plan, store, &side.values, chain),
                    reason: reason.into(),
                    ..Uncomputed::default()
                }
            }
            Term::Mixed { expression, schema, columns, values, .. } => {
                let of_row = columns.iter().map(|&column| self.rows.column(column).slice(row, 1)).collect();
                match wide_row(plan, store, schema, of_row, values, chain) {
                    Ok(wide) => Uncomputed::new(expression, &wide, 0, reason),
                    Err(_) => Uncomputed { expression: expression.text(), reason: reason.into(), ..Uncomputed::default() },
                }
            }
        };
        self.wrong.push(wrong.with_row(&self.rows, row));
    }
}

/// Those values of a match that can be computed, as text.
fn of_match(plan: &Plan, store: &mut Store, values: &[usize], chain: u32) -> String {
    let text = |&value: &usize| {
        let of = values::array(store, value, &plan.values[value], chain).ok()?;
        Some(format!("{} = {}", plan.values[value].name, literal(&of, 0)))
    };
    values.iter().filter_map(text).collect::<Vec<_>>().join(", ")
}

/// Whether a row meets a condition.
#[inline]
pub(crate) fn meets(
    plan: &Plan,
    store: &mut Store,
    current: &mut Current,
    condition: u16,
    chain: u32,
    row: usize,
) -> Result<bool> {
    let condition = &plan.conditions.list[condition as usize];
    if condition.never || !current.local(condition, row) {
        return Ok(false);
    }
    for term in &condition.terms {
        match term_holds(plan, store, current, term, chain, row) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error @ Error::Data(_)) => {
                current.report(plan, store, term, (chain, row), error.message());
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn term_holds(plan: &Plan, store: &mut Store, current: &mut Current, term: &Term, chain: u32, row: usize) -> Result<bool> {
    match term {
        Term::Compare { event, op, run } => {
            with_side(plan, store, current, *run, chain)?;
            current.side(plan, *event)?;
            if let Some(reason) = current.faults.get(&(*event, row)) {
                return Err(Error::data(reason.clone()));
            }
            let column = current.sides[*event].as_ref().expect("it was just made");
            Ok(holds(*op, column.compare(row, known_side(store, current, *run, chain))?))
        }
        Term::Run(run) => {
            with_side(plan, store, current, *run, chain)?;
            Ok(matches!(known_side(store, current, *run, chain), Scalar::Int(1)))
        }
        Term::Mixed { expression, schema, columns, values, .. } => {
            let of_row = columns.iter().map(|&column| current.rows.column(column).slice(row, 1)).collect();
            evaluate(plan, store, expression, schema, of_row, values, chain).map(|value| value == Scalar::Int(1))
        }
    }
}

/// The least bound that a row must reach to matter to a chain at a node with these run sides in its gate.
pub(crate) fn bound(plan: &Plan, store: &mut Store, sides: &[usize], chain: u32) -> Result<i32> {
    let mut least = CLOSED;
    if let Some(gate) = plan.conditions.gate {
        for &side in sides {
            // The values are not cached with the chain: most partial matches end before a row reaches the bound.
            least = least.min(match side_value(plan, store, side, chain) {
                Ok(value) => gate.bound(&value),
                // The failure is reported if a row's condition is evaluated.
                Err(Error::Data(_)) => i32::MIN,
                Err(error) => return Err(error),
            });
        }
    }
    Ok(least)
}

/// Caches a run side unless it is cached already.
fn with_side(plan: &Plan, store: &mut Store, current: &mut Current, side: usize, chain: u32) -> Result<()> {
    let known = match chain {
        NONE => current.initial[side].is_some(),
        chain => store.cache(chain).is_some_and(|cache| cache.sides.get(side).is_some_and(Option::is_some)),
    };
    if known {
        return Ok(());
    }
    let value = side_value(plan, store, side, chain)?;
    match chain {
        NONE => current.initial[side] = Some(value),
        chain => Cache::set(&mut store.cache_mut(chain).sides, side, value),
    }
    Ok(())
}

/// Computes a run side.
fn side_value(plan: &Plan, store: &mut Store, side: usize, chain: u32) -> Result<Scalar> {
    let RunSide { values, schema, how, .. } = &plan.conditions.run_sides[side];
    Ok(match how {
        How::Value { .. } => values::scalar(store, values[0], &plan.values[values[0]], chain)?,
        How::Arithmetic(arithmetic) => {
            let mut read = Vec::with_capacity(values.len());
            for &value in values {
                read.push(values::scalar(store, value, &plan.values[value], chain)?);
            }
            arithmetic.evaluate(&read).map_or(Scalar::Null, Scalar::Float)
        }
        How::Expression(expression) => evaluate(plan, store, expression, schema, Vec::new(), values, chain)?,
    })
}

fn known_side<'a>(store: &'a Store, current: &'a Current, side: usize, chain: u32) -> &'a Scalar {
    let value = match chain {
        NONE => current.initial[side].as_ref(),
        chain => store.cache(chain).and_then(|cache| cache.sides[side].as_ref()),
    };
    value.unwrap_or(&Scalar::Null)
}

/// Evaluates an expression over one row: columns of a row, then values of a chain.
fn evaluate(
    plan: &Plan,
    store: &mut Store,
    expression: &Expression,
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    values: &[usize],
    chain: u32,
) -> Result<Scalar> {
    let row = wide_row(plan, store, schema, columns, values, chain)?;
    read(&expression.evaluate(&row)?, 0)
}

/// Columns of a row, then values of a chain.
fn wide_row(
    plan: &Plan,
    store: &mut Store,
    schema: &SchemaRef,
    mut columns: Vec<ArrayRef>,
    values: &[usize],
    chain: u32,
) -> Result<RecordBatch> {
    for &value in values {
        columns.push(values::array(store, value, &plan.values[value], chain)?);
    }
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
}
