//! A group of patterns that share a pair of operators, and the outputs of that pair.

use egret_cep::{CompiledPattern, OutputRoute, PatternSet};
use egret_core::expr::Expression;
use egret_core::job::{NodeKind, OutputPort, Parallelism, Partitioning};
use egret_core::{JobGraph, Result, StreamSchema};
use egret_dsl::Span;
use egret_operators::{ProjectFactory, Stream};
use std::sync::Arc;

/// The output of the prefilter for rows that came too late.
const LATE: &str = "late";

/// A group of patterns that share a pair of nodes.
pub(crate) struct PatternGroup {
    /// The rows that the patterns read.
    rows: Stream,
    filtered: Stream,
    matcher: Stream,
    patterns: Vec<(String, CompiledPattern)>,
    /// The branches of each output of the matcher.
    outputs: Vec<Vec<Branch>>,
    pub(crate) span: Span,
}

/// Rows of a pattern that leave by an output: all columns, or a projection.
#[derive(Clone)]
pub(crate) struct Branch {
    /// As [`OutputRoute::from`].
    from: usize,
    pub(crate) through: Option<Arc<ProjectFactory>>,
}

impl PatternGroup {
    /// An empty group, for patterns over the rows of `relation` with the key of `first`, which stands at `span`.
    pub(crate) fn new(relation: &str, rows: &Stream, first: &CompiledPattern, span: Span) -> Result<Self> {
        let mut keys: Vec<String> =
            first.partition_columns().iter().map(|&key| rows.schema().arrow().field(key).name().clone()).collect();
        keys.sort_unstable();
        let name = match keys.is_empty() {
            true => format!("patterns of {relation}"),
            false => format!("patterns of {relation} by {}", keys.join(", ")),
        };
        let job = rows.job();
        let port =
            |name: Option<&str>, schema: &StreamSchema| OutputPort { name: name.map(str::to_owned), schema: schema.clone() };
        let filtered = job.operator(
            &format!("{name}: prefilter"),
            first.prefilter_factory(),
            &[(rows, Partitioning::Forward)],
            Parallelism::EveryWorker,
            vec![port(None, first.prefilter_schema()), port(Some(LATE), first.late_schema())],
        )?;
        let (partitioning, parallelism) = match keys.is_empty() {
            true => (Partitioning::Gather, Parallelism::One),
            false => (Partitioning::Hash(first.key_columns_after_prefilter()), Parallelism::EveryWorker),
        };
        let matcher = job.operator(&name, first.matcher_factory(), &[(&filtered, partitioning)], parallelism, Vec::new())?;
        // State is identified by its pattern, but the parts of two groups need different names.
        let name = job.edit(|graph| std::sync::Arc::clone(&graph.node(matcher.origin().0).name));
        let matcher = matcher.uid(&name);
        Ok(Self { rows: rows.clone(), filtered, matcher, patterns: Vec::new(), outputs: Vec::new(), span })
    }

    /// Whether a pattern over these rows can join the group.
    pub(crate) fn takes(&self, pattern: &CompiledPattern, rows: &Stream) -> bool {
        self.rows.origin() == rows.origin() && self.patterns.iter().all(|(_, other)| other.can_run_with(pattern))
    }

    /// Adds a pattern. Returns its matches, late rows, time-outs and overflows.
    pub(crate) fn add(&mut self, name: &str, pattern: &CompiledPattern) -> Result<[Stream; 4]> {
        let number = self.patterns.len();
        self.patterns.push((name.to_owned(), pattern.clone()));
        let branch = |from| vec![Branch { from, through: None }];
        let matches = self.output(Some(name.to_owned()), pattern.output_schema(), branch(PatternSet::matches_port(number)));
        let timed_out = format!("{name}.timed_out");
        let timed_out = self.output(Some(timed_out), pattern.output_schema(), branch(PatternSet::timed_out_port(number)));
        let overflow = format!("{name}.overflow");
        let overflow = self.output(Some(overflow), pattern.overflow_schema(), branch(PatternSet::overflow_port(number)));
        Ok([matches, self.filtered.side_output(LATE)?, timed_out, overflow])
    }

    /// Adds an output.
    pub(crate) fn output(&mut self, name: Option<String>, schema: &StreamSchema, branches: Vec<Branch>) -> Stream {
        self.outputs.push(branches);
        self.matcher.add_output(OutputPort { name, schema: schema.clone() })
    }

    /// The branches of a stream, if it is an output of the patterns.
    pub(crate) fn branches(&self, stream: &Stream) -> Option<&[Branch]> {
        let (node, port) = stream.origin();
        (node == self.matcher.origin().0).then(|| self.outputs[port].as_slice())
    }

    /// An output with other columns.
    pub(crate) fn project(&mut self, stream: &Stream, columns: Vec<(String, Expression)>) -> Result<Stream> {
        let (projection, schema) = stream.projection(columns, None)?;
        let from = self.branches(stream).map(<[Branch]>::to_vec).unwrap_or_default();
        let through = Some(Arc::new(projection));
        let branches = from.into_iter().map(|branch| Branch { through: through.clone(), ..branch }).collect();
        let name = stream.job().edit(|graph| graph.node(stream.origin().0).outputs[stream.origin().1].name.clone());
        Ok(self.output(name, &schema, branches))
    }

    /// Makes the operators of all patterns; `drops_outputs` removes outputs without a reader.
    pub(crate) fn complete(&self, job: &mut JobGraph, drops_outputs: bool) -> Result<()> {
        let set = PatternSet::new(self.patterns.clone())?;
        let (prefilter, matcher) = (self.filtered.origin().0, self.matcher.origin().0);
        let kept = if drops_outputs { job.keep_outputs_read(matcher) } else { (0..self.outputs.len()).collect() };
        let routes = kept.iter().enumerate().flat_map(|(to, &output)| {
            self.outputs[output].iter().map(move |branch| OutputRoute { from: branch.from, to, through: branch.through.clone() })
        });
        let schemas = job.node(matcher).outputs.iter().map(|output| output.schema.clone()).collect();
        let set = set.with_routes(routes.collect(), schemas);
        let node = job.node_mut(prefilter);
        node.kind = NodeKind::Operator(set.prefilter_factory());
        node.outputs[0].schema = set.prefilter_schema().clone();
        job.node_mut(matcher).kind = NodeKind::Operator(set.matcher_factory());
        let keys = set.key_columns_after_prefilter();
        if !keys.indexes().is_empty() {
            job.set_partitioning(matcher, 0, Partitioning::Hash(keys));
        }
        Ok(())
    }
}
