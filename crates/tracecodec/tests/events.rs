//! TCP events compared with `tshark` 4.0: with its recorded events of small captures of one
//! situation each, and with its events of random traffic.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tracecodec::flow::{Conversations, CutOptions};
use tracecodec::pcap::{Format, LinkType, Packet, Reader, Timestamp, Writer};
use tracecodec::tcp::events::{Event, EventSet};
use tracecodec::tcp::flags::{ACK, FIN, PSH, RST, SYN};
use tracecodec::wire;

/// The events of every packet of a capture, as `tshark` shows them.
fn native(capture: &Path) -> Vec<EventSet> {
    let mut conversations = Conversations::new(CutOptions::Skip);
    let mut reader = Reader::open(capture).unwrap();
    let mut events = Vec::new();
    while let Some(packet) = reader.next() {
        let packet = packet.unwrap();
        let headers = wire::parse(&packet);
        events.push(headers.map_or(EventSet::EMPTY, |headers| {
            conversations.observe(&headers, packet.time)
        }));
    }
    events
}

/// The events in a list of names. Further names of `tshark` are ignored.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> EventSet {
    let event = |name: &str| Event::ALL.into_iter().find(|event| event.name() == name);
    names.filter_map(event).collect()
}

#[test]
fn test_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let table = std::fs::read_to_string(folder.join("vectors.tsv")).unwrap();
    let mut expected: BTreeMap<&str, Vec<EventSet>> = BTreeMap::new();
    for row in table.lines().skip(2) {
        let fields: Vec<_> = row.split('\t').collect();
        let events = named(fields[15].split(','));
        expected.entry(fields[0]).or_default().push(events);
    }
    for (vector, expected) in &expected {
        let found = native(&folder.join(format!("{vector}.pcap")));
        assert_eq!(&found, expected, "{vector}");
    }
    assert_eq!(expected.len(), 67);
}

/// A segment of random traffic. Numbers are offsets from the direction's first one.
#[derive(Debug, Clone)]
struct Step {
    /// Nanoseconds since the segment before; negative if time steps back.
    delta_t: i64,
    from_opener: bool,
    seq: u32,
    ack: u32,
    len: u16,
    flags: u16,
    window: u16,
    /// Whether the segment has options, which the capture cut.
    cut: bool,
}

/// A connection: first numbers of both directions, and segments.
#[derive(Debug, Clone)]
struct Connection {
    starts: [u32; 2],
    steps: Vec<Step>,
}

const MS: i64 = 1_000_000;

/// A random segment: steps so small that segments meet, and times on both sides of each limit.
fn step() -> impl Strategy<Value = Step> {
    let delta_t = prop::sample::select(vec![
        0,
        MS / 2,
        MS,
        3 * MS - 1,
        3 * MS,
        10 * MS,
        20 * MS - 1,
        20 * MS,
        50 * MS,
        -MS,
    ]);
    let flags = prop_oneof![
        14 => Just(ACK),
        2 => Just(ACK | PSH),
        1 => Just(SYN),
        1 => Just(SYN | ACK),
        1 => Just(FIN | ACK),
        1 => Just(RST),
        1 => Just(0),
    ];
    let len = prop::sample::select(vec![0, 0, 0, 1, 1, 2, 3]);
    let window = prop::sample::select(vec![0, 1_000, 1_000, 1_000, 1_001]);
    let numbers = (0..6_u32, 0..6_u32);
    (
        delta_t,
        any::<bool>(),
        numbers,
        len,
        flags,
        window,
        prop::bool::weighted(0.03),
    )
        .prop_map(
            |(delta_t, from_opener, (seq, ack), len, flags, window, cut)| Step {
                delta_t,
                from_opener,
                seq,
                ack,
                len,
                flags,
                window,
                cut,
            },
        )
}

/// A random connection. First numbers are ordinary, or let the stream cross 0 or the middle of the
/// number space.
fn connection() -> impl Strategy<Value = Connection> {
    let start = || {
        prop_oneof![
            Just(1_000),
            Just(u32::MAX - 2),
            Just(0),
            Just((1 << 31) - 3),
            any::<u32>()
        ]
    };
    ([start(), start()], vec(step(), 1..60))
        .prop_map(|(starts, steps)| Connection { starts, steps })
}

