//! Names of columns and streams as they are shown.

use super::pattern_plan::Plan;
use super::shown::renamed_all;
use super::streams::{StreamNames, Streams};
use egret_core::Result;

impl Plan {
    /// Declares that the rows come from several streams.
    pub(crate) fn set_streams(&mut self, names: &StreamNames) -> Result<()> {
        let streams = Streams::resolve(names, &self.input)?;
        if let Some(shown) = &mut self.shown {
            std::sync::Arc::make_mut(shown).name_streams(&streams, self.input.arrow().field(streams.number).name())?;
        }
        self.streams = Some(std::sync::Arc::new(streams));
        Ok(())
    }

    /// A column in a list: with its stream, if only one has it.
    pub(crate) fn listed_name(&self, column: usize) -> String {
        match &self.streams {
            Some(streams) if streams.number == column => "the stream".into(),
            Some(streams) => {
                let of = streams.of(column).map_or_else(String::new, |stream| format!("{stream}."));
                format!("{of}{}", self.shown_name(column))
            }
            None => self.input.arrow().field(column).name().clone(),
        }
    }

    /// Columns of the matcher's input with their types, if the rows come from several streams.
    pub(crate) fn kept_names(&self, columns: &[usize]) -> Option<String> {
        self.streams.as_ref()?;
        let name = |&column: &usize| {
            let input = self.kept[column];
            format!("{} {}", self.listed_name(input), self.input.arrow().field(input).data_type())
        };
        Some(columns.iter().map(name).collect::<Vec<_>>().join(", "))
    }

    /// A text about expressions, with names replaced by the shown ones.
    pub(crate) fn shown_text(&self, text: &str) -> String {
        let Some(streams) = &self.streams else { return text.to_owned() };
        let number = self.input.arrow().field(streams.number).name();
        let mut text = text.to_owned();
        // In reverse, because `= 1` is also the start of `= 12`.
        for (index, stream) in streams.names.iter().enumerate().rev() {
            text = text.replace(&format!("{number} = {index}"), &format!("ON {stream}"));
        }
        renamed_all(&text, &self.shown_names)
    }
}
