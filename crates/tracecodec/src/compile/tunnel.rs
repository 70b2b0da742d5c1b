//! Headers inside tunnels of the output: what a tunnel carries is not kept, but its packets have an
//! inner header that is legal.

use super::flow::{AddressBytes, Flow};
use super::message::Message;
use crate::action::Action;
use crate::wire::{IPV4_HEADER, IPV6_HEADER, checksum, ip_proto};

/// Length of an Ethernet header.
const ETHERNET_HEADER: usize = 14;

/// An EtherType for experiments (IEEE Std 802).
const EXPERIMENTAL: [u8; 2] = 0x88b5u16.to_be_bytes();

/// Time to live and hop limit of inner packets.
const TTL: u8 = 64;

/// The start of the payload of an IP protocol that carries packets, all of which is captured; empty
/// for any other protocol.
pub(super) fn emit(action: &Action, flow: &Flow) -> Message {
    let len = action.l4_payload_len as usize;
    let mut inner = Message::default();
    match action.ip_proto {
        ip_proto::IPV4 if len >= IPV4_HEADER => put_ipv4(action, flow, len, &mut inner),
        ip_proto::IPV6 if len >= IPV6_HEADER => put_ipv6(action, flow, len, &mut inner),
        // RFC 2784: no checksum, version 0.
        ip_proto::GRE if len >= 4 => {
            inner.put(&[0, 0]);
            inner.put(&EXPERIMENTAL);
        }
        // RFC 3378: version 3.
        ip_proto::ETHERIP if len >= 2 + ETHERNET_HEADER => {
            inner.put(&[0x30, 0]);
            put_ethernet(action, flow, &mut inner);
        }
        ip_proto::ETHERNET if len >= ETHERNET_HEADER => put_ethernet(action, flow, &mut inner),
        _ => {}
    }
    inner
}

/// An IPv4 packet between addresses that end as those of the outer packet.
fn put_ipv4(action: &Action, flow: &Flow, len: usize, inner: &mut Message) {
    let address = |outer: AddressBytes| match outer {
        AddressBytes::V4(address) => address,
        AddressBytes::V6([.., a, b, c]) => [10, a, b, c],
    };
    let mut header = [0; IPV4_HEADER];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(len as u16).to_be_bytes());
    header[6] = 0x40;
    header[8..10].copy_from_slice(&[TTL, ip_proto::EXPERIMENT]);
    let dir = action.role();
    header[12..16].copy_from_slice(&address(flow.address(dir)));
    header[16..].copy_from_slice(&address(flow.address(dir.reverse())));
    let field = checksum::finish(checksum::sum(&header));
    header[10..12].copy_from_slice(&field.to_be_bytes());
    inner.put(&header);
}

/// An IPv6 packet between addresses that end as those of the outer packet.
fn put_ipv6(action: &Action, flow: &Flow, len: usize, inner: &mut Message) {
    let address = |outer: AddressBytes| match outer {
        AddressBytes::V4([a, b, c, d]) => [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d],
        AddressBytes::V6(address) => address,
    };
    let dir = action.role();
    inner.put(&[0x60, 0, 0, 0]);
    inner.put(&((len - IPV6_HEADER) as u16).to_be_bytes());
    inner.put(&[ip_proto::EXPERIMENT, TTL]);
    inner.put(&address(flow.address(dir)));
    inner.put(&address(flow.address(dir.reverse())));
}

fn put_ethernet(action: &Action, flow: &Flow, inner: &mut Message) {
    let dir = action.role();
    inner.put(&flow.mac(dir.reverse()));
    inner.put(&flow.mac(dir));
    inner.put(&EXPERIMENTAL);
}
