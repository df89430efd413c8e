//! How fraud comes about. The rates are those of the Handbook, in proportion to the number of customers.

use super::day::{Day, cents};
use super::profile::Bank;
use super::random::Random;
use std::collections::BTreeMap;

const HIGH_AMOUNT: &str = "high_amount";
const TERMINAL: &str = "terminal";
const CUSTOMER: &str = "customer";
/// The small amounts; the big one behind them is [`CARD_TESTING`].
const CARD_PROBE: &str = "card_probe";
const CARD_TESTING: &str = "card_testing";
const DEVICE_RING: &str = "device_ring";

/// Above this amount every purchase is fraud.
const HIGH: f64 = 220.0;

/// A group of cards that is used from a few devices for some weeks.
struct Ring {
    until: i64,
    cards: Vec<usize>,
    devices: Vec<String>,
}

/// The fraud that goes on.
#[derive(Default)]
pub(super) struct Campaigns {
    terminals: BTreeMap<i64, i64>,
    cards: BTreeMap<i64, i64>,
    rings: Vec<Ring>,
    devices: usize,
}

impl Campaigns {
    /// What begins and ends today.
    pub(super) fn begin_day(&mut self, today: i64, bank: &Bank, random: &mut Random) {
        self.terminals.retain(|_, until| *until > today);
        self.cards.retain(|_, until| *until > today);
        self.rings.retain(|ring| ring.until > today);
        for _ in 0..random.count(bank.terminals.len() as f64 * 2.0 / 10_000.0) {
            self.terminals.insert(bank.terminals[random.below(bank.terminals.len())].number, today + 28);
        }
        for _ in 0..random.count(bank.customers.len() as f64 * 3.0 / 5_000.0) {
            self.cards.insert(bank.customers[random.below(bank.customers.len())].card, today + 14);
        }
        let rings_wanted = (bank.customers.len() / 150).max(1);
        if self.rings.len() < rings_wanted && random.chance(0.05) {
            let ring = self.new_ring(today, bank, random);
            self.rings.push(ring);
        }
    }

    fn new_ring(&mut self, today: i64, bank: &Bank, random: &mut Random) -> Ring {
        let size = random.integer(5, 30.min(5 + bank.customers.len() as i64 / 12));
        let cards = (0..size).map(|_| random.below(bank.customers.len())).collect();
        let devices = (0..random.integer(2, 4)).map(|_| self.new_device("r")).collect();
        Ring { until: today + random.integer(21, 42), cards, devices }
    }

    fn new_device(&mut self, prefix: &str) -> String {
        self.devices += 1;
        format!("{prefix}{:05}", self.devices)
    }

    /// Turns honest purchases of today into fraud.
    pub(super) fn mark(&self, today: i64, day: &mut Day, random: &mut Random) {
        for row in &mut day.transactions {
            if self.terminals.get(&row.terminal).is_some_and(|until| *until > today) {
                row.scenario = Some(TERMINAL);
            }
            if self.cards.get(&row.card).is_some_and(|until| *until > today) && random.chance(1.0 / 3.0) {
                row.amount = cents(row.amount * 5.0);
                row.scenario = Some(CUSTOMER);
            }
            if row.amount > HIGH && row.scenario.is_none() {
                row.scenario = Some(HIGH_AMOUNT);
            }
        }
    }

    /// Purchases that only fraud makes.
    pub(super) fn attack(&mut self, _today: i64, bank: &Bank, day: &mut Day, random: &mut Random) {
        for _ in 0..random.count(bank.customers.len() as f64 * 0.004) {
            self.test_a_card(bank, day, random);
        }
        for ring in &self.rings {
            for &card in &ring.cards {
                if !random.chance(0.2) {
                    continue;
                }
                let customer = &bank.customers[card];
                let device = ring.devices[random.below(ring.devices.len())].clone();
                let terminal = &bank.terminals[random.below(bank.terminals.len())];
                let at = random.integer(0, 86_000_000);
                day.add_fraud(customer, device, at, terminal, cents(random.between(80.0, 210.0)), Some(DEVICE_RING));
            }
        }
    }

    /// A stolen number is tried with small amounts, then used abroad; now and then the bank's own checks stop it before that.
    fn test_a_card(&mut self, bank: &Bank, day: &mut Day, random: &mut Random) {
        let customer = &bank.customers[random.below(bank.customers.len())];
        let device = self.new_device("t");
        let mut at = random.integer(0, 84_000_000);
        let probing = bank.terminal_abroad(customer, random);
        for _ in 0..random.integer(2, 6) {
            let amount = cents(random.between(0.5, 9.5));
            day.add_fraud(customer, device.clone(), at, probing, amount, Some(CARD_PROBE));
            at += random.integer(5_000, 80_000);
        }
        if random.chance(0.85) {
            let start = random.below(bank.terminals.len());
            let elsewhere = (0..bank.terminals.len())
                .map(|n| &bank.terminals[(start + n) % bank.terminals.len()])
                .find(|terminal| terminal.country != probing.country)
                .unwrap_or(probing);
            let amount = cents(random.between(100.0, 900.0));
            day.add_fraud(customer, device, at, elsewhere, amount, Some(CARD_TESTING));
        }
    }
}
