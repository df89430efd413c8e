//! The parts of a SELECT: what it reads, its list, its rows.

use egret_dsl::{Sql, WindowCall};
use egret_operators::Stream;

/// The rows of a query.
pub(crate) struct Rows {
    pub(crate) stream: Stream,
    pub(crate) bounded: bool,
}

/// What a SELECT reads.
pub(crate) struct From {
    pub(crate) relation: String,
    /// The names that stand for a row.
    pub(crate) names: Vec<String>,
    pub(crate) window: Option<WindowCall>,
}

/// A column of a SELECT list.
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) sql: Sql,
}
