//! The shared buffer: events that partial matches have taken, and the chains that say in what order.
//!
//! A chain is a persistent list: a partial match refers to its last link, each link to its predecessor. Matches with the same
//! first events share them, so branching costs one link. Links and events are reference-counted (their *holders*), and freed with
//! the last reference.
//!
//! The rows of events are stored in chunks: record batches of the stored columns that contain only events taken. While a batch is
//! processed its events point into it; afterwards those still referenced are copied into a chunk of their own. Chunks are merged
//! when there are many small ones, or when most of a chunk's events are gone: so no large batch is kept alive for a few rows, and
//! copying costs a constant amount per event, times the logarithm of their number.

use super::cache::Cache;
use super::slab::{NONE, Slab};
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{interleave, interleave_record_batch, take, take_record_batch};
use arrow::datatypes::SchemaRef;
use egret_core::Result;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// The number of the chunk that is the batch being processed.
const CURRENT: u32 = u32::MAX;

/// Chunks of similar size are merged when there are this many.
const MERGE_AT: usize = 16;

/// `compact` runs when this many chunks were added, or this many events have left chunks.
const ADDED_MAX: usize = MERGE_AT / 2;
const LEFT_MAX: usize = 64;

/// An event that was taken.
#[derive(Debug, Clone)]
struct Event {
    chunk: u32,
    row: u32,
    holders: u32,
    /// Its number among all events, in the order they were processed: the lower half, then the upper one.
    number: [u32; 2],
    /// Its time, in halves as well.
    time: [u32; 2],
}

/// An event's number among all events, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Moment {
    pub(crate) number: u64,
    pub(crate) time: i64,
}

fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

impl Event {
    fn new(row: usize, Moment { number, time }: Moment) -> Self {
        Self { chunk: CURRENT, row: row as u32, holders: 0, number: halves(number), time: halves(time as u64) }
    }
}

/// One event of a chain.
#[derive(Debug, Clone)]
pub(crate) struct ChainLink {
    pub(crate) previous: u32,
    pub(crate) event: u32,
    holders: u32,
    /// The cached values of the chain up to here.
    cache: u32,
    pub(crate) variable: u16,
}

#[derive(Debug)]
struct Chunk {
    rows: RecordBatch,
    /// The event of every row; [`NONE`] where the event is gone.
    events: Vec<u32>,
    live: usize,
}

/// The shared buffer of one matcher.
#[derive(Debug)]
pub(crate) struct Store {
    schema: SchemaRef,
    current: RecordBatch,
    /// A batch without rows: the current one between batches.
    nothing: RecordBatch,
    events: Slab<Event>,
    links: Slab<ChainLink>,
    caches: Slab<Cache>,
    chunks: Slab<Option<Chunk>>,
    /// Events of the current batch.
    fresh: Vec<u32>,
    chunk_bytes: usize,
    /// How many chunks were added, and how many events left chunks, since the last `compact`.
    added: usize,
    left: usize,
}

