//! Parse cleanliness: every fault is found in a packet built by hand, and none in clean packets;
//! checksums are compared with `tshark`.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tracecodec::check::{Checker, Cleanliness, Fault, LISTED, Severity};
use tracecodec::compile::CompileConfig;
use tracecodec::oracle::Proof;
use tracecodec::pcap::{Container, Format, LinkType, Packet, Reader, Timestamp, Writer};
use tracecodec::wire::{self, SkipReason, link};

const TIME: Timestamp = Timestamp(1_600_000_000_000_000_000);

/// Ports 50000 and 443, numbers 1 and 0, a SYN of four bytes of options (MSS 1460).
const SYN: [u8; 24] = [
    0xc3, 0x50, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5,
    0xb4,
];

/// An acknowledgment without options.
const ACK: [u8; 20] = [
    0xc3, 0x50, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 9, 0x50, 0x10, 0xfa, 0xf0, 0, 0, 0, 0,
];

/// Two bytes of payload.
const UDP: [u8; 10] = [0xc3, 0x50, 0, 53, 0, 10, 0, 0, 7, 8];

/// An echo request without data: type, code, checksum, identifier, number.
const ECHO: [u8; 8] = [8, 0, 0, 0, 0, 1, 0, 2];
const ECHO_V6: [u8; 8] = [128, 0, 0, 0, 0, 1, 0, 2];

const HOSTS: [[u8; 4]; 2] = [[192, 0, 2, 1], [198, 51, 100, 7]];

/// The checksum as RFC 1071 defines it: one's complement of the one's complement sum.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes = parts.concat();
    let mut sum = 0u16;
    for pair in bytes.chunks(2) {
        let word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
        let (wrapped, carry) = sum.overflowing_add(word);
        sum = wrapped + u16::from(carry);
    }
    (!sum).to_be_bytes()
}

/// An IPv4 packet with its header checksum.
fn v4_with(options: &[u8], proto: u8, payload: &[u8]) -> Vec<u8> {
    let len = (20 + options.len() + payload.len()) as u16;
    let mut packet = vec![0x45 + options.len() as u8 / 4, 0];
    packet.extend(len.to_be_bytes());
    packet.extend([0, 1, 0x40, 0, 64, proto, 0, 0]);
    packet.extend(HOSTS.concat());
    packet.extend(options);
    seal_header(&mut packet);
    packet.extend(payload);
    seal(packet)
}

fn v4(proto: u8, payload: &[u8]) -> Vec<u8> {
    v4_with(&[], proto, payload)
}

/// Recomputes the IPv4 header checksum.
fn seal_header(packet: &mut [u8]) {
    let len = 4 * usize::from(packet[0] & 0xf);
    packet[10..12].fill(0);
    let sum = checksum(&[&packet[..len]]);
    packet[10..12].copy_from_slice(&sum);
}

