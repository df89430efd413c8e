//! The reader of a graph: a replica on every worker, and the answers it gives to rows.

use crate::answers::AnswerColumn;
use crate::spec::{Answer, GraphSpec, Lookup};
use crate::updates::{Update, UpdateRows};
use crate::vertices::{Side, Vertices};
use arrow::array::{ArrayRef, RecordBatch};
use egret_core::key::encode_key;
use egret_core::{Error, Result, StateSize};
use egret_operators::knowledge::{KnowledgeReader, Reading};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// The replica of a graph: which component each vertex is in, and what each component is. Answers lookups of vertices.
///
/// A vertex without edges is alone: its size is 1, counted on its own side, and its component is null. A null is no vertex:
/// all its answers are null.
pub struct GraphReader {
    spec: Arc<GraphSpec>,
    lookups: Vec<Lookup>,
    vertices: Vertices,
    /// By vertex, its component's place in `components`.
    places: Vec<u32>,
    components: Vec<Component>,
    free: Vec<u32>,
    by_id: HashMap<u64, u32>,
    /// Bytes of names.
    name_bytes: usize,
    scratch: Vec<u8>,
    found: Vec<Found>,
}

#[derive(Debug, Default)]
struct Component {
    id: u64,
    /// The least `from` vertex, canonical encoding.
    name: Box<[u8]>,
    sizes: [i64; 2],
}

/// What a row's value is in the graph.
#[derive(Clone, Copy)]
enum Found {
    Null,
    Alone,
    In(u32),
}

impl GraphReader {
    /// The replica of a graph without edges.
    pub fn new(spec: Arc<GraphSpec>, lookups: Vec<Lookup>) -> Self {
        Self {
            vertices: Vertices::new(spec.kinds()),
            spec,
            lookups,
            places: Vec::new(),
            components: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            name_bytes: 0,
            scratch: Vec::new(),
            found: Vec::new(),
        }
    }

    fn apply_rows(&mut self, updates: &UpdateRows<'_>, mut rows: Range<usize>) -> Result<()> {
        rows.try_for_each(|row| self.apply_one(updates.get(row)?)).map_err(|error| error.context(self.spec.place()))
    }

    fn apply_one(&mut self, update: Update<'_>) -> Result<()> {
        match update {
            Update::Component { id, name, sizes } => {
                let place = self.place_of(id);
                let component = &mut self.components[place as usize];
                self.name_bytes = self.name_bytes + name.len() - component.name.len();
                (component.name, component.sizes) = (name.into(), sizes);
            }
            Update::NoComponent { id } => {
                let place = self.by_id.remove(&id).ok_or_else(|| Error::bug("a component goes that was not there"))?;
                let gone = std::mem::take(&mut self.components[place as usize]);
                self.name_bytes -= gone.name.len();
                self.free.push(place);
            }
            Update::Vertex { side, key, component } => self.move_vertex(side, key, component)?,
        }
        Ok(())
    }

    fn move_vertex(&mut self, side: Side, key: &[u8], component: Option<u64>) -> Result<()> {
        let key = self.vertices.kind(side).parse(key)?.ok_or_else(|| Error::bug("null is no vertex"))?;
        let known = self.vertices.find(side, key);
        let Some(component) = component else {
            let vertex = known.ok_or_else(|| Error::bug("a vertex leaves that was not there"))?;
            self.vertices.release(vertex);
            return Ok(());
        };
        let vertex = known.unwrap_or_else(|| self.vertices.retain(side, key)) as usize;
        if vertex >= self.places.len() {
            self.places.resize(vertex + 1, 0);
        }
        self.places[vertex] = self.place_of(component);
        Ok(())
    }

