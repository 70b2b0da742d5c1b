//! Records of sessions: states and histories as Zeek documents them, and as Zeek's own tests have
//! them for its captures.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/mod.rs"]
mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use tracecodec::action::Family;
use tracecodec::conn::{COLUMNS, ConnRecord, ConnState, ConnTracker, Value};
use tracecodec::pcap::{Reader, Timestamp};
use tracecodec::tcp::flags::{ACK, FIN, RST, SYN};
use tracecodec::tcp::{SegmentNumbers, SeqNumber};
use tracecodec::wire::{self, Headers, IcmpHeader, TcpHeader, Transport};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const PORTS: (u16, u16) = (40_000, 443);

/// Who sends a packet.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Client,
    Server,
}
use Side::{Client, Server};

fn headers(from: Side, transport: Transport<'static>, payload_len: u16) -> Headers<'static> {
    let (source, destination) = match from {
        Client => (CLIENT, SERVER),
        Server => (SERVER, CLIENT),
    };
    Headers {
        family: Family::V4,
        source,
        destination,
        ttl: 64,
        tos: 0,
        ip_flags: 0,
        ip_id: 0,
        ip_ext: 0,
        transport,
        payload_len: payload_len.into(),
        ip_len: 40 + u32::from(payload_len),
    }
}

/// Sequence number, acknowledgment number, flags and payload length of a segment.
type Segment = (Side, u32, u32, u16, u16);

fn tcp((from, seq, ack, flags, len): Segment) -> Headers<'static> {
    let (source_port, destination_port) = match from {
        Client => PORTS,
        Server => (PORTS.1, PORTS.0),
    };
    let segment = TcpHeader {
        source_port,
        destination_port,
        numbers: SegmentNumbers {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
        },
        flags,
        window: 1_000,
        options: &[],
        options_len: 0,
    };
    headers(from, Transport::Tcp(segment), len)
}

/// The records of packets, a second apart.
fn records(packets: impl IntoIterator<Item = Headers<'static>>) -> Vec<ConnRecord> {
    let mut tracker = ConnTracker::new();
    let mut records = Vec::new();
    for (second, headers) in (0..).zip(packets) {
        records.extend(tracker.observe(&headers, Timestamp::new(second, 0)));
    }
    records.extend(tracker.finish());
    records
}

