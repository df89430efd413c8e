//! Faults of a text and their places: found by the parser and by the planner, shown the way `rustc` does.

use std::fmt;

use ariadne::{Color, Config, IndexType, Label, Report, ReportKind, Source};

use crate::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The job cannot run.
    Error,
    /// The job can run, but perhaps not as intended.
    Warning,
}

/// How a fault is related to others. It decides whether the fault is left out, whatever its message says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The fault is independent of others.
    #[default]
    Own,
    /// The fault only follows from another one, which is reported elsewhere.
    Consequence,
    /// There is nothing of this name; for `ring.size`, the whole of it.
    Missing(String),
    /// A sink to which nothing is written.
    Unwritten,
}

/// One fault: what is wrong, where, and what to do.
///
/// ```
/// use egret_dsl::{Diagnostic, Span, render};
/// let text = "INSERT INTO alerts SELECT * FROM txnn";
/// let diagnostic = Diagnostic::error("unknown stream `txnn`")
///     .label(Span::new(33, 37), "there is no such stream")
///     .help("did you mean `txn`?");
/// let shown = render(&[diagnostic], "job.egret", text, false);
/// assert!(shown.contains("Error: unknown stream `txnn`"));
/// assert!(shown.contains("job.egret:1:34"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// The places in the text, each with a few words; the first is where the fault lies.
    pub labels: Vec<(Span, String)>,
    /// What to do about it.
    pub help: Option<String>,
    /// Additional information.
    pub note: Option<String>,
    /// How it is related to others.
    pub cause: Box<Cause>,
}

impl Diagnostic {
    /// The job cannot run because of this.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// The job can run in spite of this.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), labels: Vec::new(), help: None, note: None, cause: Box::default() }
    }

    /// Adds a place and a few words about it.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    /// Says what to do; the last call counts.
    #[must_use]
    pub fn help(mut self, remedy: impl Into<String>) -> Self {
        self.help = Some(remedy.into());
        self
    }

    /// Says ``did you mean `x`?`` when there is an `x`; leaves the help as it was when there is none.
    #[must_use]
    pub fn suggestion(mut self, word: Option<String>) -> Self {
        if let Some(word) = word {
            self.help = Some(format!("did you mean `{word}`?"));
        }
        self
    }

    /// Adds further information.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Sets how it is related to others.
    #[must_use]
    pub fn because(mut self, cause: Cause) -> Self {
        *self.cause = cause;
        self
    }

    /// The name that does not exist, if that is the fault.
    pub fn missing(&self) -> Option<&str> {
        match &*self.cause {
            Cause::Missing(name) => Some(name),
            Cause::Own | Cause::Consequence | Cause::Unwritten => None,
        }
    }

    /// Whether the job cannot run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The place of the fault, if it has one.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|(span, _)| *span)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// Shows diagnostics with the lines of `text` they refer to, separated by blank lines. `text` is the text that was parsed,
/// `file_name` its name in the output. With `color`, terminal escapes colour the places.
pub fn render(diagnostics: &[Diagnostic], file_name: &str, text: &str, color: bool) -> String {
    let mut cache = (file_name, Source::from(text));
    let mut shown = String::new();
    for diagnostic in diagnostics.iter().take(SHOWN_MAX) {
        if !shown.is_empty() {
            shown.push('\n');
        }
        if diagnostic.labels.is_empty() || text.is_empty() {
            shown.push_str(&without_place(diagnostic, file_name));
            continue;
        }
        let mut bytes = Vec::new();
        let report = report(diagnostic, file_name, text, color);
        report.write(&mut cache, &mut bytes).expect("a vector takes all bytes, and the one file asked for is in the cache");
        for line in String::from_utf8_lossy(&bytes).lines() {
            shown.push_str(line.trim_end());
            shown.push('\n');
        }
    }
    if diagnostics.len() > SHOWN_MAX {
        shown.push_str(&format!("\nand {} more\n", diagnostics.len() - SHOWN_MAX));
    }
    shown
}

/// The most diagnostics that are shown; more would not be read.
const SHOWN_MAX: usize = 50;

fn report<'a>(
    diagnostic: &Diagnostic,
    file_name: &'a str,
    text: &str,
    color: bool,
) -> Report<'a, (&'a str, std::ops::Range<usize>)> {
    let (kind, first_color) = match diagnostic.severity {
        Severity::Error => (ReportKind::Error, Color::Red),
        Severity::Warning => (ReportKind::Warning, Color::Yellow),
    };
    let place = |span: Span| (file_name, span.within(text).range());
    let main = diagnostic.span().unwrap_or_default();
    let config = Config::default().with_index_type(IndexType::Byte).with_color(color);
    let mut report = Report::build(kind, place(main)).with_config(config).with_message(&diagnostic.message);
    for (order, (span, words)) in diagnostic.labels.iter().enumerate() {
        let label_color = if order == 0 { first_color } else { Color::Cyan };
        report = report.with_label(Label::new(place(*span)).with_message(words).with_color(label_color));
    }
    if let Some(help) = &diagnostic.help {
        report = report.with_help(help);
    }
    if let Some(note) = &diagnostic.note {
        report = report.with_note(note);
    }
    report.finish()
}

fn without_place(diagnostic: &Diagnostic, file_name: &str) -> String {
    let kind = match diagnostic.severity {
        Severity::Error => "Error",
        Severity::Warning => "Warning",
    };
    let mut shown = format!("{kind}: {}\n  in {file_name}\n", diagnostic.message);
    for (title, words) in [("Help", &diagnostic.help), ("Note", &diagnostic.note)] {
        if let Some(words) = words {
            shown.push_str(&format!("  {title}: {words}\n"));
        }
    }
    shown
}
