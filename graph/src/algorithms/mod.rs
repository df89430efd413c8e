//! The algorithms that a graph can compute, each in a file of its own.
//!
//! | name | file | reads the edge store |
//! | --- | --- | --- |
//! | `components` | `components/` | no |
//! | `degrees` | `degrees.rs` | yes |
//! | `neighbourhood` | `neighbourhood.rs` | yes |
//!
//! A new algorithm is a file that implements [`Algorithm`], and a line in [`ALGORITHMS`].

mod components;
mod degrees;
mod neighbourhood;

pub(crate) use components::before as components_before;

use crate::algorithm::Algorithm;

/// The registry.
pub(crate) static ALGORITHMS: &[&dyn Algorithm] = &[
    &components::Components,
    &degrees::Degrees,
    &neighbourhood::Neighbourhood, //
];
