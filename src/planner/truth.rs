//! The truth options of a sink: see [`crate::truth`].

use super::build::Build;
use super::build::entries::OutputEntry;
use super::names::at;
use super::names::{Diagnosed, from_error, unknown_column};
use crate::truth::NODE;
use arrow::datatypes::DataType;
use egret_core::expr::{Expression, compile};
use egret_core::job::{OutputPort, Parallelism, Partitioning};
use egret_core::layout::type_name;
use egret_dsl::{Diagnostic, OptionEntry};
use egret_operators::{Stream, TruthFactory};
use std::sync::Arc;

/// The options that the planner handles, not the connector.
pub(super) const TRUTH_OPTIONS: [&str; 5] = ["truth", "truth_key", "truth_label", "truth_group", "alert_key"];

impl Build<'_> {
    /// Compares the rows of a sink with the truth, if its options ask for it.
    pub(super) fn compare_with_truth(&self, output: &OutputEntry, alerts: &Stream) -> Diagnosed<()> {
        let options = &output.statement.options;
        let Some(truth) = options.get("truth") else {
            return TRUTH_OPTIONS.iter().find_map(|option| options.get(option)).map_or(Ok(()), without_truth);
        };
        let relation =
            self.catalog.relation(&truth.value.to_string(), truth.value.span).map_err(|diagnostic| vec![diagnostic])?;
        if !relation.bounded {
            return Err(vec![
                Diagnostic::error("the truth must be bounded")
                    .label(truth.value.span, "this stream does not end")
                    .help("precision and recall keep every key; on unbounded input use the metrics of a model"),
            ]);
        }
        let needed = |key: &str| {
            options.get(key).ok_or_else(|| {
                vec![
                    Diagnostic::error(format!("`{key}` is missing"))
                        .label(truth.key.span.to(truth.value.span), "needed with this")
                        .help(format!("add {key} = '<column>'")),
                ]
            })
        };
        let key = needed("truth_key")?;
        let label = needed("truth_label")?;
        let label_type = column(&relation.base, label)?.data_type().clone();
        if label_type != DataType::Boolean {
            return Err(vec![
                Diagnostic::error(format!("the label of the truth is {label_type}, not BOOLEAN")).label(label.value.span, "here"),
            ]);
        }
        let group = options.get("truth_group");
        let rows = &relation.base;
        let columns = vec![
            ("key".to_owned(), column(rows, key)?),
            ("label".to_owned(), column(rows, label)?),
            (
                "group".to_owned(),
                group.map_or_else(|| compile("''", rows.schema()).map_err(at(truth.key.span)), |group| column(rows, group))?,
            ),
        ];
        let truths = rows.project("truth", columns).map_err(at(truth.key.span))?;
        let alert_key = options.get("alert_key").unwrap_or(key);
        let keys =
            alerts.project("alert keys", vec![("key".to_owned(), column(alerts, alert_key)?)]).map_err(at(alert_key.key.span))?;
        let types = (keys.schema().arrow().field(0).data_type(), truths.schema().arrow().field(0).data_type());
        if types.0 != types.1 && !(types.0.is_integer() && types.1.is_integer()) {
            return Err(vec![
                Diagnostic::error(format!("the alerts' key is {} and the truth's {}", types.0, types.1))
                    .label(alert_key.value.span, "here"),
            ]);
        }
        let inputs = [(&keys, Partitioning::Gather), (&truths, Partitioning::Gather)];
        let outputs = vec![OutputPort { name: None, schema: keys.schema().clone() }];
        let name = format!("{NODE}{}", output.statement.name);
        let types = [&keys, &truths].map(|stream| type_name(stream.schema().arrow().field(0).data_type()));
        let said = [Some(truth), Some(key), Some(label), group, Some(alert_key)].into_iter().flatten();
        let said: Vec<String> = said.map(|entry| format!("{} {}", entry.key, entry.value)).collect();
        let facts = vec![("keys".to_owned(), types.join(", ")), ("truth".to_owned(), said.join(", "))];
        let factory = Arc::new(TruthFactory { facts });
        self.job
            .operator(&name, factory, &inputs, Parallelism::One, outputs)
            .map_err(at(truth.key.span))?
            .uid(&format!("{NODE}{}", self.ids.of(&output.statement.name.text)));
        Ok(())
    }
}

/// Refuses an option that has no meaning unless the stream with the truth is named.
fn without_truth(entry: &OptionEntry) -> Diagnosed<()> {
    Err(vec![
        Diagnostic::error(format!("`{}` without `truth`", entry.key))
            .label(entry.key.span, "here")
            .help("name the stream that has the labels: truth = 'txn'"),
    ])
}

fn column(stream: &Stream, option: &OptionEntry) -> Diagnosed<Expression> {
    let name = option.value.to_string();
    let visible: Vec<String> = stream.schema().arrow().fields().iter().map(|field| field.name().clone()).collect();
    if !visible.contains(&name) {
        return Err(vec![unknown_column(&name, option.value.span, &visible)]);
    }
    compile(&format!("\"{name}\""), stream.schema()).map_err(|error| vec![from_error(&error, option.value.span)])
}
