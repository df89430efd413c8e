//! What can go wrong, sorted by who can fix it.

use crate::Subject;
use std::fmt;

/// The result of everything in Egret that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error, sorted by what the caller can do about it.
///
/// ```
/// use egret_core::Error;
/// let error = Error::data("line 3: 'abc' is not a number").context("file transactions.csv").help("set bad_rows = 'skip'");
/// assert_eq!(error.to_string(), "file transactions.csv: line 3: 'abc' is not a number\nhelp: set bad_rows = 'skip'");
/// assert!(!error.may_retry());
/// ```
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The job's text or options are wrong, or something it names cannot be used and will not become usable by itself (a folder
    /// without write permission, an output that was closed): the user fixes it.
    #[error("{0}")]
    Job(Report),
    /// A row is wrong: the user fixes the data, or chooses a policy for bad rows.
    #[error("{0}")]
    Data(Report),
    /// A disk, a file or a peer failed: trying again may help.
    #[error("{0}")]
    External(Report),
    /// Saved state cannot be used: it is damaged, of another version, or of something else. The user decides: use another copy,
    /// or start without it.
    #[error("{0}")]
    State(Report),
    /// An invariant of Egret did not hold: a bug in Egret.
    #[error("{0}")]
    Bug(Report),
}

/// The content of an [`Error`]: the cause, where it happened (outermost first), the remedy, and the parts of the statement it is
/// about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    message: String,
    context: Vec<String>,
    help: Option<Box<str>>,
    subjects: Vec<Subject>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause())?;
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl Report {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// The places, then the message.
    fn cause(&self) -> String {
        self.context.iter().rev().flat_map(|place| [place.as_str(), ": "]).chain([self.message.as_str()]).collect()
    }
}

impl Error {
    /// The job is wrong.
    pub fn job(message: impl Into<String>) -> Self {
        Self::Job(Report::new(message))
    }

    /// A row is wrong.
    pub fn data(message: impl Into<String>) -> Self {
        Self::Data(Report::new(message))
    }

    /// The outside world failed.
    pub fn external(message: impl Into<String>) -> Self {
        Self::External(Report::new(message))
    }

    /// Saved state cannot be used; a retry does not help.
    pub fn state(message: impl Into<String>) -> Self {
        Self::State(Report::new(message))
    }

    /// An operation that the operating system refused. It is an error of the job if it lasts until somebody changes permissions,
    /// names or mounts, else of the outside world.
    pub fn io(kind: std::io::ErrorKind, message: impl Into<String>) -> Self {
        if lasts(kind) { Self::job(message) } else { Self::external(message) }
    }

    /// Egret is wrong.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::Bug(Report::new(message))
    }

    /// Says where it happened; the last place added is printed first.
    #[must_use]
    pub fn context(mut self, place: impl Into<String>) -> Self {
        self.report_mut().context.push(place.into());
        self
    }

    /// Says what the reader can do.
    #[must_use]
    pub fn help(mut self, remedy: impl Into<String>) -> Self {
        self.report_mut().help = Some(remedy.into().into_boxed_str());
        self
    }

    /// Adds the part of a statement that the error is about. Of nested parts the innermost is added first.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.report_mut().subjects.push(subject);
        self
    }

    /// The parts of a statement that the error is about, the innermost first; empty if none was added.
    pub fn subjects(&self) -> &[Subject] {
        &self.report().subjects
    }

    /// The message and where it happened, without the remedy.
    pub fn cause(&self) -> String {
        self.report().cause()
    }

    /// What the reader can do, if known.
    pub fn remedy(&self) -> Option<&str> {
        self.report().help.as_deref()
    }

    /// Whether the same call may succeed later.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::External(_))
    }

    /// The cause alone, without places and remedy.
    pub fn message(&self) -> &str {
        &self.report().message
    }

    fn report(&self) -> &Report {
        match self {
            Self::Job(report) | Self::Data(report) | Self::External(report) | Self::State(report) | Self::Bug(report) => report,
        }
    }

    fn report_mut(&mut self) -> &mut Report {
        match self {
            Self::Job(report) | Self::Data(report) | Self::External(report) | Self::State(report) | Self::Bug(report) => report,
        }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        use arrow::error::ArrowError as A;
        match error {
            A::IoError(message, error) => Self::io(error.kind(), message),
            other => Self::data(reason(&other)),
        }
    }
}

impl From<datafusion_common::DataFusionError> for Error {
    fn from(error: datafusion_common::DataFusionError) -> Self {
        use datafusion_common::DataFusionError as D;
        match error.find_root() {
            D::ArrowError(arrow, _) => Self::data(reason(arrow)),
            D::Execution(text) => Self::data(text.clone()),
            D::External(_) => Self::data(error.strip_backtrace()),
            D::Internal(_) => Self::bug(error.strip_backtrace()),
            _ => Self::job(error.strip_backtrace()),
        }
    }
}

/// Arrow's message about values, without the name of its error variant.
fn reason(error: &arrow::error::ArrowError) -> String {
    use arrow::error::ArrowError as A;
    match error {
        A::DivideByZero => "division by zero".into(),
        A::ArithmeticOverflow(text) | A::CastError(text) | A::ComputeError(text) | A::ParseError(text) => {
            crate::type_names::in_sql_types(text)
        }
        A::InvalidArgumentError(text) => text.clone(),
        other => other.to_string(),
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::io(error.kind(), error.to_string())
    }
}

/// Whether trying again is useless.
fn lasts(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::AlreadyExists
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::InvalidInput
            | Kind::InvalidFilename
            | Kind::Unsupported
    )
}

impl From<postcard::Error> for Error {
    fn from(error: postcard::Error) -> Self {
        Self::state(format!("state does not decode: {error}")).help("restore an older checkpoint, or start without state")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind as Kind;

    #[test]
    fn what_it_is_about_is_no_text() {
        let error = Error::job("no such column").about(Subject::Column("x".into())).context("DEFINE b").context("the pattern p");
        let error = error.about(Subject::Define("b".into())).help("name another");
        assert_eq!(error.subjects(), [Subject::Column("x".into()), Subject::Define("b".into())], "the innermost first");
        assert_eq!(error.cause(), "the pattern p: DEFINE b: no such column");
        assert_eq!(error.remedy(), Some("name another"));
        assert_eq!(error.to_string(), "the pattern p: DEFINE b: no such column\nhelp: name another");
        assert_eq!((Error::bug("a belief").subjects(), Error::bug("a belief").remedy()), ([].as_slice(), None));
    }

    #[test]
    fn what_lasts_is_not_tried_again() {
        let tried_again = |kind: Kind| Error::from(std::io::Error::from(kind)).may_retry();
        for lasts in [Kind::PermissionDenied, Kind::ReadOnlyFilesystem, Kind::NotADirectory, Kind::AlreadyExists] {
            assert!(!tried_again(lasts), "{lasts:?}");
        }
        for passes in [Kind::StorageFull, Kind::TimedOut, Kind::ConnectionReset, Kind::Interrupted, Kind::NotFound, Kind::Other] {
            assert!(tried_again(passes), "{passes:?}");
        }
        for (error, again) in [
            (Error::state("it is of another learner"), false),
            (Error::bug("a belief"), false),
            (Error::external("a peer"), true),
        ] {
            assert_eq!(error.may_retry(), again, "{error}");
        }
        assert!(!Error::from(postcard::Error::DeserializeUnexpectedEnd).may_retry(), "bytes that do not decode never will");
    }
}
