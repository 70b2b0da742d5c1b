//! Checks that no files of a folder need each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::map::{sources, stage_of};

/// Fails if, of the files and folders of one folder, some use each other, by whatever detour. A
/// folder's `mod.rs` stands above them all.
pub(crate) fn check(src: &Path) {
    let folders: BTreeSet<PathBuf> = sources(src)
        .iter()
        .filter(|file| file.ends_with("mod.rs"))
        .map(|file| file.with_file_name(""))
        .collect();
    for folder in folders {
        let circle = circle(arrows_within(&folder));
        assert!(circle.is_empty(), "{}: {circle:?}", folder.display());
    }
}

/// What each file or folder of a folder uses of the others, by name.
fn arrows_within(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let top = fs::read_to_string(folder.join("mod.rs")).expect("the sources can be read");
    let children: BTreeSet<String> = declared(&top).collect();
    let mut arrows = BTreeMap::new();
    for file in sources(folder) {
        let inside = file.strip_prefix(folder).expect("found below it");
        let child = stage_of(&file, folder);
        // `super` of a file in this folder is this folder's module; one deeper takes one more.
        let depth = inside.components().count() - usize::from(file.ends_with("mod.rs"));
        if depth == 0 {
            continue;
        }
        let text = fs::read_to_string(&file).expect("the sources can be read");
        let used = used_by(&text, depth).into_iter();
        let used = used.filter_map(|name| {
            if children.contains(&name) {
                Some(name)
            } else {
                exporter(&top, &name)
            }
        });
        let others: BTreeSet<String> = used.filter(|other| *other != child).collect();
        arrows
            .entry(child)
            .or_insert_with(BTreeSet::new)
            .extend(others);
    }
    arrows
}

/// The modules that a module file declares.
fn declared(text: &str) -> impl Iterator<Item = String> {
    let words = text.lines().filter(|line| !line.starts_with("//"));
    words.filter_map(|line| {
        let name = line.split("mod ").nth(1)?.strip_suffix(';')?;
        Some(name.to_string())
    })
}

/// The names that code outside of tests uses by `super::`, so many of them in a row.
fn used_by(text: &str, supers: usize) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let prefix = "super::".repeat(supers);
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(&prefix) {
        let (before, path) = (&code[..at], &code[at + prefix.len()..]);
        if before.ends_with("::") || path.starts_with("super::") {
            continue;
        }
        let in_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let end = if path.starts_with('{') {
            path.find(';')
        } else {
            path.find(|c| !in_name(c))
        };
        let end = end.unwrap_or(path.len());
        let names_in = path[..end].split(|c: char| !c.is_alphanumeric() && c != '_');
        let names_in = names_in.filter(|name| !name.is_empty());
        names.extend(names_in.map(str::to_string));
    }
    names
}

/// The module from which a module file takes a name.
fn exporter(top: &str, name: &str) -> Option<String> {
    top.split("use ").skip(1).find_map(|line| {
        let (module, names) = line.split(';').next()?.split_once("::")?;
        let mut names = names.split(|c: char| !c.is_alphanumeric() && c != '_');
        names.any(|found| found == name).then(|| module.to_string())
    })
}

/// What is left when files that use no other that is left are taken away: the circles, if any.
fn circle(mut arrows: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let left: BTreeSet<String> = arrows.keys().cloned().collect();
        let before = left.len();
        arrows.retain(|_, used| !used.is_disjoint(&left));
        if arrows.len() == before {
            return arrows;
        }
    }
}

#[test]
fn test_circles_are_found() {
    let text =
        "use super::{Key, clock::Clock,\n    table};\n// super::session\nlet n = super::IDLE;";
    let names = used_by(text, 1);
    assert!(
        ["Key", "clock", "table", "IDLE"]
            .iter()
            .all(|name| names.contains(*name))
    );
    assert!(!names.contains("session"));
    assert_eq!(
        exporter("mod key;\npub use key::{Key, Way};", "Key").as_deref(),
        Some("key")
    );
    let arrows = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(from, to)| (from.to_string(), BTreeSet::from([to.to_string()])))
            .collect()
    };
    assert_eq!(circle(arrows(&[("a", "b"), ("b", "c")])).len(), 0);
    assert_eq!(
        circle(arrows(&[("a", "b"), ("b", "a"), ("c", "d")])).len(),
        2
    );
}
