//! Operators tested against the law, and compared with slow and obvious twins.
#![allow(clippy::unwrap_used)]

mod bad_rows;
mod local;
mod process;
mod sorted;
mod states;
mod twin;
mod windows;
