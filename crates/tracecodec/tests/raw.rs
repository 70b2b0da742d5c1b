//! The raw packet table: a valid row is a packet, and the oracle keeps a capture but for known
//! losses.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "packets need only some of it")]
#[path = "common/actions.rs"]
mod actions;
mod common;
#[path = "common/packets.rs"]
mod packets;

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use tracecodec::action::{Family, OptionProfiles, Proto};
use tracecodec::artifact::SourceEntry;
use tracecodec::flow::Conversations;
use tracecodec::metrics::{Evaluation, METRICS, Meter};
use tracecodec::pcap::{LinkType, Packet, Reader, Timestamp};
use tracecodec::raw::{
    BITS, Bit, BitRow, CATEGORICAL, COLUMNS, Candidate, Category, Column, InvalidRows, NUMERIC,
    Payload, RawOracle, RawRow, Renderer, RowReader, SEGMENTS, Schema, Value,
};
use tracecodec::wire::{self, Headers, SkipReason, Transport, icmp, ip_proto};

/// A random value of a column, of any magnitude; an address has the row's IP version.
fn value(column: &Column, is_v6: bool, bits: u128) -> Value {
    match column.range {
        None if is_v6 => Value::Address(IpAddr::V6(bits.into())),
        None => Value::Address(IpAddr::V4((bits as u32).into())),
        Some((least, most)) => {
            let span = most.abs_diff(least);
            let magnitude = (bits >> 64) as u32 % (span.ilog2() + 1);
            let offset = (bits % (u128::from(span) + 1)) as u64 >> magnitude;
            Value::Number(least.wrapping_add_unsigned(offset))
        }
    }
}

/// A random row of any values that the columns can hold: mostly a packet.
fn row() -> impl Strategy<Value = RawRow> {
    let proto = prop_oneof![Just(6), Just(17), Just(1), Just(58), Just(60), any::<u8>()];
    (any::<bool>(), proto, vec(any::<u128>(), COLUMNS.len())).prop_map(|(is_v6, proto, bits)| {
        let mut row = RawRow {
            ip_version: if is_v6 { Family::V6 } else { Family::V4 },
            proto,
            ..RawRow::default()
        };
        for (column, bits) in COLUMNS.iter().zip(bits) {
            let is_chosen = matches!(column.name, "ip_version" | "proto");
            let has_no_field = is_v6 && matches!(column.name, "ip_flags" | "ip_frag_off");
            if !is_chosen && !has_no_field && column.active.covers(row.block()) {
                assert!(column.set(&mut row, value(column, is_v6, bits)));
            }
        }
        row.tcp_opt_profile %= 20;
        // Most packets are whole.
        if !row.ip_frag_off.is_multiple_of(4) {
            (row.ip_flags, row.ip_frag_off) = (row.ip_flags & 6, 0);
        }
        row
    })
}

fn category() -> impl Strategy<Value = Category> {
    prop_oneof![
        Just(Category::NotApplicable),
        Just(Category::Rare),
        (0i64..300).prop_map(|number| Category::Value(Value::Number(number))),
        any::<IpAddr>().prop_map(|address| Category::Value(Value::Address(address))),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -2.0..70_000.0, Just(f64::NAN)]
}

