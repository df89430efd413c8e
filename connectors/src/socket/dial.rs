//! Connecting: hello and welcome.
//!
//! This waits for the peer, so a reader or writer that is at work does it on a thread of its own.

use super::config::SocketConfig;
use super::frame::Kind;
use super::link::{Link, Received};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// The version of the protocol.
pub(super) const VERSION: u64 = 1;

/// Who asks, as JSON in the payload of a hello.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// `read` or `write`.
    pub(super) role: String,
    /// What payloads are.
    pub(super) format: String,
    /// Of a reader: the split that it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) split: Option<String>,
    /// Of a writer: under which name the peer remembers its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<String>,
    /// Of a writer: the job's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<String>,
    /// Of a writer: its attempt at running the job; one that is over is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
}

/// What a peer has of a writer's rows, as JSON in the payload of a welcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// It shows the rows below this number.
    #[serde(default)]
    pub(super) committed: u64,
    /// It keeps the rows below this number.
    #[serde(default)]
    pub(super) prepared: u64,
}

/// Connects, says who asks, and waits for the welcome.
///
/// # Errors
/// The peer is not there, does not answer, or refuses.
pub(super) fn dial(config: &SocketConfig, hello: &Hello) -> Result<(Link, Kept)> {
    let cannot = |error: std::io::Error| no_connection(config, &error);
    let connection = config.address.connect(config.answer_within).map_err(cannot)?;
    let mut link = Link::new(connection, config);
    link.set_waiting(config.answer_within).map_err(cannot)?;
    let hello = serde_json::to_vec(hello).expect("texts and numbers always encode");
    link.send(Kind::Hello, VERSION, &hello)?;
    let welcome = answer(&mut link, config)?;
    if welcome.kind != Kind::Welcome {
        return Err(link.unexpected(&welcome));
    }
    if welcome.number != VERSION {
        let message = format!("{} speaks version {} of the protocol, and Egret version {VERSION}", link.peer(), welcome.number);
        return Err(Error::job(message).help("use a peer and an Egret that fit together"));
    }
    let kept = match link.payload(&welcome) {
        [] => Kept::default(),
        payload => serde_json::from_slice(payload).map_err(|error| {
            Error::data(format!("{}: the payload of its welcome does not read: {error}", link.peer()))
                .help("docs/sockets.md says what stands there")
        })?,
    };
    link.set_ready().map_err(cannot)?;
    Ok((link, kept))
}

/// Sends what waits, and waits for the next frame.
///
/// # Errors
/// None comes.
pub(super) fn answer(link: &mut Link, config: &SocketConfig) -> Result<super::frame::Frame> {
    let gone = |why: String| Error::external(why).help("look at what the peer says; it may be too old, or not the right one");
    link.flush().map_err(gone)?;
    match link.receive()? {
        Received::Frame(frame) => Ok(frame),
        Received::Gone(why) => Err(gone(why)),
        Received::Nothing => {
            let message = format!("{} has not answered for {} s", link.peer(), config.answer_within.as_secs());
            Err(Error::external(message).help("is it a peer of Egret, and does it have the same framing?"))
        }
    }
}

/// [`dial`] on a thread of its own.
///
/// # Errors
/// There can be no more threads.
pub(super) fn dial_aside(config: &Arc<SocketConfig>, hello: Hello) -> Result<Receiver<Result<(Link, Kept)>>> {
    let (told, answer) = channel();
    let config = Arc::clone(config);
    let dial = move || {
        // Whoever asked may be gone.
        let _ = told.send(dial(&config, &hello));
    };
    let thread = std::thread::Builder::new().name("egret-dial".into()).spawn(dial);
    thread.map_err(|error| Error::external(format!("a thread that connects cannot be started: {error}")))?;
    Ok(answer)
}

fn no_connection(config: &SocketConfig, error: &std::io::Error) -> Error {
    let message = format!("cannot connect to {}: {error}", config.address);
    let remedy = match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => "start the peer first; Egret connects, and the peer listens",
        ErrorKind::PermissionDenied => "give yourself permission to write to the socket",
        _ => "check host and port, and what lies between",
    };
    Error::io(error.kind(), message).help(remedy)
}
