//! Conditions, split into what reads one event alone and what reads the match so far.

pub(crate) mod arithmetic;
mod compile;
pub(crate) mod facts;
pub(crate) mod gate;
mod gate_choice;
pub(crate) mod names;
mod parts;

pub(crate) use compile::{Drafts, draft, wide_schema};
pub(crate) use parts::{Condition, Conditions, How, RunSide, Term};
