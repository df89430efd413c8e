//! A number for each vertex key in use. Uses are counted, and the number of a vertex without uses is reused.

use crate::key::KeyKind;
use egret_core::{Error, Result};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::cmp::Ordering;
use std::hash::BuildHasher;

/// The end of edges that a vertex stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that edges leave; the side of every vertex if both ends are of one kind.
    From = 0,
    /// The end that edges arrive at.
    To = 1,
}

impl Side {
    /// The side with this number.
    pub(crate) fn from_number(number: u8) -> Result<Self> {
        match number {
            0 => Ok(Self::From),
            1 => Ok(Self::To),
            _ => Err(Error::state(format!("a vertex of a graph is on side {number}: there are two"))),
        }
    }
}

/// The rank and the bytes of a key, see [`crate::key`].
pub(crate) type Key<'a> = (u64, &'a [u8]);

#[derive(Debug)]
struct Slot {
    rank: u64,
    bytes: Box<[u8]>,
    side: Side,
    /// The number of uses. At 0 the slot is free.
    uses: u32,
}

/// The vertices in use.
#[derive(Debug)]
pub(crate) struct Vertices {
    /// The kind of the keys of each side.
    kinds: [KeyKind; 2],
    slots: Vec<Slot>,
    free: Vec<u32>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
    bytes: usize,
}

impl Vertices {
    pub(crate) fn new(kinds: [KeyKind; 2]) -> Self {
        let (slots, free) = (Vec::new(), Vec::new());
        Self { kinds, slots, free, numbers: HashTable::new(), hasher: DefaultHashBuilder::default(), bytes: 0 }
    }

    /// The number of vertices.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The kind of the keys of a side.
    pub(crate) fn kind(&self, side: Side) -> KeyKind {
        self.kinds[side as usize]
    }

    /// The number of a vertex, if it is in use.
    pub(crate) fn find(&self, side: Side, key: Key<'_>) -> Option<u32> {
        let hash = self.hasher.hash_one((side, key.0, key.1));
        self.numbers.find(hash, |&number| self.slots[number as usize].is(side, key)).copied()
    }

    /// Adds a use of a vertex and returns its number. [`Vertices::release`] ends the use.
    pub(crate) fn retain(&mut self, side: Side, key: Key<'_>) -> u32 {
        let number = self.find(side, key).unwrap_or_else(|| self.add(side, key));
        self.slots[number as usize].uses += 1;
        number
    }

    /// Adds a use of a vertex that is in use.
    pub(crate) fn retain_number(&mut self, number: u32) {
        self.slots[number as usize].uses += 1;
    }

    /// Ends a use of a vertex.
    pub(crate) fn release(&mut self, number: u32) {
        let slot = &mut self.slots[number as usize];
        slot.uses -= 1;
        if slot.uses == 0 {
            let hash = self.hasher.hash_one((slot.side, slot.rank, &*slot.bytes));
            let entry = self.numbers.find_entry(hash, |&other| other == number).expect("a used vertex is in the table");
            entry.remove();
            self.bytes -= std::mem::take(&mut slot.bytes).len();
            self.free.push(number);
        }
    }

    /// The side and the key of a vertex.
    pub(crate) fn get(&self, number: u32) -> (Side, Key<'_>) {
        let slot = &self.slots[number as usize];
        (slot.side, (slot.rank, &slot.bytes))
    }

    /// Order by side, then by key.
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        self.get(a).cmp(&self.get(b))
    }

    /// Appends the canonical encoding of a vertex's key.
    pub(crate) fn write_canonical(&self, number: u32, out: &mut Vec<u8>) {
        let (side, key) = self.get(number);
        self.kind(side).write_canonical(key, out);
    }

    /// The numbers of all vertices.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..self.slots.len() as u32).filter(|&number| self.slots[number as usize].uses > 0)
    }

    /// Bytes of memory, estimated.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.free.capacity() * 4 + self.numbers.capacity() * 5 + self.bytes
    }

    fn add(&mut self, side: Side, (rank, bytes): Key<'_>) -> u32 {
        self.bytes += bytes.len();
        let slot = Slot { rank, bytes: bytes.into(), side, uses: 0 };
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).expect("there are fewer than 4 billion vertices")
            }
        };
        let hash = self.hasher.hash_one((side, rank, bytes));
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.numbers.insert_unique(hash, number, |&other| slots[other as usize].hash(hasher));
        number
    }
}

impl Slot {
    fn is(&self, side: Side, (rank, bytes): Key<'_>) -> bool {
        self.rank == rank && self.side == side && *self.bytes == *bytes
    }

    fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one((self.side, self.rank, &*self.bytes))
    }
}
