//! The sources and destinations of rows: `CREATE STREAM`, `CREATE SINK`, `INSERT INTO`.

use sqlparser::ast::{BinaryOperator, DataType, Expr};

use crate::{Diagnostic, Name, Options, Span, Sql, SqlQuery};

/// `CREATE STREAM name (columns, WATERMARK FOR ...) WITH (options)`: rows from outside.
#[derive(Debug, Clone)]
pub struct CreateStream {
    /// The stream's name.
    pub name: Name,
    /// The columns, at least one; no name comes twice.
    pub columns: Vec<ColumnDef>,
    /// Which column is event time, and how late rows may be.
    pub watermark: Option<Watermark>,
    /// The connector and its settings.
    pub options: Options,
    /// All of the statement.
    pub span: Span,
}

/// One column.
#[derive(Debug, Clone)]
pub struct ColumnDef {
    /// Its name.
    pub name: Name,
    /// Its type, never [`DataType::Custom`].
    pub data_type: DataType,
    /// The place of the type.
    pub type_span: Span,
    /// Whether it was declared `NOT NULL`.
    pub not_null: bool,
}

/// `WATERMARK FOR column AS expr`.
#[derive(Debug, Clone)]
pub struct Watermark {
    /// The column that is event time.
    pub column: Name,
    /// The watermark: the column itself, or the column minus a duration.
    pub expr: Sql,
    /// All of it.
    pub span: Span,
}

impl Watermark {
    /// How far the watermark stays behind the newest event, in microseconds: 5000000 for `at - INTERVAL '5' SECOND`, 0 for `at`.
    ///
    /// # Errors
    /// The expression has another form.
    pub fn delay_us(&self) -> Result<u64, Diagnostic> {
        match &self.expr.tree {
            expr if self.is_column(expr) => Ok(0),
            Expr::BinaryOp { left, op: BinaryOperator::Minus, right } if self.is_column(left) => {
                self.expr.duration(right).map(|delay| delay.us)
            }
            _ => Err(Diagnostic::error("this watermark cannot be followed")
                .label(self.expr.span, "neither the column nor the column minus a length of time")
                .help(format!(
                    "write `{0}`, or `{0} - INTERVAL '5' SECOND` when rows come up to five seconds late",
                    self.column
                ))),
        }
    }

    fn is_column(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Identifier(ident) => Name::normalise(ident) == self.column.text,
            Expr::Nested(inner) => self.is_column(inner),
            _ => false,
        }
    }
}

/// `CREATE STREAM name [WITH (uid = '...')] AS SELECT ...`: rows made from other streams.
#[derive(Debug, Clone)]
pub struct CreateStreamAs {
    /// The stream's name.
    pub name: Name,
    /// The query that gives its rows.
    pub query: SqlQuery,
    /// `WITH (uid = '...')`, if given.
    pub options: Options,
    /// All of the statement.
    pub span: Span,
}

/// `CREATE SINK name WITH (options)`.
#[derive(Debug, Clone)]
pub struct CreateSink {
    /// The sink's name.
    pub name: Name,
    /// The connector and its settings.
    pub options: Options,
    /// All of the statement.
    pub span: Span,
}

/// `INSERT INTO sink [WITH (uid = '...')] SELECT ...`.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The sink that the rows go to.
    pub sink: Name,
    /// The query that gives the rows.
    pub query: SqlQuery,
    /// `WITH (uid = '...')`, if given.
    pub options: Options,
    /// All of the statement.
    pub span: Span,
}
