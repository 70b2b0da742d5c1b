//! LDAP (RFC 4511), over UDP without connections ([MS-ADTS] section 6.3.3): searches, and entries
//! that answer them; over TCP behind a bind, which a name or a text fills.

use super::{Datagram, Filler, Message, Messages, Question, Side, Stream, ber};

pub(super) const STREAM: Stream = Stream {
    messages,
    write: write_stream,
    longest_start: LATER,
    filler: Filler::Random,
    shortest_segment: 1,
    // Wireshark 4.0 does not wait for the rest of a length.
    shortest_end: 6,
};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// The shortest search, and the shortest entry.
const SHORTEST_SEARCH: u32 = 64;
const SHORTEST_ENTRY: u32 = 80;

/// The longest message.
const LONGEST: u32 = 0xffff;

/// Lengths of a bind and its answer over TCP, and of searches and entries behind it, client and
/// server; so many of those are short, so that a segment of any length holds few.
const SHORTEST_BIND: u32 = 14;
const LONGEST_BIND: u32 = 4096;
const LENGTHS: [u32; 2] = [96, 160];
const EXCHANGES: u32 = 16;
const LATER: u32 = 8192;

/// From this length on, the lengths of the message and its operation take four bytes each, as
/// Windows writes them.
const LONG: usize = 0x84;

/// Operations.
const BIND: u8 = 0x60;
const BOUND: u8 = 0x61;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;

/// Further tags: of a set, and a filter for the presence of an attribute.
const SET: u8 = 0x31;
const PRESENT: u8 = 0x87;

/// Parts of a search: the whole tree, without a look behind aliases or a limit of entries or time,
/// with the values of attributes.
const SEARCH_OPTIONS: [[u8; 3]; 5] = [
    [ENUMERATED, 1, 2],
    [ENUMERATED, 1, 0],
    [ber::INTEGER, 1, 0],
    [ber::INTEGER, 1, 0],
    [BOOLEAN, 1, 0],
];
const ENUMERATED: u8 = 0x0a;
const BOOLEAN: u8 = 0x01;

/// Where searches start, what they look for, and the attribute that has a value of any length.
const BASE: &[u8] = b"dc=example";
const OBJECT_CLASS: &[u8] = b"objectClass";
const PHOTO: &[u8] = b"jpegPhoto";

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const NAME: u64 = 64;
    pub(super) const USER: u64 = 65;
    pub(super) const VALUE: u64 = 1 << 31;
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let Message { number, len } = message;
    let end = out.len() + len as usize;
    match (side.is_client, len) {
        (true, SHORTEST_SEARCH..=LONGEST) => {
            open_message(number, SEARCH, end, out);
            ber::put(ber::OCTET_STRING, BASE, out);
            out.extend_from_slice(SEARCH_OPTIONS.as_flattened());
            ber::put(PRESENT, OBJECT_CLASS, out);
            // The name of an attribute fills the message.
            ber::open(ber::SEQUENCE, end - out.len(), out);
            let name = ber::open(ber::OCTET_STRING, end - out.len(), out);
            side.client.put_letters(draw::NAME, name, out);
        }
        (false, SHORTEST_ENTRY..=LONGEST) => {
            open_message(number, ENTRY, end, out);
            ber::put(ber::OCTET_STRING, BASE, out);
            for tag in [ber::SEQUENCE, ber::SEQUENCE] {
                ber::open(tag, end - out.len(), out);
            }
            ber::put(ber::OCTET_STRING, PHOTO, out);
            ber::open(SET, end - out.len(), out);
            let value = ber::open(ber::OCTET_STRING, end - out.len(), out);
            let index = draw::VALUE + u64::from(number);
            side.server.put_bytes(index, value, out);
        }
        _ => return false,
    }
    true
}

fn messages(side: &Side) -> Messages {
    let bind = match side.first {
        first @ SHORTEST_BIND..=LONGEST_BIND => first,
        _ => SHORTEST_BIND,
    };
    let exchanges = (EXCHANGES, LENGTHS[usize::from(!side.is_client)]);
    Messages {
        opening: [(1, bind), exchanges, (0, 0), (0, 0)],
        rest: LATER,
    }
}

fn write_stream(side: &Side, message: Message, out: &mut Vec<u8>) {
    if message.number > 0 {
        write(side, None, message, out);
        return;
    }
    let end = message.len as usize;
    if side.is_client {
        // Version 3, the user's name, and no password.
        const NO_PASSWORD: [u8; 2] = [0x80, 0];
        open_message(0, BIND, end, out);
        ber::put(ber::INTEGER, &[3], out);
        let name = ber::open(ber::OCTET_STRING, end - out.len() - NO_PASSWORD.len(), out);
        side.client.put_words(draw::USER, b' ', name, out);
        out.extend_from_slice(&NO_PASSWORD);
    } else {
        // Success, nothing that matched, and a text.
        open_message(0, BOUND, end, out);
        ber::put(ENUMERATED, &[0], out);
        ber::put(ber::OCTET_STRING, &[], out);
        let text = ber::open(ber::OCTET_STRING, end - out.len(), out);
        side.server.put_words(draw::USER, b' ', text, out);
    }
}

/// Starts a message that takes what is left to the end.
fn open_message(number: u32, operation: u8, end: usize, out: &mut Vec<u8>) {
    let open = if end - out.len() >= LONG {
        ber::open_wide
    } else {
        ber::open
    };
    open(ber::SEQUENCE, end - out.len(), out);
    // Numbers come again once they were answered; 0 is not a request's.
    ber::put(ber::INTEGER, &[1 + (number % 127) as u8], out);
    open(operation, end - out.len(), out);
}
