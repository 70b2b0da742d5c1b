//! Disks that are full, inputs that fail, vanish or grow, kills and races: whatever goes wrong,
//! nothing half-written has a final name, and the exit code says so.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Verbs that write, each with its arguments. `OUT` is the beginning of the output's name.
const VERBS: &[&str] = &[
    "lift in.pcap -o OUT.parquet",
    "compile a.parquet -o OUT.pcap",
    "compile a.parquet -o OUT.pcapng.zst",
    "compile a.parquet --split-flows OUT",
    "roundtrip in.pcap OUT.pcap --oracle",
    "roundtrip in.pcap OUT.pcap.gz --no-refine",
    "roundtrip captures OUT --oracle",
    "encode in.pcap -o OUT.safetensors --no-refine",
    "decode z.safetensors -o OUT.pcap",
    "generate --from-silence --packets 500 -o OUT.pcap",
    "shard in.pcap -o OUT --packets 100",
    "flows in.pcap -o OUT.log",
    "flows in.pcap -o OUT.parquet",
    "evaluate in.pcap in.pcap -o OUT.json",
    "merge e.json -o OUT.json",
    "report e.json -o OUT.html --markdown OUT.md --latex OUT.tex --svg OUT",
    "generator sequences shards -o OUT",
    "baseline oracle in.pcap OUT.pcap",
    "probe in.pcap --packets 50 --svg OUT.svg",
];

/// Trainings: a kill leaves a checkpoint, which `cli` tests.
const TRAININGS: &[&str] = &[
    "train in.pcap -o OUT --config codec.json --steps 2",
    "generator train sequences -o OUT --config generator.json --steps 2",
    "baseline train shards --model goggle -o OUT --steps 2",
];

/// Whether a name is that of what a killed run leaves: a temporary file, or a note that it has not
/// ended.
fn is_unfinished(name: &str) -> bool {
    name.contains(".part") || name.ends_with("incomplete.txt") || name.starts_with(".tracecodec-")
}

/// A folder with the inputs of all verbs.
fn inputs() -> TempDir {
    let folder = TempDir::new().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap");
    let place = |name: &str| folder.path().join(name);
    // The header and the first records: a capture that is cut, and read leniently.
    fs::write(place("cut.pcap"), &fs::read(example).unwrap()[..80_000]).unwrap();
    fs::create_dir(place("captures")).unwrap();
    let codec = r#"{"codec": {"d_latent": 4, "width": 8, "encoder_blocks": 1},
        "train": {"batch": 16, "micro_batch": 16, "validations": 1, "validation_packets": 16}}"#;
    fs::write(place("codec.json"), codec).unwrap();
    let generator = r#"{"network": {"layers": 1, "width": 8, "heads": 1, "prefix": 8, "suffix": 8},
        "train": {"batch": 2, "micro_batch": 1, "validations": 1, "validation_windows": 2}}"#;
    fs::write(place("generator.json"), generator).unwrap();
    for line in [
        "roundtrip cut.pcap in.pcap --oracle --lenient",
        "roundtrip cut.pcap captures/a.pcap --oracle --lenient",
        "roundtrip cut.pcap captures/b.pcap --oracle --lenient --salt 1",
        "lift in.pcap -o a.parquet",
        "encode in.pcap -o z.safetensors --no-refine",
        "shard in.pcap -o shards --packets 100",
        "generator sequences shards -o sequences",
        "evaluate in.pcap in.pcap -o e.json",
    ] {
        let output = run(&folder, line);
        assert_eq!(code(&output), 0, "{line}: {}", told(&output));
    }
    folder
}

