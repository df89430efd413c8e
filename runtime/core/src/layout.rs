//! State layouts: canonical texts of what state means, compared when a job resumes from a checkpoint.
//!
//! Users change a job and resume it. Each operator that keeps state describes its meaning in canonical text: the key and its
//! types, the size of a window, the features of a model. If the text is unchanged, the state is restored. If not, the checkpoint
//! is refused with both texts, so that no job continues from state that meant something else.

use crate::KeyColumns;
use crate::row_place::PLACE;
use arrow::datatypes::{DataType, Field, Schema};

/// A description of a piece of state, in the user's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateLayout {
    /// Whose state it is, with a name that never changes: `pattern card_testing`. `None` for the operator's own state.
    pub name: Option<String>,
    /// What the state depends on, by name: `key` is `card Int64`. A fact whose name begins with one of [`KEPT`] is something that
    /// the state contains: state with more of these facts than the job needs fits, state that lacks one does not.
    pub facts: Vec<(String, String)>,
}

/// The prefixes of facts that say what the state contains, column by column: `column amount` is `Float64`.
pub const KEPT: [&str; 2] = ["column ", "aggregate "];

impl StateLayout {
    /// The layout of the operator's own state.
    pub fn own(facts: impl IntoIterator<Item = (String, String)>) -> Vec<Self> {
        vec![Self { name: None, facts: facts.into_iter().collect() }]
    }

    /// Facts for the columns of rows that are kept.
    pub fn columns<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Vec<(String, String)> {
        // Places are optional: a row without a place comes first among the rows of its time.
        let shown = fields.into_iter().filter(|field| field.name() != PLACE);
        shown.map(|field| (format!("{}{}", KEPT[0], field.name()), type_name(field.data_type()))).collect()
    }
}

/// The name of a type in layouts. Nested and parameterised types have Arrow's notation.
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
