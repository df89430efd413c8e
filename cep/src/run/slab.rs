//! A slab: items with stable numbers, in places that are reused.

/// The number of no item.
pub(crate) const NONE: u32 = u32::MAX;

/// Items per page. A slab of more than one page does not move its items when it grows.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 12;

/// Items by number; a number that was freed is given out again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    /// All pages are full, except the last.
    pages: Vec<Vec<T>>,
    places: usize,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), places: 0, free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Adds an item; returns its number.
    #[inline]
    pub(crate) fn add(&mut self, item: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self[place] = item;
            return place;
        }
        self.grow(item)
    }

    fn grow(&mut self, item: T) -> u32 {
        if self.places.is_multiple_of(PAGE) {
            // The first page grows with its items, so that few items take little memory.
            self.pages.push(if self.places == 0 { Vec::new() } else { Vec::with_capacity(PAGE) });
        }
        self.pages.last_mut().expect("there is a page with room").push(item);
        self.places += 1;
        (self.places - 1) as u32
    }

    /// Frees a place; its item stays until the place is used again.
    #[inline]
    pub(crate) fn free(&mut self, place: u32) {
        self.free.push(place);
    }

    /// Gives the memory back if all places are free. Numbers given out before become invalid.
    pub(crate) fn shrink(&mut self) {
        if self.free.len() == self.places && self.places > 1_024 {
            *self = Self::default();
        }
    }

    /// The item at a place, if there is such a place.
    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.pages.get((place >> PAGE_BITS) as usize)?.get(place as usize % PAGE)
    }

    /// The number of places, free ones included.
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let first = self.pages.first().map_or(0, Vec::capacity);
        let items = first + self.pages.len().saturating_sub(1) * PAGE;
        items * size_of::<T>() + self.pages.capacity() * size_of::<Vec<T>>() + self.free.capacity() * size_of::<u32>()
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, place: u32) -> &T {
        &self.pages[(place >> PAGE_BITS) as usize][place as usize % PAGE]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut T {
        &mut self.pages[(place >> PAGE_BITS) as usize][place as usize % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_stable_and_used_again() {
        let mut slab = Slab::default();
        let places: Vec<u32> = (0..10_000_u64).map(|item| slab.add(item)).collect();
        assert!(places.iter().zip(0..).all(|(&place, item)| slab[place] == item));
        assert!(slab.bytes() < 13_000 * size_of::<u64>(), "{} bytes", slab.bytes());
        slab.free(77);
        assert_eq!(slab.add(1), 77);
        assert_eq!((slab.get(9_999), slab.get(10_000), slab.get(NONE)), (Some(&9_999), None, None));
        places.into_iter().for_each(|place| slab.free(place));
        slab.shrink();
        assert_eq!((slab.places(), slab.bytes()), (0, 0));
    }
}
