//! The shared buffer: events that partial matches have taken, and the chains that say in what order.
//!
//! A chain is a persistent list: a partial match holds its last link, each link its predecessor. Matches that begin alike share
//! their beginning, so branching costs one link. Links and events are counted, and vanish with their last holder.
//!
//! The rows of events live in chunks: record batches of the stored columns with nothing but events that were taken. While a
//! batch is worked on its events point into it; afterwards those still held are copied into a chunk of their own. Chunks are put
//! together when there are many small ones, or when most of a chunk's events are gone: so no large batch stays for the sake of
//! few rows, and the copying is a constant amount per event, times the logarithm of their number.

use super::cache::Cache;
use super::slab::{NONE, Slab};
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{interleave, interleave_record_batch, take, take_record_batch};
use arrow::datatypes::SchemaRef;
use egret_core::Result;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// The chunk that is the batch being worked on.
const CURRENT: u32 = u32::MAX;

/// So many chunks of like size are put together.
const MERGE_AT: usize = 16;

/// Chunks are looked over when so many were added, or so many events have left them.
const ADDED_MAX: usize = MERGE_AT / 2;
const LEFT_MAX: usize = 64;

/// An event that was taken.
#[derive(Debug, Clone)]
struct Event {
    chunk: u32,
    row: u32,
    holders: u32,
    /// Its place among all events, in the order they were looked at: the lower half, then the upper one.
    number: [u32; 2],
    /// When it happened, in halves as well.
    time: [u32; 2],
}

/// An event's place among all, and when it happened.
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
    /// What was computed about the chain up to here.
    cache: u32,
    pub(crate) variable: u16,
}

#[derive(Debug)]
struct Chunk {
    rows: RecordBatch,
    /// The event of every row; [`NONE`] where it is gone.
    events: Vec<u32>,
    live: usize,
}

/// The shared buffer of one matcher.
#[derive(Debug)]
pub(crate) struct Store {
    schema: SchemaRef,
    current: RecordBatch,
    /// No rows: what is current between batches.
    nothing: RecordBatch,
    events: Slab<Event>,
    links: Slab<ChainLink>,
    caches: Slab<Cache>,
    chunks: Slab<Option<Chunk>>,
    /// Events of the current batch.
    fresh: Vec<u32>,
    chunk_bytes: usize,
    /// Chunks that were added, and events that left some, since they were last looked over.
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

    /// The columns stored.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Starts on a batch: new events are rows of it.
    pub(crate) fn begin(&mut self, current: RecordBatch) {
        self.current = current;
    }

    /// An event of the current batch, held by nobody yet.
    pub(crate) fn event(&mut self, row: usize, moment: Moment) -> u32 {
        let event = self.events.add(Event::new(row, moment));
        self.fresh.push(event);
        event
    }

    /// The place of an event among all.
    pub(crate) fn number(&self, event: u32) -> u64 {
        whole(self.events[event].number)
    }

    /// The place of an event among all, and when it happened.
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

    /// A chain longer by an event. It holds its beginning and the event; the caller holds it.
    pub(crate) fn extend(&mut self, previous: u32, event: u32, variable: u16) -> u32 {
        if previous != NONE {
            self.links[previous].holders += 1;
        }
        self.events[event].holders += 1;
        self.links.add(ChainLink { previous, event, holders: 1, cache: NONE, variable })
    }

    /// One more holder of a chain.
    pub(crate) fn hold(&mut self, chain: u32) {
        self.links[chain].holders += 1;
    }

    /// One holder less.
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

    /// One more holder of an event.
    pub(crate) fn hold_event(&mut self, event: u32) {
        self.events[event].holders += 1;
    }

    /// One holder of an event less.
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

    /// The link of a chain.
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

    /// The cache of a chain, made if it has none.
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

    /// Is done with the current batch: what is still held of it is copied.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let fresh = std::mem::take(&mut self.fresh);
        let mut kept: Vec<u32> = Vec::new();
        for event in fresh.iter().copied() {
            let place = &mut self.events[event];
            // A place that was used twice within the batch is listed twice.
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

    /// Puts rows from outside into a chunk: events that nobody holds yet.
    pub(crate) fn load(&mut self, rows: RecordBatch, moments: &[Moment]) -> Vec<u32> {
        let add = |moment: &Moment| self.events.add(Event::new(0, *moment));
        let events: Vec<u32> = moments.iter().map(add).collect();
        if !events.is_empty() {
            self.add_chunk(rows, events.clone());
        }
        events
    }

    /// Puts small and emptied chunks together.
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
