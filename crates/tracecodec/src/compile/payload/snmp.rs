//! SNMP version 2c (RFC 3416, RFC 1901): requests for as many objects as the length has room for,
//! responses with a text that fills it, and traps.

use super::{Datagram, Message, Question, Side, ber};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// The version, 2c, as an element.
const VERSION: [u8; 3] = [ber::INTEGER, 1, 1];

/// Tags of what a message asks for.
const GET: u8 = 0xa0;
const RESPONSE: u8 = 0xa2;
const TRAP: u8 = 0xa7;

const TIME_TICKS: u8 = 0x43;

/// Length of a request's identifier; and with it and its header, of error status and index.
const ID: usize = 4;
const REQUEST_START: usize = 2 + ID + 3 + 3;

/// The usual length of a community's name, and the longest.
const USUAL_COMMUNITY: usize = 6;
const LONGEST_COMMUNITY: usize = 32;

/// Lengths of a variable without value, and of one with 16 bytes.
const EMPTY_VARIABLE: usize = 14;
const TEXT_VARIABLE: usize = EMPTY_VARIABLE + TEXT;
const TEXT: usize = 16;

/// A longer response has further variables, up to so many.
const LONGEST_TEXT: usize = 255;
const MOST_VARIABLES: usize = 32;

/// Objects: the group of the system (RFC 3418), descriptions of interfaces (RFC 2863), and a trap's
/// kind, a cold start (RFC 3418).
const SYSTEM: [u8; 6] = [0x2b, 6, 1, 2, 1, 1];
const DESCRIPTION: [u8; 8] = [0x2b, 6, 1, 2, 1, 1, 1, 0];
const UP_TIME: [u8; 8] = [0x2b, 6, 1, 2, 1, 1, 3, 0];
const INTERFACE_NAME: [u8; 7] = [0x2b, 6, 1, 2, 1, 2, 2];
const TRAP_KIND: [u8; 10] = [0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];
const COLD_START: [u8; 9] = [0x2b, 6, 1, 6, 3, 1, 1, 5, 1];

/// Objects of the system's group.
const SYSTEM_OBJECTS: usize = 7;

/// Length of the first two variables of a trap.
const TRAP_START: usize = 18 + 25;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const ID: u64 = 64;
    pub(super) const COMMUNITY: u64 = 65;
    pub(super) const TEXT: u64 = 66;
    pub(super) const UP_TIME: u64 = 67;
}

/// Room for variables in a message of this length with a community's name of this length.
fn room_for_variables(len: usize, community: usize) -> Option<usize> {
    let content = |room: usize| (room >= 2).then(|| room - ber::header_len(room));
    let request = content(len)?.checked_sub(VERSION.len() + 2 + community)?;
    content(content(request)?.checked_sub(REQUEST_START)?)
}

/// The length of the community's name with which variables fit, the usual one if possible.
fn community(len: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let longer = USUAL_COMMUNITY..=LONGEST_COMMUNITY;
    let shorter = (1..USUAL_COMMUNITY).rev();
    longer
        .chain(shorter)
        .find(|&community| room_for_variables(len, community).is_some_and(&fits))
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let len = message.len as usize;
    let is_trap = side.is_client && side.service == "snmptrap";
    let (kind, community) = match (is_trap, side.is_client) {
        (true, _) => {
            let fits = |room| room == TRAP_START || room >= TRAP_START + EMPTY_VARIABLE;
            (TRAP, community(len, fits))
        }
        (false, true) => {
            let fits = |room: usize| room > 0 && room.is_multiple_of(EMPTY_VARIABLE);
            (GET, community(len, fits))
        }
        (false, false) => (RESPONSE, community(len, |room| room >= EMPTY_VARIABLE)),
    };
    let Some(community) = community else {
        return false;
    };
    let end = out.len() + len;
    ber::open(ber::SEQUENCE, len, out);
    out.extend_from_slice(&VERSION);
    ber::open(ber::OCTET_STRING, 2 + community, out);
    if community == USUAL_COMMUNITY {
        out.extend_from_slice(b"public");
    } else {
        side.server.put_letters(draw::COMMUNITY, community, out);
    }
    ber::open(kind, end - out.len(), out);
    let id = (side.flow.draw(draw::ID) as u32).wrapping_add(message.number) >> 1 | 1 << 30;
    ber::put(ber::INTEGER, &id.to_be_bytes(), out);
    out.extend_from_slice(&[ber::INTEGER, 1, 0, ber::INTEGER, 1, 0]);
    ber::open(ber::SEQUENCE, end - out.len(), out);
    match kind {
        GET => put_empty_variables(end, out),
        RESPONSE => put_texts(side, end, out),
        _ => {
            put_trap_start(side, message.number, out);
            if out.len() < end {
                put_text(side, &DESCRIPTION, end - out.len(), out);
            }
        }
    }
    true
}

/// Asks for the objects of the system's group.
fn put_empty_variables(end: usize, out: &mut Vec<u8>) {
    let mut index = 0;
    while out.len() < end {
        ber::open(ber::SEQUENCE, EMPTY_VARIABLE, out);
        ber::open(ber::OBJECT_IDENTIFIER, 2 + SYSTEM.len() + 2, out);
        out.extend_from_slice(&SYSTEM);
        out.extend_from_slice(&[1 + (index % SYSTEM_OBJECTS) as u8, 0]);
        out.extend_from_slice(&[ber::NULL, 0]);
        index += 1;
    }
}

/// Names of interfaces, as far as a long response has room for, and the description of the system.
fn put_texts(side: &Side, end: usize, out: &mut Vec<u8>) {
    for index in 0..MOST_VARIABLES as u8 {
        if out.len() + LONGEST_TEXT > end {
            break;
        }
        let [a, b, c, d, e, f, g] = INTERFACE_NAME;
        put_text(side, &[a, b, c, d, e, f, g, index + 1], TEXT_VARIABLE, out);
    }
    put_text(side, &DESCRIPTION, end - out.len(), out);
}

/// Writes a variable that takes `room` bytes, whose value is a text.
fn put_text(side: &Side, object: &[u8], room: usize, out: &mut Vec<u8>) {
    let end = out.len() + room;
    ber::open(ber::SEQUENCE, room, out);
    ber::put(ber::OBJECT_IDENTIFIER, object, out);
    let len = ber::open(ber::OCTET_STRING, end - out.len(), out);
    side.server.put_letters(draw::TEXT, len, out);
}

/// Time and kind of a trap.
fn put_trap_start(side: &Side, number: u32, out: &mut Vec<u8>) {
    let time = (side.client.draw(draw::UP_TIME) as u32 >> 4).wrapping_add(100 * number) | 1 << 24;
    let mut put = |object: &[u8], kind: u8, value: &[u8]| {
        let content = 2 + object.len() + 2 + value.len();
        ber::open(ber::SEQUENCE, 2 + content, out);
        ber::put(ber::OBJECT_IDENTIFIER, object, out);
        ber::put(kind, value, out);
    };
    put(&UP_TIME, TIME_TICKS, &time.to_be_bytes());
    put(&TRAP_KIND, ber::OBJECT_IDENTIFIER, &COLD_START);
}
