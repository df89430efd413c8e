//! The checkpoints of a job below one root.

use super::disk::Disk;
use super::faulty::FaultyStore;
use super::files::{Created, Files};
use super::identity::JobIdentity;
use super::log_format::{self, Unreadable};
use super::manifest::{FileRef, PartRef, SharedFile, WrittenPart};
use super::part::{Part, PartState};
use super::part_write::PartStream;
use super::{log, names, part_read};
use egret_core::{Error, KeyGroup, Result};
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The checkpoints of one job, in a local folder or below a prefix of an object store.
///
/// Clones are cheap. Calls block, so they must not be made on a worker of an async runtime.
///
/// ```
/// use egret_core::Snapshot;
/// use egret_state::checkpoint::{Checkpoints, Draft, JobIdentity, Outcome, Part, PartState};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path();
/// let job = JobIdentity { name: "fraud".into(), max_parallelism: 128, nodes: vec![] };
/// let checkpoints = Checkpoints::local(path, &job)?;
///
/// // The attempt that runs the job now. Whoever had it before cannot commit any more.
/// let mut attempt = checkpoints.claim(2)?;
/// assert!(attempt.restore(&job)?.is_none());
///
/// // Every instance's part is written, from any thread or process; then one manifest makes them a checkpoint.
/// let own = Snapshot { first: vec![b"state".to_vec()], ..Snapshot::default() };
/// let part = Part::new("totals", 0, PartState::Operator { own, keyed: Snapshot::default() });
/// let number = attempt.next_checkpoint();
/// let written = checkpoints.write_part(attempt.number(), number, part.clone())?;
/// let draft = Draft { checkpoint: number, time_ms: 0, job: job.clone(), parts: vec![written], ..Draft::default() };
/// assert_eq!(attempt.commit(draft)?, Outcome::Committed);
/// attempt.clean()?;
///
/// // After a crash.
/// let mut next = checkpoints.claim(2)?;
/// let restored = next.restore(&job)?.expect("there is a checkpoint");
/// let chain = &restored.manifest.parts[0];
/// assert_eq!(checkpoints.read_chain(chain)?, [part]);
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoints {
    pub(super) files: Files,
    id: u64,
}

/// The content of `job.json`: the owner of the root. It is sealed like the entries of the log.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    format: u32,
    name: String,
    max_parallelism: u16,
    /// A random number that distinguishes these checkpoints from all others, including later ones of the same job in the same
    /// place.
    #[serde(default, with = "super::hex")]
    id: u64,
}

impl Checkpoints {
    /// The checkpoints of `job` in a folder, which must exist. An empty folder belongs to the job from now on.
    ///
    /// # Errors
    /// The folder is missing, is no folder, cannot be written, holds something else, belongs to another job or was written by a
    /// newer version.
    pub fn local(path: impl AsRef<Path>, job: &JobIdentity) -> Result<Self> {
        let path = path.as_ref();
        let files = Files::local(disk(path)?);
        let probe = format!("{}/probe-{}", names::STAGING, std::process::id());
        files.put(&probe, Vec::new()).and_then(|()| files.delete(&probe))?;
        Self::own(files, job)
    }

    /// The checkpoints in a folder, of any job, to read or restore them.
    ///
    /// # Errors
    /// The folder is missing, is no folder, holds no checkpoints or was written by a newer version.
    pub fn read_local(path: impl AsRef<Path>) -> Result<Self> {
        Self::read(Files::local(disk(path.as_ref())?))
    }

    /// The checkpoints of `job` below a prefix of an object store. An empty prefix belongs to the job from now on. `shown` is the
    /// root in messages.
    ///
    /// The store must support conditional creation, and lists must have all objects written before.
    ///
    /// # Errors
    /// The store fails, the prefix holds something else, belongs to another job or was written by a newer version.
    pub fn open(store: Arc<dyn ObjectStore>, prefix: &str, shown: &str, job: &JobIdentity) -> Result<Self> {
        Self::own(Files::new(store, object_store::path::Path::from(prefix), shown), job)
    }

    /// The checkpoints below a prefix of an object store, of any job, to read or restore them.
    ///
    /// # Errors
    /// The store fails, the prefix holds no checkpoints or they were written by a newer version.
    pub fn open_to_read(store: Arc<dyn ObjectStore>, prefix: &str, shown: &str) -> Result<Self> {
        Self::read(Files::new(store, object_store::path::Path::from(prefix), shown))
    }

