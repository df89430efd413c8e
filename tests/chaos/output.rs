//! The output of a job, by file and row.

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Whether the rows of an output have a fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Yes: every byte must be the same.
    InOrder,
    /// No: any order is right.
    InAnyOrder,
}

/// The form of an output.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// Its path below `out`.
    name: &'static str,
    is_folder: bool,
    rows: Rows,
    header: Option<&'static str>,
    /// The greatest number of rows in a part.
    most: usize,
    /// Whether rows are visible as soon as they are read, whether or not their checkpoint completes.
    at_once: bool,
}

impl Form {
    /// One file.
    pub(crate) fn file(name: &'static str, rows: Rows) -> Self {
        Self { name, is_folder: false, rows, header: None, most: usize::MAX, at_once: false }
    }

    /// A folder of parts.
    pub(crate) fn folder(name: &'static str, rows: Rows) -> Self {
        Self { is_folder: true, ..Self::file(name, rows) }
    }

    /// Sets the line with which each file begins.
    pub(crate) fn headed(mut self, header: &'static str) -> Self {
        self.header = Some(header);
        self
    }

    /// Limits the rows of a part.
    pub(crate) fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Makes rows visible without a checkpoint.
    pub(crate) fn at_once(mut self) -> Self {
        self.at_once = true;
        self
    }
}

/// The lines of a file with their line ends, including the header; for a Parquet file its rows as JSON.
type Lines = Vec<String>;

/// All files, by their paths below `out`.
pub(crate) struct Output {
    files: BTreeMap<String, Lines>,
    forms: Vec<Form>,
}

impl Output {
    /// Reads the output of a job that has run to its end.
    ///
    /// # Errors
    /// A file cannot be decoded.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        Self::read_if(folder, |_| false)
    }

    /// Reads the output of a job that has not run to its end: a compressed file may be cut off if the job died while appending to
    /// it.
    ///
    /// # Errors
    /// A file cannot be decoded.
    pub(crate) fn read_begun(folder: &Path) -> Result<Self, String> {
        Self::read_if(folder, |error| error.kind() == ErrorKind::UnexpectedEof)
    }

    fn read_if(folder: &Path, is_right: fn(&std::io::Error) -> bool) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        let out = folder.join("out");
        if out.exists() {
            visit(&out, "", &mut files, is_right)?;
        }
        Ok(Self { files, forms: Vec::new() })
    }

    /// The files, and how many lines each has.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, lines) in &self.files {
            *sizes.entry(path.split_once("/part-").map_or(path, |(folder, _)| folder)).or_default() += lines.len();
        }
        sizes.into_iter()
    }

    /// Checks that the output of an undisturbed job has these forms and nothing else.
    ///
    /// # Errors
    /// It does not have them.
    pub(crate) fn in_forms(mut self, forms: &[Form]) -> Result<Self, String> {
        forms.iter().try_for_each(|form| self.rows(form).map(|_| ()))?;
        self.forms = forms.to_vec();
        self.check_names(&self)?;
        Ok(self)
    }

    /// Whether a job shows rows that a checkpoint has published.
    pub(crate) fn has_published(&self, found: &Self) -> bool {
        let mut published = self.forms.iter().filter(|form| !form.at_once);
        published.any(|form| found.files_of(form).any(|(_, lines)| !lines.is_empty()))
    }

    /// # Errors
    /// The output of a job that has run to its end differs from this one; says how.
    pub(crate) fn compare(&self, found: &Self) -> Result<(), String> {
        self.check_names(found)?;
        for form in &self.forms {
            let (mut expected, mut found) = (self.rows(form)?, found.rows(form)?);
            if form.rows == Rows::InAnyOrder {
                expected.sort_unstable();
                found.sort_unstable();
            }
            if expected != found {
                return Err(difference(form.name, &expected, &found));
            }
        }
        Ok(())
    }

    /// # Errors
    /// A job that has not run to its end shows something that is not in this output, or twice, or out of order.
    pub(crate) fn check_begun(&self, found: &Self) -> Result<(), String> {
        for form in &self.forms {
            let (mut expected, mut rows) = (self.rows(form)?, found.rows(form)?);
            // The job may have died while appending a line.
            if rows.last().is_some_and(|last| !last.ends_with('\n')) {
                rows.pop();
            }
            if form.rows == Rows::InAnyOrder {
                expected.sort_unstable();
                rows.sort_unstable();
                let mut rest = expected.iter();
                if let Some(row) = rows.iter().find(|row| !rest.any(|expected| expected == *row)) {
                    return Err(format!("{}: {row:?} should not be there, or not so often", form.name));
                }
            } else if !expected.starts_with(&rows) {
                return Err(difference(form.name, &expected, &rows));
            }
        }
        Ok(())
    }

    /// Checks that no file is missing and that there are no others.
    fn check_names(&self, found: &Self) -> Result<(), String> {
        for path in found.files.keys() {
            let is_expected = self.forms.iter().any(|form| match path.strip_prefix(form.name) {
                Some(rest) if form.is_folder => is_part(rest) || is_record(rest),
                Some(rest) => rest.is_empty(),
                None => !form.is_folder && *path == format!(".{}.published", form.name),
            });
            if !is_expected {
                return Err(format!("{path} should not be there"));
            }
        }
        let is_there = |form: &&Form| found.files_of(form).next().is_some();
        match self.forms.iter().find(|form| !is_there(form)) {
            Some(form) => Err(format!("{} is missing", form.name)),
            None => Ok(()),
        }
    }

    /// The files of an output; those of a folder in the order in which they were written.
    fn files_of(&self, form: &Form) -> impl Iterator<Item = (&str, &Lines)> {
        let mut files: Vec<_> = match form.is_folder {
            false => self.files.get_key_value(form.name).into_iter().collect(),
            true => self.files.iter().filter(|(path, _)| path.strip_prefix(form.name).is_some_and(is_part)).collect(),
        };
        files.sort_by_key(|(path, _)| numbers(path));
        files.into_iter().map(|(path, lines)| (path.as_str(), lines))
    }

    /// The rows of an output, without headers; fails if one stands where it does not belong.
    fn rows(&self, form: &Form) -> Result<Lines, String> {
        let mut all = Vec::new();
        for (path, lines) in self.files_of(form) {
            let mut rows = lines.as_slice();
            if let (Some(header), Some((first, rest))) = (form.header, lines.split_first()) {
                if first.trim_end() != header {
                    return Err(format!("{path} begins with {first:?} and not with its header"));
                }
                rows = rest;
            }
            if rows.len() > form.most {
                return Err(format!("{path} has {} rows, and may have {}", rows.len(), form.most));
            }
            if form.is_folder && rows.is_empty() {
                return Err(format!("{path} has no rows"));
            }
            all.extend_from_slice(rows);
        }
        Ok(all)
    }
}

