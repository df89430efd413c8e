//! The facts that the saved state of a row pattern depends on, as text.
//!
//! The state consists of rows, with the columns of the input that are read. Everything else is recomputed from them, even if the
//! pattern, definitions and measures have changed.

use super::row_plan::RowPlan;
use egret_core::StateLayout;

impl RowPlan {
    /// The facts that the state depends on, in words: a checkpoint can be restored only where they are the same.
    pub(crate) fn state_layout(&self) -> StateLayout {
        let remembered = if self.remembers { "how many rows and matches they had" } else { "nothing but rows that are open" };
        let facts = [
            ("key", self.partition.iter().map(|&column| self.typed(column)).collect::<Vec<_>>().join(", ")),
            ("order", self.order_text()),
            ("rows kept before a match, for PREV", self.behind.to_string()),
            ("what is remembered of partitions", remembered.to_owned()),
        ];
        StateLayout { name: None, facts: facts.map(|(name, fact)| (name.to_owned(), fact)).into() }
    }

    fn typed(&self, column: usize) -> String {
        let field = self.input.arrow().field(column);
        format!("{} {}", field.name(), field.data_type())
    }

    fn order_text(&self) -> String {
        let time = self.input.event_time().filter(|_| self.order_by.is_empty()).map(|time| (time, false));
        let by =
            |&(column, descending): &(usize, bool)| format!("{}{}", self.typed(column), if descending { " DESC" } else { "" });
        let all: Vec<String> = time.iter().chain(&self.order_by).map(by).collect();
        if all.is_empty() { "that of arrival".into() } else { all.join(", ") }
    }
}
