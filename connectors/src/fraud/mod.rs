//! A bank's card transactions, with fraud whose truth is known.
//!
//! In the manner of the transaction simulator of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi:
//! Reproducible Machine Learning for Credit Card Fraud Detection, 2022, chapter 3): customers and terminals in a plane, a
//! spending profile a customer, three fraud scenarios (`high_amount`, `terminal`, `customer`). Added are card testing
//! (`card_testing`), rings of cards behind a few devices (`device_ring`), and honest lives that look like them: families that
//! share a device, customers who travel, coffees before a bigger purchase.
//!
//! The rows depend on the configuration alone. Memory holds the profiles and one day.

mod day;
mod people;
mod profile;
mod random;
mod rows;
mod scenario;
mod transaction;

pub use rows::RecordBatches;
pub use transaction::Transaction;

use day::Day;
use profile::Bank;
use random::Random;
use scenario::Campaigns;
use std::collections::VecDeque;
use transaction::DAY_MS;

/// The first day: 2024-03-01T00:00:00 UTC.
const START_MS: i64 = 1_709_251_200_000;

/// How many transactions, of how many customers.
#[derive(Clone, Debug)]
pub struct FraudConfig {
    /// How many rows.
    pub rows: u64,
    /// The same seed gives the same rows.
    pub seed: u64,
    /// How many customers; chosen so that the rows span about four months unless said.
    pub customers: Option<u32>,
    /// The start of the first day, in milliseconds since 1970.
    pub start_ms: i64,
}

impl Default for FraudConfig {
    fn default() -> Self {
        Self { rows: 100_000, seed: 1, customers: None, start_ms: START_MS }
    }
}

/// Gives the transactions in the order in which they arrive: event time ascends but for a few seconds.
///
/// ```
/// use egret_connectors::fraud::{FraudConfig, FraudSimulator};
/// let config = FraudConfig { rows: 5_000, seed: 7, ..FraudConfig::default() };
/// let rows: Vec<_> = FraudSimulator::new(config.clone()).collect();
/// assert_eq!(rows.len(), 5_000);
/// assert!(rows.iter().any(|row| row.scenario == Some("card_testing")));
/// assert_eq!(rows, FraudSimulator::new(config).collect::<Vec<_>>());
/// ```
pub struct FraudSimulator {
    bank: Bank,
    campaigns: Campaigns,
    random: Random,
    start_ms: i64,
    day: i64,
    next_id: i64,
    left: u64,
    ready: VecDeque<Transaction>,
}

impl FraudSimulator {
    /// A simulator at its first day.
    pub fn new(config: FraudConfig) -> Self {
        let customers = config.customers.unwrap_or_else(|| (config.rows / 250).clamp(50, 50_000) as u32).max(1);
        let mut random = Random::new(config.seed);
        Self {
            bank: Bank::new(customers as usize, &mut random),
            campaigns: Campaigns::default(),
            random,
            start_ms: config.start_ms,
            day: 0,
            next_id: 0,
            left: config.rows,
            ready: VecDeque::new(),
        }
    }

    /// How many customers there are.
    pub fn customers(&self) -> usize {
        self.bank.customers.len()
    }

    fn simulate_day(&mut self) {
        self.campaigns.begin_day(self.day, &self.bank, &mut self.random);
        let mut day = Day::new(self.start_ms + self.day * DAY_MS);
        self.bank.live(self.day, &mut day, &mut self.random);
        self.campaigns.mark(self.day, &mut day, &mut self.random);
        self.campaigns.attack(self.day, &self.bank, &mut day, &mut self.random);
        self.ready.extend(day.in_order_of_arrival(&mut self.random));
        self.day += 1;
    }
}

impl Iterator for FraudSimulator {
    type Item = Transaction;

    fn next(&mut self) -> Option<Transaction> {
        if self.left == 0 {
            return None;
        }
        while self.ready.is_empty() {
            self.simulate_day();
        }
        let mut transaction = self.ready.pop_front().expect("a day that is not empty");
        self.left -= 1;
        self.next_id += 1;
        transaction.id = self.next_id;
        Some(transaction)
    }
}

#[cfg(test)]
mod tests;
