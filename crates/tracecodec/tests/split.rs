//! Segments that are split at an MTU are those that an interface would have sent.

use tracecodec::action::Family;
use tracecodec::action::{Action, ActionSchema, FlowEvent, OptionProfiles, Proto, SCHEMA_VERSION};
use tracecodec::check::{Checker, Severity};
use tracecodec::compile::Splitter;
use tracecodec::compile::{CompileConfig, Compiler, PayloadPolicy};
use tracecodec::pcap::{PacketBuf, Timestamp};
use tracecodec::service::{self, Service};
use tracecodec::tcp::flags;
use tracecodec::wire::{self, Transport};

/// A segment of this length, compiled and split.
fn split(family: Family, len: u32, payload: PayloadPolicy, mtu: u32) -> [Vec<PacketBuf>; 2] {
    let (tcp_ctrl, tcp_flag_bits) = flags::split(flags::FIN | flags::PSH | flags::ACK | flags::CWR);
    let action = Action {
        flow_evt: FlowEvent::Open,
        proto: Proto::Tcp,
        ip_family: family,
        tcp_ctrl,
        tcp_flag_bits,
        ttl_res: 64,
        l4_payload_len: len,
        host_evt: 3,
        resp_host: 1,
        resp_service: service::of(Proto::Tcp, 443).map_or(0, Service::number),
        ..Action::default()
    };
    // Without services in the schema, the port is none of a service.
    let schema = if payload == PayloadPolicy::Shaped {
        ActionSchema::whole(SCHEMA_VERSION)
    } else {
        ActionSchema::default()
    };
    let config = CompileConfig {
        payload,
        schema,
        ..CompileConfig::default()
    };
    let mut compiler = Compiler::new(config, Timestamp(0));
    let profiles = OptionProfiles::new();
    let whole = compiler.compile(&action, &profiles);
    let mut parts = Vec::new();
    let mut splitter = Splitter::new(mtu);
    let kept = splitter.split(&whole, |part| {
        parts.push(PacketBuf::from(part));
        Ok::<_, ()>(())
    });
    kept.expect("nothing fails");
    [vec![PacketBuf::from(&whole)], parts]
}

/// The TCP header of a packet, its payload length, and the bytes behind it.
fn parsed(packet: &PacketBuf) -> (wire::TcpHeader<'_>, u32, &[u8]) {
    let packet = packet.as_packet();
    let headers = wire::parse(&packet).expect("a packet in scope");
    let Transport::Tcp(segment) = headers.transport else {
        panic!("a segment");
    };
    let at = 14 + (headers.ip_len - headers.payload_len) as usize;
    (segment, headers.payload_len, &packet.data[at..])
}

fn is_right(packet: &PacketBuf) -> bool {
    let mut checker = Checker::new();
    checker.observe(&packet.as_packet());
    checker.finish().count(Severity::Error) == 0
}

#[test]
fn test_parts_are_the_whole() {
    for (family, len, payload, mtu) in [
        (Family::V4, 4000, PayloadPolicy::Synthetic, 1500),
        (Family::V4, 100_000, PayloadPolicy::Synthetic, 576),
        (Family::V6, 5000, PayloadPolicy::Synthetic, 1500),
        (Family::V6, 70_001, PayloadPolicy::Synthetic, 9000),
        (Family::V4, 4001, PayloadPolicy::Shaped, 1500),
        (Family::V6, 70_001, PayloadPolicy::Shaped, 9000),
    ] {
        let [whole, parts] = split(family, len, payload, mtu);
        let (first, _, all) = parsed(&whole[0]);
        let mut bytes = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            let (segment, part_len, payload) = parsed(part);
            assert!(is_right(part), "{family:?} {len} {mtu} {i}");
            assert!(part.wire_len <= mtu + 14 && part.time == whole[0].time);
            assert_eq!(part_len as usize, payload.len());
            assert_eq!(segment.numbers.seq, first.numbers.seq + bytes.len() as u32);
            let is_last = i + 1 == parts.len();
            let expected = flags::ACK
                | if i == 0 { flags::CWR } else { 0 }
                | if is_last { flags::FIN | flags::PSH } else { 0 };
            assert_eq!(segment.flags, expected);
            bytes.extend_from_slice(payload);
        }
        assert_eq!(bytes, all);
        assert_eq!(bytes.len() as u32, len);
    }
}

#[test]
fn test_identifications_count_up() {
    let [_, parts] = split(Family::V4, 4000, PayloadPolicy::Synthetic, 1500);
    let ids = parts
        .iter()
        .map(|part| wire::parse(&part.as_packet()).expect("in scope").ip_id);
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids, [ids[0], ids[0] + 1, ids[0] + 2]);
}

#[test]
fn test_cut_payload_has_the_checksums_of_whole_payload() {
    let [_, cut] = split(Family::V4, 4000, PayloadPolicy::Truncate, 1500);
    let [_, whole] = split(Family::V4, 4000, PayloadPolicy::Synthetic, 1500);
    assert_eq!(cut.len(), 3);
    for (cut, whole) in cut.iter().zip(&whole) {
        assert_eq!(cut.wire_len, whole.wire_len);
        assert_eq!(cut.data, whole.data[..14 + 40]);
    }
}

#[test]
fn test_what_fits_stays() {
    let [whole, parts] = split(Family::V4, 1460, PayloadPolicy::Synthetic, 1500);
    assert_eq!(whole, parts);
}
