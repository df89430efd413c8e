//! Writes the file of a part as a stream, a section at a time.

use super::files::{Digest, Files, Upload};
use super::manifest::{FileRef, SharedFile, WrittenPart};
use super::names;
use super::part::{Part, PartKind};
use super::part_format::{END, Head, Kind, entry, sections};
use bytes::Bytes;
use egret_core::{Error, KeyGroup, PartWriter, Result};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A file that is being written.
struct PartFile {
    upload: Upload,
    path: String,
    checkpoint: u64,
    hash: Xxh3,
    bytes: u64,
}

impl PartFile {
    fn begin(files: &Files, path: String, head: &Head) -> Result<Self> {
        let upload = files.upload(&path);
        let mut file = Self { upload, path, checkpoint: head.checkpoint, hash: Xxh3::new(), bytes: 0 };
        file.put(Bytes::from(head.encode()?))?;
        Ok(file)
    }

    fn put(&mut self, bytes: Bytes) -> Result<()> {
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        self.upload.write(bytes)
    }

    fn section(&mut self, kind: Kind, group: KeyGroup, bytes: Vec<u8>) -> Result<()> {
        let described = entry(kind, group, bytes.len() as u64, xxh3_64(&bytes));
        self.put(Bytes::copy_from_slice(&described))?;
        self.put(Bytes::from(bytes))
    }

    fn finish(mut self) -> Result<FileRef> {
        self.put(Bytes::from_static(&[END]))?;
        let checksum = self.hash.digest().to_le_bytes();
        self.put(Bytes::copy_from_slice(&checksum))?;
        let Digest { bytes, xxh3 } = Digest { bytes: self.bytes, xxh3: self.hash.digest() };
        self.upload.finish()?;
        Ok(FileRef { path: self.path, checkpoint: self.checkpoint, bytes, xxh3 })
    }
}

/// A part that is being written. The backend writes its keyed state through [`PartWriter`], and [`PartStream::finish`] makes the
/// part durable. A part that is dropped before leaves no file.
pub struct PartStream<'a> {
    files: &'a Files,
    head: Head,
    main: PartFile,
    /// The files of an older checkpoint.
    before: &'a [SharedFile],
    shared: Vec<SharedFile>,
}

impl<'a> PartStream<'a> {
    /// Begins a part, and writes the state that is in memory. Files in `before`, of an older checkpoint, are not written again.
    pub(super) fn begin(files: &'a Files, attempt: u64, checkpoint: u64, part: Part, before: &'a [SharedFile]) -> Result<Self> {
        let (kind, base, instance, uid) = (part.state.kind(), part.base, part.instance, part.uid.clone());
        let head = Head { kind, attempt, checkpoint, base, instance, uid };
        let path = names::part(attempt, checkpoint, &head.uid, instance);
        let mut main = PartFile::begin(files, path, &head)?;
        sections(part).try_for_each(|section| main.section(section.kind, section.group, section.bytes))?;
        Ok(Self { files, head, main, before, shared: Vec::new() })
    }

    /// Makes the part durable.
    ///
    /// # Errors
    /// The store fails: the disk is full, say. The checkpoint is then to be abandoned.
    pub fn finish(self) -> Result<WrittenPart> {
        let Head { kind, base, instance, uid, .. } = self.head;
        Ok(WrittenPart { uid, instance, kind, base, file: self.main.finish()?, shared: self.shared })
    }
}

impl PartWriter for PartStream<'_> {
    fn keyed(&mut self, group: KeyGroup, bytes: Vec<u8>) -> Result<()> {
        check_kind(self.head.kind)?;
        self.main.section(Kind::BackendKeyed, group, bytes)
    }

    fn file(&mut self, name: &str, write: &mut dyn FnMut(&mut dyn PartWriter) -> Result<()>) -> Result<()> {
        check_kind(self.head.kind)?;
        if self.shared.iter().any(|file| file.name == name) {
            return Err(Error::bug(format!("part {} of '{}' has two files '{name}'", self.head.instance, self.head.uid)));
        }
        if let Some(there) = self.before.iter().find(|file| file.name == name) {
            self.shared.push(there.clone());
            return Ok(());
        }
        let Head { attempt, checkpoint, instance, .. } = self.head;
        let path = names::shared(attempt, checkpoint, &self.head.uid, instance, name);
        let mut file = SharedStream(PartFile::begin(self.files, path, &Head { base: None, ..self.head.clone() })?);
        write(&mut file)?;
        self.shared.push(SharedFile { name: name.to_owned(), file: file.0.finish()? });
        Ok(())
    }
}

fn check_kind(kind: PartKind) -> Result<()> {
    if kind == PartKind::Operator { Ok(()) } else { Err(Error::bug(format!("{kind} has no keyed state"))) }
}

/// A file that checkpoints share.
struct SharedStream(PartFile);

impl PartWriter for SharedStream {
    fn keyed(&mut self, group: KeyGroup, bytes: Vec<u8>) -> Result<()> {
        self.0.section(Kind::BackendKeyed, group, bytes)
    }

    fn file(&mut self, name: &str, _write: &mut dyn FnMut(&mut dyn PartWriter) -> Result<()>) -> Result<()> {
        Err(Error::bug(format!("the file '{name}' is to be written in a file")))
    }
}
