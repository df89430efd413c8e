//! Writes to a peer, and hears from it what it keeps and shows.

use super::config::SocketConfig;
use super::dial::{Hello, Kept, answer, dial};
use super::frame::{Frame, Kind};
use super::link::{Link, Received};
use crate::format::{Encoder, Payloads};
use egret_core::{Batch, Clock, Committable, Epoch, Error, Readiness, Result, SinkAttempt, SinkWriter, Step};
use std::sync::Arc;
use std::time::Duration;

/// A writer takes no rows while so many bytes wait to be sent.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How long after that it is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(1);

/// What a checkpoint keeps of a writer: all rows below this number are prepared. Eight bytes, big endian.
pub(super) fn committable(rows: u64) -> Committable {
    Committable(rows.to_be_bytes().to_vec())
}

/// Up to which row checkpoints have prepared.
pub(super) fn prepared(committables: &[Committable]) -> Result<Option<u64>> {
    let mut most = None;
    for Committable(bytes) in committables {
        let rows: [u8; 8] = bytes.as_slice().try_into().map_err(|_| Error::state("what a socket had prepared does not read"))?;
        most = most.max(Some(u64::from_be_bytes(rows)));
    }
    Ok(most)
}

/// Publishes what a checkpoint had prepared, and makes the peer forget what a dead attempt sent behind that.
///
/// # Errors
/// The peer is not there, or has lost rows.
pub(super) fn recover(config: &SocketConfig, hello: &Hello, attempt: &SinkAttempt, committables: &[Committable]) -> Result<()> {
    let (mut link, kept) = dial(config, hello)?;
    link.set_waiting(config.answer_within).map_err(|error| Error::external(format!("{}: {error}", link.peer())))?;
    let mut shown = kept.committed;
    if let Some(rows) = prepared(committables)? {
        check(&link, kept, rows, attempt)?;
        if kept.committed < rows {
            request(&mut link, config, Kind::Committed, rows)?;
            shown = rows;
        }
    }
    request(&mut link, config, Kind::Forget, shown)
}

fn check(link: &Link, kept: Kept, rows: u64, attempt: &SinkAttempt) -> Result<()> {
    let (peer, Kept { committed, prepared }) = (link.peer(), kept);
    if committed > rows && !attempt.may_repeat {
        let message = format!(
            "{peer} shows {committed} rows, and the checkpoint that the job goes back to knows of {rows}: the others would be sent twice"
        );
        return Err(Error::job(message)
            .help("run with --allow-duplicates if they may be, or start afresh with another checkpoint folder"));
    }
    if committed.max(prepared) < rows {
        let message = format!("{peer} has {} of the {rows} rows that the checkpoint has prepared", committed.max(prepared));
        return Err(Error::job(message).help("give the peer back what it kept, or start afresh with another checkpoint folder"));
    }
    Ok(())
}

/// Asks for something, and waits until it is done.
fn request(link: &mut Link, config: &SocketConfig, kind: Kind, rows: u64) -> Result<()> {
    link.send(kind, rows, b"")?;
    let answer = answer(link, config)?;
    if (answer.kind, answer.number) == (kind, rows) { Ok(()) } else { Err(link.unexpected(&answer)) }
}

/// What a peer was asked for, and what it has done.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    asked: u64,
    done: u64,
}

impl Asked {
    fn is_done(self) -> bool {
        self.done >= self.asked
    }
}

/// The writer.
pub(super) struct SocketWriter {
    config: Arc<SocketConfig>,
    link: Link,
    clock: Arc<dyn Clock>,
    encoder: Box<dyn Encoder>,
    payloads: Payloads,
    /// The number of the next row.
    next: u64,
    prepare: Asked,
    commit: Asked,
    /// Since when an answer is waited for.
    waits_since: Option<Duration>,
    /// Whether rows are shown before the job ends.
    publishes: bool,
}

