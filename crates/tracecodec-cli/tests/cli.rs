//! The program as a user meets it: output, exit codes, and what is left on disk.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

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

/// Runs the program with these arguments, separated by spaces, in a folder that holds `example.pcap`.
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
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != "example.pcap");
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

/// Captures beside the example: one whose first packet has another time to live than its checksum covers, and one cut short.
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
fn test_model_of_another_schema_version_and_damaged_models() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in ["model.json", "weights.safetensors"] {
        fs::copy(data("default-model").join(file), model.join(file)).unwrap();
    }
    let text = fs::read_to_string(model.join("model.json")).unwrap();
    let line = "roundtrip example.pcap out.pcap --model model --no-refine";
    fs::write(
        model.join("model.json"),
        text.replace("\"schema_version\": 1", "\"schema_version\": 999"),
    )
    .unwrap();
    let other = told(&run(&folder, line));
    assert!(
        other.starts_with("exit 2") && other.contains("999") && other.contains("hint"),
        "{other}"
    );
    fs::write(model.join("model.json"), &text).unwrap();
    let weights = fs::read(model.join("weights.safetensors")).unwrap();
    fs::write(
        model.join("weights.safetensors"),
        &weights[..weights.len() / 2],
    )
    .unwrap();
    let cut = told(&run(&folder, line));
    assert!(
        cut.starts_with("exit 2") && cut.contains("weights.safetensors"),
        "{cut}"
    );
    assert!(
        told(&run(
            &folder,
            "roundtrip example.pcap out.pcap --model nowhere"
        ))
        .contains("nowhere")
    );
    assert_eq!(files(&folder), ["model"]);
}

#[test]
fn test_shards_train_encode_decode() {
    let folder = TempDir::new().unwrap();
    let table = succeed(&folder, "shard example.pcap -o shards --packets 100");
    insta::assert_snapshot!("shards", told(&table));
    let refused = run(&folder, "shard example.pcap -o shards");
    assert_eq!(refused.status.code(), Some(2));
    succeed(&folder, "train shards -o model --steps 20 --seed 3");
    let encoded = json(&succeed(
        &folder,
        "encode example.pcap --model model -o z.safetensors --no-refine --json",
    ));
    assert_eq!(encoded["packets"], 4000);
    succeed(
        &folder,
        "decode z.safetensors --model model -o decoded.pcap",
    );
    succeed(
        &folder,
        "decode z.safetensors --model model -o decoded.parquet",
    );
    succeed(&folder, "compile decoded.parquet -o compiled.pcap");
    succeed(
        &folder,
        "roundtrip example.pcap roundtrip.pcap --model model --no-refine",
    );
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    assert!(read("decoded.pcap") == read("compiled.pcap"));
    assert!(read("decoded.pcap") == read("roundtrip.pcap"));
    let inspection = json(&succeed(&folder, "inspect decoded.pcap --json"));
    assert_eq!(
        (&inspection["packets_read"], &inspection["actions"]),
        (&4000.into(), &4000.into())
    );
    for foreign in [
        "decode z.safetensors -o x.pcap --model nowhere",
        "decode z.safetensors -o x.pcap",
    ] {
        assert_eq!(run(&folder, foreign).status.code(), Some(2), "{foreign}");
    }
    for refused in [
        "train shards -o model --steps 2",
        "train shards -o shards --steps 2",
    ] {
        assert_eq!(run(&folder, refused).status.code(), Some(2), "{refused}");
    }
    // Latents of one's own come without a manifest.
    fs::remove_file(folder.path().join("z.safetensors.json")).unwrap();
    succeed(&folder, "decode z.safetensors --model model -o own.pcap");
    succeed(
        &folder,
        "lift example.pcap --profiles-of model -o own.parquet",
    );
    succeed(
        &folder,
        "encode own.parquet --model model --no-refine -o own.safetensors",
    );
    let shard = folder.path().join("shards/train/shard-00000.pcapng");
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let changed = told(&run(&folder, "train shards -o other --steps 2"));
    assert!(
        changed.starts_with("exit 2") && changed.contains("shard-00000"),
        "{changed}"
    );
    assert!(!folder.path().join("other").exists());
}

