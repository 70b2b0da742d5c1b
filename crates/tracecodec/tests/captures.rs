//! Reads every capture of the test collection and compares it with the collection's catalogue.

mod common;

use std::fs;
use std::path::Path;

use tracecodec::Error;
use tracecodec::action::context::Contexts;
use tracecodec::action::{ActionSchema, OptionProfiles};
use tracecodec::lift::Lifter;
use tracecodec::pcap::Reader;

/// Packets of a file, and the error that ended it.
fn count(path: &Path) -> (u64, Option<Error>) {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error)),
    };
    while let Some(packet) = reader.next() {
        if let Err(error) = packet {
            assert!(reader.next().is_none(), "{}: not fused", path.display());
            return (reader.packets(), Some(error));
        }
    }
    (reader.packets(), None)
}

/// Files that the catalogue describes otherwise: the packets that they hold, and whether an error
/// follows.
const EXCEPTIONS: &[(&str, u64, bool)] = &[
    // Versions before 2.3 have the two lengths swapped; libpcap and Wireshark read these files to
    // their end, too.
    ("blitz+tcptrace/input__bad_ack_code.dmp", 40, false),
    (
        "ntop+nDPI/tests__cfgs__default__pcap__nfsv2.pcap",
        156,
        false,
    ),
    (
        "ntop+nDPI/tests__cfgs__default__pcap__nfsv3.pcap",
        128,
        false,
    ),
    // Version 2.5 is read by Wireshark, not by libpcap; version 1.4 by neither.
    ("tests__pcap-invalid-version-2.pcap", 1, false),
    ("tests__pcap-invalid-version-1.pcap", 0, true),
    // pcapng 0.1, and a second section of pcapng 2.0. libpcap and Wireshark stop there, too.
    ("tests__pcapng-invalid-vers-1.pcapng", 0, true),
    ("be__test901.pcapng", 1, true),
    ("le__test901.pcapng", 1, true),
    // The first block's two lengths differ.
    ("tests__shb-option-too-long.pcapng", 0, true),
    // A block length without its padding: Wireshark mostly reads it, libpcap does not.
    ("test_data__test006.ntar", 1, false),
    ("test_data__test007.ntar", 1, false),
];

/// Packets and error to expect of a file, from its row of the catalogue.
fn expectation(path: &str, packets: u64, damage: &str) -> (u64, bool) {
    let exception = EXCEPTIONS.iter().find(|(end, ..)| path.ends_with(end));
    match (exception, damage) {
        (Some((_, packets, is_damaged)), _) => (*packets, *is_damaged),
        (None, "") => (packets, false),
        // The catalogue counts the packet that is cut off.
        (None, "truncated packet data") => (packets - 1, true),
        (None, _) => (packets, true),
    }
}

#[test]
fn test_catalog() {
    let Some(data) = common::data() else { return };
    let catalog = fs::read_to_string(data.join("catalog.tsv")).unwrap();
    let mut wrong = Vec::new();
    for line in catalog.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (path, damage) = (columns[0], columns[columns.len() - 1]);
        let expected = expectation(path, columns[7].parse().unwrap(), damage);
        let (packets, error) = count(&data.join(path));
        if (packets, error.is_some()) != expected {
            wrong.push(format!(
                "{path}: {packets} packets, {error:?}, not {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn test_contexts_follow_from_the_actions() {
    let mut lifter = Lifter::new(ActionSchema::default(), 1 << 16, OptionProfiles::new());
    let mut contexts = Contexts::default();
    let mut packets = 0;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap");
    let mut reader = Reader::open(&path).unwrap();
    while let Some(packet) = reader.next() {
        if let Ok(action) = lifter.lift(&packet.unwrap()) {
            assert_eq!(contexts.next(&action), action.context, "packet {packets}");
            packets += 1;
        }
    }
    assert_eq!(packets, 4_000);
}