/// The record of one connection.
fn connection(segments: &[Segment]) -> ConnRecord {
    let mut records = records(segments.iter().copied().map(tcp));
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// State and history of one connection.
fn told(segments: &[Segment]) -> (ConnState, String) {
    let record = connection(segments);
    (record.state, record.history)
}

const SHAKE: [Segment; 3] = [
    (Client, 100, 0, SYN, 0),
    (Server, 500, 101, SYN | ACK, 0),
    (Client, 101, 501, ACK, 0),
];

/// A handshake and what follows.
fn after_shake(rest: &[Segment]) -> Vec<Segment> {
    [&SHAKE, rest].concat()
}

#[test]
fn test_attempts() {
    assert_eq!(told(&SHAKE[..1]), (ConnState::S0, "S".into()));
    let retried = [SHAKE[0], SHAKE[0], SHAKE[0]];
    assert_eq!(told(&retried), (ConnState::S0, "S".into()));
    let rejected = [SHAKE[0], (Server, 0, 101, RST | ACK, 0)];
    assert_eq!(told(&rejected), (ConnState::Rej, "Sr".into()));
    let scanned = [SHAKE[0], SHAKE[1], (Client, 101, 0, RST, 0)];
    assert_eq!(told(&scanned), (ConnState::Rsto, "ShR".into()));
    let given_up = [SHAKE[0], (Client, 101, 0, RST, 0)];
    assert_eq!(told(&given_up), (ConnState::Rstos0, "SR".into()));
    let half_open = [SHAKE[0], (Client, 101, 0, FIN, 0)];
    assert_eq!(told(&half_open), (ConnState::Sh, "SF".into()));
}

#[test]
fn test_established_connections() {
    assert_eq!(told(&SHAKE), (ConnState::S1, "ShA".into()));
    let request = (Client, 101, 501, ACK, 10);
    let response = (Server, 501, 111, ACK, 20);
    let client_fin = (Client, 111, 521, FIN | ACK, 0);
    let server_fin = |ack| (Server, 521, ack, FIN | ACK, 0);
    let both = [request, response];
    let told = |rest: &[Segment]| told(&after_shake(&[&both, rest].concat()));
    assert_eq!(told(&[client_fin]), (ConnState::S2, "ShADdF".into()));
    assert_eq!(told(&[server_fin(111)]), (ConnState::S3, "ShADdf".into()));
    let closed = [client_fin, server_fin(112), (Client, 112, 522, ACK, 0)];
    assert_eq!(told(&closed), (ConnState::Sf, "ShADdFf".into()));
    let aborted = (Client, 111, 0, RST, 0);
    assert_eq!(told(&[aborted]), (ConnState::Rsto, "ShADdR".into()));
    let aborted = (Server, 521, 0, RST, 0);
    assert_eq!(told(&[aborted]), (ConnState::Rstr, "ShADdr".into()));
}

#[test]
fn test_connections_without_their_beginning() {
    let answer = SHAKE[1];
    let reset = [answer, (Server, 501, 0, RST, 0)];
    assert_eq!(told(&reset), (ConnState::Rstrh, "^hr".into()));
    let closed = [answer, (Server, 501, 101, FIN | ACK, 0)];
    assert_eq!(told(&closed), (ConnState::Shr, "^hf".into()));
    let middle = [(Server, 501, 101, ACK, 20), (Client, 101, 521, ACK, 0)];
    assert_eq!(told(&middle), (ConnState::Oth, "^dA".into()));
    // The side of the service's port is the responder, whoever is seen first.
    let record = connection(&middle);
    assert_eq!(record.endpoints, [(CLIENT, PORTS.0), (SERVER, PORTS.1)]);
    assert_eq!(record.service.unwrap().name(), "https");
    assert_eq!((record.packets, record.ip_bytes), ([1, 1], [40, 60]));
}

#[test]
fn test_bytes_are_counted_by_sequence_numbers() {
    let record = connection(&after_shake(&[
        (Client, 101, 501, ACK, 10),
        (Client, 101, 501, ACK, 10),
        (Server, 521, 111, ACK, 5),
        (Client, 111, 526, ACK, 0),
    ]));
    assert_eq!(record.payload_bytes, [10, 25]);
    assert_eq!(record.missed_bytes, 20);
    assert_eq!(record.history, "ShADTdg");
    assert_eq!(record.duration, 6_000_000_000);
}

#[test]
fn test_numbers_may_wrap() {
    let start = u32::MAX - 4;
    let record = connection(&[
        (Client, start, 0, SYN, 0),
        (Server, 500, start + 1, SYN | ACK, 0),
        (Client, start + 1, 501, ACK, 10),
        (Server, 501, start.wrapping_add(11), ACK, 0),
        (Client, start.wrapping_add(11), 501, FIN | ACK, 0),
    ]);
    assert_eq!((record.payload_bytes, record.missed_bytes), ([10, 0], 0));
}

#[test]
fn test_other_protocols() {
    let udp = |from| {
        let (source_port, destination_port) = if from == Client {
            (5_000, 53)
        } else {
            (53, 5_000)
        };
        let ports = Transport::Udp {
            source_port,
            destination_port,
        };
        headers(from, ports, 30)
    };
    let told = |packets: Vec<Headers<'static>>| {
        let record = records(packets).remove(0);
        (record.state, record.history, record.payload_bytes)
    };
    assert_eq!(
        told(vec![udp(Client), udp(Client)]),
        (ConnState::S0, "D".into(), [60, 0])
    );
    assert_eq!(
        told(vec![udp(Client), udp(Server)]),
        (ConnState::Sf, "Dd".into(), [30, 30])
    );
    assert_eq!(
        told(vec![udp(Server)]),
        (ConnState::Shr, "^d".into(), [0, 30])
    );
    let ping = |from, icmp_type| {
        let message = IcmpHeader {
            icmp_type,
            code: 0,
            identifier: 7,
            second_word: 0,
            body: &[],
        };
        headers(from, Transport::Icmp(message), 56)
    };
    let record = records([ping(Client, 8), ping(Server, 0)]).remove(0);
    assert_eq!(
        (record.state, record.history.as_str()),
        (ConnState::Oth, "")
    );
    assert_eq!(record.endpoints, [(CLIENT, 8), (SERVER, 0)]);
}

