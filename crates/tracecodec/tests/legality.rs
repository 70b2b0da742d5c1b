//! The compiler is total, and lifting what it compiled from lifted actions gives the same actions.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/actions.rs"]
mod actions;
#[path = "common/packets.rs"]
mod packets;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tracecodec::action::{Action, ActionSchema, Family, Hosts, OptionProfiles, Proto, Services};
use tracecodec::compile::{CompileConfig, Compiler, Link, PayloadPolicy, Salt};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::Lifter;
use tracecodec::oracle::Proof;
use tracecodec::pcap::{LinkType, PacketBuf, Timestamp};
use tracecodec::wire::{self, SkipReason, Transport};

/// Where compiled captures start.
const EPOCH: Timestamp = Timestamp(1_600_000_000_000_000_000);

/// Compiles a sequence, and returns the frames and the number of legalisations.
fn compile(
    actions: &[Action],
    profiles: &OptionProfiles,
    config: CompileConfig,
) -> (Vec<PacketBuf>, u64) {
    let mut compiler = Compiler::new(config, EPOCH);
    let frames = actions
        .iter()
        .map(|action| (&compiler.compile(action, profiles)).into())
        .collect();
    (frames, compiler.legalisations().total())
}

/// Lifts the frames that are in scope.
fn lift(frames: &[PacketBuf], schema: ActionSchema) -> (Vec<Action>, OptionProfiles) {
    let mut lifter = Lifter::new(schema, MAX_SLOTS, OptionProfiles::new());
    let actions = frames
        .iter()
        .filter_map(|frame| lifter.lift(&frame.as_packet()).ok())
        .collect();
    (actions, lifter.profiles().clone())
}

/// Sum of the 16-bit words modulo 2^16 - 1: all ones over data that includes its right checksum.
fn ones_complement_sum(parts: &[&[u8]]) -> u64 {
    let bytes = parts.concat();
    let words = bytes
        .chunks(2)
        .map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0)));
    match words.sum::<u64>() % 0xffff {
        0 => 0xffff,
        sum => sum,
    }
}

/// Checks lengths and checksums of a whole IPv4 packet.
fn check_v4(packet: &[u8], len: usize) -> TestCaseResult {
    let header_len = 4 * usize::from(packet[0] & 0xf);
    let field = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    prop_assert_eq!(field, if len > 0xffff { 0 } else { len });
    prop_assert_eq!(ones_complement_sum(&[&packet[..header_len]]), 0xffff);
    let pseudo = match packet[9] {
        1 => vec![],
        proto => pseudo_header(&packet[12..20], proto, len - header_len),
    };
    check_transport(packet[9], &pseudo, &packet[header_len..], len - header_len)
}

/// Checks lengths and checksums of a whole IPv6 packet with at most one extension header.
fn check_v6(packet: &[u8], len: usize) -> TestCaseResult {
    let field = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    prop_assert_eq!(field, if len - 40 > 0xffff { 0 } else { len - 40 });
    let (proto, header_len) = match packet[6] {
        60 => (packet[40], 48 + 8 * usize::from(packet[41])),
        proto => (proto, 40),
    };
    let pseudo = pseudo_header(&packet[8..40], proto, len - header_len);
    check_transport(proto, &pseudo, &packet[header_len..], len - header_len)
}

fn pseudo_header(addresses: &[u8], proto: u8, len: usize) -> Vec<u8> {
    [addresses, &(len as u32).to_be_bytes(), &[0, 0, 0, proto]].concat()
}

/// Checks the checksum of a packet that was captured whole.
fn check_transport(proto: u8, pseudo: &[u8], message: &[u8], len: usize) -> TestCaseResult {
    if proto == 17 {
        prop_assert_eq!(
            usize::from(u16::from_be_bytes([message[4], message[5]])),
            len
        );
        prop_assert_ne!(&message[6..8], &[0, 0][..]);
    }
    if message.len() == len && matches!(proto, 1 | 6 | 17 | 58) {
        prop_assert_eq!(ones_complement_sum(&[pseudo, message]), 0xffff);
    }
    Ok(())
}

