//! The report as text for a terminal.

use super::report::{Report, is_open as was_open};
use super::strip::Strip;
use egret::cep::trace::{Candidate, Fate, NearMiss, Reason, Stop, Trace, TracedEvent, TracedStep};
use egret::cep::{show_duration, show_time};
use egret::core::Result;
use serde_json::Value;
use std::fmt::Write as _;

/// Values wider than this are truncated.
const VALUES_MAX: usize = 44;

/// The greatest number of overflows that are shown.
const OVERFLOWS_MAX: usize = 3;

/// The whole report.
pub(super) fn render(report: &Report<'_>) -> Result<String> {
    let trace = report.trace;
    let clock = Clock::of(trace);
    let mut text = head(report, &clock)?;
    if trace.candidates.is_empty() {
        text.push_str(&no_candidates(trace, &clock));
        return Ok(text);
    }
    if report.shown.is_empty() {
        return Ok(text);
    }
    text.push('\n');
    text.push_str(&Strip::new(trace, &report.shown).render(&report.shown, |candidate| fate(trace, candidate, &clock)));
    for &place in &report.shown {
        text.push('\n');
        text.push_str(&candidate(report, place, &clock));
    }
    if report.more > 0 {
        let all = report.shown.len() + report.more;
        write!(text, "\n{} more; --limit {all} shows them, --at TIME those open at a time\n", count(report.more, "candidate"))
            .expect("writing to a String does not fail");
    }
    Ok(text)
}

/// Prints times without the part that they all share, the day.
struct Clock {
    day: Option<String>,
}

impl Clock {
    fn of(trace: &Trace) -> Self {
        let day = |event: &TracedEvent| event.at.as_ref().and_then(|at| at.get(..10)).map(str::to_owned);
        let first = trace.events.first().and_then(day);
        Self { day: first.filter(|first| trace.events.iter().all(|event| day(event).as_ref() == Some(first))) }
    }

    fn show(&self, us: i64) -> String {
        let whole = show_time(us);
        match (&self.day, whole.get(..10), whole.get(11..).and_then(|time| time.strip_suffix('Z'))) {
            (Some(day), Some(other), Some(time)) if day == other => time.to_owned(),
            _ => whole,
        }
    }

    fn event(&self, trace: &Trace, event: usize) -> String {
        trace.events[event].at_us.map_or_else(String::new, |us| self.show(us))
    }
}

fn head(report: &Report<'_>, clock: &Clock) -> Result<String> {
    let trace = report.trace;
    let compiled = &report.input.compiled;
    let mut text = format!("pattern {}: {}", report.input.name, compiled.text());
    if let Some(within) = compiled.within_us() {
        write!(text, " within {}", show_duration(within)).expect("writing to a String does not fail");
    }
    let key = report.key.show()?;
    let of = if key.is_empty() { "all rows".into() } else { key };
    write!(text, "\n{of}: {}", count(trace.events.len(), "event")).expect("writing to a String does not fail");
    if let (Some(first), Some(last)) = (trace.events.first(), trace.events.last())
        && let (Some(from), Some(to)) = (first.at_us, last.at_us)
    {
        write!(text, " from {} to {}", show_time(from), clock.show(to)).expect("writing to a String does not fail");
    }
    if report.late > 0 {
        write!(
            text,
            "; {} came too late and {} not looked at",
            count(report.late, "more"),
            if report.late == 1 { "is" } else { "are" }
        )
        .expect("writing to a String does not fail");
    }
    text.push('\n');
    for overflow in report.overflows.iter().take(OVERFLOWS_MAX) {
        writeln!(text, "{}", overflow.show(|us| clock.show(us))).expect("writing to a String does not fail");
    }
    if report.overflows.len() > OVERFLOWS_MAX {
        writeln!(text, "so {} times more", report.overflows.len() - OVERFLOWS_MAX).expect("writing to a String does not fail");
    }
    if !report.overflows.is_empty() {
        text.push_str("what stands of candidates is what they come to where none of that happens\n");
    }
    let ended = |fate: Fate| trace.candidates.iter().filter(|candidate| candidate.fate == fate).count();
    let fates = [
        (Fate::Matched, "matched"),
        (Fate::Discarded, "skipped by a match"),
        (Fate::TimedOut, "timed out"),
        (Fate::Stopped, "stopped by an event"),
        (Fate::Waiting, "waiting at the end"),
    ];
    let fates: Vec<String> =
        fates.iter().filter(|(fate, _)| ended(*fate) > 0).map(|(fate, words)| format!("{} {words}", ended(*fate))).collect();
    write!(text, "{}", count(trace.candidates.len(), "candidate")).expect("writing to a String does not fail");
    if !fates.is_empty() {
        write!(text, ": {}", fates.join(", ")).expect("writing to a String does not fail");
    }
    if trace.not_starts > 0 {
        write!(text, "; {} cannot start a match", count(trace.not_starts, "event")).expect("writing to a String does not fail");
    }
    text.push('\n');
    text.push_str(&at_words(report, clock));
    Ok(text)
}

