//! Operators of `runtime/core` held to the law, and compared with slow and obvious twins.

mod local;
mod process;
mod twin;
mod windows;
