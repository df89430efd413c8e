//! Reads a split of a peer.

use super::config::SocketSourceConfig;
use super::dial::{Hello, Kept, dial_aside};
use super::frame::{Frame, Kind};
use super::link::{Link, Received};
use crate::format::bad_rows::BadRowHandler;
use crate::format::dead_letters::LettersEnd;
use crate::format::row_lines::RowLines;
use crate::format::{Columns, Decoder};
use arrow::array::RecordBatch;
use egret_core::bad_rows::DeadLetter;
use egret_core::{BadRow, Clock, Epoch, Error, Poll, Result, SourceReader};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

/// How long nothing is asked when nothing has come.
const QUIET: Duration = Duration::from_millis(2);
/// How long after a peer has gone, or was not there, it is asked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long a peer may take for the last word at most.
const LAST_WORD: Duration = Duration::from_secs(1);

const POSITION_VERSION: u8 = 1;

/// Where a reader stands: version (one byte), then this as `postcard` writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The number of the next row.
    next: u64,
    /// Where the dead letters end.
    letters: LettersEnd,
}

impl Position {
    fn encode(self) -> Vec<u8> {
        let mut bytes = vec![POSITION_VERSION];
        bytes.extend(postcard::to_allocvec(&self).expect("plain fields always encode"));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((&POSITION_VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
            _ => Err(Error::state("the position in the checkpoint is not one of a socket of this version of Egret")),
        }
    }
}

/// How it is connected.
enum State {
    /// Not: ask for the peer at this time.
    Apart {
        retry_at: Duration,
    },
    /// Somebody asks.
    Dialing(Receiver<Result<(Link, Kept)>>),
    Joined(Box<Link>),
    /// The peer has said that there is nothing more.
    Finished(Option<Box<Link>>),
}

/// Reads a split.
pub(super) struct SocketReader {
    config: Arc<SocketSourceConfig>,
    hello: Hello,
    clock: Arc<dyn Clock>,
    state: State,
    /// Since when the peer is gone; none before it was there.
    gone_since: Option<Duration>,
    was_there: bool,
    decoder: Box<dyn Decoder>,
    columns: Columns,
    bad: BadRowHandler,
    numbers: RowLines,
    position: Position,
    started: bool,
    /// The rows below this number are in a complete checkpoint, and what of that the peer was told.
    committed: Option<u64>,
    said: Option<u64>,
    /// An error that comes after the rows before it.
    failed: Option<Error>,
}

impl SocketReader {
    pub(super) fn new(
        config: Arc<SocketSourceConfig>,
        hello: Hello,
        clock: Arc<dyn Clock>,
        decoder: Box<dyn Decoder>,
        columns: Columns,
        bad: BadRowHandler,
    ) -> Self {
        Self {
            config,
            hello,
            clock,
            state: State::Apart { retry_at: Duration::ZERO },
            gone_since: None,
            was_there: false,
            decoder,
            columns,
            bad,
            numbers: RowLines::default(),
            position: Position::default(),
            started: false,
            committed: None,
            said: None,
            failed: None,
        }
    }

    /// Takes the connection a step further; says how long to wait if there is none.
    fn join(&mut self) -> Result<Option<Duration>> {
        match &self.state {
            State::Joined(_) | State::Finished(_) => Ok(None),
            State::Apart { retry_at } => {
                let wait = retry_at.saturating_sub(self.clock.passed());
                if wait.is_zero() {
                    self.state = State::Dialing(dial_aside(&Arc::new(self.config.socket.clone()), self.hello.clone())?);
                }
                Ok(Some(wait.max(QUIET)))
            }
            State::Dialing(answer) => match answer.try_recv() {
                Err(TryRecvError::Empty) => Ok(Some(QUIET)),
                Err(TryRecvError::Disconnected) => Err(Error::bug("the thread that connects has gone without a word")),
                Ok(Ok((link, _))) => self.joined(link).map(|()| None),
                Ok(Err(error)) if self.was_there && error.may_retry() => self.part(&error.to_string()).map(Some),
                Ok(Err(error)) => Err(error),
            },
        }
    }

    fn joined(&mut self, mut link: Link) -> Result<()> {
        (self.was_there, self.gone_since, self.said) = (true, None, None);
        link.send(Kind::Resume, self.position.next, b"")?;
        self.state = State::Joined(Box::new(link));
        Ok(())
    }

    /// The peer is gone. It is asked for again, for some time.
    fn part(&mut self, why: &str) -> Result<Duration> {
        let now = self.clock.passed();
        let since = match self.gone_since {
            Some(since) => since,
            None => {
                tracing::warn!("split '{}': {why}; it is asked for again", self.hello.split.as_deref().unwrap_or_default());
                self.bad.counters().note(format!("{why}; rows went on when it was back"));
                *self.gone_since.insert(now)
            }
        };
        if now.saturating_sub(since) >= self.config.reconnect_for {
            let message = format!("{why}; it was asked for again for {} s", self.config.reconnect_for.as_secs());
            return Err(Error::external(message).help("start the peer, or wait longer for it (option reconnect_for)"));
        }
        self.state = State::Apart { retry_at: now + AGAIN_AFTER };
        Ok(AGAIN_AFTER)
    }

