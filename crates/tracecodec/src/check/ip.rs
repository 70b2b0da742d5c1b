//! Faults of IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use super::span::{Span, word};
use super::{Fault, Faults, Stop};
use crate::action::Family;
use crate::wire::{IPV4_HEADER, IPV6_HEADER, SkipReason, checksum, ip_proto};

/// IPv6 next header that means "no next header".
const NO_NEXT_HEADER: u8 = 59;

/// The bytes after the IP headers, with what their checksums need.
pub(super) struct IpPayload<'a> {
    pub(super) family: Family,
    pub(super) proto: u8,
    /// Sum of the addresses that checksums cover: the final destination of a source-routed packet,
    /// and the home address of a mobile node.
    pub(super) addresses: u32,
    /// The bytes, by the IP length.
    pub(super) span: Span<'a>,
}

/// Judges the IP headers at the start of `frame`.
pub(super) fn judge<'a>(frame: Span<'a>, faults: &mut Faults) -> Result<IpPayload<'a>, Stop> {
    let [first] = frame.fixed()?;
    match first >> 4 {
        4 => judge_v4(frame, faults),
        _ => judge_v6(frame, faults),
    }
}

fn judge_v4<'a>(frame: Span<'a>, faults: &mut Faults) -> Result<IpPayload<'a>, Stop> {
    let fixed: &[u8; IPV4_HEADER] = frame.fixed()?;
    let header_len = 4 * usize::from(fixed[0] & 0xf);
    let len = match word(fixed, 2).into() {
        0 => {
            faults.add(Fault::IpLengthZero, true);
            frame.len
        }
        len => len,
    };
    if header_len < fixed.len() || header_len > len {
        return Err(Fault::IpHeaderLength.into());
    }
    faults.add(Fault::IpLength, len > frame.len);
    faults.add(Fault::TtlZero, fixed[8] == 0);
    faults.add(Fault::IpReservedBit, fixed[6] & 0x80 != 0);
    let source = [fixed[12], fixed[13], fixed[14], fixed[15]];
    let destination = [fixed[16], fixed[17], fixed[18], fixed[19]];
    judge_addresses_v4(source, destination, faults);
    let header = frame.header(header_len)?;
    faults.add(
        Fault::IpChecksum,
        checksum::finish(checksum::sum(header)) != 0,
    );
    let last_stop = judge_options(&header[IPV4_HEADER..], faults);
    if len > frame.len {
        return Err(Stop::Judged);
    }
    let span = frame.limit(len).skip(header_len);
    // The M flag, and the offset in units of eight bytes.
    let (more, offset) = (
        fixed[6] & 0x20 != 0,
        8 * usize::from(word(fixed, 6) & 0x1fff),
    );
    if more || offset > 0 {
        judge_fragment(more, offset + header_len, span.len, faults);
        return Err(Stop::Skip(SkipReason::Fragment));
    }
    Ok(IpPayload {
        family: Family::V4,
        proto: fixed[9],
        addresses: checksum::sum(&source) + checksum::sum(&last_stop.unwrap_or(destination)),
        span,
    })
}

/// Judges a fragment of `len` bytes that lies behind `before` others in its packet.
fn judge_fragment(more: bool, before: usize, len: usize, faults: &mut Faults) {
    let is_too_long = before + len > usize::from(u16::MAX);
    faults.add(
        Fault::FragmentLength,
        is_too_long || more && !len.is_multiple_of(8),
    );
}

fn judge_addresses_v4(source: [u8; 4], destination: [u8; 4], faults: &mut Faults) {
    // RFC 1122 section 3.2.1.3. A host with an unspecified source asks for an address, by broadcast
    // or multicast.
    let is_group = |address: [u8; 4]| address[0] >= 224;
    let is_illegal = match source {
        [0, 0, 0, 0] => !is_group(destination),
        [224..=239, ..] | [255, 255, 255, 255] => true,
        _ => false,
    };
    faults.add(Fault::SourceAddress, is_illegal);
    let is_land = source == destination && source[0] != 127 && !is_illegal;
    faults.add(Fault::SameAddress, is_land && source != [0; 4]);
}

/// Judges the options area; returns the final destination of a source route that is under way.
fn judge_options(area: &[u8], faults: &mut Faults) -> Option<[u8; 4]> {
    /// Kinds "loose source and record route" and "strict source and record route".
    const SOURCE_ROUTES: [u8; 2] = [131, 137];
    let (mut rest, mut last_stop) = (area, None);
    loop {
        rest = match *rest {
            [] | [0, ..] => return last_stop,
            [1, ref after @ ..] => after,
            [kind, len, ..] if len >= 2 && usize::from(len) <= rest.len() => {
                let (option, after) = rest.split_at(len.into());
                // The pointer starts at 4; it lies beyond the option once all stops were made.
                let is_under_way = option.get(2).is_some_and(|&pointer| pointer < len);
                if SOURCE_ROUTES.contains(&kind) && is_under_way && option.len() >= 7 {
                    last_stop = option.last_chunk().copied();
                }
                after
            }
            _ => {
                faults.add(Fault::IpOptions, true);
                return last_stop;
            }
        };
    }
}