/// Checks a compiled frame against its action.
fn check(action: &Action, frame: &PacketBuf, link: Link) -> TestCaseResult {
    let headers = wire::parse(&frame.as_packet());
    prop_assert!(headers.is_ok(), "{headers:?} for {action:?}");
    let headers = headers.unwrap();
    let proto = match headers.transport {
        Transport::Tcp(_) => Proto::Tcp,
        Transport::Udp { .. } => Proto::Udp,
        Transport::Icmp(_) => Proto::Icmp,
        Transport::Other(_) => Proto::Other,
    };
    prop_assert_eq!((proto, headers.family), (action.proto, action.ip_family));
    prop_assert_eq!((headers.ttl, headers.tos), (action.ttl_res, action.ip_tos));
    prop_assert_eq!(frame.link, link.link_type());
    let offset = if link == Link::Ethernet { 14 } else { 0 };
    let len = frame.wire_len as usize - offset;
    prop_assert_eq!(headers.ip_len as usize, len);
    prop_assert!(frame.data.len() <= frame.wire_len as usize);
    match action.ip_family {
        Family::V4 => check_v4(&frame.data[offset..], len),
        Family::V6 => check_v6(&frame.data[offset..], len),
    }
}

/// Compiles in every way and checks every frame.
fn check_all(
    actions: &[Action],
    profiles: &OptionProfiles,
    schema: ActionSchema,
    salt: u64,
) -> TestCaseResult {
    for link in [Link::Ethernet, Link::RawIp] {
        let config = |payload| CompileConfig {
            salt: Salt(salt),
            schema,
            payload,
            link,
            stateless: salt % 2 == 1,
        };
        let (whole, _) = compile(actions, profiles, config(PayloadPolicy::Synthetic));
        let (cut, _) = compile(actions, profiles, config(PayloadPolicy::Truncate));
        for ((action, whole), cut) in actions.iter().zip(&whole).zip(&cut) {
            check(action, whole, link)?;
            check(action, cut, link)?;
            prop_assert_eq!(whole.wire_len, cut.wire_len);
            prop_assert!(whole.data.starts_with(&cut.data));
        }
    }
    Ok(())
}

/// Checks that compile and lift are inverse to each other on the actions lifted from these frames,
/// and that the oracle agrees.
fn check_round_trip(frames: &[PacketBuf], config: CompileConfig) -> TestCaseResult {
    let (actions, profiles) = lift(frames, config.schema);
    let (compiled, legalisations) = compile(&actions, &profiles, config);
    prop_assert_eq!(legalisations, 0);
    let (again, _) = lift(&compiled, config.schema);
    prop_assert_eq!(again.len(), actions.len());
    for (again, action) in again.iter().zip(&actions) {
        prop_assert_eq!(again, action);
    }
    let mut proof = Proof::new(config);
    for frame in frames {
        let loss = proof.step(&frame.as_packet()).and_then(|(_, loss)| loss);
        prop_assert_eq!(loss, None);
    }
    Ok(())
}

/// Every schema: the paper's, and ours with and without hosts and services.
fn schema() -> impl Strategy<Value = ActionSchema> {
    let hosts = prop_oneof![Just(Hosts::Flow), Just(Hosts::Graph)];
    let services = prop_oneof![Just(Services::None), Just(Services::Class)];
    let ours = (hosts, services).prop_map(|(hosts, services)| ActionSchema {
        hosts,
        services,
        ..ActionSchema::default()
    });
    prop_oneof![1 => Just(ActionSchema::PAPER), 4 => ours]
}

/// Action sequences lifted from a capture, with some values changed.
fn nearly_legal() -> impl Strategy<Value = (Vec<Action>, OptionProfiles, ActionSchema)> {
    (packets::capture(), schema()).prop_flat_map(|(frames, schema)| {
        let (actions, profiles) = lift(&frames, schema);
        (actions::mutated(actions), Just(profiles), Just(schema))
    })
}

