//! Names and types of expressions: reports every unknown name, then compiles. Errors point into the text.

use datafusion_expr::{ScalarUDF, Volatility};
use egret_core::expr::{Expression, Planner, Scope, function_names, scalar_function};
use egret_core::{Error, StreamSchema};
use egret_dsl::sqlparser::ast::{Expr, Function, FunctionArguments, Ident, ObjectName, ObjectNamePart};
use egret_dsl::{Cause, Diagnostic, Name, Span, Sql, suggest};

/// A result with any number of errors.
pub(crate) type Diagnosed<T> = Result<T, Vec<Diagnostic>>;

/// A diagnostic for an error that only follows from another one. It is removed before anything is shown, unless it is alone.
pub(crate) fn consequence(span: Span) -> Diagnostic {
    let wrong = Diagnostic::error("this depends on something that has errors of its own");
    wrong.label(span, "here").because(Cause::Consequence)
}

/// Removes consequences, unless there is nothing else.
pub(crate) fn without_consequences(mut wrong: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if wrong.iter().any(|diagnostic| *diagnostic.cause != Cause::Consequence) {
        wrong.retain(|diagnostic| *diagnostic.cause != Cause::Consequence);
    }
    wrong
}

/// Converts an error of a library to a diagnostic about the whole of a span.
pub(crate) fn at(span: Span) -> impl Fn(egret_core::Error) -> Vec<Diagnostic> {
    move |error| vec![from_error(&error, span)]
}

/// Keeps a value, or collects its errors.
pub(crate) fn keep<T>(result: Diagnosed<T>, wrong: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|diagnostics| wrong.extend(diagnostics)).ok()
}

/// The columns an expression may name.
pub(crate) struct Columns<'a> {
    pub(crate) schema: &'a StreamSchema,
    /// The columns that suggestions and lists may show.
    pub(crate) visible: &'a [String],
    /// The names before a point for which `name.column` may be written: the stream's, and its alias.
    pub(crate) qualifiers: Vec<String>,
}

/// Whether there is a column of this name. The column of places cannot be named.
pub(crate) fn has_column(schema: &StreamSchema, column: &str) -> bool {
    schema.arrow().index_of(column).is_ok_and(|index| schema.place() != Some(index))
}

impl Columns<'_> {
    fn has(&self, column: &str) -> bool {
        has_column(self.schema, column)
    }
}

/// Checks names, then compiles an expression over a stream.
pub(crate) fn compile(sql: &Sql, columns: &Columns<'_>) -> Diagnosed<Expression> {
    check_names(sql, columns)?;
    let tree = unqualified(sql.tree.clone(), &columns.qualifiers);
    let scope = Scope::of_stream(columns.schema).map_err(|error| vec![from_error(&error, sql.span)])?;
    let compiled = Planner::new().compile(&tree, &scope).map_err(|error| vec![from_error(&error, sql.span)])?;
    // The text as the user wrote it, in which calls are not yet replaced by columns.
    Ok(compiled.with_text(&sql.text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// Checks that every column and function that an expression names exists.
pub(crate) fn check_names(sql: &Sql, columns: &Columns<'_>) -> Diagnosed<()> {
    let mut wrong = Vec::new();
    for (idents, span) in sql.identifiers() {
        match idents.as_slice() {
            [column] if !columns.has(&Name::normalise(column)) => {
                wrong.push(unknown_column(&Name::normalise(column), span, columns.visible));
            }
            [qualifier, column] => {
                let (qualifier, column) = (Name::normalise(qualifier), Name::normalise(column));
                if !columns.qualifiers.contains(&qualifier) {
                    wrong.push(
                        Diagnostic::error(format!("there is no stream `{qualifier}` here"))
                            .label(span, "not read by this query")
                            .suggestion(suggest(&qualifier, &columns.qualifiers)),
                    );
                } else if !columns.has(&column) {
                    wrong.push(unknown_column(&column, span, columns.visible));
                }
            }
            _ => {}
        }
    }
    wrong.extend(unknown_functions(sql, |_| false));
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Errors about functions that do not exist; `known` knows additional ones.
pub(crate) fn unknown_functions(sql: &Sql, known: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
    unknown_functions_beside(sql, known, &[])
}

/// The same; suggestions may also come from `more`.
pub(crate) fn unknown_functions_beside(sql: &Sql, known: impl Fn(&str) -> bool, more: &[&str]) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    for (function, span) in sql.functions() {
        let name = object_name(&function.name);
        let exists = scalar_function(&name).is_some() || egret_core::expr::aggregate_function(&name).is_some() || known(&name);
        if scalar_function(&name).is_some_and(|scalar| changes_by_itself(&scalar, &function)) {
            wrong.push(
                Diagnostic::error(format!("`{name}` gives something else each time it is asked"))
                    .label(span, "not a function of the row")
                    .help("the same input must give the same output: use the event time, or a column of the input"),
            );
        }
        if !exists {
            let span = Span::new(span.start, span.start + name.len().min(span.end - span.start));
            wrong.push(
                Diagnostic::error(format!("there is no function `{name}`"))
                    .label(span, "unknown")
                    .suggestion(suggest(&name, more).or_else(|| suggest(&name, function_names())))
                    .because(Cause::Missing(name)),
            );
        }
    }
    wrong
}

/// Whether a call depends on random numbers or on the wall clock.
fn changes_by_itself(scalar: &ScalarUDF, call: &Function) -> bool {
    let has_arguments = matches!(&call.args, FunctionArguments::List(list) if !list.args.is_empty());
    match scalar.signature().volatility {
        Volatility::Volatile => true,
        Volatility::Stable => !has_arguments,
        Volatility::Immutable => false,
    }
}

/// `a.b.c` as text, with unquoted words in lower case.
pub(crate) fn object_name(name: &ObjectName) -> String {
    let parts: Vec<String> = name
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Name::normalise(ident),
            other => other.to_string(),
        })
        .collect();
    parts.join(".")
}

/// The error about a column that does not exist.
pub(crate) fn unknown_column(column: &str, span: Span, visible: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("there is no column `{column}`"))
        .label(span, "unknown")
        .because(Cause::Missing(column.to_owned()));
    match suggest(column, visible) {
        Some(near) => diagnostic.suggestion(Some(near)),
        None => diagnostic.help(format!("the columns are {}", visible.join(", "))),
    }
}

/// Replaces `txn.amount` by `amount`, where `txn` is the stream that is read.
pub(crate) fn unqualified(mut tree: Expr, qualifiers: &[String]) -> Expr {
    let _ = egret_dsl::walk::expressions_mut(&mut tree, |expr| {
        if let Expr::CompoundIdentifier(idents) = expr
            && let [qualifier, column] = idents.as_slice()
            && qualifiers.contains(&Name::normalise(qualifier))
        {
            *expr = Expr::Identifier(column.clone());
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    tree
}

/// A quoted identifier, which is taken as it is written.
pub(crate) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// Converts an error of a library to a diagnostic about a span.
pub(crate) fn from_error(error: &Error, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(error.cause()).label(span, "here");
    match error.remedy() {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
