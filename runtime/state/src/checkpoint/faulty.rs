//! An object store that fails, delays, tears, repeats and sees conflicts, for tests.
//!
//! `EGRET_STORE_FAULTS=7:50` makes about fifty of a thousand requests to a local folder fail: the same ones for the same seed
//! (here 7) and the same sequence of requests. A test may wrap any store in a [`FaultyStore`], and replace the delays.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const VARIABLE: &str = "EGRET_STORE_FAULTS";
const DELAY_MAX_MS: u64 = 20;

/// A fault of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The request has no effect.
    Refused,
    /// The request succeeds, and its answer is lost.
    AnswerLost,
    /// Half of the bytes are written. An upload in parts is lost entirely.
    Torn,
    /// The request is delayed.
    Late,
    /// The request is repeated, and the second answer is returned.
    Twice,
    /// A creation is refused as if the object existed, although it does not.
    Conflict,
}

const KINDS: [FaultKind; 6] =
    [FaultKind::Refused, FaultKind::AnswerLost, FaultKind::Torn, FaultKind::Late, FaultKind::Twice, FaultKind::Conflict];

type Wait = Arc<dyn Fn(Duration) + Send + Sync>;

/// An unreliable store. Clones share the store and the sequence of faults.
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    seed: u64,
    per_mille: u64,
    wait: Wait,
    requests: Arc<AtomicU64>,
    /// The number of faults of each kind.
    seen: Arc<[AtomicU64; KINDS.len()]>,
}

impl FaultyStore {
    /// The store itself, or a faulty one if the environment variable is set.
    pub(super) fn if_asked_for(inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let numbers = text.split_once(':').and_then(|(seed, rate)| Some((seed.parse().ok()?, rate.parse().ok()?)));
        match numbers {
            Some((seed, per_mille)) => Arc::new(Self::new(inner, seed, per_mille)),
            None => inner,
        }
    }

    /// A store in which about `per_mille` of a thousand requests fail.
    pub fn new(inner: Arc<dyn ObjectStore>, seed: u64, per_mille: u64) -> Self {
        let wait: Wait = Arc::new(std::thread::sleep);
        Self { inner, seed, per_mille, wait, requests: Arc::default(), seen: Arc::default() }
    }

    /// A faulty store in memory.
    pub fn in_memory(seed: u64, per_mille: u64) -> Self {
        Self::new(Arc::new(InMemory::new()), seed, per_mille)
    }

    /// Replaces the delay of a request; by default the thread sleeps.
    #[must_use]
    pub fn waiting(mut self, wait: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.wait = Arc::new(wait);
        self
    }

    /// The number of faults of each kind so far.
    pub fn seen(&self) -> Vec<(FaultKind, u64)> {
        KINDS.into_iter().zip(self.seen.iter()).map(|(kind, count)| (kind, count.load(Ordering::Relaxed))).collect()
    }

    /// The fault of the next request, among the kinds that are possible.
    fn fault(&self, can: &[FaultKind]) -> Option<FaultKind> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        let random = xxh3_64_with_seed(&request.to_le_bytes(), self.seed);
        let (luck, kind, more) = (random % 1_000, random / 1_000 % KINDS.len() as u64, random / 6_000);
        let kind = KINDS[kind as usize];
        if luck >= self.per_mille || !can.contains(&kind) {
            return None;
        }
        self.seen[kind as usize].fetch_add(1, Ordering::Relaxed);
        if kind == FaultKind::Late {
            (self.wait)(Duration::from_millis(more % DELAY_MAX_MS));
            return None;
        }
        Some(kind)
    }

    /// The fault of a request that changes nothing: it fails or is delayed.
    fn read_fault(&self) -> Result<()> {
        match self.fault(&[FaultKind::Refused, FaultKind::Late]) {
            None => Ok(()),
            Some(_) => Err(failed("the request was refused")),
        }
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("inner", &self.inner).field("seed", &self.seed).finish_non_exhaustive()
    }
}

fn failed(what: &str) -> Error {
    Error::Generic { store: "a faulty store", source: format!("{what}, as {VARIABLE} asks for").into() }
}

