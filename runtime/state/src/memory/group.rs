//! The state of one key group.

use super::cells::{Cell, Cells, Page, Place};
use crate::format::{Entry, NAMED, Writer};
use egret_core::{KeyGroup, PartWriter, Result, TakeEntry};
use hashbrown::HashTable;
use std::collections::BTreeMap;

/// The approximate maximum of bytes in a record, which bounds the memory of a snapshot that is being written.
const RECORD_BYTES: usize = 1 << 20;
/// The length of the slot, with which a path begins.
const SLOT_BYTES: usize = 2;
/// The approximate memory of a path beside its bytes.
const PATH_BYTES: usize = 24;

/// An entry of the index. It has some bits of the hash, so neither a failed lookup nor a growing index reads cells.
#[derive(Clone, Copy, Debug)]
struct Held {
    hash: u32,
    place: Place,
}

/// The slot and the key of a value, as in a record.
pub(super) type SlotAndKey = (u16, Box<[u8]>);

/// A value that was removed.
#[derive(Clone, Debug)]
struct Removed {
    epoch: u32,
    slot: u16,
    key: Box<[u8]>,
}

/// The entries of a key group.
#[derive(Debug, Default)]
pub(super) struct Group {
    index: HashTable<Held>,
    /// The named entries, by path: the slot (2 bytes, big endian), then key and name as records have them.
    named: BTreeMap<Box<[u8]>, Place>,
    cells: Cells,
    removed: Vec<Removed>,
}

/// The effect of a change on the size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) entries: i64,
    pub(super) bytes: i64,
}

