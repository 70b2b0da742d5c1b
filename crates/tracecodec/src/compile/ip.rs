//! IP headers of the output.

use super::flow::Flow;
use crate::action::{Action, Family};
use crate::wire::{IPV4_HEADER, checksum, ip_proto};

/// The flag "don't fragment".
const DONT_FRAGMENT: u16 = 0x4000;

/// Kind of an IPv4 option that does nothing.
const NOP: u8 = 1;

/// Kind of the IPv6 option that states the length of a jumbogram (RFC 2675).
const JUMBO_PAYLOAD: u8 = 0xc2;

/// Kind of an IPv6 option that fills space.
const PAD_N: u8 = 1;

/// Appends the IP header of a packet with this many bytes after it.
pub(super) fn emit(action: &Action, flow: &Flow, id: u16, payload_len: usize, frame: &mut Vec<u8>) {
    match action.ip_family {
        Family::V4 => emit_v4(action, flow, id, payload_len, frame),
        Family::V6 => emit_v6(action, flow, payload_len, frame),
    }
}

/// The length field of a packet: 0 if the length is beyond it, as in a segment that a network
/// interface was to cut.
fn length_field(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}

fn emit_v4(action: &Action, flow: &Flow, id: u16, payload_len: usize, frame: &mut Vec<u8>) {
    let start = frame.len();
    let words = (IPV4_HEADER / 4) as u8 + action.ip_ext;
    let total_len = 4 * usize::from(words) + payload_len;
    let dir = action.role();
    frame.extend([0x40 | words, action.ip_tos]);
    frame.extend(length_field(total_len).to_be_bytes());
    frame.extend(id.to_be_bytes());
    let flags = if action.ip_df_clear { 0 } else { DONT_FRAGMENT };
    frame.extend(flags.to_be_bytes());
    frame.extend([action.ttl_res, flow.kind.number, 0, 0]);
    frame.extend_from_slice(&flow.address(dir));
    frame.extend_from_slice(&flow.address(dir.reverse()));
    frame.resize(start + 4 * usize::from(words), NOP);
    let field = checksum::finish(checksum::sum(&frame[start..]));
    frame[start + 10..start + 12].copy_from_slice(&field.to_be_bytes());
}

fn emit_v6(action: &Action, flow: &Flow, payload_len: usize, frame: &mut Vec<u8>) {
    let ext_len = 4 * usize::from(action.ip_ext);
    let dir = action.role();
    frame.extend((6 << 28 | u32::from(action.ip_tos) << 20).to_be_bytes());
    let len = ext_len + payload_len;
    let is_jumbogram = len > usize::from(u16::MAX);
    frame.extend(length_field(len).to_be_bytes());
    let next = match ext_len {
        0 => flow.kind.number,
        _ if is_jumbogram => ip_proto::HOP_BY_HOP,
        _ => ip_proto::DESTINATION_OPTIONS,
    };
    frame.extend([next, action.ttl_res]);
    frame.extend_from_slice(&flow.address(dir));
    frame.extend_from_slice(&flow.address(dir.reverse()));
    if ext_len > 0 {
        let end = frame.len() + ext_len;
        frame.extend([flow.kind.number, (ext_len / 8 - 1) as u8]);
        if is_jumbogram {
            frame.extend([JUMBO_PAYLOAD, 4]);
            frame.extend((len as u32).to_be_bytes());
        }
        pad_extension(end, frame);
    }
}

/// Fills a header of options (RFC 8200 section 4.2), which ends there, with padding.
fn pad_extension(end: usize, frame: &mut Vec<u8>) {
    while frame.len() < end {
        let body = (end - frame.len() - 2).min(255);
        // A single byte must not be left, since a PadN option has at least two.
        let body = if end - frame.len() - 2 - body == 1 {
            body - 1
        } else {
            body
        };
        frame.extend([PAD_N, body as u8]);
        frame.resize(frame.len() + body, 0);
    }
}
