//! Sets of partial matches that share their common parts: timed enumerable compact sets (tECS).
//!
//! A set is a prefix of an append-only list ([`Prefix`]). An entry of a list stands for a single partial match, for all members
//! of another set, each extended by one event, or for all members of another set. So extending a million partial matches by an
//! event, or uniting two sets, takes one entry. Members are enumerated only on demand, each in time that grows with its length
//! (M. Bucchi, A. Grez, A. Quintana, C. Riveros, S. Vansummeren, *CORE: a Complex Event Recognition Engine*, VLDB 2022).
//!
//! Partial matches end in the order of their first events, by time or by a match's skip. So a single number, the *floor*, tells
//! which members are alive: those whose first event has at least this number. An entry knows the range of its members' first
//! events, and is passed over when all are below the floor.

use crate::run::slab::{NONE, Slab};
use crate::run::store::Store;
use std::collections::VecDeque;

/// A set: the entries of a list before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Prefix {
    pub(crate) list: u32,
    /// The number of the list's entries that belong to the set, dropped ones included.
    pub(crate) end: u64,
}

/// An entry of a list: one partial match or many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// No member begins before the event of this number.
    pub(crate) least: u64,
    /// The number of the last event with which a member begins.
    pub(crate) most: u64,
    pub(crate) what: What,
}

/// The members that an entry stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// One partial match that has taken a single event.
    Event { event: u32, variable: u16 },
    /// One partial match, kept as a chain in the store.
    Chain(u32),
    /// The members of a set, each extended by an event.
    Longer { event: u32, variable: u16, of: Prefix },
    /// The members of a set, unchanged.
    All(Prefix),
}

#[derive(Debug)]
pub(crate) enum Items {
    /// Partial matches that have taken a single event, all as the same variable: by far the most frequent kind.
    Starts {
        variable: u16,
        events: VecDeque<u32>,
    },
    Mixed(VecDeque<Entry>),
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) holders: u32,
    /// How many entries were dropped at the front.
    pub(crate) gone: u64,
    pub(crate) items: Items,
    pub(crate) least: u64,
    pub(crate) most: u64,
    /// Whether the members of each entry begin after those of the entry before.
    pub(crate) ascending: bool,
}

impl List {
    fn new(items: Items) -> Self {
        Self { holders: 0, gone: 0, items, least: u64::MAX, most: 0, ascending: true }
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        match &self.items {
            Items::Starts { events, .. } => events.len(),
            Items::Mixed(entries) => entries.len(),
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.gone + self.len() as u64
    }

    /// Bytes of memory of the entries.
    fn bytes(&self) -> usize {
        match &self.items {
            Items::Starts { events, .. } => events.capacity() * size_of::<u32>(),
            Items::Mixed(entries) => entries.capacity() * size_of::<Entry>(),
        }
    }

    fn shrink(&mut self) {
        const WORTH_IT: usize = 1_024;
        match &mut self.items {
            Items::Starts { events, .. } if events.capacity() > WORTH_IT && events.len() < events.capacity() / 4 => {
                events.shrink_to(events.len() * 2);
            }
            Items::Mixed(entries) if entries.capacity() > WORTH_IT && entries.len() < entries.capacity() / 4 => {
                entries.shrink_to(entries.len() * 2);
            }
            _ => {}
        }
    }

    fn note(&mut self, least: u64, most: u64) {
        self.ascending &= self.len() == 0 || least > self.most;
        (self.least, self.most) = (self.least.min(least), self.most.max(most));
    }
}

/// All lists of one key.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    pub(crate) lists: Slab<Option<List>>,
    /// The number of entries in all lists.
    pub(crate) entries: usize,
    /// Bytes of memory of the lists' entries.
    bytes: usize,
}

impl Sets {
    pub(crate) fn list(&self, list: u32) -> &List {
        self.lists[list].as_ref().expect("a list that is held is there")
    }