fn judge_v6<'a>(frame: Span<'a>, faults: &mut Faults) -> Result<IpPayload<'a>, Stop> {
    let header: &[u8; IPV6_HEADER] = frame.fixed()?;
    faults.add(Fault::TtlZero, header[7] == 0);
    let (source, destination) = (&header[8..24], &header[24..40]);
    judge_addresses_v6(source, destination, faults);
    let len = match (word(header, 4), header[6]) {
        // A jumbogram, whose length is an option (RFC 2675).
        (0, ip_proto::HOP_BY_HOP) => return Err(Stop::Skip(SkipReason::TooLong)),
        (0, NO_NEXT_HEADER) => 0,
        // The packet carries nothing.
        (0, _) if frame.len == IPV6_HEADER => 0,
        (0, _) => {
            faults.add(Fault::IpLengthZero, true);
            frame.len - IPV6_HEADER
        }
        (len, _) => len.into(),
    };
    if len > frame.len - IPV6_HEADER {
        return Err(Fault::IpLength.into());
    }
    let span = frame.limit(IPV6_HEADER + len).skip(IPV6_HEADER);
    let mut payload = IpPayload {
        family: Family::V6,
        proto: header[6],
        addresses: checksum::sum(source) + checksum::sum(destination),
        span,
    };
    follow_extensions(&mut payload, [source, destination], faults)?;
    Ok(payload)
}

/// Follows hop-by-hop, routing, destination and fragment headers.
fn follow_extensions<'a>(
    payload: &mut IpPayload<'a>,
    [mut source, mut destination]: [&'a [u8]; 2],
    faults: &mut Faults,
) -> Result<(), Stop> {
    let whole = payload.span.len;
    loop {
        let span = payload.span;
        match payload.proto {
            ip_proto::HOP_BY_HOP | ip_proto::ROUTING | ip_proto::DESTINATION_OPTIONS => {
                let [_, len] = span.fixed()?;
                let header = span.header(8 + 8 * usize::from(*len))?;
                match payload.proto {
                    ip_proto::ROUTING => destination = last_stop(header).unwrap_or(destination),
                    ip_proto::DESTINATION_OPTIONS => {
                        source = home_address(header).unwrap_or(source);
                    }
                    _ => {}
                }
                payload.addresses = checksum::sum(source) + checksum::sum(destination);
                (payload.proto, payload.span) = (header[0], span.skip(header.len()));
            }
            ip_proto::FRAGMENT => {
                let header: &[u8; 8] = span.fixed()?;
                (payload.proto, payload.span) = (header[0], span.skip(header.len()));
                // Neither offset nor M flag is set: an "atomic fragment" (RFC 6946), a whole
                // packet.
                let (more, offset) = (header[3] & 1 != 0, usize::from(word(header, 2) & 0xfff8));
                if more || offset > 0 {
                    let before = whole - span.len + offset;
                    judge_fragment(more, before, payload.span.len, faults);
                    return Err(Stop::Skip(SkipReason::Fragment));
                }
            }
            NO_NEXT_HEADER => return Err(Stop::Judged),
            _ => return Ok(()),
        }
    }
}

/// The final destination by a routing header with segments left. It is the last address of types 0
/// and 2 (RFC 8200 section 8.1, RFC 6275), and the first in the list of type 4, whose list is
/// backwards (RFC 8754).
fn last_stop(header: &[u8]) -> Option<&[u8]> {
    match (header[2], header[3]) {
        (_, 0) => None,
        (0 | 2, _) => header[8..].chunks_exact(16).next_back(),
        (4, _) => header[8..].chunks_exact(16).next(),
        _ => None,
    }
}

/// The home address option among destination options (RFC 6275 section 6.3).
fn home_address(header: &[u8]) -> Option<&[u8]> {
    const HOME_ADDRESS: u8 = 201;
    let mut rest = &header[2..];
    loop {
        rest = match *rest {
            [0, ref after @ ..] => after,
            [HOME_ADDRESS, 16, ref after @ ..] => return after.get(..16),
            [_, len, ref after @ ..] => after.get(usize::from(len)..)?,
            _ => return None,
        };
    }
}

fn judge_addresses_v6(source: &[u8], destination: &[u8], faults: &mut Faults) {
    let is_unspecified = source == [0; 16];
    let is_loopback = source[..15] == [0; 15] && source[15] == 1;
    // Duplicate address detection and listener reports have no address yet (RFC 4862, RFC 3590).
    let is_illegal = source[0] == 0xff || is_unspecified && destination[0] != 0xff;
    faults.add(Fault::SourceAddress, is_illegal);
    let is_land = source == destination && !is_loopback && !is_illegal;
    faults.add(Fault::SameAddress, is_land);
}
