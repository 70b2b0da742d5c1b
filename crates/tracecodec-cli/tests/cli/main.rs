//! The program as a user meets it: output, exit codes, and what is left on disk.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

mod continuation;
mod evaluation;
mod experiment;
mod generate;
mod learned;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tracecodec::pcap::{Format, Packet, Reader, Writer};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../data")
        .join(name)
}

fn tracecodec() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracecodec"));
    command.env("NO_COLOR", "1");
    command
}

/// Runs the program with these arguments, separated by spaces, in a folder that holds
/// `example.pcap`.
fn run(folder: &TempDir, line: &str) -> Output {
    let example = folder.path().join("example.pcap");
    if !example.exists() {
        fs::copy(data("example.pcap"), example).unwrap();
    }
    tracecodec()
        .current_dir(folder)
        .args(line.split_whitespace())
        .output()
        .unwrap()
}

/// Exit code, stdout and stderr in one text.
fn told(output: &Output) -> String {
    format!(
        "exit {}\n{}--\n{}",
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn succeed(folder: &TempDir, line: &str) -> Output {
    let output = run(folder, line);
    assert!(output.status.success(), "{line}: {}", told(&output));
    output
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Names of all files in the folder but the example.
fn files(folder: &TempDir) -> Vec<String> {
    let mut names = names(folder.path());
    names.retain(|name| name != "example.pcap");
    names
}

/// What lies in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn test_inspect() {
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!(told(&run(&folder, "inspect example.pcap")));
}

#[test]
fn test_inspect_json() {
    let folder = TempDir::new().unwrap();
    let inspection = json(&succeed(&folder, "inspect example.pcap --json"));
    assert_eq!(inspection["packets_read"], 4000);
    assert_eq!(inspection["complete"], true);
}

/// Writes the packets of the example in IP in IPv4, as `tunnelled.pcap`.
fn tunnelled(folder: &TempDir) {
    let mut reader = Reader::open(data("example.pcap")).unwrap();
    let path = folder.path().join("tunnelled.pcap");
    let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
    while let Some(packet) = reader.next() {
        let packet = packet.unwrap();
        let [high, low] = (20 + packet.wire_len as u16).to_be_bytes();
        let proto = if packet.data[0] >> 4 == 4 { 4 } else { 41 };
        let outer = [
            [0x45, 0, high, low, 0, 1, 0, 0, 9, proto],
            [0, 0, 192, 0, 2, 1, 192, 0, 2, 2],
        ];
        let data = [outer.as_flattened(), packet.data].concat();
        let wire_len = 20 + packet.wire_len;
        let packet = Packet {
            wire_len,
            data: &data,
            ..packet
        };
        writer.write(&packet).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn test_inspect_counts_tunnels() {
    let folder = TempDir::new().unwrap();
    tunnelled(&folder);
    let lines = [
        "inspect tunnelled.pcap",
        "inspect tunnelled.pcap --tunnels inner",
    ];
    let told: Vec<_> = lines
        .map(|line| format!("$ tracecodec {line}\n{}", told(&run(&folder, line))))
        .into();
    insta::assert_snapshot!(told.join("\n"));
    let inspection = json(&succeed(&folder, "inspect tunnelled.pcap --json"));
    let tunnels = serde_json::json!({"4in4": 2356, "6in4": 1644});
    assert_eq!(inspection["tunnels"], tunnels);
}

#[test]
fn test_what_tunnels_carry_is_read_as_if_it_were_alone() {
    let folder = TempDir::new().unwrap();
    tunnelled(&folder);
    let lines = |capture: &str, tunnels: &str| {
        let line = format!("{capture}.pcap {tunnels}");
        succeed(
            &folder,
            &format!("roundtrip {line} {capture}-out.pcap --oracle --anonymous"),
        );
        succeed(
            &folder,
            &format!("lift {line} -o {capture}.parquet --keep hosts"),
        );
        succeed(
            &folder,
            &format!("shard {line} -o {capture}-shards --packets 500"),
        );
        succeed(&folder, &format!("verify {line}"));
        ["events", "flows -o -"].map(|verb| succeed(&folder, &format!("{verb} {line}")).stdout)
    };
    assert_eq!(lines("tunnelled", "--tunnels inner"), lines("example", ""));
    let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(bytes("tunnelled-out.pcap"), bytes("example-out.pcap"));
    let shards = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&bytes(&format!("{name}-shards/manifest.json"))).unwrap()
    };
    let (within, alone) = (shards("tunnelled"), shards("example"));
    assert_eq!(within["totals"], alone["totals"]);
    let sizes = |manifest: &serde_json::Value| {
        let shards = manifest["shards"].as_array().unwrap();
        shards
            .iter()
            .map(|shard| shard["packets"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(sizes(&within), sizes(&alone));
    assert_eq!(within["sources"][0]["tunnels"], "inner");
    assert!(alone["sources"][0].get("tunnels").is_none());
    let line = "evaluate tunnelled.pcap example.pcap --tunnels inner --json";
    let metrics = &json(&succeed(&folder, line))["metrics"];
    for metric in ["packet_size_pct", "flow_count_pct", "tcp_event_pp"] {
        assert_eq!(metrics[metric], 0.0, "{metric}");
    }
}

/// A capture of one TCP situation.
fn vector(folder: &TempDir, name: &str) {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tracecodec/tests/vectors");
    fs::copy(vectors.join(name), folder.path().join(name)).unwrap();
}

#[test]
fn test_events() {
    let folder = TempDir::new().unwrap();
    vector(&folder, "T3_fast_19ms_2dup.pcap");
    vector(&folder, "CO4_cut_retransmission.pcap");
    let lines = [
        "events T3_fast_19ms_2dup.pcap",
        "events T3_fast_19ms_2dup.pcap --counts",
        "events CO4_cut_retransmission.pcap",
        "events CO4_cut_retransmission.pcap --judge-cut",
        "events T3_fast_19ms_2dup.pcap CO4_cut_retransmission.pcap --judge-cut",
        "events missing.pcap",
        "events - --analyzer tshark",
        "events T3_fast_19ms_2dup.pcap --analyzer both --sort",
    ];
    let told: Vec<_> = lines
        .map(|line| format!("$ tracecodec {line}\n{}", told(&run(&folder, line))))
        .into();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn test_flows() {
    let folder = TempDir::new().unwrap();
    vector(&folder, "T3_fast_19ms_2dup.pcap");
    let lines = [
        "flows T3_fast_19ms_2dup.pcap -o -",
        "flows T3_fast_19ms_2dup.pcap -o conn.parquet",
        "flows T3_fast_19ms_2dup.pcap -o conn.txt",
        "flows T3_fast_19ms_2dup.pcap -o - --json",
    ];
    let told: Vec<_> = lines
        .map(|line| format!("$ tracecodec {line}\n{}", told(&run(&folder, line))))
        .into();
    insta::assert_snapshot!(told.join("\n"));
    assert!(files(&folder).contains(&"conn.parquet".to_string()));
}

#[test]
fn test_split_flows() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "lift example.pcap -o a.parquet");
    succeed(&folder, "compile a.parquet --split-flows flows");
    let flows = names(&folder.path().join("flows"));
    assert_eq!(flows.len(), 98);
    assert_eq!(flows[0], "000001-tcp.pcapng");
    succeed(&folder, "compile a.parquet -o whole.pcapng");
    let packets = |line: &str| json(&succeed(&folder, line))["packets_read"].as_u64();
    let each = flows
        .iter()
        .map(|name| packets(&format!("inspect flows/{name} --json")));
    let sum: Option<u64> = each.sum();
    assert_eq!(sum, packets("inspect whole.pcapng --json"));
    for line in [
        "compile a.parquet --split-flows flows",
        "compile a.parquet --split-flows other --us",
        "compile a.parquet --split-flows other -o b.pcap",
        "compile a.parquet",
    ] {
        assert_eq!(run(&folder, line).status.code(), Some(2), "{line}");
    }
    assert!(!folder.path().join("other").exists());
}

#[test]
fn test_events_json() {
    let folder = TempDir::new().unwrap();
    let events = json(&succeed(&folder, "events example.pcap --json"));
    let capture = &events["captures"][0];
    let frames = capture["frames"].as_array().unwrap();
    assert_eq!(capture["with_events"], frames.len());
    let with = |name: &str| {
        let names = frames
            .iter()
            .map(|frame| frame["events"].as_array().unwrap());
        names
            .filter(|names| names.iter().any(|each| each == name))
            .count()
    };
    for (name, count) in capture["fields"].as_object().unwrap() {
        assert_eq!(count, with(name), "{name}");
    }
    let counts = json(&succeed(&folder, "events example.pcap --json --counts"));
    assert_eq!(counts["captures"][0]["fields"], capture["fields"]);
    assert!(counts["captures"][0].get("frames").is_none());
}

#[test]
fn test_events_of_a_cut_capture() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(data("example.pcap")).unwrap();
    fs::write(folder.path().join("cut.pcap"), &whole[..100_000]).unwrap();
    let strict = run(&folder, "events cut.pcap");
    let lenient = run(&folder, "events cut.pcap --lenient");
    assert_eq!(strict.status.code(), Some(2), "{}", told(&strict));
    assert_eq!(lenient.status.code(), Some(0), "{}", told(&lenient));
    assert!(!strict.stdout.is_empty() && strict.stdout == lenient.stdout);
}

#[test]
fn test_events_by_both_analyzers() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: tshark is not installed");
        return;
    }
    let folder = TempDir::new().unwrap();
    let native = succeed(&folder, "events example.pcap");
    let tshark = succeed(&folder, "events example.pcap --analyzer tshark");
    assert!(native.stdout == tshark.stdout);
    let both = told(&succeed(&folder, "events example.pcap --analyzer both"));
    assert!(both.contains("0 mismatches with TShark"), "{both}");
    // Damage that both read up to is no mismatch.
    let whole = fs::read(data("example.pcap")).unwrap();
    fs::write(folder.path().join("cut.pcap"), &whole[..100_000]).unwrap();
    let cut = told(&succeed(&folder, "events cut.pcap --analyzer both"));
    assert!(cut.contains("damaged: cut.pcap"), "{cut}");
}

#[test]
fn test_cut_capture_tells_what_came_before_the_cut() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(data("example.pcap")).unwrap();
    fs::write(folder.path().join("cut.pcap"), &whole[..10_000]).unwrap();
    insta::assert_snapshot!("cut", told(&run(&folder, "inspect cut.pcap")));
    let lenient = run(&folder, "inspect cut.pcap --lenient");
    assert_eq!(lenient.status.code(), Some(0), "{}", told(&lenient));
    assert!(String::from_utf8_lossy(&lenient.stderr).starts_with("warning: "));
}

