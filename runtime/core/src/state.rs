//! Keyed state as an operator sees it, and as checkpoints get it.

use crate::{Epoch, Result, Snapshot, StateSize};
use std::fmt;

/// Keyed state as bytes: what a state backend offers. Typed views are those of process functions, in `runtime/operators`.
///
/// A key is the canonical encoding of [`crate::key::encode_key`]; a slot is the number of a declared state.
pub trait KeyedState {
    /// The value of a key in a slot.
    ///
    /// # Errors
    /// The backend cannot read it.
    fn get(&mut self, slot: u16, key: &[u8]) -> Result<Option<&[u8]>>;

    /// Sets the value.
    ///
    /// # Errors
    /// The backend cannot keep it.
    fn put(&mut self, slot: u16, key: &[u8], value: &[u8]) -> Result<()>;

    /// Removes the value.
    ///
    /// # Errors
    /// The backend cannot write.
    fn remove(&mut self, slot: u16, key: &[u8]) -> Result<()>;

    /// These keys are about to be asked for, in this slot: a backend can fetch them all at once.
    fn prefetch(&mut self, _slot: u16, _keys: &mut dyn Iterator<Item = &[u8]>) {}

    /// Looks at so many values, where it stopped last time, and removes those that are over: `is_over` is asked with a value's slot
    /// and bytes. Who calls it again and again gets to every value.
    ///
    /// # Errors
    /// The backend cannot read or write.
    fn sweep(&mut self, values: usize, is_over: &mut dyn FnMut(u16, &[u8]) -> bool) -> Result<()>;

    /// How much there is.
    fn size(&self) -> StateSize;

    /// Everything, by key group.
    ///
    /// # Errors
    /// It cannot be encoded.
    fn snapshot(&mut self) -> Result<Snapshot>;

    /// The state at the end of an epoch, to be turned into bytes while the operator goes on: what has changed since the end of
    /// the epoch `base`, or all of it. A backend that does not know what has changed gives all.
    ///
    /// # Errors
    /// The backend cannot read it.
    fn snapshot_handle(&mut self, _epoch: Epoch, _base: Option<Epoch>) -> Result<SnapshotHandle> {
        Ok(SnapshotHandle::ready(self.snapshot()?))
    }

    /// Takes up what [`KeyedState::snapshot`] or [`SnapshotHandle::encode`] gave: of each instance first what is whole, then what has changed
    /// since, in order.
    ///
    /// # Errors
    /// It does not decode.
    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()>;
}

/// Keyed state as it was at one moment, not yet bytes.
///
/// ```
/// use egret_core::{SnapshotHandle, Snapshot};
/// let handle = SnapshotHandle::later(None, || Ok(Snapshot { operator: vec![vec![1]], ..Snapshot::default() }));
/// let bytes = std::thread::spawn(move || handle.encode()).join().unwrap()?;
/// assert_eq!(bytes.operator, [[1]]);
/// # Ok::<(), egret_core::Error>(())
/// ```
pub struct SnapshotHandle {
    base: Option<Epoch>,
    encode: Box<dyn FnOnce() -> Result<Snapshot> + Send>,
}

impl SnapshotHandle {
    /// Bytes that are there already: all of the state.
    pub fn ready(snapshot: Snapshot) -> Self {
        Self::later(None, || Ok(snapshot))
    }

    /// What `encode` will give, on whatever thread: what has changed since the end of the epoch `base`, or all of it.
    pub fn later(base: Option<Epoch>, encode: impl FnOnce() -> Result<Snapshot> + Send + 'static) -> Self {
        Self { base, encode: Box::new(encode) }
    }

    /// The epoch after whose end things changed that are in this; none if everything is.
    pub fn base(&self) -> Option<Epoch> {
        self.base
    }

    /// The bytes.
    ///
    /// # Errors
    /// The state cannot be encoded.
    pub fn encode(self) -> Result<Snapshot> {
        (self.encode)()
    }
}

impl fmt::Debug for SnapshotHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotHandle").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A backend for operators that use none: it refuses to keep anything.
#[derive(Debug, Default)]
pub struct NoState;

impl KeyedState for NoState {
    fn get(&mut self, _slot: u16, _key: &[u8]) -> Result<Option<&[u8]>> {
        Ok(None)
    }

    fn put(&mut self, _slot: u16, _key: &[u8], _value: &[u8]) -> Result<()> {
        unreachable!("this operator declared no keyed state: see OperatorFactory::uses_keyed_state")
    }

    fn remove(&mut self, _slot: u16, _key: &[u8]) -> Result<()> {
        Ok(())
    }

    fn sweep(&mut self, _values: usize, _is_over: &mut dyn FnMut(u16, &[u8]) -> bool) -> Result<()> {
        Ok(())
    }

    fn size(&self) -> StateSize {
        StateSize::default()
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        Ok(Snapshot::default())
    }

    fn restore(&mut self, _parts: Vec<Snapshot>) -> Result<()> {
        Ok(())
    }
}
