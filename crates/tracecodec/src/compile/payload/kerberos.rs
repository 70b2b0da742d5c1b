//! Kerberos (RFC 4120) over UDP and TCP: requests for a ticket, which a cookie fills, and errors
//! with a text or, where there is room for one, tickets.

use super::{Datagram, Filler, Message, Messages, Question, Side, Stream, ber};

pub(super) const STREAM: Stream = Stream {
    messages,
    write: write_record,
    longest_start: LONGEST,
    filler: Filler::Random,
    shortest_segment: 1,
    shortest_end: 1,
};

pub(super) const DATAGRAM: Datagram = Datagram(write_datagram);

/// Length of a message's length over TCP (section 7.2.2).
const MARK: u32 = 4;

/// Lengths over TCP: the shortest that any message can have, the longest, and usual ones of clients
/// and servers.
const SHORTEST: u32 = 200;
const LONGEST: u32 = 8192;
const USUAL: [u32; 2] = [240, 220];

/// Messages that are as long as the first, and the length of later ones.
const EXCHANGES: u32 = 32;

/// Replies that are as long as this have a ticket.
const WITH_TICKET: usize = 512;

/// Message types, which are the tags of applications, too (section 5.10).
const AS_REQ: u8 = 10;
const AS_REP: u8 = 11;
const ERROR: u8 = 30;

/// Tags: of an application's type, of a field, and of universal types.
const APPLICATION: u8 = 0x60;
const FIELD: u8 = 0xa0;
const BIT_STRING: u8 = 0x03;
const GENERAL_STRING: u8 = 0x1b;
const TIME: u8 = 0x18;

/// The kind of data that is a server's cookie (RFC 6113), the encryption AES256-CTS-HMAC-SHA1-96,
/// and the error that asks for authentication first.
const FX_COOKIE: u8 = 133;
const AES_256: u8 = 18;
const PREAUTHENTICATION_REQUIRED: u8 = 25;

/// What is longer than a realm's name, up to the shortest element that fills.
const LONGEST_EXTRA: usize = 24;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const REALM: u64 = 64;
    pub(super) const COOKIE: u64 = 65;
    pub(super) const NONCE: u64 = 66;
    pub(super) const TICKET: u64 = 67;
    pub(super) const REPLY: u64 = 68;
}

fn messages(side: &Side) -> Messages {
    let first = match side.first {
        first @ SHORTEST..=LONGEST => first,
        _ => USUAL[usize::from(!side.is_client)],
    };
    Messages {
        opening: [(EXCHANGES, first), (0, 0), (0, 0), (0, 0)],
        rest: LONGEST,
    }
}

fn write_record(side: &Side, message: Message, out: &mut Vec<u8>) {
    let len = message.len - MARK;
    out.extend_from_slice(&len.to_be_bytes());
    let is_written = write_message(side, len as usize, out);
    debug_assert!(is_written, "{side:?} {message:?}");
}

fn write_datagram(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    write_message(side, message.len as usize, out)
}

/// Writes a message of this length, if there is one.
fn write_message(side: &Side, len: usize, out: &mut Vec<u8>) -> bool {
    let end = out.len() + len;
    let put = match (side.is_client, len) {
        (true, _) => put_request,
        (false, WITH_TICKET..) => put_reply,
        (false, _) => put_error,
    };
    // The name of the realm is longer by what is too short for the element that fills.
    (0..=LONGEST_EXTRA).any(|extra| {
        let mut realm = side.server.word(draw::REALM).to_uppercase().into_bytes();
        side.server.put_letters(draw::REALM, extra, &mut realm);
        realm.extend_from_slice(b".EXAMPLE");
        let before = out.len();
        let is_put = put(side, &realm, end, out);
        if !is_put {
            out.truncate(before);
        }
        is_put
    })
}

/// Starts a message up to its type: the version has this field, the type the next.
fn open_message(kind: u8, version_field: u8, end: usize, out: &mut Vec<u8>) -> Option<()> {
    for tag in [APPLICATION | kind, ber::SEQUENCE] {
        end.checked_sub(out.len() + 2)?;
        ber::open(tag, end - out.len(), out);
    }
    const VERSION: u8 = 5;
    for (field, number) in [(version_field, VERSION), (version_field + 1, kind)] {
        out.extend_from_slice(&field_of(field, &element(ber::INTEGER, &[number])));
    }
    Some(())
}

/// Writes a request (section 5.4.1); `false` if it does not fill the room.
fn put_request(side: &Side, realm: &[u8], end: usize, out: &mut Vec<u8>) -> bool {
    let nonce = side.flow.draw(draw::NONCE) as u32 >> 1;
    let user = side.client.word(draw::REALM);
    let body = [
        field_of(0, &element(BIT_STRING, &[0, 0x40, 0x80, 0, 0x10])),
        field_of(1, &name(1, &[user])),
        field_of(2, &element(GENERAL_STRING, realm)),
        field_of(3, &name(2, &["krbtgt", "EXAMPLE"])),
        field_of(5, &element(TIME, b"20370913024805Z")),
        field_of(7, &element(ber::INTEGER, &nonce.to_be_bytes())),
        field_of(
            8,
            &element(ber::SEQUENCE, &element(ber::INTEGER, &[AES_256])),
        ),
    ];
    let body = field_of(4, &element(ber::SEQUENCE, &body.concat()));
    if open_message(AS_REQ, 1, end, out).is_none() {
        return false;
    }
    let Some(room) = end.checked_sub(out.len() + body.len()) else {
        return false;
    };
    if room > 0 {
        let kind = field_of(1, &element(ber::INTEGER, &[0, FX_COOKIE]));
        let parts = [FIELD | 3, ber::SEQUENCE, ber::SEQUENCE];
        let Some(cookie) = open_all(&parts, room, out) else {
            return false;
        };
        let Some(cookie) = cookie.checked_sub(kind.len()) else {
            return false;
        };
        out.extend_from_slice(&kind);
        let Some(cookie) = open_all(&[FIELD | 2, ber::OCTET_STRING], cookie, out) else {
            return false;
        };
        side.flow.put_bytes(draw::COOKIE, cookie, out);
    }
    out.extend_from_slice(&body);
    true
}

