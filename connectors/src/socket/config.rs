//! What a source or sink of sockets needs to know.

use super::address::Address;
use super::frame::Framing;
use crate::format::{BadRows, TextConfig, TextFormat};
use crate::options::{OptionError, Options};
use egret_core::Error;
use std::path::PathBuf;
use std::time::Duration;

/// Where a peer is, and how it is talked to.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    /// Where it listens.
    pub address: Address,
    /// How frames are told apart.
    pub framing: Framing,
    /// What payloads are.
    pub format: TextFormat,
    /// How text becomes rows, and rows text.
    pub text: TextConfig,
    /// What the peer knows Egret by.
    pub token: Option<String>,
    /// How long an answer is waited for.
    pub answer_within: Duration,
}

impl SocketConfig {
    /// From options; see the module.
    ///
    /// # Errors
    /// One of them is wrong or missing.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let text = TextConfig::from_options(options)?;
        if options.get("header").is_some() {
            let error = Error::job("a message has no header");
            return Err(OptionError::of("header", error.help("leave it away: fields are in the order of the columns")));
        }
        Ok(Self {
            address: Address::from_options(options)?,
            framing: Framing::from_options(options)?,
            format: TextFormat::from_options(options)?.unwrap_or(TextFormat::Json),
            text,
            token: options.get("token").map(str::to_owned),
            answer_within: Duration::from_secs(30),
        })
    }

    /// What the rows' bytes mean, for checkpoints.
    pub(super) fn layout(&self) -> Vec<(String, String)> {
        let mut facts = vec![("format".to_owned(), self.format.name().to_owned())];
        if self.format == TextFormat::Csv {
            facts.push(("delimiter".to_owned(), char::from(self.text.csv.delimiter).escape_default().to_string()));
        }
        facts
    }
}

/// What a source of sockets needs to know.
#[derive(Clone, Debug)]
pub struct SocketSourceConfig {
    /// The peer.
    pub socket: SocketConfig,
    /// The names of the splits that are asked for.
    pub splits: Vec<String>,
    /// Whether they end.
    pub bounded: bool,
    /// What happens to bad rows.
    pub bad_rows: BadRows,
    /// Where bad rows go: a file, and with several splits a folder.
    pub dead_letter_path: PathBuf,
    /// How long a peer that is gone is asked for again.
    pub reconnect_for: Duration,
}

impl SocketSourceConfig {
    /// From options; see the module.
    ///
    /// # Errors
    /// One of them is wrong or missing.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let splits: Vec<String> = options.get("splits").unwrap_or("0").split(',').map(|split| split.trim().to_owned()).collect();
        let mut once = splits.clone();
        once.sort();
        once.dedup();
        if once.len() < splits.len() || once.iter().any(String::is_empty) {
            let error = Error::job("each split has a name of its own").help("write splits = 'a, b'");
            return Err(OptionError::of("splits", error));
        }
        Ok(Self {
            socket: SocketConfig::from_options(options)?,
            splits,
            bounded: options.flag("bounded", false)?,
            bad_rows: BadRows::from_options(options)?,
            dead_letter_path: options.get("dead_letter_path").unwrap_or("out/socket.bad").into(),
            reconnect_for: options.duration("reconnect_for")?.unwrap_or(Duration::from_secs(60)),
        })
    }
}
