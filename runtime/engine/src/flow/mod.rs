//! The one place that knows timely: builds the dataflow of a job graph on a worker and steps it.

mod alignment;
mod backpressure;
mod barrier;
mod broadcast;
mod coordination;
mod dataflow;
mod epoch_queue;
mod execute;
mod input;
mod job_shared;
mod link;
mod message;
mod operator;
mod output;
mod partition;
mod source;
mod waiting;

pub(crate) use alignment::Alignment;
pub(crate) use backpressure::Backpressure;
pub(crate) use execute::{Wiring, execute};
pub(crate) use job_shared::JobShared;
pub(crate) use link::Link;
