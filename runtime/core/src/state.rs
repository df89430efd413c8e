//! Keyed state as an operator sees it, who keeps it, and how checkpoints get it.

use crate::{Epoch, Error, KeyGroup, OperatorInfo, Result, Snapshot, StateSize};
use std::fmt;

/// Where keyed state is kept: chosen for a run, and asked by each instance of an operator that has keyed state.
///
/// All backends write the same bytes into checkpoints, so a job can go on with another one.
pub trait StateBackend: fmt::Debug + Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// The state of an instance: what was in a checkpoint, of each former instance first what is whole, then what has changed since,
    /// in order; or nothing.
    ///
    /// # Errors
    /// What was in the checkpoint does not decode; the backend cannot keep it.
    fn open(&self, info: &OperatorInfo, restored: Vec<Snapshot>) -> Result<Box<dyn KeyedState>>;
}

/// Takes an entry's name and value; says whether it wants the next one.
pub type TakeEntry<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool> + 'a;

/// Keyed state as bytes. Typed views are those of process functions, in `runtime/operators`.
///
/// A key is the canonical encoding of [`crate::key::encode_key`]; a slot is the number of a declared state, below 32767.
///
/// In a slot a key has either one value, or *entries*: values under names, in the order of the names' bytes.
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

    /// The value of a key's entry.
    ///
    /// # Errors
    /// The backend cannot read it.
    fn get_entry(&mut self, slot: u16, key: &[u8], name: &[u8]) -> Result<Option<&[u8]>>;

    /// Sets the value of a key's entry.
    ///
    /// # Errors
    /// The backend cannot keep it.
    fn put_entry(&mut self, slot: u16, key: &[u8], name: &[u8], value: &[u8]) -> Result<()>;

    /// Removes a key's entry.
    ///
    /// # Errors
    /// The backend cannot write.
    fn remove_entry(&mut self, slot: u16, key: &[u8], name: &[u8]) -> Result<()>;

    /// Gives the entries of a key whose names begin with `prefix`, name and value, in ascending order of the names' bytes (a name
    /// before those that it begins), until `give` says false. It costs as much as what it gives.
    ///
    /// # Errors
    /// The backend cannot read them, or `give` fails.
    fn scan(&mut self, slot: u16, key: &[u8], prefix: &[u8], give: &mut TakeEntry<'_>) -> Result<()>;

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

    /// The state at the end of an epoch, to be turned into bytes while the operator goes on: what has changed since the end of the
    /// epoch `base`, or all of it. A backend that does not know what has changed gives all.
    ///
    /// # Errors
    /// The backend cannot read it.
    fn snapshot_handle(&mut self, epoch: Epoch, base: Option<Epoch>) -> Result<SnapshotHandle>;
}

/// Takes keyed state on its way into a checkpoint, a piece at a time: none is held longer than it takes to write it.
///
/// A [`Snapshot`] takes it as well, to have it all in memory.
pub trait PartWriter {
    /// A piece of a key group's state. A group may have several: those of changes remove and set, in the order in which they come.
    ///
    /// # Errors
    /// It cannot be written.
    fn keyed(&mut self, group: KeyGroup, bytes: Vec<u8>) -> Result<()>;

    /// A file of pieces that are whole, and stay what they are as long as the backend gives them this name (letters, digits and `-`).
    /// `write` is not called if the checkpoint that the handle [shares](SnapshotHandle::sharing) files with has this one.
    ///
    /// # Errors
    /// It cannot be written.
    fn file(&mut self, name: &str, write: &mut dyn FnMut(&mut dyn PartWriter) -> Result<()>) -> Result<()>;
}

impl PartWriter for Snapshot {
    fn keyed(&mut self, group: KeyGroup, bytes: Vec<u8>) -> Result<()> {
        self.keyed.push((group, bytes));
        Ok(())
    }

    fn file(&mut self, _name: &str, write: &mut dyn FnMut(&mut dyn PartWriter) -> Result<()>) -> Result<()> {
        write(self)
    }
}

