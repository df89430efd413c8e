//! The policy for rows for which something cannot be computed: chosen for a stream, and inherited by everything derived from it.

use super::job::{Job, Stream};
use egret_core::bad_rows::{BadRowRule, BadRows, LETTERS, letters_schema};
use egret_core::job::{Node, NodeId, NodeKind, OutputPort};
use std::sync::Arc;

impl Job {
    /// The dead letters of a stream: the bad-row outputs of its source, if that gives them to the job, and of all operators that
    /// follow its policy, if that is to write them.
    pub fn letters(&self, stream: &str) -> Vec<Stream> {
        let mut graph = self.graph.borrow_mut();
        let is_asked = |node: &Node| {
            let rule = &node.bad_rows;
            let may_refuse = match &node.kind {
                NodeKind::Operator(factory) => factory.may_refuse(),
                NodeKind::Source { source, .. } => source.gives_letters(),
                NodeKind::Sink(_) => false,
            };
            may_refuse && rule.policy == BadRows::DeadLetter && rule.stream.as_deref() == Some(stream)
        };
        let nodes: Vec<NodeId> = graph.nodes().filter(|(_, node)| is_asked(node)).map(|(id, _)| id).collect();
        let output = |node: NodeId| {
            let outputs = &mut graph.node_mut(node).outputs;
            let found = outputs.iter().position(|output| output.name.as_deref() == Some(LETTERS));
            let port = found.unwrap_or(outputs.len());
            if found.is_none() {
                outputs.push(OutputPort { name: Some(LETTERS.into()), schema: letters_schema().clone() });
            }
            Stream { job: self.clone(), node, port, schema: letters_schema().clone() }
        };
        nodes.into_iter().map(output).collect()
    }
}

impl Stream {
    /// Sets the policy for rows for which something cannot be computed (a division by zero, a sum that overflows its type, a
    /// failed cast) in everything derived from this stream from here on. Without it, such a row ends the job.
    ///
    /// Where several streams come together, the strictest of their policies applies.
    ///
    /// ```
    /// # use egret_core::BadRows; use egret_operators::Stream;
    /// fn shares(txn: Stream) -> egret_core::Result<Stream> {
    ///     txn.bad_rows(BadRows::Skip).select(&["card", "100 / parts AS share", "at"])
    /// }
    /// ```
    #[must_use]
    pub fn bad_rows(self, policy: BadRows) -> Self {
        self.job.edit(|graph| {
            let node = graph.node_mut(self.node);
            node.bad_rows = BadRowRule { policy, stream: Some(Arc::clone(&node.name)), ..node.bad_rows.clone() };
        });
        self
    }
}
