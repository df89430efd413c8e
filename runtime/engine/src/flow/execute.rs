//! Starts timely's workers on a job, steps them, and ends them when one has failed.

use super::dataflow::build;
use super::job_shared::{JobShared, ParticipantHandle};
use super::link::{Link, LinkEnd};
use crate::checkpoint::CheckpointRun;
use egret_core::{Error, Result};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use timely::CommunicationConfig;
use timely::WorkerConfig;
use timely::communication::AllocatorBuilder;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::worker::Worker;

/// How the workers reach each other.
pub(crate) enum Wiring<'a> {
    /// They are threads of one member.
    Threads(usize),
    /// They are threads of several members: so many in each. This is the member of that number, and the others are linked to it.
    Links { threads: usize, member: usize, links: &'a [Link] },
}

/// Runs the job on this member's workers until it ends.
pub(crate) fn execute(wiring: Wiring<'_>, shared: &Arc<JobShared>) -> Result<()> {
    let (builders, network) = match wiring {
        Wiring::Threads(1) => CommunicationConfig::Thread.try_build().map_err(Error::external)?,
        Wiring::Threads(threads) => CommunicationConfig::Process(threads).try_build().map_err(Error::external)?,
        Wiring::Links { threads, member, links } => network_builders(threads, member, links)?,
    };
    let for_workers = Arc::clone(shared);
    let guards =
        timely::execute::execute_from(builders, Box::new(()), WorkerConfig::default(), move |worker| step(worker, &for_workers))
            .map_err(|error| Error::external(format!("the workers cannot be started: {error}")))?;
    for result in guards.join() {
        if let Err(panic) = result {
            shared.failure.set(Error::bug(format!("a worker thread panicked: {panic}")));
        }
    }
    if let Some(error) = shared.failure.take() {
        // The network's threads end when the links are closed; to wait for them here would be to wait for the other members.
        std::mem::forget(network);
        return Err(error);
    }
    // This waits until all has been sent and the other members have ended, too: one may be lost even now, in a panic of its thread.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(network)));
    shared.failure.take().map_or(Ok(()), Err)
}

type Built = (Vec<AllocatorBuilder>, Box<dyn std::any::Any + Send>);

fn network_builders(threads: usize, member: usize, links: &[Link]) -> Result<Built> {
    let hooks = timely::communication::Hooks::default();
    let local = ProcessBuilder::new_typed_vector(threads, hooks.refill.clone(), None);
    let mut ends: Vec<Option<LinkEnd>> = (0..=links.len()).map(|_| None).collect();
    for link in links {
        ends[link.peer()] = Some(link.end()?);
    }
    let (builders, guard) = initialize_networking_from_sockets(local, ends, member, threads, hooks)?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
}

/// One worker: builds the dataflow, steps it until it has ended or somebody failed.
fn step(worker: &mut Worker, shared: &Arc<JobShared>) {
    let participant =
        |run: &CheckpointRun| run.participant(&shared.job, worker.index(), shared.workers, shared.clock.passed_ms());
    let participant = match shared.checkpoints.as_ref().map(participant).transpose() {
        Ok(participant) => participant.map(|participant| Rc::new(RefCell::new(participant))),
        Err(error) => {
            shared.failure.set(error);
            None
        }
    };
    let built = worker.dataflow::<u64, _, _>(|scope| build(scope, shared, participant.as_ref()));
    if let Err(error) = built {
        shared.failure.set(error);
    }
    let patience = |participant: &ParticipantHandle| participant.borrow().patience();
    while !shared.failure.is_set() && worker.step_or_park(Some(participant.as_ref().map_or(Duration::from_millis(20), patience)))
    {
        if let Some(participant) = &participant {
            if shared.stop.is_stopped() {
                participant.borrow_mut().stop(shared.clock.passed_ms());
            }
            participant.borrow_mut().turn(shared.clock.passed_ms(), shared.clock.now_ms(), &shared.failure);
        }
    }
    if shared.failure.is_set() {
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    }
}
