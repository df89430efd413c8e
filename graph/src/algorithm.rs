//! What an algorithm is to a graph: a member of the registry, a plan, what follows the edges, and what every worker knows of it.
//!
//! * [`Algorithm`] has a name and reads its settings; [`crate::algorithms`] lists all of them.
//! * [`Plan`] is the algorithm with its settings: which answers it gives, and what its updates look like.
//! * [`Follower`] runs once, in the graph's operator: it gets the edges that came and went, version by version, and writes
//!   updates.
//! * [`Replica`] runs on every worker: it takes the updates and answers rows.
//!
//! An algorithm that gives numbers by vertex has less to write: see [`crate::counts`].
//!
//! # Contract
//! What a follower writes for a version depends on the edges of the versions alone: not on how rows were cut into batches, in
//! which order the rows of a step came, or whether it was saved and restored between. `tests/law.rs` holds this of
//! every member of the registry.

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
    /// A setting has a value that cannot be.
    fn plan(&self, settings: &mut Settings<'_>) -> Result<Arc<dyn Plan>>;
}

/// An algorithm with its settings: immutable, shared by all instances.
pub(crate) trait Plan: Send + Sync {
    /// How it is written in `COMPUTE`, with all settings, those left out too. The state of a follower depends on it.
    fn text(&self) -> String;

    /// What is computed, in a few words.
    fn describe(&self) -> String;

    /// What can be asked of it.
    fn answers(&self) -> Vec<Signature>;

    /// The columns of its updates, of the types that [`crate::updates::Cell`] has. Names are those of no other algorithm.
    fn update_fields(&self) -> Vec<Field>;

    /// Whether it reads the edge store, which then keeps all edges. Without it a follower sees the edges that come, and has to know
    /// itself when they expire. A graph whose edges are deleted has a store in any case.
    fn needs_store(&self) -> bool {
        true
    }

    /// What follows a graph without edges; `deletes` says whether edges are deleted, too.
    fn follower(&self, deletes: bool) -> Box<dyn Follower>;

    /// What a worker knows of a graph without edges.
    fn replica(&self) -> Box<dyn Replica>;
}

impl fmt::Debug for dyn Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// How a version differs from the one before.
pub(crate) struct EdgeDelta<'a> {
    /// The version: its edges have expiries above it.
    pub(crate) version: i64,
    /// The edges that came and are in the version, in an order that does not depend on that of the rows.
    pub(crate) inserted: &'a [Edge],
    /// The edges that were deleted, in the order of the deletions. What came and went between the two versions is not told.
    pub(crate) deleted: &'a [Edge],
    /// The edges that expired, in the order in which they had come. Empty without a store.
    pub(crate) expired: &'a [Edge],
}

impl<'a> EdgeDelta<'a> {
    /// All edges that came or went.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &'a Edge> {
        self.inserted.iter().chain(self.removed())
    }

    /// All edges that went.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &'a Edge> {
        self.deleted.iter().chain(self.expired)
    }
}

/// An algorithm at work, in the graph's operator.
pub(crate) trait Follower: Send {
    /// Goes to a version and writes what is different. The store is there if the plan needs it, and is that of the new version;
    /// vertices that lost their last edge still have their numbers.
    fn advance(&mut self, delta: &EdgeDelta<'_>, store: Option<&EdgeStore>, vertices: &mut Vertices, out: &mut UpdateRowsOut<'_>);

    /// Without a store: when the next edge expires that matters.
    fn next_expiry(&mut self) -> Option<i64> {
        None
    }

    /// What does not follow from the store, as bytes; vertices get the numbers that `number` gives.
    fn save(&self, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>>;

    /// Takes up what [`Follower::save`] gave. The vertices that were numbered `0..` are now `numbers`; whoever needs one beyond
    /// the edges of the store retains it.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore(&mut self, saved: &[u8], numbers: &[u32], store: Option<&EdgeStore>, vertices: &mut Vertices) -> Result<()>;

    /// Bytes of memory, estimated.
    fn bytes(&self) -> usize;
}

/// What a worker knows of an algorithm's answers.
pub(crate) trait Replica: Send {
    /// Applies a row of the follower's. A vertex that the replica knows is retained once, and released when it is forgotten.
    ///
    /// # Errors
    /// The row is not one that the follower writes.
    fn apply(&mut self, update: &UpdateRow<'_>, vertices: &mut Vertices) -> Result<()>;

    /// Appends the answers of vertices on a side to a column of the answer's type. The answer of a null is null.
    ///
    /// # Errors
    /// What the replica knows is damaged.
    fn answer(&self, index: usize, side: Side, found: &[Found], vertices: &Vertices, column: &mut AnswerColumn) -> Result<()>;

    /// All that it knows, as bytes; vertices get the numbers that `number` gives.
    ///
    /// # Errors
    /// It cannot be encoded.
    fn save(&self, vertices: &Vertices, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>>;

    /// Takes up what [`Replica::save`] gave, as [`Follower::restore`] does.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore(&mut self, saved: &[u8], numbers: &[u32], vertices: &mut Vertices) -> Result<()>;

    /// Bytes of memory, estimated.
    fn bytes(&self) -> usize;
}