/// What `--at` left out, and where the trace ends early.
fn at_words(report: &Report<'_>, clock: &Clock) -> String {
    let (trace, mut text) = (report.trace, String::new());
    if let Some(at) = report.at_us {
        let is_open = report.shown.iter().any(|&place| was_open(trace, &trace.candidates[place], at));
        let found = match (report.shown.is_empty(), is_open) {
            (true, _) => "no candidate had started",
            (false, true) => "the candidates that were open then",
            (false, false) => "no candidate was open; the one that ended last",
        };
        writeln!(text, "at {}: {found}", clock.show(at)).expect("writing to a String does not fail");
    }
    if let Some(from) = trace.untraced_from
        && report.at_us.is_none()
    {
        writeln!(text, "there is too much to look at: events from number {} on were not tried as starts", from + 1)
            .expect("writing to a String does not fail");
    }
    text
}

fn no_candidates(trace: &Trace, clock: &Clock) -> String {
    if trace.near_starts.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nno event can start a match; the nearest:\n");
    trace.near_starts.iter().for_each(|miss| text.push_str(&near(trace, miss, clock)));
    text
}

/// The outcome of a candidate, in a few words.
fn fate(trace: &Trace, candidate: &Candidate, clock: &Clock) -> String {
    let ended = candidate.ended_us.filter(|_| trace.events[candidate.start].at_us.is_some());
    let at = ended.map_or_else(String::new, |us| format!(" at {}", clock.show(us)));
    match candidate.fate {
        Fate::Matched => {
            let numbers: Vec<String> = candidate.matches.iter().map(|number| (number + 1).to_string()).collect();
            let what = if numbers.len() == 1 { "match" } else { "matches" };
            format!("matched{at}: {what} {}", numbers.join(", "))
        }
        Fate::Discarded => format!("skipped by match {}{at}", candidate.discarded_by.map_or(0, |number| number + 1)),
        Fate::TimedOut => format!("timed out{at}"),
        Fate::Stopped => format!("stopped{at}"),
        Fate::Waiting => "waiting at the end of the input".into(),
    }
}

fn candidate(report: &Report<'_>, place: usize, clock: &Clock) -> String {
    let trace = report.trace;
    let candidate = &trace.candidates[place];
    let mut text = format!("candidate {}: {}\n", place + 1, fate(trace, candidate, clock));
    match candidate.matches.as_slice() {
        [] => text.push_str(&steps(trace, &candidate.steps, clock)),
        matches => {
            for &number in matches.iter().take(report.shown.len().max(3)) {
                let found = &trace.matches[number];
                text.push_str(&steps(trace, &found.steps, clock));
                writeln!(text, "    match {}, skip {}", number + 1, found.skip).expect("writing to a String does not fail");
            }
            if matches.len() > report.shown.len().max(3) {
                writeln!(text, "    and {} more", count(matches.len() - report.shown.len().max(3), "match"))
                    .expect("writing to a String does not fail");
            }
        }
    }
    if candidate.steps_missing > 0 && candidate.matches.is_empty() {
        writeln!(text, "    at least {} missing", count(candidate.steps_missing, "more event"))
            .expect("writing to a String does not fail");
    }
    candidate.stops.iter().for_each(|stop| text.push_str(&stop_lines(report, stop, clock)));
    text
}

