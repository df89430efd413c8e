//! The output of matches: output rows are collected and turned into columns together. An output row with a measure that cannot be
//! computed is itself a bad row, and left out; the match was found all the same.

use super::matched::{Matched, Members};
use crate::kept::evaluate::aggregate;
use crate::kept::history::{Folded, PartitionRows};
use crate::kept::store::{RowRef, RowStore};
use crate::plan::measure::OutputColumn;
use crate::plan::row_plan::RowPlan;
use crate::plan::spec::RowsPerMatch;
use crate::plan::value::{Fold, Kind, Read, RowValue};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, new_empty_array};
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use egret_core::floats::plain_column;
use egret_core::scalar::Scalar;
use egret_core::{Batch, Error, Result, Uncomputed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Collected rows become a batch when there are this many.
const ROWS_MAX: usize = 8_192;

/// Output that has not been sent yet.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// For each output row: the row whose columns it shows.
    shown: Vec<RowRef>,
    unmatched: Vec<bool>,
    /// For each value of the measures: its cells.
    values: Vec<Cells>,
    members: Members,
    batches: Vec<Batch>,
    matches: u64,
    /// By output row: a value that cannot be computed.
    failed: BTreeMap<usize, Uncomputed>,
    /// The failures of rows.
    wrong: Vec<Uncomputed>,
}

/// A value in each output row.
#[derive(Debug)]
enum Cells {
    Column(usize, Vec<Option<RowRef>>),
    /// The least or greatest of some cells; minus zero becomes zero.
    Extreme(usize, Vec<Option<RowRef>>),
    Labels(Vec<Option<u16>>),
    Exists(Vec<bool>),
    Ints(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Others(DataType, Vec<ScalarValue>),
}

impl Cells {
    fn of(value: &RowValue) -> Self {
        match &value.kind {
            Kind::Cell { read: Read::Column(column), .. } => Self::Column(*column, Vec::new()),
            Kind::Aggregate { fold: Fold::Least(column) | Fold::Greatest(column), .. } => Self::Extreme(*column, Vec::new()),
            Kind::Cell { read: Read::Label, .. } => Self::Labels(Vec::new()),
            Kind::Cell { read: Read::Exists, .. } => Self::Exists(Vec::new()),
            Kind::Aggregate { fold: Fold::Other { .. }, .. } => Self::Others(value.data_type.clone(), Vec::new()),
            Kind::Aggregate { .. } if value.data_type.is_floating() => Self::Floats(Vec::new()),
            Kind::Aggregate { .. } | Kind::MatchNumber => Self::Ints(Vec::new()),
        }
    }

    fn push_null(&mut self) -> Result<()> {
        match self {
            Self::Column(_, list) | Self::Extreme(_, list) => list.push(None),
            Self::Labels(list) => list.push(None),
            Self::Exists(list) => list.push(false),
            Self::Ints(list) => list.push(None),
            Self::Floats(list) => list.push(None),
            Self::Others(data_type, list) => list.push(ScalarValue::try_from(&*data_type)?),
        }
        Ok(())
    }

