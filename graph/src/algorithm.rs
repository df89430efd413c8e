//! The contract of graph algorithms: registry member, plan, follower and replica.
//!
//! * [`Algorithm`] has a name and reads settings; [`crate::algorithms`] lists all members.
//! * [`Plan`] is an algorithm with its settings: the answers it gives, and the columns of its updates.
//! * [`Follower`] runs once, in the graph's operator. Version by version it gets the edges that were inserted and removed, and writes
//!   updates.
//! * [`Replica`] runs on every worker. It applies the updates and answers rows.
//!
//! [`crate::counts`] implements most of this for algorithms that give whole numbers by vertex.
//!
//! # Contract
//! The updates of a follower depend on the edges of the versions alone: not on the batches that rows came in, on the order of the
//! rows of a step, or on restores. `tests/law.rs` tests this for every member of the registry.

use crate::answers::{AnswerColumn, Found, Signature};
use crate::settings::Settings;
use crate::store::{Edge, EdgeStore};
use crate::updates::{UpdateRow, UpdateRowsOut};
use crate::vertices::{Side, Vertices};
use arrow::datatypes::Field;
use egret_core::Result;
use std::fmt;
use std::sync::Arc;

/// A member of the registry.
pub(crate) trait Algorithm: Sync {
    /// The name in `COMPUTE`.
    fn name(&self) -> &'static str;

    /// The algorithm with these settings.
    ///
    /// # Errors
    /// A setting has a value out of its range.
    fn plan(&self, settings: &mut Settings<'_>) -> Result<Arc<dyn Plan>>;
}

/// An algorithm with its settings. Immutable, and shared by all instances.
pub(crate) trait Plan: Send + Sync {
    /// The text of the algorithm in `COMPUTE`, with all settings including defaults. Two plans with one text can read each other's state.
    fn text(&self) -> String;

    /// The subject of the algorithm in a few words, for `explain`.
    fn describe(&self) -> String;

    /// The answers that the algorithm gives.
    fn answers(&self) -> Vec<Signature>;

    /// The columns of the updates, with the types of [`crate::updates::Cell`]. No other algorithm has columns of the same name.
    fn update_fields(&self) -> Vec<Field>;

    /// Whether the follower reads the edge store, which then keeps all edges. A follower without the store is told of insertions only,
    /// and keeps track of expiries itself. A graph whose rows delete edges always has a store.
    fn needs_store(&self) -> bool {
        true
    }

    /// The follower for a graph without edges. `deletes`: rows may delete edges.
    fn follower(&self, deletes: bool) -> Box<dyn Follower>;

    /// The replica for a graph without edges.
    fn replica(&self) -> Box<dyn Replica>;
}

impl fmt::Debug for dyn Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The edges that differ between a version and the one before. Edges that were inserted and removed in between are left out.
pub(crate) struct EdgeDelta<'a> {
    /// The version, in event time. Its edges have expiries above it.
    pub(crate) version: i64,
    /// The inserted edges, in an order that does not depend on the order of the rows.
    pub(crate) inserted: &'a [Edge],
    /// The deleted edges, in the order of the deletions.
    pub(crate) deleted: &'a [Edge],
    /// The expired edges, in the order of their insertion. Empty without a store.
    pub(crate) expired: &'a [Edge],
}

impl<'a> EdgeDelta<'a> {
    /// The inserted and removed edges.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &'a Edge> {
        self.inserted.iter().chain(self.removed())
    }

    /// The deleted and expired edges.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &'a Edge> {
        self.deleted.iter().chain(self.expired)
    }
}

/// The part of an algorithm that runs in the graph's operator.
pub(crate) trait Follower: Send {
    /// Advances to a version and writes the differences. The store, if there is one, has the edges of the new version. Vertices that
    /// lost their last edge keep their numbers until this call returns.
    fn advance(&mut self, delta: &EdgeDelta<'_>, store: Option<&EdgeStore>, vertices: &mut Vertices, out: &mut UpdateRowsOut<'_>);

    /// For followers without the store: the earliest expiry that may change an answer.
    fn next_expiry(&mut self) -> Option<i64> {
        None
    }

    /// The state that cannot be derived from the store, as bytes. `number` gives the numbers of vertices in the snapshot.
    fn save(&self, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>>;

    /// Restores the bytes of [`Follower::save`]. `numbers` has the current number of each vertex of the snapshot. The follower retains
    /// the vertices that it needs beyond the edges of the store.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore(&mut self, saved: &[u8], numbers: &[u32], store: Option<&EdgeStore>, vertices: &mut Vertices) -> Result<()>;

    /// Bytes of memory, estimated.
    fn bytes(&self) -> usize;
}

/// The part of an algorithm that runs on every worker and answers rows.
pub(crate) trait Replica: Send {
    /// Applies a row of the follower. The replica retains each vertex that it knows once, and releases it when it forgets the vertex.
    ///
    /// # Errors
    /// The row is not one that the follower writes.
    fn apply(&mut self, update: &UpdateRow<'_>, vertices: &mut Vertices) -> Result<()>;

    /// Appends the answers for vertices on a side to a column of the answer's type. The answer for a null is null.
    ///
    /// # Errors
    /// The replica's state is damaged.
    fn answer(&self, index: usize, side: Side, found: &[Found], vertices: &Vertices, column: &mut AnswerColumn) -> Result<()>;

    /// The state, as bytes. `number` gives the numbers of vertices in the snapshot.
    ///
    /// # Errors
    /// The state cannot be encoded.
    fn save(&self, vertices: &Vertices, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>>;

    /// Restores the bytes of [`Replica::save`]. `numbers` has the current number of each vertex of the snapshot.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore(&mut self, saved: &[u8], numbers: &[u32], vertices: &mut Vertices) -> Result<()>;

    /// Bytes of memory, estimated.
    fn bytes(&self) -> usize;
}
