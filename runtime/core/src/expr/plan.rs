//! From a syntax tree to a typed logical expression.

use super::compiled::Expression;
use super::constant::{check_constants, hide_casts, show_casts};
use super::dialect::parse_expression;
use super::functions::{aggregate_function, function_names, scalar_function};
use super::lengths::{Products, Signs};
use super::messages::friendly;
use super::rewrite::rewrite;
use super::sql_type;
use crate::{Error, Result, StreamSchema};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, DFSchemaRef, DataFusionError, TableReference};
use datafusion_expr::expr_rewriter::unnormalize_col;
use datafusion_expr::planner::{ContextProvider, ExprPlanner};
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::{AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::ast;
use std::sync::{Arc, PoisonError};

/// The columns an expression may name.
#[derive(Clone, Debug)]
pub struct Scope {
    schema: DFSchemaRef,
}

impl Scope {
    /// A stream's columns, unqualified.
    ///
    /// # Errors
    /// Two columns have one name.
    pub fn of_stream(schema: &StreamSchema) -> Result<Self> {
        Self::of_arrow(schema.arrow())
    }

    /// The columns of an Arrow schema, unqualified.
    ///
    /// # Errors
    /// Two columns have one name.
    pub fn of_arrow(schema: &SchemaRef) -> Result<Self> {
        Ok(Self { schema: Arc::new(DFSchema::try_from(Arc::clone(schema))?) })
    }

    /// A stream's columns that may also be written `name.column`.
    ///
    /// # Errors
    /// Two columns have one name.
    pub fn of_named_stream(name: &str, schema: &StreamSchema) -> Result<Self> {
        Ok(Self { schema: Arc::new(DFSchema::try_from_qualified_schema(TableReference::bare(name), schema.arrow())?) })
    }

    /// The type of an expression over these columns, if it has one.
    pub fn type_of(&self, expr: &Expr) -> Option<DataType> {
        expr.get_type(&self.schema).ok()
    }

    pub(super) fn df(&self) -> &DFSchema {
        &self.schema
    }

    pub(super) fn df_ref(&self) -> DFSchemaRef {
        Arc::clone(&self.schema)
    }
}

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
        // A text is a text, whether it is a column's or comes from a cast.
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
    /// # Errors
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

/// Coerces types and folds constants.
pub(super) fn simplify(expr: Expr, scope: &Scope) -> Result<Expr> {
    let coerced = coerce(expr, scope)?;
    check_constants(&coerced, scope)?;
    let fold = |constant| simplifier(scope).simplify(constant);
    let plain = super::floats::constants_plain(coerced, scope.df(), fold).map_err(friendly)?;
    show_casts(simplifier(scope).simplify(hide_casts(plain, scope)?).map_err(friendly)?)
}

/// Coerces types alone; an aggregate call stays one.
pub fn coerce(expr: Expr, scope: &Scope) -> Result<Expr> {
    let written = casts(&expr)?;
    check_lists(&expr, &written, scope)?;
    let coerced = simplifier(scope).coerce(expr, scope.df()).map_err(friendly)?;
    check_comparisons(&coerced, &written, scope)?;
    Ok(coerced)
}

fn simplifier(scope: &Scope) -> ExprSimplifier {
    ExprSimplifier::new(SimplifyContext::builder().with_schema(scope.df_ref()).build())
}

/// The casts that the user wrote.
fn casts(expr: &Expr) -> Result<Vec<Expr>> {
    use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
    let mut written = Vec::new();
    expr.apply(|node| {
        if matches!(node, Expr::Cast(_) | Expr::TryCast(_)) {
            written.push(node.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(written)
}

/// DataFusion compares a number with a text by casting one of them, and finds out row by row; we refuse at once.
fn check_comparisons(expr: &Expr, written: &[Expr], scope: &Scope) -> Result<()> {
    use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
    let mut wrong = None;
    expr.apply(|node| {
        let clash = sides(node).into_iter().find_map(|(left, right)| mismatch(left, right, written, scope));
        if let Some(pair) = clash {
            wrong = Some((super::show::sql(&uncast(node, written)), pair));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match wrong {
        None => Ok(()),
        Some((text, (left, right))) => {
            Err(Error::job(format!("{} and {} cannot be compared or combined", a_value_of(&left), a_value_of(&right)))
                .context(format!("in {text}"))
                .help("write a number without quotes, or convert one side with CAST(... AS ...)"))
        }
    }
}

/// The same of lists and ranges, before DataFusion makes one type of all of them, which it may not be able to.
fn check_lists(expr: &Expr, written: &[Expr], scope: &Scope) -> Result<()> {
    use datafusion_common::tree_node::TreeNode;
    if expr.exists(|node| Ok(matches!(node, Expr::InList(_) | Expr::Between(_))))? {
        check_comparisons(expr, written, scope)?;
    }
    Ok(())
}

/// What an expression compares or combines with each other.
fn sides(expr: &Expr) -> Vec<(&Expr, &Expr)> {
    match expr {
        Expr::BinaryExpr(binary) if is_typed_operator(binary.op) => vec![(&binary.left, &binary.right)],
        Expr::InList(list) => list.list.iter().map(|item| (list.expr.as_ref(), item)).collect(),
        Expr::Between(between) => vec![(&between.expr, &between.low), (&between.expr, &between.high)],
        _ => Vec::new(),
    }
}

/// An operation without the casts that nobody wrote around what it combines.
fn uncast(expr: &Expr, written: &[Expr]) -> Expr {
    let bare = |side: &Expr| match side {
        Expr::Cast(cast) if !written.contains(side) => cast.expr.as_ref().clone(),
        other => other.clone(),
    };
    match expr {
        Expr::BinaryExpr(of) => datafusion_expr::binary_expr(bare(&of.left), of.op, bare(&of.right)),
        other => other.clone(),
    }
}

/// `a text`, `a DOUBLE`.
fn a_value_of(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "a text".into(),
        DataType::Int32 => "an INT".into(),
        DataType::Duration(_) => "a length of time".into(),
        other => format!("a {}", sql_type(other)),
    }
}

fn is_typed_operator(op: datafusion_expr::Operator) -> bool {
    use datafusion_expr::Operator as Op;
    op.is_numerical_operators() || matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::Modulo)
}

/// The two sides' own types, if one is a text and the other a number or a boolean; a cast that was written makes its type a side's own.
fn mismatch(left: &Expr, right: &Expr, casts: &[Expr], scope: &Scope) -> Option<(DataType, DataType)> {
    let own = |side: &Expr| -> Option<DataType> {
        let inner = match side {
            side if casts.contains(side) => side,
            Expr::Cast(cast) => cast.expr.as_ref(),
            Expr::TryCast(cast) => cast.expr.as_ref(),
            other => other,
        };
        inner.get_type(scope.df()).ok()
    };
    let (a, b) = (own(left)?, own(right)?);
    let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_other = |t: &DataType| t.is_numeric() || matches!(t, DataType::Boolean);
    let clash = (is_text(&a) && is_other(&b)) || (is_other(&a) && is_text(&b));
    clash.then_some((a, b))
}

/// Tells DataFusion's planner which functions there are.
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
