//! Broadcasts: every worker gets all rows.

use super::message::{Message, Payload};
use super::output::{OutputHandle, send};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline as ForwardPact;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

/// Makes one addressed copy of rows for every worker; control events are addressed already.
pub(super) fn build<'scope>(stream: Stream<'scope, u64, Message>, workers: usize) -> Stream<'scope, u64, Message> {
    let scope = stream.scope();
    let mut builder = OperatorBuilder::new("broadcast".to_owned(), scope);
    let mut input = builder.new_input(stream, ForwardPact);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (output, copies) = builder.new_output();
    let mut output: OutputHandle = OutputBuilder::from(output);
    builder.build(move |capabilities| {
        drop(capabilities);
        move |_frontiers| {
            input.for_each(|capability, message| {
                let capability = capability.retain_least(0).expect("every message travels under one engine time");
                let message = std::mem::take(message);
                if let Payload::Rows(batch) = &message.payload {
                    for target in 0..workers {
                        send(&mut output, &capability, Message::rows(batch.clone()).addressed(target));
                    }
                } else {
                    send(&mut output, &capability, message);
                }
            });
        }
    });
    copies
}
