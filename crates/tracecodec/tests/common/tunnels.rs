//! Packets in tunnels of every kind.

use tracecodec::pcap::{LinkType, PacketBuf};

/// An Ethernet header without its EtherType, as most tunnels carry it.
const ETHERNET: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/// Names of the tunnels that [`wrap`] makes; two differ with the version of the carried packet.
pub(crate) const KINDS: [&str; 21] = [
    "ip-in-ipv4",
    "ip-in-ipv6",
    "gre",
    "gre-keyed",
    "gre-ethernet",
    "pptp",
    "erspan-i",
    "erspan-ii",
    "erspan-iii",
    "vxlan",
    "vxlan-gpe",
    "geneve",
    "gtp-u",
    "etherip",
    "mpls",
    "ethernet",
    "gre-in-udp",
    "mpls-in-udp",
    "lisp",
    "l2tp",
    "teredo",
];

/// A packet of link type RAW in a tunnel over IPv4, or over IPv6 where the kind says so. Teredo
/// carries IPv6 alone: `None` for IPv4.
pub(crate) fn wrap(kind: &str, packet: &PacketBuf) -> Option<PacketBuf> {
    assert_eq!(packet.link, LinkType::RAW);
    let is_v6 = packet.data.first().is_some_and(|first| first >> 4 == 6);
    let ethertype: [u8; 2] = if is_v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    let [high, low] = ethertype;
    let ip = if is_v6 { 41 } else { 4 };
    let ppp = if is_v6 { 0x57 } else { 0x21 };
    let frame = [&ETHERNET[..], &ethertype].concat();
    let framed = |header: &[u8]| [header, &frame].concat();
    let udp = |port: u16, header: &[u8]| {
        let len = 8 + header.len() + packet.wire_len as usize;
        let words = [50_000, port, len as u16, 0].map(u16::to_be_bytes);
        (17, [words.as_flattened(), header].concat())
    };
    let (proto, header) = match kind {
        "ip-in-ipv4" | "ip-in-ipv6" => (ip, Vec::new()),
        "gre" => (47, vec![0, 0, high, low]),
        "gre-keyed" => (
            47,
            vec![0xb0, 0, high, low, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1],
        ),
        "gre-ethernet" => (47, framed(&[0x20, 0, 0x65, 0x58, 0, 0, 7, 1])),
        "pptp" => (
            47,
            vec![0x30, 0x01, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 2, ppp],
        ),
        "erspan-i" => (47, framed(&[0, 0, 0x88, 0xbe])),
        "erspan-ii" => (
            47,
            framed(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 1, 0, 0, 0, 0]),
        ),
        "erspan-iii" => {
            let header = [
                0x20, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
            ];
            let gre = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1];
            (47, framed(&[&gre[..], &header].concat()))
        }
        "vxlan" => udp(4789, &framed(&[8, 0, 0, 0, 0, 0, 7, 0])),
        "vxlan-gpe" => udp(4790, &[0x0c, 0, 0, if is_v6 { 2 } else { 1 }, 0, 0, 7, 0]),
        "geneve" => udp(6081, &framed(&[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 0])),
        "gtp-u" => udp(
            2152,
            &[0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0],
        ),
        "etherip" => (97, framed(&[0x30, 0])),
        "mpls" => (137, vec![0, 0, 0, 64, 0, 0, 1, 64]),
        "ethernet" => (143, frame.clone()),
        "gre-in-udp" => udp(4754, &[0, 0, high, low]),
        "mpls-in-udp" => udp(6635, &[0, 0, 1, 64]),
        "lisp" => udp(4341, &[0xc0, 1, 2, 3, 0, 0, 0, 1]),
        "l2tp" => udp(1701, &[0, 2, 0, 1, 0, 1, 0xff, 3, 0, ppp]),
        "teredo" if is_v6 => udp(3544, &[0, 0, 1, 2, 3, 4, 5, 6]),
        "teredo" => return None,
        _ => panic!("{kind} is no tunnel"),
    };
    let len = header.len() + packet.wire_len as usize;
    let outer = if kind == "ip-in-ipv6" {
        let [high, low] = (len as u16).to_be_bytes();
        let fixed = [0x60, 0, 0, 0, high, low, proto, 9];
        [&fixed[..], &[0xfd; 32]].concat()
    } else {
        let [high, low] = (20 + len as u16).to_be_bytes();
        let fixed = [0x45, 0, high, low, 0, 1, 0, 0, 9, proto, 0, 0];
        [&fixed[..], &[198, 51, 100, 1, 198, 51, 100, 2]].concat()
    };
    Some(PacketBuf {
        wire_len: (outer.len() + len) as u32,
        data: [&outer[..], &header, &packet.data].concat(),
        ..packet.clone()
    })
}
