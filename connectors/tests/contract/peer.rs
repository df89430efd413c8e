//! A peer of sockets: gives rows, and keeps and shows those it gets, as `docs/sockets.md` says.

use egret_connectors::socket::{Frame, FrameBuffer, Framing, Kind};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What it has of a writer's rows.
#[derive(Default)]
struct Stream {
    rows: Vec<String>,
    committed: usize,
    prepared: usize,
    attempt: u64,
}

/// What it is to do wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It hangs up in the middle of this row, once.
    HangsUpAt(u64),
    /// It leaves this row out.
    LeavesOut(u64),
    /// It speaks another version.
    OtherVersion,
    /// It says nothing.
    Silent,
    /// Of a writer's rows it loses what it has not shown.
    Forgets,
}

#[derive(Default)]
struct State {
    splits: BTreeMap<String, Vec<String>>,
    finished: bool,
    /// What readers said is committed, in order.
    told: BTreeMap<String, Vec<u64>>,
    sent: u64,
    streams: BTreeMap<String, Stream>,
    fault: Fault,
    token: Option<String>,
}

/// A peer on a port of this machine. Its threads end with the process.
#[derive(Clone)]
pub(crate) struct Peer {
    state: Arc<(Mutex<State>, Condvar)>,
    framing: Framing,
    pub(crate) port: u16,
}

impl Peer {
    pub(crate) fn start(framing: Framing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Self { state: Arc::default(), framing, port: listener.local_addr().unwrap().port() };
        let answers = peer.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (peer, connection) = (answers.clone(), connection.unwrap());
                // Whoever hangs up ends the conversation.
                std::thread::spawn(move || peer.talk(connection));
            }
        });
        peer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    pub(crate) fn give(&self, split: &str, rows: &[String]) {
        self.state().splits.entry(split.to_owned()).or_default().extend_from_slice(rows);
        self.state.1.notify_all();
    }

    pub(crate) fn finish(&self) {
        self.state().finished = true;
        self.state.1.notify_all();
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        self.state().fault = fault;
    }

    pub(crate) fn want_token(&self, token: &str) {
        self.state().token = Some(token.to_owned());
    }

    pub(crate) fn told(&self, split: &str) -> Vec<u64> {
        self.state().told.get(split).cloned().unwrap_or_default()
    }

    /// How many rows it has sent, in all.
    pub(crate) fn sent(&self) -> u64 {
        self.state().sent
    }

    /// The rows of writers that it shows.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.state().streams.values().flat_map(|stream| stream.rows[..stream.committed].to_vec()).collect()
    }

    fn talk(&self, connection: TcpStream) -> Option<()> {
        let mut wire = Wire::new(connection, self.framing);
        let (hello, who) = wire.next()?;
        let who: Value = serde_json::from_slice(&who).ok()?;
        let (token, fault) = {
            let state = self.state();
            (state.token.clone(), state.fault)
        };
        if fault == Fault::Silent {
            return wire.next().map(|_| ());
        }
        if hello.kind != Kind::Hello || hello.number != 1 {
            return wire.send(Kind::Refusal, 0, b"a hello of version 1 comes first");
        }
        if token.is_some_and(|token| who["token"] != token.as_str()) {
            return wire.send(Kind::Refusal, 0, b"wrong token");
        }
        let version = if fault == Fault::OtherVersion { 2 } else { 1 };
        match who["role"].as_str()? {
            "read" => self.give_rows(wire, version, who["split"].as_str()?),
            _ => self.take_rows(wire, version, who["stream"].as_str()?, who["attempt"].as_u64().unwrap_or(0)),
        }
    }

    fn give_rows(&self, mut wire: Wire, version: u64, split: &str) -> Option<()> {
        wire.send(Kind::Welcome, version, b"")?;
        let (resume, _) = wire.next()?;
        assert_eq!(resume.kind, Kind::Resume);
        let mut hears = Wire::new(wire.connection.try_clone().ok()?, self.framing);
        hears.incoming = std::mem::take(&mut wire.incoming);
        let (peer, name) = (self.clone(), split.to_owned());
        std::thread::spawn(move || {
            while let Some((frame, _)) = hears.next() {
                assert_eq!(frame.kind, Kind::Committed);
                peer.state().told.entry(name.clone()).or_default().push(frame.number);
                peer.state.1.notify_all();
            }
        });
        let mut next = resume.number;
        loop {
            let mut state = self.state();
            let rows = |state: &State| state.splits.get(split).map_or(0, |rows| rows.len() as u64);
            while next >= rows(&state) && !state.finished {
                state = self.state.1.wait(state).unwrap();
            }
            if next >= rows(&state) {
                drop(state);
                return wire.send(Kind::Finished, next, b"");
            }
            let row = state.splits[split][usize::try_from(next).ok()?].clone();
            let fault = state.fault;
            if matches!(fault, Fault::HangsUpAt(at) if at == next) {
                state.fault = Fault::None;
                drop(state);
                return wire.send_half(Kind::Data, next, row.as_bytes());
            }
            drop(state);
            if fault != Fault::LeavesOut(next) {
                wire.send(Kind::Data, next, row.as_bytes())?;
            }
            self.state().sent += 1;
            next += 1;
        }
    }

    fn take_rows(&self, mut wire: Wire, version: u64, name: &str, attempt: u64) -> Option<()> {
        {
            let mut state = self.state();
            let forgets = state.fault == Fault::Forgets;
            let stream = state.streams.entry(name.to_owned()).or_default();
            if attempt < stream.attempt {
                return wire.send(Kind::Refusal, 0, b"a later attempt writes by now");
            }
            stream.attempt = attempt;
            if forgets {
                stream.prepared = stream.committed;
                stream.rows.truncate(stream.committed);
            }
            let kept = format!("{{\"committed\":{},\"prepared\":{}}}", stream.committed, stream.prepared);
            wire.send(Kind::Welcome, version, kept.as_bytes())?;
        }
        while let Some((frame, payload)) = wire.next() {
            let mut state = self.state();
            let stream = state.streams.get_mut(name)?;
            if attempt < stream.attempt {
                return wire.send(Kind::Refusal, 0, b"a later attempt writes by now");
            }
            let number = usize::try_from(frame.number).ok()?;
            match frame.kind {
                Kind::Data => {
                    assert_eq!(number, stream.rows.len(), "rows are numbered one after the other");
                    stream.rows.push(String::from_utf8(payload).unwrap());
                    continue;
                }
                Kind::Prepare => stream.prepared = stream.prepared.max(number),
                Kind::Committed => {
                    assert!(number <= stream.rows.len(), "what is shown has come");
                    stream.committed = stream.committed.max(number);
                }
                Kind::Forget => {
                    stream.rows.truncate(number.max(stream.committed));
                    stream.prepared = stream.prepared.min(stream.rows.len());
                }
                kind => panic!("a writer does not send {kind:?}"),
            }
            wire.send(frame.kind, frame.number, b"")?;
        }
        Some(())
    }
}

