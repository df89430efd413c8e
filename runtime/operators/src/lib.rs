//! The operators that need nothing but the contract (`egret-core`), and the [`Stream`]s that jobs are built of.
//!
//! Windows, process functions and knowledge have folders of their own; beside them stand the small ones that need nothing but
//! expressions and closures: filter, project, union, a function of batches.

mod function;
pub mod knowledge;
pub mod process;
mod project;
pub mod stream;
mod union;
pub mod window;

pub use function::BatchFunction;
pub use project::{FilterFactory, ProjectFactory};
pub use stream::{KeyedStream, Stream};
pub use union::UnionFactory;