/// A segment as raw IPv4 with its length on the wire. The connection's number is in the addresses.
fn frame(connection: u32, starts: [u32; 2], step: &Step) -> (Vec<u8>, u32) {
    let [mut source, mut destination] = [0x0a00_0000 | connection, 0x0b00_0000 | connection];
    let [mut seq, mut ack] = starts;
    let mut ports: [u16; 2] = [1_000, 2_000];
    if !step.from_opener {
        (source, destination) = (destination, source);
        (seq, ack) = (ack, seq);
        ports.reverse();
    }
    let header_len = if step.cut { 24 } else { 20 };
    let ip_len = 20 + header_len + step.len;
    let mut data = vec![0x45, 0];
    data.extend(ip_len.to_be_bytes());
    data.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    data.extend(source.to_be_bytes());
    data.extend(destination.to_be_bytes());
    ports
        .iter()
        .for_each(|port| data.extend(port.to_be_bytes()));
    data.extend(seq.wrapping_add(step.seq).to_be_bytes());
    data.extend(ack.wrapping_add(step.ack).to_be_bytes());
    data.extend(((header_len / 4) << 12 | step.flags).to_be_bytes());
    data.extend(step.window.to_be_bytes());
    data.extend([0; 4]);
    if !step.cut {
        data.resize(usize::from(ip_len), 0);
    }
    (data, ip_len.into())
}

/// Writes the connections one after the other, and returns the connection and step of each packet.
fn write(connections: &[Connection], path: &Path) -> Vec<(usize, usize)> {
    let mut writer = Writer::create(path, Format::of_path(path)).unwrap();
    let mut places = Vec::new();
    let mut time = Timestamp::new(1_600_000_000, 0);
    for (number, connection) in connections.iter().enumerate() {
        for (at, step) in connection.steps.iter().enumerate() {
            time = time.add_nanos(step.delta_t);
            let (data, wire_len) = frame(number as u32, connection.starts, step);
            let link = LinkType::RAW;
            writer
                .write(&Packet {
                    time,
                    link,
                    wire_len,
                    data: &data,
                    ..Packet::default()
                })
                .unwrap();
            places.push((number, at));
        }
    }
    writer.finish().unwrap();
    places
}

/// The events of every packet by `tshark`; `None` if it is not installed.
fn tshark(capture: &PathBuf, packets: usize) -> Option<Vec<EventSet>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture);
    command.args([
        "-Y",
        "tcp.analysis.flags",
        "-T",
        "fields",
        "-e",
        "frame.number",
    ]);
    for event in Event::ALL {
        command
            .arg("-e")
            .arg(format!("tcp.analysis.{}", event.name()));
    }
    let Ok(output) = command.output() else {
        eprintln!("skipped: tshark is not installed");
        return None;
    };
    assert!(output.status.success());
    let mut events = vec![EventSet::EMPTY; packets];
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (number, fields) = line.split_once('\t').unwrap();
        let found = Event::ALL.into_iter().zip(fields.split('\t'));
        events[number.parse::<usize>().unwrap() - 1] = found
            .filter(|(_, field)| !field.is_empty())
            .map(|(event, _)| event)
            .collect();
    }
    Some(events)
}

#[test]
fn test_random_traffic() {
    let mut runner = TestRunner::deterministic();
    let connections: Vec<Connection> = (0..4_000)
        .map(|_| connection().new_tree(&mut runner).unwrap().current())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("random.pcap");
    let places = write(&connections, &path);
    let found = native(&path);
    for event in Event::ALL {
        let count = found.iter().filter(|events| events.contains(event)).count();
        assert!(count >= 20, "{}: {count}", event.name());
    }
    let Some(expected) = tshark(&path, places.len()) else {
        return;
    };
    for ((found, expected), (connection, at)) in found.iter().zip(&expected).zip(places) {
        assert_eq!(
            found,
            expected,
            "the last of {:#?}\nfrom {:?}",
            &connections[connection].steps[..=at],
            connections[connection].starts
        );
    }
}
