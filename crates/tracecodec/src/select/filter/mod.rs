//! Filter expressions: the common part of pcap-filter(7), with the meaning that tcpdump gives it.

mod link;
mod parse;

use std::fmt;
use std::iter;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::pcap::Packet;
use link::{Cut, Frame, ethertype};

/// An expression of pcap-filter(7), such as `tcp port 80 or 443`. An empty one matches every
/// packet.
///
/// It matches what `tcpdump -r` matches: see `docs/selection.md` for the grammar and what follows
/// from that.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter {
    text: String,
    /// None matches everything.
    expression: Option<Expression>,
}

impl Filter {
    /// Whether the packet is matched. A frame that ends before a byte that has to be looked at is
    /// not.
    pub fn matches(&self, packet: &Packet<'_>) -> bool {
        let Some(expression) = &self.expression else {
            return true;
        };
        Frame::new(packet).and_then(|frame| expression.holds(&frame)) == Ok(true)
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self {
            text: text.to_string(),
            expression: parse::parse(text)?,
        })
    }
}

impl TryFrom<String> for Filter {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.text
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Two filters are equal if their texts are.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

/// What is asked of a packet.
#[derive(Debug, Clone)]
enum Expression {
    /// Terms from left to right: `and` and `or` bind alike. The first joins what is true.
    Chain(Vec<(Joint, Expression)>),
    Not(Box<Expression>),
    /// A test of a frame behind so many VLAN tags.
    Behind(usize, Test),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    And,
    Or,
}

/// One question to a frame.
#[derive(Debug, Clone, Copy)]
enum Test {
    /// Bytes on the wire, at least.
    Greater(u32),
    /// Bytes on the wire, at most.
    Less(u32),
    /// The link layer carries this EtherType.
    EtherType(u16),
    /// IP carries this protocol.
    Protocol(Versions, u8),
    /// The frame has a VLAN tag, of this identifier if one is given.
    Vlan(Option<u16>),
    Net(Direction, &'static [AddressPlace], Net),
    Net6(Direction, Net6),
    /// TCP, UDP and the like have a port in a range.
    Ports(Direction, &'static [u8], u16, u16),
}

/// Versions of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    Only4,
    Only6,
    Both,
}

/// Which end of a packet must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

/// Where a protocol has IPv4 addresses, from the start of the network layer.
#[derive(Debug)]
struct AddressPlace {
    ethertype: u16,
    source: usize,
    destination: usize,
}

/// The protocols with IPv4 addresses, in the order in which libpcap asks.
const ADDRESS_PLACES: &[AddressPlace] = &[
    AddressPlace {
        ethertype: ethertype::IPV4,
        source: 12,
        destination: 16,
    },
    AddressPlace {
        ethertype: ethertype::ARP,
        source: 14,
        destination: 24,
    },
    AddressPlace {
        ethertype: ethertype::RARP,
        source: 14,
        destination: 24,
    },
];

/// An IPv4 network.
#[derive(Debug, Clone, Copy)]
struct Net {
    address: u32,
    mask: u32,
}

/// An IPv6 network in words of 32 bits.
#[derive(Debug, Clone, Copy)]
struct Net6 {
    address: [u32; 4],
    mask: [u32; 4],
}

impl Expression {
    /// Whether the expression holds, if the frame was captured as far as it looks.
    fn holds(&self, frame: &Frame<'_>) -> Result<bool, Cut> {
        match self {
            Self::Chain(terms) => terms.iter().try_fold(true, |holds, (joint, term)| {
                if holds == (*joint == Joint::And) {
                    term.holds(frame)
                } else {
                    Ok(holds)
                }
            }),
            Self::Not(term) => Ok(!term.holds(frame)?),
            Self::Behind(tags, test) => test.holds(frame, *tags),
        }
    }
}

impl Test {
    fn holds(&self, frame: &Frame<'_>, tags: usize) -> Result<bool, Cut> {
        match *self {
            Self::Greater(bytes) => Ok(frame.wire_len() >= bytes),
            Self::Less(bytes) => Ok(frame.wire_len() <= bytes),
            Self::EtherType(ethertype) => frame.carries(ethertype, tags),
            Self::Protocol(versions, protocol) => versions.carry(frame, tags, protocol),
            Self::Vlan(identifier) => has_tag(frame, tags, identifier),
            Self::Net(direction, places, net) => net.holds(frame, tags, places, direction),
            Self::Net6(direction, net) => net.holds(frame, tags, direction),
            Self::Ports(direction, protocols, low, high) => {
                let Some(transport) = transport(frame, tags, protocols)? else {
                    return Ok(false);
                };
                direction.holds(0, 2, |offset| {
                    Ok((low..=high).contains(&frame.half(transport + offset)?))
                })
            }
        }
    }
}

impl Direction {
    /// Whether the end or ends hold that must, given where each of them lies.
    fn holds(
        self,
        source: usize,
        destination: usize,
        at: impl Fn(usize) -> Result<bool, Cut>,
    ) -> Result<bool, Cut> {
        match self {
            Self::Source => at(source),
            Self::Destination => at(destination),
            Self::Either => Ok(at(source)? || at(destination)?),
            Self::Both => Ok(at(source)? && at(destination)?),
        }
    }
}

impl Versions {
    /// Whether IP of one of the versions carries a protocol. Of IPv6's extension headers, only a
    /// fragment header is looked behind, and that only where it comes first.
    fn carry(self, frame: &Frame<'_>, tags: usize, protocol: u8) -> Result<bool, Cut> {
        const FRAGMENT: u8 = 44;
        if self != Self::Only6 && frame.carries(ethertype::IPV4, tags)? {
            return Ok(frame.byte(frame.network(tags)? + 9)? == protocol);
        }
        if self == Self::Only4 || !frame.carries(ethertype::IPV6, tags)? {
            return Ok(false);
        }
        let network = frame.network(tags)?;
        let next = frame.byte(network + 6)?;
        Ok(next == protocol || (next == FRAGMENT && frame.byte(network + 40)? == protocol))
    }
}

impl Net {
    fn holds(
        self,
        frame: &Frame<'_>,
        tags: usize,
        places: &[AddressPlace],
        direction: Direction,
    ) -> Result<bool, Cut> {
        for place in places {
            if frame.carries(place.ethertype, tags)? {
                let network = frame.network(tags)?;
                return direction.holds(place.source, place.destination, |offset| {
                    contains(frame, network + offset, self.address, self.mask)
                });
            }
        }
        Ok(false)
    }
}

impl Net6 {
    fn holds(self, frame: &Frame<'_>, tags: usize, direction: Direction) -> Result<bool, Cut> {
        if !frame.carries(ethertype::IPV6, tags)? {
            return Ok(false);
        }
        let network = frame.network(tags)?;
        direction.holds(8, 24, |offset| {
            for (word, (address, mask)) in iter::zip(self.address, self.mask).enumerate() {
                if !contains(frame, network + offset + 4 * word, address, mask)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

/// Whether the word at a place is an address's, under a mask. Without a mask nothing is looked at.
fn contains(frame: &Frame<'_>, at: usize, address: u32, mask: u32) -> Result<bool, Cut> {
    Ok(mask == 0 || frame.word(at)? & mask == address)
}

/// Whether one more VLAN tag follows, of this identifier if one is given.
fn has_tag(frame: &Frame<'_>, tags: usize, identifier: Option<u16>) -> Result<bool, Cut> {
    if !frame.has_tags() {
        return Ok(false);
    }
    for ethertype in ethertype::TAGS {
        if frame.carries(ethertype, tags)? {
            let Some(identifier) = identifier else {
                return Ok(true);
            };
            return Ok(frame.half(frame.network(tags)?)? & 0x0fff == identifier);
        }
    }
    Ok(false)
}

/// Where the header of one of the protocols starts: in IPv4 but not in later fragments, in IPv6
/// right behind the fixed header.
fn transport(frame: &Frame<'_>, tags: usize, protocols: &[u8]) -> Result<Option<usize>, Cut> {
    const FRAGMENT_OFFSET: u16 = 0x1fff;
    if frame.carries(ethertype::IPV6, tags)? {
        let network = frame.network(tags)?;
        let is_one = protocols.contains(&frame.byte(network + 6)?);
        return Ok(is_one.then_some(network + 40));
    }
    if frame.carries(ethertype::IPV4, tags)? {
        let network = frame.network(tags)?;
        if protocols.contains(&frame.byte(network + 9)?)
            && frame.half(network + 6)? & FRAGMENT_OFFSET == 0
        {
            let header_len = 4 * usize::from(frame.byte(network)? & 0xf);
            return Ok(Some(network + header_len));
        }
    }
    Ok(None)
}
