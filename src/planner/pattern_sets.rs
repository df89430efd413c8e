//! Patterns over one stream with one key run as one pair of operators.
//!
//! Nodes are made as the statements come: the first pattern of a stream and key gets a pair of its own, the next ones get outputs
//! of that. When all statements are planned, pairs of several patterns become those of a set. What then goes from patterns to
//! one sink, through a projection at most, leaves the set by one output and the nodes between vanish: with a thousand patterns,
//! a few nodes for each would cost more than the matching.

use super::Build;
use super::names::{Diagnosed, from_error};
use egret_cep::{CompiledPattern, Outlet, PatternSet};
use egret_core::job::{Edge, Node, NodeId, NodeKind, OutputPort, Partitioning};
use egret_core::operators::{ProjectFactory, UnionFactory};
use egret_core::{JobGraph, Result, Stream};
use egret_dsl::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Patterns with one pair of nodes.
pub(super) struct PatternGroup {
    stream: String,
    origin: (NodeId, usize),
    filtered: Stream,
    matches: Stream,
    patterns: Vec<(String, CompiledPattern)>,
    span: Span,
}

impl PatternGroup {
    /// A pattern over a stream, called `stream` and standing at `span`, with a pair of nodes of its own so far.
    pub(super) fn new(stream: (&str, &Stream), pattern: (&str, &CompiledPattern), pair: (&Stream, &Stream), span: Span) -> Self {
        Self {
            stream: stream.0.to_owned(),
            origin: stream.1.origin(),
            filtered: pair.0.clone(),
            matches: pair.1.clone(),
            patterns: vec![(pattern.0.to_owned(), pattern.1.clone())],
            span,
        }
    }

    /// Whether a pattern over a stream can join.
    pub(super) fn takes(&self, pattern: &CompiledPattern, stream: &Stream) -> bool {
        self.origin == stream.origin() && self.patterns[0].1.can_run_with(pattern)
    }

    /// Adds a pattern. Returns its matches, late rows and time-outs; `sides` are the names of its side outputs.
    pub(super) fn add(&mut self, name: &str, pattern: &CompiledPattern, sides: [&str; 2]) -> Result<[Stream; 3]> {
        self.patterns.push((name.to_owned(), pattern.clone()));
        let (matcher, _) = self.matches.origin();
        let schema = pattern.output_schema();
        let names = [name.to_owned(), format!("{name}.{}", sides[0]), format!("{name}.{}", sides[1])];
        let port = |name: String| OutputPort { name: Some(name), schema: schema.clone() };
        let names_of = names.clone();
        self.matches.job().edit(|graph| graph.node_mut(matcher).outputs.extend(names.map(port)));
        let timed_out = self.matches.side_output(&names_of[2])?;
        Ok([self.matches.side_output(name)?, self.filtered.side_output(sides[0])?, timed_out])
    }
}

impl Build<'_> {
    /// The job, with sets of patterns where there are several over one stream.
    pub(super) fn with_pattern_sets(&self) -> Diagnosed<JobGraph> {
        let mut job = self.job.graph();
        for group in self.pattern_groups.iter().filter(|group| group.patterns.len() > 1) {
            job = together(&job, group).map_err(|error| vec![from_error(&error, group.span)])?;
        }
        Ok(job)
    }
}

