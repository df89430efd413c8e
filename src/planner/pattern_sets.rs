//! Patterns over one relation with one key are one pair of operators, a set: also one pattern alone.
//!
//! The first pattern of a relation and key brings the pair, with outputs for its matches and time-outs; each that follows brings
//! outputs of its own. A projection of matches is a way out of the pair rather than a node behind it, and what several patterns send
//! to one sink leaves by one output: with a thousand patterns, a few nodes for each would cost more than the matching. When
//! all statements are planned, the operators are made of all patterns. State is each pattern's own, under its name, so it does not
//! matter with which others a pattern runs.

use super::Build;
use super::names::{Diagnosed, from_error};
use egret_cep::{CompiledPattern, Outlet, PatternSet};
use egret_core::expr::Expression;
use egret_core::job::{NodeKind, OutputPort, Parallelism, Partitioning};
use egret_core::{JobGraph, Result, StreamSchema};
use egret_dsl::Span;
use egret_operators::ProjectFactory;
use egret_operators::Stream;
use std::sync::Arc;

/// The output of the prefilter for rows that came too late.
const LATE: &str = "late";

/// Patterns with one pair of nodes.
pub(super) struct PatternGroup {
    /// The rows that the patterns read.
    rows: Stream,
    filtered: Stream,
    matcher: Stream,
    patterns: Vec<(String, CompiledPattern)>,
    /// Of each output of the matcher, what leaves by it.
    outputs: Vec<Vec<Way>>,
    span: Span,
}

/// Rows of a pattern on their way out.
#[derive(Clone)]
struct Way {
    /// As [`Outlet::from`].
    from: usize,
    through: Option<Arc<ProjectFactory>>,
}

impl PatternGroup {
    /// No patterns yet, of those over rows of `relation` with the key of `first`, which stands at `span`.
    fn new(relation: &str, rows: &Stream, first: &CompiledPattern, span: Span) -> Result<Self> {
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
        // State is known by its pattern; the parts of two sets need different names.
        let name = job.edit(|graph| std::sync::Arc::clone(&graph.node(matcher.origin().0).name));
        let matcher = matcher.uid(&name);
        Ok(Self { rows: rows.clone(), filtered, matcher, patterns: Vec::new(), outputs: Vec::new(), span })
    }

    /// Whether a pattern over these rows can join.
    fn takes(&self, pattern: &CompiledPattern, rows: &Stream) -> bool {
        self.rows.origin() == rows.origin() && self.patterns.iter().all(|(_, other)| other.can_run_with(pattern))
    }

    /// Adds a pattern. Returns its matches, late rows, time-outs and keys that had too many partial matches.
    fn add(&mut self, name: &str, pattern: &CompiledPattern) -> Result<[Stream; 4]> {
        let number = self.patterns.len();
        self.patterns.push((name.to_owned(), pattern.clone()));
        let way = |from| vec![Way { from, through: None }];
        let matches = self.output(Some(name.to_owned()), pattern.output_schema(), way(PatternSet::matches_port(number)));
        let timed_out = format!("{name}.timed_out");
        let timed_out = self.output(Some(timed_out), pattern.output_schema(), way(PatternSet::timed_out_port(number)));
        let overflow = format!("{name}.overflow");
        let overflow = self.output(Some(overflow), pattern.overflow_schema(), way(PatternSet::overflow_port(number)));
        Ok([matches, self.filtered.side_output(LATE)?, timed_out, overflow])
    }

    /// One more output.
    fn output(&mut self, name: Option<String>, schema: &StreamSchema, ways: Vec<Way>) -> Stream {
        self.outputs.push(ways);
        self.matcher.add_output(OutputPort { name, schema: schema.clone() })
    }

    /// What leaves by a stream, if it leaves the patterns.
    fn ways(&self, stream: &Stream) -> Option<&[Way]> {
        let (node, port) = stream.origin();
        (node == self.matcher.origin().0).then(|| self.outputs[port].as_slice())
    }