#[test]
fn test_bad_input() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("empty.pcap"), "").unwrap();
    fs::write(folder.path().join("text.pcap"), "Dear diary,\n".repeat(20)).unwrap();
    fs::write(
        folder.path().join("old.pcap"),
        [0xd4, 0xc3, 0xb2, 0xa1, 1, 0, 4, 0].repeat(4),
    )
    .unwrap();
    let told: Vec<_> = ["missing.pcap", "empty.pcap", "text.pcap", "old.pcap"]
        .map(|name| told(&run(&folder, &format!("inspect {name}"))))
        .into();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn test_failure_leaves_an_older_output_untouched() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(data("example.pcap")).unwrap();
    fs::write(folder.path().join("cut.pcap"), &whole[..10_000]).unwrap();
    fs::write(folder.path().join("out.pcap"), "older").unwrap();
    let output = run(&folder, "roundtrip --oracle cut.pcap out.pcap");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        fs::read_to_string(folder.path().join("out.pcap")).unwrap(),
        "older"
    );
    assert_eq!(files(&folder), ["cut.pcap", "out.pcap"]);
}

#[test]
fn test_output_that_cannot_be_written() {
    let folder = TempDir::new().unwrap();
    let nowhere = run(&folder, "roundtrip --oracle example.pcap nowhere/out.pcap");
    assert_eq!(nowhere.status.code(), Some(2), "{}", told(&nowhere));
    assert!(told(&nowhere).contains("nowhere"));
    let full = run(&folder, "roundtrip --oracle example.pcap /dev/full");
    assert_eq!(full.status.code(), Some(2), "{}", told(&full));
    assert!(
        told(&full).contains("/dev/full") && told(&full).contains("space"),
        "{}",
        told(&full)
    );
}

