//! Tunnels: packets that carry packets.
//!
//! A function for each encapsulation finds where the carried packet starts and what it starts with.
//! Control messages and types of payload that no function knows are no tunnel: such a packet is
//! what its own headers say.

use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};

use super::link::{byte, ethertype, word};
use super::{IpPacket, SkipReason, Transport, ip_packet, ip_proto, transport};
use crate::action::Family;
use crate::choice::Choice;
use crate::pcap::{LinkType, Packet};

/// Number of tunnels within each other that are followed; the packet within the last one is taken
/// as it is.
pub const MAX_DEPTH: usize = 8;

/// Which packet of a tunnel is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tunnels {
    /// The packet with the outermost IP header.
    #[default]
    Outer,
    /// The innermost packet.
    Inner,
}

impl Choice for Tunnels {
    const WHAT: &'static str = "packet of a tunnel";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Outer,
            "outer",
            "The outermost IP header; what a tunnel carries is payload",
        ),
        (
            Self::Inner,
            "inner",
            "The innermost packet, as if it had been captured without its tunnels",
        ),
    ];
}

impl Tunnels {
    /// Whether the outermost packet is read, the default.
    pub fn is_outer(&self) -> bool {
        *self == Self::Outer
    }

    /// The packet that is read.
    pub fn packet<'a>(self, packet: Packet<'a>) -> Packet<'a> {
        match self {
            Self::Outer => packet,
            Self::Inner => layers(&packet).last().map_or(packet, |tunnel| tunnel.inner),
        }
    }
}

/// A tunnel and the packet in it.
#[derive(Debug, Clone, Copy)]
pub struct Tunnel<'a> {
    /// Name of the encapsulation.
    pub name: &'static str,
    /// The carried packet, with time, comment and interface of the packet that carries it. It has
    /// no bytes if the capture cut them or part of the tunnel's header.
    pub inner: Packet<'a>,
}

/// The tunnels of a packet, the outermost first; at most [`MAX_DEPTH`].
pub fn layers<'a>(packet: &Packet<'a>) -> impl Iterator<Item = Tunnel<'a>> + use<'a> {
    let first = decapsulate(packet);
    std::iter::successors(first, |tunnel| decapsulate(&tunnel.inner)).take(MAX_DEPTH)
}

/// What the carried packet starts with, and where; `None` if the bytes carry no packet.
type Found = Option<(LinkType, usize)>;

/// Finds the carried packet in what follows the IP or UDP header. The error is
/// [`SkipReason::CutHeader`] if the bytes end before the carried packet.
type Find = fn(&[u8]) -> Result<Found, SkipReason>;

/// The outermost tunnel of a packet; `None` if it is no tunnel, or its headers are out of scope.
fn decapsulate<'a>(packet: &Packet<'a>) -> Option<Tunnel<'a>> {
    let ip = ip_packet(packet).ok()?;
    let (mut data, mut len) = (ip.payload, ip.payload_len);
    let (name, find): (_, Find) = match ip.proto {
        ip_proto::UDP => {
            let (udp, header) = transport::parse(&ip).ok()?;
            let encapsulation = by_port(udp)?;
            // Length 0 means a jumbogram (RFC 2675) or an offloaded datagram.
            let datagram = match word(data, 4).ok()?.into() {
                0 => len,
                datagram => len.min(datagram),
            };
            data = &data[header..data.len().min(datagram)];
            len = datagram - header;
            encapsulation
        }
        _ => by_protocol(&ip)?,
    };
    let (link, at) = match find(data) {
        Ok(found) => found?,
        Err(_) if data.len() < len => (LinkType::RAW, data.len()),
        // The packet, and not the capture, ends before the header's end.
        Err(_) => return None,
    };
    let inner_len = len.checked_sub(at).filter(|&len| len > 0)?;
    let inner = Packet {
        link,
        data: data.get(at..).unwrap_or(&[]),
        wire_len: inner_len as u32,
        ..*packet
    };
    Some(Tunnel { name, inner })
}