    /// The id of these checkpoints. A folder that was deleted and made again has another one.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The root, for messages.
    pub fn describe(&self) -> String {
        self.files.describe("")
    }

    fn own(files: Files, job: &JobIdentity) -> Result<Self> {
        let found = match (find_owner(&files)?, log::positions(&files)?.is_empty()) {
            // The first write of `job.json` was torn: there is no checkpoint yet.
            (Some(Err(Unreadable::Damaged(_))), true) => {
                files.delete(names::JOB)?;
                None
            }
            _ => owner(&files)?,
        };
        let owner = match found {
            Some(owner) => owner,
            None => {
                refuse_strangers(&files)?;
                // If `job.json` was deleted, the id stays the same: sinks know by it what they have published.
                let id = log::checkpoints_id(&files)?.unwrap_or_else(|| RandomState::new().build_hasher().finish());
                let new = Owner { format: log_format::VERSION, name: job.name.clone(), max_parallelism: job.max_parallelism, id };
                match files.create(names::JOB, log_format::seal(&new)?)? {
                    Created::Yes => new,
                    Created::Exists => owner(&files)?.ok_or_else(|| vanished(&files))?,
                }
            }
        };
        owner.check(job).map_err(|error| error.context(files.describe("")))?;
        Ok(Self { files, id: owner.id })
    }

    fn read(files: Files) -> Result<Self> {
        match owner(&files)? {
            Some(owner) => Ok(Self { files, id: owner.id }),
            None => Err(Error::job("there are no checkpoints here: job.json is missing")
                .context(files.describe(""))
                .help("name the folder of a job's checkpoints")),
        }
    }

    /// Writes a part that is in memory, without copying its state.
    ///
    /// Parts of one checkpoint can be written at the same time, from different threads and processes.
    ///
    /// # Errors
    /// The store fails: the disk is full, say. The checkpoint is then to be abandoned.
    pub fn write_part(&self, attempt: u64, checkpoint: u64, part: Part) -> Result<WrittenPart> {
        self.begin_part(attempt, checkpoint, part, &[])?.finish()
    }

    /// Begins a part whose keyed state is written in pieces. Files in `before`, of the same instance in a checkpoint that this
    /// attempt committed and keeps, are not written again.
    ///
    /// # Errors
    /// As [`Checkpoints::write_part`].
    pub fn begin_part<'a>(
        &'a self,
        attempt: u64,
        checkpoint: u64,
        part: Part,
        before: &'a [SharedFile],
    ) -> Result<PartStream<'a>> {
        PartStream::begin(&self.files, attempt, checkpoint, part, before)
    }

    /// Reads a file of a part as a stream, and checks that it is what was written. Of state by key group, only the groups for
    /// which `wanted` is true are kept.
    ///
    /// # Errors
    /// The store fails; the file is missing or damaged.
    pub fn read_part(&self, file: &FileRef, wanted: &dyn Fn(KeyGroup) -> bool) -> Result<Part> {
        let place = |error: Error| error.context(self.files.describe(&file.path));
        let pieces = self.files.pieces(&file.path)?;
        let mut pieces = pieces.ok_or_else(|| place(Error::state("the file is missing").help("restore an older checkpoint")))?;
        let (decoded, digest) = part_read::decode(|| pieces.next().transpose(), wanted)?;
        file.check(digest.bytes, digest.xxh3)
            .map_err(|how| place(Error::state(format!("the file is damaged: {how}")).help("restore an older checkpoint")))?;
        let decoded = decoded.map_err(place)?;
        if decoded.checkpoint == file.checkpoint {
            return Ok(decoded.part);
        }
        Err(place(Error::state(format!("the file is of checkpoint {}, not of {}", decoded.checkpoint, file.checkpoint))))
    }

    /// Reads all files of a part. The first result is complete, the others are deltas upon those before. The keyed state of the
    /// last one includes its shared files.
    ///
    /// # Errors
    /// As [`Checkpoints::read_part`]; the files are not those of one part.
    pub fn read_chain(&self, part: &PartRef) -> Result<Vec<Part>> {
        self.read_groups(part, &|_| true)
    }

    /// As [`Checkpoints::read_chain`], but of state by key group only the groups for which `wanted` is true are ever in memory.
    ///
    /// # Errors
    /// As [`Checkpoints::read_chain`].
    pub fn read_groups(&self, part: &PartRef, wanted: &dyn Fn(KeyGroup) -> bool) -> Result<Vec<Part>> {
        let read = |file: &FileRef, base: Option<u64>| {
            let read = self.read_part(file, wanted)?;
            let is_of = read.uid == part.uid && read.instance == part.instance && read.state.kind() == part.kind;
            if is_of && read.base == base {
                return Ok(read);
            }
            let whose = format!("it is part {} of '{}' upon checkpoint {:?}", read.instance, read.uid, read.base);
            Err(Error::state(format!("the manifest does not fit the file: {whose}")).context(self.files.describe(&file.path)))
        };
        let mut base = None;
        let mut parts: Vec<Part> = Vec::with_capacity(part.chain.len());
        for file in &part.chain {
            parts.push(read(file, base)?);
            base = Some(file.checkpoint);
        }
        for SharedFile { file, .. } in &part.shared {
            if let (Some(PartState::Operator { keyed, .. }), PartState::Operator { keyed: more, .. }) =
                (parts.last_mut().map(|last| &mut last.state), read(file, None)?.state)
            {
                keyed.keyed.extend(more.keyed);
            }
        }
        Ok(parts)
    }
}

