//! Whether two members run the same job.

use crate::config::RunConfig;
use egret_core::job::{Node, NodeKind};
use egret_core::{JobGraph, Result};
use std::fmt::Write as _;

/// A number that differs between members whose programs, versions of Egret or numbers of workers do: as far as what they send each
/// other depends on it. (What a filter compares with is not in it.)
///
/// # Errors
/// The job has a circle.
pub(crate) fn fingerprint(job: &JobGraph, config: &RunConfig) -> Result<u64> {
    Ok(fnv1a(describe(job, config)?.as_bytes()))
}

/// The version of the program, the workers, and every node with its inputs and columns.
fn describe(job: &JobGraph, config: &RunConfig) -> Result<String> {
    let mut text = format!(
        "egret {}, {} members of {} workers, {} key groups, checkpoints: {}\n",
        env!("CARGO_PKG_VERSION"),
        config.processes,
        config.workers,
        job.max_parallelism,
        config.checkpoints.is_some()
    );
    for id in job.topological_order()? {
        let node = job.node(id);
        // Writing to a text does not fail.
        let _ = writeln!(text, "{} {} ({}): {} {:?}", id.index(), node.name, node.uid, kind(node), node.parallelism);
        for (from, edge) in job.inputs(id) {
            let _ = writeln!(text, "  from {} {} to {}: {:?}", from.index(), edge.port, edge.input, edge.partitioning);
        }
        for output in &node.outputs {
            for field in output.schema.arrow().fields() {
                let _ = writeln!(text, "  {:?} {} {}", output.name, field.name(), field.data_type());
            }
        }
    }
    Ok(text)
}

fn kind(node: &Node) -> String {
    match &node.kind {
        NodeKind::Source { columns, places, .. } => format!("source of {columns:?}, places: {places}"),
        NodeKind::Operator(factory) => {
            let state = |layout: egret_core::StateLayout| format!("{:?} {:?}", layout.name, layout.facts);
            format!("operator of {:?}", factory.state_layouts().into_iter().map(state).collect::<Vec<_>>())
        }
        NodeKind::Sink(_) => "sink".to_owned(),
    }
}

/// The hash of Fowler, Noll and Vo: it is the same everywhere, and need not withstand anybody. The token does that.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_core::job::{Edge, OutputPort, Parallelism, Partitioning};
    use egret_core::{BadRowRule, StreamSchema};
    use egret_operators::UnionFactory;
    use std::sync::Arc;

    fn job(second: &str, column: &str, partitioning: Partitioning) -> JobGraph {
        let schema = StreamSchema::new(vec![StreamSchema::time_field(column)], None).expect("one column");
        let mut job = JobGraph::new();
        let node = |name: &str| Node {
            name: name.into(),
            uid: name.into(),
            kind: NodeKind::Operator(Arc::new(UnionFactory::new(schema.clone()))),
            parallelism: Parallelism::EveryWorker,
            outputs: vec![OutputPort { name: None, schema: schema.clone() }],
            bad_rows: BadRowRule::default(),
        };
        let (first, second) = (job.add_node(node("first")), job.add_node(node(second)));
        job.add_edge(first, second, Edge { port: 0, input: 0, partitioning }).expect("both are there");
        job
    }

    #[test]
    fn it_is_known_and_differs_where_jobs_do() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        let of = |job: &JobGraph, workers| fingerprint(job, &RunConfig::with_workers(workers)).expect("it has no circle");
        let mine = of(&job("b", "at", Partitioning::Forward), 1);
        assert_eq!(mine, of(&job("b", "at", Partitioning::Forward), 1));
        let others = [
            of(&job("c", "at", Partitioning::Forward), 1),
            of(&job("b", "time", Partitioning::Forward), 1),
            of(&job("b", "at", Partitioning::Gather), 1),
            of(&job("b", "at", Partitioning::Forward), 2),
        ];
        assert!(!others.contains(&mine));
    }
}
