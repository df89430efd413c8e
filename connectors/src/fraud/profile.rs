//! Customers, terminals and devices, and how honest customers live.

use super::day::{Day, cents};
use super::people::{Customer, Terminal};
use super::random::Random;

/// Countries are bands of the plane.
pub(super) const COUNTRIES: [&str; 5] = ["DE", "FR", "NL", "PL", "ES"];
const PLANE: f64 = 100.0;

/// The bank's world.
pub(super) struct Bank {
    pub(super) customers: Vec<Customer>,
    pub(super) terminals: Vec<Terminal>,
}

fn country_at(x: f64) -> &'static str {
    COUNTRIES[((x / PLANE * COUNTRIES.len() as f64) as usize).min(COUNTRIES.len() - 1)]
}

impl Bank {
    pub(super) fn new(customers: usize, random: &mut Random) -> Self {
        let terminals: Vec<Terminal> = (0..customers * 2)
            .map(|number| {
                let (x, y) = (random.between(0.0, PLANE), random.between(0.0, PLANE));
                Terminal { number: 1_000 + number as i64, country: country_at(x), x, y }
            })
            .collect();
        // A radius that holds about a dozen terminals, whatever their number.
        let radius = (PLANE * PLANE * 12.0 / (std::f64::consts::PI * terminals.len() as f64)).sqrt().max(1.0);
        let grid = Grid::new(&terminals, radius);
        let mut all = Vec::with_capacity(customers);
        let mut device = 0;
        let mut family = 0;
        for number in 0..customers {
            if family == 0 {
                device += 1;
                family = if random.chance(0.25) { random.integer(2, 4) } else { 1 };
            }
            family -= 1;
            all.push(customer(number, device, &terminals, &grid, radius, random));
        }
        Self { customers: all, terminals }
    }

    /// A day of honest purchases.
    pub(super) fn live(&mut self, today: i64, day: &mut Day, random: &mut Random) {
        for customer in &mut self.customers {
            customer.travel(today, self.terminals.len(), random);
            for _ in 0..random.count(customer.per_day) {
                let at = random.normal(43_200.0, 20_000.0);
                if !(0.0..86_400.0).contains(&at) {
                    continue;
                }
                let terminal = &self.terminals[customer.somewhere(random)];
                let amount = random.normal(customer.mean_amount, customer.mean_amount / 2.0);
                let amount = if amount > 0.0 { amount } else { random.between(0.0, customer.mean_amount * 2.0) };
                day.add(customer, (at * 1_000.0) as i64, terminal, cents(amount));
            }
            if random.chance(0.01 * customer.per_day / 2.0) {
                customer.coffees_and_a_purchase(&self.terminals, day, random);
            }
        }
    }

    /// A terminal in another country than the customer's.
    pub(super) fn terminal_abroad(&self, customer: &Customer, random: &mut Random) -> &Terminal {
        let start = random.below(self.terminals.len());
        let around = self.terminals[start..].iter().chain(&self.terminals[..start]);
        around.clone().find(|terminal| terminal.country != customer.country).unwrap_or(&self.terminals[start])
    }
}

fn customer(number: usize, device: usize, terminals: &[Terminal], grid: &Grid, radius: f64, random: &mut Random) -> Customer {
    let (x, y) = (random.between(0.0, PLANE), random.between(0.0, PLANE));
    let country = country_at(x);
    let near = grid.near(x, y, radius, terminals);
    let at_home: Vec<usize> = near.iter().copied().filter(|&terminal| terminals[terminal].country == country).collect();
    let fallback = || terminals.iter().position(|terminal| terminal.country == country).unwrap_or(0);
    let terminals = if at_home.is_empty() { vec![fallback()] } else { at_home };
    Customer {
        card: 400_000 + number as i64,
        device: format!("d{:05}", device),
        country,
        mean_amount: random.between(5.0, 100.0),
        per_day: random.between(0.0, 4.0),
        terminals,
        away: None,
    }
}

impl Customer {
    /// Now and then a journey of some days.
    fn travel(&mut self, today: i64, terminals: usize, random: &mut Random) {
        match self.away {
            Some((until, _)) if until <= today => self.away = None,
            None if random.chance(0.004) => self.away = Some((today + random.integer(2, 6), random.below(terminals))),
            _ => {}
        }
    }

    fn somewhere(&self, random: &mut Random) -> usize {
        match self.away {
            Some((_, terminal)) if random.chance(0.8) => terminal,
            _ => self.terminals[random.below(self.terminals.len())],
        }
    }

    /// Small purchases, then a bigger one minutes later: what card testing looks like, but honest. On a journey it may even
    /// cross a border: a coffee before the flight, the hotel behind it.
    fn coffees_and_a_purchase(&self, terminals: &[Terminal], day: &mut Day, random: &mut Random) {
        let mut at = random.integer(28_800_000, 72_000_000);
        for _ in 0..random.integer(2, 3) {
            let terminal = &terminals[self.terminals[random.below(self.terminals.len())]];
            day.add(self, at, terminal, cents(random.between(1.5, 8.0)));
            at += random.integer(20_000, 200_000);
        }
        let terminal = &terminals[self.somewhere(random)];
        day.add(self, at, terminal, cents(random.between(30.0, 160.0)));
    }
}

/// Finds terminals near a point without looking at all of them.
struct Grid {
    cells: Vec<Vec<usize>>,
    side: usize,
}

impl Grid {
    fn new(terminals: &[Terminal], radius: f64) -> Self {
        let side = ((PLANE / radius) as usize).clamp(1, 1_000);
        let mut cells = vec![Vec::new(); side * side];
        for (number, terminal) in terminals.iter().enumerate() {
            cells[Self::cell(side, terminal.x, terminal.y)].push(number);
        }
        Self { cells, side }
    }

    fn cell(side: usize, x: f64, y: f64) -> usize {
        let index = |value: f64| ((value / PLANE * side as f64) as usize).min(side - 1);
        index(x) * side + index(y)
    }

    fn near(&self, x: f64, y: f64, radius: f64, terminals: &[Terminal]) -> Vec<usize> {
        let center = Self::cell(self.side, x, y);
        let (row, column) = (center / self.side, center % self.side);
        let around = |value: usize| value.saturating_sub(1)..=(value + 1).min(self.side - 1);
        around(row)
            .flat_map(|row| around(column).map(move |column| row * self.side + column))
            .flat_map(|cell| self.cells[cell].iter().copied())
            .filter(|&number| {
                let (dx, dy) = (terminals[number].x - x, terminals[number].y - y);
                dx * dx + dy * dy <= radius * radius
            })
            .collect()
    }
}
