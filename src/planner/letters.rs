//! Dead letters of rows for which something cannot be computed: one file for each stream that asks for them, next to the file of
//! rows that cannot be read.

use super::build::Build;
use super::build::entries::OutputEntry;
use super::names::Diagnosed;
use super::names::at;
use super::sources::{DEAD_LETTERS, letter_sink};
use egret_connectors::Options;
use egret_core::bad_rows::letters_schema;
use egret_dsl::{CreateStream, Diagnostic, Span, suggest};
use egret_operators::Stream;
use std::collections::{BTreeMap, BTreeSet};
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
    /// The sinks that bad rows go to; one that the program does not have is an error.
    pub(super) fn letter_sinks(&mut self, outputs: &BTreeMap<String, OutputEntry>) -> BTreeSet<String> {
        let named = self.inputs.with_letters.iter().filter_map(|statement| letter_sink(&statement.options));
        let named: Vec<(String, Span)> = named.map(|entry| (entry.value.to_string(), entry.value.span)).collect();
        for (name, span) in named.iter().filter(|(name, _)| !outputs.contains_key(name)) {
            let known = outputs.keys().map(String::as_str);
            let unknown = Diagnostic::error(format!("there is no sink `{name}`")).label(*span, "bad rows would go there");
            self.errors.push(unknown.suggestion(suggest(name, known)));
        }
        named.into_iter().map(|(name, _)| name).collect()
    }

    /// Writes the bad rows of streams that ask for it: to a file of each stream, or to sinks of the program.
    pub(super) fn write_letters(&mut self, outputs: &BTreeMap<String, OutputEntry>) -> Diagnosed<()> {
        let mut to_sinks: BTreeMap<String, Vec<Stream>> = BTreeMap::new();
        for statement in std::mem::take(&mut self.inputs.with_letters) {
            let all = self.job.letters(&statement.name.text);
            match letter_sink(&statement.options) {
                None => self.write_letter_file(&statement, &all)?,
                Some(entry) => to_sinks.entry(entry.value.to_string()).or_default().extend(all),
            }
        }
        for (name, all) in to_sinks {
            let statement = &outputs[&name].statement;
            let span = statement.name.span;
            let Some(letters) = united(&all).map_err(at(span))? else { continue };
            let sink = self.open_sink(statement, letters_schema())?;
            letters.sink_with_uid(&name, &self.ids.of(&name), sink).map_err(at(span))?;
        }
        Ok(())
    }

    fn write_letter_file(&mut self, statement: &CreateStream, all: &[Stream]) -> Diagnosed<()> {
        let (name, span) = (&statement.name.text, statement.name.span);
        let Some(letters) = united(all).map_err(at(span))? else { return Ok(()) };
        let options = Options::new([("path", path(statement)), ("format", "json".into())]);
        let sink = self.registry.sink("file", &options, letters_schema()).map_err(|error| {
            let message = format!("dead letters of `{name}`: {}", error.error());
            vec![Diagnostic::error(message).label(span, "of this stream")]
        })?;
        let uid = format!("{}: bad rows", self.ids.of(name));
        letters.sink_with_uid(&format!("{name} bad rows"), &uid, sink).map_err(at(span))?;
        Ok(())
    }
}

/// The rows of all of these streams, if there are any.
fn united(all: &[Stream]) -> egret_core::Result<Option<Stream>> {
    match all.split_first() {
        None => Ok(None),
        Some((one, [])) => Ok(Some(one.clone())),
        Some((first, others)) => first.union(&others.iter().collect::<Vec<_>>()).map(Some),
    }
}
