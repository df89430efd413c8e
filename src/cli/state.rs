//! `egret state`: what is in a folder of checkpoints.

use super::out;
use super::summary::bytes;
use super::{WRONG, report_error};
use clap::{Args, Subcommand};
use egret::core::{Error, EventTime, Result};
use egret::state::checkpoint::{Listed, Location, NodeIdentity};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What to show of the checkpoints.
#[derive(Args)]
pub(crate) struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Subcommand)]
enum StateCommand {
    /// List the checkpoints in a folder, and say of each whether it is whole
    Ls {
        /// The folder that `egret run --checkpoints` was given
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Show the nodes of a checkpoint: how much state each has, and what that depends on
    Show {
        /// The folder that `egret run --checkpoints` was given
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The checkpoint's number; the latest unless said
        #[arg(long, value_name = "NUMBER")]
        checkpoint: Option<u64>,
    },
}

pub(crate) fn state(args: &StateArgs) -> u8 {
    let shown = match &args.command {
        StateCommand::Ls { folder } => list(folder),
        StateCommand::Show { folder, checkpoint } => show(folder, *checkpoint),
    };
    match shown {
        Ok(text) => out::show(&text),
        Err(error) => {
            report_error(&error);
            WRONG
        }
    }
}

/// The place of checkpoints that a path or a URL names.
///
/// # Errors
/// The URL is not understood.
pub(crate) fn location_of(place: &Path) -> Result<Location> {
    place.to_str().map_or_else(|| Ok(Location::from(place)), str::parse)
}

/// The purpose of a checkpoint, from its manifest.
fn kind(listed: &Listed) -> &str {
    listed.manifest.notes.get("kind").map_or("", String::as_str)
}

fn list(folder: &Path) -> Result<String> {
    let checkpoints = location_of(folder)?.read()?;
    let (listed, damaged) = checkpoints.list()?;
    let mut text = String::new();
    line(&mut text, &format!("{:>10}  {:>7}  {:<24}  {:<8}  {:>10}  whole", "checkpoint", "attempt", "made", "kind", "size"));
    for of in &listed {
        let whole = checkpoints.find_damage(&of.manifest)?.map_or("yes".to_owned(), |damage| format!("no: {damage}"));
        let (manifest, made) = (&of.manifest, EventTime::from_millis(of.manifest.time_ms).to_string());
        let size = bytes(manifest.bytes);
        line(
            &mut text,
            &format!("{:>10}  {:>7}  {made:<24}  {:<8}  {size:>10}  {whole}", manifest.checkpoint, of.attempt, kind(of)),
        );
    }
    damaged.iter().for_each(|damage| line(&mut text, &damage.to_string()));
    if listed.is_empty() {
        line(&mut text, "no checkpoint is complete");
    }
    Ok(text)
}

fn show(folder: &Path, number: Option<u64>) -> Result<String> {
    let checkpoints = location_of(folder)?.read()?;
    let (listed, _) = checkpoints.list()?;
    let numbers: Vec<String> = listed.iter().map(|of| of.manifest.checkpoint.to_string()).collect();
    let found = listed.into_iter().rfind(|of| number.is_none_or(|number| of.manifest.checkpoint == number));
    let of = found.ok_or_else(|| match (number, numbers.is_empty()) {
        (Some(number), false) => Error::job(format!("there is no checkpoint {number}"))
            .context(folder.display().to_string())
            .help(format!("there are {}", numbers.join(", "))),
        _ => Error::job("no checkpoint is complete").context(folder.display().to_string()),
    })?;
    let (manifest, mut text) = (&of.manifest, String::new());
    let made = EventTime::from_millis(manifest.time_ms);
    let (number, job) = (manifest.checkpoint, &manifest.job);
    line(&mut text, &format!("checkpoint {number} of job '{}', {}, made {made} by attempt {}", job.name, kind(&of), of.attempt));
    line(
        &mut text,
        &format!("{} key groups, {} in {} files", job.max_parallelism, bytes(manifest.bytes), manifest.files().count()),
    );
    for node in &job.nodes {
        let (mut instances, mut size) = (0, 0);
        for part in manifest.parts_of(&node.uid) {
            instances += 1;
            size += part.bytes();
        }
        let has = if instances == 0 { "no part of its own".to_owned() } else { format!("{} in {instances} parts", bytes(size)) };
        line(&mut text, &format!("\n{}: {}, {has}", node.uid, node.kind));
        depends(&mut text, node);
    }
    // Patterns that run together write one part. Each of them is listed as a node above, with its layout.
    let shared = manifest.parts.iter().filter(|part| job.nodes.iter().all(|node| node.uid != part.uid));
    let mut sizes: std::collections::BTreeMap<&str, (usize, u64)> = std::collections::BTreeMap::new();
    for part in shared {
        let size = sizes.entry(&part.uid).or_default();
        *size = (size.0 + 1, size.1 + part.bytes());
    }
    for (uid, (instances, size)) in sizes {
        line(&mut text, &format!("\n{uid}: the state of the patterns that run there, {} in {instances} parts", bytes(size)));
    }
    Ok(text)
}

fn depends(text: &mut String, node: &NodeIdentity) {
    for (what, value) in node.state.iter().filter(|(_, value)| !value.is_empty()) {
        line(text, &format!("  {what}: {value}"));
    }
}

fn line(text: &mut String, what: &str) {
    writeln!(text, "{what}").expect("writing to a String does not fail");
}