fn half(payload: &PutPayload) -> PutPayload {
    let bytes: Vec<u8> = payload.iter().flat_map(|piece| piece.iter().copied()).collect();
    PutPayload::from(bytes[..bytes.len() / 2].to_vec())
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let creates = options.mode == PutMode::Create;
        let can = if creates { &KINDS[..] } else { &KINDS[..KINDS.len() - 1] };
        match self.fault(can) {
            Some(FaultKind::Refused) => return Err(failed("the request was refused")),
            Some(FaultKind::AnswerLost) => {
                self.inner.put_opts(location, payload, options).await?;
                return Err(failed("the answer was lost"));
            }
            Some(FaultKind::Torn) => {
                self.inner.put_opts(location, half(&payload), options).await?;
                return Err(failed("half of it was written"));
            }
            Some(FaultKind::Twice) => {
                self.inner.put_opts(location, payload.clone(), options.clone()).await?;
            }
            Some(FaultKind::Conflict) => {
                let source = format!("another request was faster, as {VARIABLE} asks for").into();
                return Err(Error::AlreadyExists { path: location.to_string(), source });
            }
            Some(FaultKind::Late) | None => {}
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.read_fault()?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(FaultyUpload { inner, store: self.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read_fault()?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.fault(&[FaultKind::Refused, FaultKind::AnswerLost, FaultKind::Late]) {
            Some(FaultKind::Refused) => futures::stream::iter([Err(failed("the request was refused"))]).boxed(),
            Some(FaultKind::AnswerLost) => {
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

/// An upload in parts to a faulty store.
#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    store: FaultyStore,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.store.fault(&[FaultKind::Refused, FaultKind::AnswerLost, FaultKind::Late]) {
            Some(_) => Box::pin(std::future::ready(Err(failed("a part was refused")))),
            None => self.inner.put_part(data),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        match self.store.fault(&[FaultKind::Refused, FaultKind::AnswerLost, FaultKind::Torn, FaultKind::Late]) {
            Some(FaultKind::AnswerLost) => {
                self.inner.complete().await?;
                Err(failed("the answer was lost"))
            }
            Some(_) => Err(failed("the upload was lost")),
            None => self.inner.complete().await,
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::executor::block_on;
    use object_store::ObjectStoreExt;
    use std::sync::Mutex;

    /// For each of some files, whether the write succeeded, and how many of its bytes are in the store.
    fn outcomes(seed: u64, mode: &PutMode) -> (Vec<(bool, Option<usize>)>, FaultyStore) {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let waited = Arc::new(Mutex::new(Duration::ZERO));
        let sum = Arc::clone(&waited);
        let store = FaultyStore::new(Arc::clone(&inner), seed, 500).waiting(move |time| *sum.lock().unwrap() += time);
        let written = |number: u32| {
            let path = Path::from(number.to_string());
            let result = block_on(store.put_opts(&path, PutPayload::from_static(b"four"), mode.clone().into()));
            let there = block_on(async { Ok::<_, Error>(inner.get(&path).await?.bytes().await?.len()) });
            (result.is_ok(), there.ok())
        };
        let all = (0..300).map(written).collect();
        assert!(*waited.lock().unwrap() > Duration::ZERO, "nobody slept");
        (all, store)
    }

    #[test]
    fn requests_go_wrong_in_every_way_and_the_same_again() {
        for mode in [PutMode::Overwrite, PutMode::Create] {
            let (all, store) = outcomes(3, &mode);
            assert_eq!(all, outcomes(3, &mode).0);
            assert_ne!(all, outcomes(4, &mode).0);
            for expected in [(true, Some(4)), (false, None), (false, Some(4)), (false, Some(2))] {
                assert!(all.contains(&expected), "{expected:?}");
            }
            let conflicts = mode == PutMode::Create;
            let came_about = |(kind, count): (FaultKind, u64)| (count > 0) == (conflicts || kind != FaultKind::Conflict);
            assert!(store.seen().into_iter().all(came_about), "{:?}", store.seen());
        }
    }

    #[test]
    fn an_upload_in_parts_is_there_whole_or_not_at_all() {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = FaultyStore::new(Arc::clone(&inner), 1, 300).waiting(|_| {});
        let mut outcomes = Vec::new();
        for number in 0..200 {
            let path = Path::from(number.to_string());
            let written = block_on(async {
                let mut upload = store.put_multipart(&path).await?;
                for _ in 0..3 {
                    upload.put_part(PutPayload::from_static(b"four")).await?;
                }
                upload.complete().await
            });
            let there = block_on(async { Ok::<_, Error>(inner.get(&path).await?.bytes().await?.len()) }).ok();
            assert!(matches!((written.is_ok(), there), (true, Some(12)) | (false, None | Some(12))), "{there:?}");
            outcomes.push((written.is_ok(), there));
        }
        for expected in [(true, Some(12)), (false, None), (false, Some(12))] {
            assert!(outcomes.contains(&expected), "{expected:?}");
        }
    }
}
