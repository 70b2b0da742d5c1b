//! Captures that differ only in addresses, ports, identifiers, absolute numbers and payload lift to
//! the same actions, and so compile to the same bytes: nothing of these survives.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::path::Path;

use tracecodec::action::{Action, ActionSchema, OptionProfiles};
use tracecodec::lift::Lifter;
use tracecodec::pcap::{Packet, Reader};
use tracecodec::wire::{self, Transport, icmp};

/// Added to every sequence number. No number of the capture becomes 0.
const SHIFT: u32 = 0x1357_9bdf;

/// Changes everything that must not survive, in a raw IP packet.
fn disguise(packet: &Packet<'_>) -> Vec<u8> {
    let mut data = packet.data.to_vec();
    let Ok(headers) = wire::parse(packet) else {
        return data;
    };
    let (addresses, transport) = match data[0] >> 4 {
        4 => (12..20, 20),
        _ => (8..40, 40),
    };
    // Another address of the same kind: the first byte of each stays.
    let half = addresses.len() / 2;
    for address in data[addresses].chunks_exact_mut(half) {
        address[1..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    }
    let payload = match headers.transport {
        Transport::Tcp(tcp) => {
            shift(&mut data[transport + 4..transport + 8]);
            if tcp.numbers.ack.0 != 0 {
                shift(&mut data[transport + 8..transport + 12]);
            }
            20 + tcp.options_len
        }
        _ => 8,
    };
    let ports = match headers.transport {
        Transport::Icmp(_) => transport + 4..transport + 6,
        _ => transport..transport + 4,
    };
    data[ports].iter_mut().for_each(|byte| *byte ^= 0x3c);
    let payload = (transport + payload).min(data.len());
    data[payload..].iter_mut().for_each(|byte| *byte ^= 0x77);
    data
}

fn shift(number: &mut [u8]) {
    let shifted = u32::from_be_bytes(number.try_into().unwrap()).wrapping_add(SHIFT);
    number.copy_from_slice(&shifted.to_be_bytes());
}

/// Whether a packet is an ICMP error, whose quote the disguise would not keep consistent.
fn is_error(packet: &Packet<'_>) -> bool {
    let headers = wire::parse(packet);
    headers.is_ok_and(|headers| match headers.transport {
        Transport::Icmp(message) => icmp::is_error(headers.family, message.icmp_type),
        _ => false,
    })
}

fn lift(disguised: bool, schema: ActionSchema) -> (Vec<Action>, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap");
    let mut reader = Reader::open(path).unwrap();
    let mut lifter = Lifter::new(schema, 1 << 16, OptionProfiles::new());
    let mut actions = Vec::new();
    while let Some(packet) = reader.next() {
        let packet = packet.unwrap();
        if is_error(&packet) && schema != ActionSchema::PAPER {
            continue;
        }
        let data = if disguised {
            disguise(&packet)
        } else {
            packet.data.to_vec()
        };
        actions.extend(lifter.lift(&Packet {
            data: &data,
            ..packet
        }));
    }
    (actions, lifter.into_profiles().to_hex())
}

#[test]
fn test_identifiers_numbers_and_payload_leave_no_trace() {
    for schema in [ActionSchema::PAPER, ActionSchema::default()] {
        let (plain, disguised) = (lift(false, schema), lift(true, schema));
        assert!(plain.0.len() > 3900);
        assert!(plain == disguised);
    }
}
