//! The part of a program that a test needs, with sinks of its own.

use egret_dsl::{Program, Statement, parse};
use std::collections::BTreeSet;

/// The statements of a test's job.
pub(super) struct Slice {
    statements: Vec<Statement>,
    sinks: Vec<String>,
}

/// The definition of a pattern, or of a stream that a query defines.
pub(super) fn defined<'a>(above: &'a [Statement], name: &str) -> Option<&'a Statement> {
    let is_target = |statement: &&Statement| {
        matches!(statement, Statement::CreatePattern(_) | Statement::CreateStreamAs(_)) && statement.name().text == name
    };
    above.iter().find(is_target)
}

/// Whether a statement defines something that others can use.
pub(super) fn is_definition(statement: &Statement) -> bool {
    !matches!(statement, Statement::CreateSink(_) | Statement::Insert(_) | Statement::Test(_))
}

impl Slice {
    /// The definitions that `name` needs, including its own: all whose names occur in the text of one that is needed. An unneeded
    /// one makes the job larger, not wrong.
    pub(super) fn new(above: &[Statement], name: &str, text: &str) -> Self {
        let definitions: Vec<&Statement> = above.iter().filter(|statement| is_definition(statement)).collect();
        let mut needed = BTreeSet::from([name]);
        // A statement uses only statements above it, so one pass from the end suffices.
        for statement in definitions.iter().rev() {
            if !needed.contains(statement.name().text.as_str()) {
                continue;
            }
            let text = statement.span().of(text).to_lowercase();
            let names = definitions.iter().map(|other| other.name().text.as_str());
            needed.extend(names.filter(|name| text.contains(&name.to_lowercase())));
        }
        let statements = definitions.into_iter().filter(|statement| needed.contains(statement.name().text.as_str())).cloned();
        Self { statements: statements.collect(), sinks: Vec::new() }
    }

    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    pub(super) fn add(&mut self, statement: Statement) {
        self.statements.push(statement);
    }

    /// Writes a relation, or a side output of it, to a sink of its own.
    pub(super) fn write(&mut self, relation: &str, side: Option<&str>, sink: &str) {
        let side = side.map_or(String::new(), |side| format!(".{side}"));
        let from = format!("\"{}\"{side}", relation.replace('"', "\"\""));
        let text = format!("CREATE SINK \"{sink}\" WITH (connector = 'memory'); INSERT INTO \"{sink}\" SELECT * FROM {from};");
        self.statements.extend(parse(&text).0.statements);
        self.sinks.push(sink.to_owned());
    }

    pub(super) fn sinks(&self) -> impl Iterator<Item = &str> {
        self.sinks.iter().map(String::as_str)
    }

    /// The slice as a program; `whole` is the program it is a part of.
    pub(super) fn program(&self, whole: &Program) -> Program {
        Program { statements: self.statements.clone(), broken: Vec::new(), source: whole.source.clone() }
    }
}
