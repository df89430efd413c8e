//! Places that are used again: items with stable numbers.

/// No item.
pub(crate) const NONE: u32 = u32::MAX;

/// Items by number; a number that was freed is given out again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts an item somewhere.
    #[inline]
    pub(crate) fn add(&mut self, item: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self.items[place as usize] = item;
            return place;
        }
        self.items.push(item);
        (self.items.len() - 1) as u32
    }

    /// Gives a place back; what is in it stays until it is used again.
    #[inline]
    pub(crate) fn free(&mut self, place: u32) {
        self.free.push(place);
    }

    /// Gives the memory back if nothing is left. Numbers that were given out are worth nothing afterwards.
    pub(crate) fn shrink(&mut self) {
        if self.free.len() == self.items.len() && self.items.len() > 1_024 {
            *self = Self::default();
        }
    }

    /// The item at a place, if there is such a place.
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.items.get(place as usize)
    }

    /// How many places there are, free ones included.
    pub(crate) fn places(&self) -> usize {
        self.items.len()
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.free.capacity() * size_of::<u32>()
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, place: u32) -> &T {
        &self.items[place as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut T {
        &mut self.items[place as usize]
    }
}
