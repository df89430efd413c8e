//! Imports that lead back up in crates that were not put in layers yet. Each ends when its file is worked on next; there are no new ones.

/// A file, and what it imports from though that imports from it, if by way of others.
pub(super) const UPWARD: &[(&str, &str)] = &[];
