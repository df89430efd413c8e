//! The watchdog of a job that is asked to stop: it ends, even if an operator or sink does not return.

use crate::shared::{Progress, StopHandle};
use egret_core::Error;
use std::time::{Duration, Instant};

/// How often somebody looks whether the job is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Starts a thread that waits until the job is asked to stop, then for as long as `patience`, and then calls `end` with an error that
/// names the operators that still run. `end` is to end the process: a worker whose operator does not return cannot be ended alone.
pub fn when_it_does_not_stop(
    stop: &StopHandle,
    progress: &Progress,
    patience: Duration,
    end: impl FnOnce(Error) + Send + 'static,
) {
    let (stop, progress) = (stop.clone(), progress.clone());
    std::thread::spawn(move || {
        while !stop.is_stopped() {
            std::thread::sleep(LOOK_EVERY);
        }
        let asked = Instant::now();
        while asked.elapsed() < patience {
            std::thread::sleep(LOOK_EVERY);
        }
        end(does_not_stop(&progress.busy(), patience));
    });
}

fn does_not_stop(busy: &[String], patience: Duration) -> Error {
    let place = if busy.is_empty() { String::new() } else { format!(": it is in {}", busy.join(", ")) };
    Error::job(format!("the job was stopped and had not ended after {} s{place}; it ends as it is", patience.as_secs()))
        .help("where there are checkpoints it goes on from the last one when it is run again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn what_does_not_stop_is_named() {
        let (stop, progress, (told, heard)) = (StopHandle::new(), Progress::new(), channel());
        progress.busy_with(vec!["txn".into(), "alerts".into()], 1).enter(0, 1);
        when_it_does_not_stop(&stop, &progress, Duration::ZERO, move |error| told.send(error.to_string()).expect("it is heard"));
        assert!(heard.try_recv().is_err(), "nobody asked it to stop");
        stop.stop();
        let said = heard.recv().expect("it says so");
        assert!(said.contains("it is in 'alerts' (worker 0)"), "{said}");
    }
}
