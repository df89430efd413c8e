//! Outputs of sources and operators, and how messages are sent by them.

use super::message::Message;
use crate::driver::ControlEvent;
use timely::container::NoopBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;

/// An output.
pub(super) type OutputHandle = OutputBuilder<u64, NoopBuilder<Message>>;

/// Sends one message.
pub(super) fn send(output: &mut OutputHandle, capability: &Capability<u64>, mut message: Message) {
    output.activate().session_with_builder(capability).give_container(&mut message);
}

/// Sends a control event to every worker, one message each: an exchange may not copy what it carries.
pub(super) fn send_event(
    output: &mut OutputHandle,
    capability: &Capability<u64>,
    worker: usize,
    workers: usize,
    event: ControlEvent,
) {
    for target in 0..workers {
        send(output, capability, Message::event(worker, target, event));
    }
}