    pub(crate) fn list_mut(&mut self, list: u32) -> &mut List {
        self.lists[list].as_mut().expect("a list that is held is there")
    }

    /// An empty list, held by the caller.
    pub(crate) fn new_list(&mut self, items: Items) -> u32 {
        let list = List { holders: 1, ..List::new(items) };
        self.lists.add(Some(list))
    }

    /// The set of all entries that a list has now.
    pub(crate) fn all_of(&self, list: u32) -> Prefix {
        Prefix { list, end: self.list(list).end() }
    }

    /// An entry for the members of a set, each extended by an event.
    pub(crate) fn longer(&self, of: Prefix, event: u32, variable: u16) -> Entry {
        let List { least, most, .. } = *self.list(of.list);
        Entry { least, most, what: What::Longer { event, variable, of } }
    }

    /// Adds a partial match of a single event; returns the list, which may be a new one.
    pub(crate) fn add_start(&mut self, store: &mut Store, list: Option<u32>, event: u32, variable: u16) -> u32 {
        let number = store.number(event);
        let list = match list {
            Some(list) => list,
            None => self.new_list(Items::Starts { variable, events: VecDeque::new() }),
        };
        let to = self.list_mut(list);
        if let Items::Starts { variable: of, .. } = &to.items
            && *of == variable
        {
            to.note(number, number);
            let before = to.bytes();
            if let Items::Starts { events, .. } = &mut to.items {
                events.push_back(event);
            }
            let more = to.bytes() - before;
            store.hold_event(event);
            self.bytes += more;
            self.entries += 1;
            return list;
        }
        self.add(store, Some(list), Entry { least: number, most: number, what: What::Event { event, variable } })
    }

    /// Adds an entry; returns the list, which may be a new one.
    pub(crate) fn add(&mut self, store: &mut Store, list: Option<u32>, entry: Entry) -> u32 {
        let list = match list {
            None => self.new_list(Items::Mixed(VecDeque::with_capacity(2))),
            Some(list) if matches!(self.list(list).items, Items::Mixed(_)) => list,
            Some(starts) => {
                let List { least, most, .. } = *self.list(starts);
                let all = Entry { least, most, what: What::All(self.all_of(starts)) };
                let mixed = self.new_list(Items::Mixed(VecDeque::new()));
                self.push(store, mixed, all);
                self.release(store, starts);
                mixed
            }
        };
        self.push(store, list, entry);
        list
    }

    fn push(&mut self, store: &mut Store, list: u32, entry: Entry) {
        match entry.what {
            What::Event { event, .. } => store.hold_event(event),
            What::Chain(chain) => store.hold(chain),
            What::Longer { event, of, .. } => {
                store.hold_event(event);
                self.list_mut(of.list).holders += 1;
            }
            What::All(of) => self.list_mut(of.list).holders += 1,
        }
        self.entries += 1;
        let to = self.list_mut(list);
        to.note(entry.least, entry.most);
        let before = to.bytes();
        if let Items::Mixed(entries) = &mut to.items {
            entries.push_back(entry);
        }
        let more = to.bytes() - before;
        self.bytes += more;
    }

    /// Removes a holder from a list.
    pub(crate) fn release(&mut self, store: &mut Store, list: u32) {
        let mut lists = vec![list];
        while let Some(list) = lists.pop() {
            let of = self.list_mut(list);
            of.holders -= 1;
            if of.holders > 0 {
                continue;
            }
            let Some(gone) = self.lists[list].take() else { continue };
            self.lists.free(list);
            self.entries -= gone.len();
            self.bytes -= gone.bytes();
            match gone.items {
                Items::Starts { events, .. } => events.into_iter().for_each(|event| store.release_event(event)),
                Items::Mixed(entries) => entries.into_iter().for_each(|entry| lists.extend(Self::let_go(store, entry))),
            }
        }
    }

