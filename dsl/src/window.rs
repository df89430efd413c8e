//! Windows in a query: `FROM TUMBLE(txn, at, INTERVAL '10' SECOND)`.
//!
//! The functions are those of Flink and of the SQL standard's polymorphic tables: they take a stream, and return its rows with
//! the columns `window_start` and `window_end`. Short and long spelling mean the same:
//!
//! ```text
//! TUMBLE(txn, at, INTERVAL '10' SECOND)
//! TABLE(TUMBLE(TABLE txn, DESCRIPTOR(at), INTERVAL '10' SECOND))
//! TUMBLE(DATA => TABLE txn, TIMECOL => DESCRIPTOR(at), SIZE => INTERVAL '10' SECOND)
//! ```

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor,
};

use crate::duration::duration;
use crate::{Diagnostic, DurationLit, Name, SourceMap, Span, suggest};

/// The names that [`window_call`] knows, as the language writes them.
pub const WINDOW_FUNCTIONS: [&str; 4] = ["TUMBLE", "HOP", "SESSION", "CUMULATE"];

/// A window over a stream.
#[derive(Debug, Clone)]
pub struct WindowCall {
    /// Its shape.
    pub kind: WindowKind,
    /// The stream whose rows are put into windows.
    pub stream: Name,
    /// The column of event time; if not given, the stream's own.
    pub time: Option<Name>,
    /// The query's alias for the result.
    pub alias: Option<Name>,
    /// The call.
    pub span: Span,
}

/// The shape of a window. Every duration is greater than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// `TUMBLE(stream, time, size)`: one window after the other.
    Tumble {
        /// How long each window is.
        size: DurationLit,
    },
    /// `HOP(stream, time, slide, size)`: a window begins every `slide`.
    Hop {
        /// The time between the beginnings of two windows.
        slide: DurationLit,
        /// How long each window is.
        size: DurationLit,
    },
    /// `SESSION(stream, time, gap)`: a window ends when no row has come for the gap.
    Session {
        /// The gap that ends a window.
        gap: DurationLit,
    },
    /// `CUMULATE(stream, time, step, size)`: a window grows by `step` up to `size`, then the next one begins.
    Cumulate {
        /// By how much the window grows.
        step: DurationLit,
        /// The greatest length.
        size: DurationLit,
    },
}

/// The window that a table of a query stands for: `None` if it is something else, an error if it is a window called wrongly.
/// `whole` is the span to point at when nothing better is known.
pub fn window_call(factor: &TableFactor, source: &SourceMap, whole: Span) -> Option<Result<WindowCall, Diagnostic>> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, args.args.as_slice(), alias),
        TableFactor::Function { name, args, alias, .. } => (name, args.as_slice(), alias),
        TableFactor::TableFunction { expr: Expr::Function(function), alias } => (&function.name, list(function)?, alias),
        _ => return None,
    };
    let ident = single(name)?;
    let function = WINDOW_FUNCTIONS.into_iter().find(|function| function.eq_ignore_ascii_case(&ident.value))?;
    let name_span = source.span_of(ident).unwrap_or(whole);
    let span = args.iter().filter_map(|arg| source.span_of_node(arg)).fold(name_span, Span::to);
    let call = Call { function, args, span: source.whole(span), source };
    Some(call.read(alias.as_ref()))
}

fn list(function: &Function) -> Option<&[FunctionArg]> {
    match &function.args {
        FunctionArguments::List(list) => Some(&list.args),
        _ => None,
    }
}

fn single(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident),
        _ => None,
    }
}

struct Call<'a> {
    function: &'static str,
    args: &'a [FunctionArg],
    span: Span,
    source: &'a SourceMap,
}