    fn place_of(&mut self, id: u64) -> u32 {
        if let Some(&place) = self.by_id.get(&id) {
            return place;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.components.push(Component::default());
            (self.components.len() - 1) as u32
        });
        self.components[place as usize] = Component { id, ..Component::default() };
        self.by_id.insert(id, place);
        place
    }

    /// Where the values of a column are in the graph, for some rows.
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
                Some(Some(vertex)) => Found::In(self.places[vertex as usize]),
            });
        }
        Ok(())
    }

    /// Columns for the answers to a batch, without rows yet.
    fn columns(&self, rows: usize) -> Vec<AnswerColumn> {
        let column = |lookup: &Lookup| match lookup.answer {
            Answer::Component => AnswerColumn::names(rows),
            Answer::Size | Answer::FromSize | Answer::ToSize => AnswerColumn::sizes(rows),
        };
        self.lookups.iter().map(column).collect()
    }

    /// Answers some rows of a batch.
    fn answer_rows(&mut self, batch: &RecordBatch, rows: Range<usize>, columns: &mut [AnswerColumn]) -> Result<()> {
        let mut found = std::mem::take(&mut self.found);
        let mut subject = None;
        for (index, column) in columns.iter_mut().enumerate() {
            let lookup = self.lookups[index];
            if subject.replace((lookup.side, lookup.column)) != Some((lookup.side, lookup.column)) {
                self.find(lookup.side, batch.column(lookup.column), rows.clone(), &mut found)?;
            }
            match column {
                AnswerColumn::Sizes(sizes) => found.iter().for_each(|found| sizes.append_option(self.size(lookup, *found))),
                AnswerColumn::Names(names) => {
                    for found in &found {
                        names.push(self.component_name(*found)?);
                    }
                }
            }
        }
        self.found = found;
        Ok(())
    }

    fn size(&self, lookup: Lookup, found: Found) -> Option<i64> {
        let sizes = match found {
            Found::Null => return None,
            Found::Alone if lookup.side == Side::From => [1, 0],
            Found::Alone => [0, 1],
            Found::In(place) => self.components[place as usize].sizes,
        };
        match lookup.answer {
            Answer::Size => Some(sizes[0] + sizes[1]),
            Answer::FromSize => Some(sizes[0]),
            Answer::ToSize => Some(sizes[1]),
            Answer::Component => None,
        }
    }

    fn component_name(&self, found: Found) -> Result<Option<(u64, Box<[u8]>)>> {
        let Found::In(place) = found else { return Ok(None) };
        let name = self.vertices.kind(Side::From).parse(&self.components[place as usize].name)?;
        Ok(name.map(|(rank, bytes)| (rank, bytes.into())))
    }

    fn finish(&self, columns: Vec<AnswerColumn>) -> Result<Vec<ArrayRef>> {
        let (kind, names) = (self.vertices.kind(Side::From), self.spec.component_type());
        columns.into_iter().map(|column| column.finish(kind, &names)).collect()
    }
}

impl KnowledgeReader for GraphReader {
    fn apply(&mut self, updates: &RecordBatch) -> Result<()> {
        let rows = UpdateRows::new(updates, self.spec.update_schema())?;
        self.apply_rows(&rows, 0..rows.len())
    }

    fn enrich(&mut self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let mut columns = self.columns(rows.num_rows());
        self.answer_rows(rows, 0..rows.num_rows(), &mut columns)?;
        self.finish(columns)
    }

    /// Makes the columns of every batch once, however short the steps are.
    fn answer(&mut self, reading: &Reading<'_>) -> Result<Vec<Vec<ArrayRef>>> {
        let schema = self.spec.update_schema().clone();
        let updates = reading.updates.iter().map(|updates| UpdateRows::new(updates, &schema)).collect::<Result<Vec<_>>>()?;
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
        let vertex = |number: u32| {
            let mut key = Vec::new();
            self.vertices.write_canonical(number, &mut key);
            let id = self.components[self.places[number as usize] as usize].id;
            SavedVertex { side: self.vertices.get(number).0 as u8, key, component: id }
        };
        let component = |&place: &u32| {
            let Component { id, name, sizes } = &self.components[place as usize];
            SavedComponent { id: *id, name: name.to_vec(), sizes: *sizes }
        };
        let mut components: Vec<_> = self.by_id.values().map(component).collect();
        components.sort_unstable_by_key(|component| component.id);
        let saved = Saved { kinds: self.spec.kinds(), components, vertices: self.vertices.numbers().map(vertex).collect() };
        Ok(postcard::to_extend(&saved, vec![SAVED_VERSION])?)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        *self = Self::new(Arc::clone(&self.spec), std::mem::take(&mut self.lookups));
        let place = |error: Error| error.context(self.spec.place());
        let saved = Saved::decode(state).map_err(place)?;
        if saved.kinds != self.spec.kinds() {
            return Err(place(Error::job("its state was kept with ends of other types").help("give the graph a new name")));
        }
        for SavedComponent { id, name, sizes } in &saved.components {
            self.apply_one(Update::Component { id: *id, name, sizes: *sizes })?;
        }
        for SavedVertex { side, key, component } in &saved.vertices {
            self.move_vertex(Side::from_number(*side)?, key, Some(*component))?;
        }
        Ok(())
    }

    fn state_size(&self) -> StateSize {
        let bytes = self.vertices.bytes()
            + self.places.capacity() * 4
            + self.components.capacity() * size_of::<Component>()
            + self.by_id.capacity() * 17
            + self.name_bytes;
        StateSize { keys: self.vertices.len() as u64, bytes: bytes as u64 }
    }
}

/// The first byte of a snapshot; [`Saved`] in postcard's encoding follows.
const SAVED_VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    kinds: [crate::key::KeyKind; 2],
    components: Vec<SavedComponent>,
    vertices: Vec<SavedVertex>,
}

#[derive(Serialize, Deserialize)]
struct SavedComponent {
    id: u64,
    name: Vec<u8>,
    sizes: [i64; 2],
}

#[derive(Serialize, Deserialize)]
struct SavedVertex {
    side: u8,
    key: Vec<u8>,
    component: u64,
}

impl Saved {
    fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [SAVED_VERSION, rest @ ..] => Ok(postcard::from_bytes(rest)?),
            _ => Err(Error::state("its state has a version that this program does not read")),
        }
    }
}
