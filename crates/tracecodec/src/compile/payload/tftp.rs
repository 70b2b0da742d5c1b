//! TFTP (RFC 1350): a request to read whose file's name fills it, data and acknowledgements.

use super::{Datagram, Message, Question, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Length of what is before data, which is all of an acknowledgement.
const HEADER: usize = 4;

/// The shortest and the longest request to read.
const SHORTEST_REQUEST: usize = 2 + 1 + MODE.len();
const LONGEST_REQUEST: usize = 512;

/// The end of a file's name, and the mode.
const MODE: &[u8] = b"\0octet\0";

/// Kinds of messages.
const READ: u16 = 1;
const DATA: u16 = 3;
const ACKNOWLEDGEMENT: u16 = 4;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const NAME: u64 = 64;
    pub(super) const DATA: u64 = 1 << 31;
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let len = message.len as usize;
    let number = message.number;
    match (side.is_client, number, len) {
        (true, 0, SHORTEST_REQUEST..=LONGEST_REQUEST) => {
            out.extend_from_slice(&READ.to_be_bytes());
            side.flow.put_letters(draw::NAME, len - 2 - MODE.len(), out);
            out.extend_from_slice(MODE);
        }
        // Clients acknowledge the block before, for their first message is the request.
        (true, _, HEADER) => put_header(ACKNOWLEDGEMENT, number, out),
        (_, _, HEADER..) => {
            put_header(DATA, number + 1, out);
            let index = draw::DATA + u64::from(number);
            side.flow.put_letters(index, len - HEADER, out);
        }
        _ => return false,
    }
    true
}

fn put_header(kind: u16, block: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(block as u16).to_be_bytes());
}
