//! Keyed state: the backends that implement [`egret_core::KeyedState`], and the bytes they write.
//!
//! There is one backend so far, [`MemoryState`]. What it writes into a snapshot is described, byte by byte, in [`format`](mod@format);
//! every backend writes the same, so that a job can change its backend and keep its state.

pub mod checkpoint;
pub mod format;
mod memory;

pub use memory::MemoryState;
