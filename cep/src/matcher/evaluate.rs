//! Whether a row meets a condition, given what a partial match has taken.

use super::slab::NONE;
use super::store::Store;
use super::values::{self, Cache};
use crate::compiled::Plan;
use crate::condition::gate::{CLOSED, NOTHING};
use crate::condition::scalar::{Column, Scalar, holds, read};
use crate::condition::{Condition, How, RunSide, Term};
use crate::local::ANY_ROW;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, UInt64Type};
use egret_core::Result;
use egret_core::expr::Expression;

/// The rows being worked on.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) rows: RecordBatch,
    /// The mask columns; the first has the bit of any row.
    masks: Vec<Vec<u64>>,
    /// The event's sides of comparisons, made when first needed.
    sides: Vec<Option<Column>>,
    /// Run sides over no events at all.
    initial: Vec<Option<Scalar>>,
    /// What the rows have that is compared with bounds; empty if the pattern has no gate.
    gate: Vec<i32>,
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
        };
        if let Some(gate) = plan.conditions.gate {
            current.gate = gate.values(current.side(plan, gate.event)?);
        }
        Ok(current)
    }

    /// Rows of which nothing but the masks is read.
    pub(crate) fn of_masks(rows: RecordBatch, masks: Vec<Vec<u64>>, plan: &Plan) -> Self {
        let initial = vec![None; plan.conditions.run_sides.len()];
        Self { rows, masks, sides: Vec::new(), initial, gate: Vec::new() }
    }

    /// The mask columns, to be used again.
    pub(crate) fn into_masks(self) -> Vec<Vec<u64>> {
        self.masks
    }

    /// What a row has that is compared with bounds.
    #[inline]
    pub(crate) fn reach(&self, row: usize) -> i32 {
        self.gate.get(row).copied().unwrap_or(NOTHING)
    }

    /// What the interest of nodes is compared with.
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
            self.sides[side] = Some(Column::of(plan.conditions.event_sides[side].evaluate(&self.rows)?)?);
        }
        Ok(self.sides[side].as_ref().expect("it was just made"))
    }
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
        if !term_holds(plan, store, current, term, chain, row)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn term_holds(plan: &Plan, store: &mut Store, current: &mut Current, term: &Term, chain: u32, row: usize) -> Result<bool> {
    match term {
        Term::Compare { event, op, run } => {
            with_side(plan, store, current, *run, chain)?;
            current.side(plan, *event)?;
            let column = current.sides[*event].as_ref().expect("it was just made");
            Ok(holds(*op, column.compare(row, known_side(store, current, *run, chain))?))
        }
        Term::Run(run) => {
            with_side(plan, store, current, *run, chain)?;
            Ok(matches!(known_side(store, current, *run, chain), Scalar::Int(1)))
        }
        Term::Mixed { expression, schema, columns, values } => {
            let of_row = columns.iter().map(|&column| current.rows.column(column).slice(row, 1)).collect();
            evaluate(plan, store, expression, schema, of_row, values, chain).map(|value| value == Scalar::Int(1))
        }
    }
}

/// The least bound that a row must reach to matter to a chain at a node with these sides of the gate.
pub(crate) fn bound(plan: &Plan, store: &mut Store, sides: &[usize], chain: u32) -> Result<i32> {
    let mut least = CLOSED;
    if let Some(gate) = plan.conditions.gate {
        for &side in sides {
            // Not kept with the chain: most partial matches end before a row reaches the bound.
            least = least.min(gate.bound(&side_value(plan, store, side, chain)?));
        }
    }
    Ok(least)
}

/// Computes a run side unless it is known.
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
    mut columns: Vec<ArrayRef>,
    values: &[usize],
    chain: u32,
) -> Result<Scalar> {
    for &value in values {
        columns.push(values::array(store, value, &plan.values[value], chain)?);
    }
    let rows = RecordBatch::try_new(SchemaRef::clone(schema), columns)?;
    read(&expression.evaluate(&rows)?, 0)
}
