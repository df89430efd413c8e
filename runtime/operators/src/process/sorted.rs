//! A map for each key whose entries are stored one by one, in order.

use super::context::ProcessContext;
use egret_core::{Error, EventTime, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// A key of a [`SortedMapState`]: its bytes are in the order of its values.
pub trait SortedKey: Sized {
    /// Appends the bytes of the key.
    fn append_to(&self, bytes: &mut Vec<u8>);

    /// The key with these bytes; `None` if another type wrote them.
    fn from_sorted(bytes: &[u8]) -> Option<Self>;
}

impl SortedKey for u64 {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_be_bytes());
    }

    fn from_sorted(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl SortedKey for i64 {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        // With the sign bit flipped, negative numbers come first.
        (self ^ Self::MIN).cast_unsigned().append_to(bytes);
    }

    fn from_sorted(bytes: &[u8]) -> Option<Self> {
        u64::from_sorted(bytes).map(|number| number.cast_signed() ^ Self::MIN)
    }
}

impl SortedKey for EventTime {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        self.0.append_to(bytes);
    }

    fn from_sorted(bytes: &[u8]) -> Option<Self> {
        i64::from_sorted(bytes).map(Self)
    }
}

impl SortedKey for String {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.as_bytes());
    }

    fn from_sorted(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

/// A map for each key, in order of its own keys. An entry is read and written alone, so the map may be large; it has no time to live.
///
/// ```
/// use egret_core::EventTime;
/// use egret_operators::process::SortedMapState;
/// const AMOUNTS: SortedMapState<EventTime, f64> = SortedMapState::new(0);
/// # let _ = AMOUNTS;
/// // In a process function: AMOUNTS.insert(ctx, &row.at, &row.amount)?;
/// // AMOUNTS.scan(ctx, |at, amount| Ok(at < row.at))?;
/// ```
#[derive(Debug)]
pub struct SortedMapState<K, V> {
    slot: u16,
    of: PhantomData<fn() -> (K, V)>,
}

impl<K: SortedKey, V: Serialize + DeserializeOwned> SortedMapState<K, V> {
    /// State in a slot, which no other state of the function has.
    pub const fn new(slot: u16) -> Self {
        Self { slot, of: PhantomData }
    }

    /// The value of an entry.
    ///
    /// # Errors
    /// The entry was written as another type; the backend cannot read it.
    pub fn get<Out>(&self, ctx: &mut ProcessContext<'_, Out>, key: &K) -> Result<Option<V>> {
        let ProcessContext { state, scratch, key: of, .. } = ctx;
        set(&mut scratch.bytes, key);
        let bytes = state.get_entry(self.slot, of, &scratch.bytes)?;
        bytes.map(|bytes| self.decode(bytes)).transpose()
    }

    /// Sets the value of an entry.
    ///
    /// # Errors
    /// The value cannot be encoded; the backend cannot keep it.
    pub fn insert<Out>(&self, ctx: &mut ProcessContext<'_, Out>, key: &K, value: &V) -> Result<()> {
        let ProcessContext { state, scratch, key: of, .. } = ctx;
        set(&mut scratch.bytes, key);
        let name = scratch.bytes.len();
        scratch.bytes = postcard::to_extend(value, std::mem::take(&mut scratch.bytes))?;
        let (name, value) = scratch.bytes.split_at(name);
        state.put_entry(self.slot, of, name, value)
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// The backend cannot write.
    pub fn remove<Out>(&self, ctx: &mut ProcessContext<'_, Out>, key: &K) -> Result<()> {
        let ProcessContext { state, scratch, key: of, .. } = ctx;
        set(&mut scratch.bytes, key);
        state.remove_entry(self.slot, of, &scratch.bytes)
    }

    /// Passes the entries to `give`, in order of their keys, until it returns false. The cost is that of the entries that are passed.
    ///
    /// # Errors
    /// As [`SortedMapState::get`]; `give` fails.
    pub fn scan<Out>(&self, ctx: &mut ProcessContext<'_, Out>, give: impl FnMut(K, V) -> Result<bool>) -> Result<()> {
        self.scan_from(ctx, &[], give)
    }

    fn scan_from<Out>(
        &self,
        ctx: &mut ProcessContext<'_, Out>,
        prefix: &[u8],
        mut give: impl FnMut(K, V) -> Result<bool>,
    ) -> Result<()> {
        ctx.state.scan(self.slot, ctx.key, prefix, &mut |name, value| {
            give(K::from_sorted(name).ok_or_else(|| self.wrong_type("another key"))?, self.decode(value)?)
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<V> {
        postcard::from_bytes(bytes).map_err(|error| self.wrong_type(&error.to_string()))
    }

    fn wrong_type(&self, how: &str) -> Error {
        let (key, value) = (std::any::type_name::<K>(), std::any::type_name::<V>());
        Error::job(format!("the state in slot {} was not written as a map from {key} to {value}: {how}", self.slot))
            .help("keep another type of state in a slot of its own")
    }
}

impl<V: Serialize + DeserializeOwned> SortedMapState<String, V> {
    /// As [`SortedMapState::scan`], of the entries whose keys begin with `prefix`.
    ///
    /// # Errors
    /// As [`SortedMapState::scan`].
    pub fn scan_prefix<Out>(
        &self,
        ctx: &mut ProcessContext<'_, Out>,
        prefix: &str,
        give: impl FnMut(String, V) -> Result<bool>,
    ) -> Result<()> {
        self.scan_from(ctx, prefix.as_bytes(), give)
    }
}

fn set(bytes: &mut Vec<u8>, key: &impl SortedKey) {
    bytes.clear();
    key.append_to(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<K: SortedKey>(key: &K) -> Vec<u8> {
        let mut bytes = Vec::new();
        key.append_to(&mut bytes);
        bytes
    }

    fn check<K: SortedKey + Ord + Clone + std::fmt::Debug>(keys: &[K]) {
        assert!(keys.is_sorted());
        assert!(keys.windows(2).all(|pair| bytes(&pair[0]) < bytes(&pair[1])), "{keys:?}");
        for key in keys {
            assert_eq!(K::from_sorted(&bytes(key)).as_ref(), Some(key));
        }
    }

    #[test]
    fn bytes_are_in_the_order_of_keys() {
        check(&[i64::MIN, -256, -255, -1, 0, 1, 255, 256, i64::MAX]);
        check(&[0, 1, 255, 256, u64::MAX]);
        check(&[EventTime::MIN, EventTime(-1), EventTime(0), EventTime::MAX]);
        check(&["", "a", "aa", "b", "ä", "日"].map(str::to_owned));
        assert_eq!((i64::from_sorted(b"short"), String::from_sorted(&[0xff])), (None, None));
    }
}
