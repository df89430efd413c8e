//! Row patterns at their boundary: known cases, the law, a slow and obvious twin, the state on endless input, and refused
//! patterns.

#![allow(clippy::unwrap_used)]

mod cases;
mod changed;
mod conformance;
mod definition;
mod errors;
mod law;
mod streaming;
mod twin;
