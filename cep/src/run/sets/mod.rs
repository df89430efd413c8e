//! Many partial matches of one key, kept as timed enumerable compact sets (tECS), as in CORE (Bucchi et al., VLDB 2022): the cost
//! of an event does not depend on their number.
//!
//! Where every condition reads one event alone, the effect of an event on a partial match depends on its node and on which of the
//! node's edges are open, not on the events it took. So the partial matches of a key that agree in both are one [`Group`],
//! advanced as one. The number of groups depends on the automaton alone, not on the number of partial matches. The members of a
//! group are a set (`lists.rs` has the data structure and the paper), enumerated only when they are complete.
//!
//! A key with few partial matches keeps them one by one, which is quicker then; it changes to sets when it has more than
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