    /// Releases an entry's event or chain; returns the list that the entry holds.
    fn let_go(store: &mut Store, entry: Entry) -> Option<u32> {
        match entry.what {
            What::Event { event, .. } => store.release_event(event),
            What::Chain(chain) => store.release(chain),
            What::Longer { event, of, .. } => {
                store.release_event(event);
                return Some(of.list);
            }
            What::All(of) => return Some(of.list),
        }
        None
    }

    /// Drops the entries at a list's front whose members are all below the floor. Returns how many there were.
    pub(crate) fn trim(&mut self, store: &mut Store, list: u32, floor: u64) -> usize {
        let mut count = 0;
        loop {
            let of = self.list_mut(list);
            let held = match &mut of.items {
                Items::Starts { events, .. } => {
                    let Some(&event) = events.front().filter(|event| store.number(**event) < floor) else { break };
                    events.pop_front();
                    store.release_event(event);
                    None
                }
                Items::Mixed(entries) => {
                    let Some(entry) = entries.front().copied().filter(|entry| entry.most < floor) else { break };
                    entries.pop_front();
                    Self::let_go(store, entry)
                }
            };
            self.list_mut(list).gone += 1;
            self.entries -= 1;
            count += 1;
            if let Some(held) = held {
                self.release(store, held);
            }
        }
        if count > 0 {
            let of = self.list_mut(list);
            let before = of.bytes();
            of.shrink();
            let less = before - of.bytes();
            self.bytes -= less;
        }
        count
    }

    /// The entry at a place of a list; places count from the first entry the list ever had.
    pub(super) fn entry(&self, store: &Store, list: u32, at: u64) -> Entry {
        let of = self.list(list);
        match &of.items {
            Items::Starts { variable, events } => {
                let event = events[(at - of.gone) as usize];
                let number = store.number(event);
                Entry { least: number, most: number, what: What::Event { event, variable: *variable } }
            }
            Items::Mixed(entries) => entries[(at - of.gone) as usize],
        }
    }

    /// The first place of a set that can have a member which begins at `start` or later.
    fn first_place(&self, store: &Store, of: Prefix, start: u64) -> u64 {
        let list = self.list(of.list);
        let passed = match &list.items {
            Items::Starts { events, .. } => events.partition_point(|&event| store.number(event) < start),
            Items::Mixed(entries) if list.ascending => entries.partition_point(|entry| entry.most < start),
            Items::Mixed(_) => 0,
        };
        list.gone + passed as u64
    }

    /// The number of the first event, from the floor on, with which a member of a list begins.
    pub(crate) fn first_start(&self, store: &Store, list: u32, floor: u64) -> Option<u64> {
        let of = self.list(list);
        if of.most < floor || of.len() == 0 {
            return None;
        }
        let mut least = None;
        let mut sets = vec![self.all_of(list)];
        while let Some(of) = sets.pop() {
            let ascending = self.list(of.list).ascending;
            for at in self.first_place(store, of, floor)..of.end {
                let entry = self.entry(store, of.list, at);
                if entry.most < floor || least.is_some_and(|least| least <= entry.least.max(floor)) {
                    continue;
                }
                match entry.what {
                    What::Longer { of, .. } | What::All(of) if entry.least < floor => sets.push(of),
                    _ => least = Some(entry.least),
                }
                if ascending {
                    break;
                }
            }
        }
        least
    }

