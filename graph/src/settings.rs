//! The settings of an algorithm, as in `neighbourhood(hops => 2)`. Types and ranges are checked, and errors suggest the nearest name.

use egret_core::{Error, Result, Subject, suggest};
use std::fmt;
use std::ops::RangeInclusive;

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A length of time, in microseconds.
    Duration(i64),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Duration(us) => write!(f, "{}", egret_core::Length(*us)),
        }
    }
}

/// The settings given to `owner`. The owner reads them one by one, and unread ones are errors.
pub(crate) struct Settings<'a> {
    owner: &'a str,
    given: &'a [(String, Setting)],
    known: Vec<&'static str>,
}

impl<'a> Settings<'a> {
    /// # Errors
    /// A setting is given twice.
    pub(crate) fn new(owner: &'a str, given: &'a [(String, Setting)]) -> Result<Self> {
        let settings = Self { owner, given, known: Vec::new() };
        for (index, (name, _)) in given.iter().enumerate() {
            if given[..index].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(settings.wrong(name, "is given twice").help("keep one of them"));
            }
        }
        Ok(settings)
    }

    /// Reads a whole number in a range.
    pub(crate) fn whole_number(&mut self, name: &'static str, default: u32, range: RangeInclusive<u32>) -> Result<u32> {
        let (least, most) = (range.start(), range.end());
        match self.take(name) {
            None => Ok(default),
            Some(&Setting::Integer(number)) => {
                u32::try_from(number).ok().filter(|number| range.contains(number)).ok_or_else(|| {
                    self.wrong(name, &format!("is {number}, out of range")).help(format!("{name} goes from {least} up to {most}"))
                })
            }
            Some(other) => Err(self.wrong_type(name, other, "a whole number")),
        }
    }

    /// Reads one of several words. The first one is the default.
    pub(crate) fn word(&mut self, name: &'static str, words: &[&'static str]) -> Result<&'static str> {
        let listed = || words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        match self.take(name) {
            None => Ok(words[0]),
            Some(Setting::Text(text)) => {
                let known = words.iter().copied().find(|word| word.eq_ignore_ascii_case(text));
                known.ok_or_else(|| {
                    let help = suggest(text, words).map_or_else(listed, |near| format!("'{near}'"));
                    self.wrong(name, &format!("is '{text}'")).help(format!("write {name} => {help}"))
                })
            }
            Some(other) => Err(self.wrong_type(name, other, &listed())),
        }
    }

    /// # Errors
    /// A setting was not read. The message suggests the nearest name.
    pub(crate) fn finish(self) -> Result<()> {
        let is_known = |name: &str| self.known.iter().any(|known| known.eq_ignore_ascii_case(name));
        let Some((name, _)) = self.given.iter().find(|(name, _)| !is_known(name)) else { return Ok(()) };
        let help = match suggest(&name.to_lowercase(), &self.known) {
            Some(near) => format!("did you mean '{near}'?"),
            None if self.known.is_empty() => format!("{} has no settings", self.owner),
            None => format!("the settings are {}", self.known.join(", ")),
        };
        Err(Error::job(format!("{}: there is no setting '{name}' here", self.owner))
            .help(help)
            .about(Subject::Option(name.clone())))
    }

    fn take(&mut self, name: &'static str) -> Option<&'a Setting> {
        self.known.push(name);
        self.given.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn wrong_type(&self, name: &str, value: &Setting, wanted: &str) -> Error {
        self.wrong(name, &format!("is {value}, not {wanted}")).help(format!("write {name} => {wanted}"))
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        Error::job(format!("{}: setting '{name}' {what}", self.owner)).about(Subject::Option(name.to_owned()))
    }
}
