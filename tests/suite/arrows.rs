//! Crates depend downward only: the table of ARCHITECTURE.md, held against `cargo metadata`.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Who may use whom. A new arrow is a design decision: draw it in ARCHITECTURE.md too.
const ARROWS: [(&str, &[&str]); 9] = [
    ("egret-core", &[]),
    ("egret-state", &["egret-core"]),
    ("egret-engine", &["egret-core", "egret-state"]),
    ("egret-cep", &["egret-core"]),
    ("egret-ml", &["egret-core"]),
    ("egret-graph", &["egret-core", "egret-engine"]),
    ("egret-dsl", &[]),
    ("egret-connectors", &["egret-core"]),
    ("egret-testkit", &["egret-core", "egret-state"]),
];

/// Crates of others that only some of ours may import.
const GUESTS: [(&str, &[&str]); 3] =
    [("timely", &["egret-engine", "egret-graph"]), ("timely_communication", &["egret-engine"]), ("tonic", &["egret-cluster"])];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every crate of the workspace with what it depends on (not for tests).
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
        for used in uses.iter().filter(|used| used.starts_with("egret")) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
    assert_eq!(dependencies.len(), ARROWS.len() + 1, "a crate of the map is gone");
}

#[test]
fn guests_stay_in_their_rooms() {
    for (name, uses) in dependencies() {
        for (guest, hosts) in GUESTS {
            assert!(!uses.contains(guest) || hosts.contains(&name.as_str()), "{name} must not use {guest}");
        }
    }
}