/// The bits of a hash that are in the index. The slots of one key must not collide, and the hashes of a key group share their
/// last bits.
pub(super) fn index_hash(hash: u64, slot: u16) -> u32 {
    ((hash ^ u64::from(slot).wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 32) as u32
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Group {
    fn find(&self, hash: u32, slot: u16, key: &[u8]) -> Option<Place> {
        let is = |held: &Held| {
            held.hash == hash && {
                let entry = self.cells.get(held.place).entry;
                entry.slot == slot && entry.key == key
            }
        };
        self.index.find(spread(hash), is).map(|held| held.place)
    }

    pub(super) fn get(&self, hash: u32, slot: u16, key: &[u8]) -> Option<(Place, &[u8])> {
        self.find(hash, slot, key).map(|place| (place, self.cells.get(place).entry.value))
    }

    /// Replaces the value of a cell, if the new value fits there; returns whether it does.
    pub(super) fn replace(&mut self, place: Place, stamp: u32, value: &[u8]) -> bool {
        self.cells.replace(place, stamp, value)
    }

    /// The cell of an entry with this hash, most likely the entry that is looked for.
    pub(super) fn probe(&self, hash: u32) -> Option<Place> {
        self.index.find(spread(hash), |held| held.hash == hash).map(|held| held.place)
    }

    pub(super) fn touch(&self, place: Place) -> u8 {
        self.cells.touch(place)
    }

    pub(super) fn put(&mut self, hash: u32, stamp: u32, entry: Entry<'_>) -> Result<Growth> {
        let Some(place) = self.find(hash, entry.slot, entry.key) else {
            let place = self.cells.insert(Cell { stamp, entry })?;
            self.index.insert_unique(spread(hash), Held { hash, place }, |held| spread(held.hash));
            return Ok(Growth { entries: 1, bytes: self.cells.bytes_of(place) as i64 });
        };
        if self.cells.replace(place, stamp, entry.value) {
            return Ok(Growth::default());
        }
        let before = self.cells.bytes_of(place) as i64;
        let moved = self.cells.insert(Cell { stamp, entry })?;
        self.cells.free(place);
        if let Some(held) = self.index.find_mut(spread(hash), |held| held.place == place) {
            held.place = moved;
        }
        Ok(Growth { entries: 0, bytes: self.cells.bytes_of(moved) as i64 - before })
    }

    /// Looks at `count` cells from `from` on. Returns slot and key of the expired ones, and the next cell, `None` at the end.
    pub(super) fn find_over(
        &self,
        from: (usize, u32),
        count: &mut usize,
        is_over: &mut dyn FnMut(u16, &[u8]) -> bool,
    ) -> (Vec<SlotAndKey>, Option<(usize, u32)>) {
        let mut over = Vec::new();
        let give = |place| {
            let entry = self.cells.get(place).entry;
            over.push((entry.slot, entry.key.into()));
        };
        let next = self.cells.scan(from, count, |entry| is_over(entry.slot & !NAMED, entry.value), give);
        (over, next)
    }

    /// Removes a value, and remembers that as a change of `epoch`, if there is one.
    pub(super) fn remove(&mut self, hash: u32, slot: u16, key: &[u8], epoch: Option<u32>) -> Option<Growth> {
        let place = self.find(hash, slot, key)?;
        if let Ok(entry) = self.index.find_entry(spread(hash), |held| held.place == place) {
            entry.remove();
        }
        if self.index.is_empty() {
            self.index = HashTable::new();
        }
        let bytes = self.cells.bytes_of(place) as i64;
        self.cells.free(place);
        self.removed.extend(epoch.map(|epoch| Removed { epoch, slot, key: key.into() }));
        Some(Growth { entries: -1, bytes: -bytes })
    }

    pub(super) fn get_named(&self, path: &[u8]) -> Option<&[u8]> {
        self.named.get(path).map(|place| self.cells.get(*place).entry.value)
    }

    pub(super) fn put_named(&mut self, stamp: u32, slot: u16, path: &[u8], value: &[u8]) -> Result<Growth> {
        let cell = Cell { stamp, entry: Entry { slot: slot | NAMED, key: &path[SLOT_BYTES..], value } };
        let Some(held) = self.named.get_mut(path) else {
            let place = self.cells.insert(cell)?;
            self.named.insert(path.into(), place);
            return Ok(Growth { entries: 1, bytes: (self.cells.bytes_of(place) + path.len() + PATH_BYTES) as i64 });
        };
        if self.cells.replace(*held, stamp, value) {
            return Ok(Growth::default());
        }
        let before = self.cells.bytes_of(*held) as i64;
        let moved = self.cells.insert(cell)?;
        self.cells.free(std::mem::replace(held, moved));
        Ok(Growth { entries: 0, bytes: self.cells.bytes_of(moved) as i64 - before })
    }

    /// Removes a named entry as [`Group::remove`] removes a value.
    pub(super) fn remove_named(&mut self, slot: u16, path: &[u8], epoch: Option<u32>) -> Option<Growth> {
        let place = self.named.remove(path)?;
        let bytes = (self.cells.bytes_of(place) + path.len() + PATH_BYTES) as i64;
        self.cells.free(place);
        let key = &path[SLOT_BYTES..];
        self.removed.extend(epoch.map(|epoch| Removed { epoch, slot: slot | NAMED, key: key.into() }));
        Some(Growth { entries: -1, bytes: -bytes })
    }

    /// Passes the entries whose path has a prefix to `give`, in order, until it returns false: the path from `name_at` on, and
    /// the value.
    pub(super) fn scan(&self, begins: &[u8], name_at: usize, give: &mut TakeEntry<'_>) -> Result<()> {
        let from = (std::ops::Bound::Included(begins), std::ops::Bound::Unbounded);
        for (path, place) in self.named.range::<[u8], _>(from).take_while(|(path, _)| path.starts_with(begins)) {
            if !give(&path[name_at..], self.cells.get(*place).entry.value)? {
                break;
            }
        }
        Ok(())
    }

    /// Forgets the removals of epochs up to `until`; returns the number of those that are left.
    pub(super) fn forget_removed(&mut self, until: u32) -> usize {
        self.removed.retain(|removed| removed.epoch > until);
        self.removed.len()
    }

    /// The group at this moment: all of it, or the changes after the epoch `base`.
    pub(super) fn freeze(&self, group: KeyGroup, base: Option<u32>) -> FrozenGroup {
        let removed = match base {
            Some(base) => self.removed.iter().filter(|removed| removed.epoch > base).cloned().collect(),
            None => Vec::new(),
        };
        FrozenGroup { group, base, pages: self.cells.pages(), removed }
    }
}

/// A key group at one moment.
#[derive(Debug)]
pub(super) struct FrozenGroup {
    pub(super) group: KeyGroup,
    base: Option<u32>,
    pages: Vec<Page>,
    removed: Vec<Removed>,
}

impl FrozenGroup {
    /// Writes the group's records; an empty group has none.
    pub(super) fn write(self, to: &mut dyn PartWriter) -> Result<()> {
        let mut writer = match self.base {
            None => Writer::whole(),
            Some(_) => Writer::changes(self.removed.iter().map(|removed| (removed.slot, &*removed.key)))?,
        };
        // A page is dropped as soon as it is read: the operator then no longer copies it.
        for page in self.pages {
            for cell in page.cells().filter(|cell| self.base.is_none_or(|base| cell.stamp > base)) {
                writer.push(cell.entry)?;
                if writer.len() >= RECORD_BYTES {
                    let next = if self.base.is_none() { Writer::whole() } else { Writer::changes([])? };
                    to.keyed(self.group, std::mem::replace(&mut writer, next).finish())?;
                }
            }
        }
        if writer.is_empty() { Ok(()) } else { to.keyed(self.group, writer.finish()) }
    }
}
