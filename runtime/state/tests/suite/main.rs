//! Checkpoints at their boundary: what is written is found again, damage is found and named, and one attempt at a time commits.

#![allow(clippy::unwrap_used)]

mod cycle;
mod refused;
mod support;
