//! The exit statuses.

/// The job ran to its end, or the check found nothing.
pub(crate) const OK: u8 = 0;
/// The job failed while it ran.
pub(crate) const FAILED: u8 = 1;
/// The program or the command line is wrong; nothing ran.
pub(crate) const WRONG: u8 = 2;
