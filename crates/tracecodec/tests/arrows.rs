//! Holds the map of `lib.rs`: a stage uses only what the table allows it, and the table has no cycle.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each stage and what it may use. Every arrow points to a row above.
///
/// Lift and compile never see each other: what they must agree on lives once, in `tcp` and `action`. The raw packet table sees
/// neither flows nor connections nor the compiler, so that its renderer cannot repair a row by any state (the paper, C.3).
const ARROWS: &[(&str, &[&str])] = &[
    ("choice", &[]),
    ("output", &[]),
    ("action", &[]),
    ("pcap", &["output"]),
    ("select", &["pcap"]),
    ("tcp", &["action"]),
    ("wire", &["action", "pcap", "tcp"]),
    ("check", &["action", "pcap", "tcp", "wire"]),
    ("raw", &["action", "pcap", "wire"]),
    ("flow", &["action", "pcap", "tcp", "wire"]),
    ("lift", &["action", "flow", "pcap", "tcp", "wire"]),
    ("compile", &["action", "choice", "pcap", "tcp", "wire"]),
    (
        "oracle",
        &["action", "compile", "flow", "lift", "pcap", "tcp", "wire"],
    ),
    ("artifact", &["action", "lift", "output", "pcap", "wire"]),
    (
        "metrics",
        &["action", "artifact", "flow", "pcap", "tcp", "wire"],
    ),
    ("shard", &["action", "artifact", "flow", "pcap", "wire"]),
];

#[test]
fn test_arrows_point_up() {
    for (row, (stage, uses)) in ARROWS.iter().enumerate() {
        for used in *uses {
            let above = ARROWS[..row].iter().any(|(name, _)| name == used);
            assert!(above, "{stage} uses {used}, which is not above it");
        }
    }
}

#[test]
fn test_imports_follow_the_arrows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let stage = stage_of(&file, &src);
        if stage == "lib" {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == stage) else {
            wrong.push(format!("{}: no row for {stage}", file.display()));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for used in imports(&text) {
            if used != stage && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {stage} may not use {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The Rust files below a folder, sorted.
fn sources(folder: &Path) -> BTreeSet<PathBuf> {
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
fn stage_of(file: &Path, src: &Path) -> String {
    let inside = file.strip_prefix(src).expect("found below src");
    let inside = inside.with_extension("");
    let names: Vec<&str> = inside.iter().filter_map(|name| name.to_str()).collect();
    names[0].to_string()
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