type Write = Box<dyn FnOnce(&mut dyn PartWriter) -> Result<()> + Send>;

/// Keyed state as it was at one moment, not yet bytes.
///
/// ```
/// use egret_core::{KeyGroup, PartWriter, Snapshot, SnapshotHandle};
/// let handle = SnapshotHandle::later(None, |writer| writer.keyed(KeyGroup(7), vec![1]));
/// let bytes = std::thread::spawn(move || handle.encode()).join().unwrap()?;
/// assert_eq!(bytes.keyed, [(KeyGroup(7), vec![1])]);
/// # Ok::<(), egret_core::Error>(())
/// ```
pub struct SnapshotHandle {
    base: Option<Epoch>,
    shares: Option<Epoch>,
    write: Write,
}

impl SnapshotHandle {
    /// What `write` will give, on whatever thread: what has changed since the end of the epoch `base`, or all of it.
    pub fn later(base: Option<Epoch>, write: impl FnOnce(&mut dyn PartWriter) -> Result<()> + Send + 'static) -> Self {
        Self { base, shares: None, write: Box::new(write) }
    }

    /// Files that the checkpoint of this epoch has need not be written again.
    #[must_use]
    pub fn sharing(mut self, with: Option<Epoch>) -> Self {
        self.shares = with;
        self
    }

    /// The epoch after whose end things changed that are in this; none if everything is.
    pub fn base(&self) -> Option<Epoch> {
        self.base
    }

    /// The checkpoint whose files count as this one's, if it has such of the same name.
    pub fn shares(&self) -> Option<Epoch> {
        self.shares
    }

    /// Gives the bytes, a piece at a time.
    ///
    /// # Errors
    /// The state cannot be encoded; the writer fails.
    pub fn write(self, writer: &mut dyn PartWriter) -> Result<()> {
        (self.write)(writer)
    }

    /// All bytes at once.
    ///
    /// # Errors
    /// The state cannot be encoded.
    pub fn encode(self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        self.write(&mut snapshot)?;
        Ok(snapshot)
    }
}

impl fmt::Debug for SnapshotHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotHandle").field("base", &self.base).field("shares", &self.shares).finish_non_exhaustive()
    }
}

/// State of operators that use none: it refuses to keep anything.
#[derive(Debug, Default)]
pub struct NoState;

const UNDECLARED: &str = "this operator declared no keyed state: see OperatorFactory::uses_keyed_state";

impl KeyedState for NoState {
    fn get(&mut self, _slot: u16, _key: &[u8]) -> Result<Option<&[u8]>> {
        Ok(None)
    }

    fn put(&mut self, _slot: u16, _key: &[u8], _value: &[u8]) -> Result<()> {
        Err(Error::bug(UNDECLARED))
    }

    fn remove(&mut self, _slot: u16, _key: &[u8]) -> Result<()> {
        Ok(())
    }

    fn get_entry(&mut self, _slot: u16, _key: &[u8], _name: &[u8]) -> Result<Option<&[u8]>> {
        Ok(None)
    }

    fn put_entry(&mut self, _slot: u16, _key: &[u8], _name: &[u8], _value: &[u8]) -> Result<()> {
        Err(Error::bug(UNDECLARED))
    }

    fn remove_entry(&mut self, _slot: u16, _key: &[u8], _name: &[u8]) -> Result<()> {
        Ok(())
    }

    fn scan(&mut self, _: u16, _: &[u8], _: &[u8], _: &mut TakeEntry<'_>) -> Result<()> {
        Ok(())
    }

    fn sweep(&mut self, _values: usize, _is_over: &mut dyn FnMut(u16, &[u8]) -> bool) -> Result<()> {
        Ok(())
    }

    fn size(&self) -> StateSize {
        StateSize::default()
    }

    fn snapshot_handle(&mut self, _epoch: Epoch, _base: Option<Epoch>) -> Result<SnapshotHandle> {
        Ok(SnapshotHandle::later(None, |_| Ok(())))
    }
}
