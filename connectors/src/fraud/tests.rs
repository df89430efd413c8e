#![allow(clippy::unwrap_used)]
use super::{FraudConfig, FraudSimulator, Transaction};
use std::collections::BTreeMap;

fn rows(rows: u64, seed: u64) -> Vec<Transaction> {
    FraudSimulator::new(FraudConfig { rows, seed, ..FraudConfig::default() }).collect()
}

#[test]
fn the_seed_decides() {
    assert_eq!(rows(3_000, 5), rows(3_000, 5));
    assert_ne!(rows(3_000, 5), rows(3_000, 6));
}

#[test]
fn every_scenario_is_there_and_fraud_is_rare() {
    for seed in [1, 7] {
        let mut by_scenario: BTreeMap<&str, usize> = BTreeMap::new();
        let all = rows(50_000, seed);
        all.iter().filter_map(|row| row.scenario).for_each(|scenario| *by_scenario.entry(scenario).or_default() += 1);
        assert_eq!(by_scenario.len(), 6, "{by_scenario:?}");
        let share = by_scenario.values().sum::<usize>() as f64 / all.len() as f64;
        assert!((0.008..0.06).contains(&share), "seed {seed}: {share} of the rows are fraud: {by_scenario:?}");
        assert!(by_scenario.values().all(|count| *count >= 10), "{by_scenario:?}");
    }
}

#[test]
fn rows_arrive_a_few_seconds_out_of_order_at_most() {
    let (mut latest, mut disorder) = (0, 0);
    for row in rows(20_000, 3) {
        disorder = disorder.max(latest - row.at_ms);
        latest = latest.max(row.at_ms);
    }
    assert!((1..5_000).contains(&disorder), "rows are up to {disorder} ms out of order");
}

#[test]
fn amounts_have_two_decimals_and_ids_count() {
    for (number, row) in rows(10_000, 2).iter().enumerate() {
        assert_eq!(row.id, number as i64 + 1);
        assert!(row.amount > 0.0 && ((row.amount * 100.0).round() / 100.0 - row.amount).abs() < 1e-9, "{}", row.amount);
    }
}

#[test]
fn batches_hold_the_same_rows() {
    let config = FraudConfig { rows: 1_000, seed: 4, ..FraudConfig::default() };
    let batches: Vec<_> = FraudSimulator::new(config).record_batches(300).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).collect::<Vec<_>>(), [300, 300, 300, 100]);
}
