//! The kinds of keyed state: typed views of the bytes that a backend keeps.
//!
//! # Format
//! A value is encoded with postcard; with a time to live, its expiry stands in front (microseconds, 8 bytes little endian). A
//! list is its elements one after the other, a map its keys and values in order of key. With a time to live each element, and
//! each value of a map, is a pair that begins with its expiry, and the latest of these stands in front of the whole.

use super::context::ProcessContext;
use super::lifetime::{Renewal, Ttl};
use super::ttl;
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A slot, and the time to live of its values.
#[derive(Clone, Copy, Debug)]
struct Cell {
    slot: u16,
    ttl: Option<Ttl>,
}

impl Cell {
    const fn new(slot: u16) -> Self {
        Self { slot, ttl: None }
    }

    /// The bytes and their expiry; `None` if there are none or they have expired.
    fn read<'c, Out>(self, ctx: &'c mut ProcessContext<'_, Out>) -> Result<Option<&'c [u8]>> {
        ctx.scratch.slot = self.slot;
        let Some(ttl) = self.ttl else { return ctx.state.get(self.slot, ctx.key) };
        let now = ttl::now(ttl.clock, ctx)?;
        self.declare(ttl, ctx);
        let Some(bytes) = ctx.state.get(self.slot, ctx.key)? else { return Ok(None) };
        let (expiry, value) = ttl::expiry_of(bytes)?;
        Ok((expiry > now).then_some(value))
    }

    /// Stores the bytes that `write` appends, with the expiry `expiry`.
    fn write<Out>(
        self,
        ctx: &mut ProcessContext<'_, Out>,
        expiry: Option<i64>,
        write: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let mut bytes = std::mem::take(&mut ctx.scratch.bytes);
        bytes.clear();
        bytes.extend(expiry.iter().flat_map(|expiry| expiry.to_le_bytes()));
        ctx.scratch.bytes = write(bytes)?;
        ctx.state.put(self.slot, ctx.key, &ctx.scratch.bytes)
    }

    fn declare<Out>(self, ttl: Ttl, ctx: &mut ProcessContext<'_, Out>) {
        if !ctx.scratch.ttl.iter().any(|(slot, _)| *slot == self.slot) {
            ctx.scratch.ttl.push((self.slot, ttl.clock));
        }
    }

    /// The expiry of a value that is written now.
    fn expiry<Out>(self, ctx: &mut ProcessContext<'_, Out>) -> Result<Option<i64>> {
        let Some(ttl) = self.ttl else { return Ok(None) };
        self.declare(ttl, ctx);
        ttl::expiry(ttl, ctx).map(Some)
    }

    fn clear<Out>(self, ctx: &mut ProcessContext<'_, Out>) -> Result<()> {
        ctx.state.remove(self.slot, ctx.key)
    }

    fn is_renewed_by_reads(self) -> bool {
        self.ttl.is_some_and(|ttl| ttl.renewal == Renewal::ReadOrWrite)
    }

    fn decode<'a, T: Deserialize<'a>>(self, bytes: &'a [u8]) -> Result<T> {
        postcard::from_bytes(bytes).map_err(|error| self.wrong_type::<T>(&error))
    }

    fn wrong_type<T>(self, error: &postcard::Error) -> Error {
        let of = std::any::type_name::<T>();
        Error::job(format!("the state in slot {} was not written as {of}: {error}", self.slot))
            .help("keep another type of state in a slot of its own")
    }
}

/// Appends a value to bytes.
fn append<T: Serialize + ?Sized>(mut bytes: Vec<u8>, value: &T) -> Result<Vec<u8>> {
    let before = bytes.len();
    let mut room = (bytes.capacity() - before).max(64);
    loop {
        bytes.resize(before + room, 0);
        match postcard::to_slice(value, &mut bytes[before..]).map(|written| written.len()) {
            Ok(written) => {
                bytes.truncate(before + written);
                return Ok(bytes);
            }
            Err(postcard::Error::SerializeBufferFull) => room *= 2,
            Err(error) => return Err(error.into()),
        }
    }
}

