//! Remote procedure calls of DCE over TCP (C706, chapter 12): a client binds to interfaces, as many
//! as its first segment has room for, and calls procedures of an unknown one.

use super::{Filler, Message, Messages, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LONGEST_BIND,
    filler: Filler::Random,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Lengths of the header, of a bind without interfaces, and of each interface.
const HEADER: u32 = 16;
const BIND: u32 = HEADER + 12;
const INTERFACE: u32 = 44;

/// The longest bind, and the usual one.
const LONGEST_BIND: u32 = BIND + 32 * INTERFACE;
const USUAL_BIND: u32 = BIND + INTERFACE;

/// The shortest answer to a bind; the name of the port is longer by multiples of four bytes.
const SHORTEST_ACK: u32 = HEADER + 8 + 8 + 28;
const LONGEST_ACK: u32 = SHORTEST_ACK + 64;

/// Lengths of calls and their answers; so many are short, so that a segment of any length holds
/// few.
const CALLS: [u32; 2] = [160, 240];
const EXCHANGES: u32 = 32;
const LATER: u32 = 4096;

/// Types of packets.
const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const BIND_TYPE: u8 = 11;
const BIND_ACK: u8 = 12;

/// The transfer syntax NDR, version 2.
const NDR: [u8; 20] = [
    0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60,
    2, 0, 0, 0,
];

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const INTERFACE: u64 = 64;
    pub(super) const GROUP: u64 = 65;
    pub(super) const NAME: u64 = 66;
}

fn messages(side: &Side) -> Messages {
    let bind = match (side.is_client, side.first) {
        (true, first @ USUAL_BIND..=LONGEST_BIND) if (first - BIND).is_multiple_of(INTERFACE) => {
            first
        }
        (true, _) => USUAL_BIND,
        (false, first @ SHORTEST_ACK..=LONGEST_ACK) if first.is_multiple_of(4) => first,
        (false, _) => SHORTEST_ACK,
    };
    let call = CALLS[usize::from(!side.is_client)];
    Messages {
        opening: [(1, bind), (EXCHANGES, call), (0, 0), (0, 0)],
        rest: LATER,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    const VERSION_5: [u8; 2] = [5, 0];
    const WHOLE: u8 = 3;
    const LITTLE_ENDIAN: [u8; 4] = [0x10, 0, 0, 0];
    let kind = match (side.is_client, message.number) {
        (true, 0) => BIND_TYPE,
        (false, 0) => BIND_ACK,
        (true, _) => REQUEST,
        (false, _) => RESPONSE,
    };
    out.extend_from_slice(&VERSION_5);
    out.extend_from_slice(&[kind, WHOLE]);
    out.extend_from_slice(&LITTLE_ENDIAN);
    // No authentication. The low byte of a call's number is none of an operation of SMPP, for which
    // Wireshark looks in segments whose connection starts with a part of a bind.
    const LOW_BYTE: u32 = 0x80;
    for word in [message.len as u16, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&(message.number << 8 | LOW_BYTE).to_le_bytes());
    match kind {
        BIND_TYPE => put_bind(side, message.len, out),
        BIND_ACK => put_ack(side, message.len, out),
        _ => {
            // A hint of the length, the context and the procedure, or the number of cancels.
            out.extend_from_slice(&(message.len - HEADER - 8).to_le_bytes());
            out.extend_from_slice(&[0; 4]);
        }
    }
}

/// Writes the longest fragments and the group of the association.
fn put_association(side: &Side, out: &mut Vec<u8>) {
    const LONGEST_FRAGMENT: [u8; 2] = 5840_u16.to_le_bytes();
    out.extend_from_slice(&[LONGEST_FRAGMENT, LONGEST_FRAGMENT].concat());
    let group = if side.is_client {
        0
    } else {
        side.flow.draw(draw::GROUP) as u32
    };
    out.extend_from_slice(&group.to_le_bytes());
}

fn put_bind(side: &Side, len: u32, out: &mut Vec<u8>) {
    put_association(side, out);
    let count = (len - BIND) / INTERFACE;
    out.extend_from_slice(&count.to_le_bytes());
    for context in 0..count {
        // A context with one transfer syntax, for an interface of version 1.
        out.extend_from_slice(&[context as u8, 0, 1, 0]);
        let index = draw::INTERFACE + (u64::from(context) << 16);
        side.server.put_bytes(index, 16, out);
        out.extend_from_slice(&[1, 0, 0, 0]);
        out.extend_from_slice(&NDR);
    }
}

fn put_ack(side: &Side, len: u32, out: &mut Vec<u8>) {
    put_association(side, out);
    // The port's name with a zero at its end, then zeros up to a multiple of four bytes.
    let name = 4 + len - SHORTEST_ACK;
    out.extend_from_slice(&(name as u16).to_le_bytes());
    side.server.put_letters(draw::NAME, name as usize - 1, out);
    out.extend_from_slice(&[0; 3]);
    // One result: accepted, without a reason.
    out.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&NDR);
}
