//! Sockets keep the contract; and what a peer does wrong is said clearly.

use crate::peer::{Fault, Peer};
use crate::sink::SinkHarness;
use crate::source::{SourceHarness, row};
use crate::support::{Waits, schema};
use egret_connectors::Options;
use egret_connectors::socket::{Framing, SocketConfig, SocketSink, SocketSource, SocketSourceConfig};
use egret_core::metrics::Counters;
use egret_core::{Clock, Error, ManualClock, Poll, Sink, SinkAttempt, SinkContext, Source, SourceReader};
use serde_json::Value;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A peer, and where its bad rows go.
pub(crate) struct Sockets {
    peer: Peer,
    framing: &'static str,
    folder: TempDir,
    clock: ManualClock,
}

impl Sockets {
    pub(crate) fn new(framing: &'static str) -> Self {
        let peer = Peer::start(if framing == "length" { Framing::Length } else { Framing::Lines });
        Self { peer, framing, folder: tempfile::tempdir().unwrap(), clock: ManualClock::default() }
    }

    fn options<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Options {
        let port = self.peer.port.to_string();
        let letters = self.folder.path().join("socket.bad").display().to_string();
        let ours = [("host", "127.0.0.1"), ("port", &port), ("framing", self.framing)];
        let letters = (!more.is_empty() && more[0].0 == "bad_rows").then_some(("dead_letter_path", letters.as_str()));
        Options::new(ours.into_iter().chain(letters).chain(more.iter().copied()))
    }

    fn reader(&self, more: &[(&str, &str)]) -> Box<dyn SourceReader> {
        let config = SocketSourceConfig::from_options(&self.options(more)).unwrap();
        let source = SocketSource::new(config, schema()).unwrap().with_clock(Arc::new(self.clock.clone()));
        source.open(&source.splits().unwrap()[0], &[0, 1], &Arc::<Counters>::default()).unwrap()
    }

    fn context(&self, attempt: u64) -> SinkContext {
        let attempt = SinkAttempt { number: attempt, ..SinkAttempt::new("0123456789abcdef") };
        SinkContext { uid: "out".into(), attempt: Some(attempt), ..SinkContext::new(0, 1) }
    }
}

impl SourceHarness for Sockets {
    fn give(&self, split: usize, rows: &[String]) {
        self.peer.give(&split.to_string(), rows);
    }
    fn finish(&self) {
        self.peer.finish();
    }
    fn source(&self, splits: usize, options: &[(&str, &str)]) -> Arc<dyn Source> {
        let names: Vec<String> = (0..splits).map(|split| split.to_string()).collect();
        let names = names.join(",");
        let mut all = options.to_vec();
        all.push(("splits", &names));
        let config = SocketSourceConfig::from_options(&self.options(&all)).unwrap();
        Arc::new(SocketSource::new(config, schema()).unwrap().with_clock(Arc::new(self.clock.clone())))
    }
    fn goes_away_at(&self, row: u64) -> bool {
        self.peer.set_fault(Fault::HangsUpAt(row));
        true
    }
    fn told(&self, split: usize) -> Option<Vec<u64>> {
        Some(self.peer.told(&split.to_string()))
    }
    fn letters(&self, _split: usize) -> String {
        fs::read_to_string(self.folder.path().join("socket.bad")).unwrap()
    }
    fn sent(&self) -> Option<u64> {
        Some(self.peer.sent())
    }
    fn pass(&self, time: Duration) {
        // Short waits are for the thread that connects, which has a clock of its own.
        if time > Duration::from_millis(100) {
            self.clock.advance(time);
        }
    }
}

impl SinkHarness for Sockets {
    fn sink(&self) -> Arc<dyn Sink> {
        let options = [("format", if self.framing == "length" { "csv" } else { "json" })];
        Arc::new(SocketSink::new(SocketConfig::from_options(&self.options(&options)).unwrap()))
    }
    fn shown(&self) -> Vec<i64> {
        let id = |row: &String| match self.framing {
            "length" => row.split(',').next().unwrap().parse().unwrap(),
            _ => serde_json::from_str::<Value>(row).unwrap()["id"].as_i64().unwrap(),
        };
        self.peer.shown().iter().map(id).collect()
    }
}

/// The error that reading comes to.
fn fails(sockets: &Sockets, mut reader: Box<dyn SourceReader>) -> Error {
    let mut waits = Waits::default();
    loop {
        match reader.poll(100) {
            Err(error) => return error,
            Ok(Poll::End) => panic!("it came to its end"),
            Ok(Poll::Rows(_)) => {}
            Ok(Poll::Pending(wait)) => {
                waits.wait();
                sockets.pass(wait);
            }
        }
    }
}

fn assert_says(error: &Error, what: &str, may_retry: bool) {
    assert!(error.to_string().contains(what) && error.to_string().contains("help: "), "{error}");
    assert_eq!(error.may_retry(), may_retry, "{error}");
}

#[test]
fn a_peer_that_is_not_there_is_said_at_once() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let config = SocketSourceConfig::from_options(&Options::new([("host", "127.0.0.1"), ("port", &port)])).unwrap();
    let source = SocketSource::new(config, schema()).unwrap();
    let reader = source.open(&source.splits().unwrap()[0], &[0, 1], &Arc::<Counters>::default()).unwrap();
    let error = fails(&Sockets::new("lines"), reader);
    assert_says(&error, &format!("cannot connect to 127.0.0.1:{port}"), true);
    assert!(error.to_string().contains("start the peer first"), "{error}");
    let config = SocketConfig::from_options(&Options::new([("path", "/nowhere/at/all.socket")])).unwrap();
    let error = SocketSink::new(config).open(&schema(), &SinkContext::new(0, 1)).err().unwrap();
    assert!(error.to_string().contains("cannot connect to /nowhere/at/all.socket"), "{error}");
}

