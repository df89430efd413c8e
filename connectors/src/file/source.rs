//! The source.

use super::config::{Compression, FileFormat, FileSourceConfig};
use super::follow::FollowInput;
use super::input::{PackedInput, PlainInput, read_error};
use super::new_files::NewFiles;
use super::parquet_read::ParquetReader;
use super::paths::{below, files_like, glob_folder, is_like};
use super::resume::resume;
use crate::format::bad_rows::BadRowHandler;
use crate::format::column::check_types;
use crate::format::text_reader::{TextReader, TextReaderConfig};
use crate::format::window::ByteInput;
use crate::format::{BadRows, TextFormat};
use egret_core::metrics::Counters;
use egret_core::place::{Access, Place};
use egret_core::{Error, RestoredSplit, Result, Source, SourceReader, Split, SplitStart, StreamSchema, suggest};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The folder that bad rows go to unless another place is named.
const DEAD_LETTERS: &str = "out";

/// A look at the folders costs more than one at a file: there is one for so many looks of each file.
const LOOKS: u32 = 20;

/// Reads files.
///
/// ```
/// use arrow::datatypes::{DataType, Field};
/// use egret_connectors::file::{FileSource, FileSourceConfig};
/// use egret_core::{Poll, Source, StreamSchema};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("txn.csv");
/// std::fs::write(&path, "id,amount\n1,2.5\n2,\n")?;
/// let schema = StreamSchema::new(vec![Field::new("id", DataType::Int64, false), Field::new("amount", DataType::Float64, true)], None)?;
/// let source = FileSource::new(FileSourceConfig::new(path.to_str().expect("a path of ours"))?, schema)?;
/// let split = source.splits()?.remove(0);
/// let mut reader = source.open(&split, &[1], &Default::default())?;
/// let Poll::Rows(rows) = reader.poll(8192)? else { panic!("there are rows") };
/// assert_eq!((rows.num_rows(), rows.column(0).null_count()), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileSource {
    config: FileSourceConfig,
    schema: StreamSchema,
    /// Of a glob that is followed.
    new_files: Option<Arc<NewFiles>>,
}

impl FileSource {
    /// A source of rows with these columns. The files are looked at when the job starts.
    ///
    /// # Errors
    /// A column has a type that files cannot be read as.
    pub fn new(config: FileSourceConfig, schema: StreamSchema) -> Result<Self> {
        check_types(&schema)?;
        let is_glob = config.is_glob();
        let new_files =
            (is_glob && config.follow && !Path::new(&config.path).exists()).then(|| Arc::new(NewFiles::new(&config.path)));
        Ok(Self { config, schema, new_files })
    }

    /// The files there are, in order of name.
    fn paths(&self) -> Result<Vec<PathBuf>> {
        let path = &self.config.path;
        if !self.config.is_glob() || Path::new(path).exists() {
            return self.single_path().map(|path| vec![path]);
        }
        let paths = files_like(path)?;
        if paths.is_empty() {
            return Err(
                Error::job(format!("no file is like {path}")).help("check the path; relative paths start at the current folder")
            );
        }
        Ok(paths)
    }

    fn single_path(&self) -> Result<PathBuf> {
        let path = PathBuf::from(&self.config.path);
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                let help = format!(
                    "to read the files in it, write '{}/*{}'",
                    self.config.path.trim_end_matches('/'),
                    self.config.format.extension()
                );
                Err(Error::job(format!("cannot read {}: it is a folder", path.display())).help(help))
            }
            Ok(_) => Ok(path),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing(&path, &error)),
            Err(error) => Err(read_error(&path, &error)),
        }
    }

    /// Where the bad rows of a file go. By default the file's folders are in it: files of one name in two folders are told apart.
    fn dead_letter_path(&self, path: &Path) -> PathBuf {
        let (folder, inside) = match &self.config.dead_letter_path {
            Some(file) if !self.config.is_glob() => return file.clone(),
            Some(folder) => (folder.as_path(), path.strip_prefix(glob_folder(&self.config.path)).unwrap_or(path)),
            None => (Path::new(DEAD_LETTERS), path),
        };
        let mut name = below(folder, inside).into_os_string();
        name.push(".bad");
        name.into()
    }

    fn bad_rows(&self, path: &Path, counters: &Arc<Counters>) -> Result<BadRowHandler> {
        let letters = self.dead_letter_path(path);
        let same =
            || std::fs::canonicalize(&letters).ok().is_some_and(|letters| std::fs::canonicalize(path).ok() == Some(letters));
        if self.config.bad_rows == BadRows::DeadLetter && same() {
            return Err(Error::job(format!("the bad rows of {} would replace it", path.display()))
                .help("choose another dead_letter_path"));
        }
        Ok(BadRowHandler::new(self.config.bad_rows, path.display().to_string(), letters, Arc::clone(counters)))
    }

    fn input(&self, path: &Path, counters: &Arc<Counters>) -> Result<Box<dyn ByteInput>> {
        Ok(match self.config.compression {
            Compression::None if self.config.follow => {
                let others = self.new_files.clone();
                Box::new(FollowInput::open(path, others, self.config.follow_every, Arc::clone(counters))?)
            }
            Compression::None => Box::new(PlainInput::open(path)?),
            packed => Box::new(PackedInput::open(path, packed)?),
        })
    }
}

