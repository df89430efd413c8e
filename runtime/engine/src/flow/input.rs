//! Inputs of operators, as they are connected and read.

use super::backpressure::Backpressure;
use super::message::Message;
use super::partition::{Partitioner, Rule};
use std::sync::Arc;
use timely::communication::Pull;
use timely::dataflow::Stream;
use timely::dataflow::channels::Message as TimelyMessage;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::operators::InputCapability;
use timely::dataflow::operators::generic::InputHandleCore;

/// One input of an operator: its stream, with what is needed to connect it.
pub(crate) struct InputStream<'scope> {
    pub(crate) stream: Stream<'scope, u64, Message>,
    pub(crate) pact: Option<(Rule, Arc<Backpressure>)>,
    /// Which instances upstream send to this worker.
    pub(crate) senders: Vec<bool>,
}

impl InputStream<'_> {
    /// Makes the partitioning contract of an exchange.
    pub(crate) fn exchange(rule: Rule, backpressure: Arc<Backpressure>) -> DistributorPact<impl FnOnce(usize) -> Partitioner> {
        DistributorPact(move |_peers| Partitioner::new(rule, backpressure))
    }
}

/// An input handle whatever its pact.
pub(super) trait AnyInput {
    fn pull(&mut self, take: &mut dyn FnMut(InputCapability<u64>, Message));
}

impl<P: Pull<TimelyMessage<u64, Message>>> AnyInput for InputHandleCore<u64, Message, P> {
    fn pull(&mut self, take: &mut dyn FnMut(InputCapability<u64>, Message)) {
        self.for_each(|capability, message| take(capability, std::mem::take(message)));
    }
}
