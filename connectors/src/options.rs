//! The options of a connector: names and values as text, as they stand in `WITH (...)`.

use egret_core::{Error, parse_duration, suggest};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Options by name. Which ones were asked for is remembered, so that the others can be reported.
///
/// ```
/// use egret_connectors::Options;
/// let options = Options::new([("path", "a.csv"), ("hedaer", "false")]);
/// assert_eq!(options.required("path")?, "a.csv");
/// assert!(options.flag("header", true)?);
/// let unused = options.check_unused().unwrap_err();
/// assert_eq!(unused.key(), Some("hedaer"));
/// assert!(unused.error().to_string().contains("did you mean 'header'?"));
/// # Ok::<(), egret_connectors::OptionError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    values: BTreeMap<String, String>,
    asked: RefCell<BTreeSet<String>>,
}

/// An error in an option; `key` says which, so that the planner can point at it in the text.
#[derive(Clone, Debug)]
pub struct OptionError {
    key: Option<String>,
    error: Error,
}

impl OptionError {
    /// The value of option `key` is wrong.
    pub fn of(key: &str, error: Error) -> Self {
        Self { key: Some(key.to_owned()), error }
    }

    /// The option that is wrong, if it is one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What is wrong.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// What is wrong, by value.
    pub fn into_error(self) -> Error {
        self.error
    }
}

impl From<Error> for OptionError {
    fn from(error: Error) -> Self {
        Self { key: None, error }
    }
}

impl From<OptionError> for Error {
    fn from(error: OptionError) -> Self {
        error.error
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "option '{key}': {}", self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

impl std::error::Error for OptionError {}

impl Options {
    /// Options from names and values.
    pub fn new<K: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = values.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { values, asked: RefCell::default() }
    }

    /// An option's value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.values.get(key).map(String::as_str)
    }

    /// An option that must be there.
    ///
    /// # Errors
    /// It is missing or empty.
    pub fn required(&self, key: &str) -> Result<&str, OptionError> {
        match self.get(key) {
            Some("") => Err(OptionError::of(key, Error::job(format!("the option '{key}' is empty")))),
            Some(value) => Ok(value),
            None => Err(self.missing(key)),
        }
    }

    /// An option is missing, or it is written wrongly.
    fn missing(&self, key: &str) -> OptionError {
        match suggest(key, self.values.keys().map(String::as_str).filter(|given| *given != "connector")) {
            Some(given) => OptionError::of(
                &given,
                Error::job(format!("there is no option '{given}' here")).help(format!("did you mean '{key}'?")),
            ),
            None => Error::job(format!("the option '{key}' is missing")).help(format!("add {key} = '...'")).into(),
        }
    }

