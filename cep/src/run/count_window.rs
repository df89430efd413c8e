//! Windows in events: how many events each key has had, and at which of them its partial matches began.

use super::partial::Run;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// The windows of the keys that have state.
#[derive(Debug, Default)]
pub(super) struct CountWindows {
    by_place: HashMap<u32, CountWindow>,
}

/// The window of one key. It has at most as many starts as the window counts events.
#[derive(Clone, Debug, Default)]
pub(super) struct CountWindow {
    /// How many events of the key came since it has state.
    pub(super) count: u64,
    /// For each event that began a partial match: its number among all events, and `count` at that event.
    pub(super) starts: VecDeque<(u64, u64)>,
}

impl CountWindow {
    /// Counts an event, whose number among all events is `number`. Returns the floor: partial matches that began with a lower
    /// number have had all the events of their window.
    pub(super) fn advance(&mut self, events: u64, number: u64, runs: &[Run]) -> u64 {
        self.count += 1;
        if runs.last().is_some_and(|run| run.start == number) {
            self.starts.push_back((number, self.count));
        }
        self.over(events)
    }

    /// The floor: partial matches that began with a lower number have had all the events of their window.
    pub(super) fn over(&mut self, events: u64) -> u64 {
        let mut floor = 0;
        while let Some((start, _)) = self.starts.pop_front_if(|(_, count)| *count + events <= self.count + 1) {
            floor = start + 1;
        }
        floor
    }
}

impl CountWindows {
    /// Takes the window of a key, a new one if the key has none.
    pub(super) fn take(&mut self, place: Option<u32>) -> CountWindow {
        place.and_then(|place| self.by_place.remove(&place)).unwrap_or_default()
    }

    /// Puts a key's window back.
    pub(super) fn put(&mut self, place: u32, window: CountWindow) {
        self.by_place.insert(place, window);
    }

    /// The window of a key.
    pub(super) fn get(&self, place: u32) -> Option<&CountWindow> {
        self.by_place.get(&place)
    }

    /// Drops the window of a key.
    pub(super) fn forget(&mut self, place: u32) {
        if !self.by_place.is_empty() {
            self.by_place.remove(&place);
        }
    }

    /// Approximate bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        let starts: usize = self.by_place.values().map(|window| window.starts.capacity() * size_of::<(u64, u64)>()).sum();
        starts + self.by_place.capacity() * size_of::<(u32, CountWindow)>()
    }
}
