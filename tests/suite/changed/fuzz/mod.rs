//! Random programs over random rows, changed at random: they write what the rule says, or are refused as the rule says.
//!
//! `EGRET_CHANGES_SEEDS=5000` runs this many seeds, `EGRET_CHANGES_FIRST_SEED=17 EGRET_CHANGES_SEEDS=1` reruns one of them.

mod oracle;
mod program;

use super::support::{TXN, Txn, run_until};
use egret_testkit::Random;
use oracle::Oracle;
use program::Program;

/// A text, and the part of the input that it runs on.
struct Phase {
    program: Program,
    /// The last row that it reads; later rows are for the next text.
    until: usize,
    workers: usize,
    may_drop: bool,
    /// A part of the refusal, if it must be refused.
    refused: Option<String>,
}

/// What happened in all cases.
#[derive(Default)]
struct Seen {
    rows: usize,
    matches: usize,
    refused: usize,
}

/// Rows in order of time, except for some that are late.
fn random_rows(random: &mut Random) -> Vec<Txn> {
    let mut at = 0;
    let row = |id: usize, random: &mut Random| {
        let time = if id > 0 && at > 1 && random.chance(10) {
            random.between((at - 40).max(0), at)
        } else {
            at += random.between(1, 9);
            at
        };
        let (card, device) = (random.between(7, 9), ["a", "b"][random.below(2)]);
        (id as i64, card, random.between(0, 100) as f64, device, time)
    };
    let mut row = row;
    (0..20 + random.below(60)).map(|id| row(id, random)).collect()
}

/// The watermark after these rows.
fn watermark(rows: &[Txn]) -> i64 {
    rows.iter().map(|row| row.4).max().unwrap_or(i64::MIN)
}

fn random_phases(rows: &[Txn], random: &mut Random) -> Vec<Phase> {
    let stops = 1 + random.below(2);
    let mut cuts: Vec<usize> = (0..stops).map(|_| 1 + random.below(rows.len() - 1)).collect();
    cuts.sort_unstable();
    cuts.push(rows.len());
    // The watermark rises while each text runs.
    let mut last = i64::MIN;
    cuts.retain(|&cut| {
        let rises = watermark(&rows[..cut]) > last;
        last = last.max(watermark(&rows[..cut]));
        rises || cut == rows.len()
    });
    cuts.dedup();
    let mut program = Program::random(random);
    let mut phases: Vec<Phase> = Vec::new();
    for until in cuts {
        let may_drop = random.chance(30);
        let mut refused = None;
        if !phases.is_empty() {
            program = program.restyled(random);
            refused = program.change(may_drop, random);
        }
        let is_last = refused.is_some();
        phases.push(Phase { program: program.clone(), until, workers: 1 + random.below(3), may_drop, refused });
        if is_last {
            break;
        }
    }
    phases
}

fn check_seed(seed: u64, seen: &mut Seen) {
    let random = &mut Random::new(seed);
    let rows = random_rows(random);
    let phases = random_phases(&rows, random);
    let folder = tempfile::tempdir().unwrap();
    let (mut oracle, mut from) = (Oracle::default(), 0);
    for (number, phase) in phases.iter().enumerate() {
        let text = format!("{TXN}{}", phase.program.text());
        let place = || {
            let texts: Vec<String> =
                phases[..=number].iter().map(|phase| format!("to row {}:\n{}", phase.until, phase.program.text())).collect();
            format!("seed {seed}, text {} of {}\n{}\n{rows:?}", number + 1, phases.len(), texts.join("\n"))
        };
        let stop = (phase.until < rows.len()).then_some(phase.until);
        match (run_until(&text, &rows, stop, phase.workers, folder.path(), phase.may_drop), &phase.refused) {
            (Err(said), Some(words)) if said.contains(words) => seen.refused += 1,
            (Err(said), _) => panic!("it was refused: {said}\nexpected: {:?}\n{}", phase.refused, place()),
            (Ok(_), Some(words)) => panic!("it was not refused, although {words}\n{}", place()),
            (Ok(found), None) => {
                let expected = oracle.run(&phase.program, &rows[from..phase.until], stop.is_none());
                assert!(found == expected, "found {found:#?}\nexpected {expected:#?}\n{}", place());
                seen.rows += found.len();
                seen.matches += found.iter().filter(|line| line.starts_with("name=p")).count();
            }
        }
        from = phase.until;
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Runs the seeds of one of two threads.
fn check_seeds(half: u64) {
    let (first, count) = (number("EGRET_CHANGES_FIRST_SEED", 1), number("EGRET_CHANGES_SEEDS", 60));
    let mut seen = Seen::default();
    for seed in (first..first + count).filter(|seed| seed % 2 == half) {
        check_seed(seed, &mut seen);
    }
    let is_enough = count < 60 || (seen.rows > 500 && seen.matches > 50 && seen.refused > 3);
    assert!(is_enough, "little was tested: {} rows, {} of them matches, {} refused", seen.rows, seen.matches, seen.refused);
}

#[test]
fn random_changes_do_what_the_rule_says() {
    check_seeds(0);
}

#[test]
fn other_random_changes_do_what_the_rule_says() {
    check_seeds(1);
}
