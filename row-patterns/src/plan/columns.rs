//! The variables of a pattern, and the columns that are computed of every row.

use super::tree::quoted;
use super::value::Set;
use arrow::datatypes::DataType;
use datafusion_sql::sqlparser::ast::{self, Ident};
use egret_core::expr::{Expression, Planner, Scope};
use egret_core::{Error, Result, StreamSchema};

/// The variables of a pattern, with those that unite others behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// Those of the pattern come first.
    pub(crate) names: Vec<String>,
    /// How many the pattern has.
    pub(crate) primary: usize,
    /// Of every one, whether a variable of the pattern belongs to it.
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

    /// There is no such variable in what was written.
    pub(super) fn unknown(&self, ident: &Ident, whole: &str) -> Error {
        Error::job(format!("'{whole}': there is no variable '{ident}'"))
            .help(format!("the variables are {}", self.names.join(", ")))
    }
}

/// Columns computed of every row: those of the input that are read, and expressions inside of navigation and aggregates.
#[derive(Debug)]
pub(crate) struct StoredColumns<'a> {
    pub(crate) schema: &'a StreamSchema,
    pub(crate) list: Vec<Expression>,
}

impl StoredColumns<'_> {
    /// The stored column that is this expression over the stream's columns.
    pub(crate) fn of_tree(&mut self, tree: &ast::Expr) -> Result<usize> {
        let expression = Planner::new().compile(tree, &Scope::of_stream(self.schema)?)?;
        Ok(self.add(expression))
    }

    /// The stored column that is this column of the stream.
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

/// A column of rows before the current one: its name, the stored column, and how many rows.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    pub(crate) name: String,
    pub(crate) column: usize,
    pub(crate) rows: u64,
}

/// The column an identifier names: as it stands, or without regard to case.
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