/// A connection, as the peer sees it.
struct Wire {
    connection: TcpStream,
    framing: Framing,
    incoming: FrameBuffer,
}

impl Wire {
    fn new(connection: TcpStream, framing: Framing) -> Self {
        Self { connection, framing, incoming: FrameBuffer::new(framing, 1 << 20) }
    }

    /// The next frame and its payload; none when the other side has gone, or says nothing that makes sense.
    fn next(&mut self) -> Option<(Frame, Vec<u8>)> {
        let mut block = [0; 4_096];
        loop {
            if let Some(frame) = self.incoming.take().ok()? {
                let payload = self.incoming.payload(&frame).to_vec();
                return Some((frame, payload));
            }
            let count = self.connection.read(&mut block).ok().filter(|count| *count > 0)?;
            self.incoming.add(&block[..count]);
        }
    }

    fn send(&mut self, kind: Kind, number: u64, payload: &[u8]) -> Option<()> {
        let mut out = FrameBuffer::new(self.framing, 1 << 20);
        out.push(kind, number, payload).unwrap();
        self.connection.write_all(out.bytes()).ok()
    }

    fn send_half(&mut self, kind: Kind, number: u64, payload: &[u8]) -> Option<()> {
        let mut out = FrameBuffer::new(self.framing, 1 << 20);
        out.push(kind, number, payload).unwrap();
        self.connection.write_all(&out.bytes()[..out.bytes().len() / 2]).ok()?;
        self.connection.shutdown(Shutdown::Both).ok()
    }
}
