//! `egret check --sample` and `egret explain --sample`: how many partial matches each pattern keeps for a sample of the input,
//! and advice.

use super::out::print_text;
use super::program::read_program;
use super::summary::{bytes, count};
use super::{FAILED, OK, report_error};
use egret::cep::{Estimate, show_duration};
use std::path::Path;

/// The number of partial matches of a key that is expensive if they are stored as individual runs.
const MANY: u64 = 1_000;

/// Shows on standard error what the patterns of a program keep for samples. Each sample is a file, or `stream=FILE`; without
/// samples nothing is shown.
pub(super) fn show_samples(file: &Path, samples: &[String]) -> u8 {
    if samples.is_empty() {
        return OK;
    }
    let parted = |sample: &'_ String| match sample.split_once('=') {
        Some((stream, path)) => (Some(stream.to_owned()), path.to_owned()),
        None => (None, sample.clone()),
    };
    let samples: Vec<(Option<String>, String)> = samples.iter().map(parted).collect();
    let program = match read_program(file) {
        Ok(program) => program,
        Err(status) => return status,
    };
    match program.sample(&samples) {
        Ok(estimates) => {
            estimates.iter().for_each(|(name, estimate)| print_text(&describe(name, estimate)));
            OK
        }
        Err(error) => {
            report_error(&error);
            FAILED
        }
    }
}

fn describe(name: &str, estimate: &Estimate) -> String {
    let Estimate { rows, rows_used, matches, open_peak, keys_peak, bytes_peak, span_us, .. } = estimate;
    let dropped = 100.0 * (rows - rows_used) as f64 / (*rows).max(1) as f64;
    let open = open_peak.map_or("more than a key may have".to_owned(), |open| format!("at most {}", count(open)));
    let a_key = bytes_peak / (*keys_peak).max(1);
    let mut text = format!(
        "sample: {name}: {} rows over {}, {dropped:.1}% dropped before the exchange, {} matches\n\
         \x20 open partial matches: {open}, of at most {} keys\n\
         \x20 state: at most {}, about {} a key\n",
        count(*rows),
        show_duration(*span_us),
        count(*matches),
        count(*keys_peak),
        bytes(*bytes_peak),
        bytes(a_key),
    );
    for advice in advice(name, estimate) {
        text += &format!("  look at: {advice}\n");
    }
    text
}

/// Advice about what stands out in an estimate.
fn advice(name: &str, estimate: &Estimate) -> Vec<String> {
    let mut all = Vec::new();
    if estimate.open_peak.is_none() {
        all.push(
            "one key has more partial matches than max_partial_matches allows, and is put aside: narrow the condition of the first step, \
             shorten WITHIN, take a GREEDY repetition, or raise max_partial_matches"
                .to_owned(),
        );
    }
    if let Some((key, open)) = estimate.most.as_ref().filter(|(_, open)| *open >= MANY) {
        all.push(format!(
            "{key} has {} of the open partial matches: narrow the condition of the first step, or bound them with max_partial_matches",
            count(*open)
        ));
    }
    match estimate.within_us {
        None if estimate.open_at_end > 0 => all.push(format!(
            "{} partial matches are open at the end of the sample, and there is no WITHIN to end them: more input keeps more",
            count(estimate.open_at_end)
        )),
        Some(within) if estimate.span_us < within && estimate.rows > 0 => all.push(format!(
            "the sample is shorter than WITHIN {}: up to {:.0} times as much may be open",
            show_duration(within),
            (within as f64 / estimate.span_us.max(1) as f64).ceil()
        )),
        _ => {}
    }
    if estimate.matches == 0 && estimate.rows > 0 {
        all.push(format!(
            "nothing matched: `egret why --pattern {name} --key ...` shows how far each start came, and what stopped it"
        ));
    }
    all
}
