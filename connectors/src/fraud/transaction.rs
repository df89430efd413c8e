//! A row of the simulator.

pub(crate) const DAY_MS: i64 = 86_400_000;

/// A transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Its number, in the order of arrival.
    pub id: i64,
    /// The card.
    pub card: i64,
    /// The device it was made with.
    pub device: String,
    /// The shop's terminal.
    pub terminal: i64,
    /// In the card's currency, with two decimals.
    pub amount: f64,
    /// The country of the terminal.
    pub country: &'static str,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The scenario it is part of, if it is fraud.
    pub scenario: Option<&'static str>,
}