    /// The rows of an output with other columns.
    fn project(&mut self, stream: &Stream, columns: Vec<(String, Expression)>) -> Result<Stream> {
        let (projection, schema) = stream.projection(columns, None)?;
        let from = self.ways(stream).map(<[Way]>::to_vec).unwrap_or_default();
        let through = Some(Arc::new(projection));
        let ways = from.into_iter().map(|way| Way { through: through.clone(), ..way }).collect();
        let name = stream.job().edit(|graph| graph.node(stream.origin().0).outputs[stream.origin().1].name.clone());
        Ok(self.output(name, &schema, ways))
    }

    /// Makes the operators of all patterns; outputs that nobody reads go if that is wanted.
    fn complete(&self, job: &mut JobGraph, drops_outputs: bool) -> Result<()> {
        let set = PatternSet::new(self.patterns.clone())?;
        let (prefilter, matcher) = (self.filtered.origin().0, self.matcher.origin().0);
        let kept = if drops_outputs { job.keep_outputs_read(matcher) } else { (0..self.outputs.len()).collect() };
        let outlets = kept.iter().enumerate().flat_map(|(to, &output)| {
            self.outputs[output].iter().map(move |way| Outlet { from: way.from, to, through: way.through.clone() })
        });
        let schemas = job.node(matcher).outputs.iter().map(|output| output.schema.clone()).collect();
        let set = set.with_outlets(outlets.collect(), schemas);
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

impl Build<'_> {
    /// A pattern over the rows of a relation: its matches, the rows that came too late, partial matches that timed out, and keys that
    /// had too many partial matches.
    pub(super) fn add_pattern(
        &mut self,
        (name, span): (&str, Span),
        compiled: &CompiledPattern,
        (relation, rows): (&str, &Stream),
    ) -> Result<[Stream; 4]> {
        let found = self.pattern_groups.iter().position(|group| group.takes(compiled, rows));
        let place = match found {
            Some(place) => place,
            None => {
                self.pattern_groups.push(PatternGroup::new(relation, rows, compiled, span)?);
                self.pattern_groups.len() - 1
            }
        };
        self.pattern_groups[place].add(name, compiled)
    }

    /// The rows of a stream with other columns: a node called `name`, unless they leave patterns that way.
    pub(super) fn project_rows(&mut self, stream: &Stream, name: &str, columns: Vec<(String, Expression)>) -> Result<Stream> {
        let is_plain =
            |group: &&mut PatternGroup| group.ways(stream).is_some_and(|ways| ways.iter().all(|way| way.through.is_none()));
        match self.pattern_groups.iter_mut().find(is_plain) {
            Some(group) => group.project(stream, columns),
            None => stream.project(name, columns),
        }
    }

    /// The rows of all these streams, which have the same columns.
    pub(super) fn unite_rows(&mut self, streams: &[Stream]) -> Result<Stream> {
        let mut together: Vec<Stream> = streams.to_vec();
        for group in &mut self.pattern_groups {
            let of_group: Vec<Stream> = together.iter().filter(|stream| group.ways(stream).is_some()).cloned().collect();
            let schemas = of_group.iter().map(|stream| stream.schema().clone());
            let Some(schema) = schemas.map(Some).reduce(|one, other| one?.united(&other?)).flatten() else { continue };
            if of_group.len() > 1 {
                let ways = of_group.iter().filter_map(|stream| group.ways(stream)).flatten().cloned().collect();
                let united = group.output(None, &schema, ways);
                let place = together.iter().position(|stream| group.ways(stream).is_some()).unwrap_or_default();
                together.retain(|stream| group.ways(stream).is_none());
                together.insert(place.min(together.len()), united);
            }
        }
        match together.split_first() {
            Some((one, [])) => Ok(one.clone()),
            Some((first, others)) => first.union(&others.iter().collect::<Vec<_>>()),
            None => Err(egret_core::Error::bug("nothing is written")),
        }
    }

    /// Makes the operators of all patterns.
    pub(super) fn complete_patterns(&self, job: &mut JobGraph, drops_outputs: bool) -> Diagnosed<()> {
        for group in &self.pattern_groups {
            group.complete(job, drops_outputs).map_err(|error| vec![from_error(&error, group.span)])?;
        }
        Ok(())
    }
}
