//! What a file source or sink needs to know.

use crate::format::{BadRows, CsvConfig, TextConfig};
use crate::options::{OptionError, Options, parse_bytes};
use egret_core::{Error, parse_duration};
use std::path::PathBuf;
use std::time::Duration;

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    Json,
    /// Apache Parquet.
    Parquet,
}

impl FileFormat {
    /// How it is called in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Csv => ".csv",
            Self::Json => ".jsonl",
            Self::Parquet => ".parquet",
        }
    }
}

/// How a file is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What a path's extensions say.
struct Detected {
    format: Option<FileFormat>,
    compression: Compression,
    is_tab_separated: bool,
}

fn detect(path: &str) -> Detected {
    let lower = path.to_lowercase();
    let (stem, compression) = match [(".gz", Compression::Gzip), (".zst", Compression::Zstd), (".zstd", Compression::Zstd)]
        .iter()
        .find_map(|(extension, compression)| Some((lower.strip_suffix(extension)?, *compression)))
    {
        Some(found) => found,
        None => (lower.as_str(), Compression::None),
    };
    let format = match stem.rsplit_once('.').map(|(_, extension)| extension) {
        Some("csv" | "tsv") => Some(FileFormat::Csv),
        Some("json" | "jsonl" | "ndjson") => Some(FileFormat::Json),
        Some("parquet" | "pq") => Some(FileFormat::Parquet),
        _ => None,
    };
    Detected { format, compression, is_tab_separated: stem.ends_with(".tsv") }
}

/// `path`, `format` and `compression`, as both directions have them.
struct Place {
    path: String,
    format: FileFormat,
    compression: Compression,
    csv: CsvConfig,
}

impl Place {
    fn from_options(options: &Options) -> Result<Self, OptionError> {
        let path = options.required("path")?.to_owned();
        let detected = detect(&path);
        let words = [
            ("csv", FileFormat::Csv),
            ("json", FileFormat::Json),
            ("jsonl", FileFormat::Json),
            ("ndjson", FileFormat::Json),
            ("parquet", FileFormat::Parquet),
        ];
        let Some(format) = options.choice("format", &words)?.or(detected.format) else {
            let error = Error::job(format!("the format of '{path}' cannot be told from its name"));
            return Err(OptionError::of("path", error.help("add format = 'csv', 'json' or 'parquet'")));
        };
        let words = [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
        let compression = options.choice("compression", &words)?.unwrap_or(detected.compression);
        if format == FileFormat::Parquet && compression != Compression::None {
            let error = Error::job("Parquet files are not compressed as a whole")
                .help("leave the compression away: their pages are compressed");
            return Err(OptionError::of("compression", error));
        }
        let mut csv = CsvConfig::from_options(options)?;
        if detected.is_tab_separated && options.get("delimiter").is_none() {
            csv.delimiter = b'\t';
        }
        Ok(Self { path, format, compression, csv })
    }
}

/// What a file source needs to know.
#[derive(Clone, Debug)]
pub struct FileSourceConfig {
    /// A file or a glob.
    pub path: String,
    /// The format.
    pub format: FileFormat,
    /// The compression of the whole file.
    pub compression: Compression,
    /// Whether to wait for the file to grow.
    pub follow: bool,
    /// How often to look whether it has.
    pub follow_every: Duration,
    /// What happens to bad rows.
    pub bad_rows: BadRows,
    /// Where bad rows go; a folder if `path` is a glob. By default `out/<path>.bad`: of `in/t.csv` it is `out/in/t.csv.bad`.
    pub dead_letter_path: Option<PathBuf>,
    /// How text becomes rows.
    pub text: TextConfig,
}

impl FileSourceConfig {
    /// Defaults for a path; format and compression are told by its extensions.
    ///
    /// # Errors
    /// The extension is none that is known.
    pub fn new(path: &str) -> Result<Self, OptionError> {
        Self::from_options(&Options::new([("path", path)]))
    }

    /// From options; see the module.
    ///
    /// # Errors
    /// One of them is wrong, or they do not fit together.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let place = Place::from_options(options)?;
        let config = Self {
            follow: options.flag("follow", false)?,
            follow_every: options.duration("follow_every")?.unwrap_or(Duration::from_millis(100)),
            bad_rows: BadRows::from_options(options)?,
            dead_letter_path: options.get("dead_letter_path").map(PathBuf::from),
            text: TextConfig { csv: place.csv, ..TextConfig::from_options(options)? },
            path: place.path,
            format: place.format,
            compression: place.compression,
        };
        config.check()?;
        Ok(config)
    }

    /// Whether the path is a pattern.
    pub(super) fn is_glob(&self) -> bool {
        self.path.contains(['*', '?', '['])
    }