fn v6(proto: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([proto, 64]);
    for last in [1, 2] {
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(payload);
    seal(packet)
}

/// Recomputes the transport checksum, if the first protocol has one.
fn seal(mut packet: Vec<u8>) -> Vec<u8> {
    let is_v4 = packet[0] >> 4 == 4;
    let (start, proto, addresses) = match is_v4 {
        true => (4 * usize::from(packet[0] & 0xf), packet[9], 12..20),
        false => (40, packet[6], 8..40),
    };
    let at = match proto {
        6 => 16,
        17 => 6,
        1 | 58 => 2,
        _ => return packet,
    } + start;
    if packet.len() < at + 2 {
        return packet;
    }
    packet[at..at + 2].fill(0);
    let len = ((packet.len() - start) as u16).to_be_bytes();
    let pseudo = [&packet[addresses], &len, &[0, proto]].concat();
    let sum = match proto {
        1 => checksum(&[&packet[start..]]),
        _ => checksum(&[&pseudo, &packet[start..]]),
    };
    packet[at..at + 2].copy_from_slice(&sum);
    packet
}

/// A packet in which `bytes` replace those from `at` on; checksums stay as they were.
fn spoilt(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

/// A packet in which `bytes` replace those from `at` on, with its checksums recomputed.
fn changed(packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut packet = spoilt(packet, at, bytes);
    if packet[0] >> 4 == 4 {
        seal_header(&mut packet);
    }
    seal(packet)
}

/// An IPv4 packet with a byte behind the end of its transport; only the header checksum is
/// recomputed.
fn longer(packet: Vec<u8>) -> Vec<u8> {
    let mut packet = [&packet[..], &[0]].concat();
    packet[3] += 1;
    seal_header(&mut packet);
    packet
}

fn raw(data: &[u8]) -> Packet<'_> {
    Packet {
        time: TIME,
        link: LinkType::RAW,
        wire_len: data.len() as u32,
        data,
        ..Packet::default()
    }
}

fn faults(packet: &Packet<'_>) -> Vec<Fault> {
    Checker::new().observe(packet).iter().collect()
}

fn segment(flags: u16, options: &[u8]) -> Vec<u8> {
    let offset = 5 + options.len() as u16 / 4;
    let mut segment = ACK.to_vec();
    segment[12..14].copy_from_slice(&(offset << 12 | flags).to_be_bytes());
    if flags & 0x10 == 0 {
        segment[8..12].fill(0);
    }
    segment.extend(options);
    segment
}

/// Packets with nothing wrong.
fn clean() -> Vec<Vec<u8>> {
    let routed = [
        &[6, 2, 0, 1, 0, 0, 0, 0][..],
        &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        &SYN,
    ];
    let routed = v6(43, &routed.concat());
    // The checksum covers the last address of the route, as if the packet were sent there directly.
    let direct = changed(v6(6, &SYN), 39, &[9]);
    // The checksum covers the home address of a mobile node.
    let from_home = [
        &[6, 2, 1, 2, 0, 0, 201, 16][..],
        &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8],
        &SYN,
    ];
    let from_home = v6(60, &from_home.concat());
    let at_home = changed(v6(6, &SYN), 23, &[8]);
    vec![
        v4(6, &SYN),
        v4(6, &ACK),
        v4(6, &segment(0x4, &[])),
        v4(17, &UDP),
        // No checksum given.
        spoilt(v4(17, &UDP), 26, &[0, 0]),
        v4(1, &ECHO),
        v6(6, &SYN),
        v6(17, &UDP),
        v6(58, &ECHO_V6),
        v6(59, &[]),
        // An empty packet of an experimental protocol.
        v6(253, &[]),
        v4(47, &[0, 0, 8, 0]),
        v4_with(&[1, 7, 3, 4], 17, &UDP),
        spoilt(from_home, 40 + 24 + 16, &at_home[40 + 16..40 + 18]),
        spoilt(routed, 40 + 24 + 16, &direct[40 + 16..40 + 18]),
        v4(6, &segment(0x10, &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2])),
    ]
}