/// The encapsulation with an IP protocol number.
fn by_protocol(ip: &IpPacket<'_>) -> Option<(&'static str, Find)> {
    Some(match (ip.proto, ip.family) {
        (ip_proto::IPV4, Family::V4) => ("4in4", |_| Ok(Some((LinkType::RAW, 0)))),
        (ip_proto::IPV4, Family::V6) => ("4in6", |_| Ok(Some((LinkType::RAW, 0)))),
        (ip_proto::IPV6, Family::V4) => ("6in4", |_| Ok(Some((LinkType::IPV6, 0)))),
        (ip_proto::IPV6, Family::V6) => ("6in6", |_| Ok(Some((LinkType::IPV6, 0)))),
        (ip_proto::GRE, _) => match word(ip.payload, 2) {
            Ok(ERSPAN | ERSPAN_III) => ("erspan", gre),
            _ => ("gre", gre),
        },
        (ip_proto::ETHERIP, _) => ("etherip", etherip),
        (ip_proto::MPLS, _) => ("mpls", mpls),
        (ip_proto::ETHERNET, _) => ("ethernet", |_| Ok(Some((LinkType::ETHERNET, 0)))),
        _ => return None,
    })
}

/// The encapsulation with a UDP port: the destination's, or that of either side if both sides of a
/// tunnel keep the port. A reply of a well-known service to a client that happens to have the port
/// is no tunnel: of a tunnel's source port, "it is RECOMMENDED that the value be in the
/// dynamic/private port range" (RFC 7348 §5).
fn by_port(udp: Transport<'_>) -> Option<(&'static str, Find)> {
    const WELL_KNOWN: Range<u16> = 1..1024;
    let [source, destination] = udp.ports()?;
    if WELL_KNOWN.contains(&source) || WELL_KNOWN.contains(&destination) {
        return None;
    }
    Some(match destination {
        GTP_U => ("gtp-u", gtp_u),
        VXLAN => ("vxlan", vxlan),
        VXLAN_GPE => ("vxlan-gpe", vxlan_gpe),
        GENEVE => ("geneve", geneve),
        GRE => ("gre", gre),
        MPLS => ("mpls", mpls),
        LISP => ("lisp", lisp),
        _ if [source, destination].contains(&TEREDO) => ("teredo", teredo),
        _ if [source, destination].contains(&L2TP) => ("l2tp", l2tp),
        _ => return None,
    })
}

/// UDP port of the Layer Two Tunneling Protocol (RFC 2661 §8.1).
const L2TP: u16 = 1701;
/// UDP port of the GTP user plane (3GPP TS 29.281 §4.4.2).
const GTP_U: u16 = 2152;
/// UDP port of Teredo servers (RFC 4380 §2.7).
const TEREDO: u16 = 3544;
/// UDP port of LISP data (RFC 9300 §5.3).
const LISP: u16 = 4341;
/// UDP port of GRE in UDP (RFC 8086 §3.2).
const GRE: u16 = 4754;
/// UDP port of VXLAN (RFC 7348 §5).
const VXLAN: u16 = 4789;
/// UDP port of VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe §3.1).
const VXLAN_GPE: u16 = 4790;
/// UDP port of Geneve (RFC 8926 §3.3).
const GENEVE: u16 = 6081;
/// UDP port of MPLS in UDP (RFC 7510 §3).
const MPLS: u16 = 6635;

/// What a payload starts with that an EtherType names.
fn link_of(ethertype: u16) -> Option<LinkType> {
    Some(match ethertype {
        ethertype::IPV4 => LinkType::RAW,
        ethertype::IPV6 => LinkType::IPV6,
        ethertype::MPLS | ethertype::MPLS_MULTICAST => LinkType::MPLS,
        ethertype::TRANSPARENT_ETHERNET => LinkType::ETHERNET,
        ethertype::PPP => LinkType::PPP,
        _ => return None,
    })
}