    /// Enumerates the members of a list that begin at the floor or later, as chains; `found` takes over one holder of each.
    ///
    /// # Errors
    /// Those of `found`.
    pub(crate) fn for_each<E>(
        &self,
        store: &mut Store,
        list: u32,
        floor: u64,
        mut found: impl FnMut(&mut Store, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        struct Frame {
            of: Prefix,
            at: u64,
            is_longer: bool,
        }
        let frame = |store: &Store, of: Prefix, is_longer: bool| Frame { of, at: self.first_place(store, of, floor), is_longer };
        let mut behind: Vec<(u32, u16)> = Vec::new();
        let mut frames = vec![frame(store, self.all_of(list), false)];
        while let Some(top) = frames.last_mut() {
            if top.at >= top.of.end {
                if top.is_longer {
                    behind.pop();
                }
                frames.pop();
                continue;
            }
            let entry = self.entry(store, top.of.list, top.at);
            top.at += 1;
            if entry.most < floor {
                continue;
            }
            match entry.what {
                What::Event { event, variable } => {
                    let first = store.extend(NONE, event, variable);
                    let whole = extend_by(store, first, &behind);
                    found(store, whole)?;
                }
                What::Chain(chain) => {
                    store.hold(chain);
                    let whole = extend_by(store, chain, &behind);
                    found(store, whole)?;
                }
                What::Longer { event, variable, of } => {
                    behind.push((event, variable));
                    frames.push(frame(store, of, true));
                }
                What::All(of) => frames.push(frame(store, of, false)),
            }
        }
        Ok(())
    }

    /// Among the members of a list that begin with the event `start`, the one whose events come earliest, compared position by
    /// position; the caller holds it.
    pub(crate) fn earliest(&self, store: &mut Store, list: u32, start: u64) -> Option<u32> {
        let whole = self.all_of(list);
        let mut known: hashbrown::HashMap<Prefix, Option<u32>> = hashbrown::HashMap::new();
        let mut sets = vec![whole];
        while let Some(&of) = sets.last() {
            let before = sets.len();
            let (mut best, mut entries) = (None, Vec::new());
            for at in self.first_place(store, of, start)..of.end {
                let entry = self.entry(store, of.list, at);
                if entry.least > start && self.list(of.list).ascending {
                    break;
                }
                if entry.least <= start && start <= entry.most {
                    entries.push(entry);
                }
            }
            for entry in &entries {
                if let What::Longer { of, .. } | What::All(of) = entry.what
                    && !known.contains_key(&of)
                {
                    sets.push(of);
                }
            }
            if sets.len() > before {
                continue;
            }
            sets.pop();
            if known.contains_key(&of) {
                continue;
            }
            for entry in entries {
                let chain = match entry.what {
                    What::Event { event, variable } => Some(store.extend(NONE, event, variable)),
                    What::Chain(chain) => {
                        store.hold(chain);
                        Some(chain)
                    }
                    What::Longer { event, variable, of } => known[&of].map(|chain| store.extend(chain, event, variable)),
                    What::All(of) => known[&of].inspect(|&chain| store.hold(chain)),
                };
                best = earlier(store, best, chain);
            }
            known.insert(of, best);
        }
        let best = known.get(&whole).copied().flatten();
        for (of, chain) in known {
            if let Some(chain) = chain.filter(|_| of != whole) {
                store.release(chain);
            }
        }
        best
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.lists.bytes()
    }
}

/// A chain extended by the events in `behind`, which has the last of them first; takes over the holder of `chain`.
fn extend_by(store: &mut Store, mut chain: u32, behind: &[(u32, u16)]) -> u32 {
    for &(event, variable) in behind.iter().rev() {
        let longer = store.extend(chain, event, variable);
        store.release(chain);
        chain = longer;
    }
    chain
}

/// Returns the chain whose events come earlier and releases the other. A chain that is a prefix of another counts as later,
/// because each event that can still follow comes after both.
fn earlier(store: &mut Store, one: Option<u32>, other: Option<u32>) -> Option<u32> {
    let (Some(first), Some(second)) = (one, other) else { return one.or(other) };
    let numbers = |chain: u32| {
        let mut events = Vec::new();
        store.events_of(chain, None, &mut events);
        events.into_iter().map(|event| store.number(event)).chain([u64::MAX]).collect::<Vec<_>>()
    };
    let (keep, drop) = if numbers(second) < numbers(first) { (second, first) } else { (first, second) };
    store.release(drop);
    Some(keep)
}
