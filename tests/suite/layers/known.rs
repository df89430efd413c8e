//! Imports that lead back up in crates that were not put in layers yet. Each ends when its file is worked on next; there are no new ones.

/// A file, and what it imports from though that imports from it, if by way of others.
pub(super) const UPWARD: &[(&str, &str)] = &[
    ("connectors/src/file/rotation.rs", "connectors/src/file/follow.rs"),
    ("connectors/src/file/source.rs", "connectors/src/file/follow.rs"),
    ("connectors/src/file/source.rs", "connectors/src/file/new_files.rs"),
    ("connectors/src/file/source.rs", "connectors/src/file/resume.rs"),
    ("connectors/src/format/window.rs", "connectors/src/format/csv_read.rs"),
    ("connectors/src/fraud/day.rs", "connectors/src/fraud/mod.rs"),
    ("connectors/src/fraud/profile.rs", "connectors/src/fraud/day.rs"),
];
