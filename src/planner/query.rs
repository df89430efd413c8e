//! SELECT: filter, projection, UNION, and (in `aggregate`) windows.

use super::build::Build;
use super::identity::is_one_select;
use super::names::{Columns, Diagnosed, at, compile, keep, object_name, quoted};
use super::places::{place_column, union_all};
use super::select::{From, Item, Rows};
use arrow::datatypes::DataType;
use egret_core::expr::Expression;
use egret_dsl::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier,
    TableAlias, TableFactor, WildcardAdditionalOptions,
};
use egret_dsl::{Diagnostic, Name, Sql, SqlQuery, suggest};
use egret_operators::Stream;

impl Build<'_> {
    /// Plans the query of a statement.
    pub(super) fn whole_query(&mut self, query: &SqlQuery, keeps_places: bool) -> Diagnosed<Rows> {
        self.query.is_one_select = is_one_select(query);
        self.query.keeps_places = keeps_places;
        self.query(query)
    }

    /// Plans a query.
    pub(super) fn query(&mut self, query: &SqlQuery) -> Diagnosed<Rows> {
        refuse(query, &query.tree)?;
        self.set_expr(query, &query.tree.body)
    }

    fn set_expr(&mut self, query: &SqlQuery, body: &SetExpr) -> Diagnosed<Rows> {
        match body {
            SetExpr::Select(select) => self.in_branch(query, select, |build| build.select(query, select)),
            SetExpr::Query(inner) => self.query(&query.part(inner.clone(), query.span_of_node(inner.as_ref()))),
            SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, .. } => {
                let all = united(body).into_iter().map(|part| self.set_expr(query, part)).collect::<Diagnosed<Vec<_>>>()?;
                let streams: Vec<Stream> = all.iter().map(|rows| rows.stream.clone()).collect();
                let stream = union_all(&streams).map_err(at(query.span))?;
                Ok(Rows { stream, bounded: all.iter().all(|rows| rows.bounded) })
            }
            other => Err(vec![
                Diagnostic::error("this kind of query is not supported")
                    .label(query.span_of_node(other), "here")
                    .help("write SELECT ... FROM ..., or several of those joined by UNION ALL"),
            ]),
        }
    }

    fn select(&mut self, query: &SqlQuery, select: &Select) -> Diagnosed<Rows> {
        refuse_clauses(query, select)?;
        let from = self.from(query, select)?;
        let groups = groups(query, select)?;
        let items = self.items(query, select, &from)?;
        let having = select.having.as_ref().map(|having| query.part(having.clone(), query.span_of_expr(having)));
        let filter = select.selection.as_ref().map(|filter| query.part(filter.clone(), query.span_of_expr(filter)));
        if from.window.is_some() || !groups.is_empty() || items.iter().any(|item| super::aggregate::has_aggregate(&item.sql)) {
            return self.aggregate(query, &from, filter.as_ref(), &groups, items, having.as_ref());
        }
        if let Some(having) = having {
            return Err(vec![Diagnostic::error("HAVING without GROUP BY").label(having.span, "here").help("write WHERE")]);
        }
        self.filter_and_project(&from, filter.as_ref(), items)
    }

    fn filter_and_project(&mut self, from: &From, filter: Option<&Sql>, items: Vec<Item>) -> Diagnosed<Rows> {
        let mut wrong = Vec::new();
        let filter = filter.and_then(|filter| keep(self.rewrite(filter, &from.names), &mut wrong));
        let items: Vec<(String, _)> = items
            .into_iter()
            .filter_map(|item| Some((item.name, keep(self.rewrite(&item.sql, &from.names), &mut wrong)?)))
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let lookups: Vec<_> = filter
            .iter()
            .flat_map(|filter| filter.lookups.clone())
            .chain(items.iter().flat_map(|(_, item)| item.lookups.clone()))
            .collect();
        let mut stream = self.enrich(&from.relation, &lookups)?;
        let relation = self.catalog.get(&from.relation).expect("FROM looked it up").clone();
        let schema = stream.schema().clone();
        let columns = Columns { schema: &schema, visible: &relation.visible, qualifiers: from.names.clone() };
        if let Some(filter) = &filter
            && let Some(condition) = keep(compile(&filter.sql, &columns), &mut wrong)
        {
            stream = self.filter_stream(&stream, filter, condition, &mut wrong);
        }
        let mut projected: Vec<(String, Expression)> = Vec::new();
        for (name, item) in &items {
            if let Some(expression) = keep(compile(&item.sql, &columns), &mut wrong) {
                if *expression.data_type() == DataType::Null {
                    wrong.push(
                        Diagnostic::error(format!("the column `{name}` has no type"))
                            .label(item.sql.span, "always null")
                            .help("say which type it has, such as CAST(NULL AS BIGINT)"),
                    );
                }
                projected.push((name.clone(), expression));
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if self.query.keeps_places {
            projected.extend(place_column(&stream)?);
        }
        let span = items.first().map_or_else(Default::default, |(_, item)| item.sql.span);
        if !is_identity(&projected, &schema) {
            stream = self.project_rows(&stream, &format!("{} columns", from.relation), projected).map_err(at(span))?;
        }
        Ok(Rows { stream, bounded: relation.bounded })
    }

    pub(super) fn filter_stream(
        &self,
        stream: &Stream,
        filter: &super::build::lookup::Rewritten,
        condition: Expression,
        wrong: &mut Vec<Diagnostic>,
    ) -> Stream {
        keep(stream.filter_by("filter", condition).map_err(at(filter.sql.span)), wrong).unwrap_or_else(|| stream.clone())
    }

    /// Plans FROM: a stream, or a window over one.
    fn from(&mut self, query: &SqlQuery, select: &Select) -> Diagnosed<From> {
        let [table] = select.from.as_slice() else {
            let what = if select.from.is_empty() { "no FROM" } else { "several streams in FROM" };
            return Err(vec![
                Diagnostic::error(what)
                    .label(query.span, "here")
                    .help("read one stream; join streams through a graph, a model or a pattern"),
            ]);
        };
        let mut from = self.relation_or_window(query, &table.relation)?;
        for join in &table.joins {
            let Some(clause) = query.match_recognize(&join.relation) else {
                return Err(vec![Diagnostic::error("JOIN is not supported yet").label(query.span_of_node(join), "here").help(
                    "ask a graph or a model for what changes with time, or match events of several kinds with a pattern",
                )]);
            };
            let relation = self.match_recognize(query, &from, clause)?;
            let alias = match &join.relation {
                TableFactor::Table { alias, .. } => alias,
                _ => &None,
            };
            if renames_columns(alias) {
                return Err(vec![
                    Diagnostic::error("AS gives one name, none to columns")
                        .label(query.span_of_node(&join.relation), "here")
                        .help("name the columns in MEASURES"),
                ]);
            }
            from = From { relation, names: alias.iter().map(|alias| Name::normalise(&alias.name)).collect(), window: None };
        }
        Ok(from)
    }

    fn relation_or_window(&mut self, query: &SqlQuery, factor: &TableFactor) -> Diagnosed<From> {
        if let Some(call) = query.window_call(factor) {
            let call = call.map_err(|diagnostic| vec![diagnostic])?;
            self.catalog.relation(&call.stream.text, call.stream.span).map_err(|diagnostic| vec![diagnostic])?;
            let names = call.alias.iter().map(|alias| alias.text.clone()).chain([call.stream.text.clone()]).collect();
            return Ok(From { relation: call.stream.text.clone(), names, window: Some(call) });
        }
        self.table(query, factor)
    }

    fn table(&mut self, query: &SqlQuery, factor: &TableFactor) -> Diagnosed<From> {
        let span = query.span_of_node(factor);
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() && !renames_columns(alias) => {
                let relation = object_name(name);
                if let Some((model, "metrics")) = relation.split_once('.')
                    && self.models.contains_key(model)
                {
                    self.model_metrics(model, span)?;
                }
                self.catalog.relation(&relation, span).map_err(|diagnostic| vec![diagnostic])?;
                let mut names = vec![relation.clone()];
                names.extend(alias.as_ref().map(|alias| Name::normalise(&alias.name)));
                Ok(From { relation, names, window: None })
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } if !renames_columns(alias) => {
                let outer = std::mem::replace(&mut self.query.keeps_places, true);
                let rows = self.query(&query.part(subquery.clone(), query.span_of_node(subquery.as_ref())));
                self.query.keeps_places = outer;
                let rows = rows?;
                let relation = format!("(query {})", self.next_number());
                let text = query.part((), query.span_of_node(subquery.as_ref())).canonical();
                self.ids.name_relation(&relation, self.ids.scoped(&format!("rows ({text})")));
                self.catalog.insert(&relation, super::build::catalog::Relation::new(rows.stream, rows.bounded));
                Ok(From { relation, names: alias.iter().map(|alias| Name::normalise(&alias.name)).collect(), window: None })
            }
            _ => Err(vec![
                Diagnostic::error("this cannot be read").label(span, "neither a stream nor a window over one")
                    .help("write the name of a stream, of a window function over one, or a query in brackets; AS gives one name, none to columns"),
            ]),
        }
    }

    /// The columns of the SELECT list; `*` stands for the stream's visible columns.
    fn items(&self, query: &SqlQuery, select: &Select, from: &From) -> Diagnosed<Vec<Item>> {
        let visible = &self.catalog.get(&from.relation).expect("FROM looked it up").visible;
        let mut items = Vec::new();
        for (number, item) in select.projection.iter().enumerate() {
            match item {
                SelectItem::Wildcard(options)
                | SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), options) => {
                    let span = query.span_of_node(item);
                    if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                        && !from.names.contains(&object_name(name))
                    {
                        return Err(vec![
                            Diagnostic::error(format!("there is no stream `{}` here", object_name(name)))
                                .label(span, "not read by this query")
                                .suggestion(suggest(&object_name(name), &from.names)),
                        ]);
                    }
                    if *options != WildcardAdditionalOptions::default() {
                        return Err(vec![
                            Diagnostic::error("`*` with exceptions is not supported yet")
                                .label(span, "here")
                                .help("name the columns"),
                        ]);
                    }
                    items.extend(
                        visible
                            .iter()
                            .map(|column| Item { name: column.clone(), sql: query.part(Expr::Identifier(quoted(column)), span) }),
                    );
                }
                SelectItem::UnnamedExpr(expr) => {
                    items.push(Item { name: default_name(expr, number), sql: query.part(expr.clone(), query.span_of_expr(expr)) })
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(Item { name: Name::normalise(alias), sql: query.part(expr.clone(), query.span_of_expr(expr)) })
                }
                other => return Err(vec![Diagnostic::error("this cannot be selected").label(query.span_of_node(other), "here")]),
            }
        }
        Ok(items)
    }
}

