//! Whether a row meets the part of a definition that depends on the match so far.

use super::history::{History, PartitionRows};
use super::store::{RowRef, RowStore};
use crate::plan::define::{MatchSide, RowTerm};
use crate::plan::row_plan::RowPlan;
use crate::plan::value::{Fold, From, Kind, LABEL, Read, RowValue, Set};
use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use egret_core::exact::total_of_call;
use egret_core::expr::aggregated;
use egret_core::floats::plain_column;
use egret_core::scalar::{Scalar, holds, read};
use egret_core::{Error, Result, Uncomputed};
use std::sync::Arc;

/// A match so far, whose last row is the current one.
#[derive(Clone, Copy)]
pub(crate) struct SoFar<'a> {
    pub(crate) plan: &'a RowPlan,
    pub(crate) store: &'a RowStore,
    pub(crate) rows: &'a PartitionRows,
    pub(crate) history: &'a History,
    /// The position of its first row.
    pub(crate) start: u64,
    /// The position of the current row.
    pub(crate) current: u64,
    /// The link of the current row.
    pub(crate) link: u32,
    pub(crate) match_number: u64,
}

impl SoFar<'_> {
    /// Whether the terms of the current row's variable hold. They are evaluated in order, up to the first that does not hold or
    /// cannot be computed; the latter is added to `wrong`.
    pub(crate) fn meets(&self, terms: &[RowTerm], wrong: &mut Option<Uncomputed>) -> Result<bool> {
        let Some(at) = self.rows.get(self.current) else { return Ok(false) };
        for term in terms {
            match self.term_holds(term, at) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error @ Error::Data(_)) => {
                    *wrong = Some(self.uncomputed(term, at, error.message()));
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn term_holds(&self, term: &RowTerm, at: RowRef) -> Result<bool> {
        Ok(match term {
            RowTerm::Compare { side, op, with } => {
                let with = self.side(with)?;
                self.store.check_side(at, *side)?;
                let (column, row) = self.store.side(at, *side);
                holds(*op, column.compare(row, &with)?)
            }
            RowTerm::Mixed { expression, schema, sides, values } => {
                let one = self.mixed(schema, sides, values, at)?;
                read(&expression.evaluate(&one)?, 0)? == Scalar::Int(1)
            }
        })
    }

    fn mixed(&self, schema: &SchemaRef, sides: &[usize], values: &[usize], at: RowRef) -> Result<RecordBatch> {
        let of_row = sides.iter().map(|&side| Ok(self.store.side_array(at, side)));
        let columns = of_row.chain(values.iter().map(|&value| self.array(value))).collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
    }

    /// The report of a term that cannot be computed.
    #[cold]
    fn uncomputed(&self, term: &RowTerm, at: RowRef, reason: &str) -> Uncomputed {
        let wrong = match term {
            RowTerm::Compare { side, .. } if self.store.check_side(at, *side).is_err() => {
                Uncomputed { expression: self.plan.defines.sides[*side].text(), ..Uncomputed::default() }
            }
            RowTerm::Compare { with, .. } => {
                let named = |&value: &usize| self.plan.defines.values[value].name.clone();
                let text = with.expression.as_ref().map_or_else(|| with.values.first().map(named), |of| Some(of.text()));
                Uncomputed { expression: text.unwrap_or_default(), ..Uncomputed::default() }
            }
            RowTerm::Mixed { expression, schema, sides, values } => match self.mixed(schema, sides, values, at) {
                Ok(one) => Uncomputed::new(expression, &one, 0, reason),
                Err(_) => Uncomputed { expression: expression.text(), ..Uncomputed::default() },
            },
        };
        Uncomputed { reason: reason.to_owned(), row: self.store.row_json(self.plan, at), ..wrong }
    }

    fn side(&self, side: &MatchSide) -> Result<Scalar> {
        match &side.expression {
            None => self.scalar(side.values[0]),
            Some(expression) => {
                let columns = side.values.iter().map(|&value| self.array(value)).collect::<Result<Vec<_>>>()?;
                read(&expression.evaluate(&one_row(&side.schema, columns)?)?, 0)
            }
        }
    }

    /// A value, as a scalar.
    fn scalar(&self, value: usize) -> Result<Scalar> {
        let RowValue { data_type, kind, .. } = &self.plan.defines.values[value];
        match kind {
            Kind::Cell { from, offset, read: what, .. } => match what {
                Read::Column(column) => match self.row(value, *from, *offset) {
                    Some(at) => {
                        let (cells, row) = self.store.cell(at, *column);
                        read(cells, row)
                    }
                    None => Ok(Scalar::Null),
                },
                _ => read(&self.array(value)?, 0),
            },
            Kind::MatchNumber => Ok(Scalar::Int(self.match_number as i64)),
            Kind::Aggregate { fold: Fold::Rows | Fold::Count(_) | Fold::Sum(_) | Fold::Average(_), .. } => {
                self.folded(value).map_or(Ok(Scalar::Null), |(fold, folded)| folded.number(fold, data_type.is_floating()))
            }
            Kind::Aggregate { .. } => read(&self.array(value)?, 0),
        }
    }

    /// A value, as an array with one row.
    fn array(&self, value: usize) -> Result<ArrayRef> {
        let RowValue { data_type, kind, .. } = &self.plan.defines.values[value];
        Ok(match kind {
            Kind::Cell { from, offset, read: what, .. } => match what {
                Read::Column(column) => self.cell(self.row(value, *from, *offset), *column, data_type),
                Read::Exists => Arc::new(BooleanArray::from(vec![self.row(value, *from, *offset).is_some()])),
                Read::Label => Arc::new(StringArray::from(vec![self.label(value, *from, *offset)])),
            },
            Kind::MatchNumber => Arc::new(Int64Array::from(vec![self.match_number as i64])),
            Kind::Aggregate { set, fold: Fold::Other { function, columns }, .. } => {
                let (positions, labels) = self.matched(*set);
                aggregate(self.plan, self.store, self.rows, function, columns, &positions, &labels)?.to_array()?
            }
            Kind::Aggregate { fold: Fold::Least(column) | Fold::Greatest(column), .. } => {
                let best = self.folded(value).and_then(|(_, folded)| folded.best);
                plain_column(&self.cell(best.and_then(|best| self.rows.get(best)), *column, data_type))
            }
            Kind::Aggregate { .. } => match self.scalar(value)? {
                Scalar::Int(number) => Arc::new(Int64Array::from(vec![number])),
                Scalar::Float(number) => Arc::new(Float64Array::from(vec![number])),
                _ => new_null_array(data_type, 1),
            },
        })
    }

    fn cell(&self, at: Option<RowRef>, column: usize, data_type: &DataType) -> ArrayRef {
        match at {
            Some(at) => {
                let (cells, row) = self.store.cell(at, column);
                cells.slice(row, 1)
            }
            None => new_null_array(data_type, 1),
        }
    }

    fn folded(&self, value: usize) -> Option<(&Fold, super::history::Folded)> {
        let index = self.plan.tracked.of_value[value]?;
        Some((&self.plan.tracked.folds[index].1, self.history.folded(self.plan, self.link, index)))
    }

    fn row(&self, value: usize, from: From, offset: i64) -> Option<RowRef> {
        self.rows.at(self.position(value, from)?, offset)
    }

    /// The position of the row at which navigation begins.
    fn position(&self, value: usize, from: From) -> Option<u64> {
        match from {
            From::Current => Some(self.current),
            From::First { set: None, n } => Some(self.start + n).filter(|&position| position <= self.current),
            From::Last { set: None, n } => self.current.checked_sub(n).filter(|&position| position >= self.start),
            From::First { n: 0, .. } | From::Last { n: 0, .. } => {
                self.history.tracked_row(self.plan, self.link, self.plan.tracked.of_value[value]?)
            }
            From::Last { set, n } => self.back(set).nth(n as usize),
            From::First { set, n } => {
                let positions: Vec<u64> = self.back(set).collect();
                positions.len().checked_sub(n as usize + 1).map(|place| positions[place])
            }
        }
    }

    /// The positions and nodes of the match so far, from the current row backwards.
    fn path(&self) -> impl Iterator<Item = (u64, u32)> {
        let mut link = self.link;
        (self.start..=self.current).rev().map(move |position| {
            let found = self.history.get(link);
            link = found.previous;
            (position, found.node)
        })
    }

    fn back(&self, set: Set) -> impl Iterator<Item = u64> {
        let belongs = move |node: u32| self.plan.variables.contains(set, self.plan.automaton.nodes[node as usize].variable);
        self.path().filter(move |(_, node)| belongs(*node)).map(|(position, _)| position)
    }

    fn label(&self, value: usize, from: From, offset: i64) -> Option<&str> {
        let position = self.position(value, from)?.checked_add_signed(offset)?;
        if position < self.start || position > self.current {
            return None;
        }
        let (_, node) = self.path().nth((self.current - position) as usize)?;
        Some(&self.plan.variables.names[usize::from(self.plan.automaton.nodes[node as usize].variable)])
    }

    /// The positions of a set's rows, in order, and their variables.
    fn matched(&self, set: Set) -> (Vec<u64>, Vec<u16>) {
        let variable = |node: u32| self.plan.automaton.nodes[node as usize].variable;
        let rows = self.path().map(|(position, node)| (position, variable(node)));
        let mut rows: Vec<(u64, u16)> = rows.filter(|(_, variable)| self.plan.variables.contains(set, *variable)).collect();
        rows.reverse();
        rows.into_iter().unzip()
    }
}

fn one_row(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(SchemaRef::clone(schema), columns, &options)?)
}

/// Any other aggregate function, over all rows at once.
pub(crate) fn aggregate(
    plan: &RowPlan,
    store: &RowStore,
    rows: &PartitionRows,
    function: &AggregateFunctionExpr,
    columns: &[usize],
    positions: &[u64],
    labels: &[u16],
) -> Result<ScalarValue> {
    let refs: Vec<Option<RowRef>> = positions.iter().map(|&position| rows.get(position)).collect();
    let mut arrays = columns.iter().map(|&column| store.gather(column, &refs, None)).collect::<Result<Vec<_>>>()?;
    arrays.push(Arc::new(StringArray::from_iter_values(labels.iter().map(|&label| &plan.variables.names[usize::from(label)]))));
    let mut fields: Vec<Field> = columns
        .iter()
        .map(|&column| Field::new(plan.columns[column].logical().to_string(), plan.columns[column].data_type().clone(), true))
        .collect();
    fields.push(Field::new(LABEL, DataType::Utf8, true));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    if let Some(total) = total_of_call(function, &batch)? {
        return Ok(total);
    }
    aggregated(function, &batch)
}