    /// The column of the values so far; clears the values.
    fn take(&mut self, plan: &RowPlan, store: &RowStore) -> Result<ArrayRef> {
        use std::mem::take;
        let label = |label: u16| plan.variables.names[usize::from(label)].as_str();
        Ok(match self {
            Self::Column(column, list) => store.gather(*column, &take(list), None)?,
            Self::Extreme(column, list) => plain_column(&store.gather(*column, &take(list), None)?),
            Self::Labels(list) => Arc::new(StringArray::from_iter(take(list).into_iter().map(|found| found.map(label)))),
            Self::Exists(list) => Arc::new(BooleanArray::from(take(list))),
            Self::Ints(list) => Arc::new(Int64Array::from(take(list))),
            Self::Floats(list) => Arc::new(Float64Array::from(take(list))),
            Self::Others(data_type, list) if list.is_empty() => new_empty_array(data_type),
            Self::Others(_, list) => ScalarValue::iter_to_array(take(list))?,
        })
    }
}

/// The intermediate result of an aggregate, kept from row to row of a match.
enum Running {
    No,
    Folded(Folded),
    Other(Option<ScalarValue>),
}

impl Rendered {
    /// Adds the output of a match.
    pub(crate) fn matched(
        &mut self,
        plan: &RowPlan,
        store: &RowStore,
        rows: &PartitionRows,
        (start, nodes): (u64, &[u32]),
        number: u64,
    ) -> Result<()> {
        self.matches += 1;
        if self.values.is_empty() {
            self.values = plan.measures.values.iter().map(Cells::of).collect();
        }
        self.members.begin(plan);
        let found = Matched { plan, store, rows, start, nodes, number };
        match (plan.spec.rows_per_match, nodes.len()) {
            (RowsPerMatch::AllOmitEmpty, 0) => Ok(()),
            (_, 0) => self.row(&found, None, &mut found.running(), start),
            (RowsPerMatch::One, length) => {
                let mut running = found.running();
                found.run_to_end(&mut running)?;
                self.row(&found, Some(length - 1), &mut running, start + length as u64 - 1)
            }
            (..) => {
                let mut running = found.running();
                found.run_finals(&mut running)?;
                for (place, &node) in nodes.iter().enumerate() {
                    found.run_one(&mut running, place)?;
                    if !plan.automaton.nodes[node as usize].excluded {
                        self.row(&found, Some(place), &mut running, start + place as u64)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Adds the failure of a row.
    pub(crate) fn refuse(&mut self, wrong: Uncomputed) {
        self.wrong.push(wrong);
    }

    /// The failures since the last call.
    pub(crate) fn take_wrong(&mut self) -> Vec<Uncomputed> {
        std::mem::take(&mut self.wrong)
    }

    /// Adds the output of a row that belongs to no match.
    pub(crate) fn unmatched(&mut self, plan: &RowPlan, store: &RowStore, at: RowRef) -> Result<()> {
        if self.values.is_empty() {
            self.values = plan.measures.values.iter().map(Cells::of).collect();
        }
        self.values.iter_mut().try_for_each(Cells::push_null)?;
        self.push(plan, store, at, true)
    }

    /// Adds the output row for the row at a place of a match, or for an empty match.
    fn row(&mut self, found: &Matched<'_>, place: Option<usize>, running: &mut [Running], position: u64) -> Result<()> {
        let Self { values, members, failed, shown, .. } = self;
        for ((cells, value), running) in values.iter_mut().zip(&found.plan.measures.values).zip(running) {
            match found.push(cells, value, running, members, place) {
                Ok(()) => {}
                Err(error @ Error::Data(_)) => {
                    cells.push_null()?;
                    let (expression, reason) = (value.name.clone(), error.message().to_owned());
                    failed.entry(shown.len()).or_insert(Uncomputed { expression, reason, ..Uncomputed::default() });
                }
                Err(error) => return Err(error),
            }
        }
        match found.rows.get(position) {
            Some(at) => self.push(found.plan, found.store, at, false),
            None => Err(egret_core::Error::bug("the rows of a match are kept")),
        }
    }

    fn push(&mut self, plan: &RowPlan, store: &RowStore, at: RowRef, unmatched: bool) -> Result<()> {
        self.shown.push(at);
        self.unmatched.push(unmatched);
        if self.shown.len() >= ROWS_MAX { self.flush(plan, store) } else { Ok(()) }
    }

    /// Makes a batch of the collected rows. Must be called before rows leave the store.
    pub(crate) fn flush(&mut self, plan: &RowPlan, store: &RowStore) -> Result<()> {
        if self.shown.is_empty() {
            return Ok(());
        }
        let count = self.shown.len();
        let shown: Vec<Option<RowRef>> = std::mem::take(&mut self.shown).into_iter().map(Some).collect();
        let values = self.values.iter_mut().map(|cells| cells.take(plan, store)).collect::<Result<_>>()?;
        let unmatched = std::mem::take(&mut self.unmatched);
        let unmatched = unmatched.contains(&true).then(|| BooleanArray::from(unmatched));
        let (measures, wrong) = plan.measures.evaluate(values, count, unmatched.as_ref())?;
        let mut failed = std::mem::take(&mut self.failed);
        for (row, wrong) in wrong {
            failed.entry(row).or_insert(wrong);
        }
        let at = |row: usize| shown.get(row).copied().flatten();
        let said = failed.iter().map(|(&row, wrong)| Uncomputed {
            row: at(row).map(|at| store.row_json(plan, at)).unwrap_or_default(),
            ..wrong.clone()
        });
        self.wrong.extend(said);
        let column = |column: &OutputColumn| match *column {
            OutputColumn::Stored(column) => store.gather(column, &shown, None),
            OutputColumn::Key(column) => Ok(plain_column(&store.gather(column, &shown, None)?)),
            OutputColumn::Measure(measure) => Ok(Arc::clone(&measures[measure])),
            OutputColumn::Time => store.gather(plan.time.unwrap_or_default(), &shown, None),
        };
        let columns = plan.measures.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(count));
        let output = &plan.measures.output;
        let rows = RecordBatch::try_new_with_options(Arc::clone(output.arrow()), columns, &options)?;
        let batch = Batch::from_parts(rows, output.event_time(), None);
        let good = || BooleanArray::from_iter((0..count).map(|row| Some(!failed.contains_key(&row))));
        self.batches.push(if failed.is_empty() { batch } else { batch.filter(&good())? });
        Ok(())
    }

    /// The batches made, and the number of matches found, since the last call.
    pub(crate) fn take(&mut self) -> (Vec<Batch>, u64) {
        (std::mem::take(&mut self.batches), std::mem::take(&mut self.matches))
    }
}

impl Matched<'_> {
    /// The aggregates before the first row.
    fn running(&self) -> Vec<Running> {
        let of = |value: &RowValue| match &value.kind {
            Kind::Aggregate { fold: Fold::Other { .. }, .. } => Running::Other(None),
            Kind::Aggregate { .. } => Running::Folded(Folded::empty()),
            _ => Running::No,
        };
        self.plan.measures.values.iter().map(of).collect()
    }

    /// Adds all rows to all aggregates.
    fn run_to_end(&self, running: &mut [Running]) -> Result<()> {
        self.plan.measures.values.iter().zip(running).try_for_each(|(value, running)| self.run_all(value, running))
    }

    /// Adds all rows to the final aggregates.
    fn run_finals(&self, running: &mut [Running]) -> Result<()> {
        let finals = self.plan.measures.values.iter().zip(running);
        let mut finals = finals.filter(|(value, _)| matches!(value.kind, Kind::Aggregate { is_final: true, .. }));
        finals.try_for_each(|(value, running)| self.run_all(value, running))
    }

    fn run_all(&self, value: &RowValue, running: &mut Running) -> Result<()> {
        if let (Kind::Aggregate { set, fold, .. }, Running::Folded(folded)) = (&value.kind, running) {
            return (0..self.nodes.len()).try_for_each(|place| self.fold(folded, *set, fold, place));
        }
        Ok(())
    }

    /// Adds a row to the running aggregates.
    fn run_one(&self, running: &mut [Running], place: usize) -> Result<()> {
        for (value, running) in self.plan.measures.values.iter().zip(running) {
            let Kind::Aggregate { set, is_final: false, fold } = &value.kind else { continue };
            match running {
                Running::Folded(folded) => self.fold(folded, *set, fold, place)?,
                // The computed value stays valid until another row belongs to its set.
                Running::Other(known) if self.belongs(*set, place) => *known = None,
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the value, as seen from the row at a place, to its cells.
    fn push(
        &self,
        cells: &mut Cells,
        value: &RowValue,
        running: &mut Running,
        members: &mut Members,
        place: Option<usize>,
    ) -> Result<()> {
        let last = self.nodes.len().saturating_sub(1);
        let now = place.unwrap_or_default();
        match (&value.kind, cells) {
            (Kind::MatchNumber, Cells::Ints(list)) => list.push(Some(self.number as i64)),
            (Kind::Cell { from, is_final, offset, .. }, cells) => {
                let position = self.position(members, *from, now, if *is_final { last } else { now });
                match cells {
                    Cells::Column(_, list) => list.push(position.and_then(|position| self.rows.at(position, *offset))),
                    Cells::Labels(list) => list.push(position.and_then(|position| self.label(position, *offset))),
                    Cells::Exists(list) => {
                        list.push(position.is_some_and(|position| self.rows.at(position, *offset).is_some()));
                    }
                    cells => cells.push_null()?,
                }
            }
            (Kind::Aggregate { set, is_final, fold: Fold::Other { function, columns } }, Cells::Others(_, list)) => {
                let limit = if *is_final { last } else { now };
                let Running::Other(known) = running else { return Ok(()) };
                if known.is_none() {
                    let (positions, labels) = self.matched(*set, limit);
                    *known = Some(aggregate(self.plan, self.store, self.rows, function, columns, &positions, &labels)?);
                }
                list.extend(known.clone());
            }
            (Kind::Aggregate { fold, .. }, cells) => {
                let Running::Folded(folded) = running else { return Ok(()) };
                match (cells, folded.number(fold, value.data_type.is_floating())?) {
                    (Cells::Extreme(_, list), _) => list.push(folded.best.and_then(|best| self.rows.get(best))),
                    (Cells::Ints(list), Scalar::Int(number)) => list.push(Some(number)),
                    (Cells::Floats(list), Scalar::Float(number)) => list.push(Some(number)),
                    (cells, _) => cells.push_null()?,
                }
            }
            (_, cells) => cells.push_null()?,
        }
        Ok(())
    }
}
