//! Keyed state: its backends, its operations, and its way into checkpoints.

use crate::{Epoch, Error, KeyGroup, OperatorInfo, Result, Snapshot, StateSize};
use std::fmt;

/// A store of keyed state. A run chooses one; each instance of an operator with keyed state opens its state there.
///
/// All backends write the same bytes into checkpoints, so a job can resume with another backend.
pub trait StateBackend: fmt::Debug + Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// Opens the state of an instance. `restored` has its share of a checkpoint: for each former instance a complete snapshot,
    /// then the changes since, in order. It is empty if the job starts without state.
    ///
    /// # Errors
    /// A snapshot does not decode; the backend cannot keep the state.
    fn open(&self, info: &OperatorInfo, restored: Vec<Snapshot>) -> Result<Box<dyn KeyedState>>;
}

/// Takes an entry's name and value; says whether it wants the next one.
pub type TakeEntry<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool> + 'a;

/// Keyed state as bytes. Typed views are those of process functions, in `runtime/operators`.
///
/// A key is the canonical encoding of [`crate::key::encode_key`]; a slot is the number of a declared state, below 32767.
///
/// A key has in a slot either one value, or *entries*: values with names, in order of the names' bytes.
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

    /// Passes the entries of a key whose names begin with `prefix` to `give`, name and value, in ascending order of the names'
    /// bytes (a name precedes its extensions), until `give` returns false. The cost is proportional to the entries that are
    /// passed.
    ///
    /// # Errors
    /// The backend cannot read them, or `give` fails.
    fn scan(&mut self, slot: u16, key: &[u8], prefix: &[u8], give: &mut TakeEntry<'_>) -> Result<()>;

    /// Announces that these keys are about to be read, in this slot: a backend can fetch them together.
    fn prefetch(&mut self, _slot: u16, _keys: &mut dyn Iterator<Item = &[u8]>) {}

    /// Looks at `values` values, from where the last call stopped, and removes those for which `is_over` is true, which gets slot
    /// and bytes of a value. Repeated calls reach every value.
    ///
    /// # Errors
    /// The backend cannot read or write.
    fn sweep(&mut self, values: usize, is_over: &mut dyn FnMut(u16, &[u8]) -> bool) -> Result<()>;

    /// The size of the state.
    fn size(&self) -> StateSize;

    /// The state at the end of an epoch, which is encoded while the operator continues: the changes since the end of the epoch
    /// `base`, or all of it. A backend that does not know the changes returns all.
    ///
    /// # Errors
    /// The backend cannot read it.
    fn snapshot_handle(&mut self, epoch: Epoch, base: Option<Epoch>) -> Result<SnapshotHandle>;
}

/// Writes keyed state into a checkpoint, piece by piece. A piece is held no longer than it takes to write it.
///
/// A [`Snapshot`] collects all pieces in memory.
pub trait PartWriter {
    /// Writes a piece of a key group's state. A group may have several pieces, which apply in the order in which they are
    /// written.
    ///
    /// # Errors
    /// The store fails.
    fn keyed(&mut self, group: KeyGroup, bytes: Vec<u8>) -> Result<()>;

    /// Writes an immutable file of pieces. The backend gives it a name (letters, digits and `-`), and another name to other
    /// content. `write` is not called if the checkpoint with which the handle [shares](SnapshotHandle::sharing) files has a file
    /// of this name.
    ///
    /// # Errors
    /// The store fails.
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

/// Keyed state at one moment, before it is encoded.
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
    /// A handle whose state `write` writes, on any thread: the changes since the end of the epoch `base`, or all of it.
    pub fn later(base: Option<Epoch>, write: impl FnOnce(&mut dyn PartWriter) -> Result<()> + Send + 'static) -> Self {
        Self { base, shares: None, write: Box::new(write) }
    }

    /// Shares files with the checkpoint of this epoch: files of the same name are not written again.
    #[must_use]
    pub fn sharing(mut self, with: Option<Epoch>) -> Self {
        self.shares = with;
        self
    }

    /// The epoch since whose end the handle has the changes; `None` if it has all state.
    pub fn base(&self) -> Option<Epoch> {
        self.base
    }

    /// The epoch of the checkpoint with which the handle shares files, if it does.
    pub fn shares(&self) -> Option<Epoch> {
        self.shares
    }

    /// Writes the state, piece by piece.
    ///
    /// # Errors
    /// The state cannot be encoded; the writer fails.
    pub fn write(self, writer: &mut dyn PartWriter) -> Result<()> {
        (self.write)(writer)
    }

    /// All pieces in memory.
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

/// The keyed state of operators that declare none: it refuses to keep anything.
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