/// Each fault that a packet's bytes can have, in a packet without another fault.
fn crafted() -> Vec<(Fault, Vec<u8>)> {
    use Fault::*;
    let syn = || v4(6, &SYN);
    let udp = || v4(17, &UDP);
    vec![
        (TooShort, syn()[..12].to_vec()),
        (TooShort, v4(6, &SYN[..19])),
        (TooShort, v4(17, &UDP[..7])),
        (TooShort, v4(47, &[0, 0, 8])),
        (TooShort, v6(60, &[6, 1, 0, 0, 0, 0, 0, 0])),
        (IpHeaderLength, spoilt(syn(), 0, &[0x44])),
        (IpHeaderLength, spoilt(v4(17, &[]), 0, &[0x46])),
        (IpLength, changed(syn(), 2, &[0, 45])),
        (IpLength, spoilt(v6(6, &SYN), 4, &[0, 25])),
        (IpLengthZero, changed(syn(), 2, &[0, 0])),
        (IpLengthZero, changed(v6(6, &SYN), 4, &[0, 0])),
        (IpChecksum, spoilt(syn(), 10, &[0, 0])),
        (IpOptions, v4_with(&[7, 1, 0, 0], 17, &UDP)),
        (IpOptions, v4_with(&[1, 7, 4, 4], 17, &UDP)),
        (IpOptions, v4_with(&[1, 1, 1, 7], 17, &UDP)),
        (FragmentLength, changed(udp(), 6, &[0x20, 0])),
        (FragmentLength, changed(udp(), 6, &[0x1f, 0xff])),
        (
            FragmentLength,
            v6(44, &[17, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7]),
        ),
        (TcpHeaderLength, changed(syn(), 32, &[0x40])),
        (TcpHeaderLength, changed(syn(), 32, &[0x70])),
        (TcpChecksum, spoilt(syn(), 36, &[1, 2])),
        (TcpChecksum, spoilt(v6(6, &SYN), 56, &[1, 2])),
        (TcpOptions, changed(syn(), 41, &[0])),
        (TcpOptions, changed(syn(), 41, &[3])),
        (TcpOptions, changed(syn(), 40, &[1, 1, 1, 2])),
        (TcpOptions, v4(6, &segment(0x10, &[8, 11, 0, 0]))),
        (
            TcpOptions,
            v4(6, &segment(0x10, &[5, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ),
        (UdpLength, changed(udp(), 24, &[0, 7])),
        (UdpLength, changed(udp(), 24, &[0, 11])),
        (UdpChecksum, spoilt(udp(), 29, &[9])),
        (UdpChecksum, spoilt(v6(17, &UDP), 46, &[0, 0])),
        (UdpChecksum, spoilt(v6(17, &UDP), 49, &[9])),
        (IcmpLength, v4(1, &[3, 3, 0, 0, 0, 0, 0, 0])),
        (
            IcmpLength,
            v6(58, &[[135, 0, 0, 0, 0, 0, 0, 0], [1; 8]].concat()),
        ),
        (IcmpCode, v6(58, &[159, 1, 0, 0, 0, 0, 0, 0])),
        (IcmpChecksum, spoilt(v4(1, &ECHO), 27, &[3])),
        (IcmpChecksum, spoilt(v6(58, &ECHO_V6), 47, &[3])),
        (IpReservedBit, changed(udp(), 6, &[0x80])),
        (TtlZero, changed(udp(), 8, &[0])),
        (TtlZero, spoilt(v6(17, &UDP), 7, &[0])),
        (SourceAddress, changed(udp(), 12, &[224, 0, 0, 1])),
        (SourceAddress, changed(udp(), 12, &[255; 4])),
        (SourceAddress, changed(udp(), 12, &[0; 4])),
        (SourceAddress, changed(v6(17, &UDP), 8, &[0xff, 2])),
        (SourceAddress, changed(v6(17, &UDP), 8, &[0; 16])),
        (SameAddress, changed(syn(), 12, &HOSTS[1])),
        (SameAddress, changed(v6(17, &UDP), 39, &[1])),
        (PortZero, changed(syn(), 20, &[0, 0])),
        (PortZero, changed(udp(), 22, &[0, 0])),
        (TcpFlags, v4(6, &segment(0, &[]))),
        (TcpFlags, v4(6, &segment(0x1, &[]))),
        (TcpFlags, v4(6, &segment(0x3, &[]))),
        (TcpFlags, v4(6, &segment(0x16, &[]))),
        (TcpFlags, v4(6, &segment(0x15, &[]))),
        (TcpReservedBits, v4(6, &segment(0x210, &[]))),
        (TcpUnusedField, changed(syn(), 31, &[1])),
        (TcpUnusedField, changed(syn(), 39, &[1])),
        (SynPayload, v4(6, &[&SYN[..], b"x"].concat())),
        (SynOptions, v4(6, &segment(0x10, &[2, 4, 5, 180]))),
        (SynOptions, v4(6, &segment(0x2, &[1, 3, 3, 15]))),
        (UdpSurplus, longer(v4(17, &UDP))),
    ]
}

#[test]
fn test_clean_packets_have_no_fault() {
    for packet in clean() {
        assert_eq!(faults(&raw(&packet)), [], "{packet:02x?}");
    }
}

/// Published headers with their checksums.
#[test]
fn test_known_checksums() {
    let headers = [
        [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8,
            0, 0xc7,
        ],
        [
            0x45, 0, 0, 0x3c, 0x1c, 0x46, 0x40, 0, 0x40, 6, 0xb1, 0xe6, 0xac, 0x10, 0x0a, 0x63,
            0xac, 0x10, 0x0a, 0x0c,
        ],
    ];
    for mut header in headers {
        let len = u32::from(header[3]);
        let cut = |header: &[u8; 20]| {
            let packet = Packet {
                wire_len: len,
                ..raw(header)
            };
            faults(&packet)
        };
        assert_eq!(cut(&header), [Fault::HeaderCut]);
        header[18] ^= 1;
        assert_eq!(cut(&header), [Fault::HeaderCut, Fault::IpChecksum]);
    }
}

#[test]
fn test_crafted_faults_are_found() {
    for (fault, packet) in crafted() {
        assert_eq!(faults(&raw(&packet)), [fault], "{packet:02x?}");
    }
}

#[test]
fn test_every_fault_is_crafted() {
    let crafted: BTreeSet<Fault> = crafted().into_iter().map(|(fault, _)| fault).collect();
    // Faults that do not depend on the bytes alone have tests of their own below.
    let elsewhere = [
        Fault::CapturedBeyondWire,
        Fault::HeaderCut,
        Fault::OptionsCut,
        Fault::IpVersion,
        Fault::LongFrame,
        Fault::TimeStepBack,
        Fault::TimeZero,
        Fault::TimeBefore1970,
    ];
    for fault in Fault::ALL {
        assert!(
            crafted.contains(&fault) != elsewhere.contains(&fault),
            "{fault}"
        );
    }
}

#[test]
fn test_cut_packets() {
    let syn = v4(6, &SYN);
    let cut = |len: usize| {
        let packet = Packet {
            data: &syn[..len],
            ..raw(&syn)
        };
        faults(&packet)
    };
    assert_eq!(cut(0), [Fault::HeaderCut]);
    assert_eq!(cut(39), [Fault::HeaderCut]);
    assert_eq!(cut(43), [Fault::OptionsCut]);
    // A checksum is judged only if all bytes that it covers were captured: cut by a byte, a wrong
    // payload is no fault.
    let wrong = spoilt(v4(17, &UDP), 29, &[9]);
    let packet = Packet {
        data: &wrong[..29],
        ..raw(&wrong)
    };
    assert_eq!(faults(&packet), []);
}

#[test]
fn test_frames() {
    let syn = v4(6, &SYN);
    let long = Packet {
        wire_len: 43,
        ..raw(&syn)
    };
    assert_eq!(faults(&long), [Fault::CapturedBeyondWire]);
    for (wire_len, expected) in [(1_514, &[][..]), (1_515, &[Fault::LongFrame])] {
        let padded = Packet {
            wire_len,
            ..raw(&syn)
        };
        assert_eq!(faults(&padded), expected);
    }
    let other = Packet {
        link: LinkType::IPV6,
        ..raw(&syn)
    };
    assert_eq!(faults(&other), [Fault::IpVersion]);
    // Padding of short Ethernet frames belongs to no packet.
    let padded = [&[0; 12][..], &[8, 0], &v4(17, &UDP), &[0xff; 16]].concat();
    let padded = Packet {
        link: LinkType::ETHERNET,
        ..raw(&padded)
    };
    assert_eq!(faults(&padded), []);
}

/// Link headers that lead to IP, and the versions that may follow. `tshark` 4.0 calls all other
/// versions bogus, `tcpdump` invalid.
#[test]
fn test_versions_that_contradict_the_link_layer() {
    let ether = |rest: &[u8]| [&[0; 12], rest].concat();
    let cooked = |protocol: &[u8]| [&[0; 14], protocol].concat();
    let labels = ether(&[0x88, 0x47, 0, 0, 1, 0x40]);
    let links: [(LinkType, Vec<u8>, &[u8]); 14] = [
        (LinkType::ETHERNET, ether(&[8, 0]), &[4]),
        (LinkType::ETHERNET, ether(&[0x86, 0xdd]), &[6]),
        (LinkType::ETHERNET, ether(&[0x81, 0, 0, 7, 8, 0]), &[4]),
        (
            LinkType::ETHERNET,
            ether(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 62, 0, 0x21]),
            &[4, 6],
        ),
        (LinkType::LINUX_SLL, cooked(&[8, 0]), &[4]),
        (LinkType::LINUX_SLL, cooked(&[0x86, 0xdd]), &[6]),
        (LinkType::PPP, vec![0xff, 3, 0, 0x21], &[4, 6]),
        (LinkType::PPP, vec![0xff, 3, 0, 0x57], &[6]),
        (LinkType::C_HDLC, vec![0x0f, 0, 8, 0], &[4]),
        (LinkType::NULL, vec![2, 0, 0, 0], &[4, 6]),
        (LinkType::NULL, vec![30, 0, 0, 0], &[6]),
        (LinkType::RAW, vec![], &[4, 6]),
        (LinkType::IPV4, vec![], &[4, 6]),
        // MPLS labels do not name the protocol that they carry.
        (LinkType::ETHERNET, labels, &[0, 1, 2, 3, 4, 5, 6, 7]),
    ];
    for (link, header, legal) in links {
        for version in 0..8 {
            let mut packet = [&header[..], &v6(17, &UDP)].concat();
            packet[header.len()] = version << 4;
            let packet = Packet {
                link,
                ..raw(&packet)
            };
            let found = faults(&packet).contains(&Fault::IpVersion);
            assert_eq!(found, !legal.contains(&version), "{link:?} {version}");
        }
    }
}

#[test]
fn test_times() {
    let syn = v4(6, &SYN);
    let mut checker = Checker::new();
    let mut at = |nanos| {
        let packet = Packet {
            time: Timestamp(nanos),
            ..raw(&syn)
        };
        checker.observe(&packet).iter().collect::<Vec<_>>()
    };
    assert_eq!(at(5), []);
    assert_eq!(at(5), []);
    assert_eq!(at(4), [Fault::TimeStepBack]);
    assert_eq!(at(0), [Fault::TimeStepBack, Fault::TimeZero]);
    assert_eq!(at(-1), [Fault::TimeStepBack, Fault::TimeBefore1970]);
}

#[test]
fn test_out_of_scope_is_counted() {
    let fragment = changed(v4(17, &UDP), 6, &[0, 1]);
    let arp = [&[0; 12][..], &[8, 6], &[0; 28]].concat();
    let mut checker = Checker::new();
    assert!(checker.observe(&raw(&fragment)).is_empty());
    let arp = Packet {
        link: LinkType::ETHERNET,
        ..raw(&arp)
    };
    assert!(checker.observe(&arp).is_empty());
    let cleanliness = checker.finish();
    let skipped = [(SkipReason::NonIp, 1), (SkipReason::Fragment, 1)];
    assert_eq!(cleanliness.skipped, BTreeMap::from(skipped));
}

#[test]
fn test_findings_are_counted_with_the_first_places() {
    let (good, bad) = (v4(6, &SYN), spoilt(v4(6, &SYN), 36, &[1, 2]));
    let mut checker = Checker::new();
    for _ in 0..8 {
        checker.observe(&raw(&good));
        checker.observe(&raw(&bad));
    }
    let cleanliness = checker.finish();
    let [finding] = cleanliness.findings[..] else {
        panic!("one kind");
    };
    assert_eq!((finding.fault, finding.count), (Fault::TcpChecksum, 8));
    assert_eq!(finding.first(), [2, 4, 6, 8, 10]);
    assert_eq!(finding.first().len(), LISTED);
    assert_eq!(cleanliness.with_errors, 8);
    assert_eq!(cleanliness.count(Severity::Error), 8);
    assert_eq!(cleanliness.count(Severity::Note), 0);
}

/// Faults of the compiled capture, and of the capture itself.
fn compiled(path: &Path) -> (Cleanliness, Cleanliness) {
    let mut reader = Reader::open(path).unwrap();
    let mut proof = Proof::new(CompileConfig::default());
    let (mut before, mut after) = (Checker::new(), Checker::new());
    while let Some(packet) = reader.next() {
        let packet = packet.unwrap();
        before.observe(&packet);
        if let Some((compiled, _)) = proof.step(&packet) {
            after.observe(&compiled);
        }
    }
    (before.finish(), after.finish())
}

#[test]
fn test_compiled_captures_are_clean() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let names = [
        "example.pcap",
        "train/enterprise.pcap.zst",
        "train/backbone.pcap.zst",
        "train/crowd.pcap.zst",
    ];
    for name in names {
        let (before, after) = compiled(&data.join(name));
        assert_eq!(after.with_errors, 0, "{name}: {:?}", after.findings);
        assert_eq!(
            after.packets + before.skipped.values().sum::<u64>(),
            before.packets
        );
        for finding in &after.findings {
            let same = before
                .findings
                .iter()
                .find(|same| same.fault == finding.fault);
            let of_input = same.map_or(0, |same| same.count);
            assert!(finding.count <= of_input, "{name}: {finding:?}");
        }
    }
}

const CHECKSUMS: [Fault; 4] = [
    Fault::IpChecksum,
    Fault::TcpChecksum,
    Fault::UdpChecksum,
    Fault::IcmpChecksum,
];

/// Checksums of outermost headers that tshark calls bad, by packet; `None` if tshark is not
/// installed or cannot read the file.
fn tshark_checksums(path: &Path) -> Option<BTreeSet<(u64, Fault)>> {
    const FIELDS: [(&str, Fault); 6] = [
        ("ip.checksum.status", Fault::IpChecksum),
        ("tcp.checksum.status", Fault::TcpChecksum),
        ("udp.checksum.status", Fault::UdpChecksum),
        ("udp.checksum", Fault::UdpChecksum),
        ("icmp.checksum.status", Fault::IcmpChecksum),
        ("icmpv6.checksum.status", Fault::IcmpChecksum),
    ];
    let statuses = FIELDS
        .iter()
        .filter(|(field, _)| field.ends_with("status"))
        .map(|(field, _)| format!("{field} == 0"));
    let filter = statuses.collect::<Vec<_>>().join(" || ") + " || ipv6 && udp.checksum == 0";
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(path)
        .args(["-Y", &filter, "-T", "fields"]);
    // Of fragments, only the IP header is judged.
    command.args(["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]);
    for layer in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{layer}.check_checksum:TRUE")]);
    }
    command.args(["-e", "frame.number", "-e", "frame.protocols"]);
    for (field, _) in FIELDS {
        command.args(["-e", field]);
    }
    let Ok(output) = command.output() else {
        eprintln!("skipped: tshark is not installed");
        return None;
    };
    let mut bad = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let number = columns[0].parse().unwrap();
        let (network, transport) = outermost(columns[1]);
        for ((field, fault), statuses) in FIELDS.into_iter().zip(&columns[2..]) {
            let layer = field.split('.').next().unwrap();
            let is_outermost = [network, transport].contains(&Some(layer));
            let bad_value = match field {
                "udp.checksum" if network == Some("ipv6") => "0x0000",
                "udp.checksum" => continue,
                _ => "0",
            };
            // The first one is of the outermost header.
            if is_outermost && statuses.split(',').next() == Some(bad_value) {
                bad.insert((number, fault));
            }
        }
    }
    Some(bad)
}

/// The first IP protocol, and the one behind its headers, by tshark's list of a frame's protocols.
fn outermost(protocols: &str) -> (Option<&str>, Option<&str>) {
    let is_extension = |name: &str| name.starts_with("ipv6.") || name == "ah";
    let mut protocols = protocols
        .split(':')
        .skip_while(|name| !matches!(*name, "ip" | "ipv6"));
    (protocols.next(), protocols.find(|name| !is_extension(name)))
}

/// Our own verdict, and the packets whose verdicts are not comparable: no IP header is found, the
/// length is that of a jumbogram, or the lengths disagree. If lengths disagree, tshark judges what
/// the frame holds; the packet has an error either way.
fn own_checksums(path: &Path) -> (BTreeSet<(u64, Fault)>, BTreeSet<u64>) {
    const LENGTHS: [Fault; 3] = [Fault::IpLength, Fault::IpLengthZero, Fault::TcpHeaderLength];
    let (mut bad, mut apart) = <(BTreeSet<_>, BTreeSet<_>)>::default();
    let Ok(mut reader) = Reader::open(path) else {
        return (bad, apart);
    };
    let mut checker = Checker::new();
    let mut number = 0;
    while let Some(Ok(packet)) = reader.next() {
        number += 1;
        let faults = checker.observe(&packet);
        let found = CHECKSUMS
            .into_iter()
            .filter(|&fault| faults.contains(fault));
        bad.extend(found.map(|fault| (number, fault)));
        let is_apart = LENGTHS.iter().any(|&fault| faults.contains(fault));
        let parsed = wire::parse(&packet);
        if is_apart
            || parsed == Err(SkipReason::TooLong)
            || link::find_ip(packet.link, packet.data).is_err()
        {
            apart.insert(number);
        }
    }
    (bad, apart)
}

#[test]
fn test_tshark_agrees_on_crafted_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crafted.pcapng");
    let format = Format {
        container: Container::PcapNg,
        ..Format::of_path(&path)
    };
    let mut writer = Writer::create(&path, format).unwrap();
    let spoilt = crafted().into_iter().map(|(_, packet)| packet);
    for packet in clean().into_iter().chain(spoilt) {
        writer.write(&raw(&packet)).unwrap();
    }
    writer.finish().unwrap();
    if let Some(bad) = tshark_checksums(&path) {
        assert_eq!(own_checksums(&path).0, bad);
    }
}

