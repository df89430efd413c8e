//! The names of the files below the root.

use std::fmt::Write;
use xxhash_rust::xxh3::xxh3_64;

/// The file with the owner of the root.
pub(super) const JOB: &str = "job.json";
/// The folder of the log.
pub(super) const LOG: &str = "log";
/// The folder of the parts.
pub(super) const DATA: &str = "data";
/// The folder in which local files are written before they are named.
pub(super) const STAGING: &str = "staging";

/// A uid longer than this is cut, and its hash is appended: file systems allow names of 255 bytes.
const UID_CHARS_MAX: usize = 120;

/// The file of a position in the log.
pub(super) fn log_entry(position: u64) -> String {
    format!("{LOG}/{position:020}.json")
}

/// The position of a file of the log.
pub(super) fn log_position(path: &str) -> Option<u64> {
    let name = path.strip_prefix(LOG)?.strip_prefix('/')?.strip_suffix(".json")?;
    let position = name.parse().ok()?;
    (log_entry(position) == path).then_some(position)
}

/// The folder of a checkpoint's parts.
pub(super) fn data_folder(attempt: u64, checkpoint: u64) -> String {
    format!("{DATA}/{attempt}-{checkpoint}")
}

/// The attempt and the checkpoint of a file of a part.
pub(super) fn data_owner(path: &str) -> Option<(u64, u64)> {
    let (folder, _) = path.strip_prefix(DATA)?.strip_prefix('/')?.split_once('/')?;
    let (attempt, checkpoint) = folder.split_once('-')?;
    let (attempt, checkpoint) = (attempt.parse().ok()?, checkpoint.parse().ok()?);
    path.starts_with(&data_folder(attempt, checkpoint)).then_some((attempt, checkpoint))
}

/// The file of a part. Different parts have different files.
pub(super) fn part(attempt: u64, checkpoint: u64, uid: &str, instance: u32) -> String {
    format!("{}/{}-{instance}.part", data_folder(attempt, checkpoint), escape(uid))
}

/// The file of keyed state that checkpoints share. No part has such a name, because its instance is a number.
pub(super) fn shared(attempt: u64, checkpoint: u64, uid: &str, instance: u32, name: &str) -> String {
    format!("{}/{}-{instance}.{}.part", data_folder(attempt, checkpoint), escape(uid), escape(name))
}

/// Keeps letters, digits and `-`, so that names stay readable; every other byte becomes `_` and two hexadecimal digits.
fn escape(uid: &str) -> String {
    let mut escaped = String::with_capacity(uid.len());
    for byte in uid.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "_{byte:02x}");
        }
    }
    if escaped.len() > UID_CHARS_MAX {
        escaped.truncate(UID_CHARS_MAX);
        let _ = write!(escaped, "__{:016x}", xxh3_64(uid.as_bytes()));
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_read_back_and_nothing_else() {
        assert_eq!(log_position(&log_entry(17)), Some(17));
        for other in ["log/17.json", "log/00000000000000000017.json.bak", "log/x.json", "data/1-2/x"] {
            assert_eq!(log_position(other), None, "{other}");
        }
        assert_eq!(data_owner(&part(3, 9, "rings", 0)), Some((3, 9)));
        assert_eq!(data_owner(&shared(3, 9, "rings", 0, "16-8")), Some((3, 9)));
        for other in ["data/3-9", "data/03-9/x", "data/3/x", "data/a-b/x", "log/3-9/x"] {
            assert_eq!(data_owner(other), None, "{other}");
        }
    }

    #[test]
    fn different_parts_have_different_files() {
        let long = "x".repeat(500);
        let uids = ["a", "A", "a-1", "a_", "a/b", "a_2fb", "../a", "ü", "", ".", long.as_str(), &long[1..]];
        let files: BTreeSet<String> =
            uids.iter().flat_map(|uid| (0..12).map(move |instance| part(1, 2, uid, instance))).collect();
        assert_eq!(files.len(), uids.len() * 12);
        assert!(files.iter().all(|file| file.len() < 250 && file.is_ascii()));
        assert_eq!(shared(1, 2, "rings", 0, "16-8"), "data/1-2/rings-0.16-8.part");
        assert_eq!(part(1, 2, "select a/b", 0), "data/1-2/select_20a_2fb-0.part");
    }
}
