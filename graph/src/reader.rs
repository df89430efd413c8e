//! The reader of a graph: its replica on a worker, which answers rows.

use crate::algorithm::Replica;
use crate::answers::{AnswerColumn, AnswerType, Found, Lookup};
use crate::saved::{SavedReader, SavedVertex, encode};
use crate::spec::GraphSpec;
use crate::updates::UpdateRows;
use crate::vertices::{Side, Vertices};
use arrow::array::{ArrayRef, RecordBatch};
use egret_core::key::encode_key;
use egret_core::{Error, Result, StateSize};
use egret_operators::knowledge::{KnowledgeReader, Reading};
use std::ops::Range;
use std::sync::Arc;

/// The replica of a graph: numbers for the vertices, and the replica of each algorithm, which refers to vertices by number.
///
/// A null is no vertex, and all answers for it are null.
pub struct GraphReader {
    spec: Arc<GraphSpec>,
    lookups: Vec<Lookup>,
    /// The type of the answer of each lookup.
    types: Vec<AnswerType>,
    vertices: Vertices,
    /// One for each algorithm, in the order of `COMPUTE`.
    replicas: Vec<Box<dyn Replica>>,
    scratch: Vec<u8>,
    found: Vec<Found>,
}

impl GraphReader {
    /// The replica of a graph without edges. The lookups must be for answers of this graph.
    pub fn new(spec: Arc<GraphSpec>, lookups: Vec<Lookup>) -> Self {
        let answer_type = |lookup: &Lookup| spec.signature(lookup.answer).map_or(AnswerType::Count, |known| known.answer_type);
        Self {
            types: lookups.iter().map(answer_type).collect(),
            vertices: Vertices::new(spec.kinds()),
            replicas: spec.plans().map(|plan| plan.replica()).collect(),
            spec,
            lookups,
            scratch: Vec::new(),
            found: Vec::new(),
        }
    }

    fn apply_rows(&mut self, updates: &UpdateRows<'_>, mut rows: Range<usize>) -> Result<()> {
        let apply = |row: usize| {
            let update = updates.get(row)?;
            self.replicas[update.algorithm].apply(&update, &mut self.vertices)
        };
        rows.try_for_each(apply).map_err(|error| error.context(self.spec.place()))
    }

    /// Finds the vertices in a column, for a range of rows.
    fn find(&mut self, side: Side, column: &ArrayRef, rows: Range<usize>, found: &mut Vec<Found>) -> Result<()> {
        let kind = self.vertices.kind(side);
        found.clear();
        for row in rows {
            self.scratch.clear();
            encode_key(std::slice::from_ref(column), row, &mut self.scratch)?;
            let vertex = kind.parse(&self.scratch)?.map(|key| self.vertices.find(side, key));
            found.push(match vertex {
                None => Found::Null,
                Some(None) => Found::Alone,
                Some(Some(vertex)) => Found::Vertex(vertex),
            });
        }
        Ok(())
    }

    /// Empty columns for the answers to a batch.
    fn columns(&self, rows: usize) -> Vec<AnswerColumn> {
        self.types.iter().map(|&answer_type| AnswerColumn::new(answer_type, rows)).collect()
    }

    /// Answers a range of rows of a batch.
    fn answer_rows(&mut self, batch: &RecordBatch, rows: Range<usize>, columns: &mut [AnswerColumn]) -> Result<()> {
        let mut found = std::mem::take(&mut self.found);
        let mut subject = None;
        for (index, column) in columns.iter_mut().enumerate() {
            let Lookup { answer, side, column: vertex } = self.lookups[index];
            if subject.replace((side, vertex)) != Some((side, vertex)) {
                self.find(side, batch.column(vertex), rows.clone(), &mut found)?;
            }
            self.replicas[answer.algorithm].answer(answer.index, side, &found, &self.vertices, column)?;
        }
        self.found = found;
        Ok(())
    }

    fn finish(&self, columns: Vec<AnswerColumn>) -> Result<Vec<ArrayRef>> {
        let (kind, vertex_type) = (self.vertices.kind(Side::From), self.spec.vertex_type());
        columns.into_iter().map(|column| column.finish(kind, &vertex_type)).collect()
    }
}

impl KnowledgeReader for GraphReader {
    fn apply(&mut self, updates: &RecordBatch) -> Result<()> {
        let spec = Arc::clone(&self.spec);
        let rows = UpdateRows::new(updates, spec.update_layout())?;
        self.apply_rows(&rows, 0..rows.len())
    }

    fn enrich(&mut self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let mut columns = self.columns(rows.num_rows());
        self.answer_rows(rows, 0..rows.num_rows(), &mut columns)?;
        self.finish(columns)
    }

    /// Builds the columns of every batch once, however short the steps are.
    fn answer(&mut self, reading: &Reading<'_>) -> Result<Vec<Vec<ArrayRef>>> {
        let spec = Arc::clone(&self.spec);
        let updates = reading.updates.iter().map(|updates| UpdateRows::new(updates, spec.update_layout()));
        let updates = updates.collect::<Result<Vec<_>>>()?;
        let mut columns: Vec<Vec<AnswerColumn>> = reading.batches.iter().map(|rows| self.columns(rows.num_rows())).collect();
        for part in &reading.parts {
            for segment in reading.updates_before(part) {
                self.apply_rows(&updates[segment.batch], segment.rows.clone())?;
            }
            let batch = part.rows.batch;
            self.answer_rows(reading.batches[batch], part.rows.rows.clone(), &mut columns[batch])?;
        }
        columns.into_iter().map(|columns| self.finish(columns)).collect()
    }

    fn snapshot(&self) -> Result<Vec<u8>> {
        let mut numbers = vec![u32::MAX; self.vertices.numbers().last().map_or(0, |last| last as usize + 1)];
        self.vertices.numbers().zip(0..).for_each(|(vertex, number)| numbers[vertex as usize] = number);
        let number = |vertex: u32| numbers[vertex as usize];
        encode(&SavedReader {
            kinds: self.spec.kinds(),
            computes: self.spec.texts(),
            vertices: self.vertices.numbers().map(|vertex| SavedVertex::of(&self.vertices, vertex)).collect(),
            replicas: self.replicas.iter().map(|replica| replica.save(&self.vertices, &number)).collect::<Result<_>>()?,
        })
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        *self = Self::new(Arc::clone(&self.spec), std::mem::take(&mut self.lookups));
        let place = |error: Error| error.context(self.spec.place());
        let saved = SavedReader::decode(state).map_err(place)?;
        if saved.kinds != self.spec.kinds() || saved.computes != self.spec.texts() {
            let message = "its state was kept with ends of other types or of other algorithms";
            return Err(place(Error::job(message).help("give the graph a new name")));
        }
        if saved.replicas.len() != self.replicas.len() {
            return Err(place(Error::state("its state has parts of other algorithms")));
        }
        // This function holds a use of each vertex until the replicas have added theirs.
        let numbers = saved.vertices.iter().map(|vertex| vertex.retain(&mut self.vertices)).collect::<Result<Vec<_>>>()?;
        for (replica, bytes) in self.replicas.iter_mut().zip(&saved.replicas) {
            replica.restore(bytes, &numbers, &mut self.vertices)?;
        }
        numbers.into_iter().for_each(|vertex| self.vertices.release(vertex));
        Ok(())
    }

    fn state_size(&self) -> StateSize {
        let replicas: usize = self.replicas.iter().map(|replica| replica.bytes()).sum();
        StateSize { keys: self.vertices.len() as u64, bytes: (self.vertices.bytes() + replicas) as u64 }
    }
}
