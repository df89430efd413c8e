//! Keyed state: the backends that keep it, and the bytes they write.
//!
//! A backend implements [`egret_core::StateBackend`]. [`MemoryBackend`] is the default; [`OrderedBackend`] keeps entries as bytes
//! in ordered maps, and writes files that checkpoints share. All backends write the same bytes, which [`format`](mod@format)
//! describes one by one, so a job can change its backend and keep its state.

pub mod checkpoint;
pub mod format;
mod memory;
mod ordered;
mod slots;

pub use memory::{MemoryBackend, MemoryState};
pub use ordered::OrderedBackend;