#[test]
fn test_oracle_is_the_same_in_one_step_and_in_two() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "lift example.pcap -o actions.parquet");
    succeed(&folder, "compile actions.parquet -o two.pcap");
    succeed(&folder, "roundtrip --oracle example.pcap one.pcap");
    succeed(&folder, "roundtrip --oracle example.pcap again.pcap");
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    assert!(read("one.pcap") == read("two.pcap"));
    assert!(read("one.pcap") == read("again.pcap"));
    assert_eq!(
        files(&folder),
        [
            "actions.parquet",
            "actions.parquet.json",
            "again.pcap",
            "one.pcap",
            "two.pcap"
        ]
    );
}

#[test]
fn test_output_does_not_take_the_place_of_the_input() {
    let folder = TempDir::new().unwrap();
    let output = run(&folder, "roundtrip --oracle example.pcap ./example.pcap");
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(
        fs::read(folder.path().join("example.pcap")).unwrap()
            == fs::read(data("example.pcap")).unwrap()
    );
}

#[test]
fn test_verify_of_what_is_not_there() {
    let folder = TempDir::new().unwrap();
    assert_eq!(run(&folder, "verify example.pcap").status.code(), Some(0));
    assert_eq!(
        run(&folder, "verify example.pcap nowhere").status.code(),
        Some(2)
    );
}

