//! Payload: synthetic text, or *shaped* bytes that analysers take for the service of the flow.
//!
//! Shaped bytes are a function of salt, flow, direction and place in the stream (of UDP: of the
//! number of the datagram), and of the lengths of the first segments. A segment that is sent again,
//! or cut otherwise, so carries the same bytes, in any order. Lengths are those of the actions: a
//! protocol fills them, with a padded field or a body.
//!
//! A protocol, or a family of protocols that look alike, is one file, which makes [`Stream`]s of
//! messages, [`Datagram`]s or both. [`PROTOCOLS`] says which services it stands for.

mod ber;
mod bittorrent;
mod counts;
mod dce_rpc;
mod dhcp;
mod dhcpv6;
mod dnp3;
mod dns;
mod fields;
mod filler;
mod http;
mod isakmp;
mod kerberos;
mod ldap;
mod lines;
mod modbus;
mod mqtt;
mod mysql;
mod netbios;
mod ntp;
mod quic;
mod radius;
mod rdp;
mod rtp;
mod seed;
mod shape;
mod smb;
mod snmp;
mod source;
mod ssh;
mod stun;
mod syslog;
mod telnet;
mod tftp;
mod tls;

pub use counts::{PayloadCount, PayloadCounts};
pub(super) use seed::Seed;
pub(super) use shape::{Host, Shape, Written};
pub(super) use source::Source;

use std::net::Ipv4Addr;

use filler::Filler;

use crate::action::Proto;
use crate::service::Service;

/// The protocols that can be shaped: names of services, and what is said over TCP and UDP.
const PROTOCOLS: &[(&[&str], Option<Stream>, Option<Datagram>)] = &[
    (
        &[
            "https",
            "smtps",
            "ldaps",
            "domain-s",
            "ftps-data",
            "ftps",
            "imaps",
            "pop3s",
            "sips",
            "mqtts",
        ],
        Some(tls::STREAM),
        None,
    ),
    (&["http", "elasticsearch"], Some(http::STREAM), None),
    (&["ssh"], Some(ssh::STREAM), None),
    (&["quic"], None, Some(quic::DATAGRAM)),
    (
        &["dns", "mdns", "llmnr"],
        Some(dns::STREAM),
        Some(dns::DATAGRAM),
    ),
    (
        &["smtp", "submission", "ftp", "pop3", "imap"],
        Some(lines::STREAM),
        None,
    ),
    (&["ftp-data"], Some(lines::FILE), None),
    (&["ssdp"], None, Some(fields::SSDP)),
    (&["sip"], Some(fields::SIP_STREAM), Some(fields::SIP)),
    (&["syslog"], None, Some(syslog::DATAGRAM)),
    (&["ntp"], None, Some(ntp::DATAGRAM)),
    (&["dhcp"], None, Some(dhcp::DATAGRAM)),
    (&["dhcpv6"], None, Some(dhcpv6::DATAGRAM)),
    (&["netbios-ns"], None, Some(netbios::NAME_DATAGRAM)),
    (&["netbios-dgm"], None, Some(netbios::DATAGRAM)),
    (&["dce_rpc"], Some(dce_rpc::STREAM), None),
    (&["telnet"], Some(telnet::STREAM), None),
    (&["dnp3"], Some(dnp3::STREAM), Some(dnp3::DATAGRAM)),
    (&["snmp", "snmptrap"], None, Some(snmp::DATAGRAM)),
    (&["smb", "netbios-ssn"], Some(smb::STREAM), None),
    (&["rdp"], Some(rdp::STREAM), None),
    (&["modbus"], Some(modbus::STREAM), None),
    (&["mqtt"], Some(mqtt::STREAM), None),
    (&["ldap"], Some(ldap::STREAM), Some(ldap::DATAGRAM)),
    (
        &["kerberos"],
        Some(kerberos::STREAM),
        Some(kerberos::DATAGRAM),
    ),
    (&["mysql"], Some(mysql::STREAM), None),
    (
        &["bittorrent"],
        Some(bittorrent::STREAM),
        Some(bittorrent::DATAGRAM),
    ),
    (&["stun"], None, Some(stun::DATAGRAM)),
    (&["rtp"], None, Some(rtp::DATAGRAM)),
    (&["tftp"], None, Some(tftp::DATAGRAM)),
    (&["radius", "radius-acct"], None, Some(radius::DATAGRAM)),
    (&["isakmp", "ipsec-nat-t"], None, Some(isakmp::DATAGRAM)),
];

