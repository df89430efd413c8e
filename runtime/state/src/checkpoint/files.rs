//! The one place where an object store is called: paths below the root, whole files, and errors that name the file.

use bytes::Bytes;
use egret_core::{Error, Result};
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::io::ErrorKind;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Files below one root of an object store.
///
/// Calls block. Futures are driven on the calling thread: local files need no runtime.
#[derive(Clone, Debug)]
pub(super) struct Files {
    store: Arc<dyn ObjectStore>,
    root: Path,
    /// Whether a write that was reported as failed may still happen.
    late_writes: bool,
}

/// The outcome of creating a file that must not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// It is there now.
    Yes,
    /// It was there before.
    Exists,
}

/// How long a file is, and its xxh3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) bytes: u64,
    pub(super) xxh3: u64,
}

impl Files {
    pub(super) fn new(store: Arc<dyn ObjectStore>, root: Path, late_writes: bool) -> Self {
        Self { store, root, late_writes }
    }

    pub(super) fn late_writes(&self) -> bool {
        self.late_writes
    }

    /// Writes a file, whole or not at all; one that is there is replaced.
    pub(super) fn put(&self, path: &str, pieces: Vec<Bytes>) -> Result<()> {
        let payload: PutPayload = pieces.into_iter().collect();
        block_on(self.store.put(&self.path(path), payload))
            .map(|_| ())
            .map_err(|error| self.error(path, "cannot be written", &error))
    }

    /// Writes a file if there is none.
    pub(super) fn create(&self, path: &str, bytes: Vec<u8>) -> Result<Created> {
        let options = PutOptions::from(PutMode::Create);
        match block_on(self.store.put_opts(&self.path(path), PutPayload::from(bytes), options)) {
            Ok(_) => Ok(Created::Yes),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Exists),
            Err(error) => Err(self.error(path, "cannot be written", &error)),
        }
    }

    /// The file's bytes; none if there is no such file.
    pub(super) fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let read = async { self.store.get(&self.path(path)).await?.bytes().await };
        self.unless_missing(path, block_on(read))
    }

    /// The file's digest, read in pieces; none if there is no such file.
    pub(super) fn digest(&self, path: &str) -> Result<Option<Digest>> {
        let read = async {
            let (mut hash, mut bytes) = (Xxh3::new(), 0);
            let mut pieces = self.store.get(&self.path(path)).await?.into_stream();
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                hash.update(&piece);
                bytes += piece.len() as u64;
            }
            Ok(Digest { bytes, xxh3: hash.digest() })
        };
        self.unless_missing(path, block_on(read))
    }

    /// The paths of all files in a folder and below, in order.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>> {
        let listed: Result<Vec<_>, _> = block_on(self.store.list(Some(&self.path(folder))).try_collect());
        let listed = listed.map_err(|error| self.error(folder, "cannot be listed", &error))?;
        let root = self.root.as_ref();
        let below = |location: &str| location.strip_prefix(root).map(|path| path.trim_start_matches('/').to_owned());
        let mut paths: Vec<String> = listed.iter().filter_map(|meta| below(meta.location.as_ref())).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// Whether anything but what `ignored` says is right below the root.
    pub(super) fn find_stranger(&self, ignored: &[&str]) -> Result<Option<String>> {
        let listed = block_on(self.store.list_with_delimiter(Some(&self.root)));
        let listed = listed.map_err(|error| self.error("", "cannot be listed", &error))?;
        let files = listed.objects.iter().map(|meta| &meta.location);
        let names = files.chain(&listed.common_prefixes).filter_map(|path| path.filename());
        Ok(names.filter(|name| !ignored.contains(name)).min().map(str::to_owned))
    }

    /// Deletes a file. One that is not there is no error.
    pub(super) fn delete(&self, path: &str) -> Result<()> {
        self.unless_missing(path, block_on(self.store.delete(&self.path(path)))).map(|_| ())
    }

    /// The file as the user knows it, for messages.
    pub(super) fn describe(&self, path: &str) -> String {
        let below = self.path(path);
        format!("{}/{below}", self.store).trim_end_matches('/').to_owned()
    }

    fn path(&self, path: &str) -> Path {
        Path::from_iter(self.root.parts().map(|part| part.as_ref().to_owned()).chain(path.split('/').map(str::to_owned)))
    }

    fn unless_missing<T>(&self, path: &str, result: object_store::Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(path, "cannot be read or deleted", &error)),
        }
    }

    fn error(&self, path: &str, what: &str, error: &object_store::Error) -> Error {
        let (cause, kind) = root_cause(error);
        let denied = matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. });
        let kind = if denied { Some(ErrorKind::PermissionDenied) } else { kind };
        let full = Error::io(kind.unwrap_or(ErrorKind::Other), format!("{what}: {cause}")).context(self.describe(path));
        match kind {
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => full.help("free some space there, or name another place"),
            Some(ErrorKind::PermissionDenied) => {
                full.help("give the job the right to read and write there, or name another place")
            }
            Some(ErrorKind::ReadOnlyFilesystem) => full.help("name a place that can be written"),
            _ => full,
        }
    }
}

/// The innermost cause, and the operating system's kind of it.
fn root_cause(error: &object_store::Error) -> (String, Option<ErrorKind>) {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    let mut kind = None;
    while let Some(inner) = cause.source() {
        cause = inner;
        kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
    }
    (cause.to_string(), kind)
}
