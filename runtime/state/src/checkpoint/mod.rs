//! Checkpoints: the parts of a job's instances, their files, and the log of manifests.
//!
//! # Layout
//! Below one root, a local folder or a prefix of an object store ([`Location`]), are the checkpoints of one job.
//!
//! | file | what |
//! | --- | --- |
//! | `job.json` | whose they are: `format` (1), `name`, `max_parallelism`, `id` (random, 16 hexadecimal digits); sealed as the entries of the log are |
//! | `log/<position>.json` | the log: attempts that began, manifests of checkpoints; written once, at the next free position ([`log_format`]) |
//! | `data/<attempt>-<checkpoint>/<uid>-<instance>.part` | the parts ([`part_format`]) |
//! | `data/<attempt>-<checkpoint>/<uid>-<instance>.<name>.part` | files of keyed state that later checkpoints may share; of the same format |
//! | `staging/` | local folders only: files that are being written |
//!
//! # Contract
//! * At any time one attempt at most can commit: the one that was claimed last.
//! * A manifest is there only if all of its files are: they are durable before it is written, and deleted after it.
//! * A checkpoint is reported usable only after every byte of its files was read and checked.
//! * A file that a kept manifest needs is not deleted, by no attempt.
//!
//! # A checkpoint step by step
//! [`Checkpoints::claim`] begins an attempt, [`Attempt::restore`] returns the checkpoint from which it resumes.
//! [`Checkpoints::write_part`] writes the [`Part`] of an instance, from any thread or process; [`Checkpoints::begin_part`] writes
//! it in pieces. [`Attempt::commit`] makes a checkpoint of a [`Draft`] with the written parts. [`Attempt::abandon`] removes the
//! files of a checkpoint that failed, [`Attempt::clean`] removes old checkpoints.
//!
//! # Incremental checkpoints
//! A part may be a delta upon the same part of an older checkpoint ([`Part::upon`]): one that this attempt committed and still
//! keeps, or the one from which it was restored, if [`Restored::is_extendable`]. The manifest names all files of the chain,
//! [`Checkpoints::read_chain`] reads them in order, and they stay as long as a manifest names them.
//!
//! A backend may also write immutable files ([`egret_core::PartWriter::file`]). A part names such a file again, instead of
//! writing it, if the base checkpoint has it, whichever checkpoint wrote it. The file is removed once no kept manifest names it.

mod attempt;
mod decide;
mod disk;
mod faulty;
mod files;
mod hex;
mod identity;
mod location;
mod log;
pub mod log_format;
mod manifest;
mod names;
mod part;
pub mod part_format;
mod part_read;
mod part_write;
mod restore;
mod store;

pub use attempt::{Attempt, Cleaned, Outcome};
pub use faulty::{FaultKind, FaultyStore};
pub use identity::{Difference, JobIdentity, NodeIdentity, check_differences};
pub use location::{Location, SCHEMES};
pub use manifest::{Draft, FileRef, Manifest, PartRef, SharedFile, WrittenPart};
pub use part::{Part, PartKind, PartState, SplitState};
pub use part_write::PartStream;
pub use restore::{Listed, PassedOver, Restored};
pub use store::{Checkpoints, disk};
