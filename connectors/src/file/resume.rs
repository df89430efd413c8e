//! A job goes on from a checkpoint: each position is put to the file that it is of, whatever that is called now.
//!
//! A file keeps its position when it is still there under its name, or when another of the files listed is it (it was renamed). Of a
//! followed file that is neither, [`FollowInput`](super::follow::FollowInput) finishes what became of it in its folder and goes on
//! with the file that has its name now. Anything else would lose rows, or read them twice, and is refused.

use super::config::{Compression, FileFormat, FileSourceConfig};
use super::input::{decoder, open_file, read_error};
use super::paths::folder_of;
use super::rotation::find_file;
use crate::format::text_reader::Position;
use crate::mark::{Held, Mark, Seen};
use egret_core::{Error, RestoredSplit, Result, Split, SplitStart, lost_split};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// Says which files there are.
type List<'a> = &'a dyn Fn() -> Result<Vec<Split>>;

/// A split of the checkpoint.
struct Known<'a> {
    restored: &'a RestoredSplit,
    position: Position,
}

/// What has become of a file.
enum Fate {
    /// It is what it was; what had ended may go on, if it has grown.
    Same {
        ended: bool,
    },
    Differs(Held),
}

/// Puts each position to its file; `list` says which files there are.
///
/// # Errors
/// The file of a position is lost, or is not what it was.
pub(super) fn resume(config: &FileSourceConfig, list: List<'_>, restored: &[RestoredSplit]) -> Result<Vec<SplitStart>> {
    let splits = splits_there(config, list, restored)?;
    let mut starts: Vec<Option<SplitStart>> = vec![None; splits.len()];
    let mut homeless = Vec::new();
    for restored in restored {
        let known = Known { restored, position: Position::decode(&restored.position)? };
        match splits.iter().position(|split| split.id == restored.id) {
            None => homeless.push((known, None)),
            Some(place) => match fate(config, Path::new(&restored.id), &known)? {
                Fate::Same { ended } => starts[place] = Some(start(&splits[place], &known, ended)),
                Fate::Differs(held) => homeless.push((known, Some((place, held)))),
            },
        }
    }
    let mut gone = Vec::new();
    for (known, place) in homeless {
        match find_renamed(config, &splits, &starts, &known)? {
            Some((place, ended)) => starts[place] = Some(start(&splits[place], &known, ended)),
            None => gone.push((known, place)),
        }
    }
    for (known, place) in gone {
        let place = place.filter(|(place, _)| starts[*place].is_none());
        if let Some(place) = without_file(config, &known, place)? {
            starts[place] = Some(start(&splits[place], &known, false));
        }
    }
    Ok(splits.into_iter().zip(starts).map(|(split, start)| start.unwrap_or_else(|| SplitStart::fresh(split))).collect())
}

/// The splits; that of a log whose name nothing has just now, too: it may have been rotated.
fn splits_there(config: &FileSourceConfig, list: List<'_>, restored: &[RestoredSplit]) -> Result<Vec<Split>> {
    let id = &config.path;
    if config.follow && !Path::new(id).exists() && restored.iter().any(|of| of.id == *id) {
        return Ok(vec![Split { id: id.clone() }]);
    }
    list()
}

fn start(split: &Split, known: &Known<'_>, ended: bool) -> SplitStart {
    SplitStart { ended, ..SplitStart::after(split.clone(), known.restored) }
}

/// Which of the files that are listed and have no position yet is the one that is looked for.
fn find_renamed(
    config: &FileSourceConfig,
    splits: &[Split],
    starts: &[Option<SplitStart>],
    known: &Known<'_>,
) -> Result<Option<(usize, bool)>> {
    let Some(mark) = &known.position.mark else { return Ok(None) };
    for (place, split) in splits.iter().enumerate().filter(|(place, _)| starts[*place].is_none()) {
        let path = Path::new(&split.id);
        let is_on_disk = || std::fs::metadata(path).is_ok_and(|metadata| mark.is_on_disk(&metadata));
        if split.id != known.restored.id
            && (mark.is_telling() || is_on_disk())
            && let Fate::Same { ended } = fate(config, path, known)?
        {
            return Ok(Some((place, ended)));
        }
    }
    Ok(None)
}

