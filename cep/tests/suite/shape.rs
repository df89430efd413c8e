//! How cases are fed.

/// How the events of a case are fed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Decides the cuts; `None` is everything at once.
    pub(crate) seed: Option<u64>,
    /// Whether every event is a batch with a snapshot and a restore behind it.
    pub(crate) restores: bool,
}
