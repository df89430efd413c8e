//! Checkpoints: the parts that a job's instances give, the files they are kept in, and the log that says which of them count.

mod hex;
mod identity;
mod manifest;
mod part;

pub use identity::{Difference, JobIdentity, NodeIdentity, check_differences};
pub use manifest::{Draft, FileRef, Manifest, PartRef, WrittenPart};
pub use part::{NodeKind, Part, PartState, SplitState};
