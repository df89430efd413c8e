//! Dependencies between crates point downward only: compares the table in ARCHITECTURE.md with `cargo metadata`.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The crates that each crate may use. A new arrow is a design decision: draw it in ARCHITECTURE.md, too.
const ARROWS: [(&str, &[&str]); 12] = [
    ("egret-words", &[]),
    ("egret-core", &["egret-words"]),
    ("egret-state", &["egret-core"]),
    ("egret-engine", &["egret-core", "egret-state"]),
    ("egret-operators", &["egret-core"]),
    ("egret-cep", &["egret-core", "egret-operators"]),
    ("egret-rows", &["egret-core"]),
    ("egret-ml", &["egret-core", "egret-operators"]),
    ("egret-graph", &["egret-core", "egret-operators"]),
    ("egret-dsl", &["egret-words"]),
    ("egret-connectors", &["egret-core"]),
    ("egret-testkit", &["egret-core", "egret-state"]),
];

/// Third-party crates that only one of our crates may use, and the folder of it that may import them.
const GUESTS: [(&str, &str, &str); 1] = [("timely", "egret-engine", "runtime/engine/src/flow")];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every crate of the workspace with its dependencies, without those for tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let normal =
                dependencies.iter().filter(|dependency| dependency["kind"].is_null()).map(|dependency| text(&dependency["name"]));
            (text(&package["name"]), normal.collect())
        })
        .collect()
}

#[test]
fn crates_depend_downward_only() {
    let dependencies = dependencies();
    for (name, uses) in &dependencies {
        if name == "egret" {
            continue;
        }
        let (_, allowed) = ARROWS.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} is not on the map"));
        let used: Vec<&str> = uses.iter().map(String::as_str).filter(|used| used.starts_with("egret")).collect();
        assert_eq!(used, *allowed, "what {name} uses, and what it may use");
    }
    assert_eq!(dependencies.len(), ARROWS.len() + 1, "a crate of the map is gone");
}

#[test]
fn guests_stay_in_their_rooms() {
    let dependencies = dependencies();
    for (guest, host, _) in GUESTS {
        let hosts: Vec<&String> = dependencies.iter().filter(|(_, uses)| uses.contains(guest)).map(|(name, _)| name).collect();
        assert_eq!(hosts, [host], "who uses {guest}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut imports = BTreeSet::new();
    for folder in ["src", "runtime", "cep", "row-patterns", "ml", "graph", "dsl", "words", "connectors", "testkit"] {
        visit(&root.join(folder), &mut |path, text| {
            for (guest, _, room) in GUESTS.iter().filter(|(guest, ..)| text.contains(&format!("{guest}::"))) {
                assert!(path.starts_with(root.join(room)), "{} imports {guest}: only {room} may", path.display());
                imports.insert(*guest);
            }
        });
    }
    assert!(imports.contains("timely"), "the sources that were read import {imports:?}");
}

/// Passes every source file below a folder to `show`.
fn visit(folder: &Path, show: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, show);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            show(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
