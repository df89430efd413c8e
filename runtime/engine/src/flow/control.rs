//! Carries what workers tell each other about checkpoints, beside the rows of the job.

use super::operator::{OutputHandle, give};
use super::parcel::{Parcel, Payload};
use super::partition::Rule;
use super::{InputStream, JobShared, LocalHandle, Pressure};
use crate::checkpoint::Message;
use std::sync::Arc;
use timely::dataflow::Scope;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

/// Connects the workers: what one puts into its outbox comes into another's inbox.
pub(super) fn build(scope: Scope<'_, u64>, local: &LocalHandle, shared: &Arc<JobShared>) {
    let workers = scope.peers();
    let mut builder = OperatorBuilder::new("checkpoints: say".to_owned(), scope);
    let (output, said) = builder.new_output();
    let mut output: OutputHandle = OutputBuilder::from(output);
    local.borrow_mut().register(scope.activator_for(builder.operator_info().address));
    let outbox = local.clone();
    builder.build(move |mut capabilities| {
        let mut capability = capabilities.pop();
        move |_frontiers| {
            let messages = outbox.borrow_mut().take_outbox();
            if let Some(capability) = &capability {
                for (target, message) in messages {
                    give(&mut output, capability, Parcel::control(target, message.encode()));
                }
            }
            if outbox.borrow().is_over() {
                capability = None;
            }
        }
    });
    let pressure = Arc::new(Pressure::new(workers, scope.index()..scope.index() + 1, usize::MAX));
    let mut builder = OperatorBuilder::new("checkpoints: hear".to_owned(), scope);
    let mut input = builder.new_input(said, InputStream::exchange(Rule::ToFirst, pressure));
    builder.set_notify_for(0, FrontierInterest::Never);
    let (inbox, shared) = (local.clone(), Arc::clone(shared));
    builder.build(move |_capabilities| {
        move |_frontiers| {
            input.for_each(|_capability, parcel| {
                if let Payload::Control(bytes) = &std::mem::take(parcel).payload {
                    match Message::decode(bytes) {
                        Ok(message) => inbox.borrow_mut().receive(message),
                        Err(error) => shared.failure.set(error),
                    }
                }
            });
        }
    });
}
