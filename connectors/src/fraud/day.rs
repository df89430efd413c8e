//! The transactions of one day, before they are put in the order of arrival.

use super::people::{Customer, Terminal};
use super::random::Random;
use super::transaction::{DAY_MS, Transaction};

/// Rows arrive up to this much after they happened.
const DELAY_MAX_MS: i64 = 4_000;

/// A day under construction.
pub(super) struct Day {
    start_ms: i64,
    pub(super) transactions: Vec<Transaction>,
}

impl Day {
    pub(super) fn new(start_ms: i64) -> Self {
        Self { start_ms, transactions: Vec::new() }
    }

    /// A purchase with the customer's own device, `at_ms` into the day.
    pub(super) fn add(&mut self, customer: &Customer, at_ms: i64, terminal: &Terminal, amount: f64) {
        self.add_fraud(customer, customer.device.clone(), at_ms, terminal, amount, None);
    }

    /// A purchase with any device.
    pub(super) fn add_fraud(
        &mut self,
        customer: &Customer,
        device: String,
        at_ms: i64,
        terminal: &Terminal,
        amount: f64,
        scenario: Option<&'static str>,
    ) {
        // Days meet: the last seconds of one stay clear, so that arrival order goes on from day to day.
        let at_ms = self.start_ms + at_ms.clamp(0, DAY_MS - DELAY_MAX_MS - 1);
        self.transactions.push(Transaction {
            id: 0,
            card: customer.card,
            device,
            terminal: terminal.number,
            amount,
            country: terminal.country,
            at_ms,
            scenario,
        });
    }

    /// The day's rows as they arrive: each a little late.
    pub(super) fn in_order_of_arrival(mut self, random: &mut Random) -> Vec<Transaction> {
        self.transactions.sort_by_key(|row| (row.at_ms, row.card));
        let mut arriving: Vec<(i64, Transaction)> = self
            .transactions
            .into_iter()
            .map(|row| {
                let delay = if random.chance(0.05) { random.integer(0, DELAY_MAX_MS) } else { 0 };
                (row.at_ms + delay, row)
            })
            .collect();
        arriving.sort_by_key(|(arrival, _)| *arrival);
        arriving.into_iter().map(|(_, row)| row).collect()
    }
}

/// An amount with two decimals, at least one cent.
pub(super) fn cents(amount: f64) -> f64 {
    ((amount * 100.0).round() / 100.0).max(0.01)
}