/// The queries that UNION ALL combines, from left to right.
fn united(body: &SetExpr) -> Vec<&SetExpr> {
    match body {
        SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right } => {
            united(left).into_iter().chain(united(right)).collect()
        }
        one => vec![one],
    }
}

fn renames_columns(alias: &Option<TableAlias>) -> bool {
    alias.as_ref().is_some_and(|alias| !alias.columns.is_empty())
}

/// The name of a column without AS.
fn default_name(expr: &Expr, number: usize) -> String {
    match expr {
        Expr::Identifier(ident) => Name::normalise(ident),
        Expr::CompoundIdentifier(idents) => idents.last().map_or_else(String::new, Name::normalise),
        Expr::Function(function) => format!("{}_{}", object_name(&function.name).replace('.', "_"), number + 1),
        _ => format!("column_{}", number + 1),
    }
}

/// Whether a projection returns every column of the stream unchanged.
fn is_identity(columns: &[(String, Expression)], schema: &egret_core::StreamSchema) -> bool {
    columns.len() == schema.arrow().fields().len()
        && columns.iter().zip(schema.arrow().fields()).all(|((name, expression), field)| {
            name == field.name()
                && matches!(expression.logical(), datafusion_expr::Expr::Column(column) if column.name == *field.name())
        })
}

