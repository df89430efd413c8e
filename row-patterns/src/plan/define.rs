//! Definitions, split into a part that is known when a row arrives and a part that depends on the match so far.
//!
//! The first part reads the row and rows before it, and is evaluated a column at a time for all rows that arrive. The rest is
//! evaluated row by row; usually it compares an expression over the row with one over the match, and then the row's side is
//! computed as a column, too.

use super::columns::{Shift, StoredColumns, Variables};
use super::names::{Place, Resolver};
use super::value::RowValue;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Expr, Operator as Op, utils::conjunction};
use datafusion_sql::sqlparser::ast;
use egret_core::expr::bare_column;
use egret_core::expr::{Expression, Planner, Scope, sql_type};
use egret_core::scalar::{is_comparison, kind, mirrored};
use egret_core::{Error, Result, Subject};
use std::collections::BTreeSet;
use std::sync::Arc;

/// All definitions of a pattern.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defines {
    /// By variable.
    pub(crate) list: Vec<Define>,
    pub(crate) shifts: Vec<Shift>,
    pub(crate) values: Vec<RowValue>,
    /// The parts known when a row arrives, over the stream's columns followed by the shifts.
    pub(crate) locals: Vec<Expression>,
    /// Sides of comparisons and other expressions over a row, over the same columns.
    pub(crate) sides: Vec<Expression>,
}

/// The definition of a variable; all parts must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Define {
    /// The number of its local part in `Defines::locals`.
    pub(crate) local: Option<usize>,
    pub(crate) terms: Vec<RowTerm>,
    /// Whether no row meets it.
    pub(crate) never: bool,
}

/// A part of a definition that depends on the match so far.
#[derive(Clone, Debug)]
pub(crate) enum RowTerm {
    /// An expression over the row, compared with one over the match.
    Compare { side: usize, op: Op, with: MatchSide },
    /// Any other expression, over sides followed by values.
    Mixed { expression: Expression, schema: SchemaRef, sides: Vec<usize>, values: Vec<usize> },
}

/// An expression over values of the match.
#[derive(Clone, Debug)]
pub(crate) struct MatchSide {
    pub(crate) values: Vec<usize>,
    pub(crate) schema: SchemaRef,
    /// `None` if it is the one value itself.
    pub(crate) expression: Option<Expression>,
}

impl Defines {
    /// Compiles definitions; adds the columns that values read to `columns`.
    pub(crate) fn compile(trees: &[(String, ast::Expr)], variables: &Variables, columns: &mut StoredColumns<'_>) -> Result<Self> {
        let mut defines = Self { list: vec![Define::default(); variables.primary], ..Self::default() };
        let of = |error: Error, name: &str| error.context(format!("DEFINE {name}")).about(Subject::Define(name.to_owned()));
        let mut resolved = Vec::new();
        for (name, tree) in trees {
            let own =
                variables.names.iter().position(|other| other == name).ok_or_else(|| Error::bug("a definition's variable"))?;
            let mut tree = tree.clone();
            let (values, shifts) = (&mut defines.values, &mut defines.shifts);
            Resolver { variables, columns: &mut *columns, place: Place::Define(own as u16), values, shifts }
                .resolve(&mut tree)
                .map_err(|error| of(error, name))?;
            resolved.push((own, name, tree));
        }
        let mut binder = Binder::new(&mut defines, columns)?;
        for (own, name, tree) in resolved {
            let define = binder.define(&tree).map_err(|error| of(error, name))?;
            binder.defines.list[own] = define;
        }
        Ok(defines)
    }

    /// The columns over which definitions are evaluated when rows arrive: the stream's, then the shifts.
    pub(crate) fn row_schema(&self, columns: &StoredColumns<'_>) -> SchemaRef {
        let all = columns.schema.arrow().fields().iter().map(|field| field.as_ref().clone());
        let shift = |shift: &Shift| Field::new(&shift.name, columns.list[shift.column].data_type().clone(), true);
        Arc::new(Schema::new(all.chain(self.shifts.iter().map(shift)).collect::<Vec<_>>()))
    }
}

struct Binder<'d> {
    defines: &'d mut Defines,
    /// The scope of the stream's columns and the shifts.
    rows: Scope,
    row_columns: usize,
    /// The same columns followed by the values.
    wide: Scope,
    wide_schema: SchemaRef,
}