/// The events taken, one on each line, with a line for each condition.
fn steps(trace: &Trace, steps: &[TracedStep], clock: &Clock) -> String {
    let values: Vec<String> = steps.iter().map(|step| values(&trace.events[step.event])).collect();
    let width = values.iter().map(|text| text.chars().count()).max().unwrap_or_default();
    let names = steps.iter().map(|step| step.variable.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (step, values) in steps.iter().zip(values) {
        let first =
            format!("{:>6}  {}  {:names$}  {values:width$}", step.event + 1, clock.event(trace, step.event), step.variable);
        let blank = " ".repeat(first.chars().count());
        let because = if step.because.is_empty() { vec!["any event".to_owned()] } else { step.because.clone() };
        for (number, condition) in because.iter().enumerate() {
            let line = format!("{}  {condition}", if number == 0 { &first } else { &blank });
            writeln!(text, "{}", line.trim_end()).expect("writing to a String does not fail");
        }
    }
    text
}

/// The columns of an event that the conditions read.
fn values(event: &TracedEvent) -> String {
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name} '{text}'"),
        other => format!("{name} {other}"),
    };
    let all = event.values.iter().map(one).collect::<Vec<_>>().join(", ");
    if all.chars().count() <= VALUES_MAX {
        return all;
    }
    all.chars().take(VALUES_MAX - 3).chain("...".chars()).collect()
}

fn stop_lines(report: &Report<'_>, stop: &Stop, clock: &Clock) -> String {
    let trace = report.trace;
    let next = stop.variable.as_ref().map_or_else(|| "the end".to_owned(), |name| format!("'{name}'"));
    let event = stop.event.map_or_else(String::new, |event| format!("event {} ({})", event + 1, clock.event(trace, event)));
    let at = stop.at_us.map_or_else(String::new, |us| format!(" at {}", clock.show(us)));
    let by = stop.by.as_deref().unwrap_or_default();
    let within = report.input.compiled.within_us().map_or_else(String::new, |us| format!(" {}", show_duration(us)));
    let reason = match stop.reason {
        Reason::Strict if stop.variable.is_none() => format!("{event} came before {next}"),
        Reason::Strict => format!("{next} had to be the very next event; {event} is none:"),
        Reason::Negation => format!("waited for {next}; {event} is '{by}', which must not come:"),
        Reason::Greedy => format!("waited for {next}; {event} belongs to the greedy '{by}':"),
        Reason::Until => format!("waited for {next}; {event} ends '{by}':"),
        Reason::Within => format!("waited for {next} until WITHIN{within} was over{at}"),
        Reason::Gap => format!("waited for {next} until its time behind the last event was over{at}"),
        Reason::Skip => format!("waited for {next} until a match skipped past its start{at}"),
        Reason::EndOfInput => format!("waits for {next}; the events ended"),
    };
    let mut text = format!("    {reason}\n");
    stop.conditions.iter().for_each(|condition| line(&mut text, "", condition));
    if stop.reason != Reason::Strict {
        stop.wanted.iter().for_each(|condition| line(&mut text, "wanted", condition));
    }
    if stop.looked_at > 0 {
        let these = if stop.looked_at == stop.near.len() { String::new() } else { ", the nearest:".into() };
        writeln!(text, "      {} did not fit{}", count(stop.looked_at, "event"), if these.is_empty() { ":" } else { &these })
            .expect("writing to a String does not fail");
        stop.near.iter().for_each(|miss| text.push_str(&near(trace, miss, clock)));
    }
    text
}

fn line(text: &mut String, label: &str, condition: &str) {
    writeln!(text, "      {label:>6}  {condition}").expect("writing to a String does not fail");
}

/// An event that did not fit, the condition that failed, and the values it read.
fn near(trace: &Trace, miss: &NearMiss, clock: &Clock) -> String {
    let first = format!("{:>6}  {}", miss.event + 1, clock.event(trace, miss.event));
    let blank = " ".repeat(first.chars().count());
    let (failed, held) = (miss.failed.iter().map(|text| ("fails", text)), miss.held.iter().map(|text| ("holds", text)));
    let mut text = String::new();
    for (number, (label, condition)) in failed.chain(held).enumerate() {
        writeln!(text, "{}  {label}  {condition}", if number == 0 { &first } else { &blank })
            .expect("writing to a String does not fail");
    }
    text
}

/// A number and a noun, in the plural if needed.
fn count(number: usize, thing: &str) -> String {
    match (number, thing) {
        (1, thing) => format!("1 {thing}"),
        (_, "more") => format!("{number} more"),
        (_, "match") => format!("{number} matches"),
        _ => format!("{number} {thing}s"),
    }
}
