//! The live line while a job runs.

use super::summary::{bytes, count};
use egret::cep::MATCHES;
use egret::core::metrics::{Counters, JobMetrics};
use egret::core::{EventTime, StateSize};
use egret::engine::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(200);

/// Shows a line on standard error until it is finished.
pub(crate) struct Live {
    done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Live {
    pub(crate) fn start(progress: Progress) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}").expect("the template is fixed"));
            let mut rate = Rate { at: Instant::now(), rows: 0, per_second: 0.0 };
            while !ended.load(Ordering::Relaxed) {
                bar.set_message(line(&progress.metrics(), progress.latest_event(), &mut rate));
                bar.tick();
                std::thread::park_timeout(EVERY);
            }
            bar.finish_and_clear();
        });
        Self { done, thread }
    }

    pub(crate) fn finish(self) {
        self.done.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        // A failure of the display must not end the job.
        let _ = self.thread.join();
    }
}

struct Rate {
    at: Instant,
    rows: u64,
    per_second: f64,
}

impl Rate {
    fn update(&mut self, rows: u64) -> f64 {
        let elapsed = self.at.elapsed().as_secs_f64();
        if elapsed >= 0.15 {
            self.per_second = rows.saturating_sub(self.rows) as f64 / elapsed;
            (self.at, self.rows) = (Instant::now(), rows);
        }
        self.per_second
    }
}

fn matches_of(counters: &Counters) -> u64 {
    counters.named().get(MATCHES).copied().unwrap_or(0) as u64
}

fn line(metrics: &JobMetrics, latest: EventTime, rate: &mut Rate) -> String {
    let is_source = |counters: &Counters| Counters::read(&counters.rows_in) == 0;
    let sum =
        |pick: &dyn Fn(&str, &Counters) -> u64| metrics.nodes.iter().map(|(name, counters)| pick(name, counters)).sum::<u64>();
    let rows = sum(&|_, counters| if is_source(counters) { Counters::read(&counters.rows_out) } else { 0 });
    let matches = sum(&|name, counters| if name.starts_with("patterns of ") { matches_of(counters) } else { 0 });
    let bad = sum(&|_, counters| Counters::read(&counters.bad));
    let late = sum(&|_, counters| Counters::read(&counters.late));
    let state = metrics
        .nodes
        .iter()
        .map(|(_, counters)| counters.state())
        .fold(StateSize::default(), |a, b| StateSize { keys: a.keys + b.keys, bytes: a.bytes + b.bytes });
    let watermarks = metrics.nodes.iter().map(|(_, counters)| counters.watermark());
    let watermark = watermarks.filter(|watermark| *watermark > EventTime::MIN).min().unwrap_or(EventTime::MIN);
    let mut parts = vec![format!("{} rows, {}/s", count(rows), count(rate.update(rows) as u64))];
    if watermark > EventTime::MIN && watermark < EventTime::MAX {
        parts.push(format!("watermark {watermark} ({:.1} s behind)", (latest.0.saturating_sub(watermark.0)) as f64 / 1e6));
    }
    let holds = metrics.nodes.iter().flat_map(|(name, counters)| counters.holds().into_iter().map(move |hold| (name, hold)));
    if let Some((name, hold)) = holds.min_by_key(|(_, hold)| hold.at) {
        parts.push(format!("{name} waits for {} since {}", hold.split, hold.since));
    }
    parts.push(format!("{} matches", count(matches)));
    parts.push(format!("state {} in {} keys", bytes(state.bytes), count(state.keys)));
    if bad + late > 0 {
        parts.push(format!("{} skipped, {} late", count(bad), count(late)));
    }
    parts.join("  |  ")
}
