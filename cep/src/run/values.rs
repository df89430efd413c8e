//! Computes values of a match, whole or partial: `first(x.col)`, `avg(x.amount)`.
//!
//! Counts, sums, averages and extremes are folded: the fold over a prefix of a chain is cached at the link where it was computed,
//! so the value of a chain that is longer by one event costs one step.

use super::cache::{Cache, Fold};
use super::slab::NONE;
use super::store::Store;
use crate::plan::condition::names::zero;
use crate::plan::value::{Function, RunValue};
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, new_empty_array, new_null_array};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use egret_core::Result;
use egret_core::exact::{ExactSum, average_of_integers, sum_of_integers, total_of_call};
use egret_core::expr::aggregated;
use egret_core::floats::{plain, plain_column};
use egret_core::row_place::{self, hash_of, made_of};
use egret_core::scalar::{self, Kind, Scalar, kind, read};
use std::cmp::Ordering;

impl Fold {
    fn empty() -> Self {
        Self { count: 0, whole: 0, float: ExactSum::default(), best: NONE }
    }

    fn take(&mut self, store: &Store, value: &RunValue, event: u32) -> Result<()> {
        let Some(column) = value.column else {
            self.count += 1;
            return Ok(());
        };
        let (cells, row) = store.cell(event, column);
        if cells.is_null(row) {
            return Ok(());
        }
        self.count += 1;
        match value.function {
            Function::Sum | Function::Average => match read(cells, row)? {
                Scalar::Int(number) => self.whole += i128::from(number),
                Scalar::Float(number) => self.float.add(number),
                _ => {}
            },
            Function::Least | Function::Greatest => {
                let wanted = if matches!(value.function, Function::Least) { Ordering::Less } else { Ordering::Greater };
                if self.best == NONE || order(store, column, event, self.best)? == wanted {
                    self.best = event;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&self, store: &Store, value: &RunValue) -> Result<Scalar> {
        Ok(match value.function {
            Function::Count => Scalar::Int(self.count),
            Function::Sum if kind(&value.data_type) == Kind::Float => Scalar::Float(self.float.value()),
            Function::Sum => Scalar::Int(sum_of_integers(self.whole)?),
            Function::Average if self.count == 0 => Scalar::Null,
            // A column holds either integers or floats.
            Function::Average if self.whole == 0 => Scalar::Float(self.float.average(self.count as u64)),
            Function::Average => Scalar::Float(average_of_integers(self.whole, self.count as u64)),
            // The least or greatest of zeros is plain zero, not minus zero.
            _ => match event_value(store, value, self.best)? {
                Scalar::Float(number) => Scalar::Float(plain(number)),
                other => other,
            },
        })
    }
}

/// Compares the values of two events.
fn order(store: &Store, column: usize, one: u32, other: u32) -> Result<Ordering> {
    let value = |event: u32| {
        let (cells, row) = store.cell(event, column);
        read(cells, row)
    };
    Ok(scalar::order(&value(one)?, &value(other)?))
}

fn event_value(store: &Store, value: &RunValue, event: u32) -> Result<Scalar> {
    match value.column {
        Some(column) if event != NONE => {
            let (cells, row) = store.cell(event, column);
            read(cells, row)
        }
        _ => Ok(Scalar::Null),
    }
}

/// Folds over at most this many events are not cached: computing them anew is quicker than a look-up.
const FEW: usize = 4;

/// The fold over a chain, starting from the cached fold of its longest prefix that has one.
fn fold(store: &mut Store, index: usize, value: &RunValue, chain: u32) -> Result<Fold> {
    let (mut few, mut more, mut count) = ([NONE; FEW], Vec::new(), 0);
    let mut at = chain;
    let mut fold = Fold::empty();
    while at != NONE {
        if let Some(known) = store.cache(at).and_then(|cache| cache.folds.get(index).cloned().flatten()) {
            fold = known;
            break;
        }
        let link = store.link(at);
        if value.variable.is_none_or(|variable| variable == link.variable) {
            match few.get_mut(count) {
                Some(place) => *place = link.event,
                None => more.push(link.event),
            }
            count += 1;
        }
        at = link.previous;
    }
    for &event in few[..count.min(FEW)].iter().chain(&more).rev() {
        fold.take(store, value, event)?;
    }
    if count > FEW {
        Cache::set(&mut store.cache_mut(chain).folds, index, fold.clone());
    }
    Ok(fold)
}

/// The event that `first`, `last` or a partition column reads; [`NONE`] if there is none.
fn picked(store: &Store, value: &RunValue, chain: u32, scratch: &mut Vec<u32>) -> u32 {
    match value.function {
        Function::Any if chain != NONE => store.link(chain).event,
        Function::Last(mut back) => {
            let mut at = chain;
            while at != NONE {
                let link = store.link(at);
                if value.variable.is_none_or(|variable| variable == link.variable) {
                    if back == 0 {
                        return link.event;
                    }
                    back -= 1;
                }
                at = link.previous;
            }
            NONE
        }
        Function::First(forward) => {
            store.events_of(chain, value.variable, scratch);
            scratch.get(forward).copied().unwrap_or(NONE)
        }
        _ => NONE,
    }
}

/// The value for a chain ([`NONE`]: no event taken yet).
pub(crate) fn scalar(store: &mut Store, index: usize, value: &RunValue, chain: u32) -> Result<Scalar> {
    if value.is_folded() {
        let fold = fold(store, index, value, chain)?;
        return fold.finish(store, value);
    }
    match &value.function {
        Function::Other(function) => read(&aggregate(store, value, function, chain)?.to_array()?, 0),
        _ => {
            let event = picked(store, value, chain, &mut Vec::new());
            event_value(store, value, event)
        }
    }
}

/// The value for a chain, as a column of one row.
pub(crate) fn array(store: &mut Store, index: usize, value: &RunValue, chain: u32) -> Result<ArrayRef> {
    match &value.function {
        Function::Other(function) => Ok(aggregate(store, value, function, chain)?.to_array()?),
        Function::Any | Function::First(_) | Function::Last(_) => {
            let event = picked(store, value, chain, &mut Vec::new());
            let cell = cell(store, value, event)?;
            // The value of any event is the key's.
            Ok(if matches!(value.function, Function::Any) { plain_column(&cell) } else { cell })
        }
        Function::Least | Function::Greatest => {
            let best = fold(store, index, value, chain)?.best;
            Ok(plain_column(&cell(store, value, best)?))
        }
        _ => Ok(match scalar(store, index, value, chain)? {
            Scalar::Int(number) => std::sync::Arc::new(Int64Array::from(vec![number])),
            Scalar::Float(number) => std::sync::Arc::new(Float64Array::from(vec![number])),
            _ => new_null_array(&value.data_type, 1),
        }),
    }
}

fn cell(store: &Store, value: &RunValue, event: u32) -> Result<ArrayRef> {
    Ok(match value.column {
        Some(column) if event != NONE => {
            let (cells, row) = store.cell(event, column);
            cells.slice(row, 1)
        }
        _ => new_null_array(&value.data_type, 1),
    })
}

/// The places of matches: a hash of all events taken tells those apart that end with the same event.
fn places(store: &Store, column: usize, chains: &[u32]) -> Result<ArrayRef> {
    let place = |event: u32| {
        let (cells, row) = store.cell(event, column);
        row_place::values(cells)[row]
    };
    let of_chain = |&chain: &u32| {
        let mut links = store.links_of(chain);
        links.reverse();
        let all = links.iter().map(|link| (place(link.event), u64::from(link.variable)));
        made_of(links.first().map_or(0, |last| place(last.event)), hash_of(all))
    };
    Ok(row_place::column(chains.iter().map(of_chain).collect()))
}

/// The value for many chains, as a column.
pub(crate) fn column(store: &mut Store, index: usize, value: &RunValue, chains: &[u32]) -> Result<ArrayRef> {
    match &value.function {
        Function::Any | Function::First(_) | Function::Last(_) => {
            let mut scratch = Vec::new();
            let events: Vec<u32> = chains.iter().map(|&chain| picked(store, value, chain, &mut scratch)).collect();
            let cells = store.gather(value.column.unwrap_or_default(), &events)?;
            Ok(if matches!(value.function, Function::Any) { plain_column(&cells) } else { cells })
        }
        Function::Least | Function::Greatest => {
            let best = |chain: &u32| Ok(fold(store, index, value, *chain)?.best);
            let events = chains.iter().map(best).collect::<Result<Vec<_>>>()?;
            Ok(plain_column(&store.gather(value.column.unwrap_or_default(), &events)?))
        }
        Function::Place => places(store, value.column.unwrap_or_default(), chains),
        // The value could not be computed for any of the chains.
        Function::Other(_) if chains.is_empty() => Ok(new_empty_array(&value.data_type)),
        Function::Other(function) => {
            let values = chains.iter().map(|&chain| aggregate(store, value, function, chain)).collect::<Result<Vec<_>>>()?;
            Ok(ScalarValue::iter_to_array(values)?)
        }
        _ => {
            let values = chains.iter().map(|&chain| scalar(store, index, value, chain)).collect::<Result<Vec<_>>>()?;
            Ok(if kind(&value.data_type) == Kind::Float {
                std::sync::Arc::new(Float64Array::from_iter(values.iter().map(|value| match value {
                    Scalar::Float(number) => Some(*number),
                    _ => None,
                })))
            } else {
                std::sync::Arc::new(Int64Array::from_iter(values.iter().map(|value| match value {
                    Scalar::Int(number) => Some(*number),
                    _ => None,
                })))
            })
        }
    }
}

/// Any aggregate function, over all events at once.
fn aggregate(store: &Store, value: &RunValue, function: &AggregateFunctionExpr, chain: u32) -> Result<ScalarValue> {
    let mut events = Vec::new();
    store.events_of(chain, value.variable, &mut events);
    if events.is_empty() && value.is_zero_of_nothing() {
        return zero(&value.data_type);
    }
    let cells = store.gather(value.column.unwrap_or_default(), &events)?;
    let field = store.schema().field(value.column.unwrap_or_default()).clone();
    let rows =
        RecordBatch::try_new(std::sync::Arc::new(arrow::datatypes::Schema::new(vec![field.with_nullable(true)])), vec![cells])?;
    if let Some(total) = total_of_call(function, &rows)? {
        return Ok(total);
    }
    aggregated(function, &rows)
}