/// If this fails, the oracle would replace the message's code.
#[test]
fn test_messages_that_the_compiler_would_change_are_out_of_scope() {
    let message = |icmp_type, code, body: u8| {
        let mut data = vec![0x60, 0, 0, 0, 0, 8 + body, 58, 64];
        data.resize(40, 0);
        data.extend([icmp_type, code]);
        data.resize(48 + usize::from(body), 0);
        let frame = PacketBuf {
            time: EPOCH,
            link: LinkType::RAW,
            wire_len: data.len() as u32,
            data,
            ..PacketBuf::default()
        };
        wire::parse(&frame.as_packet()).map(|headers| headers.payload_len)
    };
    assert_eq!(message(159, 0, 0), Ok(0));
    assert_eq!(message(159, 1, 0), Err(SkipReason::MalformedHeader));
    assert_eq!(message(133, 0, 8), Ok(8));
    assert_eq!(message(133, 0, 1), Err(SkipReason::MalformedHeader));
}

/// An offloaded datagram whose length field is 0 may be longer than any length field can hold.
#[test]
fn test_what_is_longer_than_an_ip_header_can_tell_is_out_of_scope() {
    let datagram = |wire_len| {
        let mut data = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17];
        data.resize(28, 0);
        let frame = PacketBuf {
            time: EPOCH,
            link: LinkType::RAW,
            wire_len,
            data,
            ..PacketBuf::default()
        };
        wire::parse(&frame.as_packet()).map(|headers| headers.payload_len)
    };
    assert_eq!(datagram(65_535), Ok(65_507));
    assert_eq!(datagram(65_536), Err(SkipReason::TooLong));
}

/// A segment that an interface was to cut may be longer, but not longer than an action can state.
#[test]
fn test_segments_beyond_the_length_field_are_in_scope() {
    let lift = |payload: u32, schema| {
        let mut data = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6];
        data.resize(20, 0);
        data.extend([
            0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0, 0, 0, 0, 0, 0,
        ]);
        let frame = PacketBuf {
            time: EPOCH,
            link: LinkType::RAW,
            wire_len: 40 + payload,
            data,
            ..PacketBuf::default()
        };
        let mut lifter = Lifter::new(schema, MAX_SLOTS, OptionProfiles::new());
        let lifted = lifter.lift(&frame.as_packet());
        lifted.map(|action| action.l4_payload_len)
    };
    let ours = ActionSchema::default();
    assert_eq!(lift(0xf_ffff, ours), Ok(0xf_ffff));
    assert_eq!(lift(0x10_0000, ours), Err(SkipReason::TooLong));
    assert_eq!(lift(65_495, ActionSchema::PAPER), Ok(65_495));
    assert_eq!(lift(65_496, ActionSchema::PAPER), Err(SkipReason::TooLong));
}

proptest! {
    #[test]
    fn test_random_actions_compile_to_legal_packets(
        actions in vec(actions::action(), 1..40), profiles in actions::profiles(),
        schema in schema(), salt in any::<u64>(),
    ) {
        check_all(&actions, &profiles, schema, salt)?;
    }

    #[test]
    fn test_nearly_legal_actions_compile_to_legal_packets(
        (actions, profiles, schema) in nearly_legal(),
    ) {
        check_all(&actions, &profiles, schema, 0)?;
    }

    /// Slots and directions may differ from the random ones, because lift takes the lowest free
    /// slot and makes the sender of the first packet the opener. But lifted actions are a fixed
    /// point.
    #[test]
    fn test_compiled_random_actions_are_a_fixed_point(
        actions in vec(actions::action(), 1..40), profiles in actions::profiles(),
        schema in schema(), salt in any::<u64>(),
    ) {
        let config = CompileConfig { salt: Salt(salt), schema, ..CompileConfig::default() };
        check_round_trip(&compile(&actions, &profiles, config).0, config)?;
    }

    #[test]
    fn test_compiled_nearly_legal_actions_are_a_fixed_point(
        (actions, profiles, schema) in nearly_legal(),
    ) {
        let config = CompileConfig { schema, payload: PayloadPolicy::Truncate, ..CompileConfig::default() };
        check_round_trip(&compile(&actions, &profiles, config).0, config)?;
    }

    #[test]
    fn test_lifted_packets_are_a_fixed_point(
        frames in packets::capture(), schema in schema(), raw in any::<bool>(),
    ) {
        let link = if raw { Link::RawIp } else { Link::Ethernet };
        check_round_trip(&frames, CompileConfig { link, schema, ..CompileConfig::default() })?;
    }
}
