//! A partial match, and a match that waits.

/// A partial match: where it is, what it took, and what is still open.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What it took; it is one of the chain's holders.
    pub(crate) chain: u32,
    pub(crate) node: u32,
    /// The edges and guards of the node that are open.
    pub(crate) open: u64,
    /// The number of its first event.
    pub(crate) start: u64,
    pub(crate) start_time: i64,
    pub(crate) last_time: i64,
}

/// A match that is complete.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) chain: u32,
    pub(crate) start: u64,
    /// When it was decided.
    pub(crate) time: i64,
    /// The same for matches that were completed together, greater for later ones.
    pub(crate) moment: u64,
}
