//! LDAP (RFC 4511) over TCP: a client binds with a name that fills its first segment, searches, and
//! changes an entry; a server answers with an entry whose value fills its first segment. Over UDP
//! ([MS-ADTS] section 6.3.3), a client searches, and a server answers with an entry.

use super::{Datagram, Filler, Message, Messages, Question, Side, Stream, ber};

pub(super) const STREAM: Stream = Stream {
    messages,
    write: write_stream,
    longest_start: LONGEST_BIND,
    filler: Filler::Random,
};

pub(super) const DATAGRAM: Datagram = Datagram(write_datagram);

/// Lengths of messages that bind: the shortest, of both sides, and the longest of a client.
const BIND: u32 = 14;
const LONGEST_BIND: u32 = 600;

/// Lengths of a search, and of a message with a value but for the value: of a client and a server.
const SEARCH: u32 = 64;
const SHORTEST_ENTRY: u32 = 80;

/// The messages behind the bind: searches, or entries of a length; and the length of later ones, so
/// that a segment of any length holds few.
const EXCHANGES: u32 = 32;
const ENTRY: u32 = 256;
const LATER: u32 = 8192;

/// Operations.
mod operation {
    pub(super) const BIND_REQUEST: u8 = 0x60;
    pub(super) const BIND_RESPONSE: u8 = 0x61;
    pub(super) const SEARCH: u8 = 0x63;
    pub(super) const ENTRY: u8 = 0x64;
    pub(super) const MODIFY: u8 = 0x66;
}

/// Further tags: of a set, a password, and a filter for the presence of an attribute.
const SET: u8 = 0x31;
const PASSWORD: u8 = 0x80;
const PRESENT: u8 = 0x87;

/// Numbers as elements: version 3; success, or that aliases are never followed; the whole tree; no
/// limit; false; a replacement.
const VERSION_3: [u8; 3] = [ber::INTEGER, 1, 3];
const SUCCESS: [u8; 3] = [ENUMERATED, 1, 0];
const WHOLE_TREE: [u8; 3] = [ENUMERATED, 1, 2];
const NO_LIMIT: [u8; 3] = [ber::INTEGER, 1, 0];
const FALSE: [u8; 3] = [1, 1, 0];
const REPLACE: [u8; 3] = [ENUMERATED, 1, 2];
const ENUMERATED: u8 = 0x0a;

/// Where searches start, what they look for, and the attribute that has a value of any length.
const BASE: &[u8] = b"dc=example";
const OBJECT_CLASS: &[u8] = b"objectClass";
const PHOTO: &[u8] = b"jpegPhoto";

/// The element of what is empty.
const EMPTY: [u8; 2] = [ber::OCTET_STRING, 0];

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const NAME: u64 = 64;
    pub(super) const VALUE: u64 = 1 << 31;
}

fn messages(side: &Side) -> Messages {
    let opening = if side.is_client {
        let bind = match side.first {
            first @ BIND..=LONGEST_BIND => first,
            _ => BIND,
        };
        [(1, bind), (EXCHANGES, SEARCH), (0, 0), (0, 0)]
    } else {
        // An entry ends with the first segment; without room for it, the bind's text does.
        let (bind, entry) = match side.first {
            first @ BIND..=LONGEST_BIND => (first, 0),
            first => (BIND, first.saturating_sub(BIND).min(LATER)),
        };
        [(1, bind), (1, entry), (EXCHANGES, ENTRY), (0, 0)]
    };
    Messages {
        opening,
        rest: LATER,
    }
}

fn write_stream(side: &Side, message: Message, out: &mut Vec<u8>) {
    let Message { number, len } = message;
    let end = out.len() + len as usize;
    match (side.is_client, number, len) {
        (true, 0, _) => {
            open_message(number, operation::BIND_REQUEST, end, out);
            out.extend_from_slice(&VERSION_3);
            let name = ber::open(ber::OCTET_STRING, end - out.len() - 2, out);
            side.client.put_letters(draw::NAME, name, out);
            out.extend_from_slice(&[PASSWORD, 0]);
        }
        (false, 0, _) => {
            open_message(number, operation::BIND_RESPONSE, end, out);
            out.extend_from_slice(&SUCCESS);
            out.extend_from_slice(&EMPTY);
            let text = ber::open(ber::OCTET_STRING, end - out.len(), out);
            side.server.put_letters(draw::NAME, text, out);
        }
        (true, _, SEARCH) => write_search(side, number, end, out),
        (true, ..) => {
            open_message(number, operation::MODIFY, end, out);
            ber::put(ber::OCTET_STRING, BASE, out);
            for tag in [ber::SEQUENCE, ber::SEQUENCE] {
                ber::open(tag, end - out.len(), out);
            }
            out.extend_from_slice(&REPLACE);
            open_value(end, out);
        }
        (false, ..) => {
            open_entry(number, end, out);
        }
    }
}

fn write_datagram(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let Message { number, len } = message;
    let end = out.len() + len as usize;
    match (side.is_client, len) {
        (true, SEARCH..) => {
            write_search(side, number, end, out);
        }
        (false, SHORTEST_ENTRY..=0xffff) => {
            let value = open_entry(number, end, out);
            side.server
                .put_bytes(draw::VALUE + u64::from(number), value, out);
        }
        _ => return false,
    }
    true
}

/// Starts a message that takes what is left to the end.
fn open_message(number: u32, operation: u8, end: usize, out: &mut Vec<u8>) {
    ber::open(ber::SEQUENCE, end - out.len(), out);
    // Numbers come again once they were answered; 0 is not a request's.
    ber::put(ber::INTEGER, &[1 + (number % 127) as u8], out);
    ber::open(operation, end - out.len(), out);
}

/// Writes a search for every entry, with the name of an attribute that fills the message.
fn write_search(side: &Side, number: u32, end: usize, out: &mut Vec<u8>) {
    open_message(number, operation::SEARCH, end, out);
    ber::put(ber::OCTET_STRING, BASE, out);
    for number in [WHOLE_TREE, SUCCESS, NO_LIMIT, NO_LIMIT, FALSE] {
        out.extend_from_slice(&number);
    }
    ber::put(PRESENT, OBJECT_CLASS, out);
    ber::open(ber::SEQUENCE, end - out.len(), out);
    let attribute = ber::open(ber::OCTET_STRING, end - out.len(), out);
    side.client.put_letters(draw::NAME, attribute, out);
}

/// Starts an entry that takes what is left to the end; returns the length of its value.
fn open_entry(number: u32, end: usize, out: &mut Vec<u8>) -> usize {
    open_message(number, operation::ENTRY, end, out);
    ber::put(ber::OCTET_STRING, BASE, out);
    ber::open(ber::SEQUENCE, end - out.len(), out);
    open_value(end, out)
}

/// Starts an attribute with a value that takes what is left to the end; returns the value's length.
fn open_value(end: usize, out: &mut Vec<u8>) -> usize {
    ber::open(ber::SEQUENCE, end - out.len(), out);
    ber::put(ber::OCTET_STRING, PHOTO, out);
    ber::open(SET, end - out.len(), out);
    ber::open(ber::OCTET_STRING, end - out.len(), out)
}
