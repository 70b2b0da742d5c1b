//! From packets to the records of sessions.

use std::net::IpAddr;

use super::ConnRecord;
use super::community_id::{community_id, counterpart};
use super::exchange::Exchange;
use crate::action::{Direction, Proto};
use crate::flow::session::Sessions;
use crate::pcap::Timestamp;
use crate::service;
use crate::tcp::flags::{ACK, SYN};
use crate::wire::{Headers, Transport, ip_proto};

/// Follows the sessions of a capture. Memory grows with the live sessions.
///
/// Records come in the order in which the sessions are known to be over: at the next session of
/// the same five-tuple, after five to six minutes of silence, or at the end of the capture; those
/// of one moment in the order of their first packets.
#[derive(Debug, Default)]
pub struct ConnTracker {
    sessions: Sessions<Option<Live>>,
    ended: Vec<Live>,
}

/// A live session.
#[derive(Debug)]
struct Live {
    id: u64,
    start: Timestamp,
    /// Time of the last packet that counts for the duration.
    last: Timestamp,
    endpoints: [(IpAddr, u16); 2],
    proto: Proto,
    ip_proto: u8,
    payload_bytes: [u64; 2],
    ip_bytes: [u64; 2],
    exchange: Exchange,
}

impl ConnTracker {
    /// A tracker that has seen no packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of sessions so far.
    pub fn sessions(&self) -> u64 {
        self.sessions.count()
    }

    /// Takes the next packet; returns the records of the sessions that are now known to be over.
    pub fn observe(
        &mut self,
        headers: &Headers<'_>,
        time: Timestamp,
    ) -> impl Iterator<Item = ConnRecord> {
        let ended = &mut self.ended;
        let (membership, live) = self
            .sessions
            .observe_with(headers, time, |over| ended.extend(over));
        let live = live.get_or_insert_with(|| Live::open(membership.id, headers, time));
        live.observe(headers, membership.dir, time);
        self.ended.sort_by_key(|live| live.id);
        self.ended.drain(..).map(Live::into_record)
    }

    /// The records of the sessions that are still live.
    pub fn finish(self) -> impl Iterator<Item = ConnRecord> {
        let mut live = self.ended;
        self.sessions.end(|record| live.extend(record));
        live.sort_by_key(|live| live.id);
        live.into_iter().map(Live::into_record)
    }
}

impl Live {
    fn open(id: u64, headers: &Headers<'_>, time: Timestamp) -> Self {
        let proto = headers.transport.proto();
        let (source_port, destination_port, number) = match headers.transport {
            Transport::Tcp(tcp) => (tcp.source_port, tcp.destination_port, ip_proto::TCP),
            Transport::Udp {
                source_port,
                destination_port,
            } => (source_port, destination_port, ip_proto::UDP),
            Transport::Icmp(message) => {
                let number = ip_proto::icmp(headers.family);
                let icmp_type = message.icmp_type.into();
                let other = counterpart(number, icmp_type).unwrap_or(message.code.into());
                (icmp_type, other, number)
            }
            Transport::Other(number) => (0, 0, number),
        };
        let mut endpoints = [
            (headers.source, source_port),
            (headers.destination, destination_port),
        ];
        let is_flipped = is_answer(&headers.transport);
        if is_flipped {
            endpoints.reverse();
        }
        Self {
            id,
            start: time,
            last: time,
            endpoints,
            proto,
            ip_proto: number,
            payload_bytes: [0; 2],
            ip_bytes: [0; 2],
            exchange: Exchange::new(proto, is_flipped),
        }
    }

    fn observe(&mut self, headers: &Headers<'_>, from: Direction, time: Timestamp) {
        let were_closed = self.exchange.tcp().are_closed();
        let side = self.exchange.observe(headers, from) as usize;
        self.ip_bytes[side] += u64::from(headers.ip_len);
        self.payload_bytes[side] += u64::from(headers.payload_len);
        if !were_closed {
            self.last = self.last.max(time);
        }
    }

    fn into_record(self) -> ConnRecord {
        let is_tcp = self.proto == Proto::Tcp;
        let tcp = self.exchange.tcp();
        ConnRecord {
            start: self.start,
            uid: self.uid(),
            endpoints: self.endpoints,
            proto: self.proto,
            ip_proto: self.ip_proto,
            service: service::of(self.proto, self.endpoints[1].1),
            duration: self.last.since(self.start),
            payload_bytes: if is_tcp {
                tcp.sizes()
            } else {
                self.payload_bytes
            },
            state: self.exchange.state(),
            missed_bytes: tcp.missed(),
            history: self.exchange.history().to_string(),
            packets: self.exchange.packets(),
            ip_bytes: self.ip_bytes,
            community_id: community_id(self.endpoints, self.ip_proto),
        }
    }

    /// `C` and 17 letters and digits, as Zeek's identifiers of connections look.
    fn uid(&self) -> String {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut hash = blake3::Hasher::new();
        hash.update(&self.id.to_le_bytes());
        hash.update(&self.start.0.to_le_bytes());
        let [orig, resp] = self.endpoints;
        hash.update(format!("{orig:?} {resp:?} {}", self.ip_proto).as_bytes());
        let bytes = *hash.finalize().as_bytes();
        let (number, _) = bytes.split_first_chunk().expect("a hash has 32 bytes");
        let mut number = u128::from_le_bytes(*number);
        let mut uid = String::from("C");
        for _ in 0..17 {
            uid.push(DIGITS[(number % 62) as usize].into());
            number /= 62;
        }
        uid
    }
}

/// Whether a session's first packet comes from the responder: a SYN+ACK, or, unless it is a SYN, a
/// packet from the port of a service to one that is of none.
fn is_answer(transport: &Transport<'_>) -> bool {
    let (source, destination) = match transport {
        Transport::Tcp(tcp) if tcp.flags & SYN != 0 => return tcp.flags & ACK != 0,
        Transport::Tcp(tcp) => (tcp.source_port, tcp.destination_port),
        Transport::Udp {
            source_port,
            destination_port,
        } => (*source_port, *destination_port),
        Transport::Icmp(_) | Transport::Other(_) => return false,
    };
    let is_service = |port| service::of(transport.proto(), port).is_some();
    is_service(source) && !is_service(destination)
}
