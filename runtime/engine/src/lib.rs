//! Runs a [`JobGraph`](egret_core::JobGraph) on timely dataflow.
//!
//! * [`run`] starts the workers (threads, or processes on loopback) and returns a [`JobReport`]. Whoever starts members in another
//!   way has a [`Launcher`] for [`supervise`], or calls [`run_member`] with a [`Rendezvous`].
//! * `driver` calls an operator as its contract says; `credit` bounds what a source may have in flight; `reader` reads splits.
//!   None of the three knows timely, so each is tested alone.
//! * `flow` is the one folder that imports timely: messages on the wire, partitioning, and the dataflow itself.

mod checkpoint;
mod checks;
mod config;
mod credit;
mod discovery;
mod driver;
mod failpoint;
mod flow;
mod holds;
mod instances;
mod members;
mod reader;
mod report;
mod restart;
mod run;
mod screen;
mod shared;
mod sink;
mod source_clock;
mod source_spec;
mod split_task;
mod splits;
mod ticks;
mod told;
mod watchdog;
mod workers;

pub use checkpoint::{CheckpointConfig, CheckpointReport};
pub use checks::can_be_supervised;
pub use config::RunConfig;
pub use egret_core::{Clock, ManualClock, SystemClock};
pub use egret_state::checkpoint::Location;
pub use failpoint::FAIL_POINTS;
pub use members::{
    Ending, InMemory, Launcher, LocalFolder, LocalProcesses, LocalThreads, Member, MemberRole, MemberSpec, Rendezvous,
    process_role, run_member, supervise,
};
pub use report::{JobReport, NodeReport};
pub use restart::{RestartStrategy, parse_interval};
pub use run::run;
pub use shared::{Progress, StopHandle};
pub use watchdog::when_it_does_not_stop;