    /// An option parsed as `T`; `what` names what is expected: "a whole number".
    ///
    /// # Errors
    /// It does not parse.
    pub fn parse<T: FromStr>(&self, key: &str, what: &str) -> Result<Option<T>, OptionError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.trim().parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(_) => Err(wrong(key, value, what)),
        }
    }

    /// An option that is a whole number of at least 1.
    ///
    /// # Errors
    /// It is something else.
    pub fn count(&self, key: &str) -> Result<Option<u64>, OptionError> {
        match self.parse::<u64>(key, "a whole number above 0")? {
            Some(0) => Err(wrong(key, "0", "a whole number above 0")),
            other => Ok(other),
        }
    }

    /// An option that is true or false.
    ///
    /// # Errors
    /// It is something else.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool, OptionError> {
        Ok(self.choice(key, &[("true", true), ("false", false)])?.unwrap_or(default))
    }

    /// An option that is one of some words.
    ///
    /// # Errors
    /// It is none of them; the message lists them.
    pub fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, OptionError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        if let Some((_, choice)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value.trim())) {
            return Ok(Some(*choice));
        }
        let listed: Vec<String> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
        Err(wrong(key, value, &format!("one of {}", listed.join(", "))))
    }

    /// An option that is a length of time: `500ms`, `10 s`, `5min`, `1h`, `1 day`.
    ///
    /// # Errors
    /// It is something else.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, OptionError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        parse_duration(value).map(Some).ok_or_else(|| wrong(key, value, "a length of time such as '500 ms', '10 s' or '5 min'"))
    }

    /// An option that is a number of bytes: `1000`, `64 KB`, `16 MiB`, `1GB`.
    ///
    /// # Errors
    /// It is something else.
    pub fn bytes(&self, key: &str) -> Result<Option<u64>, OptionError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        parse_bytes(value).map(Some).ok_or_else(|| wrong(key, value, "a number of bytes such as '64 KB' or '16 MiB'"))
    }

    /// An option that is one ASCII character; `\t` and `tab` are the tabulator.
    ///
    /// # Errors
    /// It is something else, or a quote or a line end.
    pub fn character(&self, key: &str) -> Result<Option<u8>, OptionError> {
        match self.get(key) {
            None => Ok(None),
            Some("\\t" | "tab") => Ok(Some(b'\t')),
            Some(value) => match value.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(Some(*byte)),
                _ => Err(wrong(key, value, "one ASCII character other than a quote, such as ';' or '\\t'")),
            },
        }
    }

    /// Fails if an option was given that nobody asked for.
    ///
    /// # Errors
    /// There is one; the message suggests the nearest that was asked for.
    pub fn check_unused(&self) -> Result<(), OptionError> {
        let asked = self.asked.borrow();
        let Some(key) = self.values.keys().find(|key| !asked.contains(*key) && *key != "connector") else { return Ok(()) };
        let error = Error::job(format!("there is no option '{key}' here"));
        let others = || asked.iter().map(String::as_str).filter(|name| *name != "connector");
        let help = match suggest(key, others()) {
            Some(name) => format!("did you mean '{name}'?"),
            None => format!("the options are {}", others().collect::<Vec<_>>().join(", ")),
        };
        Err(OptionError::of(key, error.help(help)))
    }
}

/// The error for a value that is not what it should be.
fn wrong(key: &str, value: &str, what: &str) -> OptionError {
    OptionError::of(key, Error::job(format!("the option '{key}' is '{value}'")).help(format!("it must be {what}")))
}

/// Splits `64 KB` into its number and its unit.
fn number_and_unit(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim().to_lowercase()))
}

/// `1000`, `64 KB`, `16 MiB`.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit.as_str() {
        "" | "b" | "byte" | "bytes" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number * factor;
    (1.0..1e18).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_parsed() {
        let options = Options::new([("n", "12"), ("on", "TRUE"), ("wait", "1.5 min"), ("size", "64KiB"), ("sep", "\\t")]);
        assert_eq!(options.count("n").unwrap(), Some(12));
        assert!(options.flag("on", false).unwrap());
        assert_eq!(options.duration("wait").unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(options.bytes("size").unwrap(), Some(65_536));
        assert_eq!(options.character("sep").unwrap(), Some(b'\t'));
        assert_eq!(options.get("absent"), None);
        options.check_unused().unwrap();
    }

    #[test]
    fn wrong_values_name_the_option_and_what_is_expected() {
        let options = Options::new([
            ("n", "many"),
            ("zero", "0"),
            ("on", "yes"),
            ("wait", "soon"),
            ("size", "big"),
            ("sep", "ab"),
            ("x", ""),
        ]);
        for (key, error) in [
            ("n", options.count("n").unwrap_err()),
            ("zero", options.count("zero").unwrap_err()),
            ("on", options.flag("on", false).unwrap_err()),
            ("wait", options.duration("wait").unwrap_err()),
            ("size", options.bytes("size").unwrap_err()),
            ("sep", options.character("sep").unwrap_err()),
            ("x", options.required("x").unwrap_err()),
        ] {
            assert_eq!(error.key(), Some(key), "{error}");
            assert!(error.error().to_string().contains(&format!("'{key}'")), "{error}");
        }
        assert_eq!(
            options.flag("on", false).unwrap_err().error().to_string(),
            "the option 'on' is 'yes'\nhelp: it must be one of 'true', 'false'"
        );
        let missing = options.required("path").unwrap_err();
        assert_eq!((missing.key(), missing.error().message()), (None, "the option 'path' is missing"));
    }

    #[test]
    fn unknown_options_are_listed_when_none_is_near() {
        let options = Options::new([("connector", "file"), ("colour", "red")]);
        let _ = (options.get("path"), options.get("format"));
        let error = options.check_unused().unwrap_err();
        assert_eq!(error.error().to_string(), "there is no option 'colour' here\nhelp: the options are format, path");
    }
}
