//! Every place in which an expression can stand, for tests that compute the same value in all of them.

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use egret::core::{StreamSchema, TIME_TYPE};
use egret::memory::{MemorySink, MemorySource};
use egret::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Places that show values: the name of each, and its text.
pub(super) const SHOWN: [&str; 6] =
    ["SELECT", "CASE", "a derived table", "a measure", "a measure of a row pattern", "an aggregate"];

/// Places that keep the rows for which a condition holds.
pub(super) const KEPT: [&str; 7] =
    ["WHERE", "HAVING", "FILTER", "a condition", "a condition on the match", "several patterns", "DEFINE of a row pattern"];

/// Rows of columns. A column `id` numbers them and a column `at` sets them a second apart, unless they have these columns.
pub(super) struct Rows {
    schema: StreamSchema,
    batch: RecordBatch,
}

/// The outcome of a program: the values by the number of the row; or why it was refused, or why it ended.
pub(super) type Outcome = Result<BTreeMap<i64, Vec<String>>, String>;

impl Rows {
    pub(super) fn new(columns: &[(&str, ArrayRef)]) -> Self {
        let count = columns[0].1.len();
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=count as i64));
        let seconds: ArrayRef =
            Arc::new(arrow::array::TimestampSecondArray::from_iter_values((0..count as i64).map(|row| 1_706_702_400 + row)));
        let mut all = vec![("id", ids)];
        all.extend(columns.iter().map(|(name, column)| (*name, Arc::clone(column))));
        if !columns.iter().any(|(name, _)| *name == "at") {
            all.push(("at", arrow::compute::cast(&seconds, &TIME_TYPE).unwrap()));
        }
        let fields: Vec<Field> =
            all.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), *name != "at")).collect();
        let schema = StreamSchema::new(fields, Some("at")).unwrap();
        let batch =
            RecordBatch::try_new(Arc::clone(schema.arrow()), all.into_iter().map(|(_, column)| column).collect()).unwrap();
        Self { schema, batch }
    }

    /// The rows as a source.
    pub(super) fn source(&self) -> Arc<MemorySource> {
        Arc::new(MemorySource::new(self.schema.clone(), self.batch.clone()).unwrap())
    }

    pub(super) fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The values of expressions in a place of [`SHOWN`].
    pub(super) fn show(&self, place: &str, expressions: &[&str]) -> Outcome {
        let list = |write: &dyn Fn(&str) -> String| -> String {
            expressions.iter().enumerate().map(|(index, of)| format!(", {} AS v{index}", write(of))).collect()
        };
        let values: String = (0..expressions.len()).map(|index| format!(", v{index}")).collect();
        let statements = match place {
            "SELECT" => format!("INSERT INTO o SELECT id{} FROM t;", list(&|of| of.to_owned())),
            "CASE" => format!("INSERT INTO o SELECT id{} FROM t;", list(&|of| format!("CASE WHEN id > 0 THEN {of} END"))),
            "a derived table" => {
                format!("INSERT INTO o SELECT id{values} FROM (SELECT id{} FROM t) AS q;", list(&|of| format!("({of})")))
            }
            "a measure" => format!(
                "CREATE PATTERN p ON t MATCH a SELECT a.id AS i{}; INSERT INTO o SELECT i AS id{values} FROM p;",
                list(&|of| self.qualified(of, "a."))
            ),
            "a measure of a row pattern" => format!(
                "INSERT INTO o SELECT i AS id{values} FROM t MATCH_RECOGNIZE (ORDER BY at, id MEASURES A.id AS i{} PATTERN (A) DEFINE A AS id > 0);",
                list(&|of| self.qualified(of, "A."))
            ),
            "an aggregate" => format!(
                "INSERT INTO o SELECT id{} FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY id;",
                list(&|of| format!("first_value(CASE WHEN id > 0 THEN {of} END)"))
            ),
            other => panic!("{other} is no place"),
        };
        self.run("*", &statements)
    }

    /// The rows for which expressions have the same values in a place of [`KEPT`] as in `SELECT`.
    pub(super) fn agree(&self, place: &str, expressions: &[&str]) -> Outcome {
        let items = expressions.iter().enumerate().map(|(index, of)| format!(", {of} AS v{index}"));
        let conditions = expressions.iter().enumerate().map(|(index, of)| format!("(({of}) IS NOT DISTINCT FROM v{index})"));
        self.keep_of(place, &format!("*{}", items.collect::<String>()), &conditions.collect::<Vec<_>>().join(" AND "))
    }

    /// Some of the rows, by their numbers from 0.
    pub(super) fn take(&self, rows: &[usize]) -> Self {
        let rows = arrow::array::UInt32Array::from_iter_values(rows.iter().map(|&row| row as u32));
        let batch = arrow::compute::take_record_batch(&self.batch, &rows).unwrap();
        Self { schema: self.schema.clone(), batch }
    }

    /// The rows for which a condition holds in a place of [`KEPT`].
    pub(super) fn keep(&self, place: &str, condition: &str) -> Outcome {
        self.keep_of(place, "*", condition)
    }

    fn keep_of(&self, place: &str, items: &str, condition: &str) -> Outcome {
        let statements = match place {
            "WHERE" => format!("INSERT INTO o SELECT id FROM t WHERE {condition};"),
            "HAVING" => format!(
                "INSERT INTO o SELECT id FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY id HAVING {};",
                self.called(condition, "first_value")
            ),
            "FILTER" => format!(
                "INSERT INTO o SELECT id FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY id HAVING count(*) FILTER (WHERE {condition}) = 1;"
            ),
            "a condition" => {
                format!(
                    "CREATE PATTERN p ON t MATCH a DEFINE a AS {condition} SELECT a.id AS id; INSERT INTO o SELECT id FROM p;"
                )
            }
            "a condition on the match" => format!(
                "CREATE STREAM twice AS SELECT *, 0 AS again FROM t UNION ALL SELECT *, 1 AS again FROM t;
                 CREATE PATTERN p ON twice PARTITION BY id MATCH a -> b DEFINE a AS again = 0, b AS again = 1 AND ({})
                   SELECT a.id AS i; INSERT INTO o SELECT i AS id FROM p;",
                self.qualified(condition, "a.")
            ),
            "several patterns" => format!(
                "CREATE PATTERN p ON t PARTITION BY id MATCH a DEFINE a AS {condition} SELECT a.id AS i;
                 CREATE PATTERN q ON t PARTITION BY id MATCH a DEFINE a AS ({condition}) AND id < 0 SELECT a.id AS i;
                 INSERT INTO o SELECT i AS id FROM p; INSERT INTO o SELECT i AS id FROM q;"
            ),
            "DEFINE of a row pattern" => format!(
                "INSERT INTO o SELECT i AS id FROM t MATCH_RECOGNIZE (ORDER BY at, id MEASURES A.id AS i PATTERN (A) DEFINE A AS {condition});"
            ),
            other => panic!("{other} is no place"),
        };
        self.run(items, &statements)
    }

    /// The groups and values of a query over `t`.
    pub(super) fn query(&self, statements: &str) -> Outcome {
        self.run("*", statements)
    }

    fn run(&self, items: &str, statements: &str) -> Outcome {
        let text = format!(
            "CREATE STREAM given ({}, WATERMARK FOR at AS at) WITH (connector = 'memory');
             CREATE STREAM t AS SELECT {items} FROM given;
             CREATE SINK o WITH (connector = 'memory');\n{statements}",
            self.declared()
        );
        let sink = MemorySink::new();
        let program = Program::new("places", &text).with_source("given", self.source()).with_sink("o", Arc::new(sink.clone()));
        let plan = program.plan().map_err(|errors| format!("refused: {errors}"))?;
        run(&plan.job, &RunConfig { batch_rows: 7, ..RunConfig::with_workers(1) }).map_err(|error| format!("ended: {error}"))?;
        let mut rows = BTreeMap::new();
        for batch in sink.batches() {
            let texts: Vec<Vec<String>> = batch.rows().columns().iter().map(texts).collect();
            for row in 0..batch.num_rows() {
                let values = texts[1..].iter().map(|column| column[row].clone()).collect();
                rows.insert(texts[0][row].parse().unwrap(), values);
            }
        }
        Ok(rows)
    }

    /// The columns, as a stream declares them.
    pub(super) fn declared(&self) -> String {
        let name = |of: &DataType| match of {
            DataType::Int8 => "TINYINT",
            DataType::Int16 => "SMALLINT",
            DataType::Int32 => "INT",
            DataType::Int64 => "BIGINT",
            DataType::Float32 => "FLOAT",
            DataType::Float64 => "DOUBLE",
            DataType::Boolean => "BOOLEAN",
            DataType::Date32 => "DATE",
            DataType::Timestamp(..) => "TIMESTAMP",
            _ => "STRING",
        };
        let fields = self.schema.arrow().fields().iter();
        fields.map(|field| format!("{} {}", field.name(), name(field.data_type()))).collect::<Vec<_>>().join(", ")
    }

    /// The expression with a variable before each column.
    pub(super) fn qualified(&self, expression: &str, variable: &str) -> String {
        self.columns(expression, |column| format!("{variable}{column}"))
    }

    /// The expression with a call around each column.
    fn called(&self, expression: &str, function: &str) -> String {
        self.columns(expression, |column| if column == "id" { column.to_owned() } else { format!("{function}({column})") })
    }

    /// Rewrites the names of columns; keywords and functions are in capitals or before a bracket, or are not columns.
    fn columns(&self, expression: &str, write: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut rest = expression;
        while let Some(first) = rest.chars().next() {
            let end = match first {
                '\'' => rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
                first if first.is_alphabetic() || first == '_' => {
                    rest.find(|next: char| !(next.is_alphanumeric() || next == '_')).unwrap_or(rest.len())
                }
                first => first.len_utf8(),
            };
            let (token, behind) = rest.split_at(end);
            let is_column = (is_value(token) || self.schema.arrow().index_of(token).is_ok()) && !behind.starts_with('(');
            if is_column {
                out.push_str(&write(token))
            } else {
                out.push_str(token)
            }
            rest = behind;
        }
        out
    }
}

/// Whether a token is the column of a value that is compared.
fn is_value(token: &str) -> bool {
    token.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Values as text; floats as Rust writes them.
pub(super) fn texts(column: &ArrayRef) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let formatter = ArrayFormatter::try_new(column, &options).unwrap();
    (0..column.len()).map(|row| formatter.value(row).to_string()).collect()
}

/// A column of this type of the language, from texts.
pub(super) fn column(type_name: &str, values: &[Option<&str>]) -> ArrayRef {
    let data_type = match type_name {
        "TINYINT" => DataType::Int8,
        "SMALLINT" => DataType::Int16,
        "INT" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "FLOAT" => DataType::Float32,
        "DOUBLE" => DataType::Float64,
        "BOOLEAN" => DataType::Boolean,
        "STRING" => DataType::Utf8,
        "DATE" => DataType::Date32,
        "TIMESTAMP" => TIME_TYPE,
        other => panic!("{other} is no type"),
    };
    let texts: ArrayRef = Arc::new(arrow::array::StringArray::from(values.to_vec()));
    let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
    arrow::compute::cast_with_options(&texts, &data_type, &options).unwrap()
}
