//! Fail points: steps of the checkpoint protocol at which a process can be made to die, for tests.
//!
//! `EGRET_FAIL_POINT=manifest@3` ends the process, as `kill -9` would, when it comes to the point `manifest` for the third
//! time. Nothing is run on the way out: no destructor, no flush. A job that is started again by its supervisor does not die again,
//! unless the variable has more of them: with `manifest@3,give@1` the first process dies at the one, the second at the other. The
//! process says on standard error where it dies, so that a test knows that it came there.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

const VARIABLE: &str = "EGRET_FAIL_POINT";
/// Says how often the job was started before, in processes that are started again.
pub(crate) const RESTARTS: &str = "EGRET_RESTARTS";

/// The points there are, in the order in which a job comes to them.
pub const FAIL_POINTS: [&str; 13] = [
    "claimed",
    "publish again",
    "trigger",
    "give",
    "part",
    "part written",
    "ack",
    "finish",
    "manifest",
    "manifest written",
    "committed",
    "publish",
    "published",
];

#[derive(Debug)]
struct Plan {
    point: String,
    at: u64,
    seen: Mutex<HashMap<&'static str, u64>>,
}

impl Plan {
    /// The fail point of a process whose job was started so often before.
    ///
    /// # Panics
    /// The text names no fail point: a test would wait for it in vain.
    fn parse(text: &str, restarts: usize) -> Option<Self> {
        let all: Vec<Self> = text.split(',').map(Self::parse_one).collect();
        all.into_iter().nth(restarts)
    }

    fn parse_one(text: &str) -> Self {
        let (point, at) = text.split_once('@').unwrap_or((text, "1"));
        let at = at.parse().ok().filter(|at| *at > 0);
        match at {
            Some(at) if FAIL_POINTS.contains(&point) => Self { point: point.to_owned(), at, seen: Mutex::default() },
            _ => panic!("{VARIABLE}: '{text}' is no fail point; write one of {} and @3, say", FAIL_POINTS.join(", ")),
        }
    }

    /// Whether the process dies now that it comes to a point.
    fn is_due(&self, name: &'static str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let count = seen.entry(name).or_default();
        *count += 1;
        self.point == name && *count == self.at
    }
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let read = || {
        let text = std::env::var(VARIABLE).ok()?;
        let restarts = std::env::var(RESTARTS).map_or(Some(0), |restarts| restarts.parse().ok())?;
        Plan::parse(&text, restarts)
    };
    PLAN.get_or_init(read).as_ref()
}

/// A place at which the process may be told to die.
///
/// # Panics
/// The place is not in [`FAIL_POINTS`], and the process was told to die somewhere: no test could name the place.
pub(crate) fn fail_point(name: &'static str) {
    let Some(plan) = plan() else { return };
    assert!(FAIL_POINTS.contains(&name), "the fail point '{name}' is not in the list of them");
    if plan.is_due(name) {
        // Nobody may be there to read it.
        let _ = writeln!(std::io::stderr(), "{VARIABLE}: the process dies at '{name}'");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_due_once_at_its_point() {
        let plan = Plan::parse("manifest@2", 0).expect("there is one");
        let seen = ["manifest", "give", "manifest", "manifest"].map(|point| plan.is_due(point));
        assert_eq!(seen, [false, false, true, false]);
        assert!(Plan::parse("manifest@2", 1).is_none(), "what is started again does not die again");
        let plan = Plan::parse("manifest@2,give", 1).expect("there are two");
        assert!(!plan.is_due("manifest") && plan.is_due("give"));
    }

    #[test]
    fn what_can_never_happen_is_refused() {
        for wrong in ["manifests@1", "give@0", "give@soon", "", "give@1,"] {
            let refused = std::panic::catch_unwind(|| Plan::parse(wrong, 0)).expect_err(wrong);
            let said = refused.downcast_ref::<String>().expect("it has a text");
            assert!(said.contains("write one of claimed, publish again"), "{said}");
        }
    }
}
