//! Customers and terminals.

/// Where cards are used.
pub(super) struct Terminal {
    pub(super) number: i64,
    pub(super) country: &'static str,
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Who uses a card, and how.
pub(super) struct Customer {
    pub(super) card: i64,
    pub(super) device: String,
    pub(super) country: &'static str,
    pub(super) mean_amount: f64,
    pub(super) per_day: f64,
    /// Those near home.
    pub(super) terminals: Vec<usize>,
    /// On a journey: until which day, and near which terminal.
    pub(super) away: Option<(i64, usize)>,
}
