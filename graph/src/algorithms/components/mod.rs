//! `components`: the connected components of a graph, with their sizes and their least vertices.
//!
//! The algorithm does not need the edge store: [`crate::components`] keeps a spanning forest whose expiring edges need no
//! replacement, so memory is proportional to the vertices. If rows delete edges, it keeps one edge for each pair of vertices.

mod census;
mod follower;
mod replica;
mod rows;

use crate::algorithm::{Algorithm, Follower, Plan, Replica};
use crate::answers::{AnswerType, Signature};
use crate::settings::Settings;
use arrow::datatypes::Field;
use egret_core::Result;
use std::sync::Arc;

/// Converts the components of an older format of snapshots.
pub(crate) mod before {
    pub(crate) use super::follower::saved_before as follower;
    pub(crate) use super::replica::{SavedComponent as Component, saved_before as replica};
}

/// The member of the registry.
#[derive(Debug)]
pub(crate) struct Components;

impl Algorithm for Components {
    fn name(&self) -> &'static str {
        "components"
    }

    fn plan(&self, _settings: &mut Settings<'_>) -> Result<Arc<dyn Plan>> {
        Ok(Arc::new(Self))
    }
}

impl Plan for Components {
    fn text(&self) -> String {
        self.name().to_owned()
    }

    fn describe(&self) -> String {
        "connected components".to_owned()
    }

    fn answers(&self) -> Vec<Signature> {
        let count = Signature::count;
        vec![
            count("size", "how many vertices are connected to this one, itself included; 1 if it has no edges"),
            Signature { needs_sides: true, ..count("from_size", "how many of them are on the side that edges start from") },
            Signature { needs_sides: true, ..count("to_size", "how many of them are on the side that edges end at") },
            Signature {
                answer_type: AnswerType::Vertex,
                ..count("component", "the least of them on the side that edges start from; null if it has no edges")
            },
        ]
    }

    fn update_fields(&self) -> Vec<Field> {
        rows::fields()
    }

    fn needs_store(&self) -> bool {
        false
    }

    fn follower(&self, deletes: bool) -> Box<dyn Follower> {
        Box::new(follower::ComponentsFollower::new(deletes))
    }

    fn replica(&self) -> Box<dyn Replica> {
        Box::new(replica::ComponentsReplica::default())
    }
}
