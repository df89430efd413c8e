//! Fail points: places of the checkpoint protocol at which a process can be told to die, for tests.
//!
//! `EGRET_FAIL_POINT=manifest@3` ends the process, as `kill -9` would, when it comes to the point `manifest` for the third
//! time. Nothing is run on the way out: no destructor, no flush. A job that is started again does not die again.

use crate::processes::RESTARTS;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

const VARIABLE: &str = "EGRET_FAIL_POINT";

struct Plan {
    point: String,
    at: u64,
    seen: Mutex<HashMap<&'static str, u64>>,
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let read = || {
        let is_first = std::env::var(RESTARTS).map_or(true, |restarts| restarts == "0");
        let text = std::env::var(VARIABLE).ok().filter(|_| is_first)?;
        let (point, at) = text.split_once('@').unwrap_or((&text, "1"));
        Some(Plan { point: point.to_owned(), at: at.parse().ok()?, seen: Mutex::default() })
    };
    PLAN.get_or_init(read).as_ref()
}

/// A place at which the process may be told to die.
pub(crate) fn fail_point(name: &'static str) {
    let Some(plan) = plan().filter(|plan| plan.point == name) else { return };
    let mut seen = plan.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let count = seen.entry(name).or_default();
    *count += 1;
    if *count == plan.at {
        std::process::abort();
    }
}