fn command(folder: &TempDir, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracecodec"));
    command
        .current_dir(folder)
        .args(line.split_whitespace())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn run(folder: &TempDir, line: &str) -> Output {
    command(folder, line).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit code of a program that was not killed; it never panics.
fn code(output: &Output) -> i32 {
    assert!(!told(output).contains("panicked"), "{}", told(output));
    output.status.code().unwrap()
}

/// Files below a folder by their paths within it, but for what is unfinished.
fn finished(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if is_unfinished(name.to_str().unwrap()) {
            continue;
        }
        if path.is_dir() {
            found.extend(
                finished(&path)
                    .into_iter()
                    .map(|(within, bytes)| (name.join(within), bytes)),
            );
        } else {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

/// Runs a line undisturbed, into the folder `NAME`. Returns what it wrote, and how long it took.
fn undisturbed(folder: &TempDir, line: &str, name: &str) -> (BTreeMap<PathBuf, Vec<u8>>, Duration) {
    let place = folder.path().join(name);
    let _ = fs::remove_dir_all(&place);
    fs::create_dir(&place).unwrap();
    let started = Instant::now();
    let output = run(folder, &line.replace("OUT", &format!("{name}/out")));
    assert_eq!(code(&output), 0, "{line}: {}", told(&output));
    let written = finished(&place);
    assert!(!written.is_empty(), "{line}");
    (written, started.elapsed())
}

/// Checks that every finished file below a folder is as an undisturbed run writes it.
fn check(line: &str, place: &Path, whole: &BTreeMap<PathBuf, Vec<u8>>) {
    for (name, bytes) in finished(place) {
        let expected = whole.get(&name).map(Vec::len);
        let is_whole = whole.get(&name) == Some(&bytes);
        let (name, len) = (name.display(), bytes.len());
        assert!(is_whole, "{line}: {name} has {len} bytes, not {expected:?}");
    }
}

/// Runs a line again after a run that was killed, and did what its hint says if it is refused.
fn again(folder: &TempDir, line: &str, place: &Path) -> Output {
    let output = run(folder, line);
    if told(&output).contains("--overwrite") {
        return run(folder, &format!("{line} --overwrite"));
    }
    // The kill came when the folder was whole, or nearly so.
    if told(&output).contains("empty folder") && !finished(place).is_empty() {
        fs::remove_dir_all(place.join("out")).unwrap();
        return run(folder, line);
    }
    output
}

/// A simple generator of times: the tests are the same each time.
fn share(number: u64) -> f64 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24)
}

#[test]
fn test_a_full_disk_leaves_nothing_half_written() {
    let folder = inputs();
    let mounts = "unshare -rm mount -t tmpfs -o size=4k none /tmp".split(' ');
    let mounts: Vec<_> = mounts.collect();
    let has_mounts = Command::new(mounts[0]).args(&mounts[1..]).status();
    let has_mounts = has_mounts.is_ok_and(|status| status.success());
    if !has_mounts {
        eprintln!("skipped: full disks, since nothing can be mounted; files have a limit instead");
    }
    for line in VERBS.iter().chain(TRAININGS) {
        let (whole, _) = undisturbed(&folder, line, "whole");
        for kilobytes in [4, 16, 64] {
            let [disk, left] = ["disk", "left"].map(|name| folder.path().join(name));
            for place in [&disk, &left] {
                let _ = fs::remove_dir_all(place);
                fs::create_dir(place).unwrap();
            }
            let arguments = line.replace("OUT", "disk/out");
            let program = env!("CARGO_BIN_EXE_tracecodec");
            let script = if has_mounts {
                format!(
                    "mount -t tmpfs -o size={kilobytes}k none disk && {program} {arguments}; \
                     code=$?; cp -a disk/. left; exit $code"
                )
            } else {
                // Units of 512 bytes; without the signal, writing fails.
                let limit = 2 * kilobytes;
                format!(
                    "trap '' XFSZ; ulimit -f {limit}; {program} {arguments}; \
                     code=$?; cp -a disk/. left; exit $code"
                )
            };
            let shell: &[&str] = if has_mounts {
                &["unshare", "-rm", "sh", "-c"]
            } else {
                &["sh", "-c"]
            };
            let output = Command::new(shell[0])
                .args(&shell[1..])
                .arg(script)
                .current_dir(&folder)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            if code(&output) == 0 {
                assert_eq!(finished(&left), whole, "{line}");
                continue;
            }
            assert_eq!(code(&output), 2, "{line}: {}", told(&output));
            let cause = if has_mounts { "space" } else { "large" };
            let names = told(&output).contains("disk") && told(&output).contains(cause);
            assert!(names, "{line}: {}", told(&output));
            if VERBS.contains(line) {
                check(line, &left, &whole);
            }
        }
    }
}

#[test]
fn test_a_killed_run_leaves_nothing_half_written_and_can_be_run_again() {
    let folder = inputs();
    for (number, line) in (0..).zip(VERBS) {
        let (whole, taken) = undisturbed(&folder, line, "whole");
        for attempt in 0..3 {
            let place = folder.path().join("killed");
            let _ = fs::remove_dir_all(&place);
            fs::create_dir(&place).unwrap();
            let line = line.replace("OUT", "killed/out");
            let mut child = command(&folder, &line).spawn().unwrap();
            thread::sleep(taken.mul_f64(share(3 * number + attempt)));
            child.kill().unwrap();
            child.wait().unwrap();
            check(&line, &place, &whole);
            let output = again(&folder, &line, &place);
            assert_eq!(code(&output), 0, "{line}: {}", told(&output));
            assert_eq!(finished(&place), whole, "{line}");
        }
    }
}

#[test]
fn test_no_verb_needs_a_network() {
    let mut alone = Command::new("unshare");
    let alone = alone.args(["-rn", "true"]).status();
    if !alone.is_ok_and(|status| status.success()) {
        eprintln!("skipped: verbs without a network, since no namespace can be made");
        return;
    }
    let folder = inputs();
    for line in VERBS.iter().chain(TRAININGS) {
        let (whole, _) = undisturbed(&folder, line, "whole");
        let place = folder.path().join("alone");
        let _ = fs::remove_dir_all(&place);
        fs::create_dir(&place).unwrap();
        let line = line.replace("OUT", "alone/out");
        let output = Command::new("unshare")
            .args(["-rn", env!("CARGO_BIN_EXE_tracecodec")])
            .args(line.split(' '))
            .current_dir(&folder)
            .output()
            .unwrap();
        assert_eq!(code(&output), 0, "{line}: {}", told(&output));
        let names = |files: &BTreeMap<PathBuf, _>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&finished(&place)), names(&whole), "{line}");
    }
}