/// GRE (RFC 2784) with key and sequence number (RFC 2890) and source routes (RFC 1701), and the
/// enhanced GRE of PPTP (RFC 2637).
fn gre(data: &[u8]) -> Result<Found, SkipReason> {
    let (flags, protocol) = (word(data, 0)?, word(data, 2)?);
    let has = |flag: u16| flags & flag != 0;
    let words = [
        has(CHECKSUM | ROUTING),
        has(KEY),
        has(SEQUENCE),
        has(ACKNOWLEDGMENT),
    ];
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGMENT: u16 = 0x0080;
    const VERSION: u16 = 7;
    if flags & VERSION > 1 {
        return Ok(None);
    }
    let mut at = 4 + 4 * words.into_iter().filter(|&word| word).count();
    // Source route entries: family, offset, length of the route; the last one has neither.
    while has(ROUTING) {
        let (family, len) = (word(data, at)?, byte(data, at + 3)?);
        at += 4 + usize::from(len);
        if (family, len) == (0, 0) {
            break;
        }
    }
    match protocol {
        // Type I has no header, and GRE no sequence number.
        ERSPAN if !has(SEQUENCE) => Ok(Some((LinkType::ETHERNET, at))),
        ERSPAN => Ok(Some((LinkType::ETHERNET, at + 8))),
        ERSPAN_III => erspan_iii(data, at),
        WCCP if byte(data, at)? >> 4 == 4 => Ok(Some((LinkType::RAW, at))),
        WCCP => Ok(Some((LinkType::RAW, at + 4))),
        _ if ARUBA.contains(&protocol) => Ok(Some((LinkType::IEEE802_11, at))),
        _ => Ok(link_of(protocol).map(|link| (link, at))),
    }
}

/// Protocol type of ERSPAN types I and II (draft-foschiano-erspan-03 §4.1, §4.2).
const ERSPAN: u16 = 0x88be;
/// Protocol type of ERSPAN type III (draft-foschiano-erspan-03 §4.3).
const ERSPAN_III: u16 = 0x22eb;

/// Protocol type of WCCP: a redirect header (version 2), or none, then IP.
const WCCP: u16 = 0x883e;
/// Protocol types of Aruba's access points, for IEEE 802.11 frames.
const ARUBA: RangeInclusive<u16> = 0x8200..=0x8370;

/// ERSPAN type III: a header of 12 bytes, and 8 of a "platform specific subheader" if its last bit
/// is set. The frame type is Ethernet or IP.
fn erspan_iii(data: &[u8], at: usize) -> Result<Found, SkipReason> {
    let last = word(data, at + 10)?;
    let start = if last & 1 == 1 { at + 20 } else { at + 12 };
    let link = match last >> 10 & 0x1f {
        0 => LinkType::ETHERNET,
        2 => LinkType::RAW,
        _ => return Ok(None),
    };
    Ok(Some((link, start)))
}

/// EtherIP (RFC 3378 §3): version 3, then an Ethernet frame.
fn etherip(data: &[u8]) -> Result<Found, SkipReason> {
    let is_version_3 = byte(data, 0)? >> 4 == 3;
    Ok(is_version_3.then_some((LinkType::ETHERNET, 2)))
}

/// MPLS over IP (RFC 4023) or UDP (RFC 7510).
fn mpls(_: &[u8]) -> Result<Found, SkipReason> {
    Ok(Some((LinkType::MPLS, 0)))
}

/// LISP (RFC 9300 §5.3): a header of 8 bytes, then IP.
fn lisp(data: &[u8]) -> Result<Found, SkipReason> {
    let is_ip = matches!(byte(data, 8)? >> 4, 4 | 6);
    Ok(is_ip.then_some((LinkType::RAW, 8)))
}

/// VXLAN (RFC 7348 §5): "The I flag MUST be set to 1 for a valid VXLAN Network ID".
fn vxlan(data: &[u8]) -> Result<Found, SkipReason> {
    let is_valid = byte(data, 0)? & 0x08 != 0;
    Ok(is_valid.then_some((LinkType::ETHERNET, 8)))
}

/// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe §3): a next protocol if the P flag is set, else Ethernet.
fn vxlan_gpe(data: &[u8]) -> Result<Found, SkipReason> {
    let link = match (byte(data, 0)? & 0x0c, byte(data, 3)?) {
        (0x0c, 1) => LinkType::RAW,
        (0x0c, 2) => LinkType::IPV6,
        (0x0c, 3) | (0x08, _) => LinkType::ETHERNET,
        _ => return Ok(None),
    };
    Ok(Some((link, 8)))
}

/// Geneve (RFC 8926 §3.4): version 0, options, then what an EtherType names. If the O bit is set,
/// "this packet contains a control message".
fn geneve(data: &[u8]) -> Result<Found, SkipReason> {
    let (first, flags, protocol) = (byte(data, 0)?, byte(data, 1)?, word(data, 2)?);
    if first >> 6 != 0 || flags & 0x80 != 0 {
        return Ok(None);
    }
    let at = 8 + 4 * usize::from(first & 0x3f);
    Ok(link_of(protocol).map(|link| (link, at)))
}

