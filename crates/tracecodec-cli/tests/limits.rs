//! Files that are made to exhaust memory: the program stays below a gigabyte of address space and
//! says why it stopped (`docs/limits.md`).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use tracecodec::pcap::{Format, LinkType, Packet, Timestamp, Writer};

/// Address space of the program, in KiB.
const MEMORY: u64 = 1 << 20;

/// A block of a little-endian pcapng file.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (12 + body.len() as u32).to_le_bytes();
    [&kind.to_le_bytes(), &len, body, &len].concat()
}

/// The files, each as a hostile one.
fn files(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    let magic = [
        0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
    ];
    let section = block(0x0a0d_0d0a, &magic);
    let long = [6_u32.to_le_bytes(), 0xffff_fffc_u32.to_le_bytes()].concat();
    write("long.pcapng", &[&section[..], &long, &[0; 8]].concat());
    let largest = [6_u32.to_le_bytes(), (128_u32 << 20).to_le_bytes()].concat();
    write("largest.pcapng", &[&section[..], &largest].concat());
    let interfaces = block(1, &[1, 0, 0, 0, 0, 0, 0, 0]).repeat(1_000_000);
    write("interfaces.pcapng", &[section, interfaces].concat());

    // Two gigabytes of packets, a thousandth of that compressed.
    let path = folder.join("bomb.pcap.zst");
    let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
    let data = vec![0; 256 << 10];
    for second in 0..8_192 {
        let packet = Packet {
            time: Timestamp::new(second, 0),
            link: LinkType::RAW,
            wire_len: data.len() as u32,
            data: &data,
            ..Packet::default()
        };
        writer.write(&packet).unwrap();
    }
    writer.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 2 << 20);

    let length = (1_u64 << 30).to_le_bytes();
    write("header.safetensors", &[&length[..], b"{\"mu\":"].concat());
    write("arrays.json", &b"[".repeat(1_000_000));
    write("objects.json", &b"{\"format\":".repeat(1_000_000));
    // Networks of a million times a million weights.
    fs::create_dir(folder.join("model")).unwrap();
    let config = r#"{"width": 4096, "encoder_blocks": 64, "decoder_blocks": 64}"#;
    let codec = format!(
        r#"{{"schema_version": 2, "weights_blake3": "", "config": {config}, "option_profiles": []}}"#
    );
    write("model/model.json", codec.as_bytes());
    write("model/weights.safetensors", &[0; 100]);
}

fn run(folder: &Path, line: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_tracecodec");
    Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY}; exec {program} {line}")])
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn test_hostile_files_are_refused_in_little_memory() {
    let folder = TempDir::new().unwrap();
    files(folder.path());
    for (line, code, says) in [
        ("inspect long.pcapng", 2, "its length cannot be"),
        ("inspect largest.pcapng", 2, "cut off"),
        ("inspect interfaces.pcapng", 2, "more than 65536 interfaces"),
        ("inspect bomb.pcap.zst", 0, ""),
        ("check bomb.pcap.zst", 1, ""),
        ("lift bomb.pcap.zst -o out.parquet", 0, ""),
        ("roundtrip bomb.pcap.zst out.pcap --oracle", 0, ""),
        (
            "decode header.safetensors -o out.pcap",
            2,
            "header.safetensors",
        ),
        (
            "report arrays.json -o out.html",
            2,
            "arrays.json: not an evaluation",
        ),
        ("merge objects.json", 2, "objects.json: not an evaluation"),
        (
            "train bomb.pcap.zst -o out --config objects.json",
            2,
            "not a training configuration",
        ),
        ("compile arrays.json -o out.pcap", 2, "not a Parquet file"),
        ("generator sequences . -o out", 2, "no shards there"),
        (
            "encode bomb.pcap.zst -o out.safetensors --model model",
            2,
            "more weights than there are",
        ),
        ("report /dev/zero -o out.html", 2, "more than 256 MiB"),
        ("decode /dev/zero -o out.pcap", 2, "more than 256 MiB"),
    ] {
        let output = run(folder.path(), line);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {told}");
        assert!(told.contains(says), "{line}: {told}");
        assert!(code != 2 || told.contains("hint: "), "{line}: {told}");
    }
}