#[test]
fn test_two_runs_into_one_output_leave_one_of_them() {
    let folder = inputs();
    for line in VERBS {
        let (whole, _) = undisturbed(&folder, line, "whole");
        let place = folder.path().join("both");
        let _ = fs::remove_dir_all(&place);
        fs::create_dir(&place).unwrap();
        let line = line.replace("OUT", "both/out");
        let both = [(); 2].map(|()| command(&folder, &line).spawn().unwrap());
        let both = both.map(|child| child.wait_with_output().unwrap());
        let codes = both.each_ref().map(code);
        let is_sound = codes.iter().all(|code| matches!(code, 0 | 2));
        assert!(is_sound, "{line}: {codes:?}");
        check(&line, &place, &whole);
        if codes.contains(&0) {
            assert_eq!(finished(&place), whole, "{line}");
        }
    }
}

#[test]
fn test_an_output_on_a_closed_pipe_is_success_or_refused() {
    let folder = inputs();
    for line in VERBS {
        let line = line.split(" --markdown").next().unwrap();
        let (start, _) = line.split_once("OUT").unwrap();
        let mut child = command(&folder, &format!("{start}-"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let is_refused = code(&output) == 2 && !told(&output).contains("roken pipe");
        let message = told(&output);
        assert!(code(&output) == 0 || is_refused, "{line}: {message}");
        assert!(!folder.path().join("-").exists(), "{line}");
    }
}

#[test]
fn test_inputs_that_cannot_be_read_are_failures() {
    let folder = inputs();
    fs::create_dir(folder.path().join("locked")).unwrap();
    fs::copy(
        folder.path().join("in.pcap"),
        folder.path().join("locked/a.pcap"),
    )
    .unwrap();
    let locked = fs::Permissions::from_mode(0o000);
    fs::set_permissions(folder.path().join("locked"), locked).unwrap();
    // The superuser may read everything: without that capability, it may not.
    let without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    let is_root = fs::read_dir(folder.path().join("locked")).is_ok();
    let can_drop = Command::new(without[0])
        .args([without[1], "true"])
        .status()
        .is_ok_and(|status| status.success());
    if is_root && !can_drop {
        eprintln!("skipped: folders that may not be read, since the superuser may read them all");
    }
    let program = env!("CARGO_BIN_EXE_tracecodec");
    for line in [
        "inspect IN",
        "check IN",
        "verify IN",
        "events IN",
        "lift IN -o out.parquet",
        "encode IN -o out.safetensors",
        "shard IN -o out",
        "flows IN -o out.log",
        "roundtrip IN out --oracle",
        "roundtrip IN out",
        "evaluate IN IN",
        "compile IN -o out.pcap",
        "decode IN -o out.pcap",
        "report IN -o out.html",
        "merge IN -o out.json",
        "train IN -o out",
        "generate --packets 5 --prefix IN -o out.pcap",
        "generator sequences IN -o out",
    ] {
        let before = finished(folder.path());
        // A folder that may not be read, a file in it, a name that leads nowhere, and a file of
        // which no byte can be read.
        for input in ["locked", "locked/a.pcap", "nowhere", "/proc/self/mem"] {
            if input.starts_with("locked") && is_root && !can_drop {
                continue;
            }
            let line = line.replace("IN", input);
            let prefix: &[&str] = if is_root && can_drop { &without } else { &[] };
            let words = prefix.iter().copied().chain([program]);
            let words: Vec<&str> = words.chain(line.split(' ')).collect();
            let output = Command::new(words[0])
                .args(&words[1..])
                .current_dir(&folder)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert_eq!(code(&output), 2, "{line}: {}", told(&output));
            let is_named = told(&output).contains(input.split('/').next_back().unwrap());
            assert!(is_named, "{line}: {}", told(&output));
        }
        assert_eq!(finished(folder.path()), before, "{line}");
    }
}

#[test]
fn test_folders_that_vanish_and_files_that_grow_end_in_success_or_failure() {
    let folder = inputs();
    let capture = fs::read(folder.path().join("in.pcap")).unwrap();
    for (number, line) in (0..).zip(VERBS) {
        let (_, taken) = undisturbed(&folder, line, "whole");
        let place = folder.path().join("vanishing");
        let _ = fs::remove_dir_all(&place);
        fs::create_dir(&place).unwrap();
        let child = command(&folder, &line.replace("OUT", "vanishing/out"))
            .spawn()
            .unwrap();
        thread::sleep(taken.mul_f64(share(number)));
        let _ = fs::remove_dir_all(&place);
        let output = child.wait_with_output().unwrap();
        let message = told(&output);
        assert!(matches!(code(&output), 0 | 2), "{line}: {message}");
        // Packets are appended while it reads.
        if !line.contains("in.pcap") {
            continue;
        }
        fs::create_dir_all(&place).unwrap();
        fs::write(folder.path().join("growing.pcap"), &capture).unwrap();
        let mut growing = fs::File::options()
            .append(true)
            .open(folder.path().join("growing.pcap"))
            .unwrap();
        let line = line.replace("in.pcap", "growing.pcap");
        let mut child = command(&folder, &line.replace("OUT", "vanishing/grown"))
            .spawn()
            .unwrap();
        for _ in 0..100 {
            growing.write_all(&capture[24..]).unwrap();
            if child.try_wait().unwrap().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let output = child.wait_with_output().unwrap();
        let message = told(&output);
        assert!(matches!(code(&output), 0 | 2), "{line}: {message}");
    }
}

/// A library that goes before C's: behind the first half of the file of the environment variable
/// `FAILING`, reading fails as from a bad disk.
const FAILING_READS: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t read(int fd, void *bytes, size_t count) {
    ssize_t (*whole)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    char link[64], path[4096];
    struct stat file;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0 && fstat(fd, &file) == 0) {
        path[length] = 0;
        if (strcmp(path, getenv("FAILING")) == 0) {
            off_t left = file.st_size / 2 - lseek(fd, 0, SEEK_CUR);
            if (left <= 0) {
                errno = EIO;
                return -1;
            }
            if (count > (size_t)left) count = left;
        }
    }
    return whole(fd, bytes, count);
}
"#;

#[test]
#[cfg(target_os = "linux")]
fn test_a_read_that_fails_in_the_middle_is_a_failure_with_the_name_of_the_file() {
    let folder = inputs();
    let place = |name: &str| folder.path().join(name);
    fs::write(place("failing.c"), FAILING_READS).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o", "failing.so", "failing.c", "-ldl"])
        .current_dir(&folder)
        .status();
    assert!(compiled.unwrap().success());
    let shard = fs::read_dir(place("shards/train")).unwrap().next().unwrap();
    let shard = shard.unwrap().path();
    let only_read = [
        "inspect in.pcap",
        "check in.pcap",
        "events in.pcap",
        "verify in.pcap",
    ];
    for line in only_read.iter().chain(VERBS).chain(TRAININGS) {
        let input = |word: &str| match word {
            "captures" => Some(place("captures/a.pcap")),
            "shards" => Some(shard.clone()),
            "sequences" => Some(place("sequences/train.safetensors")),
            _ => Some(place(word)).filter(|path| path.is_file()),
        };
        // `generate` reads nothing.
        let arguments = line.trim_start_matches("generator sequences ");
        let Some(failing) = arguments.split(' ').find_map(input) else {
            continue;
        };
        let _ = fs::remove_dir_all(place("failed"));
        fs::create_dir(place("failed")).unwrap();
        let output = command(&folder, &line.replace("OUT", "failed/out"))
            .env("LD_PRELOAD", place("failing.so"))
            .env("FAILING", fs::canonicalize(&failing).unwrap())
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        let message = told(&output) + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(code(&output), 2, "{line}: {message}");
        let name = failing.file_name().unwrap().to_str().unwrap();
        assert!(message.contains(name), "{line}: {message}");
        if VERBS.contains(line) {
            let (whole, _) = undisturbed(&folder, line, "whole");
            check(line, &place("failed"), &whole);
        }
    }
}
