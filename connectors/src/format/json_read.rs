//! JSON lines: one object a line, straight into columns.
//!
//! Lines of one file nearly always have the same keys in the same order, so the parser remembers each key with its colon as
//! bytes and compares; only when that fails does it read the key and look it up. Plain numbers and strings without escapes
//! are read in place; everything else goes through [`token`], which knows all of JSON.
//!
//! What a value may be: a number column takes numbers, and strings that hold one; a BOOLEAN also 0 and 1; a STRING takes
//! strings as they are and everything else as its JSON text; DATE and TIMESTAMP take strings, TIMESTAMP also integers.
//! Keys that are not columns are passed over. A missing key is a null. A key that occurs twice is a fault.

use super::column::{Column, Columns, Fault, RowResult, Values};
use super::number::{json_number_end, scan_float, scan_int};
use super::timestamp::{TimestampUnit, parse_timestamp};
use memchr::memchr2;

/// Keys remembered by position; a line with more reads the others every time.
const REMEMBERED_MAX: usize = 1_024;
/// Arrays and objects inside one another.
const DEPTH_MAX: usize = 128;

/// Parses lines; remembers the keys of the last one.
#[derive(Default)]
pub(crate) struct JsonParser {
    keys: Vec<Key>,
}

/// A key of the line before, as its bytes up to and with the colon.
#[derive(Default)]
struct Key {
    bytes: Vec<u8>,
    column: Option<usize>,
}

impl Key {
    /// The name, for messages.
    fn name(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        text.trim_end_matches(|c: char| c == ':' || c.is_ascii_whitespace()).trim_matches('"').to_owned()
    }
}

impl JsonParser {
    /// Adds the values of a line to the columns; the caller commits or rolls back the row.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub(crate) fn parse(&mut self, line: &[u8], columns: &mut Columns) -> RowResult {
        let mut at = skip_space(line, 0);
        if line.get(at) != Some(&b'{') {
            return Err(not_json("", &line[at..], "a JSON object must start here with '{'"));
        }
        at = skip_space(line, at + 1);
        let mut filled = 0;
        if line.get(at) == Some(&b'}') {
            at += 1;
        } else {
            (at, filled) = self.parse_members(line, at, columns)?;
        }
        let end = skip_space(line, at);
        if end != line.len() {
            return Err(not_json("", &line[end..], "the line goes on after its object"));
        }
        if filled < columns.columns.len() { columns.fill_missing() } else { Ok(()) }
    }

    /// The members up to and with the closing brace; returns where it ends and how many columns were filled.
    #[inline]
    fn parse_members(&mut self, line: &[u8], mut at: usize, columns: &mut Columns) -> RowResult<(usize, usize)> {
        let (mut filled, mut index) = (0, 0);
        loop {
            let column = match self.keys.get(index) {
                Some(key) if line[at..].starts_with(&key.bytes) => {
                    at += key.bytes.len();
                    key.column
                }
                _ => self.read_key(line, &mut at, index, columns)?,
            };
            at = skip_space(line, at);
            at = match column {
                Some(column) => {
                    filled += 1;
                    parse_value(line, at, column, columns)?
                }
                None => match skip_value(line, at, 0) {
                    Some(end) => end,
                    None => return Err(not_json(&self.key_name(index), &line[at..], "it is not a JSON value")),
                },
            };
            at = skip_space(line, at);
            match line.get(at) {
                Some(b',') => at = skip_space(line, at + 1),
                Some(b'}') => return Ok((at + 1, filled)),
                _ => return Err(not_json(&self.key_name(index), &line[at..], "',' or '}' must stand here, after the value")),
            }
            index += 1;
        }
    }

    /// Reads a key and its colon, looks the column up and remembers both.
    #[cold]
    fn read_key(&mut self, line: &[u8], at: &mut usize, index: usize, columns: &Columns) -> RowResult<Option<usize>> {
        let start = *at;
        let bad = || not_json("", &line[start..], "a key in quotes and a colon must stand here");
        if line.get(start) != Some(&b'"') {
            return Err(bad());
        }
        let (quote, escaped) = string_end(line, start + 1).ok_or_else(bad)?;
        let colon = skip_space(line, quote + 1);
        if line.get(colon) != Some(&b':') {
            return Err(bad());
        }
        let mut name = Vec::new();
        match escaped {
            true => unescape(&line[start + 1..quote], &mut name).ok_or_else(bad)?,
            false => name.extend_from_slice(&line[start + 1..quote]),
        }
        let column = columns.columns.iter().position(|column| column.name().as_bytes() == name);
        *at = colon + 1;
        let slot = index.min(REMEMBERED_MAX);
        if slot >= self.keys.len() {
            self.keys.push(Key::default());
        }
        let key = &mut self.keys[slot];
        key.bytes.clear();
        key.bytes.extend_from_slice(&line[start..=colon]);
        key.column = column;
        Ok(column)
    }

    fn key_name(&self, index: usize) -> String {
        self.keys.get(index.min(REMEMBERED_MAX)).map(Key::name).unwrap_or_default()
    }
}

