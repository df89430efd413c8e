//! Cached values of chains.

use egret_core::exact::ExactSum;
use egret_core::scalar::Scalar;

/// The cached values of a chain.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// By number of the run side.
    pub(crate) sides: Vec<Option<Scalar>>,
    /// By number of the value.
    pub(crate) folds: Vec<Option<Fold>>,
}

impl Cache {
    pub(crate) fn clear(&mut self) {
        self.sides.clear();
        self.folds.clear();
    }

    /// Sets an entry of a list that grows as needed.
    pub(crate) fn set<T: Clone>(list: &mut Vec<Option<T>>, index: usize, value: T) {
        if list.len() <= index {
            list.resize(index + 1, None);
        }
        list[index] = Some(value);
    }
}

/// A fold over events: the intermediate result of an aggregate.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    /// How many values are not null (for `count(x)`: how many events).
    pub(super) count: i64,
    pub(super) whole: i128,
    pub(super) float: ExactSum,
    /// The event with the least or greatest value.
    pub(super) best: u32,
}