    /// Tells the peer what it may forget.
    fn tell(&mut self) -> Result<(), String> {
        let (State::Joined(link) | State::Finished(Some(link))) = &mut self.state else { return Ok(()) };
        if let Some(committed) = self.committed.filter(|committed| self.said != Some(*committed)) {
            self.said = Some(committed);
            link.send(Kind::Committed, committed, b"").map_err(|error| error.to_string())?;
        }
        link.flush()
    }

    /// Reads rows until there are enough, or no more have come; says how long to wait then.
    fn fill(&mut self, rows_max: usize) -> Result<Option<Duration>> {
        if let Some(wait) = self.join()? {
            return Ok(Some(wait));
        }
        if let Err(why) = self.tell() {
            return self.part(&why).map(Some);
        }
        while self.columns.rows() < rows_max {
            let State::Joined(link) = &mut self.state else { return Ok(None) };
            match link.receive()? {
                Received::Nothing => return Ok(Some(QUIET)),
                Received::Gone(why) => return self.part(&why).map(Some),
                Received::Frame(frame) => self.take(&frame)?,
            }
        }
        Ok(None)
    }

    fn take(&mut self, frame: &Frame) -> Result<()> {
        let State::Joined(link) = &mut self.state else { return Ok(()) };
        if !matches!(frame.kind, Kind::Data | Kind::Finished) {
            return Err(link.unexpected(frame));
        }
        if frame.number != self.position.next {
            let (sent, next) = (frame.number, self.position.next);
            let what = if frame.kind == Kind::Data { format!("row {sent}") } else { format!("that there are {sent} rows") };
            return Err(Error::data(format!("{} sent {what}, and row {next} comes next", link.peer()))
                .help("a peer numbers its rows one after the other, and begins with the one it is asked for"));
        }
        if frame.kind == Kind::Finished {
            let State::Joined(link) = std::mem::replace(&mut self.state, State::Finished(None)) else { return Ok(()) };
            self.state = State::Finished(Some(link));
            return Ok(());
        }
        let (row, payload) = (self.columns.rows(), link.payload(frame));
        match self.decoder.decode(payload, &mut self.columns) {
            Ok(()) => (row..self.columns.rows()).for_each(|row| self.numbers.add(row, frame.number)),
            Err(fault) => self.bad.handle("row", frame.number, payload, &fault)?,
        }
        self.position.next += 1;
        Ok(())
    }
}

impl SourceReader for SocketReader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if !std::mem::replace(&mut self.started, true) {
            self.bad.start(self.position.letters)?;
        }
        self.numbers.clear();
        let filled = self.fill(rows_max.max(1));
        let filled = self.bad.flush().and(filled);
        self.position.letters = self.bad.letters_end();
        self.failed = filled.as_ref().err().cloned();
        if self.columns.rows() > 0 {
            return self.columns.take().map(Poll::Rows);
        }
        match (filled?, &self.state) {
            (_, State::Finished(_)) => Ok(Poll::End),
            (wait, _) => Ok(Poll::Pending(wait.unwrap_or(Duration::ZERO))),
        }
    }

    fn position(&self) -> Vec<u8> {
        self.position.encode()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        self.position = Position::decode(position)?;
        self.committed = Some(self.position.next);
        (self.state, self.failed, self.started) = (State::Apart { retry_at: Duration::ZERO }, None, false);
        Ok(())
    }

    fn keep_what_is_there(&mut self) -> Result<()> {
        self.position.letters = self.bad.letters_there()?;
        Ok(())
    }

    fn checkpoint_complete(&mut self, _epoch: Epoch, position: &[u8]) -> Result<()> {
        self.committed = self.committed.max(Some(Position::decode(position)?.next));
        // A peer that is gone is told when it is back.
        let _ = self.tell();
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let (State::Joined(link) | State::Finished(Some(link))) = &mut self.state else { return Ok(()) };
        // What it may forget is all that is still to be said; it hears that again should the job go on.
        if link.waiting_bytes() > 0 && link.set_waiting(LAST_WORD).is_ok() {
            let _ = link.flush();
        }
        Ok(())
    }

    fn refuse(&mut self, rows: &RecordBatch, bad: &[BadRow]) -> Result<()> {
        let numbers = &self.numbers;
        self.bad.refuse("row", rows, bad, |row| numbers.of(row))?;
        self.position.letters = self.bad.letters_end();
        Ok(())
    }

    fn take_letters(&mut self) -> Vec<DeadLetter> {
        self.bad.take_letters()
    }

    fn place_of(&self, row: usize) -> Option<String> {
        Some(format!("row {}", self.numbers.of(row)))
    }
}
