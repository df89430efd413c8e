//! Puts the language's names of types into messages that have Arrow's.

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

/// A text with Arrow's type names replaced by the language's, except in quotes.
pub(crate) fn in_sql_types(text: &str) -> String {
    let outside = |text: &str| TYPES.iter().fold(text.to_owned(), |text, (arrow, sql)| replaced(&text, arrow, sql));
    let parts = text.split('\'').enumerate().map(|(place, part)| if place % 2 == 0 { outside(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("'")
}

/// The language's name of a type.
///
/// ```
/// use arrow::datatypes::DataType;
/// assert_eq!(egret_core::sql_type_name(&DataType::Utf8), "STRING");
/// ```
pub fn sql_type_name(data_type: &arrow::datatypes::DataType) -> String {
    match data_type {
        arrow::datatypes::DataType::Boolean => "BOOLEAN".to_owned(),
        other => in_sql_types(&other.to_string()),
    }
}

/// A text with `word` replaced by `other`, where it is a whole word.
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
