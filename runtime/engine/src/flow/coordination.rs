//! Carries the workers' messages about checkpoints, on a channel beside the rows of the job.

use super::backpressure::Backpressure;
use super::input::InputStream;
use super::job_shared::{JobShared, ParticipantHandle};
use super::message::{Message, Payload};
use super::output::{OutputHandle, send};
use super::partition::Rule;
use crate::checkpoint::CheckpointMessage;
use std::sync::Arc;
use timely::dataflow::Scope;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

/// Builds the channel: a message in a participant's outbox comes to the participant of the worker that it is for.
pub(super) fn build(scope: Scope<'_, u64>, participant: &ParticipantHandle, shared: &Arc<JobShared>) {
    let workers = scope.peers();
    let mut builder = OperatorBuilder::new("checkpoints: send".to_owned(), scope);
    let (output, said) = builder.new_output();
    let mut output: OutputHandle = OutputBuilder::from(output);
    let activator = scope.activator_for(builder.operator_info().address);
    participant.borrow_mut().register(move || activator.activate());
    let outbox = participant.clone();
    builder.build(move |mut capabilities| {
        let mut capability = capabilities.pop();
        move |_frontiers| {
            let messages = outbox.borrow_mut().take_outbox();
            if let Some(capability) = &capability {
                for (target, message) in messages {
                    send(&mut output, capability, Message::coordination(target, message.encode()));
                }
            }
            if outbox.borrow().is_over() {
                capability = None;
            }
        }
    });
    let backpressure = Arc::new(Backpressure::new(workers, scope.index()..scope.index() + 1, usize::MAX));
    let mut builder = OperatorBuilder::new("checkpoints: receive".to_owned(), scope);
    let mut input = builder.new_input(said, InputStream::exchange(Rule::ToFirst, backpressure));
    builder.set_notify_for(0, FrontierInterest::Never);
    let (inbox, shared) = (participant.clone(), Arc::clone(shared));
    builder.build(move |_capabilities| {
        move |_frontiers| {
            input.for_each(|_capability, message| {
                if let Payload::Coordination(bytes) = &std::mem::take(message).payload {
                    match CheckpointMessage::decode(bytes) {
                        Ok(message) => inbox.borrow_mut().receive(message),
                        Err(error) => shared.failure.set(error),
                    }
                }
            });
        }
    });
}
