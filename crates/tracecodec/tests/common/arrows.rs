//! Checks the map of a crate: a stage uses only what a table allows it, and the table has no cycle.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each stage, a folder or file of the sources, and what it may use. Every arrow points to a row
/// above.
pub(crate) type Arrows = [(&'static str, &'static [&'static str])];

/// Fails if the table has a cycle, if a file uses what its stage may not, or if no file needs an
/// arrow.
pub(crate) fn check(src: &Path, arrows: &Arrows) {
    let mut wrong = Vec::new();
    for (row, (stage, uses)) in arrows.iter().enumerate() {
        for used in *uses {
            if !arrows[..row].iter().any(|(name, _)| name == used) {
                wrong.push(format!("{stage} uses {used}, which is not above it"));
            }
        }
    }
    let mut needed = BTreeSet::new();
    for file in sources(src) {
        let stage = stage_of(&file, src);
        if stage == "lib" {
            continue;
        }
        let Some((_, allowed)) = arrows.iter().find(|(name, _)| *name == stage) else {
            wrong.push(format!("{}: no row for {stage}", file.display()));
            continue;
        };
        let text = fs::read_to_string(&file).expect("the sources can be read");
        for used in imports(&text).into_iter().filter(|used| *used != stage) {
            if !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {stage} may not use {used}", file.display()));
            }
            needed.insert((stage.clone(), used));
        }
    }
    for (stage, uses) in arrows {
        for used in *uses {
            if !needed.contains(&(stage.to_string(), used.to_string())) {
                wrong.push(format!("{stage} needs no arrow to {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The Rust files below a folder, sorted.
pub(crate) fn sources(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path);
        }
    }
    files
}

/// The stage that a file belongs to: its top folder or its own name.
pub(crate) fn stage_of(file: &Path, src: &Path) -> String {
    let inside = file.strip_prefix(src).expect("found below src");
    let inside = inside.with_extension("");
    let top = inside.iter().next().and_then(|name| name.to_str());
    top.expect("names are text").to_string()
}

/// The stages that a file names by `crate::`, in imports or in place; comments do not count.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split("crate::").skip(1).map(stage_named))
        .collect()
}

/// The stage at the start of a path behind `crate::`.
fn stage_named(path: &str) -> String {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_');
    let name = &path[..end.unwrap_or(path.len())];
    assert!(!name.is_empty(), "one import a stage, not: crate::{path}");
    name.to_string()
}

#[test]
fn test_imports_are_found() {
    let text = "use crate::wire::{self, Headers};\n/// [`crate::lift`]\nlet n = crate::tcp::seq(crate::output::Output);";
    let expected = ["output", "tcp", "wire"].map(String::from);
    assert_eq!(imports(text), BTreeSet::from(expected));
}
