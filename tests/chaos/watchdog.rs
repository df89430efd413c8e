//! Ends processes that do not end by themselves.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// The longest time that a run may take, whatever is done to it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The running processes. One thread watches all of them, so that waiting for one needs no polling.
#[derive(Default)]
pub(crate) struct Watchdog {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Default)]
struct State {
    /// The deadline of each process; `None` if it was ended.
    running: HashMap<u32, Option<Instant>>,
    is_over: bool,
}

impl Watchdog {
    /// Registers a process. It must not be waited for before it is released, so that its pid stays its own.
    pub(crate) fn watch(&self, pid: u32) {
        self.state.lock().unwrap().running.insert(pid, Some(Instant::now() + PATIENCE));
    }

    /// Removes a process that has ended. Returns whether it ended by itself.
    pub(crate) fn release(&self, pid: u32) -> bool {
        self.state.lock().unwrap().running.remove(&pid).flatten().is_some()
    }

    /// Tells the watchdog that no more processes will come.
    pub(crate) fn end(&self) {
        self.state.lock().unwrap().is_over = true;
        self.over.notify_all();
    }

    /// Ends processes that exceed their deadline, until no more will come.
    pub(crate) fn run(&self) {
        let mut state = self.state.lock().unwrap();
        while !state.is_over {
            for (pid, until) in &mut state.running {
                if until.is_some_and(|until| until < Instant::now()) {
                    *until = None;
                    Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
                }
            }
            state = self.over.wait_timeout(state, Duration::from_secs(1)).unwrap().0;
        }
    }
}
