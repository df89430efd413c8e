//! Names and types of expressions: finds every unknown name, then compiles; what is wrong points into the text.

use datafusion_expr::{ScalarUDF, Volatility};
use egret_core::expr::{Expression, Planner, Scope, function_names, scalar_function};
use egret_core::{Error, StreamSchema};
use egret_dsl::sqlparser::ast::{Expr, Function, FunctionArguments, Ident, ObjectName, ObjectNamePart};
use egret_dsl::{Cause, Diagnostic, Name, Span, Sql, suggest};

/// Several things can be wrong at once.
pub(crate) type Diagnosed<T> = Result<T, Vec<Diagnostic>>;

/// Says nothing: what it depends on has been complained about. Taken out before anything is shown.
pub(crate) fn consequence(span: Span) -> Diagnostic {
    let wrong = Diagnostic::error("this depends on something that has errors of its own");
    wrong.label(span, "here").because(Cause::Consequence)
}

/// Takes consequences out, unless there is nothing else.
pub(crate) fn without_consequences(mut wrong: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if wrong.iter().any(|diagnostic| *diagnostic.cause != Cause::Consequence) {
        wrong.retain(|diagnostic| *diagnostic.cause != Cause::Consequence);
    }
    wrong
}

/// An error of a library about the whole of something.
pub(crate) fn at(span: Span) -> impl Fn(egret_core::Error) -> Vec<Diagnostic> {
    move |error| vec![from_error(&error, span)]
}

/// Keeps a value, or what is wrong with it.
pub(crate) fn keep<T>(result: Diagnosed<T>, wrong: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|diagnostics| wrong.extend(diagnostics)).ok()
}

/// The columns an expression may name.
pub(crate) struct Columns<'a> {
    pub(crate) schema: &'a StreamSchema,
    /// The columns that suggestions and lists may show.
    pub(crate) visible: &'a [String],
    /// `name.column` may be written for these names: the stream's, its alias.
    pub(crate) qualifiers: Vec<String>,
}

/// Whether there is a column of this name. That of places is nobody's to name.
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
    // What the user wrote, where calls were replaced by columns.
    Ok(compiled.with_text(&sql.text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// Every column and function an expression names must exist.
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

/// What to say of functions that do not exist; `known` knows some more.
pub(crate) fn unknown_functions(sql: &Sql, known: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
    unknown_functions_beside(sql, known, &[])
}

/// The same; what was meant may also be one of `more`.
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

/// Whether a call depends on chance or on the clock on the wall.
fn changes_by_itself(scalar: &ScalarUDF, call: &Function) -> bool {
    let has_arguments = matches!(&call.args, FunctionArguments::List(list) if !list.args.is_empty());
    match scalar.signature().volatility {
        Volatility::Volatile => true,
        Volatility::Stable => !has_arguments,
        Volatility::Immutable => false,
    }
}

/// `a.b.c` as text, words without quotes in lower case.
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

/// What to say of a column that does not exist.
pub(crate) fn unknown_column(column: &str, span: Span, visible: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("there is no column `{column}`"))
        .label(span, "unknown")
        .because(Cause::Missing(column.to_owned()));
    match suggest(column, visible) {
        Some(near) => diagnostic.suggestion(Some(near)),
        None => diagnostic.help(format!("the columns are {}", visible.join(", "))),
    }
}

/// `txn.amount` as `amount`, where `txn` is the stream that is read.
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

/// An identifier that is taken as it is written.
pub(crate) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// An error of a library, pointing at a place.
pub(crate) fn from_error(error: &Error, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(error.cause()).label(span, "here");
    match error.remedy() {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
