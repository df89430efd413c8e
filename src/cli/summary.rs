//! The summary at the end of a job.

use egret::cep::{DROPPED, OVERFLOWED, matches_of};
use egret::core::job::NodeKind;
use egret::core::{EventTime, JobGraph};
use egret::engine::{JobReport, NodeReport};
use egret::truth::Quality;
use std::cmp::Reverse;
use std::fmt::Write;

/// The greatest number of patterns with a line of their own.
const PATTERNS_SHOWN: usize = 20;

/// The summary: rows read, found, written and lost.
pub(crate) fn summary(job: &JobGraph, report: &JobReport) -> String {
    let mut text = String::new();
    let read: u64 = rows(job, report, |kind| matches!(kind, NodeKind::Source { .. })).map(|node| node.rows_out).sum();
    let seconds = report.elapsed.as_secs_f64().max(1e-9);
    let how = if report.stopped { "stopped" } else { "done" };
    line(&mut text, &format!("{how}: {} rows in {seconds:.2} s, {}/s", count(read), count((read as f64 / seconds) as u64)));
    for node in rows(job, report, |kind| matches!(kind, NodeKind::Source { .. })) {
        let watermark = EventTime(node.watermark_us);
        let until = if watermark == EventTime::MIN || watermark == EventTime::MAX {
            String::new()
        } else {
            format!(", watermark {watermark}")
        };
        line(&mut text, &format!("  read     {:<20} {:>12} rows{until}", node.name, count(node.rows_out)));
    }
    text.push_str(&found(report));
    for node in rows(job, report, |kind| matches!(kind, NodeKind::Sink(_))) {
        line(&mut text, &format!("  written  {:<20} {:>12} rows", node.name, count(node.rows_out)));
    }
    for quality in Quality::of(report) {
        line(&mut text, &format!("  alerts   {quality}"));
    }
    text.push_str(&losses(report));
    let peak: u64 = report.nodes.iter().map(|node| node.state_peak_bytes).sum();
    line(
        &mut text,
        &format!(
            "  state at most {}, memory {}, CPU {:.2} s",
            bytes(peak),
            bytes(report.peak_rss_bytes),
            report.cpu.as_secs_f64()
        ),
    );
    text
}

/// The matches of each pattern; if there are many patterns, of those with the most matches.
fn found(report: &JobReport) -> String {
    let mut found = Vec::new();
    for node in &report.nodes {
        let start = matches_of("");
        found.extend(node.named.iter().filter_map(|(name, matches)| Some((name.strip_prefix(&start)?, *matches))));
    }
    if found.len() > PATTERNS_SHOWN {
        found.sort_by_key(|(_, matches)| Reverse(*matches));
    }
    let mut text = String::new();
    for (name, matches) in found.iter().take(PATTERNS_SHOWN) {
        line(&mut text, &format!("  found    {name:<20} {:>12} matches", count(*matches as u64)));
    }
    if let Some(more) = found.get(PATTERNS_SHOWN..).filter(|more| !more.is_empty()) {
        let matches: i64 = more.iter().map(|(_, matches)| matches).sum();
        let name = format!("{} more patterns", more.len());
        line(&mut text, &format!("  found    {name:<20} {:>12} matches", count(matches as u64)));
    }
    text
}

/// Rows that were read and not used, and rows still waited for. This is shown even without a summary.
pub(crate) fn losses(report: &JobReport) -> String {
    let mut text = String::new();
    for node in &report.nodes {
        if node.bad > 0 {
            let what = if node.rows_in > 0 { "computed" } else { "read" };
            line(&mut text, &format!("  skipped  {:<20} {:>12} rows that could not be {what}", node.name, count(node.bad)));
        }
        if node.late > 0 {
            line(
                &mut text,
                &format!("  late     {:<20} {:>12} rows behind the watermark, not used here", node.name, count(node.late)),
            );
        }
        for (counter, what) in [(OVERFLOWED, "overflow"), (DROPPED, "dropped")] {
            if let Some(&number) = node.named.get(counter).filter(|number| **number > 0) {
                line(&mut text, &format!("  {what:<8} {:<20} {:>12} {counter}", node.name, count(number as u64)));
            }
        }
        for hold in &node.holds {
            line(&mut text, &format!("  waits    {:<20} {hold}", node.name));
        }
        for note in &node.notes {
            line(&mut text, &format!("           {}: {note}", node.name));
        }
    }
    text
}

fn rows<'a>(
    job: &'a JobGraph,
    report: &'a JobReport,
    wanted: impl Fn(&NodeKind) -> bool + 'a,
) -> impl Iterator<Item = &'a NodeReport> {
    job.nodes().filter(move |(_, node)| wanted(&node.kind)).filter_map(|(id, _)| report.nodes.get(id.index()))
}

fn line(text: &mut String, what: &str) {
    writeln!(text, "{what}").expect("writing to a String does not fail");
}

/// A number with thousands separators: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes: `3.4 MB`.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} B"),
        1_000..1_000_000 => format!("{:.1} kB", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", number as f64 / 1e6),
        _ => format!("{:.2} GB", number as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, losses};
    use egret::core::EventTime;
    use egret::core::metrics::Hold;
    use egret::engine::{JobReport, NodeReport};

    #[test]
    fn what_was_waited_for_at_the_end_is_said() {
        let hold =
            Hold { split: "g/b.jsonl".into(), at: EventTime::MIN, reached: EventTime(1_000_000), since: EventTime(5_000_000) };
        let source = NodeReport { name: "t".into(), holds: vec![hold], ..NodeReport::default() };
        let text = losses(&JobReport { nodes: vec![source], ..JobReport::default() });
        assert_eq!(
            text,
            "  waits    t                    held back by g/b.jsonl, which has given no row, since 1970-01-01 00:00:05.000; others are at 1970-01-01 00:00:01.000\n"
        );
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([count(7), count(1_000), count(12_345_678)], ["7", "1,000", "12,345,678"]);
        assert_eq!([bytes(999), bytes(1_500), bytes(2_000_000)], ["999 B", "1.5 kB", "2.0 MB"]);
    }
}
