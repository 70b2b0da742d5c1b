//! Filters select what `tcpdump -r` selects, and no text or packet makes them fail.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::collection::vec;
use proptest::prelude::*;
use tracecodec::pcap::{Format, LINK_TYPES, LinkType, Packet, Reader, Timestamp, Writer};
use tracecodec::select::Filter;

/// Expressions of every primitive, of what joins them, and of what libpcap is known to do its own
/// way.
const EXPRESSIONS: &[&str] = &[
    "",
    "ip",
    "ip6",
    "not ip and not ip6 and not arp",
    "tcp",
    "udp or sctp or igmp",
    "not tcp",
    "icmp",
    "icmp6",
    "ip or icmp6 and less 100",
    "port 80",
    "not port 53",
    "tcp port 80 or 443",
    "src port 53 or dst port 443",
    "src and dst port 123",
    "udp src or dst portrange 1024-5000",
    "portrange 443-80 and not (port 80 or 443)",
    "host 192.168.1.1 or 10.0.0.1 or 10.0.0.2 or 127.0.0.1",
    "src host 192.168.1.2 or dst 192.168.1.1",
    "net 10.0.0.0/8",
    "ip src net 192.168 or dst net 10",
    "src and dst net 192.168.0.0 mask 255.255.0.0",
    "not src net 0.0.0.0/1",
    "net 0.0.0.0/0",
    "ip6 host ::1 or fe80::1",
    "net fe80::/10",
    "not net 2001::/16",
    "ip6 net ::/0",
    "vlan",
    "not vlan",
    "vlan and tcp",
    "vlan 100 or vlan 10 and ip",
    "vlan and vlan and ip",
    "ip or vlan and ip or ip6",
    "vlan or host 10.0.0.1 or udp",
    "less 60",
    "greater 1000",
    "tcp and greater 200 and not (net 192.168.0.0/16 or port 443)",
    "!(udp&&port 53)||tcp dst portrange 1-1023",
    "arp host 192.168.1.1 or arp net 10.0.0.0/8",
    "not not (tcp or not (udp and port not (53 or 5353)))",
];

/// Rare link types that tcpdump filters and our filter does not: SLIP, by a byte that is no
/// version; the headers of ARCNET, ATM, PFLOG and IPNET; Juniper's and BACnet's, whose every packet
/// it takes for both IPv4 and IPv6.
const OTHERWISE: &[u16] = &[7, 8, 19, 117, 129, 132, 137, 164, 165, 178, 226];