/// What becomes of a position whose file is not among those listed; the place is that of another file with its name.
fn without_file(config: &FileSourceConfig, known: &Known<'_>, place: Option<(usize, Held)>) -> Result<Option<usize>> {
    let (path, mark) = (Path::new(&known.restored.id), known.position.mark.clone().unwrap_or_default());
    match place {
        Some((place, held)) => {
            let failed = |error| read_error(path, &error);
            if config.follow && find_file(folder_of(path), &mark, None).map_err(failed)?.is_some() {
                return Ok(Some(place));
            }
            Err(refusal(config, path, &mark, held, known.restored.ended))
        }
        None if known.restored.ended => Ok(None),
        // Whoever removes a log that has been read to its end loses nothing.
        None if config.follow && config.is_glob() && known.position.offset == mark.length => {
            tracing::warn!(
                "{} was removed; it had been read to its end ({} bytes) at the checkpoint",
                path.display(),
                mark.length
            );
            Ok(None)
        }
        None => Err(lost_split(&known.restored.id)),
    }
}

fn refusal(config: &FileSourceConfig, path: &Path, mark: &Mark, held: Held, ended: bool) -> Error {
    let error = mark.refusal(path, held);
    match (config.follow, ended) {
        (true, _) => error.help(
            "if it was rotated, put the old file, uncompressed and under any name, into its folder: it is read to its end first; else start the job afresh with another checkpoint folder",
        ),
        (_, true) => error.help(
            "give new rows a file of another name and read all with a '*' in the path, or start the job afresh with another checkpoint folder",
        ),
        _ => error,
    }
}

/// Whether a file is the one of a position.
fn fate(config: &FileSourceConfig, path: &Path, known: &Known<'_>) -> Result<Fate> {
    let (position, ended) = (&known.position, known.restored.ended);
    // Of an input of which nothing can be said (a pipe), nothing is compared.
    let Some(mark) = &position.mark else { return Ok(Fate::Same { ended }) };
    let failed = |error: std::io::Error| read_error(path, &error);
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Fate::Differs(Held::Gone)),
        file => file.map_err(failed)?,
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Ok(Fate::Same { ended });
    }
    if config.format == FileFormat::Parquet {
        let is_same = Mark::of_whole(&file).map_err(failed)?.is_whole_of(mark);
        return Ok(if is_same { Fate::Same { ended } } else { Fate::Differs(Held::Other) });
    }
    let length = file.metadata().map_err(failed)?.len();
    let (held, grown) = match config.compression {
        Compression::None => (mark.held_by(&file).map_err(failed)?, length > mark.read),
        packed => packed_fate(path, packed, mark, ended && length != mark.length)?,
    };
    if held != Held::Same {
        return Ok(Fate::Differs(held));
    }
    let is_whole = position.offset < mark.read || mark.ends_line();
    match (ended || position.offset == mark.read) && grown && !config.follow && !is_whole {
        true => Err(grown_in_a_line(path)),
        false => Ok(Fate::Same { ended: ended && !grown }),
    }
}

/// Of a compressed file the first bytes are compared; all that had been read where it had been read to its end and has another length.
fn packed_fate(path: &Path, compression: Compression, mark: &Mark, has_changed: bool) -> Result<(Held, bool)> {
    let damaged = |error| super::input::damaged(compression, &error).context(format!("file {}", path.display()));
    let file = open_file(path)?;
    let held = mark.head_held_by(&mut decoder(&file, path, compression)?).map_err(damaged)?;
    if held != Held::Same || !has_changed {
        return Ok((held, false));
    }
    let mut bytes = decoder(&file, path, compression)?;
    let seen = Seen::pass(&mut bytes, mark.read).map_err(damaged)?;
    let held = match seen {
        None => Held::Cut,
        Some(seen) if mark.has_tail(&seen) => Held::Same,
        Some(_) => Held::Other,
    };
    let grown = held == Held::Same && std::io::Read::read(&mut bytes, &mut [0]).map_err(damaged)? > 0;
    Ok((held, grown))
}

fn grown_in_a_line(path: &Path) -> Error {
    Error::job(format!("{} has grown, and its last line was not complete when it was read", path.display()))
        .help("follow a file that grows (follow = true), or start the job afresh with another checkpoint folder")
}
