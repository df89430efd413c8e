//! Many partial matches of one key, kept as sets: what an event costs does not depend on how many there are.
//!
//! Where every condition reads one event alone, what an event does to a partial match depends on its node and on which of the
//! node's edges are open, not on what was taken. So the partial matches of a key that agree in both are one [`Group`], moved as
//! one. There are as many groups as the automaton has such situations, however many partial matches there are. Their members are
//! a set (`lists.rs`), listed when they are complete and not before.
//!
//! Keys with few partial matches keep them one by one, which is quicker then; a key changes over when it has more than
//! [`Options::sets_from`](crate::plan::options::Options) of them. Both give the same matches.

mod apart;
mod count;
pub(super) mod groups;
mod lists;
mod outcome;
pub(super) mod saved;
mod snapshot;
mod starts;

pub(super) use groups::KeySets;
pub(super) use outcome::{Left, add_due, change_to_sets, end_sets, judge_sets, put_sets, resolve_sets, row, time_has_come};
pub(super) use saved::SavedSets;
