//! Options as a user writes them, `name => value`. Types and ranges are checked; for a misspelt name the message suggests the nearest
//! one.

use egret_core::{Error, Result, Subject, suggest};
use std::fmt;

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgValue {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// True or false.
    Boolean(bool),
}

impl fmt::Display for ArgValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Boolean(value) => write!(f, "{value}"),
        }
    }
}

/// The numbers that an option accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) is_least_in: bool,
}

impl Range {
    /// From `least`, which is included, up to `most`.
    pub(crate) fn from(least: f64, most: f64) -> Self {
        Self { least, most, is_least_in: true }
    }

    /// Above `least`, which is excluded, up to `most`.
    pub(crate) fn above(least: f64, most: f64) -> Self {
        Self { least, most, is_least_in: false }
    }

    fn has(&self, number: f64) -> bool {
        number <= self.most && (number > self.least || self.is_least_in && number == self.least)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = if self.is_least_in { "from" } else { "above" };
        write!(f, "{from} {} up to {}", self.least, self.most)
    }
}

/// The options given to `owner`. Whoever knows an option takes it; [`Options::finish`] refuses those that are left.
pub(crate) struct Options<'a> {
    owner: &'a str,
    given: &'a [(String, ArgValue)],
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    /// The options given.
    ///
    /// # Errors
    /// One is given twice.
    pub(crate) fn new(owner: &'a str, given: &'a [(String, ArgValue)]) -> Result<Self> {
        for (index, (name, _)) in given.iter().enumerate() {
            if given[..index].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                let twice = Error::job(format!("{owner}: option '{name}' is given twice")).help("keep one of them");
                return Err(twice.about(Subject::Option(name.clone())));
            }
        }
        Ok(Self { owner, given, known: Vec::new() })
    }

    fn take(&mut self, name: &'static str) -> Option<&'a ArgValue> {
        self.known.push(name);
        self.given.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn wrong_type(&self, name: &str, value: &ArgValue, wanted: &str) -> Error {
        self.wrong(name, &format!("is {value}, not {wanted}")).help(format!("write {name} => {wanted}"))
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        Error::job(format!("{}: option '{name}' {what}", self.owner)).about(Subject::Option(name.to_owned()))
    }

    pub(crate) fn number(&mut self, name: &'static str, default: f64, range: Range) -> Result<f64> {
        Ok(self.optional_number(name, range)?.unwrap_or(default))
    }

    pub(crate) fn optional_number(&mut self, name: &'static str, range: Range) -> Result<Option<f64>> {
        match self.take(name) {
            None => Ok(None),
            Some(ArgValue::Number(number)) if range.has(*number) => Ok(Some(*number)),
            Some(ArgValue::Number(number)) => {
                Err(self.wrong(name, &format!("is {number}, out of range")).help(format!("{name} goes {range}")))
            }
            Some(other) => Err(self.wrong_type(name, other, "a number")),
        }
    }

    pub(crate) fn whole_number(&mut self, name: &'static str, default: u32, range: Range) -> Result<u32> {
        let number = self.number(name, f64::from(default), range)?;
        if number.fract() != 0.0 {
            return Err(self.wrong(name, &format!("is {number}, not a whole number")));
        }
        Ok(number as u32)
    }

    pub(crate) fn boolean(&mut self, name: &'static str, default: bool) -> Result<bool> {
        match self.take(name) {
            None => Ok(default),
            Some(ArgValue::Boolean(value)) => Ok(*value),
            Some(other) => Err(self.wrong_type(name, other, "true or false")),
        }
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<&'a str>> {
        match self.take(name) {
            None => Ok(None),
            Some(ArgValue::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(name, other, "'a text'")),
        }
    }

    /// Checks that every given option was taken.
    ///
    /// # Errors
    /// One was not; the message suggests the nearest option that there is.
    pub(crate) fn finish(self) -> Result<()> {
        let is_known = |name: &str| self.known.iter().any(|known| known.eq_ignore_ascii_case(name));
        match self.given.iter().find(|(name, _)| !is_known(name)) {
            None => Ok(()),
            Some((name, _)) => Err(Error::job(format!("{}: there is no option '{name}' here", self.owner))
                .help(nearest(&name.to_lowercase(), &self.known, "the options are"))
                .about(Subject::Option(name.clone()))),
        }
    }
}

/// "did you mean ...?" if a candidate is near, otherwise the list of candidates.
pub(crate) fn nearest(name: &str, candidates: &[&str], introduction: &str) -> String {
    match suggest(name, candidates) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("{introduction} {}", candidates.join(", ")),
    }
}
