//! The files of a crate form layers: none imports from itself through others. And none is too long.
//!
//! A parent module that only re-exports what its children define is not part of a cycle, and neither are modules for tests.

mod circles;
mod code;
mod known;
mod modules;
mod sizes;

use circles::circles;
use modules::{Imports, Modules};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders with sources.
const FOLDERS: [&str; 13] = [
    "benches",
    "cep",
    "connectors",
    "dsl",
    "examples",
    "graph",
    "ml",
    "row-patterns",
    "runtime",
    "src",
    "testkit",
    "tests",
    "findings",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All source files.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root().join(folder)).filter(|folder| folder.exists()).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The root files of all crates, tests and programs: the files that declare modules.
fn crate_roots() -> Vec<PathBuf> {
    let is_root = |file: &PathBuf| {
        let (name, folder) = (file.file_name(), file.parent().and_then(Path::file_name));
        name.is_some_and(|name| name == "lib.rs" || name == "main.rs")
            || folder.is_some_and(|folder| folder == "benches" || folder == "examples")
    };
    sources().into_iter().filter(is_root).collect()
}

#[test]
fn no_file_imports_from_itself_by_way_of_others() {
    let mut found = Vec::new();
    let mut upward: BTreeSet<(&str, &str)> = known::UPWARD.iter().copied().collect();
    for crate_root in crate_roots() {
        let imports = Modules::read(&crate_root).imports();
        let mut edges = edges(&imports);
        for (file, from) in known::UPWARD.iter().copied() {
            if edges.get_mut(file).is_some_and(|all| all.remove(from)) {
                upward.remove(&(file, from));
            }
        }
        found.extend(circles(&edges).iter().map(|circle| shown(circle, &imports)));
    }
    assert!(found.is_empty(), "{} circles of files:\n{}", found.len(), found.join("\n"));
    assert!(upward.is_empty(), "these imports are gone; take them out of `known.rs`: {upward:#?}");
}

/// The files that each file imports from, by their paths from the root.
fn edges(imports: &Imports) -> BTreeMap<String, BTreeSet<String>> {
    imports.iter().map(|(file, from)| (short(file), from.keys().map(|file| short(file)).collect())).collect()
}

fn short(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

/// A cycle, with the path of each of its imports.
fn shown(circle: &[String], imports: &Imports) -> String {
    let step = |at: usize| {
        let (file, from) = (&circle[at], &circle[(at + 1) % circle.len()]);
        format!("  {file} imports {}", imports[&root().join(file)][&root().join(from)])
    };
    format!("{} files:\n{}", circle.len(), (0..circle.len()).map(step).collect::<Vec<_>>().join("\n"))
}
