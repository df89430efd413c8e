//! What the names and calls in `DEFINE` and `MEASURES` mean.
//!
//! In a definition a bare column, or one of the variable being defined, is the current row's; so is `PREV` of it, some rows
//! before. All else is a value of the match so far. In a measure everything is a value. Values become columns of their own.

use super::value::{Fold, From, Kind, LABEL, Read, RowValue, Set, intern};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::Expr;
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_physical_expr::aggregate::AggregateExprBuilder;
use datafusion_physical_expr::expressions::CastExpr;
use datafusion_sql::sqlparser::ast::{
    self, DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Value, VisitMut,
    VisitorMut,
};
use egret_core::expr::{Expression, Planner, Scope, aggregate_function};
use egret_core::{Error, Result, StreamSchema};
use std::ops::ControlFlow;
use std::sync::Arc;

/// So far may navigation go.
const OFFSET_MAX: u64 = 1_000_000;

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

    fn find(&self, ident: &Ident) -> Option<u16> {
        let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_uppercase() };
        self.names.iter().position(|other| *other == name).map(|index| index as u16)
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

    fn data_type(&self, column: usize) -> DataType {
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

/// What stands inside of navigation or an aggregate.
struct Inside {
    /// The variable it is about; `None` is none in particular.
    set: Set,
    /// Whether there is any name in it.
    names: bool,
    /// Whether it reads the label of the row.
    label: bool,
}

impl VisitorMut for Resolver<'_, '_> {
    type Break = Box<Error>;

    fn pre_visit_expr(&mut self, node: &mut ast::Expr) -> ControlFlow<Self::Break> {
        match self.replacement(node) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(new)) => {
                *node = new;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

impl Resolver<'_, '_> {
    /// Replaces values of the match by columns, and adds them to the lists.
    pub(crate) fn resolve(&mut self, tree: &mut ast::Expr) -> Result<()> {
        if let ControlFlow::Break(error) = tree.visit(self) {
            return Err(*error);
        }
        let _ = tree.visit(&mut Quotes('"'));
        Ok(())
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

    fn call(&mut self, call: &Function) -> Result<Option<ast::Expr>> {
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
            "match_number" => return Err(Error::job(format!("'{}' takes no argument", show(call)))),
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
    fn logical(&mut self, call: &Function, name: &str, is_final: bool) -> Result<ast::Expr> {
        let (mut tree, n) = self.navigated(call, 0)?;
        let inside = self.inside(&mut tree)?;
        self.cell(from(name, inside.set, n), is_final, 0, tree, inside.label)
    }

    /// `PREV(x, n)`, `NEXT(x, n)`, with or without `FIRST` or `LAST` inside.
    fn physical(&mut self, call: &Function, name: &str) -> Result<ast::Expr> {
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

    /// What a navigation reads, and its offset.
    fn navigated(&self, call: &Function, default: u64) -> Result<(ast::Expr, u64)> {
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

    /// Makes an expression one over the columns of a single row, and says of which variable's row.
    fn inside(&self, tree: &mut ast::Expr) -> Result<Inside> {
        let mut rows =
            InsideRows { resolver: self, found: Inside { set: None, names: false, label: false }, text: tree.to_string() };
        match tree.visit(&mut rows) {
            ControlFlow::Continue(()) => Ok(rows.found),
            ControlFlow::Break(error) => Err(*error),
        }
    }

    /// The value of an expression at a row that navigation finds.
    fn cell(&mut self, from: From, is_final: bool, offset: i64, tree: ast::Expr, label: bool) -> Result<ast::Expr> {
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

    /// An expression that reads the label of the row, perhaps among columns of it.
    fn labelled(&mut self, from: From, is_final: bool, offset: i64, tree: ast::Expr) -> Result<ast::Expr> {
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
        match tree.visit(&mut parts) {
            ControlFlow::Continue(()) => {}
            ControlFlow::Break(error) => return Err(*error),
        }
        let text = format!("CASE WHEN {} THEN {} END", spelled(exists), spelled(tree));
        let tree = super::text::parse_expression(&text)?;
        Ok(ast::Expr::Nested(Box::new(resolved(tree))))
    }

    fn shift(&mut self, column: usize, rows: u64) -> ast::Expr {
        let name = self.free(format!("PREV({}, {rows}) of the row", self.columns.list[column].logical().human_display()));
        if !self.shifts.iter().any(|shift| shift.name == name) {
            self.shifts.push(Shift { name: name.clone(), column, rows });
        }
        marked(&name)
    }

    fn read(&mut self, from: From, is_final: bool, offset: i64, read: Read) -> ast::Expr {
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

    /// A name that no column of the stream has.
    fn free(&self, mut name: String) -> String {
        while self.columns.schema.arrow().index_of(&name).is_ok() {
            name.push('\'');
        }
        name
    }

    fn value(&mut self, name: String, data_type: DataType, kind: Kind) -> ast::Expr {
        let name = self.free(name);
        let tree = marked(&name);
        intern(self.values, RowValue { name, data_type, kind });
        tree
    }

    fn aggregate(&mut self, call: &Function, name: &str, is_final: bool) -> Result<ast::Expr> {
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

    /// The variable of `COUNT(A.*)`.
    fn starred(&self, name: &ast::ObjectName, call: &Function) -> Result<u16> {
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => self.variables.find(ident).ok_or_else(|| self.unknown(ident, &show(call))),
            _ => Err(Error::job(format!("'{}' has too many parts", show(call))).help("write count(variable.*)")),
        }
    }

    fn unknown(&self, ident: &Ident, whole: &str) -> Error {
        Error::job(format!("'{whole}': there is no variable '{ident}'"))
            .help(format!("the variables are {}", self.variables.names.join(", ")))
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

    /// `count`, `sum`, `avg`, `min`, `max` are kept up row by row where they are over numbers.
    fn simple(&mut self, name: &str, tree: &ast::Expr) -> Result<Option<(Fold, DataType)>> {
        if !matches!(name, "count" | "sum" | "avg" | "mean" | "min" | "max") {
            return Ok(None);
        }
        let column = self.columns.of_tree(tree)?;
        let data_type = self.columns.data_type(column);
        let signed = matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
        let number = signed || matches!(data_type, DataType::Float32 | DataType::Float64);
        let ordered = number || matches!(data_type, DataType::Timestamp(..) | DataType::Date32);
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

    /// Any aggregate function of DataFusion over a batch of columns of the stream and, last, the label.
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
            return Err(Error::job(format!("'{}' is not an aggregate", show(call))));
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

/// Looks at what stands inside of navigation: names become columns, `CLASSIFIER()` the label.
struct InsideRows<'r, 'a, 's> {
    resolver: &'r Resolver<'a, 's>,
    found: Inside,
    text: String,
}

impl InsideRows<'_, '_, '_> {
    fn about(&mut self, set: Set) -> Result<()> {
        if self.found.names && self.found.set != set {
            return Err(mixed(&self.text));
        }
        self.found.set = set;
        self.found.names = true;
        Ok(())
    }

    fn column(&self, ident: &Ident) -> Result<ast::Expr> {
        let schema = self.resolver.columns.schema;
        Ok(marked(schema.arrow().field(find_column(schema, ident)?).name()))
    }

    fn replacement(&mut self, node: &ast::Expr) -> Result<Option<ast::Expr>> {
        match node {
            ast::Expr::Identifier(ident) => {
                if self.resolver.variables.find(ident).is_some() && find_column(self.resolver.columns.schema, ident).is_err() {
                    return Err(Error::job(format!("'{ident}' is a variable, not a value"))
                        .help(format!("write {ident}.column or count({ident}.*)")));
                }
                let column = self.column(ident)?;
                self.about(None)?;
                Ok(Some(column))
            }
            ast::Expr::CompoundIdentifier(parts) => {
                let [variable, column] = parts.as_slice() else {
                    return Err(Error::job(format!("'{node}' has too many parts")).help("write variable.column"));
                };
                let Some(set) = self.resolver.variables.find(variable) else {
                    return Err(self.resolver.unknown(variable, &node.to_string()));
                };
                let column = self.column(column)?;
                self.about(Some(set))?;
                Ok(Some(column))
            }
            ast::Expr::Function(call) => match called(call) {
                Some((None, name)) if name == "classifier" => {
                    self.classifier(call)?;
                    Ok(Some(marked(LABEL)))
                }
                Some((mark, name)) if mark.is_some() || is_ours(&name) || aggregate_function(&name).is_some() => Err(Error::job(
                    format!("'{}' cannot stand inside '{}'", show(call), self.text),
                )
                .help("only FIRST and LAST may stand inside PREV and NEXT, and nothing around them: PREV(LAST(A.price), 2)")),
                _ => Ok(None),
            },
            ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => {
                Err(Error::job("a query cannot stand inside a row pattern's expression")
                    .help("join before, or write the values out"))
            }
            _ => Ok(None),
        }
    }

    fn classifier(&mut self, call: &Function) -> Result<()> {
        self.found.label = true;
        match arguments(call)?.as_slice() {
            [] => self.about(None),
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(ident)))] => {
                match self.resolver.variables.find(ident) {
                    Some(set) => self.about(Some(set)),
                    None => Err(self.resolver.unknown(ident, &show(call))),
                }
            }
            _ => {
                Err(Error::job(format!("'{}' takes the name of a variable", show(call)))
                    .help("write CLASSIFIER() or CLASSIFIER(A)"))
            }
        }
    }
}

impl VisitorMut for InsideRows<'_, '_, '_> {
    type Break = Box<Error>;

    fn pre_visit_expr(&mut self, node: &mut ast::Expr) -> ControlFlow<Self::Break> {
        match self.replacement(node) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(new)) => {
                *node = new;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// Makes values of the columns of an expression, and puts in the label.
struct Parts<'r, 'a, 's> {
    resolver: &'r mut Resolver<'a, 's>,
    from: From,
    is_final: bool,
    offset: i64,
    label: ast::Expr,
}

impl VisitorMut for Parts<'_, '_, '_> {
    type Break = Box<Error>;

    fn pre_visit_expr(&mut self, node: &mut ast::Expr) -> ControlFlow<Self::Break> {
        let ast::Expr::Identifier(ident) = node else { return ControlFlow::Continue(()) };
        let new = if ident.value == LABEL {
            Ok(self.label.clone())
        } else {
            let cell = self.resolver.cell(self.from, self.is_final, self.offset, ast::Expr::Identifier(ident.clone()), false);
            cell.map(|cell| if let ast::Expr::Nested(inner) = cell { *inner } else { cell })
        };
        match new {
            Ok(new) => {
                *node = new;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// Before a call: `RUNNING` or `FINAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Running,
    Final,
}

/// The name of a call, in lower case, and what stands before it.
fn called(call: &Function) -> Option<(Option<Mark>, String)> {
    let word = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(ident.value.to_ascii_lowercase()),
        ObjectNamePart::Function(_) => None,
    };
    match call.name.0.as_slice() {
        [name] => Some((None, word(name)?)),
        [mark, name] => match word(mark)?.as_str() {
            "running" => Some((Some(Mark::Running), word(name)?)),
            "final" => Some((Some(Mark::Final), word(name)?)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a call is of row pattern recognition.
fn is_ours(name: &str) -> bool {
    matches!(name, "first" | "last" | "prev" | "next" | "classifier" | "match_number" | "match_rowtime")
}

fn arguments(call: &Function) -> Result<Vec<FunctionArg>> {
    match &call.args {
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::List(list)
            if list.clauses.is_empty() && list.duplicate_treatment.is_none() && call.over.is_none() && call.filter.is_none() =>
        {
            Ok(list.args.clone())
        }
        _ => Err(Error::job(format!("'{}' is no plain call", show(call))).help("leave out OVER, FILTER and DISTINCT")),
    }
}

fn from(name: &str, set: Set, n: u64) -> From {
    if name == "first" { From::First { set, n } } else { From::Last { set, n } }
}

fn mixed(text: &str) -> Error {
    Error::job(format!("'{text}' reads rows of different variables at a time"))
        .help("inside of one navigation or aggregate use columns of a single variable, or of none")
}

/// A call as it was written.
fn show(call: &Function) -> String {
    call.to_string().replacen("RUNNING.", "RUNNING ", 1).replacen("FINAL.", "FINAL ", 1)
}

/// The column an identifier names: as it stands, or without regard to case.
fn find_column(schema: &StreamSchema, ident: &Ident) -> Result<usize> {
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

/// The quote of names that are resolved: nobody can write it.
const RESOLVED: char = '\u{1}';

/// A name that is resolved.
fn marked(name: &str) -> ast::Expr {
    ast::Expr::Identifier(Ident { value: name.to_owned(), quote_style: Some(RESOLVED), span: ast::Ident::new("").span })
}

fn quoted(name: &str) -> ast::Expr {
    ast::Expr::Identifier(Ident::with_quote('"', name))
}

/// Changes the quotes of all names.
struct Quotes(char);

impl VisitorMut for Quotes {
    type Break = ();

    fn pre_visit_expr(&mut self, node: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::Identifier(ident) = node {
            ident.quote_style = Some(self.0);
        }
        ControlFlow::Continue(())
    }
}

fn requoted(mut tree: ast::Expr, quote: char) -> ast::Expr {
    let _ = tree.visit(&mut Quotes(quote));
    tree
}

/// Marks all names of an expression as resolved.
fn resolved(tree: ast::Expr) -> ast::Expr {
    requoted(tree, RESOLVED)
}

/// All names as the planner takes them.
pub(crate) fn unresolved(tree: ast::Expr) -> ast::Expr {
    requoted(tree, '"')
}

/// A resolved expression as text.
fn spelled(tree: ast::Expr) -> String {
    unresolved(tree).to_string()
}