#[test]
fn test_train_on_any_mix() {
    let folder = TempDir::new().unwrap();
    let settings = r#"{"codec": {"d_latent": 8, "width": 16, "encoder_blocks": 1},
        "train": {"batch": 64, "micro_batch": 32, "validations": 1, "shuffle_pool": 2048}}"#;
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    succeed(&folder, "lift example.pcap -o lifted.parquet");
    succeed(&folder, "shard example.pcap -o shards --packets 400");
    let train = |data: &str, output: &str| {
        let line = format!("train {data} --config settings.json --steps 70 --json -o {output}");
        let summary = json(&succeed(&folder, &line));
        let packets = ["training_packets", "validation_packets"];
        packets.map(|name| summary[name].as_u64().unwrap())
    };
    // What a killed lift left behind is in nobody's way.
    fs::create_dir_all(folder.path().join("a/actions.part/left")).unwrap();
    assert_eq!(train("example.pcap", "a"), [3600, 400]);
    assert_eq!(train("lifted.parquet", "b"), [3600, 400]);
    let weights = |name: &str| fs::read(folder.path().join(name).join("weights.safetensors"));
    assert!(weights("a").unwrap() == weights("b").unwrap());
    let shards = train("shards", "c");
    let mix = train("lifted.parquet shards example.pcap", "d");
    assert_eq!(mix, [7200 + shards[0], 800 + shards[1]]);
    assert!(!folder.path().join("d/actions.part").exists());

    fs::write(folder.path().join("bad.parquet"), "no actions").unwrap();
    let refused = told(&run(&folder, "train example.pcap bad.parquet -o e"));
    assert!(
        refused.contains("bad.parquet: not a Parquet file") && refused.contains("hint:"),
        "{refused}"
    );
    assert!(!folder.path().join("e").exists());
}

#[test]
fn test_built_in_model_brings_the_example_back() {
    let folder = TempDir::new().unwrap();
    let summary = json(&succeed(
        &folder,
        "roundtrip example.pcap decoded.pcap --json",
    ));
    assert!(
        summary["codec"]["action_accuracy"].as_f64().unwrap() > 0.99,
        "{summary}"
    );
    let inspection = json(&succeed(&folder, "inspect decoded.pcap --json"));
    assert_eq!(inspection["actions"], 4000);
}

#[test]
fn test_sample_of_the_latents() {
    let folder = TempDir::new().unwrap();
    for (name, seed) in [("a", 7), ("b", 7), ("c", 8)] {
        let line = format!("encode example.pcap --no-refine -o {name}.safetensors --sample {seed}");
        succeed(&folder, &line);
        succeed(
            &folder,
            &format!("decode {name}.safetensors --sample -o {name}.pcap"),
        );
    }
    succeed(&folder, "decode a.safetensors -o means.pcap");
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    assert!(read("a.safetensors") == read("b.safetensors"));
    assert!(read("a.safetensors") != read("c.safetensors"));
    assert!(read("a.pcap") == read("b.pcap") && read("a.pcap") != read("means.pcap"));
    let manifest: serde_json::Value = serde_json::from_slice(&read("c.safetensors.json")).unwrap();
    assert_eq!(manifest["sample_seed"], 8);
    assert_eq!(manifest["entropy"], serde_json::Value::Null);

    succeed(&folder, "encode example.pcap --no-refine -o d.safetensors");
    let refused = told(&run(&folder, "decode d.safetensors --sample -o d.pcap"));
    assert!(
        refused.contains("no tensor `sample`") && refused.contains("hint:"),
        "{refused}"
    );
}

#[test]
fn test_entropy_beside_the_rate() {
    let folder = TempDir::new().unwrap();
    let trip = json(&succeed(
        &folder,
        "roundtrip example.pcap out.pcap --no-refine --entropy --json",
    ));
    let encoded = json(&succeed(
        &folder,
        "encode example.pcap --no-refine -o z.safetensors --entropy --json",
    ));
    assert_eq!(trip["codec"]["entropy"], encoded["entropy"]);
    let nats = |key| encoded["entropy"][key].as_f64().unwrap();
    let most = 4000.0_f64.ln();
    assert!(nats("plug_in") > most - 1.0 && nats("plug_in") <= most);
    assert!(nats("code_length") > nats("plug_in") && nats("code_length") < 50.0);
}