#[test]
fn a_peer_that_stays_away_ends_the_job_after_a_time() {
    let sockets = Sockets::new("lines");
    sockets.give(0, &[row(0), row(1)]);
    sockets.goes_away_at(1);
    let mut reader = sockets.reader(&[("reconnect_for", "10 s")]);
    let mut waits = Waits::default();
    while !matches!(reader.poll(100).unwrap(), Poll::Rows(_)) {
        waits.wait();
    }
    // When it is asked again it refuses, as one does that has not started.
    sockets.peer.set_fault(Fault::OtherVersion);
    let error = fails(&sockets, reader);
    assert_says(&error, "speaks version 2 of the protocol, and Egret version 1", false);
    assert!(sockets.clock.passed() < Duration::from_secs(10), "what lasts is not tried again");
}

#[test]
fn a_wrong_version_a_wrong_token_and_a_gap_are_said() {
    for framing in ["lines", "length"] {
        let sockets = Sockets::new(framing);
        sockets.give(0, &[row(0), row(1), row(2)]);
        sockets.peer.set_fault(Fault::OtherVersion);
        assert_says(&fails(&sockets, sockets.reader(&[])), "speaks version 2", false);
        sockets.peer.set_fault(Fault::LeavesOut(1));
        assert_says(&fails(&sockets, sockets.reader(&[])), "sent row 2, and row 1 comes next", false);
        sockets.peer.set_fault(Fault::None);
        sockets.peer.want_token("sesame");
        let error = fails(&sockets, sockets.reader(&[("token", "barley")]));
        assert!(error.to_string().contains("refuses: wrong token") && !error.may_retry(), "{error}");
        sockets.finish();
        let mut reader = sockets.reader(&[("token", "sesame")]);
        let mut waits = Waits::default();
        while !matches!(reader.poll(100).unwrap(), Poll::Rows(_)) {
            waits.wait();
        }
    }
}

#[test]
fn another_framing_and_silly_lengths_are_said() {
    let (lines, length) = (Sockets::new("lines"), Sockets::new("length"));
    lines.give(0, &["x".repeat(500)]);
    length.give(0, &["x".repeat(500)]);
    let allows = [("line_bytes_max", "100")];
    assert_says(&fails(&lines, lines.reader(&allows)), "are allowed (option line_bytes_max)", false);
    assert_says(&fails(&length, length.reader(&allows)), "a frame of 500 bytes or more was sent, and 100 are allowed", false);
}

#[test]
fn a_peer_that_says_nothing_is_given_up() {
    let sockets = Sockets::new("lines");
    sockets.peer.set_fault(Fault::Silent);
    let mut config = SocketConfig::from_options(&sockets.options(&[])).unwrap();
    config.answer_within = Duration::from_millis(1);
    let error = SocketSink::new(config).open(&schema(), &sockets.context(1)).err().unwrap();
    assert_says(&error, "has not answered for", true);
}

#[test]
fn an_attempt_that_is_over_is_refused() {
    let sockets = Sockets::new("lines");
    let _later = sockets.sink().open(&schema(), &sockets.context(2)).unwrap();
    let error = sockets.sink().open(&schema(), &sockets.context(1)).err().unwrap();
    assert!(error.to_string().contains("refuses: a later attempt writes by now"), "{error}");
}

#[test]
fn rows_that_a_peer_has_lost_or_shows_too_early_are_said() {
    let sockets = Sockets::new("lines");
    let sink = sockets.sink();
    let committed = |rows: u64| egret_core::Committable(rows.to_be_bytes().to_vec());
    let recover = |attempt: u64, rows: u64, may_repeat: bool| {
        let mut ctx = sockets.context(attempt);
        ctx.attempt.iter_mut().for_each(|attempt| attempt.may_repeat = may_repeat);
        sink.recover(&schema(), &ctx, &[committed(rows)])
    };
    crate::sink::write_and_commit(&*sink, &sockets.context(1), 10);
    assert_eq!(sockets.shown().len(), 10);
    assert_says(&recover(2, 12, false).unwrap_err(), "has 10 of the 12 rows that the checkpoint has prepared", false);
    assert_says(
        &recover(3, 4, false).unwrap_err(),
        "shows 10 rows, and the checkpoint that the job goes back to knows of 4",
        false,
    );
    recover(4, 4, true).unwrap();
    recover(5, 10, false).unwrap();
    crate::sink::write_and_prepare(&*sink, &sockets.context(6), 5);
    sockets.peer.set_fault(Fault::Forgets);
    assert_says(&recover(7, 15, false).unwrap_err(), "has 10 of the 15 rows", false);
}

#[test]
fn wrong_options_point_at_their_key() {
    let key = |options: &[(&str, &str)]| {
        let options = Options::new(options.iter().copied());
        SocketSourceConfig::from_options(&options).err().and_then(|error| error.key().map(str::to_owned))
    };
    assert_eq!(key(&[("host", "h"), ("port", "70000")]).as_deref(), Some("port"));
    assert_eq!(key(&[("host", "h"), ("port", "0")]).as_deref(), Some("port"));
    assert_eq!(key(&[("host", "h"), ("path", "p")]).as_deref(), Some("path"));
    assert_eq!(key(&[("path", "p"), ("framing", "tabs")]).as_deref(), Some("framing"));
    assert_eq!(key(&[("path", "p"), ("format", "parquet")]).as_deref(), Some("format"));
    assert_eq!(key(&[("path", "p"), ("splits", "a,a")]).as_deref(), Some("splits"));
    assert_eq!(key(&[("path", "p"), ("header", "true")]).as_deref(), Some("header"));
    assert_eq!(key(&[("path", "p"), ("splits", "a, b")]), None);
}