/// Reads a folder and its subfolders. Hidden files are listed, not read.
fn visit(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Lines>,
    is_right: fn(&std::io::Error) -> bool,
) -> Result<(), String> {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            visit(&path, &format!("{name}/"), files, is_right)?;
        } else {
            let lines = if is_hidden(&name) { Ok(Vec::new()) } else { lines(&path, is_right) };
            files.insert(name.clone(), lines.map_err(|why| format!("{name} does not read: {why}"))?);
        }
    }
    Ok(())
}

fn is_hidden(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with('.'))
}

/// `/part-1-12.csv.gz`.
fn is_part(rest: &str) -> bool {
    rest.starts_with("/part-") && numbers(rest).is_some()
}

/// `/.part-1.published`, the record of what was published.
fn is_record(rest: &str) -> bool {
    let worker = rest.strip_prefix("/.part-").and_then(|rest| rest.strip_suffix(".published"));
    worker.is_some_and(|worker| worker.parse::<usize>().is_ok())
}

/// The worker and the number of a part.
fn numbers(path: &str) -> Option<(u64, u64)> {
    let (worker, rest) = path.rsplit_once("/part-")?.1.split_once('-')?;
    Some((worker.parse().ok()?, rest.split('.').next()?.parse().ok()?))
}

fn lines(path: &Path, is_right: fn(&std::io::Error) -> bool) -> Result<Lines, String> {
    let mut file = File::open(path).unwrap();
    let mut bytes = Vec::new();
    let read = match path.extension().map(|extension| extension.to_string_lossy()).as_deref() {
        Some("parquet") => return rows(file),
        Some("gz") => flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes),
        Some("zst") => zstd::stream::read::Decoder::new(file).and_then(|mut decoder| decoder.read_to_end(&mut bytes)),
        _ => file.read_to_end(&mut bytes),
    };
    read.map(|_| ()).or_else(|error| if is_right(&error) { Ok(()) } else { Err(error.to_string()) })?;
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    Ok(text.split_inclusive('\n').map(str::to_owned).collect())
}

/// The rows of a Parquet file as JSON.
fn rows(file: File) -> Result<Lines, String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    let batches: Vec<RecordBatch> =
        reader.map_err(|error| error.to_string())?.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer
        .write_batches(&batches.iter().collect::<Vec<_>>())
        .and_then(|()| writer.finish())
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8(writer.into_inner()).map_err(|error| error.to_string())?;
    Ok(text.split_inclusive('\n').map(str::to_owned).collect())
}

fn difference(name: &str, expected: &[String], found: &[String]) -> String {
    let place = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let (found_there, expected_there) = (found.get(place), expected.get(place));
    format!(
        "{name} has {} rows, undisturbed it has {}; at row {place} there is {found_there:?} and should be {expected_there:?}",
        found.len(),
        expected.len()
    )
}