#[cfg(unix)]
#[test]
fn test_verify_of_applications_reports_what_is_not_there_and_what_fails() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    fs::copy(data("example.pcap"), folder.path().join("example.pcap")).unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let program = |name: &str, script: &str| {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(
        "tcptrace",
        "[ \"$1\" = -v ] && echo version 6 && exit; echo broken >&2; exit 3",
    );
    // Takes the first flow of the input for TLS, which the output does not hold.
    program(
        "ndpiReader",
        "[ \"$1\" = -h ] && echo nDPI 4 && exit
         echo '#protocol,first_seen,src_ip,src_port,dst_ip,dst_port,ndpi_proto' > \"$6\"
         echo '6,1795506033.741,10.10.0.79,27311,10.20.0.38,443,TLS.Google' >> \"$6\"",
    );
    let verify = |json: &[&str]| {
        let output = tracecodec()
            .current_dir(&folder)
            .env("PATH", &bin)
            .args(["verify", "--applications", "example.pcap"])
            .args(json)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        output
    };
    let table = told(&verify(&[]));
    for line in [
        "tshark     not installed",
        "ndpiReader nDPI 4",
        "tcptrace failed on example.pcap: exit status: 3: broken",
    ] {
        assert!(table.contains(line), "{table}");
    }
    let row = table.lines().find(|line| line.starts_with("https/tcp"));
    assert!(
        row.is_some_and(|row| row.ends_with("0/1             -")),
        "{table}"
    );
    let found = json(&verify(&["--json"]));
    let lost = &found["captures"][0]["applications"]["lost"][0];
    assert_eq!(lost["was"], serde_json::json!(["TLS"]));
    assert_eq!(lost["original"][0], "10.20.0.38:443");
}

#[test]
fn test_table_of_verify_fits_long_names() {
    let folder = TempDir::new().unwrap();
    let name = format!("{}.pcap", "long-".repeat(20));
    fs::copy(data("example.pcap"), folder.path().join(&name)).unwrap();
    let output = succeed(&folder, &format!("verify example.pcap {name}"));
    let table = String::from_utf8(output.stdout).unwrap();
    let widths: Vec<_> = table.lines().take(3).map(str::len).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
}

