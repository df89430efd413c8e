//! Known imports that lead upward. There are none left, and no new ones may be added.

/// A file, and a file that it imports from although that one imports from it, directly or not.
pub(super) const UPWARD: &[(&str, &str)] = &[];
