//! Row patterns at their boundary: known cases, the law, a slow and obvious twin, what is kept of endless input, and what is refused.

#![allow(clippy::unwrap_used)]

mod cases;
mod changed;
mod conformance;
mod definition;
mod errors;
mod law;
mod streaming;
mod twin;
