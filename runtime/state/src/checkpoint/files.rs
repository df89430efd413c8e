//! All calls of an object store: paths below the root, files as a whole or in pieces, and errors that name the file.

use bytes::Bytes;
use egret_core::{Error, Result};
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::io::ErrorKind;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// The message of an error in reading or deleting.
const READING: &str = "cannot be read or deleted";
/// The buffered bytes of a file that is written. Larger files go to the store in parts of this size: stores want equal parts of
/// at least 5 MiB.
const UPLOAD_BYTES: usize = 8 << 20;

/// Files below one root of an object store.
///
/// Calls block. The calling thread drives the futures: local files need no runtime.
#[derive(Clone, Debug)]
pub(super) struct Files {
    store: Arc<dyn ObjectStore>,
    root: Path,
    /// The root, for messages.
    shown: String,
    /// Whether the store may carry out a write after it reported a failure.
    late_writes: bool,
}

/// The outcome of creating a file that must not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// The file was created.
    Yes,
    /// The file existed.
    Exists,
}

/// The length and the xxh3 of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) bytes: u64,
    pub(super) xxh3: u64,
}

impl Files {
    /// Files of a store that may carry out a write after it reported a failure.
    pub(super) fn new(store: Arc<dyn ObjectStore>, root: Path, shown: &str) -> Self {
        Self { store, root, shown: shown.to_owned(), late_writes: true }
    }

    /// Files of a local folder.
    pub(super) fn local(store: Arc<dyn ObjectStore>) -> Self {
        let shown = store.to_string();
        Self { store, root: Path::default(), shown, late_writes: false }
    }

    pub(super) fn late_writes(&self) -> bool {
        self.late_writes
    }

    /// Writes a small file atomically; an existing file is replaced.
    pub(super) fn put(&self, path: &str, pieces: Vec<Bytes>) -> Result<()> {
        let payload: PutPayload = pieces.into_iter().collect();
        block_on(self.store.put(&self.path(path), payload))
            .map(|_| ())
            .map_err(|error| self.error(path, "cannot be written", &error))
    }

    /// Writes a file unless it exists.
    pub(super) fn create(&self, path: &str, bytes: Vec<u8>) -> Result<Created> {
        let options = PutOptions::from(PutMode::Create);
        match block_on(self.store.put_opts(&self.path(path), PutPayload::from(bytes), options)) {
            Ok(_) => Ok(Created::Yes),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Exists),
            Err(error) => Err(self.error(path, "cannot be written", &error)),
        }
    }

    /// The bytes of a file; `None` if it does not exist.
    pub(super) fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let read = async { self.store.get(&self.path(path)).await?.bytes().await };
        self.unless_missing(path, block_on(read))
    }

    /// The bytes of a file in pieces, as the store returns them; `None` if it does not exist.
    pub(super) fn pieces(&self, path: &str) -> Result<Option<impl Iterator<Item = Result<Bytes>> + use<>>> {
        let begin = async { Ok(self.store.get(&self.path(path)).await?.into_stream()) };
        let Some(mut pieces) = self.unless_missing(path, block_on(begin))? else { return Ok(None) };
        let (files, path) = (self.clone(), path.to_owned());
        let next = move || Some(block_on(pieces.next())?.map_err(|error| files.error(&path, READING, &error)));
        Ok(Some(std::iter::from_fn(next)))
    }

    /// The digest of a file, which is read in pieces; `None` if it does not exist.
    pub(super) fn digest(&self, path: &str) -> Result<Option<Digest>> {
        let Some(pieces) = self.pieces(path)? else { return Ok(None) };
        let (mut hash, mut bytes) = (Xxh3::new(), 0);
        for piece in pieces {
            let piece = piece?;
            hash.update(&piece);
            bytes += piece.len() as u64;
        }
        Ok(Some(Digest { bytes, xxh3: hash.digest() }))
    }

    /// Begins a file that is written in pieces. An existing file is replaced once all pieces are written.
    pub(super) fn upload(&self, path: &str) -> Upload {
        Upload { files: self.clone(), path: path.to_owned(), waiting: Vec::new(), bytes: 0, parts: None }
    }

    /// The paths of all files in a folder and below it, sorted.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>> {
        let listed: Result<Vec<_>, _> = block_on(self.store.list(Some(&self.path(folder))).try_collect());
        let listed = listed.map_err(|error| self.error(folder, "cannot be listed", &error))?;
        let root = self.root.as_ref();
        let below = |location: &str| location.strip_prefix(root).map(|path| path.trim_start_matches('/').to_owned());
        let mut paths: Vec<String> = listed.iter().filter_map(|meta| below(meta.location.as_ref())).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// A name directly below the root that is not in `ignored`, if there is one.
    pub(super) fn find_stranger(&self, ignored: &[&str]) -> Result<Option<String>> {
        let listed = block_on(self.store.list_with_delimiter(Some(&self.root)));
        let listed = listed.map_err(|error| self.error("", "cannot be listed", &error))?;
        let files = listed.objects.iter().map(|meta| &meta.location);
        let names = files.chain(&listed.common_prefixes).filter_map(|path| path.filename());
        Ok(names.filter(|name| !ignored.contains(name)).min().map(str::to_owned))
    }

    /// Deletes a file. A missing file is no error.
    pub(super) fn delete(&self, path: &str) -> Result<()> {
        self.unless_missing(path, block_on(self.store.delete(&self.path(path)))).map(|_| ())
    }

    /// The path of a file, for messages.
    pub(super) fn describe(&self, path: &str) -> String {
        format!("{}/{path}", self.shown).trim_end_matches('/').to_owned()
    }

    fn path(&self, path: &str) -> Path {
        Path::from_iter(self.root.parts().map(|part| part.as_ref().to_owned()).chain(path.split('/').map(str::to_owned)))
    }

    fn unless_missing<T>(&self, path: &str, result: object_store::Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(path, READING, &error)),
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

