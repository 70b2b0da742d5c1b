//! MQTT 3.1.1: a client connects with a packet that is as long as its first segment, subscribes,
//! and publishes; a server accepts, and publishes, too. A first segment of two bytes is a ping.

use super::{Filler, Message, Messages, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LATER,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Control packets with their flags.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PING_REQUEST: u8 = 0xc0;
const PING_RESPONSE: u8 = 0xd0;

/// Lengths of packets that have one, of the shortest and the longest connect, and of a usual one.
const PING_LEN: u32 = 2;
const CONNACK_LEN: u32 = 4;
const SUBACK_LEN: u32 = 5;
const SHORTEST_CONNECT: u32 = 14;
const LONGEST_CONNECT: u32 = 1024;
const USUAL_CONNECT: u32 = 37;

/// The longest packet whose length is told in one byte; of two bytes.
const LONGEST_OF_ONE: u32 = 2 + 0x7f;
const LONGEST_OF_TWO: u32 = 3 + 0x3fff;

/// The shortest packet that publishes.
const SHORTEST_PUBLISH: u32 = 32;

/// Packets that publish so many bytes, and the length of later ones, so that a segment of any
/// length holds few.
const EXCHANGES: u32 = 64;
const USUAL_PUBLISH: u32 = 128;
const LATER: u32 = 4096;

/// The longest usual identifier of a client (section 3.1.3.1), and the length of a user's name
/// before a password.
const IDENTIFIER: usize = 23;
const USER: usize = 6;

/// Flags of a connect: a session of its own, a user's name, a password.
const CLEAN: u8 = 0x02;
const HAS_USER: u8 = 0x80;
const HAS_PASSWORD: u8 = 0x40;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const IDENTIFIER: u64 = 64;
    pub(super) const USER: u64 = 65;
    pub(super) const PASSWORD: u64 = 66;
    pub(super) const TOPIC: u64 = 67;
    pub(super) const CONTENT: u64 = 68;
}

/// Whether a packet can have this length: its own length then takes as few bytes as possible.
fn is_len(len: u32) -> bool {
    len != LONGEST_OF_ONE + 1 && len != LONGEST_OF_TWO + 1
}

fn messages(side: &Side) -> Messages {
    let first = side.first;
    if first == PING_LEN {
        return Messages {
            opening: [(EXCHANGES, PING_LEN), (0, 0), (0, 0), (0, 0)],
            rest: LATER,
        };
    }
    let opening = if side.is_client {
        let connect = match first {
            SHORTEST_CONNECT..=LONGEST_CONNECT if is_len(first) => first,
            _ => USUAL_CONNECT,
        };
        let subscribe = SHORTEST_PUBLISH + 3;
        [
            (1, connect),
            (1, subscribe),
            (EXCHANGES, USUAL_PUBLISH),
            (0, 0),
        ]
    } else {
        // A first packet that publishes ends with the first segment.
        let publish = match first.saturating_sub(CONNACK_LEN + SUBACK_LEN) {
            len @ SHORTEST_PUBLISH..=LATER if is_len(len) => len,
            _ => 0,
        };
        [
            (1, CONNACK_LEN),
            (1, SUBACK_LEN),
            (1, publish),
            (EXCHANGES, USUAL_PUBLISH),
        ]
    };
    Messages {
        opening,
        rest: LATER,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    let (number, len) = (message.number, message.len);
    match (side.is_client, number, len) {
        (true, _, PING_LEN) => put_header(PING_REQUEST, len, out),
        (false, _, PING_LEN) => put_header(PING_RESPONSE, len, out),
        (true, 0, _) => write_connect(side, len, out),
        (false, 0, _) => {
            put_header(CONNACK, len, out);
            out.extend_from_slice(&[0, 0]);
        }
        (true, 1, _) => {
            put_header(SUBSCRIBE, len, out);
            out.extend_from_slice(&[0, 1]);
            // All of the topic's branch, which fills the packet; at most once.
            let topic = len as usize - out.len() - 3;
            put_text(topic, out, |out| {
                side.server.put_letters(draw::TOPIC, topic, out)
            });
            out.push(0);
        }
        (false, 1, _) => {
            put_header(SUBACK, len, out);
            out.extend_from_slice(&[0, 1, 0]);
        }
        _ => {
            put_header(PUBLISH, len, out);
            let topic = format!("example/{}", side.flow.word(draw::TOPIC));
            put_text(topic.len(), out, |out| {
                out.extend_from_slice(topic.as_bytes())
            });
            // Not filler: after a lost segment, Wireshark would look for packets in it.
            let content = len as usize - out.len();
            side.flow.put_words(draw::CONTENT, b' ', content, out);
        }
    }
}

/// Writes the header of a packet that takes `len` bytes.
fn put_header(kind: u8, len: u32, out: &mut Vec<u8>) {
    const MORE: u8 = 0x80;
    out.push(kind);
    match len {
        ..=LONGEST_OF_ONE => out.push(len as u8 - 2),
        _ => {
            let len = len - 3;
            out.extend_from_slice(&[MORE | (len & 0x7f) as u8, (len >> 7) as u8]);
        }
    }
}

/// Writes a text with its length.
fn put_text(len: usize, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&(len as u16).to_be_bytes());
    put(out);
}

fn write_connect(side: &Side, len: u32, out: &mut Vec<u8>) {
    const KEEP_ALIVE: u16 = 60;
    put_header(CONNECT, len, out);
    out.extend_from_slice(b"\0\x04MQTT\x04");
    // Flags, the time, and the identifier's length.
    let room = len as usize - out.len() - 5;
    let (identifier, user, password) = match room {
        ..=IDENTIFIER => (room, None, None),
        // A user's name of one byte at least.
        _ => match room - IDENTIFIER {
            left @ ..3 => (IDENTIFIER - (3 - left), Some(1), None),
            left if left <= USER + 4 => (IDENTIFIER, Some(left - 2), None),
            left => (IDENTIFIER, Some(USER), Some(left - USER - 4)),
        },
    };
    let mut flags = CLEAN;
    if user.is_some() {
        flags |= HAS_USER;
    }
    if password.is_some() {
        flags |= HAS_PASSWORD;
    }
    out.push(flags);
    out.extend_from_slice(&KEEP_ALIVE.to_be_bytes());
    let texts = [
        (draw::IDENTIFIER, Some(identifier)),
        (draw::USER, user),
        (draw::PASSWORD, password),
    ];
    for (index, len) in texts {
        if let Some(len) = len {
            put_text(len, out, |out| side.client.put_letters(index, len, out));
        }
    }
}
