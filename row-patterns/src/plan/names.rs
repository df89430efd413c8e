//! Resolves the names and calls in `DEFINE` and `MEASURES`.
//!
//! In a definition a bare column, or one of the variable being defined, belongs to the current row; so does `PREV` of it, some
//! rows earlier. Everything else is a value of the match so far. In a measure everything is a value. Values become columns of
//! their own.

use super::columns::{Shift, StoredColumns, Variables};
use super::inside::{Inside, InsideRows};
use super::tree::{Mark, Quotes, RESOLVED, arguments, called, from, marked, quoted, resolved, show, spelled, unresolved};
use super::value::{From, Kind, LABEL, Read, RowValue, Set, intern};
use arrow::datatypes::DataType;
use datafusion_sql::sqlparser::ast::{self, Function, FunctionArg, FunctionArgExpr, Value};
use egret_core::expr::{Rewrite, aggregate_function, rewrite};
use egret_core::{Error, Result};

/// The greatest offset of navigation, in rows.
const OFFSET_MAX: u64 = 1_000_000;

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the definition of a variable.
    Define(u16),
    /// Among the measures.
    Measure,
}

/// Resolves expressions.
pub(crate) struct Resolver<'a, 's> {
    pub(crate) variables: &'a Variables,
    pub(crate) columns: &'a mut StoredColumns<'s>,
    pub(crate) place: Place,
    pub(crate) values: &'a mut Vec<RowValue>,
    pub(crate) shifts: &'a mut Vec<Shift>,
}

impl Rewrite for Resolver<'_, '_> {
    fn before(&mut self, node: &mut ast::Expr) -> Result<()> {
        if let Some(new) = self.replacement(node)? {
            *node = new;
        }
        Ok(())
    }
}

impl Resolver<'_, '_> {
    /// Replaces values of the match by columns, and adds them to the lists.
    pub(crate) fn resolve(&mut self, tree: &mut ast::Expr) -> Result<()> {
        rewrite(tree, self)?;
        rewrite(tree, &mut Quotes('"'))
    }

