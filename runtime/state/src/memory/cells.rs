//! Entries in cells of memory, cells in pages. A snapshot shares the pages; a shared page is copied before it is written to.

use crate::format::Entry;
use egret_core::{Error, Result};
use std::sync::Arc;

/// The size of a page, which is copied as a whole.
const PAGE_BYTES: usize = 16 << 10;
/// The header of a cell: the epoch of its last change, the slot, and two lengths of two bytes, or of four if the entry has a page
/// of its own.
const HEADER_BYTES: usize = 10;
const LARGE_HEADER_BYTES: usize = 14;
/// The slot of a free cell.
const FREE: u16 = u16::MAX;

/// The sizes of cells. An entry is in the smallest cell that holds it; an entry larger than the last size has a page of its own.
const SIZES: [usize; 33] = [
    16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792,
    2048, 2560, 3072, 3584, 4096, 5120, 8192,
];
const INDEX_BITS: u32 = 26;

/// The place of a cell: the number of its size, and its index among the cells of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    fn new(shelf: usize, index: u32) -> Self {
        Self((shelf as u32) << INDEX_BITS | index)
    }

    fn shelf(self) -> usize {
        (self.0 >> INDEX_BITS) as usize
    }

    fn index(self) -> u32 {
        self.0 & ((1 << INDEX_BITS) - 1)
    }
}

/// The content of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a> {
    /// The epoch of the last change.
    pub(super) stamp: u32,
    pub(super) entry: Entry<'a>,
}

/// The position of the key in a cell, and the lengths of key and value.
fn layout(bytes: &[u8], is_large: bool) -> (usize, usize, usize) {
    let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]) as usize;
    let long = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
    if is_large { (LARGE_HEADER_BYTES, long(6), long(10)) } else { (HEADER_BYTES, short(6), short(8)) }
}

impl<'a> Cell<'a> {
    /// The content of a cell with these bytes, `None` if it is free.
    fn read(bytes: &'a [u8], is_large: bool) -> Option<Self> {
        let slot = u16::from_le_bytes([bytes[4], bytes[5]]);
        if slot == FREE {
            return None;
        }
        let stamp = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let (begin, key, value) = layout(bytes, is_large);
        let (key, rest) = bytes[begin..].split_at(key);
        Some(Self { stamp, entry: Entry { slot, key, value: &rest[..value] } })
    }

    fn write(self, bytes: &mut [u8], is_large: bool) {
        let Entry { slot, key, value } = self.entry;
        bytes[0..4].copy_from_slice(&self.stamp.to_le_bytes());
        bytes[4..6].copy_from_slice(&slot.to_le_bytes());
        if is_large {
            bytes[6..10].copy_from_slice(&(key.len() as u32).to_le_bytes());
            bytes[10..14].copy_from_slice(&(value.len() as u32).to_le_bytes());
        } else {
            bytes[6..8].copy_from_slice(&(key.len() as u16).to_le_bytes());
            bytes[8..10].copy_from_slice(&(value.len() as u16).to_le_bytes());
        }
        let begin = if is_large { LARGE_HEADER_BYTES } else { HEADER_BYTES };
        bytes[begin..][..key.len()].copy_from_slice(key);
        bytes[begin + key.len()..][..value.len()].copy_from_slice(value);
    }
}

/// Cells of one size.
#[derive(Debug)]
struct Shelf {
    /// The bytes of a cell; 0 for large entries, which have a page each.
    size: usize,
    per_page: u32,
    pages: Vec<Arc<Vec<u8>>>,
    free: Vec<u32>,
    /// The index of the first cell that was never used.
    next: u32,
}

impl Shelf {
    fn new(number: usize) -> Self {
        let size = SIZES.get(number).copied().unwrap_or(0);
        let per_page = PAGE_BYTES.checked_div(size).unwrap_or(1) as u32;
        Self { size, per_page, pages: Vec::new(), free: Vec::new(), next: 0 }
    }

    fn is_large(&self) -> bool {
        self.size == 0
    }

    fn position(&self, index: u32) -> (usize, usize) {
        ((index / self.per_page) as usize, (index % self.per_page) as usize * self.size)
    }

    fn bytes(&self, index: u32) -> &[u8] {
        let (page, at) = self.position(index);
        let page = &self.pages[page];
        if self.is_large() { page } else { &page[at..at + self.size] }
    }

    fn bytes_mut(&mut self, index: u32) -> &mut [u8] {
        let ((page, at), size) = (self.position(index), self.size);
        let page = Arc::make_mut(&mut self.pages[page]);
        if size == 0 { page } else { &mut page[at..at + size] }
    }

    /// Takes a free cell of at least this many bytes.
    fn take(&mut self, bytes: usize) -> Result<u32> {
        let index = self.free.pop().map_or_else(|| self.grow(), Ok)?;
        if self.is_large() {
            let page = Arc::make_mut(&mut self.pages[index as usize]);
            page.clear();
            page.resize(bytes, 0);
        }
        Ok(index)
    }

