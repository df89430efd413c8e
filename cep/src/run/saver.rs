//! Collects the state of a key group to be saved: links and events get new numbers.

use super::saved::{Saved, SavedLink, VERSION};
use super::slab::NONE;
use super::store::Store;
use egret_core::{Result, ipc};
use hashbrown::HashMap;

/// Collects a group's state, giving links and events new numbers.
pub(super) struct Saver {
    pub(super) saved: Saved,
    links: HashMap<u32, u32>,
    places: HashMap<u32, u32>,
    events: Vec<u32>,
}

impl Saver {
    pub(super) fn new(fingerprint: u64, reached: i64) -> Self {
        let (keys, links, events, rows, waiting) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let saved = Saved { fingerprint, reached, keys, links, events, rows, waiting };
        Self { saved, links: HashMap::new(), places: HashMap::new(), events: Vec::new() }
    }

    /// The new number of an event; the event is saved if it is not yet.
    pub(super) fn event(&mut self, store: &Store, event: u32) -> u32 {
        *self.places.entry(event).or_insert_with(|| {
            self.events.push(event);
            self.saved.events.push(store.moment(event));
            self.events.len() as u32 - 1
        })
    }

    /// The new number of a chain's last link; the chain is saved if it is not yet.
    pub(super) fn chain(&mut self, store: &Store, chain: u32) -> u32 {
        let mut new: Vec<u32> = Vec::new();
        let mut at = chain;
        while at != NONE && !self.links.contains_key(&at) {
            new.push(at);
            at = store.link(at).previous;
        }
        for link in new.into_iter().rev() {
            let from = store.link(link);
            let previous = if from.previous == NONE { NONE } else { self.links[&from.previous] };
            let (event, variable) = (self.event(store, from.event), from.variable);
            self.saved.links.push(SavedLink { previous, event, variable });
            self.links.insert(link, self.saved.links.len() as u32 - 1);
        }
        self.links[&chain]
    }

    pub(super) fn bytes(mut self, store: &Store) -> Result<Vec<u8>> {
        if !self.events.is_empty() {
            self.saved.rows = ipc::encode_rows(&[store.gather_rows(&self.events)?])?;
        }
        let bytes = vec![VERSION];
        Ok(postcard::to_extend(&self.saved, bytes)?)
    }
}
