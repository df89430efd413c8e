//! The state that a pattern needs, measured on a sample of its rows.

use crate::plan::pattern_plan::Plan;
use crate::run::prefilter::PrefilterFactory;
use crate::run::probe::{Kept, Probe};
use arrow::array::RecordBatch;
use egret_core::batch::micros;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, Error, EventTime, NoState, Operator, OperatorFactory, OperatorInfo, Result};
use std::sync::Arc;

/// At how many points of event time the state is measured.
const POINTS: usize = 1_000;

/// Measurements of a pattern on a sample: an estimate for the whole input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Rows of the sample.
    pub rows: u64,
    /// Rows that the prefilter did not drop.
    pub rows_used: u64,
    /// Matches found.
    pub matches: u64,
    /// The most partial matches that were open at a time; `None` if a key had more than it may have.
    pub open_peak: Option<u64>,
    /// The most keys that had state at a time.
    pub keys_peak: u64,
    /// The most bytes of state at a time.
    pub bytes_peak: u64,
    /// The key that had the most partial matches at a time, and how many.
    pub most: Option<(String, u64)>,
    /// Partial matches that are open after the last row.
    pub open_at_end: u64,
    /// The time from the first to the last row, in microseconds of event time.
    pub span_us: i64,
    /// The pattern's window, in microseconds.
    pub within_us: Option<i64>,
}

/// Runs a plan over a sample and measures its state; `counted` is the same plan with partial matches kept one by one.
pub(crate) fn estimated(plan: &Arc<Plan>, counted: &Arc<Plan>, rows: &RecordBatch) -> Result<Estimate> {
    let filtered = prefiltered(plan, rows)?;
    let used: usize = filtered.iter().map(RecordBatch::num_rows).sum();
    let mut estimate = Estimate { rows: rows.num_rows() as u64, rows_used: used as u64, ..Estimate::default() };
    let (points, span_us) = points(plan, rows)?;
    (estimate.span_us, estimate.within_us) = (span_us, plan.within_us);
    estimate.matches = walk(plan, &filtered, &points, |kept| {
        estimate.keys_peak = estimate.keys_peak.max(kept.keys);
        estimate.bytes_peak = estimate.bytes_peak.max(kept.bytes);
    })?;
    let (mut open_peak, mut open_at_end, mut most) = (0, 0, (0, String::new()));
    let counted = walk(counted, &filtered, &points, |kept| {
        open_peak = open_peak.max(kept.open);
        open_at_end = kept.open;
        if kept.most.0 > most.0 {
            most = kept.most;
        }
    });
    estimate.open_peak = match counted {
        Ok(_) => Some(open_peak),
        // Kept one by one they exceed the limit, kept as sets they did not.
        Err(Error::Job(_)) => None,
        Err(error) => return Err(error),
    };
    estimate.open_at_end = open_at_end;
    estimate.most = (most.0 > 0).then_some((most.1, most.0));
    Ok(estimate)
}

fn prefiltered(plan: &Arc<Plan>, rows: &RecordBatch) -> Result<Vec<RecordBatch>> {
    let info = OperatorInfo::alone("sample");
    let (counters, mut none, mut wake, mut sent) = (Counters::default(), NoState, None, Vec::new());
    let mut prefilter = PrefilterFactory(Arc::clone(plan)).create(&info)?;
    let batch = Batch::new(rows.clone(), &plan.input)?;
    let mut ctx = Context::new(&mut sent, &info, &counters, &mut none, &mut wake, EventTime::MIN, 0);
    Operator::process(prefilter.as_mut(), 0, batch, &mut ctx)?;
    Ok(sent.into_iter().filter(|(port, _)| *port == egret_core::MAIN).map(|(_, batch)| batch.into_rows()).collect())
}

/// Times at which to measure, ascending and about equally many rows apart, and the time from the first row to the last.
fn points(plan: &Plan, rows: &RecordBatch) -> Result<(Vec<i64>, i64)> {
    let no_time = || Error::job("the stream has no event time: how long partial matches are kept depends on the clock");
    let time = plan.input.event_time().ok_or_else(no_time)?;
    let mut times = micros(rows.column(time)).to_vec();
    times.sort_unstable();
    let step = times.len().div_ceil(POINTS).max(1);
    let mut points: Vec<i64> =
        times.iter().skip(step - 1).step_by(step).chain(times.last()).map(|time| time.saturating_add(1)).collect();
    points.dedup();
    let span = times.first().zip(times.last()).map_or(0, |(first, last)| last.saturating_sub(*first));
    Ok((points, span))
}

/// Processes the rows up to each point in turn, then to the end. Returns the number of matches.
fn walk(plan: &Arc<Plan>, filtered: &[RecordBatch], points: &[i64], mut look: impl FnMut(Kept)) -> Result<u64> {
    let mut probe = Probe::new(plan)?;
    filtered.iter().for_each(|rows| probe.add(rows.clone()));
    let mut matches = 0;
    for point in points {
        matches += probe.reach(*point)?;
        look(probe.kept());
    }
    Ok(matches + probe.reach(i64::MAX)?)
}
