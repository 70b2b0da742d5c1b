//! Holds the derived blocks of `docs/formats.md` to the code. `UPDATE_DOCS=1` rewrites them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tracecodec::action::schema::{Active, FIELD_COUNT, Group, QUANTITIES, Vocabulary};
use tracecodec::action::{Action, Family, OptionProfiles};
use tracecodec::compile::{CompileConfig, Legalisation};
use tracecodec::conn;
use tracecodec::oracle::Oracle;
use tracecodec::pcap::{LinkType, Packet, Timestamp};
use tracecodec::raw::{self, BITS, CATEGORICAL, COLUMNS, NUMERIC, SEGMENTS};
use tracecodec::service::{self, Protocols};
use tracecodec::tcp::flags::{ACK, FIN, PSH, SYN};
use tracecodec::wire::{self, SkipReason, TcpHeader, Transport, checksum, icmp, ip_proto};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats.md");

#[test]
fn test_derived_blocks() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut text = fs::read_to_string(DOCUMENT).unwrap();
    let blocks = [
        ("schema", schema()),
        ("smallest-headers", smallest_headers()),
        ("smallest-bodies", smallest_bodies()),
        ("example", example()),
        ("conn-columns", conn_columns()),
        ("services", services()),
        ("raw-columns", raw_columns()),
        ("bit-segments", bit_segments()),
    ];
    for (name, expected) in blocks {
        let (start, end) = place(&text, name);
        let expected = format!("\n{expected}");
        if update {
            text.replace_range(start..end, &expected);
        }
        let is_current = update || text[start..end] == expected;
        assert!(
            is_current,
            "block {name} is out of date: run the test with UPDATE_DOCS=1. Expected:{expected}"
        );
    }
    if update {
        fs::write(Path::new(DOCUMENT), text).unwrap();
    }
}

/// Where the block between its two markers starts and ends.
fn place(text: &str, name: &str) -> (usize, usize) {
    let begin = format!("<!-- {name}:begin -->");
    let end = format!("<!-- {name}:end -->");
    let start = text.find(&begin).expect("the document has the marker") + begin.len();
    let end = text.find(&end).expect("the document has the marker");
    (start, end)
}