fn not_json(key: &str, rest: &[u8], reason: &str) -> Box<Fault> {
    if rest.is_empty() {
        let mut fault = Fault::row(if key.is_empty() {
            "the line ends within its object".to_owned()
        } else {
            format!("the line ends after key '{key}'")
        });
        fault.column = (!key.is_empty()).then(|| key.to_owned());
        return fault;
    }
    let mut fault = Fault::value(key, rest, reason);
    fault.column = fault.column.filter(|name| !name.is_empty());
    fault
}

#[inline]
fn skip_space(line: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r') = line.get(at) {
        at += 1;
    }
    at
}

/// Adds the value at `at` to a column; returns where it ends.
#[inline]
fn parse_value(line: &[u8], at: usize, index: usize, columns: &mut Columns) -> RowResult<usize> {
    let (rows, unit) = (columns.rows(), columns.unit);
    let column = &mut columns.columns[index];
    if column.filled > rows {
        return Err(Fault::value(column.name(), &line[at..], "the key occurs twice in the row"));
    }
    match parse_plain(&line[at..], &mut column.values, unit) {
        Some(length) => {
            column.filled += 1;
            Ok(at + length)
        }
        None => parse_any(line, at, column, unit),
    }
}

/// Reads a value of the usual form and returns its length; adds nothing if it is not.
#[inline]
fn parse_plain(text: &[u8], values: &mut Values, unit: TimestampUnit) -> Option<usize> {
    match values {
        Values::Int64(values) => {
            let (value, length) = scan_int(text)?;
            values.push(value);
            Some(length)
        }
        Values::Float64(values) => {
            let (value, length) = scan_float(text)?;
            values.push(value);
            Some(length)
        }
        Values::Timestamp(values) => match text.first()? {
            b'"' => {
                let (quote, escaped) = string_end(text, 1)?;
                values.push(if escaped { None } else { parse_timestamp(&text[1..quote], unit) }?);
                Some(quote + 1)
            }
            _ => {
                let (value, length) = scan_int(text)?;
                values.push(unit.to_micros(value)?);
                Some(length)
            }
        },
        Values::Utf8(texts) => {
            if text.first() != Some(&b'"') {
                return None;
            }
            let (quote, escaped) = string_end(text, 1)?;
            if escaped {
                return None;
            }
            texts.push(&text[1..quote]);
            Some(quote + 1)
        }
        Values::Int32(values) => {
            let (value, length) = scan_int(text)?;
            values.push(value.try_into().ok()?);
            Some(length)
        }
        Values::Boolean(values) => {
            let value = text.starts_with(b"true");
            if !value && !text.starts_with(b"false") {
                return None;
            }
            values.push(value);
            Some(if value { 4 } else { 5 })
        }
        _ => None,
    }
}