#[test]
fn test_shard_names_the_settings_that_were_used() {
    let folder = TempDir::new().unwrap();
    let wide = told(&succeed(
        &folder,
        "shard example.pcap -o wide --seconds 1000",
    ));
    assert!(wide.contains("warning: no shard for validation"), "{wide}");
    assert!(wide.contains("hint: a smaller number of --seconds makes more shards"));
    for line in [
        "shard example.pcap -o shards --split 80,x,10,10",
        "shard example.pcap -o -",
        "shard example.pcap -o example.pcap",
    ] {
        let refused = run(&folder, line);
        assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    }
    let again = told(&run(&folder, "shard example.pcap -o wide"));
    assert!(again.contains("hint: --overwrite replaces them"), "{again}");
    assert_eq!(files(&folder), ["wide"]);
}

#[test]
fn test_check() {
    let folder = TempDir::new().unwrap();
    spoil(&folder);
    insta::assert_snapshot!(told(&run(&folder, "check example.pcap bad.pcap cut.pcap")));
    let lenient = run(&folder, "check cut.pcap --lenient");
    assert_eq!(lenient.status.code(), Some(0), "{}", told(&lenient));
    assert_eq!(run(&folder, "check nowhere").status.code(), Some(2));
}

#[test]
fn test_check_json() {
    let folder = TempDir::new().unwrap();
    spoil(&folder);
    let output = run(&folder, "check bad.pcap example.pcap --json");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let checked = json(&output);
    assert_eq!(checked["clean"], false);
    let [bad, example] = &checked["captures"].as_array().unwrap()[..] else {
        panic!("two captures");
    };
    assert_eq!(bad["errors"], 1);
    let fault = &bad["faults"][0];
    assert_eq!(
        (&fault["count"], &fault["first"][0]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&example["packets"], &example["errors"]),
        (&4000.into(), &0.into())
    );
}

#[test]
fn test_check_with_tools() {
    let folder = TempDir::new().unwrap();
    spoil(&folder);
    succeed(&folder, "roundtrip --oracle example.pcap out.pcap.zst");
    let clean = json(&succeed(&folder, "check out.pcap.zst --tools --json"));
    let bad = json(&run(&folder, "check bad.pcap --tools --json"));
    for (tool, version) in clean["tools"].as_object().unwrap() {
        let verdict = |checked: &serde_json::Value| {
            let opinions = checked["captures"][0]["tools"].as_array().unwrap();
            let mut opinions = opinions.iter();
            opinions.find(|opinion| opinion["tool"] == **tool).unwrap()["verdict"].clone()
        };
        if version.is_null() {
            eprintln!("skipped: {tool} is not installed");
            assert_eq!(verdict(&clean), "not_installed");
            continue;
        }
        assert_eq!(verdict(&clean), "clean", "{tool}");
        if ["tshark", "tcpdump"].contains(&&tool[..]) {
            assert_eq!(verdict(&bad), "complaints", "{tool}");
        }
    }
    let told_of_bad = told(&run(&folder, "check bad.pcap --tools"));
    assert!(!told_of_bad.contains("1 complaints"), "{told_of_bad}");
    assert!(!told_of_bad.contains(".\n"), "{told_of_bad}");
    let piped = run(&folder, "check - --tools");
    assert_eq!(piped.status.code(), Some(2), "{}", told(&piped));
}

