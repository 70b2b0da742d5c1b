//! The audit: what of a capture survives in another that was decoded or generated from it.
//!
//! [`Original`] collects identifiers of the original; [`Search`] looks for them in the decoded
//! capture: in fields, at any offset of any packet, as text, at the same place and as sets. Each
//! [`Survival`] states how many were found beside how many chance would find.
//!
//! *The model of chance*: the identifiers are one draw among others of their class, and the decoded
//! capture is as it is. An IPv4 address, for example, is a draw from the addresses with the same
//! first byte and zeros in the same places; the share of them that occur in the decoded capture is
//! its probability to be found by accident. `docs/privacy.md` has the classes.

mod behaviour;
mod chance;
mod content;
mod endpoints;
mod forms;
mod linkage;
mod numbers;
mod sample;
mod search;
mod windows;

pub use behaviour::{Behaviour, Likeness};
pub use chance::{LEVEL, Survival};
pub use endpoints::{Field, is_identifier};
pub use linkage::{Linkage, Linked};

use hashbrown::HashSet;
use std::net::IpAddr;

use crate::action::Proto;
use crate::pcap::Packet;
use crate::wire::{self, Transport, icmp};

use content::Grams;
use numbers::Collector;

pub use search::Search;

/// Identifiers of a capture. Memory grows with its addresses and flows; numbers and payload are
/// thinned by their hashes beyond a million of a kind.
#[derive(Debug, Default)]
pub struct Original {
    /// Packets read.
    pub packets: u64,
    addresses: HashSet<IpAddr>,
    macs: HashSet<[u8; 6]>,
    numbers: Collector,
    grams: Grams,
    /// Who talks to whom, and how flows begin.
    pub behaviour: Behaviour,
}

impl Original {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Collects the identifiers of the next packet.
    pub fn observe(&mut self, packet: &Packet<'_>) {
        self.packets += 1;
        endpoints::fields(packet, |_, field| match field {
            Field::Address(address) => {
                self.addresses.insert(address);
            }
            Field::Mac(mac) => {
                self.macs.insert(mac);
            }
        });
        let Ok(headers) = wire::parse(packet) else {
            return;
        };
        if let Transport::Icmp(message) = headers.transport
            && icmp::is_error(headers.family, message.icmp_type)
            && let Some(quoted) = icmp::QuotedPacket::parse(headers.family, message.body)
        {
            let quoted = [quoted.source, quoted.destination];
            let identifying = quoted.into_iter().filter(|address| is_identifier(*address));
            self.addresses.extend(identifying);
        }
        self.numbers.observe(&headers, packet);
        self.grams.collect(payload(packet, &headers));
        self.behaviour.observe(&headers, packet.time);
    }

    /// Whether packets carry payload that identifies anything.
    pub fn has_payload(&self) -> bool {
        !self.grams.is_empty()
    }

    /// Notes what the compiler writes as payload of the same lengths and services in a decoding of
    /// its own, which is the `number`-th of at most 8. What it writes without a byte of the
    /// original's payload is no content of the original.
    pub fn rendered(&mut self, number: u8, packet: &Packet<'_>) {
        if let Ok(headers) = wire::parse(packet) {
            self.grams.render(number, payload(packet, &headers));
        }
    }
}

/// The captured bytes behind the transport header.
fn payload<'a>(packet: &Packet<'a>, headers: &wire::Headers<'a>) -> &'a [u8] {
    let Ok(place) = wire::link::find_ip(packet.link, packet.data) else {
        return &[];
    };
    let header = headers.ip_len.saturating_sub(headers.payload_len) as usize;
    let end = (place.offset + headers.ip_len as usize).min(packet.data.len());
    packet.data.get(place.offset + header..end).unwrap_or(&[])
}

/// Whether a port says nothing but its service.
fn is_service(proto: Proto, port: u16) -> bool {
    port == 0 || crate::service::of(proto, port).is_some()
}