    fn replacement(&mut self, node: &ast::Expr) -> Result<Option<ast::Expr>> {
        match node {
            ast::Expr::Identifier(ident) if ident.quote_style == Some(RESOLVED) => Ok(None),
            ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) => {
                let mut tree = node.clone();
                let inside = self.inside(&mut tree)?;
                self.cell(From::Last { set: inside.set, n: 0 }, false, 0, tree, inside.label).map(Some)
            }
            ast::Expr::Function(call) => self.call(call),
            ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => {
                Err(Error::job("a query cannot stand inside a row pattern's expression")
                    .help("join before, or write the values out"))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn call(&mut self, call: &Function) -> Result<Option<ast::Expr>> {
        let Some((mark, name)) = called(call) else { return Ok(None) };
        let is_final = mark == Some(Mark::Final);
        if is_final && matches!(self.place, Place::Define(_)) {
            return Err(Error::job(format!("'{}' is final, but a definition is decided before the match is", show(call)))
                .help("leave FINAL out; a definition reads the match up to the current row"));
        }
        let value = match name.as_str() {
            "first" | "last" => self.logical(call, &name, is_final)?,
            "prev" | "next" => {
                if mark.is_some() {
                    return Err(Error::job(format!("'{}': PREV and NEXT are neither RUNNING nor FINAL", show(call)))
                        .help("write PREV(FINAL LAST(x))"));
                }
                self.physical(call, &name)?
            }
            "classifier" => {
                if mark.is_some() {
                    return Err(Error::job(format!("'{}': CLASSIFIER is neither RUNNING nor FINAL", show(call)))
                        .help("write FINAL LAST(CLASSIFIER())"));
                }
                let mut tree = ast::Expr::Function(call.clone());
                let inside = self.inside(&mut tree)?;
                self.cell(From::Last { set: inside.set, n: 0 }, false, 0, tree, inside.label)?
            }
            "match_number" if arguments(call)?.is_empty() => {
                self.value("match_number()".into(), DataType::Int64, Kind::MatchNumber)
            }
            "match_number" => return Err(Error::job(format!("'{}' takes no argument", show(call))).help("write MATCH_NUMBER()")),
            "match_rowtime" if self.place == Place::Measure => self.match_time(call)?,
            _ if aggregate_function(&name).is_some() => self.aggregate(call, &name, is_final)?,
            _ if mark.is_some() => {
                return Err(Error::job(format!("'{}': only FIRST, LAST and aggregates are RUNNING or FINAL", show(call)))
                    .help("leave the word out"));
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    /// Flink's name for the event time of the current row.
    fn match_time(&mut self, call: &Function) -> Result<ast::Expr> {
        let Some(time) = self.columns.schema.event_time() else {
            return Err(Error::job(format!("'{}': the stream has no event time", show(call))).help("declare one with WATERMARK"));
        };
        let tree = quoted(self.columns.schema.arrow().field(time).name());
        self.cell(From::Last { set: None, n: 0 }, false, 0, tree, false)
    }

    /// `FIRST(x, n)`, `LAST(x, n)`.
    pub(super) fn logical(&mut self, call: &Function, name: &str, is_final: bool) -> Result<ast::Expr> {
        let (mut tree, n) = self.navigated(call, 0)?;
        let inside = self.inside(&mut tree)?;
        self.cell(from(name, inside.set, n), is_final, 0, tree, inside.label)
    }

    /// `PREV(x, n)`, `NEXT(x, n)`, with or without `FIRST` or `LAST` inside.
    pub(super) fn physical(&mut self, call: &Function, name: &str) -> Result<ast::Expr> {
        let (tree, n) = self.navigated(call, 1)?;
        let offset = if name == "prev" { -(n as i64) } else { n as i64 };
        let mut plain = &tree;
        while let ast::Expr::Nested(inner) = plain {
            plain = inner;
        }
        if let ast::Expr::Function(inner) = plain
            && let Some((mark, name)) = called(inner)
            && matches!(name.as_str(), "first" | "last")
        {
            if mark == Some(Mark::Final) && matches!(self.place, Place::Define(_)) {
                return Err(Error::job(format!("'{}' is final, but a definition is decided before the match is", show(inner)))
                    .help("leave FINAL out; a definition reads the match up to the current row"));
            }
            let (mut tree, n) = self.navigated(inner, 0)?;
            let inside = self.inside(&mut tree)?;
            return self.cell(from(&name, inside.set, n), mark == Some(Mark::Final), offset, tree, inside.label);
        }
        let mut tree = tree;
        let inside = self.inside(&mut tree)?;
        self.cell(From::Last { set: inside.set, n: 0 }, false, offset, tree, inside.label)
    }

    /// The expression that a navigation reads, and its offset.
    pub(super) fn navigated(&self, call: &Function, default: u64) -> Result<(ast::Expr, u64)> {
        let list = arguments(call)?;
        let tree = match list.first() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(tree))) if list.len() <= 2 => tree.clone(),
            _ => {
                return Err(Error::job(format!("'{}' must have one or two arguments", show(call)))
                    .help("write what to read and, if you like, a number: LAST(A.price, 1)"));
            }
        };
        let wrong = || {
            Error::job(format!("'{}': the second argument is not a whole number from 0 to {OFFSET_MAX}", show(call)))
                .help("write how many rows to go")
        };
        let n = match list.get(1) {
            None => default,
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(value)))) => match &value.value {
                Value::Number(text, _) => text.parse().ok().filter(|n| *n <= OFFSET_MAX).ok_or_else(wrong)?,
                _ => return Err(wrong()),
            },
            Some(_) => return Err(wrong()),
        };
        Ok((tree, n))
    }

    /// Rewrites an expression to read the columns of a single row; returns which variable's row, and what it reads.
    pub(super) fn inside(&self, tree: &mut ast::Expr) -> Result<Inside> {
        let mut rows = InsideRows {
            variables: self.variables,
            schema: self.columns.schema,
            found: Inside { set: None, names: false, label: false },
            text: tree.to_string(),
        };
        rewrite(tree, &mut rows)?;
        Ok(rows.found)
    }

    /// The value of an expression at a row that navigation finds.
    pub(super) fn cell(&mut self, from: From, is_final: bool, offset: i64, tree: ast::Expr, label: bool) -> Result<ast::Expr> {
        let from = match (from, self.place) {
            (From::Last { set, n: 0 }, Place::Define(own)) if self.variables.contains(set, own) => From::Current,
            (From::Last { set: None, n: 0 }, Place::Measure) if !is_final => From::Current,
            (from, _) => from,
        };
        if label {
            return self.labelled(from, is_final, offset, tree);
        }
        if let (From::Current, 0, Place::Define(_)) = (from, offset, self.place) {
            return Ok(ast::Expr::Nested(Box::new(resolved(tree))));
        }
        let column = self.columns.of_tree(&unresolved(tree))?;
        if let (From::Current, Place::Define(_), true) = (from, self.place, offset < 0) {
            return Ok(self.shift(column, offset.unsigned_abs()));
        }
        Ok(self.read(from, is_final, offset, Read::Column(column)))
    }

    /// An expression that reads the row's label, perhaps together with columns of the row.
    pub(super) fn labelled(&mut self, from: From, is_final: bool, offset: i64, tree: ast::Expr) -> Result<ast::Expr> {
        let is_bare = matches!(&tree, ast::Expr::Identifier(ident) if ident.value == LABEL);
        let own = match (from, offset, self.place) {
            (From::Current, 0, Place::Define(own)) => Some(self.variables.names[usize::from(own)].clone()),
            _ => None,
        };
        let label = match own {
            Some(name) => ast::Expr::Value(Value::SingleQuotedString(name).into()),
            None => self.read(from, is_final, offset, Read::Label),
        };
        if is_bare {
            return Ok(label);
        }
        let exists = self.read(from, is_final, offset, Read::Exists);
        let mut parts = Parts { resolver: self, from, is_final, offset, label };
        let mut tree = tree;
        rewrite(&mut tree, &mut parts)?;
        let text = format!("CASE WHEN {} THEN {} END", spelled(exists), spelled(tree));
        let tree = super::text::parse_expression(&text)?;
        Ok(ast::Expr::Nested(Box::new(resolved(tree))))
    }

    pub(super) fn shift(&mut self, column: usize, rows: u64) -> ast::Expr {
        let name = self.free(format!("PREV({}, {rows}) of the row", self.columns.list[column].logical().human_display()));
        if !self.shifts.iter().any(|shift| shift.name == name) {
            self.shifts.push(Shift { name: name.clone(), column, rows });
        }
        marked(&name)
    }

    pub(super) fn read(&mut self, from: From, is_final: bool, offset: i64, read: Read) -> ast::Expr {
        let (what, data_type) = match read {
            Read::Column(column) => {
                (self.columns.list[column].logical().human_display().to_string(), self.columns.data_type(column))
            }
            Read::Label => ("CLASSIFIER()".into(), DataType::Utf8),
            Read::Exists => ("EXISTS".into(), DataType::Boolean),
        };
        let set = |set: Set| set.map_or("*", |set| &self.variables.names[usize::from(set)]);
        let semantics = if is_final { "FINAL " } else { "" };
        let row = match from {
            From::Current => what,
            From::First { set: of, n } => format!("{semantics}FIRST({} {what}, {n})", set(of)),
            From::Last { set: of, n } => format!("{semantics}LAST({} {what}, {n})", set(of)),
        };
        let name = match offset {
            0 => row,
            back if back < 0 => format!("PREV({row}, {})", back.unsigned_abs()),
            forth => format!("NEXT({row}, {forth})"),
        };
        self.value(name, data_type, Kind::Cell { from, is_final, offset, read })
    }

    /// Makes a name that no column of the stream has.
    pub(super) fn free(&self, mut name: String) -> String {
        while self.columns.schema.arrow().index_of(&name).is_ok() {
            name.push('\'');
        }
        name
    }

    pub(super) fn value(&mut self, name: String, data_type: DataType, kind: Kind) -> ast::Expr {
        let name = self.free(name);
        let tree = marked(&name);
        intern(self.values, RowValue { name, data_type, kind });
        tree
    }
}

/// Replaces the columns of an expression by values, and its label by the label's expression.
struct Parts<'r, 'a, 's> {
    resolver: &'r mut Resolver<'a, 's>,
    from: From,
    is_final: bool,
    offset: i64,
    label: ast::Expr,
}

impl Rewrite for Parts<'_, '_, '_> {
    fn before(&mut self, node: &mut ast::Expr) -> Result<()> {
        let ast::Expr::Identifier(ident) = node else { return Ok(()) };
        if ident.value == LABEL {
            *node = self.label.clone();
            return Ok(());
        }
        let name = ast::Expr::Identifier(ident.clone());
        let cell = self.resolver.cell(self.from, self.is_final, self.offset, name, false)?;
        *node = if let ast::Expr::Nested(inner) = cell { *inner } else { cell };
        Ok(())
    }
}
