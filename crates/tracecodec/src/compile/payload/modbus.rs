//! Modbus over TCP (Modbus Application Protocol 1.1b3, Modbus Messaging on TCP/IP 1.0b): clients
//! read registers or write coils, servers answer with as many bytes as their first segment has.

use super::{Filler, Message, Messages, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LONGEST_START,
    // Random bytes are taken for openSAFETY now and then, which is carried by registers.
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Length of the header with the unit's number, which is not counted with what follows.
const HEADER: u32 = 7;
const UNCOUNTED: u32 = 6;

/// Lengths of a request to read and of the answer to a write; of an exception; and of requests and
/// answers but for their data.
const FIXED: u32 = 12;
const EXCEPTION: u32 = 9;
const WRITE: u32 = 13;
const READ: u32 = 9;

/// The longest start of a message, and the longest message.
const LONGEST_START: u32 = WRITE;
const LONGEST: u32 = 260;

/// Usual length of an answer: one register.
const USUAL_ANSWER: u32 = READ + 2;

/// Functions; an exception has the highest bit set.
const READ_COILS: u8 = 1;
const READ_REGISTERS: u8 = 3;
const WRITE_COILS: u8 = 15;
const FAILED: u8 = 0x80;
const ILLEGAL_ADDRESS: u8 = 2;

/// Messages that are as long as the first; later ones are the longest, so that a segment of any
/// length holds few.
const EXCHANGES: u32 = 64;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const ADDRESS: u64 = 64;
    pub(super) const UNIT: u64 = 65;
    pub(super) const TRANSACTION: u64 = 66;
}

/// Length of requests, given the length of the client's first segment.
fn request_len(first: u32) -> u32 {
    match first {
        14..=LONGEST => first,
        _ => FIXED,
    }
}

fn messages(side: &Side) -> Messages {
    let (first, later) = match (side.is_client, side.first) {
        (true, first) => (request_len(first), LONGEST),
        (false, first @ (EXCEPTION | 10..LONGEST)) => (first, LONGEST - 1),
        (false, _) => (USUAL_ANSWER, LONGEST - 1),
    };
    Messages {
        opening: [(EXCHANGES, first), (0, 0), (0, 0), (0, 0)],
        rest: later,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    let len = message.len;
    let transaction =
        (side.flow.draw(draw::TRANSACTION) as u16).wrapping_add(message.number as u16);
    let unit = 1 + side.server.draw(draw::UNIT) as u8 % 4;
    let mut put_start = |function: u8| {
        for word in [transaction, 0, (len - UNCOUNTED) as u16] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(&[unit, function]);
        debug_assert_eq!(HEADER, UNCOUNTED + 1);
    };
    let address = side.flow.draw(draw::ADDRESS) as u16 & 0xfff;
    match (side.is_client, len) {
        (true, FIXED) => {
            put_start(READ_REGISTERS);
            put_range(address, 1, out);
        }
        (true, _) => {
            put_start(WRITE_COILS);
            let bytes = len - WRITE;
            put_range(address, 8 * bytes as u16, out);
            out.push(bytes as u8);
        }
        (false, FIXED) if request_len(side.peer_first) != FIXED => {
            put_start(WRITE_COILS);
            let bytes = request_len(side.peer_first) - WRITE;
            put_range(address, 8 * bytes as u16, out);
        }
        (false, EXCEPTION) => {
            put_start(READ_REGISTERS | FAILED);
            out.push(ILLEGAL_ADDRESS);
        }
        (false, _) => {
            // Registers have two bytes.
            let bytes = len - READ;
            put_start(if bytes.is_multiple_of(2) {
                READ_REGISTERS
            } else {
                READ_COILS
            });
            out.push(bytes as u8);
        }
    }
}

/// Writes the first address and the number of registers or coils.
fn put_range(address: u16, count: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&address.to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
}