/// A file that is being written. It does not exist before [`Upload::finish`].
pub(super) struct Upload {
    files: Files,
    path: String,
    waiting: Vec<Bytes>,
    /// The bytes in `waiting`.
    bytes: usize,
    /// The upload in parts, once the file is larger than one.
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    /// Appends to the file.
    ///
    /// # Errors
    /// The store fails.
    pub(super) fn write(&mut self, mut piece: Bytes) -> Result<()> {
        while self.bytes + piece.len() > UPLOAD_BYTES {
            let fits = piece.split_to(UPLOAD_BYTES - self.bytes);
            self.waiting.push(fits);
            self.send()?;
        }
        self.bytes += piece.len();
        self.waiting.push(piece);
        Ok(())
    }

    /// Sends the buffered pieces as a part.
    fn send(&mut self) -> Result<()> {
        self.bytes = 0;
        let part: PutPayload = std::mem::take(&mut self.waiting).into_iter().collect();
        let sent = block_on(async {
            if self.parts.is_none() {
                self.parts = Some(self.files.store.put_multipart(&self.files.path(&self.path)).await?);
            }
            match &mut self.parts {
                Some(parts) => parts.put_part(part).await,
                None => Ok(()),
            }
        });
        sent.map_err(|error| self.files.error(&self.path, "cannot be written", &error))
    }

    /// Writes the rest, and makes the file visible.
    ///
    /// # Errors
    /// The store fails. Whether the file exists is not known.
    pub(super) fn finish(mut self) -> Result<()> {
        if self.parts.is_none() {
            return self.files.put(&self.path, std::mem::take(&mut self.waiting));
        }
        self.send()?;
        if let Some(parts) = &mut self.parts {
            block_on(parts.complete()).map_err(|error| self.files.error(&self.path, "cannot be written", &error))?;
        }
        self.parts = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            // A store that cannot abort the upload now deletes its parts by rules of its own.
            let _ = block_on(parts.abort());
        }
    }
}

/// The innermost cause of an error, and its kind by the operating system.
fn root_cause(error: &object_store::Error) -> (String, Option<ErrorKind>) {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    let mut kind = None;
    while let Some(inner) = cause.source() {
        cause = inner;
        kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
    }
    (cause.to_string(), kind)
}