#[test]
fn test_probe() {
    let folder = TempDir::new().unwrap();
    let probe = json(&succeed(
        &folder,
        "probe example.pcap --packets 64 --seed 3 --svg dims.svg --json",
    ));
    assert_eq!((&probe["packets"], &probe["seed"]), (&64.into(), &3.into()));
    assert_eq!(probe["noise"].as_array().unwrap().len(), 5);
    assert_eq!(probe["dimensions"].as_array().unwrap().len(), 64);
    let changed = &probe["dimensions"][0]["moves"][2]["changed"];
    assert!(changed["delta_t"].is_f64(), "{changed}");
    let drawing = fs::read_to_string(folder.path().join("dims.svg")).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.contains(">l4_payload_len</text>"));

    let settings = r#"{"codec": {"d_latent": 4, "width": 16, "encoder_blocks": 1}}"#;
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    succeed(
        &folder,
        "train example.pcap --config settings.json --steps 2 -o model",
    );
    let line = "probe example.pcap --model model --packets 64";
    let text = told(&succeed(&folder, line));
    for part in [
        "noise (sigma)",
        "from a packet to any other: 64 pairs",
        "a step of 2 changes",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let refused = told(&run(&folder, "probe example.pcap --packets 1"));
    assert!(
        refused.contains("too few packets") && refused.contains("hint:"),
        "{refused}"
    );
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
    ] {
        assert_eq!(run(&folder, line).status.code(), Some(2), "{line}");
    }
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

/// A capture with every third packet of the example left out.
fn thinned(folder: &TempDir, name: &str) {
    let example = fs::read(data("example.pcap")).unwrap();
    let (mut thinned, mut at, mut number) = (example[..24].to_vec(), 24, 0);
    while at < example.len() {
        let captured = u32::from_le_bytes(example[at + 8..at + 12].try_into().unwrap()) as usize;
        let end = at + 16 + captured;
        if number % 3 != 0 {
            thinned.extend(&example[at..end]);
        }
        (at, number) = (end, number + 1);
    }
    fs::write(folder.path().join(name), thinned).unwrap();
}

#[test]
fn test_evaluate() {
    let folder = TempDir::new().unwrap();
    thinned(&folder, "thinned.pcap");
    insta::assert_snapshot!(told(&run(&folder, "evaluate example.pcap thinned.pcap")));
}

#[test]
fn test_evaluate_the_oracle() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "roundtrip --oracle example.pcap out.pcapng.gz");
    let line = "evaluate example.pcap out.pcapng.gz --json --label oracle -o e.json";
    let evaluation = json(&succeed(&folder, line));
    let written = fs::read(folder.path().join("e.json")).unwrap();
    assert_eq!(
        evaluation,
        serde_json::from_slice::<serde_json::Value>(&written).unwrap()
    );
    assert_eq!(evaluation["label"], "oracle");
    assert_eq!(evaluation["dataset"], "example");
    assert_eq!(evaluation["reference"], evaluation["decoded"]);
    for (key, value) in evaluation["metrics"].as_object().unwrap() {
        if key.ends_with("_pp") || key.ends_with("_tv") {
            assert_eq!(value, 0.0, "{key}");
        }
    }
}

#[test]
fn test_both_analysers_give_one_evaluation() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: no tshark");
        return;
    }
    let folder = TempDir::new().unwrap();
    thinned(&folder, "thinned.pcap");
    let line = "evaluate --json example.pcap thinned.pcap --analyzer";
    let mut native = json(&succeed(&folder, &format!("{line} native")));
    let mut tshark = json(&succeed(&folder, &format!("{line} tshark")));
    assert_eq!(native["analyzer"].take(), "native");
    assert!(
        tshark["analyzer"]
            .take()
            .as_str()
            .unwrap()
            .contains("Shark")
    );
    assert_eq!(native, tshark);
    assert_ne!(native["metrics"]["tcp_event_pp"], 0.0);
}

