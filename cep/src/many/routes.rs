//! The outputs by which a set's rows leave it: one per pattern, or fewer.
//!
//! A thousand patterns whose matches go to one sink need one output, not a thousand: each output costs the engine a little with
//! every batch and watermark. A projection between the set and the sink is done here, and all rows that leave by one output leave
//! as one batch.

use super::plan::NAMES_SHOWN;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat;
use egret_core::{Batch, Context, OperatorFactory, Result, StreamSchema};
use egret_operators::ProjectFactory;
use std::sync::Arc;

/// How many outputs a pattern of a set has.
pub(crate) const PORTS: usize = 4;

/// A route of rows out of a set of patterns.
#[derive(Clone)]
pub struct OutputRoute {
    /// The port that the rows come from: [`crate::PatternSet::matches_port`], [`crate::PatternSet::timed_out_port`] or
    /// [`crate::PatternSet::overflow_port`].
    pub from: usize,
    /// The output of the operator by which they leave.
    pub to: usize,
    /// The projection applied to the rows, if any.
    pub through: Option<Arc<ProjectFactory>>,
}

/// All routes out of a set.
#[derive(Default)]
pub(crate) struct OutputRoutes {
    /// The routes by port.
    of: Vec<Vec<OutputRoute>>,
    /// The columns of each output of the operator.
    outputs: Vec<StreamSchema>,
}

impl OutputRoutes {
    pub(crate) fn new(routes: Vec<OutputRoute>, outputs: Vec<StreamSchema>) -> Self {
        let mut of: Vec<Vec<OutputRoute>> = Vec::new();
        for route in routes {
            of.resize_with(of.len().max(route.from + 1), Vec::new);
            of[route.from].push(route);
        }
        Self { of, outputs }
    }

    /// Whether a projection may fail for some match.
    pub(super) fn can_fail(&self) -> bool {
        let mut projections = self.of.iter().flatten().filter_map(|route| route.through.as_ref());
        projections.any(|projection| projection.may_refuse())
    }

    /// For `explain`: the projections of matches, for the first patterns.
    pub(super) fn describe(&self, names: &[String]) -> Vec<String> {
        let shown = self.of.iter().enumerate().take(NAMES_SHOWN * PORTS);
        let of = |(from, routes): (usize, &Vec<OutputRoute>)| {
            let name = names.get(from / PORTS).cloned().unwrap_or_default();
            let kind = match from % PORTS {
                0 => "",
                2 => ".timed_out",
                _ => ".overflow",
            };
            let projections = routes.iter().filter_map(|route| route.through.as_ref());
            projections.map(|through| format!("sends {name}{kind}: {}", through.describe().join("; "))).collect::<Vec<_>>()
        };
        shown.flat_map(of).collect()
    }

    /// Sends rows by their routes.
    ///
    /// # Errors
    /// A projection cannot be computed, and bad rows are to end the job.
    pub(super) fn send(&self, sent: &mut Vec<(usize, Batch)>, ctx: &mut Context<'_>) -> Result<()> {
        if self.outputs.is_empty() {
            sent.drain(..).for_each(|(port, batch)| ctx.emit_to(port, batch));
            return Ok(());
        }
        if sent.is_empty() {
            return Ok(());
        }
        let mut leaving: Vec<Vec<RecordBatch>> = vec![Vec::new(); self.outputs.len()];
        for (from, batch) in sent.drain(..) {
            for route in self.of.get(from).into_iter().flatten() {
                let rows = match &route.through {
                    Some(projection) => {
                        let (rows, wrong) = projection.project(&batch)?;
                        ctx.refuse(&wrong)?;
                        rows.into_rows()
                    }
                    None => batch.rows().clone(),
                };
                leaving[route.to].push(rows);
            }
        }
        for (port, (parts, schema)) in leaving.into_iter().zip(&self.outputs).enumerate() {
            if !parts.is_empty() {
                ctx.emit_to(port, Batch::from_parts(joined(&parts, schema)?, schema.event_time(), None));
            }
        }
        Ok(())
    }
}

/// The rows of all parts, under one schema.
fn joined(parts: &[RecordBatch], schema: &StreamSchema) -> Result<RecordBatch> {
    let column = |column: usize| -> Result<ArrayRef> {
        match parts {
            [one] => Ok(Arc::clone(one.column(column))),
            parts => Ok(concat(&parts.iter().map(|part| part.column(column).as_ref()).collect::<Vec<_>>())?),
        }
    };
    let columns = (0..schema.arrow().fields().len()).map(column).collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?)
}
