//! The format of the updates of components.
//!
//! The update of a version has first the components that are new or changed, by id, then the vertices whose component changed,
//! by side and key, then the components that are gone, by id.
//!
//! | column | vertex | vertex without edges | component | component that is gone |
//! | --- | --- | --- | --- | --- |
//! | `side`, `key` | of the vertex | the same | null | null |
//! | `component` | id of its component | null | id | id |
//! | `name` | null | null | the least `from` vertex, canonical encoding | null |
//! | `from_size`, `to_size` | null | null | the number of vertices on each side | null |
//!
//! The larger part keeps the id when a component splits, and the larger component when two join, so few vertices change their
//! component. The name and sizes of a component are sent once for all its vertices.

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

/// Writes the update of one version. The changes are sorted by side and key.
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
        out.vertex(change.vertex, vertices, &[component]);
    }
    for change in components.iter().filter(|change| change.after.is_none()) {
        out.other(&[Cell::Id(change.id.0)]);
    }
}

/// A row of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update<'a> {
    /// The vertex is in this component, or has no edges any more.
    Vertex { side: Side, key: &'a [u8], component: Option<u64> },
    /// The component is new or changed.
    Component { id: u64, name: &'a [u8], sizes: [i64; 2] },
    /// The component is gone.
    NoComponent { id: u64 },
}

impl<'a> Update<'a> {
    /// # Errors
    /// The row is not one that [`write`] writes.
    pub(super) fn read(row: &UpdateRow<'a>) -> Result<Self> {
        let component = row.id(0);
        if let Some((side, key)) = row.vertex {
            return Ok(Self::Vertex { side, key, component });
        }
        match (component, row.cell(1), row.cell(2), row.cell(3)) {
            (Some(id), Cell::Null, ..) => Ok(Self::NoComponent { id }),
            (Some(id), Cell::Bytes(name), Cell::Count(from), Cell::Count(to)) => {
                Ok(Self::Component { id, name, sizes: [from, to] })
            }
            _ => Err(Error::bug("an update of a graph is about nothing")),
        }
    }
}