impl<'d> Binder<'d> {
    fn new(defines: &'d mut Defines, columns: &StoredColumns<'_>) -> Result<Self> {
        let row_schema = defines.row_schema(columns);
        let fields = row_schema.fields().iter().map(|field| field.as_ref().clone());
        let wide: SchemaRef = Arc::new(Schema::new(fields.chain(defines.values.iter().map(RowValue::field)).collect::<Vec<_>>()));
        let row_columns = row_schema.fields().len();
        Ok(Self { defines, rows: Scope::of_arrow(&row_schema)?, row_columns, wide: Scope::of_arrow(&wide)?, wide_schema: wide })
    }

    fn define(&mut self, tree: &ast::Expr) -> Result<Define> {
        let whole = Planner::new().compile(tree, &self.wide)?;
        if !matches!(whole.data_type(), DataType::Boolean | DataType::Null) {
            return Err(Error::job(format!("it is a value of type {}, not a condition", sql_type(whole.data_type())))
                .help("write a comparison"));
        }
        let mut define = Define::default();
        let mut local = Vec::new();
        for part in whole.conjuncts() {
            match part {
                Expr::Literal(ScalarValue::Boolean(Some(true)), _) => {}
                Expr::Literal(..) => define.never = true,
                part if self.is_of_row(part)? => local.push(part.clone()),
                part => define.terms.push(self.term(part)?),
            }
        }
        if let Some(local) = conjunction(local) {
            define.local = Some(place_of(&mut self.defines.locals, Expression::new(local, &self.rows)?));
        }
        Ok(define)
    }

    fn columns_of(&self, part: &Expr) -> Result<BTreeSet<usize>> {
        Ok(Expression::new(part.clone(), &self.wide)?.columns().clone())
    }

    fn is_of_row(&self, part: &Expr) -> Result<bool> {
        Ok(self.columns_of(part)?.iter().all(|&column| column < self.row_columns))
    }

    fn is_of_match(&self, part: &Expr) -> Result<bool> {
        Ok(self.columns_of(part)?.iter().all(|&column| column >= self.row_columns))
    }

    fn term(&mut self, part: &Expr) -> Result<RowTerm> {
        if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part
            && is_comparison(*op)
        {
            let types =
                (Expression::new(left.as_ref().clone(), &self.wide)?, Expression::new(right.as_ref().clone(), &self.wide)?);
            let (one, other) = (types.0.data_type(), types.1.data_type());
            if one == other && kind(one) == kind(other) {
                if self.is_of_row(left)? && self.is_of_match(right)? {
                    return self.compare(left, *op, right);
                }
                if self.is_of_match(left)? && self.is_of_row(right)? {
                    return self.compare(right, mirrored(*op), left);
                }
            }
        }
        self.mixed(part)
    }

    fn compare(&mut self, row: &Expr, op: Op, of_match: &Expr) -> Result<RowTerm> {
        let side = place_of(&mut self.defines.sides, Expression::new(row.clone(), &self.rows)?);
        let whole = Expression::new(of_match.clone(), &self.wide)?;
        let values: Vec<usize> = whole.columns().iter().map(|column| column - self.row_columns).collect();
        let schema: SchemaRef =
            Arc::new(Schema::new(values.iter().map(|&value| self.defines.values[value].field()).collect::<Vec<_>>()));
        let expression = match bare_column(whole.physical()) {
            Some(_) => None,
            None => Some(Expression::new(whole.logical().clone(), &Scope::of_arrow(&schema)?)?),
        };
        Ok(RowTerm::Compare { side, op, with: MatchSide { values, schema, expression } })
    }

    fn mixed(&mut self, part: &Expr) -> Result<RowTerm> {
        let whole = Expression::new(part.clone(), &self.wide)?;
        let (mut sides, mut values, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        let wide = SchemaRef::clone(&self.wide_schema);
        for &column in whole.columns() {
            fields.push(wide.field(column).clone());
            if column < self.row_columns {
                let bare = datafusion_expr::Expr::Column(datafusion_common::Column::from_name(wide.field(column).name()));
                sides.push(place_of(&mut self.defines.sides, Expression::new(bare, &self.rows)?));
            } else {
                values.push(column - self.row_columns);
            }
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let expression = Expression::new(whole.logical().clone(), &Scope::of_arrow(&schema)?)?;
        Ok(RowTerm::Mixed { expression, schema, sides, values })
    }
}

/// The place of an expression in a list, added if it is not in the list.
fn place_of(list: &mut Vec<Expression>, expression: Expression) -> usize {
    let text = expression.logical().to_string();
    list.iter().position(|other| other.logical().to_string() == text).unwrap_or_else(|| {
        list.push(expression);
        list.len() - 1
    })
}
