//! A member's part in a job, from its meeting with the others to its end.

use super::fingerprint::fingerprint;
use super::meeting::Meeting;
use super::rendezvous::Rendezvous;
use super::role::MemberRole;
use crate::checks::check_job;
use crate::config::RunConfig;
use crate::flow::{Link, Wiring};
use crate::report::JobReport;
use crate::shared::Failure;
use crate::workers::run_workers;
use egret_core::{Error, JobGraph, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a member tells how far it is, and looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Does one member's part in a job, and returns the report of that part.
///
/// All members run the same job with the same number of workers, and each is given a number of its own; they meet at the
/// rendezvous, connect, and exchange rows. Whoever calls this decides what a member is: a process, or a thread among others.
/// Neither the arguments nor the environment of the process matter, nor do [`RunConfig::processes`] and [`RunConfig::restart`]:
/// whoever started the members starts them again. Members of one process need a [`Progress`](crate::Progress) each, which shows the
/// part of one.
///
/// ```
/// use egret_core::{JobGraph, Result};
/// use egret_engine::{InMemory, JobReport, MemberRole, Rendezvous, RunConfig, run_member};
/// use std::sync::Arc;
///
/// /// Runs a job in two members, both of them threads of this process that exchange rows over TCP.
/// fn run_in_two(job: &JobGraph) -> Result<Vec<JobReport>> {
///     let place: Arc<dyn Rendezvous> = Arc::new(InMemory::new());
///     std::thread::scope(|scope| {
///         let member = |number: usize| {
///             let place = Arc::clone(&place);
///             scope.spawn(move || run_member(job, &RunConfig::with_workers(1), MemberRole::new(number, 2)?, place))
///         };
///         [member(0), member(1)].map(|thread| thread.join().expect("it does not panic")).into_iter().collect()
///     })
/// }
///
/// let error = run_in_two(&JobGraph::new()).unwrap_err();
/// assert!(error.to_string().contains("no output"));
/// ```
///
/// # Errors
/// The job is not valid; an operator, source or sink failed here; another member was lost, did not come in time, or runs another
/// job or another version of Egret.
pub fn run_member(job: &JobGraph, config: &RunConfig, role: MemberRole, at: Arc<dyn Rendezvous>) -> Result<JobReport> {
    take_part(job, config, &Meeting::new(role, at))
}

/// Does the part of a member that knows where it meets the others.
pub(crate) fn take_part(job: &JobGraph, config: &RunConfig, meeting: &Meeting) -> Result<JobReport> {
    let config = RunConfig { processes: meeting.role.count, ..config.clone() };
    let watch = Watch::start(meeting, &config)?;
    let links: Vec<Link>;
    let result = match check_job(job, &config).and_then(|()| connect(job, &config, meeting)) {
        Ok(connected) => {
            links = connected;
            let wiring = match links.as_slice() {
                [] => Wiring::Threads(config.workers),
                links => Wiring::Links { threads: config.workers, member: meeting.role.number, links },
            };
            run_workers(job, &config, wiring, Some(meeting))
        }
        Err(error) => {
            links = Vec::new();
            Err(error)
        }
    };
    drop(watch);
    meeting.announce_end(&result);
    // Only now do the others see that this member is gone: why it failed is known to those who ask.
    links.iter().for_each(Link::close);
    result
}

/// Connects a member with the others; a single one needs no connections.
fn connect(job: &JobGraph, config: &RunConfig, meeting: &Meeting) -> Result<Vec<Link>> {
    if meeting.role.count == 1 {
        return Ok(Vec::new());
    }
    let sockets = meeting.connect(fingerprint(job, config)?)?;
    let link = |(peer, socket): (usize, Option<_>)| Some(Link::new(peer, socket?, Arc::clone(&meeting.failure)));
    Ok(sockets.into_iter().enumerate().filter_map(link).collect())
}

/// The thread that tells how far a member is, and hears what it is to do; it ends when this is dropped.
struct Watch {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(meeting: &Meeting, config: &RunConfig) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, meeting, config) = (Arc::clone(&is_over), meeting.clone(), config.clone());
        let watch = move || {
            let started = Instant::now();
            while !over.load(Ordering::SeqCst) {
                std::thread::park_timeout(LOOK_EVERY);
                // A place that cannot be reached now may be there again; what the member needs of it fails by itself.
                if let Err(error) = look(&meeting, &config, started.elapsed()) {
                    tracing::debug!(member = meeting.role.number, %error, "the place where members meet is not reached");
                }
            }
        };
        let thread = std::thread::Builder::new().name("member".into()).spawn(watch);
        let thread = thread.map_err(|error| Error::external(format!("a member cannot start its threads: {error}")))?;
        Ok(Self { is_over, thread: Some(thread) })
    }
}

fn look(meeting: &Meeting, config: &RunConfig, elapsed: Duration) -> Result<()> {
    let wishes = meeting.wishes()?;
    if wishes.stop {
        config.stop.stop();
    }
    if wishes.end {
        let failure: &Failure = &meeting.failure;
        failure.set_by_another(Error::external("the job's members were told to end"));
    }
    let report = JobReport::of(&config.progress.metrics(), elapsed, false);
    if report.nodes.is_empty() { Ok(()) } else { meeting.announce_progress(&report) }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
