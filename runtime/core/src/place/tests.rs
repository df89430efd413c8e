#![allow(clippy::unwrap_used)]
use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("egret-places-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("there")).unwrap();
    std::fs::write(folder.join("there/in.csv"), "id\n").unwrap();
    folder
}

fn refused(places: &[(&str, Place)]) -> Option<String> {
    let places: Vec<(String, Place)> = places.iter().map(|(who, place)| ((*who).to_owned(), place.clone())).collect();
    check_places(&places).err().map(|error| error.to_string())
}

#[test]
fn one_place_under_many_names() {
    let at = folder("names");
    let write = |name: &str| Place::new(at.join(name), Access::Write);
    #[cfg(unix)]
    std::os::unix::fs::symlink(at.join("there"), at.join("link")).unwrap();
    std::fs::hard_link(at.join("there/in.csv"), at.join("hard.csv")).unwrap();
    for (a, b) in [
        ("new/o.csv", "new/../new/./o.csv"),
        ("new/o.csv", "other/../new/o.csv"),
        ("link/o.csv", "there/o.csv"),
        ("link/../there/o.csv", "there/o.csv"),
        ("hard.csv", "there/in.csv"),
    ] {
        let said = refused(&[("sink 'a'", write(a)), ("sink 'b'", write(b))]).unwrap_or_default();
        assert!(said.contains("sink 'a' and sink 'b' both write to"), "{a} {b}: {said}");
        let said = refused(&[("stream 'r'", Place::new(at.join(a), Access::Read)), ("sink 'b'", write(b))]).unwrap_or_default();
        assert!(said.contains("sink 'b' would write to") && said.contains("stream 'r' reads"), "{a} {b}: {said}");
    }
    for (a, b) in [("new/o.csv", "new/p.csv"), ("new/o.csv", "there/o.csv"), ("there/in.csv", "new/in.csv")] {
        assert_eq!(refused(&[("a", write(a)), ("b", write(b))]), None, "{a} {b}");
    }
    let read = Place::new(at.join("there/in.csv"), Access::Read);
    assert_eq!(refused(&[("a", read.clone()), ("b", read)]), None, "two may read");
    std::fs::remove_dir_all(at).unwrap();
}

#[test]
fn the_program_is_not_written_over() {
    let at = folder("program");
    std::fs::write(at.join("part-0-0.csv"), "").unwrap();
    let program = |name: &str| ("the program", Place::new(at.join(name), Access::Program));
    let is_own: PathTest = Arc::new(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-")));
    let fill = || ("sink 'f'", Place::new(&at, Access::Fill { example: at.join("part-0-0.csv"), is_own: Arc::clone(&is_own) }));
    for access in [Access::Write, Access::Append] {
        let said = refused(&[("sink 'a'", Place::new(at.join("there/./in.csv"), access)), program("there/in.csv")]).unwrap();
        assert!(said.contains("sink 'a' would write to") && said.contains("where the program itself is"), "{said}");
    }
    assert!(refused(&[fill(), program("part-0-0.csv")]).is_some());
    std::fs::write(at.join("job.egret"), "").unwrap();
    assert_eq!(refused(&[fill(), program("job.egret"), ("it", Place::new(at.join("there/in.csv"), Access::Write))]), None);
    std::fs::remove_dir_all(at).unwrap();
}

#[test]
fn folders_that_are_filled_or_owned() {
    let at = folder("folders");
    let is_own: PathTest = Arc::new(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-")));
    let fill = |name: &str| {
        let example = at.join(name).join("part-0-0.csv");
        ("sink 'f'", Place::new(at.join(name), Access::Fill { example, is_own: Arc::clone(&is_own) }))
    };
    let other = |name: &str, access: Access| ("the other", Place::new(at.join(name), access));
    let (real, like) = (real_path(&at), |text: &'static str| -> PathTest {
        let real = real_path(&at);
        Arc::new(move |path| path.parent() == Some(&real.join(text)))
    });
    assert!(real.is_absolute());
    for (other, expected) in [
        (other("out/x.csv", Access::Write), true),
        (other("new/../out/x.csv", Access::Write), true),
        (other("out", Access::Write), true),
        (other("out/x.csv", Access::Read), true),
        (other("out/x.csv", Access::Append), false),
        (other("out/part-0-3.csv", Access::Append), true),
        (other("out/deeper/x.csv", Access::Write), false),
        (other("out*", Access::ReadLike(like("out"))), true),
        (other("there*", Access::ReadLike(like("there"))), false),
        (fill("out"), true),
        (fill("out/deeper"), false),
    ] {
        for places in [[fill("out"), other.clone()], [other.clone(), fill("out")]] {
            assert_eq!(refused(&places).is_some(), expected, "{:?}: {:?}", other.1, refused(&places));
        }
    }
    let own = ("the checkpoint folder", Place::new(at.join("state"), Access::Own));
    for (name, expected) in [("state/log/o.csv", true), ("state", true), ("statements.csv", false), ("there/in.csv", false)] {
        for access in [Access::Write, Access::Read] {
            assert_eq!(refused(&[other(name, access), own.clone()]).is_some(), expected, "{name}");
        }
    }
    let said = refused(&[other("state/x.csv", Access::Write), own]).unwrap();
    assert!(said.contains("lies in the checkpoint folder"), "{said}");
    std::fs::remove_dir_all(at).unwrap();
}