#[test]
fn test_tshark_agrees_on_checksums_of_others() {
    /// One in this number of captures is judged.
    const SHARE: usize = 80;
    let Some(data) = common::data() else { return };
    let mut all = Vec::new();
    for folder in ["real", "fixture", "crafted"] {
        captures(&data.join(folder), &mut all);
    }
    let mut differ = Vec::new();
    for path in all.iter().step_by(share()) {
        let Some(mut theirs) = tshark_checksums(path) else {
            return;
        };
        let (mut ours, apart) = own_checksums(path);
        for verdict in [&mut ours, &mut theirs] {
            verdict.retain(|(number, _)| !apart.contains(number));
        }
        let difference: Vec<_> = ours.symmetric_difference(&theirs).take(3).collect();
        if !difference.is_empty() {
            differ.push(format!("{}: {difference:?}", path.display()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));

    fn share() -> usize {
        std::env::var("TRACECODEC_SHARE").map_or(SHARE, |share| share.parse().unwrap())
    }
}

/// The captures below a folder, sorted.
fn captures(folder: &Path, all: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap();
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            captures(&entry, all);
        } else {
            all.push(entry);
        }
    }
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");

/// Holds the table of faults in `docs/metrics.md` to the code. `UPDATE_DOCS=1` rewrites it.
#[test]
fn test_table_of_faults() {
    let (begin, end) = ("<!-- faults:begin -->", "<!-- faults:end -->");
    let mut text = fs::read_to_string(DOCUMENT).unwrap();
    let start = text.find(begin).unwrap() + begin.len();
    let end = text.find(end).unwrap();
    let mut table = String::from("\n| Name | | Meaning |\n|---|---|---|\n");
    for fault in Fault::ALL {
        let (name, severity) = (fault.name(), fault.severity().name());
        table += &format!("| `{name}` | {severity} | {fault} |\n");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        text.replace_range(start..end, &table);
        fs::write(DOCUMENT, text).unwrap();
    } else {
        let is_current = text[start..end] == table;
        assert!(
            is_current,
            "run the test with UPDATE_DOCS=1. Expected:{table}"
        );
    }
}
