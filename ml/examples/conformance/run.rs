//! All cases of a folder.

use crate::outcome::Outcome;
use crate::{bands, exact};
use std::path::Path;

/// Runs the cases of a folder.
///
/// # Errors
/// There are none, or its files cannot be read.
pub(crate) fn run(folder: &Path, data: &Path) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    exact::run(folder, data, &mut outcome)?;
    bands::run(folder, data, &mut outcome)?;
    if outcome.passed + outcome.misses.len() + outcome.not_run.len() == 0 {
        return Err("there is neither exact/ nor reference.json".to_owned());
    }
    Ok(outcome)
}
