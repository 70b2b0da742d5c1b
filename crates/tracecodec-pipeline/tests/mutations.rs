//! Captures that are damaged at random: `inspect` and `check` end in an outcome or an error, the
//! oracle loses nothing of the packets that can be read, no file takes a second, and memory stays
//! bounded.
//!
//! `MUTATIONS=100000` asks for more than the thousand of the suite.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::fs;
use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use tracecodec::action::{ActionSchema, Hosts, Services};
use tracecodec::compile::CompileConfig;
use tracecodec::oracle::Proof;
use tracecodec::pcap::Reader;
use tracecodec_pipeline::files::ReadPolicy;
use tracecodec_pipeline::{Silent, run};

/// Longest file that is damaged: of longer ones the beginning.
const LONGEST: usize = 128 << 10;

/// Most memory that the process may ever have taken.
const MOST_MEMORY: u64 = 1 << 30;

/// Most time that a file may take.
const MOST_TIME: Duration = Duration::from_secs(1);

/// Values that lengths are set to.
const LENGTHS: [u32; 8] = [
    0,
    1,
    12,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
];

/// Captures to damage: those of this repository, and damaged and fuzzed ones where they are.
fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("TRACECODEC_DATA")
        .map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let mut folders = vec![root.join("crates/tracecodec/tests/cases")];
    if data.is_dir() {
        folders.extend(["damaged", "fuzzed"].map(|name| data.join(name)));
    } else {
        eprintln!("skipped: damaged and fuzzed captures, since they are not there");
    }
    let mut captures = vec![root.join("data/example.pcap")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                captures.push(path);
            }
        }
    }
    captures.sort();
    captures
}

/// Damages a file in one to four places.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut impl Rng) {
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        let to = (at + rng.random_range(1..200)).min(bytes.len());
        match rng.random_range(0..8) {
            0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random(),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..to)),
            5 => {
                let part = bytes[at..to].to_vec();
                bytes.splice(at..at, part);
            }
            6 => {
                let from = rng.random_range(0..=other.len());
                let end = (from + (to - at)).min(other.len());
                bytes.splice(at..to, other[from..end].iter().copied());
            }
            _ => {
                let length = LENGTHS[rng.random_range(0..LENGTHS.len())];
                let length = if rng.random() {
                    length.to_le_bytes()
                } else {
                    length.to_be_bytes()
                };
                let at = at / 4 * 4;
                for (byte, value) in bytes[at..].iter_mut().zip(length) {
                    *byte = value;
                }
            }
        }
    }
}

/// Runs what reads captures over one. Returns how many packets could be read.
fn read(path: &Path, bytes: &[u8]) -> u64 {
    fs::write(path, bytes).unwrap();
    let inspect = run::inspect::Config {
        input: path.to_path_buf(),
        read: ReadPolicy {
            lenient: true,
            ..ReadPolicy::default()
        },
        ..run::inspect::Config::default()
    };
    let inspected = run::inspect::run(&inspect, &mut Silent);
    let check = run::check::Config {
        inputs: vec![path.to_path_buf()],
        lenient: true,
        ..run::check::Config::default()
    };
    let checked = run::check::run(&check, &mut Silent);
    assert_eq!(inspected.is_ok(), checked.is_ok());
    let Ok(mut reader) = Reader::new(Cursor::new(bytes.to_vec())) else {
        return 0;
    };
    let mut proof = Proof::new(CompileConfig {
        schema: ActionSchema {
            hosts: Hosts::Graph,
            services: Services::Class,
            ..ActionSchema::default()
        },
        ..CompileConfig::default()
    });
    while let Some(Ok(packet)) = reader.next() {
        let loss = proof.step(&packet).and_then(|(_, loss)| loss);
        assert_eq!(loss, None, "packet {}", reader.packets());
    }
    assert_eq!(proof.legalisations().total(), 0);
    reader.packets()
}

/// The most memory that the process has taken, in bytes, where the system says it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

#[test]
fn test_captures_damaged_at_random() {
    let count = std::env::var("MUTATIONS").map_or(1_000, |count| count.parse().unwrap());
    let captures = captures().into_iter().map(|path| {
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(LONGEST);
        (path, bytes)
    });
    let captures: Vec<(PathBuf, Vec<u8>)> = captures.collect();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("damaged.pcap");
    let (mut packets, mut readable) = (0, 0);
    let mut slowest = (Duration::ZERO, 0);
    for number in 0..count {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let (name, whole) = &captures[number as usize % captures.len()];
        let (_, other) = &captures[rng.random_range(0..captures.len())];
        let mut bytes = whole.clone();
        mutate(&mut bytes, other, &mut rng);
        let started = Instant::now();
        let read = panic::catch_unwind(AssertUnwindSafe(|| read(&path, &bytes)));
        let Ok(read) = read else {
            panic!("mutation {number}, of {}", name.display());
        };
        slowest = slowest.max((started.elapsed(), number));
        packets += read;
        readable += u64::from(read > 0);
    }
    let memory = peak_memory();
    eprintln!(
        "{count} mutations of {} captures: {readable} have packets, {packets} in all; the slowest, \
         {}, took {:?}; peak memory {memory:?}",
        captures.len(),
        slowest.1,
        slowest.0
    );
    assert!(
        slowest.0 < MOST_TIME,
        "mutation {} took {:?}",
        slowest.1,
        slowest.0
    );
    assert!(
        memory.is_none_or(|memory| memory < MOST_MEMORY),
        "{memory:?}"
    );
}
