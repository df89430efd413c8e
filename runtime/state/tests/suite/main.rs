//! Checkpoints at their boundary: what is written is found again, damage is found and named, and one attempt at a time commits; and
//! the backends of keyed state.

#![allow(clippy::unwrap_used)]

mod backends;
mod cycle;
mod refused;
mod shared;
mod support;
