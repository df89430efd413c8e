//! Keyed state: the backends that keep it, and the bytes they write.
//!
//! A backend is an [`egret_core::StateBackend`]. [`MemoryBackend`] is the one that a run has unless another is chosen; [`OrderedBackend`] keeps
//! entries as bytes in ordered maps, and writes files that checkpoints share. What backends write is described, byte by byte, in
//! [`format`](mod@format); all write the same, so that a job can change its backend and keep its state.

pub mod checkpoint;
pub mod format;
mod memory;
mod ordered;
mod slots;

pub use memory::{MemoryBackend, MemoryState};
pub use ordered::OrderedBackend;
