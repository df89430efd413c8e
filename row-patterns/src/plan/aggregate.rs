//! Aggregates over the rows of a variable or of the match.

use super::names::Resolver;
use super::tree::{called, mixed, show, unresolved};
use super::value::{Fold, Kind, LABEL, Set};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::Expr;
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_physical_expr::aggregate::AggregateExprBuilder;
use datafusion_physical_expr::expressions::CastExpr;
use datafusion_sql::sqlparser::ast::{
    self, DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart,
};
use egret_core::expr::{Expression, Planner, Scope};
use egret_core::{Error, Result};
use std::sync::Arc;

impl Resolver<'_, '_> {
    pub(super) fn aggregate(&mut self, call: &Function, name: &str, is_final: bool) -> Result<ast::Expr> {
        let FunctionArguments::List(list) = &call.args else {
            return Err(Error::job(format!("'{}' has no arguments", show(call))).help(format!("write {name}(A.column)")));
        };
        if call.over.is_some() || call.filter.is_some() || !call.within_group.is_empty() || !list.clauses.is_empty() {
            return Err(Error::job(format!("'{}' cannot be used over a match", show(call)))
                .help("use a plain call, sum(A.amount), and CASE inside it instead of FILTER"));
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let (set, fold, data_type) = match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name == "count" => (None, Fold::Rows, DataType::Int64),
            [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(of))] if name == "count" => {
                (Some(self.starred(of, call)?), Fold::Rows, DataType::Int64)
            }
            args => self.folded(call, name, args, distinct)?,
        };
        let of = set.map_or("*", |set| &self.variables.names[usize::from(set)]);
        let semantics = if is_final { "FINAL " } else { "" };
        let name = format!("{semantics}{} over {of}", show(call));
        Ok(self.value(name, data_type, Kind::Aggregate { set, is_final, fold }))
    }

    /// The variable in `COUNT(A.*)`.
    fn starred(&self, name: &ast::ObjectName, call: &Function) -> Result<u16> {
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => {
                self.variables.find(ident).ok_or_else(|| self.variables.unknown(ident, &show(call)))
            }
            _ => Err(Error::job(format!("'{}' has too many parts", show(call))).help("write count(variable.*)")),
        }
    }

    fn folded(&mut self, call: &Function, name: &str, args: &[FunctionArg], distinct: bool) -> Result<(Set, Fold, DataType)> {
        let mut trees = Vec::new();
        let (mut set, mut named, mut label): (Set, bool, bool) = (None, false, false);
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) = arg else {
                return Err(Error::job(format!("'{}': '{arg}' is no argument of an aggregate here", show(call)))
                    .help(format!("write {name}(A.column)")));
            };
            let mut tree = tree.clone();
            let inside = self.inside(&mut tree)?;
            if inside.names {
                if named && set != inside.set {
                    return Err(mixed(&show(call)));
                }
                (set, named) = (inside.set, true);
            }
            label |= inside.label;
            trees.push(unresolved(tree));
        }
        if let ([tree], false, false) = (trees.as_slice(), distinct, label)
            && let Some((fold, data_type)) = self.simple(name, tree)?
        {
            return Ok((set, fold, data_type));
        }
        let (fold, data_type) = self.other(call, &trees)?;
        Ok((set, fold, data_type))
    }

    /// `count`, `sum`, `avg`, `min`, `max` over numbers are updated row by row.
    fn simple(&mut self, name: &str, tree: &ast::Expr) -> Result<Option<(Fold, DataType)>> {
        if !matches!(name, "count" | "sum" | "avg" | "mean" | "min" | "max") {
            return Ok(None);
        }
        let column = self.columns.of_tree(tree)?;
        let data_type = self.columns.data_type(column);
        let signed = matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
        let number = signed || matches!(data_type, DataType::Float32 | DataType::Float64);
        let ordered = number || matches!(data_type, DataType::Timestamp(..) | DataType::Duration(_) | DataType::Date32);
        Ok(match name {
            "count" => Some((Fold::Count(column), DataType::Int64)),
            "sum" if signed => Some((Fold::Sum(column), DataType::Int64)),
            "sum" if number => Some((Fold::Sum(column), DataType::Float64)),
            "avg" | "mean" if number => Some((Fold::Average(column), DataType::Float64)),
            "min" if ordered => Some((Fold::Least(column), data_type)),
            "max" if ordered => Some((Fold::Greatest(column), data_type)),
            _ => None,
        })
    }

    /// Any other aggregate function of DataFusion, over a batch of columns of the stream and, last, the label.
    fn other(&mut self, call: &Function, trees: &[ast::Expr]) -> Result<(Fold, DataType)> {
        let label = Field::new(LABEL, DataType::Utf8, true);
        let all: Vec<Field> = self.columns.schema.arrow().fields().iter().map(|field| field.as_ref().clone()).collect();
        let wide = Arc::new(Schema::new(all.into_iter().chain([label.clone()]).collect::<Vec<_>>()));
        let mut plain = call.clone();
        plain.name = ast::ObjectName::from(vec![Ident::new(called(call).map_or_else(String::new, |(_, name)| name))]);
        let FunctionArguments::List(list) = &mut plain.args else { return Err(Error::bug("a call without arguments")) };
        list.args = trees.iter().map(|tree| FunctionArg::Unnamed(FunctionArgExpr::Expr(tree.clone()))).collect();
        let planned = Planner::new().logical(&ast::Expr::Function(plain), &Scope::of_arrow(&wide)?)?;
        let Expr::AggregateFunction(function) = planned else {
            return Err(Error::job(format!("'{}' is not an aggregate", show(call))).help("use an aggregate function"));
        };
        let mut read: Vec<usize> = Vec::new();
        for arg in &function.params.args {
            arg.apply(|node| {
                if let Expr::Column(column) = node
                    && let Ok(index) = self.columns.schema.arrow().index_of(&column.name)
                    && !read.contains(&index)
                {
                    read.push(index);
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        let fields = read.iter().map(|&column| self.columns.schema.arrow().field(column).clone().with_nullable(true));
        let schema = Arc::new(Schema::new(fields.chain([label]).collect::<Vec<_>>()));
        let scope = Scope::of_arrow(&schema)?;
        let args = function.params.args.iter().map(|arg| Expression::new(arg.clone(), &scope)).collect::<Result<Vec<_>>>()?;
        let types: Vec<String> = args.iter().map(|arg| arg.data_type().to_string()).collect();
        let fields: Vec<_> = args.iter().map(|arg| arg.physical().return_field(&schema)).collect::<Result<_, _>>()?;
        let wanted = fields_with_udf(&fields, function.func.as_ref()).map_err(|_| {
            Error::job(format!("'{}' cannot be computed over {}", show(call), types.join(", ")))
                .help("convert with CAST(... AS ...)")
        })?;
        let args = args.iter().zip(&wanted).map(|(arg, wanted)| -> Arc<dyn datafusion_physical_expr::PhysicalExpr> {
            if arg.data_type() == wanted.data_type() {
                Arc::clone(arg.physical())
            } else {
                Arc::new(CastExpr::new(Arc::clone(arg.physical()), wanted.data_type().clone(), None))
            }
        });
        let expression = AggregateExprBuilder::new(Arc::clone(&function.func), args.collect())
            .schema(schema)
            .alias(show(call))
            .with_distinct(function.params.distinct)
            .build()?;
        let data_type = expression.field().data_type().clone();
        let columns = read.into_iter().map(|column| self.columns.of_input(column)).collect::<Result<_>>()?;
        Ok((Fold::Other { function: Arc::new(expression), columns }, data_type))
    }
}