#[test]
fn test_every_counted_kind_is_described() {
    let text = fs::read_to_string(DOCUMENT).unwrap();
    let skips = SkipReason::ALL.map(SkipReason::name);
    let legalisations = Legalisation::ALL.map(Legalisation::name);
    let reasons = raw::Reason::ALL.map(raw::Reason::name);
    for name in skips.iter().chain(&legalisations).chain(&reasons) {
        assert!(text.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// The columns of a record of a session.
fn conn_columns() -> String {
    let mut table = String::from("| Field | Type | Meaning |\n|---|---|---|\n");
    for column in conn::COLUMNS {
        let _ = writeln!(
            table,
            "| `{}` | {} | {} |",
            column.name, column.zeek_type, column.doc
        );
    }
    table
}

/// The table of services.
fn services() -> String {
    let mut table = String::from("| Number | Protocol | Port | Service |\n|---|---|---|---|\n");
    for (row, number) in service::TABLE.iter().zip(1..) {
        let protocols = match row.protocols {
            Protocols::Tcp => "TCP",
            Protocols::Udp => "UDP",
            Protocols::Both => "TCP, UDP",
        };
        let _ = writeln!(
            table,
            "| {number} | {protocols} | {} | `{}` |",
            row.port, row.name
        );
    }
    table
}

/// The table of quantities.
fn schema() -> String {
    let mut table = String::from(
        "| Name | Group | Vocabulary | Paper | Active for | Meaning |\n|---|---|---|---|---|---|\n",
    );
    for quantity in QUANTITIES {
        let group = match quantity.group {
            Group::Coarse => "coarse",
            Group::Tcp => "TCP",
            Group::Packet => "packet",
            Group::Opening => "opening",
            Group::Context => "context",
        };
        let words = |vocabulary| match vocabulary {
            Vocabulary::Classes(n) => format!("{n} classes"),
            Vocabulary::Digits(n) => format!("{n} digits"),
        };
        let vocabulary = words(quantity.vocabulary);
        let paper = match quantity.paper {
            None => "–".to_string(),
            Some(paper) if paper == quantity.vocabulary => "same".to_string(),
            Some(paper) => words(paper),
        };
        let active = match quantity.active {
            Active::Always => "all",
            Active::Tcp => "TCP",
            Active::Icmp => "ICMP",
            Active::Other => "OTHER",
            Active::Opening => "opening",
        };
        let (name, doc) = (quantity.name, quantity.doc);
        let row = writeln!(
            table,
            "| `{name}` | {group} | {vocabulary} | {paper} | {active} | {doc} |"
        );
        row.expect("a string takes everything");
    }
    let quantities = QUANTITIES.len();
    table + &format!("\n{quantities} quantities, {FIELD_COUNT} fields.\n")
}

/// The columns of the raw packet table.
fn raw_columns() -> String {
    let mut table =
        String::from("| Name | Kind | Range | Active for | Meaning |\n|---|---|---|---|---|\n");
    for column in COLUMNS {
        let kind = if column.is_categorical() {
            "categorical"
        } else {
            "numeric"
        };
        let range = match column.range {
            None => "addresses".to_string(),
            Some((i64::MIN, _)) => "64 bits, signed".to_string(),
            Some((least, most)) => format!("{least} to {most}"),
        };
        let active = match column.active {
            raw::Active::Always => "all",
            raw::Active::Tcp => "TCP",
            raw::Active::Udp => "UDP",
            raw::Active::Icmp => "ICMP",
        };
        let (name, doc) = (column.name, column.doc);
        let row = writeln!(table, "| `{name}` | {kind} | {range} | {active} | {doc} |");
        row.expect("a string takes everything");
    }
    table + &format!("\n{NUMERIC} numeric and {CATEGORICAL} categorical columns.\n")
}

/// The headers of the bit table.
fn bit_segments() -> String {
    let mut table = String::from("| Header | Bits | Fixed part | Options |\n|---|---|---|---|\n");
    for segment in SEGMENTS {
        let (first, last) = (segment.offset, segment.end() - 1);
        let (name, fixed, options) = (segment.name, segment.fixed, segment.options);
        let row = writeln!(
            table,
            "| `{name}` | {first} to {last} | {fixed} | {options} |"
        );
        row.expect("a string takes everything");
    }
    table + &format!("\n{BITS} bits.\n")
}

/// Protocol numbers by their smallest header.
fn smallest_headers() -> String {
    grouped("Protocol numbers", |number| {
        // TCP, UDP and the two ICMP families have rules of their own.
        match number {
            ip_proto::TCP | ip_proto::UDP => 0,
            number => ip_proto::smallest_header(number),
        }
    })
}

/// ICMP types by their smallest body.
fn smallest_bodies() -> String {
    let of = |family| move |number| icmp::smallest_body(family, number) as u16;
    grouped("ICMP types", of(Family::V4)) + "\n" + &grouped("ICMPv6 types", of(Family::V6))
}

/// A table of the numbers that have each length but 0.
fn grouped(what: &str, len: impl Fn(u8) -> u16) -> String {
    let mut table = format!("| Bytes | {what} |\n|---|---|\n");
    let mut lens: Vec<u16> = (0..=255).map(&len).filter(|&len| len > 0).collect();
    lens.sort_unstable();
    lens.dedup();
    for wanted in lens {
        let numbers = (0..=255u8).filter(|&number| len(number) == wanted);
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        table += &format!("| {wanted} | {} |\n", numbers.join(", "));
    }
    table
}

/// A segment of the example's input.
struct Segment {
    /// Nanoseconds since the segment before.
    after: i64,
    from_client: bool,
    flags: u16,
    seq: u32,
    ack: u32,
    window: u16,
    len: u16,
}

const TEMPLATE: Segment = Segment {
    after: 0,
    from_client: true,
    flags: ACK,
    seq: 0,
    ack: 0,
    window: 502,
    len: 0,
};

const CLIENT_ISN: u32 = 3_000_000_000;
const SERVER_ISN: u32 = 7_000_000;

/// A whole connection: handshake, 100 bytes of data, both FINs.
const CONNECTION: [Segment; 8] = [
    Segment {
        flags: SYN,
        seq: CLIENT_ISN,
        window: 64_240,
        ..TEMPLATE
    },
    Segment {
        after: 20_000_000,
        from_client: false,
        flags: SYN | ACK,
        seq: SERVER_ISN,
        ack: CLIENT_ISN + 1,
        window: 65_160,
        ..TEMPLATE
    },
    Segment {
        after: 50_000,
        seq: CLIENT_ISN + 1,
        ack: SERVER_ISN + 1,
        ..TEMPLATE
    },
    Segment {
        after: 150_000,
        flags: PSH | ACK,
        seq: CLIENT_ISN + 1,
        ack: SERVER_ISN + 1,
        len: 100,
        ..TEMPLATE
    },
    Segment {
        after: 20_500_000,
        from_client: false,
        seq: SERVER_ISN + 1,
        ack: CLIENT_ISN + 101,
        window: 509,
        ..TEMPLATE
    },
    Segment {
        after: 1_000_000,
        flags: FIN | ACK,
        seq: CLIENT_ISN + 101,
        ack: SERVER_ISN + 1,
        ..TEMPLATE
    },
    Segment {
        after: 20_100_000,
        from_client: false,
        flags: FIN | ACK,
        seq: SERVER_ISN + 1,
        ack: CLIENT_ISN + 102,
        window: 509,
        ..TEMPLATE
    },
    Segment {
        after: 40_000,
        seq: CLIENT_ISN + 102,
        ack: SERVER_ISN + 2,
        ..TEMPLATE
    },
];

const EPOCH: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// The segment in an IPv4 packet, with timestamps as a Linux host sends them.
fn emit(segment: &Segment, time: Timestamp) -> Vec<u8> {
    let (client, server) = (([192, 0, 2, 1], 51_000u16), ([198, 51, 100, 7], 443));
    let (from, to, ttl) = match segment.from_client {
        true => (client, server, 64),
        false => (server, client, 57),
    };
    let clock = (time.0 / 1_000_000) as u32;
    let timestamps = [&clock.to_be_bytes()[..], &[0; 4]].concat();
    let options = if segment.flags & SYN != 0 {
        [
            &[2, 4, 0x05, 0xb4, 4, 2, 8, 10][..],
            &timestamps,
            &[1, 3, 3, 7],
        ]
        .concat()
    } else {
        [&[1, 1, 8, 10][..], &timestamps].concat()
    };
    let header_len = 20 + options.len();
    let total = 20 + header_len as u16 + segment.len;
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, ttl, ip_proto::TCP, 0, 0]);
    packet.extend([from.0, to.0].concat());
    let sum = checksum::finish(checksum::sum(&packet));
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend([from.1, to.1].map(u16::to_be_bytes).concat());
    packet.extend([segment.seq, segment.ack].map(u32::to_be_bytes).concat());
    packet.extend(((header_len as u16 / 4) << 12 | segment.flags).to_be_bytes());
    packet.extend(segment.window.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(options);
    packet.resize(total.into(), b'x');
    packet
}

/// Input, actions and output of the example, as text.
fn example() -> String {
    let mut oracle = Oracle::new(CompileConfig::default(), 65_536, OptionProfiles::new());
    let (mut input, mut actions, mut output) = (String::new(), String::new(), String::new());
    let mut first = Vec::new();
    let mut time = EPOCH;
    for (i, segment) in CONNECTION.iter().enumerate() {
        time = time.add_nanos(segment.after);
        let data = emit(segment, time);
        let packet = Packet {
            time,
            link: LinkType::RAW,
            wire_len: data.len() as u32,
            data: &data,
            ..Packet::default()
        };
        let (action, compiled) = oracle.step(&packet).expect("the example is in scope");
        if i == 0 {
            first = compiled.data.to_vec();
        }
        input += &line(i, &packet);
        actions += &format!("{} {}\n", i + 1, describe(&action));
        output += &line(i, &compiled);
    }
    assert_eq!(oracle.legalisations().total(), 0);
    let profiles = oracle.profiles().to_hex().into_iter().enumerate();
    let profiles: String = profiles
        .map(|(i, hex)| format!("{} {hex}\n", i + 11))
        .collect();
    [
        ("Input, link type RAW", input),
        ("Actions: what is not 0", actions),
        ("Option profiles that the lift added", profiles),
        ("Output with salt 0, link type ETHERNET", output),
        ("The first frame of the output", dump(&first)),
    ]
    .map(|(title, text)| format!("{title}:\n\n```text\n{text}```\n"))
    .join("\n")
}

/// A packet on two lines.
fn line(i: usize, packet: &Packet<'_>) -> String {
    let headers = wire::parse(packet).expect("both sides are in scope");
    let Transport::Tcp(tcp) = headers.transport else {
        panic!("the example is TCP");
    };
    format!(
        "{} {} {}:{} > {}:{} ttl {} [{}] seq {} ack {} win {} len {}\n  options {}\n",
        i + 1,
        packet.time,
        headers.source,
        tcp.source_port,
        headers.destination,
        tcp.destination_port,
        headers.ttl,
        flag_names(&tcp),
        tcp.numbers.seq.0,
        tcp.numbers.ack.0,
        tcp.window,
        headers.payload_len,
        hex(tcp.options),
    )
}

fn flag_names(tcp: &TcpHeader<'_>) -> String {
    let names = [(SYN, "SYN"), (FIN, "FIN"), (PSH, "PSH"), (ACK, "ACK")];
    let set = names.iter().filter(|(flag, _)| tcp.flags & flag != 0);
    let set: Vec<&str> = set.map(|(_, name)| *name).collect();
    set.join(" ")
}

/// The quantities of an action that are not 0, and its time.
fn describe(action: &Action) -> String {
    let mut text = format!("delta_t={}", action.delta_t);
    for quantity in QUANTITIES {
        match (quantity.get)(action) {
            0 => {}
            value => text += &format!(" {}={value}", quantity.name),
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn dump(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).enumerate();
    lines
        .map(|(i, chunk)| format!("{:04x}  {}\n", 16 * i, hex(chunk)))
        .collect()
}