fn groups(query: &SqlQuery, select: &Select) -> Diagnosed<Vec<Sql>> {
    match &select.group_by {
        GroupByExpr::Expressions(expressions, modifiers) if modifiers.is_empty() => {
            Ok(expressions.iter().map(|expr| query.part(expr.clone(), query.span_of_expr(expr))).collect())
        }
        other => Err(vec![Diagnostic::error("this GROUP BY is not supported").label(query.span_of_node(other), "list columns")]),
    }
}

fn refuse(sql: &SqlQuery, query: &Query) -> Diagnosed<()> {
    // All fields are named, so that a clause that the parser learns is refused until it is planned.
    let Query { with, body: _, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } =
        query;
    if let Some(order_by) = order_by {
        return Err(vec![
            Diagnostic::error("ORDER BY is not supported in a query over a stream")
                .label(sql.span_of_node(order_by), "the order of rows that come out is free")
                .help("leave it away, and sort what the sink has written; MATCH_RECOGNIZE has an ORDER BY of its own"),
        ]);
    }
    let given = [
        ("WITH", with.is_some()),
        ("LIMIT", limit_clause.is_some() || fetch.is_some()),
        ("FOR", !locks.is_empty() || for_clause.is_some()),
        ("SETTINGS", settings.is_some()),
        ("FORMAT", format_clause.is_some()),
        ("|>", !pipe_operators.is_empty()),
    ];
    not_supported(sql, &given, "leave it away; name intermediate results with CREATE STREAM ... AS SELECT")
}

