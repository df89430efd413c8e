//! Ends what does not end by itself.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// A run takes no longer than this, whatever is done to it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The runs that are under way. One thread looks after all of them, so that those who wait for one can wait without looking.
#[derive(Default)]
pub(crate) struct Watchdog {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Default)]
struct State {
    /// Until when each process may run; none: it was ended.
    running: HashMap<u32, Option<Instant>>,
    is_over: bool,
}

impl Watchdog {
    /// A process has begun. Nobody waits for it before it is released: its number stays its own.
    pub(crate) fn watch(&self, pid: u32) {
        self.state.lock().unwrap().running.insert(pid, Some(Instant::now() + PATIENCE));
    }

    /// A process has ended. Says whether by itself.
    pub(crate) fn release(&self, pid: u32) -> bool {
        self.state.lock().unwrap().running.remove(&pid).flatten().is_some()
    }

    /// There will be no more.
    pub(crate) fn end(&self) {
        self.state.lock().unwrap().is_over = true;
        self.over.notify_all();
    }

    /// Ends what takes too long, until there will be no more.
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
