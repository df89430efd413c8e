//! What state depends on: the text that is compared when a job goes on from a checkpoint.
//!
//! A job is changed by its owner and goes on. Each operator that keeps state says in canonical text what the state means: the key and
//! its types, the size of a window, the features of a model. Where the text is the same the state is taken up, and where it is not the
//! checkpoint is refused with both texts, so that nobody goes on from state that meant something else.

use crate::KeyColumns;
use crate::row_place::PLACE;
use arrow::datatypes::{DataType, Field, Schema};

/// What a piece of state depends on, as a user knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateLayout {
    /// Whose state it is, the same for the life of the job: `pattern card_testing`. None: the operator's own.
    pub name: Option<String>,
    /// What it depends on, by name: `key` is `card Int64`. A fact whose name begins with [`KEPT`] is something that the state has for
    /// whoever wants it: state that has more of these than are wanted fits, state that lacks one does not.
    pub facts: Vec<(String, String)>,
}

/// How the name of a fact begins that says what state has, column by column: `column amount` is `Float64`.
pub const KEPT: [&str; 2] = ["column ", "aggregate "];

impl StateLayout {
    /// The layout of the operator's own state.
    pub fn own(facts: impl IntoIterator<Item = (String, String)>) -> Vec<Self> {
        vec![Self { name: None, facts: facts.into_iter().collect() }]
    }

    /// Facts that say which columns of rows are kept.
    pub fn columns<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Vec<(String, String)> {
        // A row without a place is as good as one with it: it comes first among those of its time.
        let shown = fields.into_iter().filter(|field| field.name() != PLACE);
        shown.map(|field| (format!("{}{}", KEPT[0], field.name()), type_name(field.data_type()))).collect()
    }
}

/// The name of a type in layouts. Nested types and those with parameters are written out by Arrow's own notation.
pub fn type_name(data_type: &DataType) -> String {
    data_type.to_string()
}

/// The key as a fact: its columns and their types, in order.
pub fn key_fact(keys: &KeyColumns, rows: &Schema) -> (String, String) {
    let columns: Vec<String> = keys
        .indexes()
        .iter()
        .map(|&column| format!("{} {}", rows.field(column).name(), type_name(rows.field(column).data_type())))
        .collect();
    ("key".to_owned(), if columns.is_empty() { "none".to_owned() } else { columns.join(", ") })
}
