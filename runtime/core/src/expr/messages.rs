//! DataFusion's errors in our words.

use super::lengths::own;
use crate::Error;
use datafusion_common::{DataFusionError, SchemaError};

/// Arrow's names of types, and the language's.
const TYPES: [(&str, &str); 14] = [
    ("Timestamp(µs)", "TIMESTAMP"),
    ("Timestamp(Microsecond, None)", "TIMESTAMP"),
    ("Duration(µs)", "length of time"),
    ("Interval(MonthDayNano)", "INTERVAL"),
    ("Utf8View", "STRING"),
    ("LargeUtf8", "STRING"),
    ("Utf8", "STRING"),
    ("Float64", "DOUBLE"),
    ("Float32", "FLOAT"),
    ("Int64", "BIGINT"),
    ("Int32", "INT"),
    ("Int16", "SMALLINT"),
    ("Int8", "TINYINT"),
    ("Date32", "DATE"),
];

/// DataFusion's planning errors in our words.
pub(super) fn friendly(error: DataFusionError) -> Error {
    let error = match own(error) {
        Ok(own) => return own,
        Err(error) => error,
    };
    if let DataFusionError::SchemaError(schema_error, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, valid_fields } = schema_error.as_ref()
    {
        let names: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
        return Error::job(format!("there is no column '{}'", field.name)).help(format!("the columns are {}", names.join(", ")));
    }
    let text = error.strip_backtrace();
    let text = text.split_once(": ").map_or(text.as_str(), |(_, rest)| rest);
    in_our_words(text.lines().next().unwrap_or(text))
}

fn in_our_words(text: &str) -> Error {
    let text = ["Parser error: ", "Cast error: ", "Arrow error: "].iter().fold(text, |text, word| text.trim_start_matches(word));
    let between = |before: &str, after: &str| text.split_once(before)?.1.split_once(after).map(|(inner, _)| inner);
    if let Some(written) = between("Invalid input syntax for type interval: \"", "\"") {
        return Error::job(format!("'{written}' is no length of time"))
            .help("write it as INTERVAL '10' MINUTE or INTERVAL '1 day 2 hours'");
    }
    if let Some(written) = between("Error parsing timestamp from '", "'") {
        return Error::job(format!("'{written}' is no time")).help("write it as '2024-03-01 10:00:00' or '2024-03-01T10:00:00Z'");
    }
    if let Some(sides) = between("Cannot coerce arithmetic expression ", " to valid types") {
        let (left, right) = sides.split_once(' ').unwrap_or((sides, ""));
        let right = right.split_once(' ').map_or(right, |(_, right)| right);
        return Error::job(format!("{} and {} cannot be combined", in_sql_types(left), in_sql_types(right)))
            .help("convert one side with CAST(... AS ...)");
    }
    Error::job(in_sql_types(text))
}

/// A text with the language's names of types, but for what stands in quotes.
pub(crate) fn in_sql_types(text: &str) -> String {
    let outside = |text: &str| TYPES.iter().fold(text.to_owned(), |text, (arrow, sql)| replaced(&text, arrow, sql));
    let parts = text.split('\'').enumerate().map(|(place, part)| if place % 2 == 0 { outside(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("'")
}

/// A text with a word in place of another, where that is a word of its own.
fn replaced(text: &str, word: &str, other: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let alone = !rest[..at].ends_with(is_word) && !rest[at + word.len()..].starts_with(is_word);
        out.push_str(&rest[..at]);
        out.push_str(if alone { other } else { word });
        rest = &rest[at + word.len()..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::in_sql_types;

    #[test]
    fn types_are_called_as_in_the_language() {
        for (text, expected) in [
            ("Cannot cast string 'Int64' to value of Int64 type", "Cannot cast string 'Int64' to value of BIGINT type"),
            ("Timestamp(µs) + Utf8", "TIMESTAMP + STRING"),
            ("UInt64 and Int640, Int8", "UInt64 and Int640, TINYINT"),
        ] {
            assert_eq!(in_sql_types(text), expected);
        }
    }
}
