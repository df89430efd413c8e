//! What users see of a row pattern: the rows of its matches, and its description.

mod describe;
mod matched;
pub(crate) mod render;