/// GTP-U (3GPP TS 29.281 §5.1): messages of type G-PDU, with extension headers, carry a T-PDU. The
/// header does not say what it is: IP if it begins with a version of IP, or else PPP.
fn gtp_u(data: &[u8]) -> Result<Found, SkipReason> {
    const VERSION_1: u8 = 0x30;
    const G_PDU: u8 = 255;
    let (first, message) = (byte(data, 0)?, byte(data, 1)?);
    if first & 0xf0 != VERSION_1 || message != G_PDU {
        return Ok(None);
    }
    // If one of the flags E, S and PN is set, the fields of all three are present.
    let mut at = if first & 7 != 0 { 12 } else { 8 };
    if first & 4 != 0 {
        // The type of the next header stands at the end of each; the length counts four bytes.
        while byte(data, at - 1)? != 0 {
            match byte(data, at)? {
                0 => return Ok(None),
                len => at += 4 * usize::from(len),
            }
        }
    }
    let link = match byte(data, at)? >> 4 {
        4 | 6 => LinkType::RAW,
        _ => LinkType::PPP,
    };
    Ok(Some((link, at)))
}

/// Teredo (RFC 4380 §5.1.1): IPv6 behind an authentication and an origin indication, if these are
/// there.
fn teredo(data: &[u8]) -> Result<Found, SkipReason> {
    const ORIGIN: u16 = 0;
    const AUTHENTICATION: u16 = 1;
    let mut at = 0;
    if word(data, at)? == AUTHENTICATION {
        // Lengths of identifier and value; a nonce of 8 bytes and a confirmation follow these.
        at += 13 + usize::from(byte(data, 2)?) + usize::from(byte(data, 3)?);
    }
    if word(data, at)? == ORIGIN {
        at += 8;
    }
    Ok((byte(data, at)? >> 4 == 6).then_some((LinkType::IPV6, at)))
}