/// A row with some cells replaced.
fn candidate() -> impl Strategy<Value = Candidate> {
    let categories = vec((0..CATEGORICAL, category()), 0..2);
    let numbers = vec((0..NUMERIC, number()), 0..2);
    (row(), categories, numbers).prop_map(|(row, categories, numbers)| {
        let mut candidate = Candidate::of(&row);
        for (at, category) in categories {
            candidate.categories[at] = category;
        }
        for (at, number) in numbers {
            candidate.numbers[at] = number;
        }
        candidate
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![Just(Payload::Zeros), Just(Payload::Absent)]
}

/// Why the packet of a valid row is out of scope, if it is.
fn skipped(row: &RawRow) -> Option<SkipReason> {
    let body = row.payload_len;
    let is_malformed = match row.block() {
        Proto::Tcp | Proto::Udp => false,
        Proto::Icmp => {
            icmp::legal_body(row.ip_version, row.icmp_type, body.into()) != u32::from(body)
                || !icmp::has_code(row.ip_version, row.icmp_type, row.icmp_code)
        }
        Proto::Other => body < ip_proto::smallest_header(row.proto),
    };
    if row.ip_frag_off > 0 || row.ip_flags & 1 > 0 {
        Some(SkipReason::Fragment)
    } else {
        is_malformed.then_some(SkipReason::MalformedHeader)
    }
}

/// The packet's headers as far as the table holds them: without option values, IPv4 options,
/// extension headers and echo identifiers.
fn held(mut headers: Headers<'_>) -> Headers<'_> {
    headers.ip_len -= 4 * u32::from(headers.ip_ext);
    (headers.ip_ext, headers.ip_id) = (0, 0);
    match &mut headers.transport {
        Transport::Tcp(tcp) => tcp.options = &[],
        Transport::Icmp(message) => {
            (message.identifier, message.second_word) = (0, 0);
            message.body = &[];
        }
        _ => {}
    }
    headers
}

/// The layout of a packet's TCP options.
fn layout(headers: &Headers<'_>) -> Option<Vec<u8>> {
    match headers.transport {
        Transport::Tcp(tcp) => Some(tcp.layout().bytes().to_vec()),
        _ => None,
    }
}

/// The bytes of all headers that are present in the bits.
fn bytes(row: &BitRow) -> Vec<u8> {
    let bits = SEGMENTS
        .iter()
        .flat_map(|segment| &row.bits[segment.offset..segment.end()]);
    let bits: Vec<u8> = bits
        .filter(|bit| **bit != Bit::Absent)
        .map(|bit| *bit as u8 - 1)
        .collect();
    bits.chunks(8)
        .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit))
        .collect()
}

/// Random changes of bits, mostly of bits that are present.
fn changes() -> impl Strategy<Value = Vec<(usize, Bit)>> {
    let code = prop_oneof![4 => Just(Bit::Zero), 4 => Just(Bit::One), 1 => Just(Bit::Absent)];
    vec((0..BITS, code), 0..12)
}

proptest! {
    #[test]
    fn test_bits_that_are_a_packet_are_the_packet_that_they_say(row in row(), changes in changes(), is_anywhere in prop::bool::weighted(0.2), profiles in actions::profiles()) {
        let Ok(mut bits) = BitRow::of(&row, &profiles) else { return Ok(()) };
        prop_assert_eq!(bits.read(&mut profiles.clone()), Ok(row));
        for (at, bit) in changes {
            if is_anywhere || bits.bits[at] != Bit::Absent {
                bits.bits[at] = bit;
            }
        }
        let (mut counts, mut learned) = (InvalidRows::default(), profiles.clone());
        let Some(row) = counts.count(bits.read(&mut learned)) else {
            prop_assert_eq!((counts.rows, counts.invalid), (1, 1));
            prop_assert!(counts.by_column().any(|(_, count)| count > 0));
            return Ok(());
        };
        prop_assert_eq!(row.check(&learned), Ok(()));
        let headers = bytes(&bits);
        let wire_len = (headers.len() + usize::from(row.payload_len)) as u32;
        let packet = Packet { time: Timestamp(0), link: LinkType::RAW, wire_len, data: &headers, ..Packet::default() };
        let mut reader = RowReader::new(profiles);
        let again = reader.read(&packet);
        let expected = skipped(&row).map_or(Ok(RawRow { delta_t: 0, ..row }), Err);
        // Captures with a UDP length below 8 are out of scope; the table recomputes it.
        let is_udp = row.proto == ip_proto::UDP && again == Err(SkipReason::MalformedHeader);
        prop_assert!(is_udp || again == expected, "{:?} {:?}", again, expected);
    }

    #[test]
    fn test_valid_row_is_the_packet_that_it_says(candidate in candidate(), payload in payload(), profiles in actions::profiles()) {
        let mut counts = InvalidRows::default();
        let Some(row) = counts.validate(&candidate, &profiles) else {
            prop_assert_eq!(counts.invalid, 1);
            prop_assert!(counts.by_reason().any(|(_, count)| count > 0));
            return Ok(());
        };
        let mut renderer = Renderer::new(payload, Timestamp(0));
        let packet = renderer.render(&row, &profiles).unwrap();
        prop_assert_eq!(packet.time.0, row.delta_t);
        let again = RowReader::new(profiles).read(&packet);
        let expected = skipped(&row).map_or(Ok(RawRow { delta_t: 0, ..row }), Err);
        prop_assert_eq!(again, expected);
    }

    #[test]
    fn test_rows_of_a_capture_are_valid_and_rendered_as_they_are(frames in packets::capture(), payload in payload()) {
        let (mut reader, mut again) = (RowReader::default(), RowReader::default());
        let mut oracle = RawOracle::new(Schema::Columns, payload);
        let mut counts = InvalidRows::default();
        for frame in &frames {
            let row = reader.read(&frame.as_packet());
            let rendered = oracle.step(&frame.as_packet());
            prop_assert_eq!(row.is_ok(), rendered.is_some());
            let (Ok(row), Some(rendered)) = (row, rendered) else { continue };
            prop_assert_eq!(rendered.time, frame.time);
            prop_assert_eq!(again.read(&rendered), Ok(row));
            prop_assert_eq!(counts.validate(&Candidate::of(&row), reader.profiles()), Some(row));
        }
        prop_assert_eq!((counts.invalid, counts.leaks), (0, 0));
    }
}

/// Takes a capture through the bits: every row comes back, and every packet is the one that the
/// columns render. Returns the number of rows.
fn through_bits(path: &Path) -> Option<u64> {
    let mut reader = Reader::open(path).ok()?;
    let mut rows = RowReader::default();
    let mut profiles = OptionProfiles::new();
    let mut columns = RawOracle::new(Schema::Columns, Payload::Absent);
    let mut bits = RawOracle::new(Schema::Bits, Payload::Absent);
    while let Some(Ok(packet)) = reader.next() {
        assert_eq!(
            columns.step(&packet),
            bits.step(&packet),
            "{}",
            path.display()
        );
        let Ok(row) = rows.read(&packet) else {
            continue;
        };
        // A dictionary that meets the same layouts numbers them likewise.
        let row_bits = BitRow::of(&row, rows.profiles()).unwrap();
        assert_eq!(row_bits.read(&mut profiles), Ok(row), "{}", path.display());
    }
    assert_eq!(columns.counts(), bits.counts());
    Some(rows.counts().rows())
}

#[test]
fn test_example_through_bits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap");
    assert!(through_bits(&path).unwrap() > 1_000);
}

