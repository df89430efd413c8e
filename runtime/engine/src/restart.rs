//! When a job that failed is started again: restart strategies, after Flink's.
//!
//! The decisions are pure: the time and the random number are given.

use egret_core::{Error, Result, parse_duration};
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How many failures in a row [`RestartStrategy::Exponential`] takes before it gives up.
const FAILURES_IN_A_ROW: u32 = 10;
/// By how much the delay grows.
const FACTOR: u32 = 2;
/// By what share a delay may be shorter or longer, so that many jobs do not come back at one moment.
const JITTER: f64 = 0.1;
/// After an attempt that lasted this long, failures are counted anew.
const GOOD: Duration = Duration::from_secs(60);

/// Whether and when a job that failed is started again from its latest checkpoint.
///
/// ```
/// use egret_engine::RestartStrategy;
/// use std::time::Duration;
/// let strategy: RestartStrategy = "fixed-delay:3:10s".parse()?;
/// assert_eq!(strategy, RestartStrategy::FixedDelay { attempts: 3, delay: Duration::from_secs(10) });
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartStrategy {
    /// Never: `none`.
    None,
    /// So many times, after this time: `fixed-delay:3:10s`.
    FixedDelay {
        /// How many times in all.
        attempts: u32,
        /// How long after the failure.
        delay: Duration,
    },
    /// After a time that doubles from failure to failure, give or take a tenth: `exponential:1s:60s`. Ten failures in a row, none
    /// of which came after a minute or more, are the end.
    Exponential {
        /// After the first failure.
        initial: Duration,
        /// At most.
        max: Duration,
    },
    /// As long as there are no more failures than so many within a time: `failure-rate:3:5m:10s`.
    FailureRate {
        /// So many failures are taken.
        failures: u32,
        /// Within this time.
        within: Duration,
        /// How long after a failure.
        delay: Duration,
    },
}

impl Default for RestartStrategy {
    fn default() -> Self {
        Self::Exponential { initial: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

impl FromStr for RestartStrategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::job(format!("'{text}' is no restart strategy{why}"))
                .help("write none, fixed-delay:3:10s, exponential:1s:60s or failure-rate:3:5m:10s")
        };
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let parsed = match name {
            "none" => Ok(Self::None),
            "fixed-delay" => {
                count(words.next(), 3).and_then(|attempts| Ok(Self::FixedDelay { attempts, delay: time(words.next(), 10)? }))
            }
            "exponential" => {
                time(words.next(), 1).and_then(|initial| Ok(Self::Exponential { initial, max: time(words.next(), 60)? }))
            }
            "failure-rate" => count(words.next(), 3).and_then(|failures| {
                Ok(Self::FailureRate { failures, within: time(words.next(), 300)?, delay: time(words.next(), 10)? })
            }),
            _ => return Err(wrong("")),
        };
        let parsed = parsed.map_err(|error| wrong(&format!(": {}", error.cause())))?;
        if words.next().is_some() { Err(wrong("")) } else { Ok(parsed) }
    }
}

fn count(word: Option<&str>, or: u32) -> Result<u32> {
    let Some(word) = word else { return Ok(or) };
    let count = word.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| Error::job(format!("'{word}' must be a number of failures, more than zero")))
}

fn time(word: Option<&str>, seconds: u64) -> Result<Duration> {
    word.map_or(Ok(Duration::from_secs(seconds)), parse_interval)
}

impl fmt::Display for RestartStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::FixedDelay { attempts, delay } => write!(f, "fixed-delay:{attempts}:{}ms", delay.as_millis()),
            Self::Exponential { initial, max } => write!(f, "exponential:{}ms:{}ms", initial.as_millis(), max.as_millis()),
            Self::FailureRate { failures, within, delay } => {
                write!(f, "failure-rate:{failures}:{}ms:{}ms", within.as_millis(), delay.as_millis())
            }
        }
    }
}

/// A length of time between two things, as a user writes it: `500ms`, `10s`, `2m`, `1h`.
///
/// # Errors
/// The text is no length of time, it is zero, or it is not in whole milliseconds.
pub fn parse_interval(text: &str) -> Result<Duration> {
    let why = match parse_duration(text) {
        None => "is no length of time",
        Some(Duration::ZERO) => "must be more than zero",
        Some(time) if !time.subsec_nanos().is_multiple_of(1_000_000) => "must be in whole milliseconds",
        Some(time) => return Ok(time),
    };
    Err(Error::job(format!("'{text}' {why}")).help("write 500ms, 10s or 2m"))
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Start again, after this time.
    Again(Duration),
    /// Do not start again: that was one failure too many.
    GiveUp,
}

/// The failures of a job so far.
#[derive(Debug)]
pub(crate) struct Restarts {
    strategy: RestartStrategy,
    /// Failures in all; of [`RestartStrategy::Exponential`], in a row.
    failures: u32,
    /// The times of the failures within the window of [`RestartStrategy::FailureRate`].
    times: VecDeque<Duration>,
}