/// One value for each key.
///
/// ```
/// use egret_operators::process::ValueState;
/// const COUNT: ValueState<u64> = ValueState::new(0);
/// # let _ = COUNT;
/// // In a process function: COUNT.set(ctx, &(COUNT.get(ctx)?.unwrap_or(0) + 1))?;
/// ```
#[derive(Debug)]
pub struct ValueState<T> {
    cell: Cell,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> ValueState<T> {
    /// State in a slot that no other state of the function uses.
    pub const fn new(slot: u16) -> Self {
        Self { cell: Cell::new(slot), of: PhantomData }
    }

    /// Gives the values a time to live.
    #[must_use]
    pub const fn with_ttl(self, ttl: Ttl) -> Self {
        Self { cell: Cell { slot: self.cell.slot, ttl: Some(ttl) }, of: PhantomData }
    }

    /// The value of the current key.
    ///
    /// # Errors
    /// It was written as another type, or the backend cannot read it.
    pub fn get<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<Option<T>> {
        let Some(bytes) = self.cell.read(ctx)? else { return Ok(None) };
        let value: T = self.cell.decode(bytes)?;
        if self.cell.is_renewed_by_reads() {
            self.set(ctx, &value)?;
        }
        Ok(Some(value))
    }

    /// Sets the value of the current key.
    ///
    /// # Errors
    /// It cannot be encoded, or the backend cannot store it.
    pub fn set<Out>(&self, ctx: &mut ProcessContext<'_, Out>, value: &T) -> Result<()> {
        let expiry = self.cell.expiry(ctx)?;
        self.cell.write(ctx, expiry, |bytes| append(bytes, value))
    }

    /// Removes the value of the current key.
    ///
    /// # Errors
    /// The backend cannot write.
    pub fn clear<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<()> {
        self.cell.clear(ctx)
    }
}

/// A list for each key. Appending copies the list, so keep it short.
///
/// With a time to live each element expires by itself.
#[derive(Debug)]
pub struct ListState<T> {
    cell: Cell,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> ListState<T> {
    /// State in a slot that no other state of the function uses.
    pub const fn new(slot: u16) -> Self {
        Self { cell: Cell::new(slot), of: PhantomData }
    }

    /// Gives the elements a time to live.
    #[must_use]
    pub const fn with_ttl(self, ttl: Ttl) -> Self {
        Self { cell: Cell { slot: self.cell.slot, ttl: Some(ttl) }, of: PhantomData }
    }

    /// The elements of the current key, in the order in which they were added.
    ///
    /// # Errors
    /// They were written as another type, or the backend cannot read them.
    pub fn get<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<Vec<T>> {
        let live = self.live(ctx)?;
        if self.cell.is_renewed_by_reads() && !live.is_empty() {
            let expiry = self.cell.expiry(ctx)?;
            self.cell.write(ctx, expiry, |bytes| {
                live.iter().try_fold(bytes, |bytes, (_, value)| append(bytes, &(expiry.unwrap_or_default(), value)))
            })?;
        }
        Ok(live.into_iter().map(|(_, value)| value).collect())
    }

    /// Adds an element to the list of the current key.
    ///
    /// # Errors
    /// It cannot be encoded, or the backend cannot store it.
    pub fn push<Out>(&self, ctx: &mut ProcessContext<'_, Out>, value: &T) -> Result<()> {
        let Some(expiry) = self.cell.expiry(ctx)? else {
            let before = self.cell.read(ctx)?.map(<[u8]>::to_vec).unwrap_or_default();
            return self.cell.write(ctx, None, |_| append(before, value));
        };
        let live = self.live(ctx)?;
        self.cell.write(ctx, Some(expiry), |bytes| {
            let bytes = live.iter().try_fold(bytes, append)?;
            append(bytes, &(expiry, value))
        })
    }

    /// Removes the list of the current key.
    ///
    /// # Errors
    /// The backend cannot write.
    pub fn clear<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<()> {
        self.cell.clear(ctx)
    }

    /// The elements that have not expired, each with its expiry.
    fn live<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<Vec<(i64, T)>> {
        let now = self.cell.ttl.map(|ttl| ttl::now(ttl.clock, ctx)).transpose()?;
        let mut live = Vec::new();
        let mut rest = self.cell.read(ctx)?.unwrap_or_default();
        while !rest.is_empty() {
            let wrong = |error| self.cell.wrong_type::<T>(&error);
            let element = match now {
                None => postcard::take_from_bytes(rest).map(|(value, rest)| ((i64::MAX, value), rest)),
                Some(_) => postcard::take_from_bytes(rest),
            };
            let (element, behind): ((i64, T), _) = element.map_err(wrong)?;
            rest = behind;
            if now.is_none_or(|now| element.0 > now) {
                live.push(element);
            }
        }
        Ok(live)
    }
}

/// A map for each key, ordered by its own keys. Writing copies the map, so keep it to some hundred entries;
/// [`SortedMapState`](super::SortedMapState) has no such limit.
///
/// With a time to live each entry expires by itself.
#[derive(Debug)]
pub struct MapState<K, V> {
    cell: Cell,
    of: PhantomData<fn() -> (K, V)>,
}

impl<K: Serialize + DeserializeOwned + Ord, V: Serialize + DeserializeOwned> MapState<K, V> {
    /// State in a slot that no other state of the function uses.
    pub const fn new(slot: u16) -> Self {
        Self { cell: Cell::new(slot), of: PhantomData }
    }

