//! Captures of the kinds that people have: what is read of them, and that the oracle loses nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tracecodec::compile::CompileConfig;
use tracecodec::oracle::Proof;
use tracecodec::pcap::{Format, Reader, Timestamp, Writer};
use tracecodec::wire::{self, Headers, Transport};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(name)
}

/// Takes a capture through the oracle, which must lose nothing, and writes it to `output`. Returns
/// the payload lengths of the packets in scope.
fn oracle(input: &Path, output: &Path) -> Vec<u32> {
    let mut reader = Reader::open(input).unwrap();
    let mut writer = Writer::create(output, Format::of_path(output)).unwrap();
    let mut proof = Proof::new(CompileConfig::default());
    let mut lengths = Vec::new();
    while let Some(packet) = reader.next() {
        let packet = packet.unwrap();
        lengths.extend(wire::parse(&packet).map(|headers| headers.payload_len));
        if let Some((output, loss)) = proof.step(&packet) {
            assert_eq!(loss, None);
            writer.write(&output).unwrap();
        }
    }
    writer.finish().unwrap();
    lengths
}

/// Times of a capture's packets.
fn times(path: &Path) -> Vec<Timestamp> {
    let mut reader = Reader::open(path).unwrap();
    let mut times = Vec::new();
    while let Some(packet) = reader.next() {
        times.push(packet.unwrap().time);
    }
    times
}

#[test]
fn test_netfilter_log_and_process_tap_hold_a_tcp_connection() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["nflog.pcap", "pktap.pcap"] {
        let output = folder.path().join(name);
        let lengths = oracle(&case(name), &output);
        assert_eq!(lengths, [0, 0, 0, 100, 0, 300, 0, 0, 0, 0], "{name}");
        let mut reader = Reader::open(&output).unwrap();
        while let Some(packet) = reader.next() {
            let Headers { transport, .. } = wire::parse(&packet.unwrap()).unwrap();
            assert!(matches!(transport, Transport::Tcp(_)));
        }
    }
}

#[test]
fn test_times_before_1970_survive_in_pcapng() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (
        case("year1960_tsoffset.pcapng"),
        folder.path().join("out.pcapng"),
    );
    oracle(&input, &output);
    assert_eq!(times(&input)[0], Timestamp(-315_619_199_999_000_000));
    assert_eq!(times(&output), times(&input));
}

/// What `tcpdump -vvv` prints of a capture; `None` if it is not installed.
fn tcpdump(capture: &Path) -> Option<String> {
    let output = Command::new("tcpdump")
        .args(["-nn", "-vvv", "-r"])
        .arg(capture)
        .output();
    match output {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(_) => {
            eprintln!("skipped: tcpdump is not installed");
            None
        }
    }
}

#[test]
fn test_tcpdump_reads_neighbor_discovery_and_inner_headers_whole() {
    let folder = tempfile::tempdir().unwrap();
    for (name, says) in [
        ("neighbor_discovery.pcap", "who has"),
        ("ipip.pcap", "proto unknown (253)"),
    ] {
        let output = folder.path().join(name);
        oracle(&case(name), &output);
        let Some(text) = tcpdump(&output) else { return };
        assert!(text.contains(says), "{text}");
        let faults = ["[|", "bad ", "(invalid)", "[ndp opt]"];
        assert!(!faults.iter().any(|fault| text.contains(fault)), "{text}");
    }
}

#[test]
fn test_tcpdump_finds_the_subtypes_of_multipath_tcp_in_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.pcap");
    oracle(&case("mptcp.pcap"), &output);
    let (Some(before), Some(after)) = (tcpdump(&case("mptcp.pcap")), tcpdump(&output)) else {
        return;
    };
    let subtypes = |text: &str| -> Vec<String> {
        let after_name = text.split("mptcp ").skip(1);
        let words = after_name.map(|rest| rest.split([' ', ',', ']']).take(2).collect::<Vec<_>>());
        words.map(|words| words.join(" ")).collect()
    };
    assert!(!subtypes(&before).is_empty());
    assert_eq!(subtypes(&after), subtypes(&before));
    assert!(!after.contains("bad opt"), "{after}");
}