impl Restarts {
    pub(crate) fn new(strategy: RestartStrategy) -> Self {
        Self { strategy, failures: 0, times: VecDeque::new() }
    }

    /// An attempt that began at `since` failed at `now`, both since the start of the job; `random` is from 0 to 1.
    pub(crate) fn failed(&mut self, since: Duration, now: Duration, random: f64) -> Verdict {
        match self.strategy {
            RestartStrategy::None => Verdict::GiveUp,
            RestartStrategy::FixedDelay { attempts, delay } => {
                self.failures += 1;
                if self.failures > attempts { Verdict::GiveUp } else { Verdict::Again(delay) }
            }
            RestartStrategy::Exponential { initial, max } => {
                let is_good = now.saturating_sub(since) >= GOOD;
                self.failures = if is_good { 1 } else { self.failures + 1 };
                if self.failures > FAILURES_IN_A_ROW {
                    return Verdict::GiveUp;
                }
                let delay = initial.saturating_mul(FACTOR.saturating_pow(self.failures - 1)).min(max);
                Verdict::Again(delay.mul_f64(1.0 + JITTER * (2.0 * random - 1.0)))
            }
            RestartStrategy::FailureRate { failures, within, delay } => {
                self.times.push_back(now);
                while self.times.front().is_some_and(|time| now.saturating_sub(*time) > within) {
                    self.times.pop_front();
                }
                if self.times.len() > failures as usize { Verdict::GiveUp } else { Verdict::Again(delay) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn parse(text: &str) -> RestartStrategy {
        text.parse().expect("it is a strategy")
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(parse("exponential"), RestartStrategy::default());
        for text in ["none", "fixed-delay", "fixed-delay:5", "exponential:1s:2m", "failure-rate:2:1h:1s"] {
            assert_eq!(parse(&parse(text).to_string()), parse(text));
        }
        for wrong in [
            "",
            "never",
            "none:1",
            "fixed-delay:0",
            "fixed-delay:3:soon",
            "fixed-delay:3:500us",
            "exponential:1s:2s:3s",
            "failure-rate:3:0s",
        ] {
            let error = wrong.parse::<RestartStrategy>().expect_err("it is none").to_string();
            assert!(error.contains("fixed-delay:3:10s"), "{error}");
        }
        for (wrong, why) in [
            ("fixed-delay:0", "'0' must be a number of failures, more than zero"),
            ("fixed-delay:3:0s", "'0s' must be more than zero"),
            ("exponential:soon", "'soon' is no length of time"),
            ("failure-rate:3:1m:1500us", "'1500us' must be in whole milliseconds"),
        ] {
            let error = wrong.parse::<RestartStrategy>().expect_err("it is none").to_string();
            assert!(error.contains(&format!("'{wrong}' is no restart strategy: {why}")), "{error}");
        }
    }

    #[test]
    fn none_gives_up_and_a_fixed_delay_after_so_many() {
        assert_eq!(Restarts::new(RestartStrategy::None).failed(SECOND, SECOND, 0.5), Verdict::GiveUp);
        let mut all = Restarts::new(parse("fixed-delay:2:3s"));
        assert_eq!(all.failed(SECOND, SECOND, 0.5), Verdict::Again(3 * SECOND));
        assert_eq!(all.failed(SECOND, 1_000 * SECOND, 0.5), Verdict::Again(3 * SECOND));
        assert_eq!(all.failed(SECOND, 9_000 * SECOND, 0.5), Verdict::GiveUp);
    }

    #[test]
    fn an_exponential_delay_doubles_until_an_attempt_lasts() {
        let mut all = Restarts::new(parse("exponential:1s:5s"));
        let delays: Vec<Verdict> = (0..4).map(|n| all.failed(n * SECOND, (n + 1) * SECOND, 0.5)).collect();
        assert_eq!(delays, [1, 2, 4, 5].map(|seconds| Verdict::Again(seconds * SECOND)));
        assert_eq!(all.failed(10 * SECOND, 70 * SECOND, 0.5), Verdict::Again(SECOND), "it lasted a minute");
        let Verdict::Again(early) = all.failed(SECOND, SECOND, 0.0) else { panic!("it goes on") };
        assert_eq!(early, SECOND.mul_f64(1.8), "a tenth less than two");
        (0..8).for_each(|_| assert_ne!(all.failed(SECOND, SECOND, 0.5), Verdict::GiveUp));
        assert_eq!(all.failed(SECOND, SECOND, 0.5), Verdict::GiveUp, "the eleventh");
    }

    #[test]
    fn a_rate_of_failures_is_taken() {
        let mut all = Restarts::new(parse("failure-rate:2:10s:1s"));
        for at in [0, 9, 11, 21] {
            assert_eq!(all.failed(SECOND, at * SECOND, 0.5), Verdict::Again(SECOND), "at {at}");
        }
        assert_eq!(all.failed(SECOND, 22 * SECOND, 0.5), Verdict::Again(SECOND));
        assert_eq!(all.failed(SECOND, 23 * SECOND, 0.5), Verdict::GiveUp);
    }
}
