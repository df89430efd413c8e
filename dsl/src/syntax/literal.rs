//! Literal values: in options, in arguments, and as durations.

use std::fmt;

use crate::{Name, Span};

/// A duration: `INTERVAL '10' MINUTE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationLit {
    /// How long, in microseconds.
    pub us: u64,
    /// Where it stands.
    pub span: Span,
}

/// A literal value.
#[derive(Debug, Clone)]
pub struct Literal {
    /// The value.
    pub kind: LiteralKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of a [`Literal`].
#[derive(Debug, Clone, PartialEq)]
pub enum LiteralKind {
    /// `'file'`
    String(String),
    /// `-5`
    Integer(i64),
    /// `0.05`; always finite
    Float(f64),
    /// `true`
    Boolean(bool),
    /// `INTERVAL '5' SECOND`, in microseconds
    Duration(u64),
}

impl Literal {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            LiteralKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self.kind {
            LiteralKind::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The number, if it is one, whole or not.
    pub fn as_f64(&self) -> Option<f64> {
        match self.kind {
            LiteralKind::Integer(number) => Some(number as f64),
            LiteralKind::Float(number) => Some(number),
            _ => None,
        }
    }

    /// True or false, if it is either.
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            LiteralKind::Boolean(flag) => Some(flag),
            _ => None,
        }
    }

    /// The duration in microseconds, if it is one.
    pub fn as_duration_us(&self) -> Option<u64> {
        match self.kind {
            LiteralKind::Duration(us) => Some(us),
            _ => None,
        }
    }

    /// What kind of value it is, for messages: "a number".
    pub fn describe(&self) -> &'static str {
        match self.kind {
            LiteralKind::String(_) => "a text",
            LiteralKind::Integer(_) => "a whole number",
            LiteralKind::Float(_) => "a number",
            LiteralKind::Boolean(_) => "true or false",
            LiteralKind::Duration(_) => "a length of time",
        }
    }
}

/// The bare value: a string without its quotes, a duration in microseconds.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            LiteralKind::String(text) => f.write_str(text),
            LiteralKind::Integer(number) => write!(f, "{number}"),
            LiteralKind::Float(number) => write!(f, "{number}"),
            LiteralKind::Boolean(flag) => write!(f, "{flag}"),
            LiteralKind::Duration(us) => write!(f, "{us}"),
        }
    }
}

/// `WITH (key = value, ...)`: no key comes twice.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The entries in the order written.
    pub entries: Vec<OptionEntry>,
    /// From `WITH` to the closing bracket; `None` when there is no `WITH`.
    pub span: Option<Span>,
}

/// One `key = value`.
#[derive(Debug, Clone)]
pub struct OptionEntry {
    /// The key; for a dotted key, the parts joined with dots.
    pub key: Name,
    /// The value.
    pub value: Literal,
}

impl Options {
    /// The entry with this key.
    pub fn get(&self, key: &str) -> Option<&OptionEntry> {
        self.entries.iter().find(|entry| entry.key.text == key)
    }
}
