//! DataFusion's errors in our words.

use super::lengths::own;
use crate::Error;
use crate::type_names::in_sql_types;
use datafusion_common::{DataFusionError, SchemaError};

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
