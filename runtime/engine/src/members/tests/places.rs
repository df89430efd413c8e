//! Places where members meet.

use crate::members::{InMemory, LocalFolder, Rendezvous};
use std::sync::Arc;

/// What every place has to do.
fn check_contract(place: &Arc<dyn Rendezvous>) {
    assert_eq!(place.look_up("address-0").unwrap(), None);
    place.announce("address-0", b"here").unwrap();
    place.announce("address-1", b"").unwrap();
    assert_eq!(place.look_up("address-0").unwrap().unwrap(), b"here");
    assert_eq!(place.look_up("address-1").unwrap().unwrap(), b"", "an announcement may be empty");
    place.announce("address-0", b"there").unwrap();
    assert_eq!(place.look_up("address-0").unwrap().unwrap(), b"there", "the latest counts");
    // Nobody sees half of an announcement.
    std::thread::scope(|scope| {
        scope.spawn(|| (0..200_u8).for_each(|n| place.announce("progress-0", &[n; 5_000]).unwrap()));
        loop {
            let Some(seen) = place.look_up("progress-0").unwrap() else { continue };
            assert!(seen.len() == 5_000 && seen.iter().all(|byte| *byte == seen[0]), "{} bytes", seen.len());
            if seen[0] == 199 {
                break;
            }
        }
    });
}

#[test]
fn announcements_are_seen_whole_by_all() {
    check_contract(&(Arc::new(InMemory::new()) as Arc<dyn Rendezvous>));
    let folder: Arc<dyn Rendezvous> = Arc::new(LocalFolder::temporary().unwrap());
    check_contract(&folder);
    let same = LocalFolder::at(folder.address());
    assert_eq!(same.look_up("address-0").unwrap().unwrap(), b"there", "whoever has the address finds the place");
}

#[cfg(unix)]
#[test]
fn what_is_announced_in_a_folder_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    LocalFolder::at(folder.path()).announce("token", b"secret").unwrap();
    let mode = std::fs::metadata(folder.path().join("token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_folder_that_is_gone_is_named() {
    let folder = LocalFolder::at("/nowhere/at/all");
    let error = folder.announce("stop", b"").unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all") && error.contains("'stop'"), "{error}");
    assert!(!format!("{:?}", InMemory::new()).contains("secret"));
}
