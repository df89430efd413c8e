//! The variables of a pattern, and the columns that are computed for every row.

use super::tree::quoted;
use super::value::Set;
use arrow::datatypes::DataType;
use datafusion_sql::sqlparser::ast::{self, Ident};
use egret_core::expr::{Expression, Planner, Scope};
use egret_core::{Error, Result, StreamSchema};

/// The variables of a pattern, followed by its union variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// The names; those of the pattern's own variables come first.
    pub(crate) names: Vec<String>,
    /// How many variables the pattern itself has.
    pub(crate) primary: usize,
    /// For each variable or union: which of the pattern's own variables belong to it.
    pub(crate) members: Vec<Vec<bool>>,
}

impl Variables {
    /// Whether a row of `variable` belongs to a set.
    #[inline]
    pub(crate) fn contains(&self, set: Set, variable: u16) -> bool {
        set.is_none_or(|set| self.members[usize::from(set)][usize::from(variable)])
    }

    pub(super) fn find(&self, ident: &Ident) -> Option<u16> {
        let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_uppercase() };
        self.names.iter().position(|other| *other == name).map(|index| index as u16)
    }

    /// The error for an unknown variable; `whole` is the expression that names it.
    pub(super) fn unknown(&self, ident: &Ident, whole: &str) -> Error {
        Error::job(format!("'{whole}': there is no variable '{ident}'"))
            .help(format!("the variables are {}", self.names.join(", ")))
    }
}

/// Columns computed for every row: the columns of the input that are read, and the expressions inside navigation and aggregates.
#[derive(Debug)]
pub(crate) struct StoredColumns<'a> {
    pub(crate) schema: &'a StreamSchema,
    pub(crate) list: Vec<Expression>,
}

impl StoredColumns<'_> {
    /// The stored column for an expression over the stream's columns.
    pub(crate) fn of_tree(&mut self, tree: &ast::Expr) -> Result<usize> {
        let expression = Planner::new().compile(tree, &Scope::of_stream(self.schema)?)?;
        Ok(self.add(expression))
    }

    /// The stored column for a column of the stream.
    pub(crate) fn of_input(&mut self, column: usize) -> Result<usize> {
        self.of_tree(&quoted(self.schema.arrow().field(column).name()))
    }

    fn add(&mut self, expression: Expression) -> usize {
        let text = expression.logical().to_string();
        self.list.iter().position(|other| other.logical().to_string() == text).unwrap_or_else(|| {
            self.list.push(expression);
            self.list.len() - 1
        })
    }

    pub(super) fn data_type(&self, column: usize) -> DataType {
        self.list[column].data_type().clone()
    }
}

/// A column of an earlier row: its name, the stored column, and how many rows earlier.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    pub(crate) name: String,
    pub(crate) column: usize,
    pub(crate) rows: u64,
}

/// The column that an identifier names: exactly, or without regard to case.
pub(super) fn find_column(schema: &StreamSchema, ident: &Ident) -> Result<usize> {
    let fields = schema.arrow().fields();
    let exact = fields.iter().position(|field| *field.name() == ident.value);
    let loose = || {
        let same = |name: &str| ident.quote_style.is_none() && name.eq_ignore_ascii_case(&ident.value);
        fields.iter().position(|field| same(field.name()))
    };
    match exact.or_else(loose) {
        Some(column) => Ok(column),
        None => schema.index_of(&ident.value),
    }
}
