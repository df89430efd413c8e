//! The modules of a crate, their imports, and the files that these lead to.

use super::code::{code_of, tokens_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module in its crate.
type Name = Vec<String>;

/// A module: a file, or a part of one.
#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    /// The names that `use` brings in, and whether each is re-exported.
    names: BTreeMap<String, (Vec<String>, bool)>,
    /// Paths in the code.
    paths: BTreeSet<Vec<String>>,
}

/// All modules below the root file of a crate, except modules for tests.
#[derive(Debug, Default)]
pub(super) struct Modules {
    modules: BTreeMap<Name, Module>,
}

/// The files that a file imports from, each with one of the paths that do so.
pub(super) type Imports = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

impl Modules {
    /// Reads a crate.
    pub(super) fn read(root: &Path) -> Self {
        let mut all = Self::default();
        let folder = root.parent().unwrap().to_path_buf();
        all.read_file(root, &folder, Vec::new());
        all
    }

    fn read_file(&mut self, file: &Path, folder: &Path, name: Name) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut reading = Reading { file, tokens: tokens_of(&code_of(&text)), at: 0, children: Vec::new() };
        reading.module(&mut self.modules, name.clone());
        for child in reading.children {
            let last = child.last().unwrap();
            let below = child[name.len()..child.len() - 1].iter().fold(folder.to_path_buf(), |folder, part| folder.join(part));
            let flat = below.join(format!("{last}.rs"));
            let file = if flat.exists() { flat } else { below.join(last).join("mod.rs") };
            self.read_file(&file, &below.join(last), child.clone());
        }
    }

    /// The files that each file imports from; re-exports of children by their parent are left out.
    pub(super) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (name, module) in &self.modules {
            let used = module.names.values().map(|(path, passed_on)| (path, *passed_on));
            for (path, passed_on) in used.chain(module.paths.iter().map(|path| (path, false))) {
                let Some(from) = self.resolve(name, path, 0) else { continue };
                let file = &self.modules[&from].file;
                if *file != module.file && !(passed_on && from.starts_with(name)) {
                    imports.entry(module.file.clone()).or_default().entry(file.clone()).or_insert_with(|| path.join("::"));
                }
            }
        }
        imports
    }

    /// The module that defines what a path names; `None` if it is in another crate.
    fn resolve(&self, from: &Name, path: &[String], depth: usize) -> Option<Name> {
        const DEPTH_MAX: usize = 20;
        if depth > DEPTH_MAX {
            return None;
        }
        let mut here = from.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => (here, rest) = (Vec::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {}
            first if self.is_known(from, first) => {}
            _ => return None,
        }
        while rest.first().is_some_and(|part| part == "super") {
            here.pop()?;
            rest = &rest[1..];
        }
        while let Some(part) = rest.first() {
            let child: Name = here.iter().chain([part]).cloned().collect();
            if self.modules.contains_key(&child) {
                (here, rest) = (child, &rest[1..]);
                continue;
            }
            let Some((path, _)) = self.modules[&here].names.get(part) else { break };
            let path: Vec<String> = path.iter().chain(&rest[1..]).cloned().collect();
            return self.resolve(&here, &path, depth + 1).or(Some(here));
        }
        Some(here)
    }

    fn is_known(&self, module: &Name, name: &str) -> bool {
        let child: Name = module.iter().map(String::as_str).chain([name]).map(str::to_owned).collect();
        self.modules.contains_key(&child)
    }
}

/// A file while it is read.
struct Reading<'a> {
    file: &'a Path,
    tokens: Vec<String>,
    at: usize,
    /// The modules that have files of their own.
    children: Vec<Name>,
}

impl Reading<'_> {
    fn token(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    /// Reads up to the brace that closes the module, or to the end.
    fn module(&mut self, modules: &mut BTreeMap<Name, Module>, name: Name) {
        let mut module = Module { file: self.file.to_path_buf(), ..Module::default() };
        let (mut depth, mut passes_on) = (0_usize, false);
        while self.at < self.tokens.len() {
            if self.token(0) == "#" && self.skip_attribute() {
                self.skip_item();
                continue;
            }
            match self.token(0) {
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                "mod" if self.token(2) == ";" => {
                    self.children.push(name.iter().cloned().chain([self.token(1).to_owned()]).collect())
                }
                "mod" if self.token(2) == "{" => {
                    let inner = name.iter().cloned().chain([self.token(1).to_owned()]).collect();
                    self.at += 3;
                    self.module(modules, inner);
                }
                "use" if self.token(1) != "<" => {
                    self.at += 1;
                    let passed_on = passes_on;
                    self.tree(&[], &mut |name, path| {
                        module.names.insert(name, (path, passed_on));
                    });
                }
                _ if self.is_path() => {
                    module.paths.insert(self.path());
                    continue;
                }
                _ => {}
            }
            passes_on =
                self.token(0) == "pub" || (passes_on && matches!(self.token(0), "(" | ")" | "crate" | "super" | "in" | "::"));
            self.at += 1;
        }
        modules.insert(name, module);
    }

    /// Moves to the end of an attribute; returns whether the next item is for tests only, or has a `path` of its own.
    fn skip_attribute(&mut self) -> bool {
        let from = self.at;
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.token(0) {
                "[" => depth += 1,
                "]" if depth == 1 => break,
                "]" => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        let words = &self.tokens[from..self.at];
        let has = |word: &str| words.iter().any(|token| token == word);
        (has("cfg") && has("test") && !has("not")) || words.get(2).is_some_and(|word| word == "path")
    }

    /// Moves past the item that follows an attribute.
    fn skip_item(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.token(0) {
                "{" => depth += 1,
                "}" if depth <= 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
    }

    /// Whether a path begins here that may lead to a module of the crate.
    fn is_path(&self) -> bool {
        let first = self.token(0).chars().next().is_some_and(|letter| letter.is_alphabetic() || letter == '_');
        let before = self.at.checked_sub(1).map_or("", |at| self.tokens[at].as_str());
        first && self.token(1) == "::" && !matches!(before, "::" | "." | "in")
    }

    fn path(&mut self) -> Vec<String> {
        let mut path = vec![self.token(0).to_owned()];
        self.at += 1;
        while self.token(0) == "::" && self.token(1).chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
            path.push(self.token(1).to_owned());
            self.at += 2;
        }
        path
    }

    /// Passes every name of a `use` tree, with its path, to `show`; stops at the token that ends the tree.
    fn tree(&mut self, before: &[String], show: &mut dyn FnMut(String, Vec<String>)) {
        let mut path = before.to_vec();
        loop {
            match self.token(0) {
                "::" => {}
                "{" => {
                    self.at += 1;
                    while !matches!(self.token(0), "}" | "") {
                        self.tree(&path, show);
                        self.at += usize::from(self.token(0) == ",");
                    }
                    self.at += 1;
                    return;
                }
                "as" => {
                    let name = self.token(1).to_owned();
                    self.at += 2;
                    let name = if name == "_" { path.join("::") } else { name };
                    return show(name, path);
                }
                "," | ";" | "}" | "" => break,
                "self" if !path.is_empty() => {}
                part => path.push(part.to_owned()),
            }
            self.at += 1;
        }
        if let Some(name) = path.last().cloned() {
            let name = if name == "*" { path.join("::") } else { name };
            show(name, path);
        }
    }
}