    /// Gives the entries a time to live.
    #[must_use]
    pub const fn with_ttl(self, ttl: Ttl) -> Self {
        Self { cell: Cell { slot: self.cell.slot, ttl: Some(ttl) }, of: PhantomData }
    }

    /// The value of `key` in the map of the current key.
    ///
    /// # Errors
    /// The map was written as another type, or the backend cannot read it.
    pub fn get<Out>(&self, ctx: &mut ProcessContext<'_, Out>, key: &K) -> Result<Option<V>> {
        let mut live = self.live(ctx)?;
        let Some((found, (_, value))) = live.remove_entry(key) else { return Ok(None) };
        if !self.cell.is_renewed_by_reads() {
            return Ok(Some(value));
        }
        let expiry = self.cell.expiry(ctx)?.unwrap_or(i64::MAX);
        live.insert(found, (expiry, value));
        self.store(ctx, &live)?;
        Ok(live.remove(key).map(|(_, value)| value))
    }

    /// The map of the current key.
    ///
    /// # Errors
    /// As [`MapState::get`].
    pub fn entries<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<BTreeMap<K, V>> {
        let mut live = self.live(ctx)?;
        if self.cell.is_renewed_by_reads() {
            let expiry = self.cell.expiry(ctx)?.unwrap_or(i64::MAX);
            live.values_mut().for_each(|(of, _)| *of = expiry);
            self.store(ctx, &live)?;
        }
        Ok(live.into_iter().map(|(key, (_, value))| (key, value)).collect())
    }

    /// Sets the value of `key` in the map of the current key.
    ///
    /// # Errors
    /// It cannot be encoded, or the backend cannot store it.
    pub fn insert<Out>(&self, ctx: &mut ProcessContext<'_, Out>, key: K, value: V) -> Result<()> {
        let expiry = self.cell.expiry(ctx)?.unwrap_or(i64::MAX);
        let mut live = self.live(ctx)?;
        live.insert(key, (expiry, value));
        self.store(ctx, &live)
    }

    /// Removes `key` from the map of the current key; returns whether it was there.
    ///
    /// # Errors
    /// As [`MapState::insert`].
    pub fn remove<Out>(&self, ctx: &mut ProcessContext<'_, Out>, key: &K) -> Result<bool> {
        let mut live = self.live(ctx)?;
        let was_there = live.remove(key).is_some();
        if was_there {
            self.store(ctx, &live)?;
        }
        Ok(was_there)
    }

    /// Removes the map of the current key.
    ///
    /// # Errors
    /// The backend cannot write.
    pub fn clear<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<()> {
        self.cell.clear(ctx)
    }

    fn live<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<BTreeMap<K, (i64, V)>> {
        let now = self.cell.ttl.map(|ttl| ttl::now(ttl.clock, ctx)).transpose()?;
        let Some(bytes) = self.cell.read(ctx)? else { return Ok(BTreeMap::new()) };
        match now {
            None => {
                let all: BTreeMap<K, V> = self.cell.decode(bytes)?;
                Ok(all.into_iter().map(|(key, value)| (key, (i64::MAX, value))).collect())
            }
            Some(now) => {
                let mut all: BTreeMap<K, (i64, V)> = self.cell.decode(bytes)?;
                all.retain(|_, (expiry, _)| *expiry > now);
                Ok(all)
            }
        }
    }

