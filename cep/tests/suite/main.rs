//! The pattern engine at its boundary: known cases, the law, slow and obvious twins, and the patterns it refuses.

#![allow(clippy::unwrap_used)]

mod arrival;
mod cases;
mod chained;
mod changed;
mod changed_sets;
mod conformance;
mod definition;
mod errors;
mod law;
mod lint;
mod naive;
mod overflow;
mod set_law;
mod trace;
mod twin;
mod why;