impl Owner {
    fn check(&self, job: &JobIdentity) -> Result<()> {
        if self.name != job.name {
            return Err(Error::job(format!("these are checkpoints of job '{}', this is job '{}'", self.name, job.name))
                .help("name a folder of its own for every job"));
        }
        if self.max_parallelism == job.max_parallelism {
            return Ok(());
        }
        let (was, is) = (self.max_parallelism, job.max_parallelism);
        Err(Error::job(format!("the state is in {was} key groups, the job has {is}"))
            .help(format!("set max_parallelism to {was}, or name another folder and start without state")))
    }
}

impl FileRef {
    /// Compares length and checksum of a file with those expected.
    pub(super) fn check(&self, bytes: u64, xxh3: u64) -> Result<(), String> {
        if bytes != self.bytes {
            return Err(format!("it has {bytes} bytes and should have {}", self.bytes));
        }
        if xxh3 != self.xxh3 {
            return Err(format!("its checksum is {xxh3:016x} and should be {:016x}", self.xxh3));
        }
        Ok(())
    }
}

/// A local folder as an object store whose writes are durable when they return. The folder must exist.
///
/// # Errors
/// The folder is missing, or is no folder.
pub fn disk(path: &Path) -> Result<Arc<dyn ObjectStore>> {
    let place = |error: Error| error.context(path.display().to_string());
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(place(Error::job("checkpoints need a folder, this is a file").help("name a folder"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(place(Error::job("there is no such folder").help("create it, or correct the path")));
        }
        Err(error) => {
            return Err(place(error.into()).help("give the job the right to read and write there, or name another place"));
        }
    }
    let disk = Disk::new(path).map_err(|error| place(Error::external(error.to_string())))?;
    Ok(FaultyStore::if_asked_for(Arc::new(disk)))
}

fn find_owner(files: &Files) -> Result<Option<Result<Owner, Unreadable>>> {
    Ok(files.get(names::JOB)?.map(|bytes| log_format::unseal(&bytes)))
}

fn owner(files: &Files) -> Result<Option<Owner>> {
    let place = files.describe(names::JOB);
    match find_owner(files)? {
        None => Ok(None),
        Some(Ok(owner)) => Ok(Some(owner)),
        Some(Err(damaged @ Unreadable::Damaged(_))) => Err(damaged
            .to_error()
            .context(place)
            .help("delete it if the checkpoints beside it are this job's: it is written again")),
        Some(Err(other @ (Unreadable::Newer(_) | Unreadable::Older(_)))) => Err(other.to_error().context(place)),
    }
}

/// Refuses a root that holds something else. A root whose `job.json` was deleted is accepted.
fn refuse_strangers(files: &Files) -> Result<()> {
    match files.find_stranger(&[names::STAGING, names::LOG, names::DATA])? {
        None => Ok(()),
        Some(stranger) => Err(Error::job(format!("it holds '{stranger}', which is no checkpoint"))
            .context(files.describe(""))
            .help("name an empty folder, or one that holds this job's checkpoints")),
    }
}

fn vanished(files: &Files) -> Error {
    Error::external("it was there, and is not any more").context(files.describe(names::JOB)).help("keep others from deleting it")
}