#[test]
fn test_folders_merge_to_the_same_in_any_parts() {
    let folder = TempDir::new().unwrap();
    thinned(&folder, "thinned.pcap");
    for part in ["a", "b"] {
        fs::create_dir_all(folder.path().join(format!("reference/{part}"))).unwrap();
        fs::create_dir_all(folder.path().join(format!("decoded/{part}"))).unwrap();
    }
    let copy = |from: &str, to: &str| fs::copy(folder.path().join(from), folder.path().join(to));
    succeed(&folder, "roundtrip --oracle example.pcap out.pcap.zst");
    copy("example.pcap", "reference/a/1.pcap").unwrap();
    copy("thinned.pcap", "reference/b/2.pcap").unwrap();
    copy("thinned.pcap", "decoded/a/1.pcap").unwrap();
    copy("out.pcap.zst", "decoded/b/2.pcap.zst").unwrap();
    // Not a capture.
    fs::write(folder.path().join("reference/manifest.json"), "{}").unwrap();

    let whole = json(&succeed(&folder, "evaluate reference decoded --json"));
    succeed(&folder, "evaluate reference/a decoded/a -o a.json");
    succeed(&folder, "evaluate reference/b decoded/b -o b.json");
    let mut merged = json(&succeed(
        &folder,
        "merge b.json a.json --label decoded --dataset reference --json",
    ));
    assert_eq!(whole["reference"]["captures"], 2);
    assert_eq!(whole["cases"][0]["name"], "a/1");
    // Within their own folders the names are shorter.
    assert_eq!(merged["cases"][0]["name"], "1");
    merged["cases"][0]["name"] = "a/1".into();
    merged["cases"][1]["name"] = "b/2".into();
    assert_eq!(merged, whole);

    fs::remove_file(folder.path().join("decoded/b/2.pcap.zst")).unwrap();
    fs::write(folder.path().join("text.json"), "Dear diary").unwrap();
    fs::create_dir(folder.path().join("twins")).unwrap();
    copy("example.pcap", "twins/1.pcap").unwrap();
    copy("example.pcap", "twins/1.cap").unwrap();
    let bad = [
        "evaluate reference decoded",
        "evaluate reference twins",
        "evaluate reference reference -o reference/a/1.pcap",
        "evaluate example.pcap example.pcap -o ./example.pcap",
        "evaluate example.pcap example.pcap -o nowhere/e.json",
        "evaluate - -",
        "merge a.json b.json -o b.json",
        "merge a.json a.json",
        "merge example.pcap",
        "evaluate decoded reference",
        "evaluate example.pcap decoded",
        "merge a.json text.json",
    ];
    let told: Vec<_> = bad.map(|line| told(&run(&folder, line))).into();
    insta::assert_snapshot!(told.join("\n"));
}

/// Two evaluations of the example: of what the Oracle makes, and of the example against itself, in the folder.
fn evaluations(folder: &TempDir) {
    succeed(folder, "roundtrip --oracle example.pcap oracle.pcap");
    succeed(
        folder,
        "evaluate example.pcap oracle.pcap --label Oracle -o a.json",
    );
    succeed(
        folder,
        "evaluate example.pcap example.pcap --label a_b&c -o b.json",
    );
}