#[test]
fn test_captures_through_bits() {
    let Some(data) = common::data() else { return };
    let catalog = fs::read_to_string(data.join("catalog.tsv")).unwrap();
    let paths = catalog.lines().skip(1).step_by(4);
    let paths = paths.map(|line| data.join(line.split('\t').next().unwrap()));
    let rows: u64 = paths.filter_map(|path| through_bits(&path)).sum();
    assert!(rows > 100_000);
}

/// What the oracle loses of a capture, and whether the capture holds anything that the table
/// cannot.
struct Losses {
    evaluation: Evaluation,
    has_echo: bool,
    has_extensions: bool,
}

/// Takes a capture through the table and compares every packet's headers on the way.
fn losses(path: &Path) -> Option<Losses> {
    let mut reader = Reader::open(path).ok()?;
    let (mut seen, mut again) = (Conversations::default(), Conversations::default());
    let mut reference = Meter::new(|_, headers, time| seen.observe(headers, time));
    let mut decoded = Meter::new(|_, headers, time| again.observe(headers, time));
    let mut oracle = RawOracle::new(Schema::Columns, Payload::Absent);
    let mut has_echo = false;
    while let Some(Ok(packet)) = reader.next() {
        reference.observe(&packet);
        let Ok(before) = wire::parse(&packet) else {
            continue;
        };
        let rendered = oracle.step(&packet).unwrap();
        decoded.observe(&rendered);
        let after = wire::parse(&rendered).unwrap();
        assert_eq!(held(before), held(after), "{}", path.display());
        assert_eq!(layout(&before), layout(&after), "{}", path.display());
        has_echo |= matches!(before.transport, Transport::Icmp(message) if icmp::is_echo(before.family, message.icmp_type));
    }
    let file = SourceEntry {
        name: String::new(),
        blake3: String::new(),
        bytes: 0,
        packets: reader.packets(),
        damage: None,
        selection: None,
        tunnels: Default::default(),
    };
    let reference = (file.clone(), reference.finish());
    let decoded = (file, decoded.finish());
    Some(Losses {
        evaluation: Evaluation::of_pair(String::new(), reference, decoded, None),
        has_echo,
        has_extensions: oracle.counts().lost_extensions > 0,
    })
}

#[test]
fn test_oracle_loses_echo_flows_and_extension_headers_alone() {
    let Some(data) = common::data() else { return };
    let catalog = fs::read_to_string(data.join("catalog.tsv")).unwrap();
    let paths = catalog.lines().skip(1).step_by(4);
    let paths = paths.map(|line| data.join(line.split('\t').next().unwrap()));
    let (mut with_echo, mut with_extensions) = (0, 0);
    for path in paths {
        let Some(losses) = losses(&path) else {
            continue;
        };
        with_echo += u32::from(losses.has_echo);
        with_extensions += u32::from(losses.has_extensions);
        for metric in METRICS {
            let may_differ = match metric.key {
                "tcp_event_pp"
                | "tcp_event_exclusive_pp"
                | "count_pct"
                | "proto_pct"
                | "iat_ms_pct"
                | "iat_log_pct"
                | "transition_tv" => false,
                "flow_count_pct" | "flow_duration_ms_pct" | "packets_per_flow_pct" => {
                    losses.has_echo
                }
                "packet_size_pct" => losses.has_extensions,
                _ => continue,
            };
            if let (false, Ok(error)) = (may_differ, (metric.measure)(&losses.evaluation)) {
                assert_eq!(error, 0.0, "{} of {}", metric.key, path.display());
            }
        }
    }
    assert!(with_echo > 0 && with_extensions > 0);
}
