//! The updates of components.
//!
//! The update of one version is first the components that are new or different, by id, then the vertices that went elsewhere,
//! by side and key, then the components that are no more, by id.
//!
//! | column | vertex | vertex that left | component | component that is no more |
//! | --- | --- | --- | --- | --- |
//! | `side`, `key` | of the vertex | the same | null | null |
//! | `component` | its component's id | null | id | id |
//! | `name` | null | null | the least `from` vertex, canonical encoding | null |
//! | `from_size`, `to_size` | null | null | how many vertices are on each side | null |
//!
//! A component's id stays with the larger part when it falls apart and with the larger one when two join, so few vertices
//! change theirs; what a component *is*, its name and sizes, is told once for all its vertices.

use super::census::{ComponentChange, Facts};
use crate::components::Change;
use crate::updates::{Cell, UpdateRow, UpdateRowsOut};
use crate::vertices::{Side, Vertices};
use arrow::datatypes::{DataType, Field};
use egret_core::{Error, Result};

/// The columns.
pub(super) fn fields() -> Vec<Field> {
    vec![
        Field::new("component", DataType::UInt64, true),
        Field::new("name", DataType::Binary, true),
        Field::new("from_size", DataType::Int64, true),
        Field::new("to_size", DataType::Int64, true),
    ]
}

/// Writes the update of one version. The changes are in order already.
pub(super) fn write(changes: &[Change], components: &[ComponentChange], vertices: &Vertices, out: &mut UpdateRowsOut<'_>) {
    let mut name = Vec::new();
    for (id, facts) in components.iter().filter_map(|change| Some((change.id, change.after?))) {
        let Facts { name: least, sizes } = facts;
        name.clear();
        vertices.write_canonical(least, &mut name);
        let [from, to] = sizes.map(|size| Cell::Count(i64::from(size)));
        out.other(&[Cell::Id(id.0), Cell::Bytes(&name), from, to]);
    }
    for change in changes {
        let component = change.after.map_or(Cell::Null, |id| Cell::Id(id.0));
        out.vertex(change.vertex, vertices, &[component, Cell::Null, Cell::Null, Cell::Null]);
    }
    for change in components.iter().filter(|change| change.after.is_none()) {
        out.other(&[Cell::Id(change.id.0), Cell::Null, Cell::Null, Cell::Null]);
    }
}

/// A row, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update<'a> {
    /// A vertex is in this component; in none if it left.
    Vertex { side: Side, key: &'a [u8], component: Option<u64> },
    /// A component is this.
    Component { id: u64, name: &'a [u8], sizes: [i64; 2] },
    /// A component is no more.
    NoComponent { id: u64 },
}

impl<'a> Update<'a> {
    /// # Errors
    /// The row is not one that [`write`] writes.
    pub(super) fn read(row: &UpdateRow<'a>) -> Result<Self> {
        let component = match row.cell(0) {
            Cell::Id(id) => Some(id),
            _ => None,
        };
        match (row.vertex, component, row.cell(1), row.cell(2), row.cell(3)) {
            (Some((side, key)), component, ..) => Ok(Self::Vertex { side, key, component }),
            (None, Some(id), Cell::Null, ..) => Ok(Self::NoComponent { id }),
            (None, Some(id), Cell::Bytes(name), Cell::Count(from), Cell::Count(to)) => {
                Ok(Self::Component { id, name, sizes: [from, to] })
            }
            _ => Err(Error::bug("an update of a graph is about nothing")),
        }
    }
}
