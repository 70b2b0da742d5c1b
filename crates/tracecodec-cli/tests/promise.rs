//! The promise, on a subset of the captures that lie in `../shared/data`: the oracle loses nothing,
//! by our own comparison on all of them, and by `tshark` on some; and TCP events are those of
//! `tshark`, on some. `tracecodec verify --tshark` and `tracecodec events --analyzer both` prove it
//! on all.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// One capture in so many is shown to `tshark`, input and output.
const TSHARK_SHARE: usize = 60;

/// One capture in so many has its TCP events compared.
const EVENTS_SHARE: usize = 30;

/// Testbed captures whose TCP events are compared: `tshark` needs half a minute for the other one.
const EVENTS_TESTBED: [&str; 2] = ["enterprise.pcap.zst", "backbone.pcap.zst"];

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
    assert_eq!(output.status.code(), Some(1));
    // Captures whose lengths a tool lost are warned of.
    let is_expected = |line: &str| {
        let is_warning = line.starts_with("warning: ") && line.contains("shorter on the wire");
        is_warning || line.starts_with("hint: --trust-ip-length")
    };
    assert!(told.lines().all(is_expected), "{told}");
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

/// The folder of captures, if it is there and tshark is installed; otherwise the test is skipped.
fn data_and_tshark() -> Option<PathBuf> {
    let data = shared_data();
    if data.is_none() {
        eprintln!("skipped: no ../shared/data, and TRACECODEC_DATA names no folder");
    } else if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: tshark is not installed");
        return None;
    }
    data
}

#[test]
fn test_events_are_those_of_tshark() {
    let Some(data) = data_and_tshark() else {
        return;
    };
    let mut real = Vec::new();
    captures(&data.join("real"), &mut real);
    let all = real.len();
    let mut some: Vec<_> = real.into_iter().step_by(EVENTS_SHARE).collect();
    eprintln!("{} of the {all} captures in real", some.len());
    some.extend(EVENTS_TESTBED.map(|name| data.join("testbed").join(name)));
    for capture in compare(&some, "outer") {
        for mismatch in capture["mismatches"].as_array().unwrap() {
            let read_as = mismatch["read_as"].as_str().unwrap();
            assert!(
                !read_as.starts_with("tcp"),
                "{}: {mismatch}",
                capture["capture"]
            );
        }
    }
}

#[test]
fn test_events_in_tunnels_are_those_of_tshark() {
    let Some(data) = data_and_tshark() else {
        return;
    };
    let mut tunnels = Vec::new();
    captures(&data.join("real"), &mut tunnels);
    tunnels.retain(|path| path.to_string_lossy().contains("Traces__tunnels__"));
    assert!(tunnels.len() > 30);
    let mut tcp_packets = 0;
    for capture in compare(&tunnels, "inner") {
        let mismatches = capture["mismatches"].as_array().unwrap();
        // tshark judges the segments that begin in fragments, and later ones by them.
        let has_fragment = mismatches.iter().any(|it| it["read_as"] == "fragment");
        assert!(mismatches.is_empty() || has_fragment, "{capture}");
        tcp_packets += capture["tcp_packets"].as_u64().unwrap();
    }
    assert!(tcp_packets > 200);
}

/// What the analysers find in captures.
fn compare(captures: &[PathBuf], tunnels: &str) -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_tracecodec"))
        .args([
            "events",
            "--analyzer",
            "both",
            "--json",
            "--tunnels",
            tunnels,
        ])
        .args(captures)
        .output()
        .unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    found["captures"].as_array().unwrap().clone()
}
