//! Segments beyond an MTU, split as an interface would have (TCP segmentation offload).

use serde::Serialize;

use super::payload::Source;
use crate::action::Family;
use crate::pcap::Packet;
use crate::tcp::flags;
use crate::wire::field::tcp;
use crate::wire::{self, IPV4_HEADER, IPV6_HEADER, Transport, checksum, ip_proto, link};

/// Kind of the IPv6 option that states the length of a jumbogram (RFC 2675).
const JUMBO_PAYLOAD: u8 = 0xc2;

/// Kind of an IPv6 option that fills space.
const PAD_N: u8 = 1;

/// Splits compiled segments that are longer than an MTU.
///
/// Sequence numbers advance, IPv4 identifications count up, options, window and time are those of
/// the whole segment. FIN, PSH and RST go with the last segment, SYN and CWR with the first (RFC
/// 3168 section 6.1.2). The urgent pointer points to the same byte.
#[derive(Debug)]
pub struct Splitter {
    mtu: usize,
    frame: Vec<u8>,
    counts: SplitCounts,
}

/// What a [`Splitter`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SplitCounts {
    /// Segments that were split.
    pub split: u64,
    /// Segments that were written in their place.
    pub into: u64,
    /// Packets beyond the MTU that are no TCP segments, and were written as they are.
    pub whole: u64,
}

/// Place and lengths of the headers in a frame.
struct Headers {
    ip: usize,
    tcp: usize,
    payload: usize,
    payload_len: usize,
    flags: u16,
    family: Family,
}

impl Splitter {
    /// Smallest MTU of IPv4 that every host takes (RFC 791).
    pub const SMALLEST_MTU: u32 = 576;

    /// Smallest MTU of IPv6 (RFC 8200 section 5): of IPv6 packets, a smaller MTU counts as this.
    pub const SMALLEST_MTU_V6: u32 = 1280;

    /// A splitter of packets that [`Compiler`](super::Compiler) made, for an MTU of at least
    /// [`Splitter::SMALLEST_MTU`].
    pub fn new(mtu: u32) -> Self {
        Self {
            mtu: mtu.max(Self::SMALLEST_MTU) as usize,
            frame: Vec::new(),
            counts: SplitCounts::default(),
        }
    }

    /// What was split so far.
    pub fn counts(&self) -> SplitCounts {
        self.counts
    }