/// Reads any value; says what is wrong with it.
#[cold]
fn parse_any(line: &[u8], at: usize, column: &mut Column, unit: TimestampUnit) -> RowResult<usize> {
    let Some((token, end)) = token(line, at) else {
        return Err(not_json(column.name(), &line[at..], "it is not a JSON value"));
    };
    let raw = &line[at..end];
    let is_text = matches!(column.values, Values::Utf8(_));
    match token {
        Token::Null => column.push_null(raw)?,
        Token::Text { escaped: false } => column.push_text(&raw[1..raw.len() - 1], unit)?,
        Token::Text { escaped: true } => {
            let mut text = Vec::with_capacity(raw.len());
            unescape(&raw[1..raw.len() - 1], &mut text)
                .ok_or_else(|| Fault::value(column.name(), raw, "the string has an escape that is not JSON"))?;
            column.push_text(&text, unit)?;
        }
        Token::Number | Token::Bool if is_text => column.push_text(raw, unit)?,
        Token::Nested if is_text => column.push_text(raw, unit)?,
        Token::Number if matches!(column.values, Values::Date(_)) => return Err(column.not_wanted(raw)),
        Token::Number => column.push_text(raw, unit)?,
        Token::Bool if matches!(column.values, Values::Boolean(_)) => column.push_text(raw, unit)?,
        Token::Bool | Token::Nested => return Err(column.not_wanted(raw)),
    }
    Ok(end)
}

/// The kinds of JSON values.
enum Token {
    Null,
    Bool,
    Number,
    Text { escaped: bool },
    Nested,
}

/// The value at `at` and where it ends.
fn token(line: &[u8], at: usize) -> Option<(Token, usize)> {
    let end = skip_value(line, at, 0)?;
    let token = match line[at] {
        b'n' => Token::Null,
        b't' | b'f' => Token::Bool,
        b'"' => Token::Text { escaped: line[at..end].contains(&b'\\') },
        b'{' | b'[' => Token::Nested,
        _ => Token::Number,
    };
    Some((token, end))
}

/// Where the value at `at` ends; `None` if it is not JSON.
fn skip_value(line: &[u8], at: usize, depth: usize) -> Option<usize> {
    let rest = &line[at..];
    match rest.first()? {
        b'"' => string_end(line, at + 1).map(|(quote, _)| quote + 1),
        b'{' | b'[' if depth == DEPTH_MAX => None,
        b'{' => skip_members(line, at + 1, depth, b'}'),
        b'[' => skip_members(line, at + 1, depth, b']'),
        b't' => rest.starts_with(b"true").then_some(at + 4),
        b'f' => rest.starts_with(b"false").then_some(at + 5),
        b'n' => rest.starts_with(b"null").then_some(at + 4),
        _ => json_number_end(rest).map(|length| at + length),
    }
}

/// Where the array or object whose inside starts at `at` ends.
fn skip_members(line: &[u8], at: usize, depth: usize, close: u8) -> Option<usize> {
    let mut at = skip_space(line, at);
    if line.get(at) == Some(&close) {
        return Some(at + 1);
    }
    loop {
        if close == b'}' {
            if line.get(at) != Some(&b'"') {
                return None;
            }
            at = skip_space(line, string_end(line, at + 1)?.0 + 1);
            if line.get(at) != Some(&b':') {
                return None;
            }
            at = skip_space(line, at + 1);
        }
        at = skip_space(line, skip_value(line, at, depth + 1)?);
        match line.get(at)? {
            b',' => at = skip_space(line, at + 1),
            byte if *byte == close => return Some(at + 1),
            _ => return None,
        }
    }
}

/// The closing quote of a string whose inside starts at `at`, and whether there are escapes before it.
#[inline]
fn string_end(line: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        at += memchr2(b'"', b'\\', line.get(at..)?)?;
        if line[at] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// Adds the text that the inside of a string stands for; `None` if an escape is wrong.
fn unescape(mut raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    while let Some(at) = memchr::memchr(b'\\', raw) {
        out.extend_from_slice(&raw[..at]);
        let plain = match raw.get(at + 1)? {
            byte @ (b'"' | b'\\' | b'/') => *byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, length) = unescape_unicode(&raw[at..])?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                raw = &raw[at + length..];
                continue;
            }
            _ => return None,
        };
        out.push(plain);
        raw = &raw[at + 2..];
    }
    out.extend_from_slice(raw);
    Some(())
}

/// `\u00e9`, or two of them that make a surrogate pair: the character and the length of the escape.
fn unescape_unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u32> {
        let hex = text.get(at + 2..at + 6).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
    };
    let first = unit(0)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).map(|character| (character, 6));
    }
    if text.get(6..8) != Some(b"\\u") {
        return None;
    }
    let second = unit(6).filter(|second| (0xdc00..0xe000).contains(second))?;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).map(|character| (character, 12))
}

#[cfg(test)]
#[path = "tests/json.rs"]
mod tests;
