//! Patterns over one relation with one key share a pair of operators, as a set. A single pattern is a set, too.
//!
//! The first pattern of a relation and key adds the pair, with outputs for its matches and time-outs; later patterns add outputs
//! of their own. A projection of matches becomes a branch of the pair rather than a node after it, and matches of several
//! patterns that go to one sink leave by one output: with a thousand patterns, a few nodes for each would cost more than the
//! matching. The operators are made when all statements are planned. Each pattern has its own state, under its name, so it does
//! not matter which other patterns run with it.

use super::build::Build;
use super::build::pattern_group::PatternGroup;
use super::names::{Diagnosed, from_error};
use egret_cep::CompiledPattern;
use egret_core::expr::Expression;
use egret_core::{JobGraph, Result};
use egret_dsl::Span;
use egret_operators::Stream;

impl Build<'_> {
    /// Adds a pattern over the rows of a relation. Returns its matches, late rows, time-outs and overflows.
    pub(super) fn add_pattern(
        &mut self,
        (name, span): (&str, Span),
        compiled: &CompiledPattern,
        (relation, rows): (&str, &Stream),
    ) -> Result<[Stream; 4]> {
        let found = self.patterns.groups.iter().position(|group| group.takes(compiled, rows));
        let place = match found {
            Some(place) => place,
            None => {
                self.patterns.groups.push(PatternGroup::new(relation, rows, compiled, span)?);
                self.patterns.groups.len() - 1
            }
        };
        self.patterns.groups[place].add(name, compiled)
    }

    /// Projects a stream: by a node called `name`, or by branches if the rows are outputs of patterns that branch.
    pub(super) fn project_rows(&mut self, stream: &Stream, name: &str, columns: Vec<(String, Expression)>) -> Result<Stream> {
        let is_plain = |group: &&mut PatternGroup| {
            group.branches(stream).is_some_and(|branches| branches.iter().all(|branch| branch.through.is_none()))
        };
        match self.patterns.groups.iter_mut().find(is_plain) {
            Some(group) => group.project(stream, columns),
            None => stream.project(name, columns),
        }
    }

    /// The union of these streams, which have the same columns.
    pub(super) fn unite_rows(&mut self, streams: &[Stream]) -> Result<Stream> {
        let mut together: Vec<Stream> = streams.to_vec();
        for group in &mut self.patterns.groups {
            let of_group: Vec<Stream> = together.iter().filter(|stream| group.branches(stream).is_some()).cloned().collect();
            let schemas = of_group.iter().map(|stream| stream.schema().clone());
            let Some(schema) = schemas.map(Some).reduce(|one, other| one?.united(&other?)).flatten() else { continue };
            if of_group.len() > 1 {
                let branches = of_group.iter().filter_map(|stream| group.branches(stream)).flatten().cloned().collect();
                let united = group.output(None, &schema, branches);
                let place = together.iter().position(|stream| group.branches(stream).is_some()).unwrap_or_default();
                together.retain(|stream| group.branches(stream).is_none());
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
        for group in &self.patterns.groups {
            group.complete(job, drops_outputs).map_err(|error| vec![from_error(&error, group.span)])?;
        }
        Ok(())
    }
}
