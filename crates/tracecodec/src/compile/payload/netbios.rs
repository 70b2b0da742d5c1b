//! NetBIOS over UDP and TCP (RFC 1001, RFC 1002): queries for names and registrations, whose scope
//! fills the length; answers with addresses; datagrams; and sessions, which carry SMB.

use std::net::Ipv4Addr;

use super::{Datagram, Message, Question, Seed, Side};

pub(super) const NAME_DATAGRAM: Datagram = Datagram(write_name_service);
pub(super) const DATAGRAM: Datagram = Datagram(write_datagram);

const HEADER: usize = 12;

/// Length of a name without a scope, encoded: a length, two letters a byte, and the end.
pub(super) const NAME: usize = 34;

/// Bytes of a name, of which the last says what kind of service has it.
const PLAIN_NAME: usize = 16;
const SERVER_SERVICE: u8 = 0x20;

/// The longest name with its scope, and the longest label of a scope with its length.
const LONGEST_NAME: usize = 255;
const LONGEST_LABEL: usize = 64;

/// Lengths of type and class behind the name of a question; of a record but for name and data;
/// of a pointer to a name; and of an address with its flags.
const QUESTION_END: usize = 4;
const RECORD: usize = 10;
const POINTER: usize = 2;
const ADDRESS: usize = 6;

/// Lengths of the messages without a scope.
const QUERY: usize = HEADER + NAME + QUESTION_END;
const REGISTRATION: usize = QUERY + POINTER + RECORD + ADDRESS;
const NEGATIVE: usize = HEADER + NAME + RECORD;
const POSITIVE: usize = NEGATIVE + ADDRESS;

/// Length of a datagram's header, of which what follows, up to its two names, is not counted.
const DATAGRAM_HEADER: usize = 14;
const SHORTEST_DATAGRAM: usize = DATAGRAM_HEADER + 2 * NAME;

/// Types of records: a name, and none.
const NB: u16 = 0x20;
const NULL: u16 = 0x0a;
const INTERNET: u16 = 1;

/// Operation codes and flags of the header.
mod flags {
    pub(super) const QUERY: u16 = 0x0110;
    pub(super) const REGISTRATION: u16 = 0x2910;
    pub(super) const POSITIVE: u16 = 0x8580;
    /// The name does not exist.
    pub(super) const NEGATIVE: u16 = 0x8583;
}

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const TRANSACTION: u64 = 64;
    pub(super) const SCOPE: u64 = 65;
    pub(super) const ADDRESS: u64 = 66;
    pub(super) const DATA: u64 = 1 << 31;
}

/// The length of a scope, if there can be one: a label has a length and a letter at least.
fn scope_len(len: usize, without: usize) -> Option<usize> {
    let scope = len.checked_sub(without)?;
    (scope != 1 && scope + NAME <= LONGEST_NAME).then_some(scope)
}

fn write_name_service(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let len = message.len as usize;
    let transaction = side.flow.draw(draw::TRANSACTION) as u16;
    let transaction = transaction.wrapping_add(message.number as u16);
    let mut put_header = |flags: u16, counts: [u16; 4]| {
        put_u16s(&[transaction, flags], out);
        put_u16s(&counts, out);
    };
    if !side.is_client && (len == NEGATIVE || len >= POSITIVE) {
        // Addresses take most of the room; the scope what is left, or one address more.
        let room = (len - NEGATIVE) % ADDRESS;
        let scope = if room == 1 { room + ADDRESS } else { room };
        let Some(data) = (len - NEGATIVE).checked_sub(scope) else {
            return false;
        };
        let (flags, kind) = if data == 0 {
            (flags::NEGATIVE, NULL)
        } else {
            (flags::POSITIVE, NB)
        };
        put_header(flags, [0, 1, 0, 0]);
        put_name(side.server, scope, out);
        put_record(kind, data, out);
        for index in 0..data / ADDRESS {
            put_address(side.server, index, out);
        }
        return true;
    }
    if let Some(scope) = scope_len(len, REGISTRATION).filter(|&scope| scope == 0) {
        put_header(flags::REGISTRATION, [1, 0, 0, 1]);
        put_name(side.client, scope, out);
        put_u16s(&[NB, INTERNET, POINTER_TO_QUESTION], out);
        put_record(NB, ADDRESS, out);
        put_address(side.client, 0, out);
        return true;
    }
    if let Some(scope) = scope_len(len, QUERY) {
        put_header(flags::QUERY, [1, 0, 0, 0]);
        put_name(side.server, scope, out);
        put_u16s(&[NB, INTERNET], out);
        return true;
    }
    false
}

/// Writes a datagram to a group of hosts (RFC 1002 section 4.4).
fn write_datagram(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    const GROUP: u8 = 0x11;
    const FIRST: u8 = 0x02;
    const PORT: u16 = 138;
    let Some(data) = (message.len as usize).checked_sub(SHORTEST_DATAGRAM) else {
        return false;
    };
    let [source, destination] = if side.is_client {
        [side.client, side.server]
    } else {
        [side.server, side.client]
    };
    let id = side.flow.draw(draw::TRANSACTION) as u16;
    out.extend_from_slice(&[GROUP, FIRST]);
    put_u16s(&[id.wrapping_add(message.number as u16)], out);
    let address = side.address.unwrap_or(Ipv4Addr::UNSPECIFIED);
    out.extend_from_slice(&address.octets());
    let counted = message.len as usize - DATAGRAM_HEADER;
    put_u16s(&[PORT, counted as u16, 0], out);
    put_name(source, 0, out);
    put_name(destination, 0, out);
    let index = draw::DATA + u64::from(message.number);
    side.flow.put_letters(index, data, out);
    true
}

/// A pointer to the name behind the header.
const POINTER_TO_QUESTION: u16 = 0xc000 | HEADER as u16;

/// Writes the encoded name of a host with a scope of this length (RFC 1001 section 14.1).
pub(super) fn put_name(host: Seed, scope: usize, out: &mut Vec<u8>) {
    let word = host.word(2).bytes().map(|byte| byte.to_ascii_uppercase());
    let name = word.chain(std::iter::repeat(b' ')).take(PLAIN_NAME - 1);
    out.push(2 * PLAIN_NAME as u8);
    out.extend(
        name.chain([SERVER_SERVICE])
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|half| b'A' + half),
    );
    let (mut left, mut index) = (scope, draw::SCOPE);
    while left > 0 {
        let label = match left {
            ..=LONGEST_LABEL => left,
            _ => LONGEST_LABEL.min(left - 2),
        };
        out.push(label as u8 - 1);
        host.put_letters(index, label - 1, out);
        index += 1;
        left -= label;
    }
    out.push(0);
}

/// Writes type, class, time to live and length of a record.
fn put_record(kind: u16, data: usize, out: &mut Vec<u8>) {
    const THREE_DAYS: u32 = 259_200;
    let [high, low] = [THREE_DAYS >> 16, THREE_DAYS & 0xffff].map(|half| half as u16);
    put_u16s(&[kind, INTERNET, high, low, data as u16], out);
}

/// Writes an address that is reserved for documentation (RFC 5737), of a unique name.
fn put_address(host: Seed, index: usize, out: &mut Vec<u8>) {
    let number = (host.draw(draw::ADDRESS) as u8).wrapping_add(index as u8);
    out.extend_from_slice(&[0, 0, 192, 0, 2, number]);
}

fn put_u16s(numbers: &[u16], out: &mut Vec<u8>) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}