/// The error for a file that does not exist; suggests one of nearly the same name.
fn missing(path: &Path, error: &std::io::Error) -> Error {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut names: Vec<String> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
        Err(_) => Vec::new(),
    };
    names.sort();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let error = read_error(path, error);
    match suggest(&name, names.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean '{}'?", path.with_file_name(near).display())),
        None => error,
    }
}

impl Source for FileSource {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        !self.config.follow
    }

    fn splits(&self) -> Result<Vec<Split>> {
        let paths = self.paths()?;
        self.new_files.iter().for_each(|new| new.know(&paths));
        Ok(paths.into_iter().map(|path| Split { id: path.to_string_lossy().into_owned() }).collect())
    }

    fn discovers_every(&self) -> Option<Duration> {
        self.new_files.is_some().then(|| self.config.follow_every * LOOKS)
    }

    fn discover(&self) -> Result<Vec<Split>> {
        let new = self.new_files.as_ref().map_or(Ok(Vec::new()), |files| files.discover())?;
        Ok(new.into_iter().map(|path| Split { id: path.to_string_lossy().into_owned() }).collect())
    }

    fn resume(&self, restored: &[RestoredSplit]) -> Result<Vec<SplitStart>> {
        resume(&self.config, &|| self.splits(), restored)
    }

    fn open(&self, split: &Split, columns: &[usize], counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let path = Path::new(&split.id);
        let bad = self.bad_rows(path, counters)?;
        let format = match self.config.format {
            FileFormat::Parquet => {
                let unit = self.config.text.timestamp_unit;
                return Ok(Box::new(ParquetReader::open(path, &self.schema, columns, unit, bad)?));
            }
            FileFormat::Csv => TextFormat::Csv,
            FileFormat::Json => TextFormat::Json,
        };
        let config = TextReaderConfig { format, text: &self.config.text, schema: &self.schema, columns };
        Ok(Box::new(TextReader::new(&config, self.input(path, counters)?, bad)?))
    }

    fn is_read_in_order(&self) -> bool {
        !self.config.follow
    }

    /// A position is a number of bytes (of Parquet: of rows) behind which a record begins. Compression is no part of it: bytes are
    /// counted uncompressed.
    fn state_layout(&self) -> Vec<(String, String)> {
        let FileSourceConfig { format, text, .. } = &self.config;
        let mut facts = vec![("format".to_owned(), format.name().to_owned())];
        if *format == FileFormat::Csv {
            facts.push(("header".to_owned(), text.csv.header.to_string()));
            facts.push(("delimiter".to_owned(), char::from(text.csv.delimiter).escape_default().to_string()));
        }
        facts
    }

    fn places(&self) -> Vec<Place> {
        // What cannot be listed now is said when the job starts.
        let files = self.paths().unwrap_or_default();
        let letters = |file: &PathBuf| Place::new(self.dead_letter_path(file), Access::Append).of_part("the bad rows");
        let letters: Vec<Place> = match self.config.bad_rows {
            BadRows::DeadLetter if files.is_empty() && !self.config.is_glob() => vec![letters(&PathBuf::from(&self.config.path))],
            BadRows::DeadLetter => files.iter().map(letters).collect(),
            _ => Vec::new(),
        };
        let pattern = self.config.is_glob().then(|| is_like(&self.config.path)).flatten();
        let pattern = pattern.map(|test| Place::new(&self.config.path, Access::ReadLike(test)));
        let files = files.into_iter().map(|file| Place::new(file, Access::Read));
        pattern.into_iter().chain(files).chain(letters).collect()
    }

    fn gives_letters(&self) -> bool {
        self.config.bad_rows == BadRows::Sink
    }

    fn describe(&self) -> String {
        let FileSourceConfig { path, format, compression, follow, bad_rows, .. } = &self.config;
        let mut text = format!("file {path} ({}", format.name());
        if *compression != Compression::None {
            text += &format!(", {}", compression.name());
        }
        if *follow {
            text += ", followed";
        }
        text += match bad_rows {
            BadRows::Fail => ")",
            BadRows::Skip => "), bad rows are skipped",
            BadRows::DeadLetter => "), bad rows go to ",
            BadRows::Sink => "), bad rows go to a sink",
        };
        if *bad_rows == BadRows::DeadLetter {
            text += &match (&self.config.dead_letter_path, self.config.is_glob()) {
                (None, true) => format!("{}/", below(Path::new(DEAD_LETTERS), &glob_folder(path)).display()),
                (Some(folder), true) => format!("{}/", folder.display()),
                (_, false) => self.dead_letter_path(Path::new(path)).display().to_string(),
            };
        }
        text
    }
}

#[cfg(test)]
#[path = "tests/source.rs"]
mod tests;

#[cfg(test)]
#[path = "tests/rotation.rs"]
mod rotation_tests;
