//! The common part of algorithms that give whole numbers by vertex.
//!
//! Such an algorithm implements [`Counter`] and names its answers in a [`CountsPlan`]. This file finds the numbers that changed, writes
//! updates, saves and restores, and answers rows.

use crate::algorithm::{EdgeDelta, Follower, Plan, Replica};
use crate::answers::{AnswerColumn, Found, Signature};
use crate::store::EdgeStore;
use crate::updates::{Cell, UpdateRow, UpdateRowsOut};
use crate::vertices::{Side, Vertices};
use arrow::datatypes::{DataType, Field};
use egret_core::{Error, Result};

/// Counts for the vertices of a graph, in the graph's operator.
pub(crate) trait Counter: Send {
    /// Notes the edges that changed, and appends the vertices whose numbers may have changed. The ends of these edges need not be
    /// appended, and duplicates do no harm.
    fn advance(&mut self, delta: &EdgeDelta<'_>, store: &EdgeStore, touched: &mut Vec<u32>);

    /// Writes the numbers of a vertex that has edges, one for each answer.
    fn count(&mut self, vertex: u32, store: &EdgeStore, counts: &mut [i64]);

    /// Derives the state of a new counter from the store of a restored graph.
    fn restore(&mut self, _store: &EdgeStore) {}

    /// Bytes of memory, estimated.
    fn bytes(&self) -> usize;
}

/// An answer that is a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountAnswer {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// The answer of a vertex without edges.
    pub(crate) alone: i64,
}

/// The plan of an algorithm with a [`Counter`].
pub(crate) struct CountsPlan {
    pub(crate) name: &'static str,
    /// See [`Plan::text`].
    pub(crate) text: String,
    /// See [`Plan::describe`].
    pub(crate) describe: String,
    pub(crate) answers: &'static [CountAnswer],
    /// Creates the counter for a graph without edges.
    pub(crate) counter: Box<dyn Fn() -> Box<dyn Counter> + Send + Sync>,
}

impl Plan for CountsPlan {
    fn text(&self) -> String {
        self.text.clone()
    }

    fn describe(&self) -> String {
        self.describe.clone()
    }

    fn answers(&self) -> Vec<Signature> {
        self.answers.iter().map(|answer| Signature::count(answer.name, answer.meaning)).collect()
    }

    /// A row has all numbers of a vertex, or nulls if the vertex lost its last edge.
    fn update_fields(&self) -> Vec<Field> {
        let field = |answer: &CountAnswer| Field::new(format!("{}.{}", self.name, answer.name), DataType::Int64, true);
        self.answers.iter().map(field).collect()
    }

    fn follower(&self, _deletes: bool) -> Box<dyn Follower> {
        Box::new(CountsFollower { counter: (self.counter)(), told: Table::new(self.answers.len()), touched: Vec::new() })
    }

    fn replica(&self) -> Box<dyn Replica> {
        let alone = self.answers.iter().map(|answer| answer.alone).collect();
        Box::new(CountsReplica { alone, known: Table::new(self.answers.len()) })
    }
}

/// Numbers by vertex.
#[derive(Debug)]
struct Table {
    width: usize,
    counts: Vec<i64>,
    is_known: Vec<bool>,
}

impl Table {
    fn new(width: usize) -> Self {
        Self { width, counts: Vec::new(), is_known: Vec::new() }
    }

    fn get(&self, vertex: u32) -> Option<&[i64]> {
        let first = vertex as usize * self.width;
        self.is_known.get(vertex as usize).filter(|known| **known).map(|_| &self.counts[first..first + self.width])
    }

    /// Sets or removes the numbers of a vertex.
    fn set(&mut self, vertex: u32, counts: Option<&[i64]>) {
        let place = vertex as usize;
        if place >= self.is_known.len() {
            self.is_known.resize(place + 1, false);
            self.counts.resize((place + 1) * self.width, 0);
        }
        self.is_known[place] = counts.is_some();
        if let Some(counts) = counts {
            self.counts[place * self.width..(place + 1) * self.width].copy_from_slice(counts);
        }
    }

    fn known(&self) -> impl Iterator<Item = (u32, &[i64])> {
        (0..self.is_known.len() as u32).filter_map(|vertex| Some((vertex, self.get(vertex)?)))
    }