    /// Hands over the packet, or the segments that take its place.
    ///
    /// # Errors
    /// The first error of `each`.
    pub fn split<E>(
        &mut self,
        packet: &Packet<'_>,
        mut each: impl FnMut(&Packet<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if packet.wire_len as usize <= self.mtu {
            return each(packet);
        }
        let Ok(parsed) = wire::parse(packet) else {
            return each(packet);
        };
        let mtu = match parsed.family {
            Family::V4 => self.mtu,
            Family::V6 => self.mtu.max(Self::SMALLEST_MTU_V6 as usize),
        };
        if parsed.ip_len as usize <= mtu {
            return each(packet);
        }
        let (Transport::Tcp(segment), Ok(place)) =
            (parsed.transport, link::find_ip(packet.link, packet.data))
        else {
            self.counts.whole += 1;
            return each(packet);
        };
        let header_len = (parsed.ip_len - parsed.payload_len) as usize;
        let payload = place.offset + header_len;
        let headers = Headers {
            ip: place.offset,
            tcp: payload - wire::TCP_HEADER - segment.options_len,
            payload,
            payload_len: parsed.payload_len as usize,
            flags: segment.flags,
            family: parsed.family,
        };
        let size = mtu.saturating_sub(header_len).max(1);
        self.counts.split += 1;
        for start in (0..headers.payload_len).step_by(size) {
            let end = headers.payload_len.min(start + size);
            self.write_segment(packet.data, &headers, start, end, start / size);
            self.counts.into += 1;
            each(&Packet {
                wire_len: (payload + end - start) as u32,
                data: &self.frame,
                ..*packet
            })?;
        }
        Ok(())
    }

    /// Makes the frame of one segment, which carries these bytes of the payload.
    fn write_segment(
        &mut self,
        whole: &[u8],
        headers: &Headers,
        start: usize,
        end: usize,
        index: usize,
    ) {
        let frame = &mut self.frame;
        let captured = |at: usize| whole.len().min(headers.payload + at);
        frame.clear();
        frame.extend_from_slice(&whole[..headers.payload]);
        frame.extend_from_slice(&whole[captured(start)..captured(end)]);
        let len = end - start;
        let segment = &mut frame[headers.tcp..headers.payload];
        let first = first_byte(segment, headers.flags) + start as u32;
        set_flags(segment, headers, start, end);
        segment[tcp::CHECKSUM].fill(0);
        let header_sum = checksum::sum(segment);
        let payload = &frame[headers.payload..];
        let payload_sum = if payload.len() == len {
            checksum::sum(payload)
        } else {
            // The payload was left out: the checksum is that of synthetic bytes.
            Source::Stream(first).sum(len)
        };
        let segment_len = headers.payload - headers.tcp + len;
        let addresses = write_ip(
            &mut frame[headers.ip..headers.tcp],
            headers,
            segment_len,
            index,
        );
        let pseudo = addresses + u32::from(ip_proto::TCP) + checksum::fold(segment_len as u64);
        let segment = &mut frame[headers.tcp..headers.payload];
        checksum::put(segment, tcp::CHECKSUM, pseudo + header_sum + payload_sum);
    }
}

/// The sequence number of the whole segment's first payload byte.
fn first_byte(segment: &[u8], segment_flags: u16) -> u32 {
    let seq = segment[tcp::SEQ].first_chunk().copied();
    u32::from_be_bytes(seq.expect("four bytes"))
        .wrapping_add(u32::from(segment_flags & flags::SYN != 0))
}

/// Sets sequence number, flags and urgent pointer of a segment.
fn set_flags(segment: &mut [u8], headers: &Headers, start: usize, end: usize) {
    let mut segment_flags = headers.flags;
    if end < headers.payload_len {
        segment_flags &= !(flags::FIN | flags::PSH | flags::RST);
    }
    if start > 0 {
        let seq = first_byte(segment, headers.flags).wrapping_add(start as u32);
        segment[tcp::SEQ].copy_from_slice(&seq.to_be_bytes());
        segment_flags &= !(flags::SYN | flags::CWR);
    }
    let pointer = segment[tcp::URGENT_POINTER].first_chunk().copied();
    let pointer = u16::from_be_bytes(pointer.expect("two bytes"));
    let left = usize::from(pointer).saturating_sub(start) as u16;
    if left == 0 {
        segment_flags &= !flags::URG;
    }
    segment[tcp::URGENT_POINTER].copy_from_slice(&left.to_be_bytes());
    let offset = u16::from(segment[tcp::OFFSET_AND_FLAGS.start] >> 4) << 12;
    segment[tcp::OFFSET_AND_FLAGS].copy_from_slice(&(offset | segment_flags).to_be_bytes());
}

/// Sets length, identification and checksum of the IP header of the segment with this number.
/// Returns the sum of the words of both addresses.
fn write_ip(ip: &mut [u8], headers: &Headers, segment_len: usize, index: usize) -> u32 {
    match headers.family {
        Family::V4 => {
            let total_len = (ip.len() + segment_len) as u16;
            ip[2..4].copy_from_slice(&total_len.to_be_bytes());
            let id = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(index as u16);
            ip[4..6].copy_from_slice(&id.to_be_bytes());
            ip[10..12].fill(0);
            let field = checksum::finish(checksum::sum(ip));
            ip[10..12].copy_from_slice(&field.to_be_bytes());
            checksum::sum(&ip[12..IPV4_HEADER])
        }
        Family::V6 => {
            let len = (ip.len() - IPV6_HEADER + segment_len) as u16;
            ip[4..6].copy_from_slice(&len.to_be_bytes());
            // No jumbogram any more: its option becomes padding.
            let option = IPV6_HEADER + 2;
            if ip.get(option..option + 2) == Some(&[JUMBO_PAYLOAD, 4]) {
                ip[option] = PAD_N;
                ip[option + 2..option + 6].fill(0);
            }
            checksum::sum(&ip[8..IPV6_HEADER])
        }
    }
}