/// L2TP, version 2 (RFC 2661 §3.1): data messages carry PPP.
fn l2tp(data: &[u8]) -> Result<Found, SkipReason> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    const VERSION: u16 = 0x000f;
    let flags = word(data, 0)?;
    let has = |flag: u16| flags & flag != 0;
    if has(CONTROL) || flags & VERSION != 2 {
        return Ok(None);
    }
    let mut at = 6;
    if has(LENGTH) {
        at += 2;
    }
    if has(SEQUENCE) {
        at += 4;
    }
    if has(OFFSET) {
        at += 2 + usize::from(word(data, at)?);
    }
    Ok(Some((LinkType::PPP, at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    /// A UDP packet over IPv4 without payload, as a tunnel carries it.
    const IPV4: [u8; 28] = [
        0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 7, 0, 7, 0, 8, 0,
        0,
    ];

    fn ipv6() -> Vec<u8> {
        let header = [0x60, 0, 0, 0, 0, 8, ip_proto::UDP, 64];
        [&header[..], &[0x20; 32], &IPV4[20..]].concat()
    }

    /// The packet in an Ethernet frame.
    fn ethernet(packet: &[u8]) -> Vec<u8> {
        let ethertype = if packet[0] >> 4 == 4 {
            [0x08, 0x00]
        } else {
            [0x86, 0xdd]
        };
        [&[0; 12], &ethertype[..], packet].concat()
    }

    /// An IPv4 packet with a protocol.
    fn over_ipv4(proto: u8, payload: &[u8]) -> Vec<u8> {
        let [high, low] = (20 + payload.len() as u16).to_be_bytes();
        let mut packet = IPV4[..20].to_vec();
        (packet[2], packet[3], packet[9]) = (high, low, proto);
        [&packet, payload].concat()
    }

    /// A UDP datagram over IPv4.
    fn over_udp([source, destination]: [u16; 2], payload: &[u8]) -> Vec<u8> {
        let words = [source, destination, 8 + payload.len() as u16, 0];
        let header = words.map(u16::to_be_bytes).concat();
        over_ipv4(ip_proto::UDP, &[&header, payload].concat())
    }

    fn raw(data: &[u8]) -> Packet<'_> {
        Packet {
            link: LinkType::RAW,
            wire_len: data.len() as u32,
            data,
            ..Packet::default()
        }
    }

    fn names(packet: &Packet<'_>) -> Vec<&'static str> {
        layers(packet).map(|tunnel| tunnel.name).collect()
    }

    /// Checks that the packet that follows these bytes in a tunnel is read as if it were alone, and
    /// is cut if the capture cuts any byte of its own headers or the tunnel's.
    fn check(name: &'static str, wrap: &dyn Fn(&[u8]) -> Vec<u8>, bytes: &[u8], inner: &[u8]) {
        let data = wrap(&[bytes, inner].concat());
        let packet = raw(&data);
        assert_eq!(names(&packet), [name], "{bytes:02x?}");
        let six = ipv6();
        let alone = if inner.ends_with(&six) {
            &six[..]
        } else {
            &IPV4
        };
        let read = |packet| wire::parse(&Tunnels::Inner.packet(packet)).map(|it| it.source);
        let inner = Tunnels::Inner.packet(packet);
        assert_eq!(wire::parse(&inner), wire::parse(&raw(alone)));
        let outermost = wire::parse(&packet);
        assert_eq!(wire::parse(&Tunnels::Outer.packet(packet)), outermost);
        for cut in 0..data.len() {
            let data = &data[..cut];
            let of_capture = read(Packet { data, ..packet });
            assert_eq!(of_capture, Err(SkipReason::CutHeader), "{name} {cut}");
            // What ends there on the wire, too, may be no tunnel.
            let _ = read(raw(data));
        }
    }

    #[test]
    fn test_ip_in_ip() {
        let six = ipv6();
        check("4in4", &|data| over_ipv4(4, data), &[], &IPV4);
        check("6in4", &|data| over_ipv4(41, data), &[], &six);
        let over_ipv6 = |next: u8, payload: &[u8]| {
            let mut packet = six[..40].to_vec();
            (packet[5], packet[6]) = (payload.len() as u8, next);
            [&packet, payload].concat()
        };
        check("4in6", &|data| over_ipv6(4, data), &[], &IPV4);
        check("6in6", &|data| over_ipv6(41, data), &[], &six);
        check("mpls", &|data| over_ipv4(137, data), &[0, 0, 1, 64], &IPV4);
        let frame = ethernet(&six);
        check("ethernet", &|data| over_ipv4(143, data), &[], &frame);
    }

    #[test]
    fn test_gre() {
        let check = |name, header: &[u8], inner: &[u8]| {
            check(name, &|data| over_ipv4(47, data), header, inner);
        };
        check("gre", &[0, 0, 0x08, 0], &IPV4);
        check("gre", &[0, 0, 0x86, 0xdd], &ipv6());
        check("gre", &[0x20, 0, 0x65, 0x58, 0, 0, 0, 7], &ethernet(&IPV4));
        // A checksum, a key and a sequence number.
        let all = [0xb0, 0, 0x08, 0, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1];
        check("gre", &all, &IPV4);
        // A source route of one hop, and its end.
        let routed = [
            0x40, 0, 0x08, 0, 0, 0, 0, 0, 8, 0, 0, 4, 192, 0, 2, 9, 0, 0, 0, 0,
        ];
        check("gre", &routed, &IPV4);
        // PPTP: a key, a sequence number and an acknowledgment number, then PPP.
        let pptp = [
            0x30, 0x81, 0x88, 0x0b, 0, 30, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0x21,
        ];
        check("gre", &pptp, &IPV4);
        check("gre", &[0, 0, 0x88, 0x47, 0, 0, 1, 64], &IPV4);
        // WCCP without and with a redirect header.
        check("gre", &[0, 0, 0x88, 0x3e], &IPV4);
        check("gre", &[0, 0, 0x88, 0x3e, 0, 0, 0, 1], &IPV4);
        // A data frame of IEEE 802.11.
        let wireless = [
            &[0, 0, 0x82, 0, 8, 0][..],
            &[0; 22],
            &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0],
        ];
        check("gre", &wireless.concat(), &IPV4);
    }

    #[test]
    fn test_erspan() {
        let check = |header: &[u8], inner: &[u8]| {
            check("erspan", &|data| over_ipv4(47, data), header, inner);
        };
        check(&[0, 0, 0x88, 0xbe], &ethernet(&IPV4));
        let second = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 1, 0, 0, 0, 0];
        check(&second, &ethernet(&ipv6()));
        let third = |frame_type: u8, has_subheader: u8| {
            let gre = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1];
            let header = [
                0x20,
                0,
                0,
                1,
                0,
                0,
                0,
                0,
                0,
                0,
                frame_type << 2,
                has_subheader,
            ];
            let subheader = vec![0; 8 * usize::from(has_subheader)];
            [&gre[..], &header, &subheader].concat()
        };
        check(&third(0, 0), &ethernet(&IPV4));
        check(&third(0, 1), &ethernet(&IPV4));
        check(&third(2, 0), &IPV4);
    }

    #[test]
    fn test_over_udp() {
        let check = |name, port, header: &[u8], inner: &[u8]| {
            check(name, &|data| over_udp([50_000, port], data), header, inner);
        };
        let frame = ethernet(&IPV4);
        check("vxlan", VXLAN, &[8, 0, 0, 0, 0, 0, 7, 0], &frame);
        // A group policy.
        check("vxlan", VXLAN, &[0x88, 0x40, 0, 9, 0, 0, 7, 0], &frame);
        check("vxlan-gpe", VXLAN_GPE, &[0x0c, 0, 0, 1, 0, 0, 7, 0], &IPV4);
        check("vxlan-gpe", VXLAN_GPE, &[0x0c, 0, 0, 3, 0, 0, 7, 0], &frame);
        check("geneve", GENEVE, &[0, 0, 0x65, 0x58, 0, 0, 7, 0], &frame);
        let options = [&[2, 0, 0x08, 0, 0, 0, 7, 0][..], &[1, 2, 3, 1, 0, 0, 0, 0]].concat();
        check("geneve", GENEVE, &options, &IPV4);
        check("gtp-u", GTP_U, &[0x30, 255, 0, 28, 0, 0, 0, 1], &IPV4);
        check("gre", GRE, &[0, 0, 0x86, 0xdd], &ipv6());
        check("mpls", MPLS, &[0, 0, 0, 64, 0, 0, 1, 64], &IPV4);
        check("lisp", LISP, &[0xc0, 1, 2, 3, 0, 0, 0, 1], &IPV4);
        let numbered = [0x32, 255, 0, 52, 0, 0, 0, 1, 0, 9, 0, 0];
        check("gtp-u", GTP_U, &numbered, &ipv6());
        // A PDU session container and a header of eight bytes behind it.
        let extended = [
            &[0x34, 255, 0, 44, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0x20][..],
            &[2, 0, 0, 0, 0, 0, 0, 0],
        ];
        check("gtp-u", GTP_U, &extended.concat(), &IPV4);
    }

    #[test]
    fn test_over_udp_from_either_port() {
        let six = ipv6();
        for ports in [[50_000, TEREDO], [TEREDO, 50_000]] {
            let check =
                |header: &[u8]| check("teredo", &|data| over_udp(ports, data), header, &six);
            check(&[]);
            let origin = [0, 0, 1, 2, 3, 4, 5, 6];
            check(&origin);
            let authentication = [&[0, 1, 1, 2, 9, 9, 9][..], &[0; 9]].concat();
            check(&authentication);
            check(&[&authentication[..], &origin].concat());
        }
        for ports in [[50_000, L2TP], [L2TP, 50_000]] {
            let check = |header: &[u8]| check("l2tp", &|data| over_udp(ports, data), header, &IPV4);
            check(&[0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21]);
            // A length, sequence numbers, and an offset of two bytes.
            let all = [0x4a, 2, 0, 50, 0, 1, 0, 1, 0, 3, 0, 2, 0, 2, 9, 9, 0x21];
            check(&all);
        }
    }

    #[test]
    fn test_etherip() {
        let frame = ethernet(&ipv6());
        check("etherip", &|data| over_ipv4(97, data), &[0x30, 0], &frame);
    }

    #[test]
    fn test_what_carries_no_packet_is_no_tunnel() {
        let no_packet = [
            // A keep-alive, an unknown type, version 2.
            over_ipv4(47, &[0, 0, 0, 0]),
            over_ipv4(47, &[&[0, 0, 0x20, 0x01][..], &IPV4].concat()),
            over_ipv4(47, &[&[0, 2, 0x08, 0][..], &IPV4].concat()),
            // ERSPAN of an unknown frame type; EtherIP of another version.
            over_ipv4(47, &[&[0, 0, 0x22, 0xeb][..], &[0xff; 40]].concat()),
            over_ipv4(97, &[&[0x40, 0][..], &ethernet(&IPV4)].concat()),
            // No I flag; a control message of Geneve; an echo request of GTP, and its version 2.
            over_udp([50_000, VXLAN], &[&[0; 8][..], &ethernet(&IPV4)].concat()),
            over_udp(
                [50_000, GENEVE],
                &[&[0, 0x80, 8, 0, 0, 0, 7, 0][..], &IPV4].concat(),
            ),
            over_udp([50_000, GTP_U], &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0]),
            over_udp([50_000, GTP_U], &[0x48, 255, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0]),
            // A control message of L2TP, version 3 of it, and no IPv6 in Teredo.
            over_udp([L2TP, L2TP], &[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]),
            over_udp(
                [L2TP, L2TP],
                &[&[0, 3, 0, 0, 0, 0, 0, 1][..], &IPV4].concat(),
            ),
            over_udp([50_000, TEREDO], &IPV4),
            // A DNS query from VXLAN's port, and a reply to it: a client happens to have it.
            over_udp(
                [53, VXLAN],
                &[&[8, 0, 0, 0, 0, 0, 7, 0][..], &ethernet(&IPV4)].concat(),
            ),
            over_udp(
                [VXLAN, 53],
                &[&[8, 0, 0, 0, 0, 0, 7, 0][..], &ethernet(&IPV4)].concat(),
            ),
            // Headers with nothing behind them, and without their end.
            over_ipv4(47, &[0, 0, 0x08, 0]),
            over_udp([50_000, VXLAN], &[8, 0, 0, 0, 0, 0, 7, 0]),
            over_udp([50_000, VXLAN], &[8, 0, 0]),
            over_udp(
                [50_000, GTP_U],
                &[0x34, 255, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0x85, 0],
            ),
        ];
        for data in no_packet {
            assert!(names(&raw(&data)).is_empty(), "{data:02x?}");
            let packet = raw(&data);
            assert_eq!(Tunnels::Inner.packet(packet), packet);
        }
    }

    #[test]
    fn test_an_inner_packet_out_of_scope_is_left_out_by_its_own_reason() {
        let reason = |inner: &[u8]| {
            let data = over_ipv4(4, inner);
            wire::parse(&Tunnels::Inner.packet(raw(&data))).unwrap_err()
        };
        let changed = |at: usize, to: u8| {
            let mut inner = IPV4;
            inner[at] = to;
            reason(&inner)
        };
        assert_eq!(changed(6, 0x20), SkipReason::Fragment);
        assert_eq!(changed(0, 0x43), SkipReason::MalformedHeader);
        assert_eq!(changed(0, 0x15), SkipReason::NonIp);
        let arp = [&[0; 12][..], &[0x08, 0x06], &[0; 28]].concat();
        let data = over_udp(
            [50_000, VXLAN],
            &[&[8, 0, 0, 0, 0, 0, 7, 0][..], &arp].concat(),
        );
        let inner = Tunnels::Inner.packet(raw(&data));
        assert_eq!(wire::parse(&inner), Err(SkipReason::NonIp));
        // The UDP length ends the datagram before the end of the packet.
        let mut data = over_udp(
            [50_000, VXLAN],
            &[&[8, 0, 0, 0, 0, 0, 7, 0][..], &arp].concat(),
        );
        data[25] = 8 + 8 + 14;
        assert_eq!(layers(&raw(&data)).last().unwrap().inner.wire_len, 14);
    }

    #[test]
    fn test_tunnels_are_followed_up_to_a_depth() {
        let mut data = IPV4.to_vec();
        for depth in 1..=MAX_DEPTH + 2 {
            data = over_ipv4(4, &data);
            assert_eq!(layers(&raw(&data)).count(), depth.min(MAX_DEPTH));
        }
        let headers = wire::parse(&Tunnels::Inner.packet(raw(&data))).unwrap();
        assert_eq!(headers.transport, Transport::Other(4));
    }
}
