//! A local folder as an object store whose files survive a loss of power.
//!
//! `object_store`'s [`LocalFileSystem`] names a file in one step, but never syncs: after a loss of power the manifest could exist
//! and the state that it names be empty. Here a file is written to `staging/`, synced, named (by a rename, or by a hard link if
//! the name must be new), and then its folders are synced.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::names::STAGING;

/// The number of the next file that this process writes.
static STAGED: AtomicU64 = AtomicU64::new(0);

/// A local folder whose writes are durable when they return.
#[derive(Debug)]
pub(super) struct Disk {
    files: LocalFileSystem,
    root: PathBuf,
}

impl Disk {
    /// The store of a folder, which must exist.
    pub(super) fn new(root: &FilePath) -> Result<Self> {
        let files = LocalFileSystem::new_with_prefix(root)?;
        let root = fs::canonicalize(root).map_err(generic)?;
        Ok(Self { files, root })
    }

    fn write(&self, location: &Path, payload: &PutPayload, mode: &PutMode) -> Result<()> {
        let target = self.files.path_to_filesystem(location)?;
        let (staged, file) = self.stage().map_err(generic)?;
        let written = write_synced(file, payload).and_then(|()| name(&self.root, &staged, &target, mode));
        if !matches!((&written, mode), (Ok(()), PutMode::Overwrite)) {
            // After a rename there is nothing to remove. What cannot be removed here is removed when the next attempt begins.
            let _ = fs::remove_file(&staged);
        }
        written.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::AlreadyExists { path: location.to_string(), source: source.into() },
            _ => generic(source),
        })
    }

    fn stage(&self) -> io::Result<(PathBuf, File)> {
        let folder = self.root.join(STAGING);
        fs::create_dir_all(&folder)?;
        loop {
            let name = format!("{}-{}", std::process::id(), STAGED.fetch_add(1, Ordering::Relaxed));
            let path = folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Names a synced file, and syncs the folders that changed.
fn name(root: &FilePath, staged: &FilePath, target: &FilePath, mode: &PutMode) -> io::Result<()> {
    let folder = target.parent().unwrap_or(root);
    let is_new = !folder.is_dir();
    if is_new {
        fs::create_dir_all(folder)?;
    }
    match mode {
        PutMode::Create => fs::hard_link(staged, target)?,
        _ => fs::rename(staged, target)?,
    }
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(root)) {
        File::open(folder)?.sync_all()?;
        if !is_new {
            break;
        }
    }
    Ok(())
}

fn write_synced(mut file: File, payload: &PutPayload) -> io::Result<()> {
    payload.iter().try_for_each(|piece| file.write_all(piece))?;
    file.sync_all()
}

fn generic(source: io::Error) -> Error {
    Error::Generic { store: "local folder", source: source.into() }
}

fn not_durable(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: "a durable local folder".to_owned() }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for Disk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if matches!(options.mode, PutMode::Update(_)) {
            return Err(not_durable("an update on condition"));
        }
        self.write(location, &payload, &options.mode)?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let target = self.files.path_to_filesystem(location)?;
        let (staged, file) = self.stage().map_err(generic)?;
        Ok(Box::new(DiskUpload { root: self.root.clone(), staged, target, file }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_durable("a copy"))
    }
}

/// A file that comes in parts. It grows in `staging/`, and is named once all parts are written.
#[derive(Debug)]
struct DiskUpload {
    root: PathBuf,
    staged: PathBuf,
    target: PathBuf,
    file: File,
}

#[async_trait]
impl MultipartUpload for DiskUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let written = data.iter().try_for_each(|piece| self.file.write_all(piece)).map_err(generic);
        Box::pin(std::future::ready(written))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.file.sync_all().and_then(|()| name(&self.root, &self.staged, &self.target, &PutMode::Overwrite)).map_err(generic)?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        fs::remove_file(&self.staged).map_err(generic)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::TryStreamExt;
    use futures::executor::block_on;
    use object_store::ObjectStoreExt;

    fn put(disk: &Disk, path: &str, bytes: &'static [u8], mode: PutMode) -> Result<PutResult> {
        block_on(disk.put_opts(&Path::from(path), PutPayload::from_static(bytes), mode.into()))
    }

    fn get(disk: &Disk, path: &str) -> Bytes {
        block_on(async { disk.get(&Path::from(path)).await.unwrap().bytes().await.unwrap() })
    }

    #[test]
    fn a_file_is_created_once_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path()).unwrap();
        put(&disk, "a/b/c", b"first", PutMode::Create).unwrap();
        let error = put(&disk, "a/b/c", b"second", PutMode::Create).unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        assert_eq!(get(&disk, "a/b/c"), "first");
        put(&disk, "a/b/c", b"third", PutMode::Overwrite).unwrap();
        assert_eq!(get(&disk, "a/b/c"), "third");
        let listed: Vec<ObjectMeta> = block_on(disk.list(None).try_collect()).unwrap();
        assert_eq!(listed.len(), 1, "nothing is left in staging: {listed:?}");
    }

    #[test]
    fn a_file_in_parts_is_there_when_all_of_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path()).unwrap();
        let begin = || block_on(disk.put_multipart(&Path::from("a/b"))).unwrap();
        let mut upload = begin();
        for part in [&b"one "[..], b"two"] {
            block_on(upload.put_part(PutPayload::from_static(part))).unwrap();
        }
        let there = || block_on(disk.head(&Path::from("a/b"))).is_ok();
        assert!(!there());
        block_on(upload.complete()).unwrap();
        assert_eq!(get(&disk, "a/b"), "one two");
        let mut given_up = begin();
        block_on(given_up.put_part(PutPayload::from_static(b"never"))).unwrap();
        block_on(given_up.abort()).unwrap();
        assert_eq!(get(&disk, "a/b"), "one two");
        assert_eq!(fs::read_dir(folder.path().join(STAGING)).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path()).unwrap();
        put(&disk, "a", b"a file", PutMode::Create).unwrap();
        assert!(put(&disk, "a/b", b"below a file", PutMode::Overwrite).is_err());
        assert_eq!(fs::read_dir(folder.path().join(STAGING)).unwrap().count(), 0);
    }
}