    fn check(&self) -> Result<(), OptionError> {
        if self.follow && (self.format == FileFormat::Parquet || self.compression != Compression::None) {
            let error = Error::job(format!("'{}' cannot be followed: only plain CSV and JSON files grow by lines", self.path));
            return Err(OptionError::of("follow", error.help("leave follow away, or write a plain file")));
        }
        if self.dead_letter_path.is_some() && self.bad_rows != BadRows::DeadLetter {
            let error = Error::job("dead_letter_path has no use here").help("add bad_rows = 'dead_letter'");
            return Err(OptionError::of("dead_letter_path", error));
        }
        Ok(())
    }
}

/// What a file sink needs to know.
#[derive(Clone, Debug)]
pub struct FileSinkConfig {
    /// A file; with `rolling` a folder.
    pub path: PathBuf,
    /// The format.
    pub format: FileFormat,
    /// The compression of the whole file.
    pub compression: Compression,
    /// When a part is complete; `None` for one file.
    pub rolling: Option<Rolling>,
    /// How CSV is written.
    pub csv: CsvConfig,
}

impl FileSinkConfig {
    /// Defaults for a path; format and compression are told by its extensions.
    ///
    /// # Errors
    /// The extension is none that is known.
    pub fn new(path: &str) -> Result<Self, OptionError> {
        Self::from_options(&Options::new([("path", path)]))
    }

    /// From options; see the module.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let place = Place::from_options(options)?;
        let rolling = options.get("rolling").map(Rolling::parse).transpose()?;
        Ok(Self { path: place.path.into(), format: place.format, compression: place.compression, rolling, csv: place.csv })
    }
}

/// When a part is complete: whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rolling {
    /// It has so many rows.
    pub rows: Option<u64>,
    /// It has so many bytes, before compression.
    pub bytes: Option<u64>,
    /// It is so old.
    pub interval: Option<Duration>,
}

impl Rolling {
    /// `rows:100000`, `bytes:64 MB`, `interval:1 min`, or several with commas between.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let mut rolling = Self::default();
        for rule in text.split(',') {
            let (name, value) = rule.split_once(':').unwrap_or((rule, ""));
            let known = match name.trim() {
                "rows" => value.trim().parse().ok().filter(|rows| *rows > 0).map(|rows| rolling.rows = Some(rows)),
                "bytes" => parse_bytes(value).map(|bytes| rolling.bytes = Some(bytes)),
                "interval" => parse_duration(value).map(|interval| rolling.interval = Some(interval)),
                _ => None,
            };
            if known.is_none() {
                let error = Error::job(format!("rolling does not understand '{}'", rule.trim()));
                let help = "write for example 'rows:100000', 'bytes:64 MB', 'interval:1 min', or several with commas between";
                return Err(OptionError::of("rolling", error.help(help)));
            }
        }
        Ok(rolling)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn extensions_tell_format_and_compression() {
        let of =
            |path: &str| FileSourceConfig::new(path).map(|config| (config.format, config.compression, config.text.csv.delimiter));
        assert_eq!(of("a/b.CSV").unwrap(), (FileFormat::Csv, Compression::None, b','));
        assert_eq!(of("b.tsv.gz").unwrap(), (FileFormat::Csv, Compression::Gzip, b'\t'));
        assert_eq!(of("*.jsonl.zst").unwrap(), (FileFormat::Json, Compression::Zstd, b','));
        assert_eq!(of("b.parquet").unwrap().0, FileFormat::Parquet);
        assert_eq!(of("b.txt").unwrap_err().key(), Some("path"));
    }

    #[test]
    fn options_that_do_not_fit_together() {
        let key = |options: &[(&str, &str)]| {
            FileSourceConfig::from_options(&Options::new(options.iter().copied())).unwrap_err().key().map(str::to_owned)
        };
        assert_eq!(key(&[("path", "a.csv.gz"), ("follow", "true")]), Some("follow".into()));
        assert_eq!(key(&[("path", "a.parquet"), ("compression", "gzip")]), Some("compression".into()));
        assert_eq!(key(&[("path", "a.csv"), ("dead_letter_path", "x")]), Some("dead_letter_path".into()));
        assert_eq!(key(&[("path", "a.csv"), ("delimiter", "ab")]), Some("delimiter".into()));
    }

    #[test]
    fn rolling_is_a_list_of_rules() {
        let rolling = Rolling::parse("rows:10, interval:1 min").unwrap();
        assert_eq!(rolling, Rolling { rows: Some(10), bytes: None, interval: Some(Duration::from_secs(60)) });
        for text in ["", "rows", "rows:0", "rows:x", "size:3", "bytes:-1"] {
            assert_eq!(Rolling::parse(text).unwrap_err().key(), Some("rolling"), "{text}");
        }
    }
}