#[test]
fn test_check_of_what_is_no_capture() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("text.pcap"), "Dear diary,\n".repeat(20)).unwrap();
    fs::write(folder.path().join("snoop.cap"), b"snoop\0\0\0".repeat(4)).unwrap();
    let mixed = folder.path().join("mixed");
    fs::create_dir(&mixed).unwrap();
    fs::copy(data("example.pcap"), mixed.join("a.pcap")).unwrap();
    fs::copy(folder.path().join("snoop.cap"), mixed.join("b.cap")).unwrap();
    fs::create_dir(folder.path().join("none")).unwrap();
    fs::write(folder.path().join("none/text"), "Dear diary,\n").unwrap();
    let lines = [
        "check snoop.cap",
        "check snoop.cap --lenient",
        "check snoop.cap --json",
        "check example.pcap text.pcap",
        "check mixed",
        "check mixed --lenient",
        "check mixed mixed/b.cap",
        "check none",
        "check text.pcap snoop.cap",
    ];
    let told: Vec<_> = lines
        .map(|line| format!("$ tracecodec {line}\n{}", told(&run(&folder, line))))
        .into();
    insta::assert_snapshot!("check_no_capture", told.join("\n"));
    let checked = json(&run(&folder, "check mixed --json"));
    assert_eq!(
        (&checked["clean"], &checked["unreadable"]),
        (&false.into(), &1.into())
    );
    let why = checked["captures"][1]["unreadable"].as_str().unwrap();
    assert!(why.contains("snoop"), "{why}");
}

#[test]
fn test_stdin_is_read_once() {
    let folder = TempDir::new().unwrap();
    for command in ["check", "events"] {
        let twice = run(&folder, &format!("{command} - -"));
        assert_eq!(twice.status.code(), Some(2), "{}", told(&twice));
        assert!(told(&twice).contains("- is stdin, and can be named once"));
    }
}

#[test]
fn test_help_tells_tools_exit_codes_and_lines() {
    let folder = TempDir::new().unwrap();
    let check = told(&succeed(&folder, "check --help"));
    for word in ["tshark", "suricata", "Exit codes: 0"] {
        assert!(check.contains(word), "{check}");
    }
    let events = told(&succeed(&folder, "events --help"));
    assert!(events.contains("frame.number") && events.contains("== FILE"));
    assert!(!events.contains("[default: 0]"), "{events}");
}

/// Captures beside the example: one whose first packet has another time to live than its checksum
/// covers, and one cut short.
fn spoil(folder: &TempDir) {
    succeed(folder, "roundtrip --oracle example.pcap bad.pcap");
    let path = folder.path().join("bad.pcap");
    let mut bytes = fs::read(&path).unwrap();
    // Behind the file header, the record header and the Ethernet header lies IPv4.
    let ip = 24 + 16 + 14;
    assert_eq!(bytes[ip], 0x45);
    bytes[ip + 8] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let whole = fs::read(data("example.pcap")).unwrap();
    fs::write(folder.path().join("cut.pcap"), &whole[..10_000]).unwrap();
}

#[test]
fn test_salt_chooses_other_endpoints() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "roundtrip --oracle example.pcap a.pcap --salt 1");
    succeed(&folder, "roundtrip --oracle example.pcap b.pcap --salt 2");
    let [a, b] = ["a.pcap", "b.pcap"].map(|name| fs::read(folder.path().join(name)).unwrap());
    assert!(a.len() == b.len() && a != b);
}

#[test]
fn test_pipes() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "roundtrip --oracle example.pcap file.pcap");
    let mut child = tracecodec()
        .args(["roundtrip", "--oracle", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed =
        std::thread::spawn(move || stdin.write_all(&fs::read(data("example.pcap")).unwrap()));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(output.stdout == fs::read(folder.path().join("file.pcap")).unwrap());
}

#[test]
fn test_broken_pipe_is_success() {
    let mut child = tracecodec()
        .args(["roundtrip", "--oracle"])
        .arg(data("train/crowd.pcap.zst"))
        .arg("-")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

#[test]
fn test_json_and_output_on_stdout_exclude_each_other() {
    let folder = TempDir::new().unwrap();
    let output = run(&folder, "roundtrip --oracle example.pcap - --json");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn test_actions_of_another_schema_version() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "lift example.pcap -o actions.parquet");
    let path = folder.path().join("actions.parquet");
    let mut bytes = fs::read(&path).unwrap();
    let key = b"tracecodec.schema_version";
    let at = bytes
        .windows(key.len())
        .position(|window| window == key)
        .unwrap();
    // Thrift: the value's field header and its length come between the key and its one digit.
    let digit = at
        + key.len()
        + bytes[at + key.len()..]
            .iter()
            .position(u8::is_ascii_digit)
            .unwrap();
    bytes[digit] = b'7';
    fs::write(&path, bytes).unwrap();
    let output = run(&folder, "compile actions.parquet -o out.pcap");
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("schema"), "{}", told(&output));
}