/// The job with a group's nodes as those of a set.
fn together(job: &JobGraph, group: &PatternGroup) -> Result<JobGraph> {
    let set = PatternSet::new(group.patterns.clone())?;
    let (prefilter, matcher) = (group.filtered.origin().0, group.matches.origin().0);
    let legs = Leg::all(job, matcher);
    let ways: Vec<Way> = legs.iter().map(|leg| leg.way).collect::<BTreeSet<_>>().into_iter().collect();
    let outlets = legs.iter().map(|leg| Outlet {
        from: leg.port,
        to: ways.iter().position(|way| *way == leg.way).unwrap_or_default(),
        through: leg.through.clone(),
    });
    let outlets: Vec<Outlet> = outlets.collect();
    let port = |way: &Way| {
        let schema = match way {
            Way::Plain(port) => job.node(matcher).outputs[*port].schema.clone(),
            Way::Projected(node) | Way::United(node) => job.node(*node).outputs[0].schema.clone(),
        };
        OutputPort { name: way.name(job, matcher), schema }
    };
    let mut outputs: Vec<OutputPort> = ways.iter().map(port).collect();
    if outputs.is_empty() {
        // Nobody reads any match.
        outputs.push(job.node(matcher).outputs[0].clone());
    }
    let set = set.with_outlets(outlets, outputs.iter().map(|output| output.schema.clone()).collect());
    let changed = |id: NodeId, node: &Node| -> Node {
        let mut node = node.clone();
        if id == prefilter {
            node.name = format!("patterns of {}: prefilter", group.stream).into();
            node.kind = NodeKind::Operator(set.prefilter_factory());
            node.outputs[0].schema = set.prefilter_schema().clone();
        } else if id == matcher {
            node.name = format!("patterns of {}", group.stream).into();
            node.kind = NodeKind::Operator(set.matcher_factory());
            node.outputs.clone_from(&outputs);
        }
        node
    };
    let gone: BTreeSet<NodeId> = legs.iter().filter_map(|leg| leg.gone).collect();
    let (mut new, mut numbers) = (JobGraph::new(), BTreeMap::new());
    new.max_parallelism = job.max_parallelism;
    for (id, node) in job.nodes().filter(|(id, _)| !gone.contains(id)) {
        numbers.insert(id, new.add_node(changed(id, node)));
    }
    for (&id, &to) in &numbers {
        let mut input = 0;
        for (from, edge) in job.inputs(id) {
            let from_set = legs.iter().find(|leg| leg.target == id && leg.input == edge.input);
            let edge = match from_set {
                None if id == matcher => Edge { partitioning: by_key(&set, &edge.partitioning), ..edge.clone() },
                None => edge.clone(),
                Some(leg) => {
                    let port = ways.iter().position(|way| *way == leg.way).unwrap_or_default();
                    // Of the legs that are one now, the first has the edge.
                    if legs
                        .iter()
                        .find(|first| first.way == leg.way && first.target == id)
                        .is_some_and(|first| first.input != leg.input)
                    {
                        continue;
                    }
                    Edge { port, ..edge.clone() }
                }
            };
            let from = if from_set.is_some() { numbers[&matcher] } else { numbers[&from] };
            new.add_edge(from, to, Edge { input, ..edge })?;
            input += 1;
        }
    }
    Ok(new)
}

/// A set's rows have the key in another place than a pattern's.
fn by_key(set: &PatternSet, partitioning: &Partitioning) -> Partitioning {
    match partitioning {
        Partitioning::Hash(_) => Partitioning::Hash(set.key_columns_after_prefilter()),
        other => other.clone(),
    }
}

/// What goes from an output of the patterns to a node that stays.
struct Leg {
    /// The output, as the nodes were made.
    port: usize,
    /// The projection that the rows go through, which becomes part of the set.
    through: Option<Arc<ProjectFactory>>,
    /// The projection's node.
    gone: Option<NodeId>,
    target: NodeId,
    input: usize,
    way: Way,
}

/// Legs that go the same way share an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// An output of a pattern as it is.
    Plain(usize),
    /// What a node would have projected.
    Projected(NodeId),
    /// To a union.
    United(NodeId),
}

impl Way {
    fn name(self, job: &JobGraph, matcher: NodeId) -> Option<String> {
        match self {
            Self::Plain(port) => job.node(matcher).outputs[port].name.clone(),
            Self::Projected(_) | Self::United(_) => None,
        }
    }
}

impl Leg {
    fn all(job: &JobGraph, matcher: NodeId) -> Vec<Self> {
        let mut edges = job.outputs(matcher);
        edges.sort_by_key(|(to, edge)| (edge.port, *to, edge.input));
        edges.into_iter().map(|(to, edge)| Self::of(job, to, edge)).collect()
    }

    fn of(job: &JobGraph, to: NodeId, edge: &Edge) -> Self {
        let is_forward = edge.partitioning == Partitioning::Forward;
        let projection = factory::<ProjectFactory>(job, to).filter(|_| is_forward);
        let (through, gone, target, next) = match (projection, job.outputs(to).as_slice()) {
            (Some(projection), [(target, next)]) => (Some(Arc::new(projection.clone())), Some(to), *target, *next),
            _ => (None, None, to, edge),
        };
        let is_united = next.partitioning == Partitioning::Forward && factory::<UnionFactory>(job, target).is_some();
        let way = match gone {
            _ if is_united => Way::United(target),
            Some(node) => Way::Projected(node),
            None => Way::Plain(edge.port),
        };
        Self { port: edge.port, through, gone, target, input: next.input, way }
    }
}

/// A node's factory, if it is of this kind.
fn factory<T: 'static>(job: &JobGraph, node: NodeId) -> Option<&T> {
    match &job.node(node).kind {
        NodeKind::Operator(factory) => factory.as_any()?.downcast_ref(),
        _ => None,
    }
}
