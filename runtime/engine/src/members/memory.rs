//! Memory as the place where members meet: those of one process.

use super::rendezvous::Rendezvous;
use egret_core::Result;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Members that are threads of one process meet in its memory.
#[derive(Default)]
pub struct InMemory(Mutex<HashMap<String, Vec<u8>>>);

impl InMemory {
    /// A place where nobody has announced anything.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Rendezvous for InMemory {
    fn announce(&self, name: &str, what: &[u8]) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), what.to_owned());
        Ok(())
    }

    fn look_up(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }

    fn address(&self) -> String {
        "the memory of this process".to_owned()
    }
}

/// Only the names: what is announced may be secret.
impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<String> = self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        names.sort();
        f.debug_tuple("InMemory").field(&names).finish()
    }
}
