//! The replica of components: the component of each vertex, and the facts of each component.

use super::rows::Update;
use crate::algorithm::Replica;
use crate::answers::{AnswerColumn, Found};
use crate::updates::UpdateRow;
use crate::vertices::{Side, Vertices};
use egret_core::{Error, Result};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// A vertex without edges has size 1, counted on its own side, and its component is null.
#[derive(Default)]
pub(super) struct ComponentsReplica {
    /// For each vertex, the index of its component in `components`.
    places: Vec<u32>,
    components: Vec<Component>,
    free: Vec<u32>,
    by_id: HashMap<u64, u32>,
    /// The bytes of all names.
    name_bytes: usize,
}

#[derive(Debug, Default)]
struct Component {
    id: u64,
    /// The least `from` vertex, canonical encoding.
    name: Box<[u8]>,
    sizes: [i64; 2],
}

/// The place of vertices that are not known.
const NOWHERE: u32 = u32::MAX;

impl ComponentsReplica {
    fn apply_one(&mut self, update: Update<'_>, vertices: &mut Vertices) -> Result<()> {
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
            Update::Vertex { side, key, component } => self.move_vertex(side, key, component, vertices)?,
        }
        Ok(())
    }

    fn move_vertex(&mut self, side: Side, key: &[u8], component: Option<u64>, vertices: &mut Vertices) -> Result<()> {
        let key = vertices.kind(side).parse(key)?.ok_or_else(|| Error::bug("null is no vertex"))?;
        let known = vertices.find(side, key).filter(|&vertex| self.place(vertex) != NOWHERE);
        match component {
            Some(id) => {
                let vertex = known.unwrap_or_else(|| vertices.retain(side, key));
                self.set_place(vertex, id);
            }
            None => {
                let vertex = known.ok_or_else(|| Error::bug("a vertex leaves that was not there"))?;
                self.places[vertex as usize] = NOWHERE;
                vertices.release(vertex);
            }
        }
        Ok(())
    }

    fn place(&self, vertex: u32) -> u32 {
        self.places.get(vertex as usize).copied().unwrap_or(NOWHERE)
    }

    fn set_place(&mut self, vertex: u32, id: u64) {
        if vertex as usize >= self.places.len() {
            self.places.resize(vertex as usize + 1, NOWHERE);
        }
        self.places[vertex as usize] = self.place_of(id);
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

    fn component_of(&self, found: Found) -> Option<&Component> {
        let Found::Vertex(vertex) = found else { return None };
        self.components.get(self.place(vertex) as usize)
    }

    /// The number of vertices on each side of the component of a vertex; none for a null.
    fn sizes(&self, side: Side, found: Found) -> Option<[i64; 2]> {
        let alone = || if side == Side::From { [1, 0] } else { [0, 1] };
        match found {
            Found::Null => None,
            _ => Some(self.component_of(found).map_or_else(alone, |component| component.sizes)),
        }
    }
}

impl Replica for ComponentsReplica {
    fn apply(&mut self, update: &UpdateRow<'_>, vertices: &mut Vertices) -> Result<()> {
        self.apply_one(Update::read(update)?, vertices)
    }

    fn answer(&self, index: usize, side: Side, found: &[Found], vertices: &Vertices, column: &mut AnswerColumn) -> Result<()> {
        match column {
            AnswerColumn::Counts(counts) => {
                let size = |sizes: [i64; 2]| match index {
                    0 => sizes[0] + sizes[1],
                    1 => sizes[0],
                    _ => sizes[1],
                };
                found.iter().for_each(|&found| counts.append_option(self.sizes(side, found).map(size)));
            }
            AnswerColumn::Vertices(names) => {
                let kind = vertices.kind(Side::From);
                for &found in found {
                    let name = self.component_of(found).map(|component| kind.parse(&component.name)).transpose()?.flatten();
                    names.push(name.map(|(rank, bytes)| (rank, bytes.into())));
                }
            }
        }
        Ok(())
    }

    fn save(&self, vertices: &Vertices, number: &dyn Fn(u32) -> u32) -> Result<Vec<u8>> {
        let component = |&place: &u32| {
            let Component { id, name, sizes } = &self.components[place as usize];
            SavedComponent { id: *id, name: name.to_vec(), sizes: *sizes }
        };
        let mut components: Vec<_> = self.by_id.values().map(component).collect();
        components.sort_unstable_by_key(|component| component.id);
        let known = vertices.numbers().filter(|&vertex| self.place(vertex) != NOWHERE);
        let vertex = |vertex: u32| (number(vertex), self.components[self.place(vertex) as usize].id);
        Ok(postcard::to_allocvec(&Saved { components, vertices: known.map(vertex).collect() })?)
    }

    fn restore(&mut self, saved: &[u8], numbers: &[u32], vertices: &mut Vertices) -> Result<()> {
        *self = Self::default();
        let saved: Saved = postcard::from_bytes(saved)?;
        for SavedComponent { id, name, sizes } in &saved.components {
            self.apply_one(Update::Component { id: *id, name, sizes: *sizes }, vertices)?;
        }
        for (vertex, id) in saved.vertices {
            let damaged = || Error::state("a vertex of a snapshot has no key");
            let vertex = numbers.get(vertex as usize).copied().ok_or_else(damaged)?;
            vertices.retain_number(vertex);
            self.set_place(vertex, id);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.places.capacity() * 4
            + self.components.capacity() * size_of::<Component>()
            + self.by_id.capacity() * 17
            + self.name_bytes
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    components: Vec<SavedComponent>,
    /// Vertices and their components.
    vertices: Vec<(u32, u64)>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedComponent {
    id: u64,
    name: Vec<u8>,
    sizes: [i64; 2],
}

/// The bytes of a replica, from the parts of an older format.
pub(crate) fn saved_before(components: Vec<SavedComponent>, vertices: Vec<(u32, u64)>) -> Result<Vec<u8>> {
    Ok(postcard::to_allocvec(&Saved { components, vertices })?)
}
