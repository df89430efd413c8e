//! Dead letters of rows for which something cannot be computed: one file for each stream that asks for them, next to the file of
//! rows that cannot be read.

use super::build::Build;
use super::names::Diagnosed;
use super::names::at;
use super::sources::DEAD_LETTERS;
use egret_connectors::Options;
use egret_core::bad_rows::letters_schema;
use egret_dsl::{CreateStream, Diagnostic};
use std::path::Path;

/// The default folder.
const FOLDER: &str = "out";

/// The file of a stream's dead letters.
fn path(statement: &CreateStream) -> String {
    let said = statement.options.get(DEAD_LETTERS).map(|entry| entry.value.to_string());
    let folder = said.as_deref().map(Path::new).and_then(Path::parent).unwrap_or(Path::new(FOLDER));
    folder.join(format!("{}.computed.bad", statement.name)).display().to_string()
}

impl Build<'_> {
    /// Writes the bad rows of streams that ask for it.
    pub(super) fn write_letters(&mut self) -> Diagnosed<()> {
        for statement in std::mem::take(&mut self.inputs.with_letters) {
            let name = &statement.name.text;
            let all = self.job.letters(name);
            let Some((first, others)) = all.split_first() else { continue };
            let at_name = || at(statement.name.span);
            let letters = if others.is_empty() {
                first.clone()
            } else {
                first.union(&others.iter().collect::<Vec<_>>()).map_err(at_name())?
            };
            let options = Options::new([("path", path(&statement)), ("format", "json".into())]);
            let sink = self.registry.sink("file", &options, letters_schema()).map_err(|error| {
                let message = format!("dead letters of `{name}`: {}", error.error());
                vec![Diagnostic::error(message).label(statement.name.span, "of this stream")]
            })?;
            letters
                .sink_with_uid(&format!("{name} bad rows"), &format!("{}: bad rows", self.ids.of(name)), sink)
                .map_err(at_name())?;
        }
        Ok(())
    }
}
