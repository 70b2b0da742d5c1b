//! The promise, on a subset of the captures that lie in `../shared/data`: the oracle loses nothing, by our own comparison on all
//! of them, and by `tshark` on some. `tracecodec verify --tshark` proves it on all.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// One capture in so many is shown to `tshark`.
const TSHARK_SHARE: usize = 60;

fn shared_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("TRACECODEC_DATA").map_or(beside, PathBuf::from);
    data.is_dir().then_some(data)
}

fn verify(paths: &[PathBuf], tshark: bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracecodec"));
    command
        .arg("verify")
        .args(tshark.then_some("--tshark"))
        .args(paths);
    let output = command.output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{table}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn captures(folder: &Path, all: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            captures(&entry, all)
        } else {
            all.push(entry)
        }
    }
}

#[test]
fn test_shipped_captures_lose_nothing() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    verify(&[data.join("example.pcap"), data.join("train")], false);
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: tshark is not installed");
        return;
    }
    verify(&[data.join("example.pcap")], true);
}

#[test]
fn test_inspect_tells_of_bad_captures() {
    let Some(data) = shared_data() else {
        eprintln!("skipped: no ../shared/data, and TRACECODEC_DATA names no folder");
        return;
    };
    let mut bad = Vec::new();
    ["damaged", "fuzzed"]
        .iter()
        .for_each(|name| captures(&data.join(name), &mut bad));
    for capture in bad {
        let output = Command::new(env!("CARGO_BIN_EXE_tracecodec"))
            .arg("inspect")
            .arg(&capture)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => assert_eq!(told, "", "{}", capture.display()),
            Some(2) => assert!(told.starts_with("error: "), "{}: {told}", capture.display()),
            code => panic!("{}: {code:?} {told}", capture.display()),
        }
    }
}

#[test]
fn test_check_of_anything_ends_in_a_finding_at_worst() {
    let Some(data) = shared_data() else {
        eprintln!("skipped: no ../shared/data, and TRACECODEC_DATA names no folder");
        return;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_tracecodec"))
        .args(["check", "--json"])
        .arg(&data)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &told[..]), (Some(1), ""));
}

#[test]
fn test_captures_of_others_lose_nothing() {
    let Some(data) = shared_data() else {
        eprintln!("skipped: no ../shared/data, and TRACECODEC_DATA names no folder");
        return;
    };
    let folders =
        ["real", "fixture", "testbed", "crafted", "fuzzed", "damaged"].map(|name| data.join(name));
    verify(&folders, false);
    let mut all = Vec::new();
    folders[..2]
        .iter()
        .for_each(|folder| captures(folder, &mut all));
    let some: Vec<_> = all.into_iter().step_by(TSHARK_SHARE).collect();
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: tshark is not installed");
        return;
    }
    verify(&some, true);
}
