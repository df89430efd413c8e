//! Operators that need nothing but expressions and closures. Windows, process functions and knowledge have folders of their own.

mod function;
mod project;
mod union;

pub use function::BatchFunction;
pub use project::{FilterFactory, ProjectFactory};
pub use union::UnionFactory;
