//! An object store that fails, delays, tears and repeats, for tests.
//!
//! `EGRET_STORE_FAULTS=7:50` makes about fifty of a thousand requests go wrong, the same ones for the same seed (here 7) and the
//! same requests in the same order.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const VARIABLE: &str = "EGRET_STORE_FAULTS";
const DELAY_MAX_MS: u64 = 20;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing is done.
    Refused,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// Half of it is done.
    Torn,
    /// It takes its time.
    Late(Duration),
    /// It is done twice; the second answer counts.
    Twice,
}

/// A store that is not to be relied on.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    seed: u64,
    per_mille: u64,
    requests: AtomicU64,
}

impl Faulty {
    /// The store itself, or a faulty one if the environment asks for it.
    pub(super) fn if_asked_for(inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let numbers = text.split_once(':').and_then(|(seed, rate)| Some((seed.parse().ok()?, rate.parse().ok()?)));
        match numbers {
            Some((seed, per_mille)) => Arc::new(Self::new(inner, seed, per_mille)),
            None => inner,
        }
    }

    fn new(inner: Arc<dyn ObjectStore>, seed: u64, per_mille: u64) -> Self {
        Self { inner, seed, per_mille, requests: AtomicU64::new(0) }
    }

    fn fault(&self) -> Option<Fault> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        let random = xxh3_64_with_seed(&request.to_le_bytes(), self.seed);
        let (luck, kind, more) = (random % 1_000, random / 1_000 % 5, random / 5_000);
        (luck < self.per_mille).then(|| match kind {
            0 => Fault::Refused,
            1 => Fault::AnswerLost,
            2 => Fault::Torn,
            3 => Fault::Late(Duration::from_millis(more % DELAY_MAX_MS)),
            _ => Fault::Twice,
        })
    }

    /// For requests that change nothing: they fail or are late.
    fn read_fault(&self) -> Result<()> {
        match self.fault() {
            Some(Fault::Late(delay)) => std::thread::sleep(delay),
            Some(Fault::Refused) => return Err(failed("the request was refused")),
            _ => {}
        }
        Ok(())
    }
}

fn failed(what: &str) -> Error {
    Error::Generic { store: "a faulty store", source: format!("{what}, as {VARIABLE} asks for").into() }
}

fn half(payload: &PutPayload) -> PutPayload {
    let bytes: Vec<u8> = payload.iter().flat_map(|piece| piece.iter().copied()).collect();
    PutPayload::from(bytes[..bytes.len() / 2].to_vec())
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.fault() {
            None => {}
            Some(Fault::Refused) => return Err(failed("the request was refused")),
            Some(Fault::AnswerLost) => {
                self.inner.put_opts(location, payload, options).await?;
                return Err(failed("the answer was lost"));
            }
            Some(Fault::Torn) => {
                self.inner.put_opts(location, half(&payload), options).await?;
                return Err(failed("half of it was written"));
            }
            Some(Fault::Late(delay)) => std::thread::sleep(delay),
            Some(Fault::Twice) => {
                self.inner.put_opts(location, payload.clone(), options.clone()).await?;
            }
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read_fault()?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.fault() {
            Some(Fault::Refused) => futures::stream::iter([Err(failed("the request was refused"))]).boxed(),
            Some(Fault::AnswerLost) => {
                let lost = |deleted: Result<Path>| async { deleted.and_then(|_| Err(failed("the answer was lost"))) };
                self.inner.delete_stream(locations).then(lost).boxed()
            }
            _ => self.inner.delete_stream(locations),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.read_fault() {
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
            Ok(()) => self.inner.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.read_fault()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::executor::block_on;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    #[test]
    fn requests_go_wrong_in_every_way_and_the_same_again() {
        let outcomes = |seed| {
            let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let store = Faulty::new(Arc::clone(&inner), seed, 500);
            let written = |number: u32| {
                let path = Path::from(number.to_string());
                let result = block_on(store.put(&path, PutPayload::from_static(b"four")));
                let there = block_on(async { Ok::<_, Error>(inner.get(&path).await?.bytes().await?.len()) });
                (result.is_ok(), there.ok())
            };
            (0..200).map(written).collect::<Vec<_>>()
        };
        let all = outcomes(3);
        assert_eq!(all, outcomes(3));
        assert_ne!(all, outcomes(4));
        for expected in [(true, Some(4)), (false, None), (false, Some(4)), (false, Some(2))] {
            assert!(all.contains(&expected), "{expected:?}");
        }
    }
}
