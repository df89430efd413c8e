//! Rows for which something cannot be computed: each is left out and reported once, whatever the batching, and wherever a restore
//! happens.

use crate::twin::{UNIT, random_rows};
use crate::windows::{factory, input, schema};
use egret_core::{OperatorFactory, StreamSchema, expr};
use egret_operators::window::WindowKind;
use egret_operators::{FilterFactory, ProjectFactory};
use egret_testkit::{BAD_ROWS_OUT, Case, check_law, plain_run};
use std::sync::Arc;

/// What is wrong with the bad rows of a run, a text for each.
fn wrong(case: &Case) -> Vec<String> {
    plain_run(case).remove(&BAD_ROWS_OUT).unwrap_or_default()
}

#[test]
fn filters_and_projections() {
    let rows = random_rows(5, 200, 3);
    let condition = expr::compile("card <> 1 AND 100 / (card - 2) > 20", &schema()).unwrap();
    let filter: Arc<dyn OperatorFactory> = Arc::new(FilterFactory::new(condition).unwrap());
    let columns = ["card", "9223372036854775805 + card", "at"].map(|text| expr::compile(text, &schema()).unwrap());
    let fields = columns.iter().enumerate().map(|(n, column)| {
        arrow::datatypes::Field::new(if n == 2 { "at".into() } else { format!("c{n}") }, column.data_type().clone(), n != 2)
    });
    let output = StreamSchema::new(fields.collect(), Some("at")).unwrap();
    let project: Arc<dyn OperatorFactory> = Arc::new(ProjectFactory::new(columns.into(), output));
    for (name, factory) in [("filter", filter), ("projection", project)] {
        let case = Case::new(name, factory).input(input(&rows, &[0]));
        assert!(!check_law(&case).is_empty());
        let said = wrong(&case);
        assert!(said.len() > 10 && said.len() < 190, "{name}: {} bad rows", said.len());
    }
}

#[test]
fn windows_of_every_kind() {
    let aggregates = ["count(*)", "sum(100 / (card - 2))", "avg(amount)", "sum(card * 4611686018427387904)"];
    for (name, kind) in [
        ("tumbling", WindowKind::Tumbling { size_us: 100 * UNIT }),
        ("sliding", WindowKind::Sliding { size_us: 100 * UNIT, slide_us: 30 * UNIT }),
        ("sessions", WindowKind::Session { gap_us: 10 * UNIT }),
        ("counts", WindowKind::Count { rows: 3 }),
    ] {
        for lateness in [0, 40 * UNIT] {
            if lateness > 0 && name == "counts" {
                continue;
            }
            let windows = factory(&[0], kind, &aggregates, lateness);
            let case =
                Case::new(&format!("{name}, lateness {lateness}"), Arc::new(windows)).input(input(&random_rows(6, 200, 3), &[0]));
            assert!(!check_law(&case).is_empty());
            let said = wrong(&case);
            let of = |what: &str| said.iter().filter(|line| line.contains(what)).count();
            assert!(of("division by zero") > 5, "{name}: {said:?}");
            assert!(of("is out of the range of BIGINT") > 0, "{name}: {said:?}");
        }
    }
}