/// Captures below a folder, sorted.
fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(captures(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Writes the packets of all captures into one capture a link type; their times number them.
fn gather(captures: &[PathBuf], folder: &Path) -> BTreeMap<LinkType, PathBuf> {
    let mut writers: BTreeMap<LinkType, (Writer, i64, PathBuf)> = BTreeMap::new();
    for path in captures {
        let Ok(mut reader) = Reader::open(path) else {
            continue;
        };
        while let Some(Ok(packet)) = reader.next() {
            let (writer, number, _) = writers.entry(packet.link).or_insert_with(|| {
                let path = folder.join(format!("{}.pcap", packet.link.0));
                let writer = Writer::create(&path, Format::of_path(&path)).unwrap();
                (writer, 0, path)
            });
            let mut data = packet.data.to_vec();
            // Loopback of big-endian hosts, which tcpdump recognises by the byte order of the file.
            if packet.link == LinkType::NULL && data.starts_with(&[0, 0]) {
                data[..4].reverse();
            }
            let packet = Packet {
                time: Timestamp::new(*number, 0),
                data: &data,
                ..packet
            };
            writer.write(&packet).unwrap();
            *number += 1;
        }
    }
    let finish = |(link, (writer, _, path)): (LinkType, (Writer, i64, PathBuf))| {
        writer.finish().unwrap();
        (link, path)
    };
    writers.into_iter().map(finish).collect()
}

/// Numbers of the packets in a capture that [`gather`] wrote.
fn numbers(path: &Path, filter: Option<&Filter>) -> Vec<i64> {
    let mut reader = Reader::open(path).unwrap();
    let mut numbers = Vec::new();
    while let Some(packet) = reader.next() {
        let packet = packet.unwrap();
        if filter.is_none_or(|filter| filter.matches(&packet)) {
            numbers.push(packet.time.seconds());
        }
    }
    numbers
}

/// Numbers of the packets that tcpdump selects; none if it has no such filter for the link type.
fn tcpdump(capture: &Path, expression: &str, scratch: &Path) -> Option<Vec<i64>> {
    let output = File::create(scratch).unwrap();
    let ran = Command::new("tcpdump")
        .arg("-r")
        .arg(capture)
        .args(["-w", "-", expression])
        .stdout(output)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    if ran.status.success() {
        return Some(numbers(scratch, None));
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    if said.contains("expression rejects all packets") {
        return Some(Vec::new());
    }
    let is_unknown = ["not implemented", "no VLAN support", "unknown data link"]
        .iter()
        .any(|reason| said.contains(reason));
    assert!(is_unknown, "{expression}: {said}");
    None
}

#[test]
fn test_tcpdump_selects_the_same() {
    let Some(data) = common::data() else { return };
    if Command::new("tcpdump").arg("--version").output().is_err() {
        eprintln!("skipped: no tcpdump");
        return;
    }
    let mut files = Vec::new();
    for folder in ["real", "crafted", "fixture", "tcp-events", "../cases"] {
        let folder = data.join(folder);
        if folder.is_dir() {
            files.extend(captures(&folder));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("selected.pcap");
    let gathered = gather(&files, folder.path());
    assert!(gathered.len() > 20, "{gathered:?}");
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (link, path) in gathered
        .iter()
        .filter(|(link, _)| !OTHERWISE.contains(&link.0))
    {
        for expression in EXPRESSIONS {
            let Some(expected) = tcpdump(path, expression, &scratch) else {
                continue;
            };
            let selected = numbers(path, Some(&expression.parse().unwrap()));
            compared += 1;
            if selected != expected {
                let differs = std::iter::zip(&selected, &expected).position(|(a, b)| a != b);
                let at = differs.unwrap_or(selected.len().min(expected.len()));
                wrong.push(format!(
                    "{link}, `{expression}`: {} packets, tcpdump {}; first: {:?}, {:?}",
                    selected.len(),
                    expected.len(),
                    selected.get(at),
                    expected.get(at),
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "of {compared}:\n{}", wrong.join("\n"));
    assert!(compared > 15 * EXPRESSIONS.len(), "{compared} compared");
}

/// Words and signs of the language, and a few that are not.
fn expression() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "ip",
        "ip6",
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "src",
        "dst",
        "host",
        "net",
        "port",
        "portrange",
        "vlan",
        "less",
        "greater",
        "and",
        "or",
        "not",
        "&&",
        "||",
        "!",
        "(",
        ")",
        "/",
        "mask",
        "80",
        "443-80",
        "10",
        "10.0.0.0",
        "255.0.0.0",
        "192.168",
        "::1",
        "fe80::",
        "0x1f",
        "4096",
        "99999999999",
        "é",
        "[",
        "\n",
    ]);
    vec(word, 0..12).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn test_no_text_and_no_packet_is_too_much(
        text in prop_oneof![expression(), any::<String>()],
        link in 0..LINK_TYPES.len(),
        wire_len in any::<u32>(),
        data in vec(any::<u8>(), 0..80),
    ) {
        match text.parse::<Filter>() {
            Ok(filter) => {
                let link = LinkType(LINK_TYPES[link].0);
                let packet = Packet { time: Timestamp(0), link, wire_len, data: &data, ..Packet::default() };
                prop_assert_eq!(filter.matches(&packet), filter.clone().matches(&packet));
                prop_assert_eq!(filter.to_string(), text);
            }
            Err(error) => {
                prop_assert!(!error.to_string().contains('\n'));
                let caret = error.caret().unwrap();
                let (_, below) = caret.split_once('\n').unwrap();
                prop_assert!((1..=text.chars().count() + 1).contains(&below.chars().count()));
                prop_assert_eq!(caret.lines().count(), 2);
            }
        }
    }
}