impl SocketWriter {
    /// Connects. Rows go on behind those that the peer shows, or were prepared.
    ///
    /// # Errors
    /// The peer is not there.
    pub(super) fn open(
        config: &Arc<SocketConfig>,
        hello: &Hello,
        clock: Arc<dyn Clock>,
        encoder: Box<dyn Encoder>,
        publishes: bool,
    ) -> Result<Self> {
        let (mut link, kept) = dial(config, hello)?;
        if hello.attempt.is_none() {
            // Where there are checkpoints the sink has done so when it recovered.
            link.send(Kind::Forget, kept.committed, b"")?;
        }
        let rows = Asked { asked: kept.committed, done: kept.committed };
        let (config, payloads) = (Arc::clone(config), Payloads::new());
        let (next, waits_since) = (kept.committed, None);
        Ok(Self { config, link, clock, encoder, payloads, next, prepare: rows, commit: rows, waits_since, publishes })
    }

    /// Sends what can go, and takes what has come.
    fn exchange(&mut self) -> Result<()> {
        let gone = |why: String| Error::external(why).help("start the peer; the job goes on from its last checkpoint");
        self.link.flush().map_err(gone)?;
        loop {
            match self.link.receive()? {
                Received::Nothing => return Ok(()),
                Received::Gone(why) => return Err(gone(why)),
                Received::Frame(frame) => self.take(&frame)?,
            }
        }
    }

    fn take(&mut self, frame: &Frame) -> Result<()> {
        let asked = match frame.kind {
            Kind::Prepare => &mut self.prepare,
            Kind::Committed => &mut self.commit,
            Kind::Forget => return Ok(()),
            _ => return Err(self.link.unexpected(frame)),
        };
        if frame.number > asked.asked {
            return Err(self.link.unexpected(frame));
        }
        asked.done = asked.done.max(frame.number);
        Ok(())
    }

    /// An answer is waited for, but not for ever.
    fn wait(&mut self, is_done: bool) -> Result<Readiness> {
        if is_done {
            self.waits_since = None;
            return Ok(Readiness::Ready);
        }
        let now = self.clock.passed();
        if now.saturating_sub(*self.waits_since.get_or_insert(now)) > self.config.answer_within {
            let message = format!("{} has not answered for {} s", self.link.peer(), self.config.answer_within.as_secs());
            return Err(Error::external(message).help("look at what the peer does"));
        }
        Ok(Readiness::Later(AGAIN_AFTER))
    }

    fn ask_to_prepare(&mut self) -> Result<()> {
        if self.prepare.asked == self.next {
            return Ok(());
        }
        self.prepare.asked = self.next;
        self.link.send(Kind::Prepare, self.next, b"")
    }

    fn ask_to_commit(&mut self, rows: u64) -> Result<()> {
        if self.commit.asked >= rows {
            return Ok(());
        }
        self.commit.asked = rows;
        self.link.send(Kind::Committed, rows, b"")
    }
}

impl SinkWriter for SocketWriter {
    fn poll_ready(&mut self, step: Step) -> Result<Readiness> {
        if matches!(step, Step::Prepare(_)) {
            self.ask_to_prepare()?;
        }
        self.exchange()?;
        match step {
            // A peer may take its time over rows.
            Step::Write if self.link.waiting_bytes() > WAITING_BYTES_MAX => Ok(Readiness::Later(AGAIN_AFTER)),
            Step::Write => Ok(Readiness::Ready),
            Step::Prepare(_) => self.wait(self.prepare.is_done() && self.commit.is_done()),
            Step::End => self.wait(self.commit.is_done() && self.link.waiting_bytes() == 0),
        }
    }

    fn write(&mut self, batch: &Batch) -> Result<()> {
        self.payloads.clear();
        self.encoder.encode(batch.rows(), &mut self.payloads)?;
        for payload in self.payloads.iter() {
            self.link.send(Kind::Data, self.next, payload)?;
            self.next += 1;
        }
        Ok(())
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        if self.prepare.done < self.next {
            return Err(Error::bug("a writer prepares before it is ready for that"));
        }
        Ok(vec![committable(self.next)])
    }

    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        self.ask_to_commit(prepared(committables)?.unwrap_or(0))?;
        self.exchange()
    }

    fn flush(&mut self) -> Result<()> {
        if self.publishes {
            self.ask_to_prepare()?;
            self.ask_to_commit(self.prepare.done)?;
        }
        self.exchange()
    }
}