impl Store {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let nothing = RecordBatch::new_empty(SchemaRef::clone(&schema));
        Self {
            current: nothing.clone(),
            nothing,
            schema,
            events: Slab::default(),
            links: Slab::default(),
            caches: Slab::default(),
            chunks: Slab::default(),
            fresh: Vec::new(),
            chunk_bytes: 0,
            added: 0,
            left: 0,
        }
    }

    /// The stored columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Begins a batch: new events are rows of it.
    pub(crate) fn begin(&mut self, current: RecordBatch) {
        self.current = current;
    }

    /// Adds an event, a row of the current batch; nothing holds it yet.
    pub(crate) fn event(&mut self, row: usize, moment: Moment) -> u32 {
        let event = self.events.add(Event::new(row, moment));
        self.fresh.push(event);
        event
    }

    /// The number of an event among all events.
    pub(crate) fn number(&self, event: u32) -> u64 {
        whole(self.events[event].number)
    }

    /// The number of an event among all events, and its time.
    pub(crate) fn moment(&self, event: u32) -> Moment {
        let Event { number, time, .. } = self.events[event];
        Moment { number: whole(number), time: whole(time) as i64 }
    }

    /// The first event of a chain.
    pub(crate) fn first_of(&self, mut chain: u32) -> u32 {
        while self.links[chain].previous != NONE {
            chain = self.links[chain].previous;
        }
        self.links[chain].event
    }

    /// A new chain, longer by an event; it becomes a holder of `previous` and the event. The caller is its first holder.
    pub(crate) fn extend(&mut self, previous: u32, event: u32, variable: u16) -> u32 {
        if previous != NONE {
            self.links[previous].holders += 1;
        }
        self.events[event].holders += 1;
        self.links.add(ChainLink { previous, event, holders: 1, cache: NONE, variable })
    }

    /// Adds a holder to a chain.
    pub(crate) fn hold(&mut self, chain: u32) {
        self.links[chain].holders += 1;
    }

    /// Removes a holder from a chain.
    pub(crate) fn release(&mut self, mut chain: u32) {
        while chain != NONE {
            let link = &mut self.links[chain];
            link.holders -= 1;
            if link.holders > 0 {
                return;
            }
            let (previous, event, cache) = (link.previous, link.event, link.cache);
            if cache != NONE {
                self.caches[cache].clear();
                self.caches.free(cache);
            }
            self.links.free(chain);
            self.release_event(event);
            chain = previous;
        }
    }

    /// Adds a holder to an event.
    pub(crate) fn hold_event(&mut self, event: u32) {
        self.events[event].holders += 1;
    }

    /// Removes a holder from an event.
    pub(crate) fn release_event(&mut self, event: u32) {
        let place = &mut self.events[event];
        place.holders -= 1;
        if place.holders > 0 {
            return;
        }
        let (chunk, row) = (place.chunk, place.row);
        if chunk != CURRENT {
            self.leave_chunk(chunk, row);
        }
        self.events[event].chunk = NONE;
        self.events.free(event);
    }

    fn leave_chunk(&mut self, chunk: u32, row: u32) {
        let Some(holder) = self.chunks[chunk].as_mut() else { return };
        holder.events[row as usize] = NONE;
        holder.live -= 1;
        self.left += 1;
        if holder.live == 0 {
            self.forget_chunk(chunk);
        }
    }

    fn forget_chunk(&mut self, chunk: u32) {
        if let Some(gone) = self.chunks[chunk].take() {
            self.chunk_bytes -= gone.bytes();
        }
        self.chunks.free(chunk);
    }

    /// The last link of a chain.
    pub(crate) fn link(&self, chain: u32) -> &ChainLink {
        &self.links[chain]
    }

    /// The links of a chain, first to last.
    pub(crate) fn links_of(&self, chain: u32) -> Vec<ChainLink> {
        let mut links = Vec::new();
        let mut at = chain;
        while at != NONE {
            links.push(self.links[at].clone());
            at = self.links[at].previous;
        }
        links.reverse();
        links
    }

    /// The cache of a chain, if it has one.
    pub(crate) fn cache(&self, chain: u32) -> Option<&Cache> {
        let cache = self.links[chain].cache;
        (cache != NONE).then(|| &self.caches[cache])
    }

    /// The cache of a chain, created if it has none.
    pub(crate) fn cache_mut(&mut self, chain: u32) -> &mut Cache {
        if self.links[chain].cache == NONE {
            let cache = self.caches.add(Cache::default());
            self.caches[cache].clear();
            self.links[chain].cache = cache;
        }
        let cache = self.links[chain].cache;
        &mut self.caches[cache]
    }

    /// A chain's events of one variable (or all), first to last.
    pub(crate) fn events_of(&self, chain: u32, variable: Option<u16>, events: &mut Vec<u32>) {
        events.clear();
        let mut at = chain;
        while at != NONE {
            let link = &self.links[at];
            if variable.is_none_or(|variable| variable == link.variable) {
                events.push(link.event);
            }
            at = link.previous;
        }
        events.reverse();
    }

    /// A stored column and the row of an event in it.
    pub(crate) fn cell(&self, event: u32, column: usize) -> (&ArrayRef, usize) {
        let Event { chunk, row, .. } = self.events[event];
        (self.rows(chunk).column(column), row as usize)
    }

    fn rows(&self, chunk: u32) -> &RecordBatch {
        match chunk {
            CURRENT => &self.current,
            chunk => &self.chunks[chunk].as_ref().expect("an event that is held is in a chunk").rows,
        }
    }

    /// A stored column of some events; [`NONE`] gives null.
    pub(crate) fn gather(&self, column: usize, events: &[u32]) -> Result<ArrayRef> {
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut chunks: Vec<u32> = Vec::new();
        let mut indexes: Vec<(usize, usize)> = Vec::with_capacity(events.len());
        let mut has_none = false;
        for &event in events {
            if event == NONE {
                has_none = true;
                indexes.push((usize::MAX, 0));
                continue;
            }
            let Event { chunk, row, .. } = self.events[event];
            let place = *places.entry(chunk).or_insert_with(|| {
                chunks.push(chunk);
                chunks.len() - 1
            });
            indexes.push((place, row as usize));
        }
        let null = new_null_array(self.schema.field(column).data_type(), 1);
        let mut arrays: Vec<&dyn Array> = chunks.iter().map(|&chunk| self.rows(chunk).column(column).as_ref()).collect();
        if let ([one], false) = (arrays.as_slice(), has_none) {
            let rows = UInt32Array::from_iter_values(indexes.iter().map(|&(_, row)| row as u32));
            return Ok(take(*one, &rows, None)?);
        }
        let last = arrays.len();
        arrays.push(null.as_ref());
        indexes.iter_mut().filter(|(place, _)| *place == usize::MAX).for_each(|(place, _)| *place = last);
        Ok(interleave(&arrays, &indexes)?)
    }

    /// The stored rows of some events.
    pub(crate) fn gather_rows(&self, events: &[u32]) -> Result<RecordBatch> {
        let columns = (0..self.schema.fields().len()).map(|column| self.gather(column, events)).collect::<Result<_>>()?;
        Ok(RecordBatch::try_new(SchemaRef::clone(&self.schema), columns)?)
    }

    /// Ends the current batch: its events that still have holders are copied.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let fresh = std::mem::take(&mut self.fresh);
        let mut kept: Vec<u32> = Vec::new();
        for event in fresh.iter().copied() {
            let place = &mut self.events[event];
            // An event number reused within the batch is listed twice.
            if place.chunk == CURRENT && place.holders > 0 {
                place.chunk = NONE - 1;
                kept.push(event);
            }
        }
        self.fresh = fresh;
        self.fresh.clear();
        if !kept.is_empty() {
            let rows = UInt32Array::from_iter_values(kept.iter().map(|&event| self.events[event].row));
            let rows = take_record_batch(&self.current, &rows)?;
            self.add_chunk(rows, kept);
        }
        if self.current.num_rows() > 0 {
            self.current = self.nothing.clone();
        }
        if self.added >= ADDED_MAX || self.left >= LEFT_MAX {
            self.compact()?;
            (self.added, self.left) = (0, 0);
        }
        self.events.shrink();
        self.links.shrink();
        self.caches.shrink();
        Ok(())
    }

    fn add_chunk(&mut self, rows: RecordBatch, events: Vec<u32>) {
        let live = events.len();
        let chunk = self.chunks.add(None);
        for (row, &event) in events.iter().enumerate() {
            let place = &mut self.events[event];
            (place.chunk, place.row) = (chunk, row as u32);
        }
        self.added += 1;
        let filled = Chunk { rows, events, live };
        self.chunk_bytes += filled.bytes();
        self.chunks[chunk] = Some(filled);
    }

    /// Adds rows from outside as a chunk of events that nothing holds yet.
    pub(crate) fn load(&mut self, rows: RecordBatch, moments: &[Moment]) -> Vec<u32> {
        let add = |moment: &Moment| self.events.add(Event::new(0, *moment));
        let events: Vec<u32> = moments.iter().map(add).collect();
        if !events.is_empty() {
            self.add_chunk(rows, events.clone());
        }
        events
    }

    /// Merges small and sparse chunks.
    fn compact(&mut self) -> Result<()> {
        let mut classes: Vec<Vec<u32>> = vec![Vec::new(); 24];
        let mut sparse: Vec<u32> = Vec::new();
        for number in 0..self.chunks.places() as u32 {
            let Some(chunk) = &self.chunks[number] else { continue };
            if chunk.live * 3 < chunk.events.len() && chunk.events.len() >= 64 {
                sparse.push(number);
            } else {
                classes[chunk.live.ilog2() as usize / 2].push(number);
            }
        }
        for class in classes.into_iter().filter(|class| class.len() >= MERGE_AT) {
            self.merge(&class)?;
        }
        if sparse.is_empty() { Ok(()) } else { self.merge(&sparse) }
    }

    fn merge(&mut self, chunks: &[u32]) -> Result<()> {
        let mut indexes: Vec<(usize, usize)> = Vec::new();
        let mut events: Vec<u32> = Vec::new();
        for (place, &number) in chunks.iter().enumerate() {
            let Some(chunk) = &self.chunks[number] else { continue };
            for (row, &event) in chunk.events.iter().enumerate().filter(|(_, event)| **event != NONE) {
                indexes.push((place, row));
                events.push(event);
            }
        }
        let batches: Vec<&RecordBatch> = chunks.iter().map(|&number| self.rows(number)).collect();
        let rows = interleave_record_batch(&batches, &indexes)?;
        chunks.iter().for_each(|&number| self.forget_chunk(number));
        self.add_chunk(rows, events);
        Ok(())
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.chunk_bytes + self.events.bytes() + self.links.bytes() + self.caches.bytes()
    }
}

impl Chunk {
    /// Bytes of memory.
    fn bytes(&self) -> usize {
        let columns = self.rows.columns().iter().map(|column| column.get_array_memory_size()).sum::<usize>();
        columns + self.events.capacity() * size_of::<u32>()
    }
}