impl Call<'_> {
    /// The syntax of its call, for messages, and the names of the durations it takes.
    fn usage(&self) -> (&'static str, &'static [&'static str]) {
        match self.function {
            "TUMBLE" => ("TUMBLE(stream, time, INTERVAL '10' SECOND)", &["size"]),
            "HOP" => ("HOP(stream, time, INTERVAL '5' SECOND, INTERVAL '10' SECOND): slide, then size", &["slide", "size"]),
            "SESSION" => ("SESSION(stream, time, INTERVAL '10' SECOND)", &["gap"]),
            _ => ("CUMULATE(stream, time, INTERVAL '5' SECOND, INTERVAL '1' MINUTE): step, then size", &["step", "size"]),
        }
    }

    fn wrong(&self, span: Span, why: impl Into<String>) -> Diagnostic {
        Diagnostic::error(format!("`{}` is called wrongly", self.function))
            .label(span, why)
            .help(format!("write `{}`", self.usage().0))
    }

    fn read(&self, alias: Option<&TableAlias>) -> Result<WindowCall, Diagnostic> {
        let lengths = self.usage().1;
        let mut args = self.in_order()?;
        let with_time = lengths.len() + 2;
        if args.len() != with_time && args.len() + 1 != with_time {
            let why = format!("takes {} or {} arguments, not {}", with_time - 1, with_time, args.len());
            return Err(self.wrong(self.span, why));
        }
        let durations = args.split_off(args.len() - lengths.len());
        let stream = self.column(args[0], "the name of a stream")?;
        let time = args.get(1).map(|time| self.column(time, "the column that is event time")).transpose()?;
        let durations = durations.into_iter().map(|expr| self.length(expr)).collect::<Result<Vec<_>, _>>()?;
        let (first, last) = (durations[0], durations[durations.len() - 1]);
        let kind = match self.function {
            "TUMBLE" => WindowKind::Tumble { size: last },
            "HOP" => WindowKind::Hop { slide: first, size: last },
            "SESSION" => WindowKind::Session { gap: last },
            _ => WindowKind::Cumulate { step: first, size: last },
        };
        let alias = alias.map(|alias| self.name(&alias.name));
        Ok(WindowCall { kind, stream, time, alias, span: self.span })
    }

    /// The arguments as given, or, if they are named, sorted by name.
    fn in_order(&self) -> Result<Vec<&Expr>, Diagnostic> {
        let names: Vec<&str> = ["data", "timecol"].into_iter().chain(self.usage().1.iter().copied()).collect();
        let mut slots: Vec<Option<&Expr>> = vec![None; names.len()];
        let mut plain = Vec::new();
        for arg in self.args {
            let span = match arg {
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => self.name(name).span.to(self.place(expr)),
                _ => self.source.span_of_node(arg).unwrap_or(self.span),
            };
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => plain.push(expr),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                    let wanted = name.value.to_lowercase();
                    let Some(slot) = names.iter().position(|name| *name == wanted) else {
                        let words = format!("there is no argument `{wanted}`");
                        return Err(self.wrong(span, words).suggestion(suggest(&wanted, &names)));
                    };
                    if slots[slot].replace(expr).is_some() {
                        return Err(self.wrong(span, format!("`{wanted}` is given twice")));
                    }
                }
                _ => return Err(self.wrong(span, "expected a name or a length of time")),
            }
        }
        if slots.iter().all(Option::is_none) {
            return Ok(plain);
        }
        if !plain.is_empty() {
            return Err(self.wrong(self.span, "either all arguments have a name or none"));
        }
        match names.iter().zip(&slots).find(|(name, slot)| slot.is_none() && **name != "timecol") {
            Some((name, _)) => Err(self.wrong(self.span, format!("`{name}` is missing"))),
            None => Ok(slots.into_iter().flatten().collect()),
        }
    }

    /// A plain name, perhaps in `DESCRIPTOR( )`.
    fn column(&self, expr: &Expr, what: &str) -> Result<Name, Diagnostic> {
        match expr {
            Expr::Identifier(ident) => return Ok(self.name(ident)),
            Expr::Nested(inner) => return self.column(inner, what),
            Expr::Function(function)
                if single(&function.name).is_some_and(|name| name.value.eq_ignore_ascii_case("DESCRIPTOR")) =>
            {
                if let Some([FunctionArg::Unnamed(FunctionArgExpr::Expr(inner @ Expr::Identifier(_)))]) = list(function) {
                    return self.column(inner, what);
                }
            }
            _ => {}
        }
        Err(self.wrong(self.place(expr), format!("expected {what}")))
    }

    fn length(&self, expr: &Expr) -> Result<DurationLit, Diagnostic> {
        let length = duration(expr, self.place(expr))?;
        match length.us {
            0 => Err(self.wrong(length.span, "must be longer than nothing")),
            _ => Ok(length),
        }
    }

    fn name(&self, ident: &Ident) -> Name {
        Name { text: Name::normalise(ident), span: self.source.span_of(ident).unwrap_or(self.span) }
    }

    fn place(&self, expr: &Expr) -> Span {
        self.source.span_of_expr(expr).unwrap_or(self.span)
    }
}