/// How a service is shaped over TCP or UDP.
#[derive(Debug, Clone, Copy)]
enum Protocol {
    Stream(&'static Stream),
    Datagram(&'static Datagram),
}

impl Protocol {
    /// How a service is shaped over a transport protocol, if it is.
    fn of(service: Service, proto: Proto) -> Option<Self> {
        let (_, stream, datagram) = PROTOCOLS
            .iter()
            .find(|(names, ..)| names.contains(&service.name()))?;
        match proto {
            Proto::Tcp => stream.as_ref().map(Self::Stream),
            Proto::Udp => datagram.as_ref().map(Self::Datagram),
            Proto::Icmp | Proto::Other => None,
        }
    }
}

/// A protocol over TCP: each side says one message after the other.
#[derive(Debug)]
struct Stream {
    /// Lengths of the messages of a side.
    messages: fn(&Side) -> Messages,
    /// Writes the start of a message, into an empty buffer; filler follows up to its length.
    write: fn(&Side, Message, &mut Vec<u8>),
    /// No start is longer than this many bytes.
    longest_start: u32,
    /// What fills messages.
    filler: Filler,
    /// Shortest segment that carries payload: analysers would call shorter ones malformed.
    shortest_segment: u64,
    /// Segments that end with fewer than this many bytes of a message carry no payload, either.
    shortest_end: u64,
}

/// A protocol over UDP: writes a datagram, all of it. `false` if the protocol has no message of
/// this length; what was written then does not count.
#[derive(Debug)]
struct Datagram(fn(&Side, Question, Message, &mut Vec<u8>) -> bool);

/// Segments behind the first whose length is remembered, so that messages may end with them.
const LATER: usize = 3;

/// One side of a flow.
#[derive(Debug, Clone, Copy)]
struct Side {
    is_client: bool,
    /// Name of the service.
    service: &'static str,
    /// Seeds of what differs by flow, by client host and by server host.
    flow: Seed,
    client: Seed,
    server: Seed,
    /// Address of this side in the output, unless it is one of IPv6.
    address: Option<Ipv4Addr>,
    /// Length of the first segment or datagram of this side.
    first: u32,
    /// Length of the other side's first, if that was sent before; else 0.
    peer_first: u32,
    /// Lengths of the segments behind the first, as far as they are known when a byte behind them
    /// is first sent; else 0.
    later: [u16; LATER],
    /// Bytes of the stream that this side sent before the other side's first segment; `u32::MAX`
    /// until that was sent.
    before_peer: u32,
}

/// The place of a message among those of a side, from 0, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Message {
    number: u32,
    len: u32,
}

/// The datagram that a datagram may answer: the other side's of the same number, if it was sent
/// already and not long ago.
type Question = Option<Message>;

/// Lengths of the messages of a side of a stream.
#[derive(Debug, Clone, Copy)]
struct Messages {
    /// Numbers and lengths of the first ones; a length of 0 counts as none.
    opening: [(u32, u32); 4],
    /// Length of each further one; at least 1.
    rest: u32,
}

impl Messages {
    /// Messages of one length.
    fn of(len: u32) -> Self {
        Self {
            opening: [(0, 0); 4],
            rest: len,
        }
    }

    /// The message that holds a byte of the stream, and where it starts.
    fn at(&self, place: u64) -> (Message, u64) {
        let (mut start, mut number) = (0, 0);
        for (count, len) in self.opening.into_iter().filter(|&(_, len)| len > 0) {
            let end = start + u64::from(count) * u64::from(len);
            if place < end {
                return nth(place, start, number, len);
            }
            start = end;
            number += count;
        }
        nth(place, start, number, self.rest.max(1))
    }
}

/// The message that holds a byte, among messages of one length from a start on, of which the first
/// has this number; and where it starts.
fn nth(place: u64, start: u64, number: u32, len: u32) -> (Message, u64) {
    let further = (place - start) / u64::from(len);
    let number = number.wrapping_add(further as u32);
    (Message { number, len }, start + further * u64::from(len))
}