    fn grow(&mut self) -> Result<u32> {
        let index = self.next;
        if index >> INDEX_BITS != 0 {
            let most = 1_u32 << INDEX_BITS;
            return Err(Error::data(format!("a key group has {most} values of about {} bytes, and cannot have more", self.size))
                .help("give the job more key groups (max_parallelism), or let state expire"));
        }
        self.next += 1;
        let (page, at) = self.position(index);
        if page == self.pages.len() {
            self.pages.push(Arc::default());
        }
        let (page, whole) = (Arc::make_mut(&mut self.pages[page]), self.per_page as usize * self.size);
        if page.capacity() < at + self.size {
            // The page doubles, up to its full size.
            page.reserve_exact((2 * page.len()).clamp(self.size, whole) - page.len());
        }
        page.resize(at + self.size, 0);
        Ok(index)
    }
}

/// Entries in their cells.
#[derive(Debug, Default)]
pub(super) struct Cells {
    shelves: Vec<Shelf>,
}

impl Cells {
    /// The number of the smallest size that holds this many bytes of key and value together.
    fn shelf_for(bytes: usize) -> usize {
        SIZES.partition_point(|size| *size < HEADER_BYTES + bytes)
    }

    /// The content of a cell in use.
    pub(super) fn get(&self, place: Place) -> Cell<'_> {
        let shelf = &self.shelves[place.shelf()];
        Cell::read(shelf.bytes(place.index()), shelf.is_large()).expect("the cell is in use")
    }

    /// Reads the first and the last byte of a cell, to bring both into the cache: they may be in different lines.
    pub(super) fn touch(&self, place: Place) -> u8 {
        let bytes = self.shelves[place.shelf()].bytes(place.index());
        bytes[0] ^ bytes[bytes.len() - 1]
    }

    /// Puts an entry into a cell.
    pub(super) fn insert(&mut self, cell: Cell<'_>) -> Result<Place> {
        let bytes = cell.entry.key.len() + cell.entry.value.len();
        let number = Self::shelf_for(bytes);
        while self.shelves.len() <= number {
            self.shelves.push(Shelf::new(self.shelves.len()));
        }
        let shelf = &mut self.shelves[number];
        let index = shelf.take(LARGE_HEADER_BYTES + bytes)?;
        let is_large = shelf.is_large();
        cell.write(shelf.bytes_mut(index), is_large);
        Ok(Place::new(number, index))
    }

    /// Replaces the value of a cell, if the new value fits there; returns whether it does.
    pub(super) fn replace(&mut self, place: Place, stamp: u32, value: &[u8]) -> bool {
        let (number, index) = (place.shelf(), place.index());
        let shelf = &mut self.shelves[number];
        let key = layout(shelf.bytes(index), shelf.is_large()).1;
        if shelf.is_large() || Self::shelf_for(key + value.len()) != number {
            return false;
        }
        let cell = shelf.bytes_mut(index);
        cell[0..4].copy_from_slice(&stamp.to_le_bytes());
        cell[8..10].copy_from_slice(&(value.len() as u16).to_le_bytes());
        cell[HEADER_BYTES + key..][..value.len()].copy_from_slice(value);
        true
    }

    /// Looks at `count` cells from `from` on, in use or free, and passes those for which `wanted` is true to `give`. Returns the
    /// next cell, `None` at the end. `count` is then what is left of it.
    pub(super) fn scan(
        &self,
        from: (usize, u32),
        count: &mut usize,
        mut wanted: impl FnMut(Entry<'_>) -> bool,
        mut give: impl FnMut(Place),
    ) -> Option<(usize, u32)> {
        let (mut number, mut index) = from;
        while let Some(shelf) = self.shelves.get(number) {
            if index >= shelf.next {
                (number, index) = (number + 1, 0);
                continue;
            }
            if *count == 0 {
                return Some((number, index));
            }
            *count -= 1;
            if Cell::read(shelf.bytes(index), shelf.is_large()).is_some_and(|cell| wanted(cell.entry)) {
                give(Place::new(number, index));
            }
            index += 1;
        }
        None
    }

    /// Frees a cell. A size without cells in use returns its pages.
    pub(super) fn free(&mut self, place: Place) {
        let shelf = &mut self.shelves[place.shelf()];
        if shelf.free.len() + 1 == shelf.next as usize {
            *shelf = Shelf::new(place.shelf());
            return;
        }
        if shelf.is_large() {
            shelf.pages[place.index() as usize] = Arc::new(vec![0; LARGE_HEADER_BYTES]);
        }
        shelf.bytes_mut(place.index())[4..6].copy_from_slice(&FREE.to_le_bytes());
        shelf.free.push(place.index());
    }

    /// The bytes of a cell.
    pub(super) fn bytes_of(&self, place: Place) -> usize {
        self.shelves[place.shelf()].bytes(place.index()).len()
    }

    /// The pages at this moment.
    pub(super) fn pages(&self) -> Vec<Page> {
        let of = |shelf: &Shelf| {
            let size = shelf.size;
            shelf.pages.iter().map(move |bytes| Page { size, bytes: Arc::clone(bytes) }).collect::<Vec<_>>()
        };
        self.shelves.iter().flat_map(of).collect()
    }
}

/// A page at one moment.
#[derive(Debug)]
pub(super) struct Page {
    size: usize,
    bytes: Arc<Vec<u8>>,
}

impl Page {
    /// The cells in use.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let is_large = self.size == 0;
        let size = if is_large { self.bytes.len().max(1) } else { self.size };
        self.bytes.chunks_exact(size).filter_map(move |bytes| Cell::read(bytes, is_large))
    }
}
