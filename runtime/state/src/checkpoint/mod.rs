//! Checkpoints: the parts that a job's instances give, the files they are kept in, and the log that says which of them count.
//!
//! # Layout
//! Below one root, a local folder or a prefix of an object store, are the checkpoints of one job.
//!
//! | file | what |
//! | --- | --- |
//! | `job.json` | whose they are: `format` (1), `name`, `max_parallelism`, `id` (random, 16 hexadecimal digits); sealed as the entries of the log are |
//! | `log/<position>.json` | the log: attempts that began, manifests of checkpoints; written once, at the next free position ([`log_format`]) |
//! | `data/<attempt>-<checkpoint>/<uid>-<instance>.part` | the parts ([`part_format`]) |
//! | `staging/` | local folders only: files that are being written |
//!
//! # Contract
//! * At any time one attempt at most can commit: the one that was claimed last.
//! * A manifest is there only if all of its files are: they are durable before it is written, and deleted after it.
//! * A checkpoint is reported usable only after every byte of its files was read and checked.
//! * A file that a kept manifest needs is not deleted, by no attempt.
//!
//! # A checkpoint step by step
//! [`Checkpoints::claim`] begins an attempt, [`Attempt::restore`] says where it goes on. Each instance's [`Part`] is written by
//! [`Checkpoints::write_part`], anywhere; what that gives is collected in a [`Draft`], which [`Attempt::commit`] turns into a
//! checkpoint. If anything fails on the way, [`Attempt::abandon`] removes the files; [`Attempt::clean`] removes what is old.
//!
//! # Incremental checkpoints
//! A part may be a delta upon the same part of an older checkpoint ([`Part::upon`]): one that this attempt committed and still keeps, or
//! the one that it was restored from, if [`Restored::is_extendable`]. The manifest names the whole chain of files,
//! [`Checkpoints::read_chain`] gives it in order, and the files stay as long as a manifest names them.

mod attempt;
mod decide;
mod disk;
mod faulty;
mod files;
mod hex;
mod identity;
mod log;
pub mod log_format;
mod manifest;
mod names;
mod part;
pub mod part_format;
mod restore;
mod store;

pub use attempt::{Attempt, Cleaned, Outcome};
pub use identity::{Difference, JobIdentity, NodeIdentity, check_differences};
pub use manifest::{Draft, FileRef, Manifest, PartRef, WrittenPart};
pub use part::{Part, PartKind, PartState, SplitState};
pub use restore::{Listed, PassedOver, Restored};
pub use store::{Checkpoints, disk};