#[test]
fn test_times_out_of_range_do_not_stop_the_output() {
    let folder = TempDir::new().unwrap();
    let mut capture = fs::read(data("example.pcap")).unwrap();
    // The first packet's seconds, in the record after the file header.
    capture[24..28].copy_from_slice(&[0; 4]);
    fs::write(folder.path().join("jump.pcap"), capture).unwrap();
    succeed(&folder, "roundtrip --oracle jump.pcap out.pcap");
}

#[test]
fn test_usage_errors_exit_with_2() {
    let folder = TempDir::new().unwrap();
    for line in [
        "",
        "roundtrip example.pcap",
        "inspect",
        "lift example.pcap -o x.parquet --slots 0",
        "roundtrip example.pcap out.pcap --oracle --no-refine",
        "roundtrip example.pcap out.pcap --oracle --unconstrained",
        "audit example.pcap example.pcap --shadows 3",
    ] {
        assert_eq!(run(&folder, line).status.code(), Some(2), "{line}");
    }
}

/// A filter's fault is pointed at, and the forms of a time are named.
#[test]
fn test_bad_selections_say_what_to_write() {
    let folder = TempDir::new().unwrap();
    let output = tracecodec()
        .args(["inspect", "x.pcap", "--filter", "tcp prot 80"])
        .output()
        .unwrap();
    let text = told(&output);
    let pointed =
        "column 5 of the filter: expected `and` or `or`, found `prot`\ntcp prot 80\n    ^\n";
    assert!(text.contains(pointed), "{text}");
    for flag in ["--from", "--to", "--epoch"] {
        let line = format!("roundtrip example.pcap out.pcap --oracle {flag} yesterday");
        let text = told(&run(&folder, &line));
        assert!(text.starts_with("exit 2"), "{text}");
        for form in ["RFC 3339", "seconds since the epoch", "+SECONDS"] {
            assert!(text.contains(form), "{flag}: {text}");
        }
    }
}

#[test]
fn test_negative_times_need_no_equals_sign() {
    let folder = TempDir::new().unwrap();
    let line = "roundtrip example.pcap out.pcapng --oracle --from -5 --to -1.5 --epoch -60";
    let text = told(&succeed(&folder, line));
    assert!(text.contains("0 of 0 packets in 0 flows"), "{text}");
}

#[test]
fn test_one_packet_is_singular_and_no_packet_has_no_accuracy() {
    let folder = TempDir::new().unwrap();
    let line = |first: u64| {
        let line = format!("roundtrip example.pcap out-{first}.pcap --first {first}");
        told(&succeed(&folder, &line))
    };
    let one = line(1);
    assert!(one.contains("1 of 1 packet in 1 flow; accuracy"), "{one}");
    let none = line(0);
    assert!(none.contains("0 of 0 packets in 0 flows"), "{none}");
    assert!(!none.contains("accuracy"), "{none}");
}

#[test]
fn test_models_and_settings_that_are_nearly_right_are_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("c.json"), r#"{"train": {"seed": "x"}}"#).unwrap();
    let lines = [
        (
            "encode example.pcap -o z.safetensors --model builtin",
            "did you mean built-in?",
        ),
        (
            "report --training built-in -o r.html",
            "its training is not built in",
        ),
        (
            "train example.pcap -o model --config c.json",
            "train.seed: invalid type",
        ),
    ];
    for (line, text) in lines {
        let output = run(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(told(&output).contains(text), "{}", told(&output));
    }
    assert_eq!(files(&folder), ["c.json"]);
}

#[test]
fn test_help_names_every_command() {
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!("help", told(&succeed(&folder, "--help")));
    for shell in ["bash", "zsh", "fish"] {
        assert!(told(&succeed(&folder, &format!("completions {shell}"))).contains("roundtrip"));
    }
    assert!(told(&succeed(&folder, "man")).contains("tracecodec\\-roundtrip"));
}