#[test]
fn test_report() {
    let folder = TempDir::new().unwrap();
    evaluations(&folder);
    let made = run(
        &folder,
        "report a.json b.json -o page.html --svg svg --markdown tables.md --latex tables.tex",
    );
    assert_eq!(
        told(&made),
        "exit 0\n--\npage.html: 2 evaluations of 1 dataset, 4 figures\n"
    );
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let page = text("page.html");
    assert!(page.contains("a_b&amp;c") && !page.contains("{{"));
    insta::assert_snapshot!("report_markdown", text("tables.md"));
    insta::assert_snapshot!("report_latex", text("tables.tex"));
    let mut figures: Vec<_> = fs::read_dir(folder.path().join("svg"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    figures.sort();
    assert_eq!(
        figures,
        [
            "example-fig-e2-temporal.svg",
            "example-fig3-protocol-state.svg",
            "example-fig4-transitions.svg",
            "example-fig5-interleaving.svg"
        ]
    );
    // The same again, byte by byte.
    succeed(&folder, "report a.json b.json -o again.html");
    assert_eq!(page, text("again.html"));
}

#[test]
fn test_report_of_what_is_no_evaluation() {
    let folder = TempDir::new().unwrap();
    evaluations(&folder);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("cut.json", "{\"format\": \"tracecodec-evaluation\", \"ver");
    write(
        "other.json",
        "{\"format\": \"tracecodec-shards\", \"version\": 1}",
    );
    write(
        "later.json",
        "{\"format\": \"tracecodec-evaluation\", \"version\": 99}",
    );
    fs::write(folder.path().join("bytes.json"), [0xff, 0xfe]).unwrap();
    let lines = [
        "report cut.json -o page.html",
        "report other.json -o page.html",
        "report later.json -o page.html",
        "report a.json a.json -o page.html",
        "report a.json -o a.json",
        "report a.json -o - --json",
        "report a.json -o page.html --markdown page.html",
        "report a.json -o page.html.gz",
        "report a.json -o page.html --svg svg --latex nowhere/tables.tex",
        "report bytes.json -o page.html",
    ];
    let told: Vec<_> = lines.map(|line| told(&run(&folder, line))).into();
    insta::assert_snapshot!("report_bad_input", told.join("\n"));
    assert!(!folder.path().join("page.html").exists());
    assert!(!folder.path().join("svg").exists());
}

/// Folders of two trainings that never were, in the folder: `models/long` with twelve validations, `models/a_b&c` with three.
fn trainings(folder: &TempDir) {
    for (name, validations) in [("models/long", 12), ("models/a_b&c", 3)] {
        let path = folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        let validation = |number: u32| {
            let rest = 0.5_f64.powi(number as i32);
            serde_json::json!({
                "step": 100 * number, "loss": 1.0 + 8.0 * rest, "fields": 8.0 * rest, "time": 0.01 * rest, "kl": 100.0 + 64.0 * rest,
                "accuracy": 1.0 - 0.1 * rest, "exact": 1.0 - rest, "training_loss": 2.0 + 16.0 * rest,
            })
        };
        let lines = (1..=validations).map(|number| format!("{}\n", validation(number)));
        fs::write(path.join("history.jsonl"), lines.collect::<String>()).unwrap();
        let manifest = serde_json::json!({
            "format": "tracecodec.training", "version": 1, "tool": "tracecodec", "schema_version": 1,
            "codec": {}, "training": {"batch": 256}, "option_profiles": [], "training_packets": 90_000, "validation_packets": 10_000,
            "steps": 100 * validations, "best": validation(validations), "weights_blake3": "",
        });
        fs::write(path.join("manifest.json"), manifest.to_string()).unwrap();
    }
}

#[test]
fn test_report_of_trainings() {
    let folder = TempDir::new().unwrap();
    trainings(&folder);
    let line =
        "report --training models/long models/a_b&c/ -o page.html --svg svg --markdown tables.md";
    let made = run(&folder, line);
    assert_eq!(
        told(&made),
        "exit 0\n--\npage.html: 2 trainings, 1 figure\n"
    );
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let page = text("page.html");
    assert!(page.contains("<title>TraceCodec: Training</title>") && !page.contains("{{"));
    assert!(page.contains("models/a_b&amp;c: from 5 nats to 2 nats"));
    assert!(text("svg/training-learning-curves.svg").contains("models/a_b&amp;c"));
    insta::assert_snapshot!("report_of_trainings_markdown", text("tables.md"));
    // Behind evaluations, in a section of its own.
    evaluations(&folder);
    let line = "report a.json --training models/long -o both.html --json";
    let both = json(&succeed(&folder, line));
    assert_eq!(
        (&both["evaluations"], &both["trainings"]),
        (&1.into(), &1.into())
    );
    let page = text("both.html");
    assert!(page.find("<section id=\"example\">") < page.find("<section id=\"training\">"));
}

#[test]
fn test_report_of_what_is_no_training() {
    let folder = TempDir::new().unwrap();
    trainings(&folder);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for name in ["empty", "unfinished", "cut", "other"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let copy = |file: &str, to: &str| {
        let models = folder.path().join("models/long");
        fs::copy(models.join(file), folder.path().join(to).join(file)).unwrap()
    };
    copy("history.jsonl", "unfinished");
    copy("history.jsonl", "other");
    copy("manifest.json", "cut");
    write(
        "other/manifest.json",
        "{\"format\": \"tracecodec-shards\", \"version\": 1}",
    );
    write("cut/history.jsonl", "{\"step\": 800, \"lo");
    let lines = [
        "example.pcap",
        "nowhere",
        "empty",
        "unfinished",
        "other",
        "cut",
        "models/long models/long/",
    ];
    let told: Vec<_> = lines
        .map(|line| {
            told(&run(
                &folder,
                &format!("report -o page.html --training {line}"),
            ))
        })
        .into();
    insta::assert_snapshot!("report_bad_training", told.join("\n"));
    assert!(!folder.path().join("page.html").exists());
}

#[test]
fn test_report_of_names_that_are_long_empty_or_command_terminals() {
    let folder = TempDir::new().unwrap();
    evaluations(&folder);
    let text = fs::read(folder.path().join("b.json")).unwrap();
    let named = |file: &str, label: &str, dataset: &str| {
        let mut other: serde_json::Value = serde_json::from_slice(&text).unwrap();
        other["label"] = label.into();
        other["dataset"] = dataset.into();
        other["reference"]["bytes"] = label.len().into();
        fs::write(folder.path().join(file), other.to_string()).unwrap();
    };
    let long = "x".repeat(400);
    named("c.json", "one", &long);
    named("d.json", "other", &format!("{long}y"));
    named("e.json", "\u{1b}[31mred\nline", "");
    named("f.json", "", "");
    let made = succeed(
        &folder,
        "report c.json d.json e.json f.json -o page.html --svg svg --markdown t.md --latex t.tex",
    );
    assert!(told(&made).contains("warning: unnamed: unnamed was evaluated on another reference"));
    assert_eq!(fs::read_dir(folder.path().join("svg")).unwrap().count(), 12);
    let name = format!("svg/{}-2-fig4-transitions.svg", "x".repeat(60));
    assert!(folder.path().join(name).exists());
    for text in ["page.html", "t.md", "t.tex"] {
        let text = fs::read_to_string(folder.path().join(text)).unwrap();
        assert!(text.contains("\u{fffd}[31mred line") || text.contains("\u{fffd}\\[31mred line"));
        assert!(!text.contains('\u{1b}') && !told(&made).contains('\u{1b}'));
    }
}

#[test]
fn test_report_warns_of_other_references() {
    let folder = TempDir::new().unwrap();
    evaluations(&folder);
    let text = fs::read(folder.path().join("b.json")).unwrap();
    let mut other: serde_json::Value = serde_json::from_slice(&text).unwrap();
    other["label"] = "other".into();
    other["reference"]["bytes"] = 1.into();
    fs::write(folder.path().join("c.json"), other.to_string()).unwrap();
    let output = succeed(&folder, "report a.json c.json -o page.html");
    assert!(told(&output).contains("warning: example: other was evaluated on another reference"));
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("<strong>Warning:</strong> other was evaluated"));
}

#[test]
fn test_killed_training_goes_on_to_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let settings = r#"{"codec": {"d_latent": 8, "width": 16, "encoder_blocks": 1},
        "train": {"batch": 64, "micro_batch": 32, "validations": 40, "validation_packets": 64}}"#;
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    let line = "train example.pcap --config settings.json --steps 400 -o";
    succeed(&folder, &format!("{line} whole"));
    let mut killed = tracecodec()
        .current_dir(&folder)
        .args(format!("{line} parts").split_whitespace())
        .spawn()
        .unwrap();
    let checkpoint = folder.path().join("parts/checkpoint.safetensors");
    while !checkpoint.exists() {
        assert!(killed.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(folder.path().join("parts/actions.part").exists());

    let refused = told(&run(&folder, &format!("{line} parts")));
    assert!(refused.contains("--resume goes on with it"), "{refused}");
    succeed(&folder, &format!("{line} parts --resume"));
    let files = |name: &str| {
        let mut names: Vec<_> = fs::read_dir(folder.path().join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        let file = |path: PathBuf| {
            (
                path.file_name().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        };
        names.into_iter().map(file).collect::<Vec<_>>()
    };
    assert_eq!(files("parts"), files("whole"));
    let card = fs::read_to_string(folder.path().join("whole/MODEL_CARD.md")).unwrap();
    assert!(card.contains("| example.pcap | 4,000 |"), "{card}");
    let ended = told(&run(&folder, &format!("{line} parts --resume")));
    assert!(ended.contains("no checkpoint there"), "{ended}");
}

#[test]
fn test_folders_go_round() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("in/a")).unwrap();
    let copy = |to: &str| fs::copy(data("example.pcap"), folder.path().join(to)).unwrap();
    copy("in/a/1.pcap");
    copy("in/2.pcap");
    fs::write(folder.path().join("in/README"), "captures").unwrap();
    let told_of = told(&succeed(&folder, "roundtrip --oracle in out"));
    assert!(
        told_of.contains("left out, since no capture: in/README"),
        "{told_of}"
    );
    let whole = succeed(&folder, "evaluate in out --json");
    let evaluation = json(&whole);
    assert_eq!(evaluation["reference"], evaluation["decoded"]);
    assert_eq!(evaluation["reference"]["captures"], 2);
    // Each by itself: the two outputs are those of one capture.
    succeed(&folder, "roundtrip --oracle example.pcap alone.pcap");
    for name in ["out/a/1.pcap", "out/2.pcap"] {
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert!(read(name) == read("alone.pcap"), "{name}");
    }
    let again = told(&run(&folder, "roundtrip --oracle in out"));
    assert!(again.contains("not an empty folder"), "{again}");
    let listed = json(&succeed(&folder, "roundtrip --oracle in new --json"));
    assert_eq!(listed["captures"][1]["output"], "new/a/1.pcap");
}
