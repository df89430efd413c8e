//! How the trees of a model learn: the contract of what differs between a tree, a tree that adapts, and the ensembles.

use super::config::{Row, TreeConfig};
use super::voters::Voters;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// How the trees of a model learn.
pub(crate) trait Method: Clone + Debug + Send + Sync + 'static {
    /// What it keeps besides the trees that vote.
    type State: Clone + Debug + Serialize + DeserializeOwned;

    fn tree(&self) -> &TreeConfig;

    /// How many trees vote.
    fn voters(&self) -> usize;

    /// Trees and a state that have learned nothing.
    fn start(&self) -> (Voters, Self::State);

    /// Learns a row.
    fn learn(&self, voters: &mut Voters, state: &mut Self::State, row: Row<'_>, class: usize);

    /// Makes what was read from a snapshot whole; `false` if it is not of such a model.
    fn restore(&self, voters: &mut Voters, state: &mut Self::State, classes: usize) -> bool;

    /// Bytes of memory of the state.
    fn state_bytes(&self, state: &Self::State) -> usize;
}