    fn store<Out>(&self, ctx: &mut ProcessContext<'_, Out>, map: &BTreeMap<K, (i64, V)>) -> Result<()> {
        if map.is_empty() {
            return self.cell.clear(ctx);
        }
        if self.cell.ttl.is_none() {
            let plain: BTreeMap<&K, &V> = map.iter().map(|(key, (_, value))| (key, value)).collect();
            return self.cell.write(ctx, None, |bytes| append(bytes, &plain));
        }
        let last = map.values().map(|(expiry, _)| *expiry).max();
        self.cell.write(ctx, last, |bytes| append(bytes, map))
    }
}

/// One value for each key, the reduction of all values that were added.
///
/// ```
/// use egret_operators::process::ReducingState;
/// const LARGEST: ReducingState<f64> = ReducingState::new(0, f64::max);
/// # let _ = LARGEST;
/// // In a process function: let largest = LARGEST.add(ctx, row.amount)?;
/// ```
#[derive(Debug)]
pub struct ReducingState<T> {
    value: ValueState<T>,
    reduce: fn(T, T) -> T,
}

impl<T: Serialize + DeserializeOwned> ReducingState<T> {
    /// State in a slot that no other state of the function uses; `reduce` combines two values.
    pub const fn new(slot: u16, reduce: fn(T, T) -> T) -> Self {
        Self { value: ValueState::new(slot), reduce }
    }

    /// Gives the value a time to live.
    #[must_use]
    pub const fn with_ttl(self, ttl: Ttl) -> Self {
        Self {
            value: ValueState { cell: Cell { slot: self.value.cell.slot, ttl: Some(ttl) }, of: PhantomData },
            reduce: self.reduce,
        }
    }

    /// Adds a value, and returns the reduction.
    ///
    /// # Errors
    /// As [`ValueState::get`] and [`ValueState::set`].
    pub fn add<Out>(&self, ctx: &mut ProcessContext<'_, Out>, value: T) -> Result<T> {
        let reduced = match self.value.get(ctx)? {
            Some(before) => (self.reduce)(before, value),
            None => value,
        };
        self.value.set(ctx, &reduced)?;
        Ok(reduced)
    }

    /// The reduction of all values, if there are any.
    ///
    /// # Errors
    /// As [`ValueState::get`].
    pub fn get<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<Option<T>> {
        self.value.get(ctx)
    }

    /// Removes the value.
    ///
    /// # Errors
    /// The backend cannot write.
    pub fn clear<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<()> {
        self.value.clear(ctx)
    }
}

/// An accumulator for each key, to which values are added and from which a result is computed.
///
/// ```
/// use egret_operators::process::AggregatingState;
/// const MEAN: AggregatingState<f64, (f64, u64), f64> =
///     AggregatingState::new(0, |(sum, n), amount| (sum + amount, n + 1), |(sum, n)| sum / *n as f64);
/// # let _ = MEAN;
/// // In a process function: let mean = MEAN.add(ctx, row.amount)?;
/// ```
#[derive(Debug)]
pub struct AggregatingState<In, Acc, Res> {
    value: ValueState<Acc>,
    add: fn(Acc, In) -> Acc,
    result: fn(&Acc) -> Res,
}

impl<In, Acc: Serialize + DeserializeOwned + Default, Res> AggregatingState<In, Acc, Res> {
    /// State in a slot that no other state of the function uses. It begins with `Acc::default()`.
    pub const fn new(slot: u16, add: fn(Acc, In) -> Acc, result: fn(&Acc) -> Res) -> Self {
        Self { value: ValueState::new(slot), add, result }
    }

    /// Gives the accumulator a time to live.
    #[must_use]
    pub const fn with_ttl(self, ttl: Ttl) -> Self {
        let cell = Cell { slot: self.value.cell.slot, ttl: Some(ttl) };
        Self { value: ValueState { cell, of: PhantomData }, add: self.add, result: self.result }
    }

    /// Adds a value, and returns the result.
    ///
    /// # Errors
    /// As [`ValueState::get`] and [`ValueState::set`].
    pub fn add<Out>(&self, ctx: &mut ProcessContext<'_, Out>, value: In) -> Result<Res> {
        let added = (self.add)(self.value.get(ctx)?.unwrap_or_default(), value);
        self.value.set(ctx, &added)?;
        Ok((self.result)(&added))
    }

    /// The result, if anything was added.
    ///
    /// # Errors
    /// As [`ValueState::get`].
    pub fn get<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<Option<Res>> {
        Ok(self.value.get(ctx)?.map(|added| (self.result)(&added)))
    }

    /// Removes the accumulator.
    ///
    /// # Errors
    /// The backend cannot write.
    pub fn clear<Out>(&self, ctx: &mut ProcessContext<'_, Out>) -> Result<()> {
        self.value.clear(ctx)
    }
}
