//! The operators that depend only on the contract (`egret-core`), and the [`Stream`]s that jobs are built of.
//!
//! Windows, process functions and knowledge have folders of their own. The small operators are files: filter, project, union, a
//! function of batches, a comparison with ground truth.

mod function;
pub mod knowledge;
pub mod process;
mod project;
pub mod stream;
mod truth;
mod union;
pub mod window;

pub use function::BatchFunction;
pub use project::{FilterFactory, ProjectFactory};
pub use stream::{KeyedStream, Stream};
pub use truth::TruthFactory;
pub use union::UnionFactory;