/// Writes an error (section 5.9.1) whose text fills the room; `false` if that is not possible.
fn put_error(side: &Side, realm: &[u8], end: usize, out: &mut Vec<u8>) -> bool {
    if open_message(ERROR, 0, end, out).is_none() {
        return false;
    }
    let fields = [
        field_of(4, &element(TIME, b"20260101000000Z")),
        field_of(5, &element(ber::INTEGER, &[0])),
        field_of(6, &element(ber::INTEGER, &[PREAUTHENTICATION_REQUIRED])),
        field_of(9, &element(GENERAL_STRING, realm)),
        field_of(10, &name(2, &["krbtgt", "EXAMPLE"])),
    ];
    out.extend_from_slice(&fields.concat());
    let Some(room) = end.checked_sub(out.len()) else {
        return false;
    };
    if room > 0 {
        let Some(text) = open_all(&[FIELD | 11, GENERAL_STRING], room, out) else {
            return false;
        };
        side.flow.put_words(draw::REPLY, b' ', text, out);
    }
    true
}

/// Writes a reply with a ticket (section 5.4.2), most of which is encrypted and fills the room.
fn put_reply(side: &Side, realm: &[u8], end: usize, out: &mut Vec<u8>) -> bool {
    if open_message(AS_REP, 0, end, out).is_none() {
        return false;
    }
    let realm = element(GENERAL_STRING, realm);
    let ticket = [
        field_of(0, &element(ber::INTEGER, &[5])),
        field_of(1, &realm),
        field_of(2, &name(2, &["krbtgt", "EXAMPLE"])),
        field_of(3, &encrypted(&random(side, draw::TICKET, 96))),
    ];
    let ticket = element(ber::SEQUENCE, &ticket.concat());
    let fields = [
        field_of(3, &realm),
        field_of(4, &name(1, &[side.client.word(draw::REALM)])),
        field_of(5, &element(APPLICATION | 1, &ticket)),
    ];
    out.extend_from_slice(&fields.concat());
    let kind = field_of(0, &element(ber::INTEGER, &[AES_256]));
    let room = end.checked_sub(out.len());
    let Some(room) = room.and_then(|room| open_all(&[FIELD | 6, ber::SEQUENCE], room, out)) else {
        return false;
    };
    out.extend_from_slice(&kind);
    let cipher = room.checked_sub(kind.len());
    let cipher = cipher.and_then(|room| open_all(&[FIELD | 2, ber::OCTET_STRING], room, out));
    if let Some(cipher) = cipher {
        side.flow.put_bytes(draw::REPLY, cipher, out);
    }
    cipher.is_some()
}

/// Starts elements one within the other, of which the outermost takes `room` bytes; returns the
/// length of the innermost one's content, if there is room.
fn open_all(tags: &[u8], room: usize, out: &mut Vec<u8>) -> Option<usize> {
    tags.iter().try_fold(room, |room, &tag| {
        (room >= 2).then(|| ber::open(tag, room, out))
    })
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ber::put(tag, content, &mut out);
    out
}

/// A field of a sequence.
fn field_of(number: u8, content: &[u8]) -> Vec<u8> {
    element(FIELD | number, content)
}

/// The name of a principal of a kind, 1 a user, 2 a service (section 6.2).
fn name(kind: u8, parts: &[&str]) -> Vec<u8> {
    let parts = parts
        .iter()
        .map(|part| element(GENERAL_STRING, part.as_bytes()));
    let parts = parts.collect::<Vec<_>>().concat();
    let fields = [
        field_of(0, &element(ber::INTEGER, &[kind])),
        field_of(1, &element(ber::SEQUENCE, &parts)),
    ];
    element(ber::SEQUENCE, &fields.concat())
}

/// Encrypted data (section 5.2.9).
fn encrypted(cipher: &[u8]) -> Vec<u8> {
    let fields = [
        field_of(0, &element(ber::INTEGER, &[AES_256])),
        field_of(2, &element(ber::OCTET_STRING, cipher)),
    ];
    element(ber::SEQUENCE, &fields.concat())
}

fn random(side: &Side, index: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    side.flow.put_bytes(index, len, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::Seed;
    use super::*;

    #[test]
    fn test_messages_over_tcp_fill_their_length() {
        for (seed, len) in (0..).zip(SHORTEST..=LONGEST) {
            for is_client in [true, false] {
                let side = Side {
                    is_client,
                    service: "kerberos",
                    flow: Seed(seed),
                    client: Seed(seed + 1),
                    server: Seed(seed + 2),
                    address: None,
                    first: len,
                    peer_first: 0,
                    later: [0; 3],
                    before_peer: 0,
                };
                let mut out = Vec::new();
                write_record(&side, Message { number: 0, len }, &mut out);
                assert_eq!(out.len(), len as usize, "{side:?}");
            }
        }
    }
}