    fn save(&self, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>> {
        let saved: Vec<(u32, &[i64])> = self.known().map(|(vertex, counts)| (number(vertex), counts)).collect();
        Ok(postcard::to_allocvec(&saved)?)
    }

    /// Restores the bytes of [`Table::save`] into an empty table.
    fn restore(&mut self, saved: &[u8], numbers: &[u32]) -> Result<()> {
        let damaged = || Error::state("the numbers of a snapshot do not fit its vertices");
        for (vertex, counts) in postcard::from_bytes::<Vec<(u32, Vec<i64>)>>(saved)? {
            let vertex = numbers.get(vertex as usize).copied().ok_or_else(damaged)?;
            if counts.len() != self.width || self.get(vertex).is_some() {
                return Err(damaged());
            }
            self.set(vertex, Some(&counts));
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * 8 + self.is_known.capacity()
    }
}

struct CountsFollower {
    counter: Box<dyn Counter>,
    /// The numbers that were sent to the replicas.
    told: Table,
    touched: Vec<u32>,
}

impl Follower for CountsFollower {
    fn advance(
        &mut self,
        delta: &EdgeDelta<'_>,
        store: Option<&EdgeStore>,
        vertices: &mut Vertices,
        out: &mut UpdateRowsOut<'_>,
    ) {
        let store = store.expect("a plan of counts needs the store");
        self.touched.clear();
        self.touched.extend(delta.changed().flat_map(|edge| [edge.from, edge.to]));
        self.counter.advance(delta, store, &mut self.touched);
        self.touched.sort_unstable();
        self.touched.dedup();
        self.touched.sort_unstable_by(|&a, &b| vertices.compare(a, b));
        let mut now = vec![0; self.told.width];
        let mut cells = vec![Cell::Null; self.told.width];
        for &vertex in &self.touched {
            let has_edges = store.has(vertex);
            if has_edges {
                self.counter.count(vertex, store, &mut now);
            }
            let counts = has_edges.then_some(now.as_slice());
            if self.told.get(vertex) != counts {
                cells
                    .iter_mut()
                    .zip(&now)
                    .for_each(|(cell, count)| *cell = if has_edges { Cell::Count(*count) } else { Cell::Null });
                out.vertex(vertex, vertices, &cells);
                self.told.set(vertex, counts);
            }
        }
    }

    fn save(&self, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>> {
        self.told.save(number)
    }

    fn restore(&mut self, saved: &[u8], numbers: &[u32], store: Option<&EdgeStore>, _: &mut Vertices) -> Result<()> {
        self.told.restore(saved, numbers)?;
        let store = store.expect("a plan of counts needs the store");
        if !self.told.known().map(|(vertex, _)| vertex).eq(store.vertices()) {
            return Err(Error::state("the numbers of a snapshot do not fit its edges"));
        }
        self.counter.restore(store);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.counter.bytes() + self.told.bytes()
    }
}

struct CountsReplica {
    /// The answers of a vertex without edges.
    alone: Vec<i64>,
    known: Table,
}

impl Replica for CountsReplica {
    fn apply(&mut self, update: &UpdateRow<'_>, vertices: &mut Vertices) -> Result<()> {
        let (side, key) = update.vertex.ok_or_else(|| Error::bug("an update of counts is about no vertex"))?;
        let key = vertices.kind(side).parse(key)?.ok_or_else(|| Error::bug("null is no vertex"))?;
        let known = vertices.find(side, key).filter(|&vertex| self.known.get(vertex).is_some());
        let counts: Option<Vec<i64>> = (0..self.alone.len())
            .map(|column| match update.cell(column) {
                Cell::Count(count) => Some(count),
                _ => None,
            })
            .collect();
        match counts {
            Some(counts) => self.known.set(known.unwrap_or_else(|| vertices.retain(side, key)), Some(&counts)),
            None => {
                let vertex = known.ok_or_else(|| Error::bug("a vertex leaves that was not there"))?;
                self.known.set(vertex, None);
                vertices.release(vertex);
            }
        }
        Ok(())
    }

    fn answer(&self, index: usize, _: Side, found: &[Found], _: &Vertices, column: &mut AnswerColumn) -> Result<()> {
        let AnswerColumn::Counts(counts) = column else { return Err(Error::bug("a count is no vertex")) };
        for found in found {
            counts.append_option(match found {
                Found::Null => None,
                Found::Alone => Some(self.alone[index]),
                Found::Vertex(vertex) => Some(self.known.get(*vertex).unwrap_or(&self.alone)[index]),
            });
        }
        Ok(())
    }

    fn save(&self, _: &Vertices, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>> {
        self.known.save(number)
    }

    fn restore(&mut self, saved: &[u8], numbers: &[u32], vertices: &mut Vertices) -> Result<()> {
        self.known.restore(saved, numbers)?;
        self.known.known().for_each(|(vertex, _)| vertices.retain_number(vertex));
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.known.bytes()
    }
}