#[test]
fn test_a_new_syn_after_the_end_is_another_session() {
    let again = (Client, 9_000, 0, SYN, 0);
    let segments = [SHAKE[0], (Server, 0, 101, RST | ACK, 0), again];
    let records = records(segments.map(tcp));
    assert_eq!(records.len(), 2);
    assert_eq!(
        [records[0].state, records[1].state],
        [ConnState::Rej, ConnState::S0]
    );
    assert_ne!(records[0].uid, records[1].uid);
    assert_eq!(records[0].community_id, records[1].community_id);
}

/// The columns of Zeek's that its tests hold, from `id.orig_h` on but for the service: of a capture
/// of Zeek's, what its baseline in `testing/btest/Baseline` has.
const ZEEK: &[(&str, &[&str])] = &[
    (
        "tcp__missing-syn.pcap",
        &[
            "141.42.64.125 56730 125.190.109.199 80 tcp 1.550793 98 9417 SF 0 ^hADdFaf 11 670 10 9945",
        ],
    ),
    (
        "tcp__miss_end_data.pcap",
        &[
            "192.168.122.230 60648 77.238.160.184 80 tcp 10.048360 538 2902 SF 2902 ShADafgF 5 750 4 172",
        ],
    ),
    (
        "wikipedia.pcap",
        &[
            "141.142.220.202 5353 224.0.0.251 5353 udp - - - S0 0 D 1 73 0 0",
            "141.142.220.118 43927 141.142.2.2 53 udp 0.000435 38 89 SF 0 Dd 1 66 1 117",
            "141.142.220.226 137 141.142.220.255 137 udp 2.613017 350 0 S0 0 D 7 546 0 0",
            "fe80::3074:17d5:2052:c324 65373 ff02::1:3 5355 udp 0.100096 66 0 S0 0 D 2 162 0 0",
            "141.142.220.118 35634 208.80.152.2 80 tcp 0.061329 463 350 OTH 0 DdA 2 567 1 402",
            "141.142.220.118 35642 208.80.152.2 80 tcp 0.120041 534 412 S1 0 ShADad 4 750 3 576",
            "141.142.220.118 49996 208.80.152.3 80 tcp 0.218501 1171 733 S1 0 ShADad 6 1491 4 949",
            "141.142.220.235 6705 173.192.163.128 80 tcp - - - OTH 0 ^h 0 0 1 48",
        ],
    ),
];

#[test]
fn test_records_are_those_of_zeek() {
    let Some(data) = common::data() else {
        return;
    };
    for (name, expected) in ZEEK {
        let file = format!("real/zeek+zeek/testing__btest__Traces__{name}");
        let records = read(&data.join(file));
        let lines: Vec<_> = records.iter().map(line).collect();
        for expected in *expected {
            assert!(
                lines.iter().any(|line| line == expected),
                "{name}: {expected}\n{lines:#?}"
            );
        }
    }
}

fn read(path: &Path) -> Vec<ConnRecord> {
    let mut reader = Reader::open(path).unwrap();
    let mut tracker = ConnTracker::new();
    let mut records = Vec::new();
    while let Some(packet) = reader.next() {
        let packet = packet.unwrap();
        if let Ok(headers) = wire::parse(&packet) {
            records.extend(tracker.observe(&headers, packet.time));
        }
    }
    records.extend(tracker.finish());
    records
}

/// The columns of a record that Zeek's tests hold.
fn line(record: &ConnRecord) -> String {
    const OURS: [&str; 5] = ["ts", "uid", "service", "ip_proto", "community_id"];
    let columns = COLUMNS.iter().filter(|column| !OURS.contains(&column.name));
    let values = columns.map(|column| match (column.get)(record) {
        None => "-".to_string(),
        Some(Value::Interval(nanos)) => format!("{:.6}", nanos as f64 / 1e9),
        Some(Value::Count(count)) => count.to_string(),
        Some(Value::Port(port)) => port.to_string(),
        Some(Value::Text(text)) => text.into_owned(),
        Some(Value::Time(time)) => time.0.to_string(),
    });
    values.collect::<Vec<_>>().join(" ")
}
