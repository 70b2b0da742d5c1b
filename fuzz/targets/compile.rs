//! Bytes as actions: the compiler is total, and what it writes parses to the protocol of the
//! action.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracecodec::action::schema::{FIELD_COUNT, FieldValues};
use tracecodec::action::{Action, ActionSchema, Hosts, OptionLayout, OptionProfiles, Services};
use tracecodec::compile::{CompileConfig, Compiler, Link, PayloadPolicy};
use tracecodec::pcap::Timestamp;
use tracecodec::wire;

/// Number of most significant digits of `flow_token` that stay 0: others would make tables of
/// many slots.
const HIGH_DIGITS: usize = 4;

fn action(bytes: &[u8]) -> Action {
    let mut values: FieldValues = [0; FIELD_COUNT];
    for (value, &byte) in values.iter_mut().zip(bytes).skip(HIGH_DIGITS) {
        *value = byte.into();
    }
    let delta_t = bytes[bytes.len() - 8..].try_into().expect("eight bytes");
    Action::from_field_values(&values, i64::from_be_bytes(delta_t))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[first, words], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let (area, rest) = rest.split_at(rest.len().min(4 * usize::from(words % 64)));
    let mut profiles = OptionProfiles::new();
    for area in area.chunks(40) {
        profiles.intern(OptionLayout::of(area));
    }
    let config = CompileConfig {
        payload: [
            PayloadPolicy::Synthetic,
            PayloadPolicy::Truncate,
            PayloadPolicy::Shaped,
            PayloadPolicy::Shaped,
        ][usize::from(first >> 5 & 0b11)],
        link: [Link::Ethernet, Link::RawIp][usize::from(first >> 1 & 1)],
        schema: match first >> 2 & 0b111 {
            0 => ActionSchema::PAPER,
            bits => ActionSchema {
                hosts: [Hosts::Flow, Hosts::Graph][usize::from(bits & 1)],
                services: [Services::None, Services::Class][usize::from(bits >> 1 & 1)],
                ..ActionSchema::default()
            },
        },
        ..CompileConfig::default()
    };
    let mut compiler = Compiler::new(config, Timestamp(0));
    for record in rest.chunks_exact(FIELD_COUNT + 8) {
        let action = action(record);
        let packet = compiler.compile(&action, &profiles);
        let headers = wire::parse(&packet).expect("a compiled packet is in scope");
        assert_eq!(headers.family, action.ip_family);
        assert_eq!((headers.ttl, headers.tos), (action.ttl_res, action.ip_tos));
    }
});