fn refuse_clauses(query: &SqlQuery, select: &Select) -> Diagnosed<()> {
    let Select {
        select_token: _,
        optimizer_hints,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by: _,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor: _,
    } = select;
    if projection.is_empty() {
        return Err(vec![
            Diagnostic::error("this query selects nothing").label(query.span, "here").help("name columns, or write `*`"),
        ]);
    }
    let is_distinct = distinct.as_ref().is_some_and(|distinct| *distinct != Distinct::All);
    let given = [
        ("DISTINCT", is_distinct),
        ("TOP", top.is_some()),
        ("EXCLUDE", exclude.is_some()),
        ("INTO", into.is_some()),
        ("LATERAL VIEW", !lateral_views.is_empty()),
        ("PREWHERE", prewhere.is_some()),
        ("CONNECT BY", !connect_by.is_empty()),
        ("CLUSTER BY", !cluster_by.is_empty()),
        ("DISTRIBUTE BY", !distribute_by.is_empty()),
        ("SORT BY", !sort_by.is_empty()),
        ("WINDOW", !named_window.is_empty()),
        ("QUALIFY", qualify.is_some()),
        ("SELECT AS", value_table_mode.is_some()),
        ("a modifier of SELECT", select_modifiers.is_some() || !optimizer_hints.is_empty()),
    ];
    not_supported(query, &given, "leave it away; filter with WHERE, compute per window with GROUP BY")
}

fn not_supported(query: &SqlQuery, given: &[(&str, bool)], help: &str) -> Diagnosed<()> {
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((clause, _)) => Err(vec![
            Diagnostic::error(format!("{clause} is not supported in a query over a stream"))
                .label(query.span, "this query")
                .help(help),
        ]),
    }
}
