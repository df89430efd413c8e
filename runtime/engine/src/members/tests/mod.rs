//! Members that meet, and strangers that call where they do.
#![allow(clippy::unwrap_used)]

mod calls;
mod places;
