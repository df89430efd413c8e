//! From a syntax tree to a typed logical expression.

use super::compiled::Expression;
use super::dialect::parse_expression;
use super::functions::{aggregate_function, function_names, scalar_function};
use super::lengths::{Products, Signs};
use super::messages::friendly;
use super::rewrite::rewrite;
use super::scope::Scope;
use crate::{Error, Result};
use arrow::datatypes::DataType;
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, TableReference};
use datafusion_expr::expr_rewriter::unnormalize_col;
use datafusion_expr::planner::{ContextProvider, ExprPlanner};
use datafusion_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::ast;
use std::sync::{Arc, PoisonError};

/// Plans expressions: resolves names, coerces types, folds constants.
pub struct Planner {
    provider: Provider,
}

impl Default for Planner {
    fn default() -> Self {
        Self::new()
    }
}

impl Planner {
    /// A planner with all functions.
    pub fn new() -> Self {
        Self { provider: Provider::new() }
    }

    /// Parses, plans and compiles a text.
    ///
    /// # Errors
    /// The text does not parse, names something unknown, or its types do not fit.
    pub fn compile_text(&self, text: &str, scope: &Scope) -> Result<Expression> {
        let place = || format!("in the expression `{text}`");
        let tree = parse_expression(text).map_err(|error| error.context(place()))?;
        self.compile(&tree, scope).map_err(|error| error.context(place()))
    }

    /// Plans and compiles a parsed expression.
    ///
    /// # Errors
    /// It names something unknown, or its types do not fit.
    pub fn compile(&self, tree: &ast::Expr, scope: &Scope) -> Result<Expression> {
        let logical = self.logical(tree, scope)?;
        Ok(Expression::new(logical, scope)?.with_text(&tree.to_string()))
    }

    /// Plans a parsed expression that may contain aggregate calls.
    ///
    /// # Errors
    /// It names something unknown.
    pub fn logical(&self, tree: &ast::Expr, scope: &Scope) -> Result<Expr> {
        // Text columns and casts to text have the same type, Utf8.
        let options = ParserOptions::default().with_map_string_types_to_utf8view(false);
        let planner = SqlToRel::new_with_options(&self.provider, options);
        let mut tree = tree.clone();
        rewrite(&mut tree, &mut Signs)?;
        let expr = planner.sql_to_expr(tree, scope.df(), &mut PlannerContext::new()).map_err(friendly)?;
        let made = std::mem::take(&mut *self.provider.products.made.lock().unwrap_or_else(PoisonError::into_inner));
        let expr = super::lengths::plan(unnormalize_col(expr), scope, &made)?;
        Ok(super::floats::written_out(expr, scope.df())?)
    }

    /// The Arrow type of a SQL type.
    ///
    /// No column can have this type.
    /// There is no such type for a column.
    pub fn data_type(&self, sql: &ast::DataType) -> Result<DataType> {
        use ast::DataType as Sql;
        Ok(match sql {
            Sql::Timestamp(..) | Sql::Datetime(_) => crate::schema::TIME_TYPE,
            Sql::String(_) | Sql::Text | Sql::Varchar(_) | Sql::Char(_) | Sql::CharVarying(_) => DataType::Utf8,
            Sql::BigInt(_) | Sql::Int8(_) | Sql::Int64 => DataType::Int64,
            Sql::Int(_) | Sql::Integer(_) | Sql::Int4(_) | Sql::Int32 => DataType::Int32,
            Sql::SmallInt(_) | Sql::Int2(_) | Sql::Int16 => DataType::Int16,
            Sql::TinyInt(_) => DataType::Int8,
            Sql::Double(_) | Sql::DoublePrecision | Sql::Float8 | Sql::Float64 => DataType::Float64,
            Sql::Float(_) | Sql::Real | Sql::Float4 | Sql::Float32 => DataType::Float32,
            Sql::Boolean | Sql::Bool => DataType::Boolean,
            Sql::Date => DataType::Date32,
            other => {
                return Err(Error::job(format!("there is no column type {other}"))
                    .help("the types are TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, BOOLEAN, STRING, DATE and TIMESTAMP"));
            }
        })
    }
}

/// Gives DataFusion's planner the functions.
struct Provider {
    options: ConfigOptions,
    products: Arc<Products>,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

impl Provider {
    fn new() -> Self {
        let products = Arc::new(Products::default());
        let planners: Vec<Arc<dyn ExprPlanner>> = vec![
            Arc::clone(&products) as Arc<dyn ExprPlanner>,
            Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
            Arc::new(datafusion_functions::datetime::planner::DatetimeFunctionPlanner),
            Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
            Arc::new(datafusion_functions_aggregate::planner::AggregateFunctionPlanner),
        ];
        Self { options: ConfigOptions::default(), products, planners }
    }
}

impl ContextProvider for Provider {
    fn get_table_source(&self, name: TableReference) -> datafusion_common::Result<Arc<dyn TableSource>> {
        Err(DataFusionError::Plan(format!("a table ({name}) cannot be used inside an expression")))
    }
    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }
    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        scalar_function(name)
    }
    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }
    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        aggregate_function(name)
    }
    fn get_window_meta(&self, _name: &str) -> Option<Arc<WindowUDF>> {
        None
    }
    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }
    fn options(&self) -> &ConfigOptions {
        &self.options
    }
    fn udf_names(&self) -> Vec<String> {
        function_names()
    }
    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}
