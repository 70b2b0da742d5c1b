//! DNS over UDP and TCP (RFC 1035), multicast DNS (RFC 6762) and LLMNR (RFC 4795): queries whose
//! name fills the length, and responses with the query's identifier and question, filled by
//! addresses and EDNS padding (RFC 7830).

use super::{Datagram, Filler, Message, Messages, Question, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write: write_with_length,
    longest_start: LONGEST_OVER_TCP,
    filler: Filler::Random,
    shortest_segment: 1,
    shortest_end: 1,
};

pub(super) const DATAGRAM: Datagram = Datagram(write);

const HEADER: usize = 12;

/// Type and class of a question behind its name.
const QUESTION_END: usize = 4;

/// The longest name that fills a query; a longer query is padded, and has a name of the usual
/// length.
const LONGEST_FILLING_NAME: usize = 60;
const USUAL_NAME: usize = 30;

/// The longest name (RFC 1035 section 3.1).
const LONGEST_NAME: usize = 255;

/// A name's last labels, with its end.
const EXAMPLE: &[u8] = b"\x07example\0";
const LOCAL: &[u8] = b"\x05local\0";

/// Lengths of a record but for its data: with the question's name, and with the root's.
const RECORD: usize = 12;
const ROOT_RECORD: usize = 11;

/// Length of an EDNS option but for its data.
const OPTION: usize = 4;

/// Addresses in a response at most.
const MOST_ADDRESSES: usize = 8;

/// Record types.
const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const OPT: u16 = 41;

/// Length of the length that precedes a message over TCP; the longest message with it; the length
/// of messages whose first segment has another.
const PREFIX: u32 = 2;
const LONGEST_OVER_TCP: u32 = 2048;
const USUAL_OVER_TCP: u32 = 66;

fn message_len(first: u32) -> u32 {
    match first {
        19 | 21..=LONGEST_OVER_TCP => first,
        _ => USUAL_OVER_TCP,
    }
}

fn messages(side: &Side) -> Messages {
    Messages::of(message_len(side.first))
}

fn write_with_length(side: &Side, message: Message, out: &mut Vec<u8>) {
    let without = |len: u32, number| Message {
        number,
        len: len - PREFIX,
    };
    let question =
        (side.peer_first > 0).then(|| without(message_len(side.peer_first), message.number));
    let message = without(message.len, message.number);
    out.extend_from_slice(&(message.len as u16).to_be_bytes());
    let is_written = write(side, question, message, out);
    debug_assert!(is_written, "{side:?} {message:?}");
}

/// Length of the name in a query of this length.
fn name_len(query_len: usize) -> usize {
    match query_len - HEADER - QUESTION_END {
        len @ ..=LONGEST_FILLING_NAME => len,
        _ => USUAL_NAME,
    }
}

fn is_name_len(len: usize) -> bool {
    len != 2 && (1..=LONGEST_NAME).contains(&len)
}

/// Writes a message; `false` if there is none of this length.
fn write(side: &Side, question: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let len = message.len as usize;
    let Some(room) = len.checked_sub(HEADER) else {
        return false;
    };
    let asked = |name: usize| (name, room.checked_sub(name + QUESTION_END));
    let name = if side.is_client {
        (room > QUESTION_END).then(|| asked(name_len(len)))
    } else {
        let query = question.map_or(USUAL_NAME + HEADER + QUESTION_END, |query| {
            query.len as usize
        });
        (query > HEADER + QUESTION_END).then(|| asked(name_len(query)))
    };
    // Records need room; without it, another name fills the message.
    let (name, left) = match name {
        Some((name, Some(left))) if is_name_len(name) && (left == 0 || left >= ROOT_RECORD) => {
            (name, left)
        }
        _ if room == 0 && !side.is_client => {
            put_header(side, message.number, [0, 0, 0], out);
            return true;
        }
        _ if room > QUESTION_END && is_name_len(room - QUESTION_END) => (room - QUESTION_END, 0),
        _ => return false,
    };
    let kind = match side.service {
        "mdns" => PTR,
        _ if side.flow.draw(32 + u64::from(message.number)) & 3 == 0 => AAAA,
        _ => A,
    };
    let address_len = if kind == AAAA { 16 } else { 4 };
    // Addresses, and what is left for padding: nothing, or a record.
    let most = match left {
        _ if side.is_client || kind == PTR => 0,
        left => (left / (RECORD + address_len)).min(MOST_ADDRESSES),
    };
    let (addresses, padding) = (0..=most)
        .rev()
        .map(|count| (count, left - count * (RECORD + address_len)))
        .find(|&(_, padding)| padding == 0 || padding >= ROOT_RECORD)
        .unwrap_or((0, left));
    let padding_is_edns = padding == ROOT_RECORD || padding >= ROOT_RECORD + OPTION;
    let counts = [
        1,
        addresses as u16 + u16::from(padding > 0 && !padding_is_edns),
        u16::from(padding_is_edns),
    ];
    put_header(side, message.number, counts, out);
    put_name(side, message.number, name, out);
    put_u16s(&[kind, 1], out);
    for index in 0..addresses {
        // The name is a pointer to the question's.
        put_u16s(&[0xc00c, kind, 1, 0, 300, address_len as u16], out);
        put_address(side, message.number, index, address_len, out);
    }
    put_padding(padding, padding_is_edns, out);
    true
}

/// Writes the header with the numbers of questions, answers and additional records.
fn put_header(side: &Side, number: u32, counts: [u16; 3], out: &mut Vec<u8>) {
    let is_multicast = side.service == "mdns";
    let id = match side.flow.draw(1 << 33 | u64::from(number)) as u16 {
        _ if is_multicast => 0,
        id => id,
    };
    let is_format_error = counts[0] == 0;
    let flags = match (side.is_client, side.service) {
        (true, "dns") => 0x0100,
        (true, _) => 0,
        (false, "mdns") => 0x8400,
        (false, "llmnr") => 0x8000,
        (false, _) => 0x8180,
    } | u16::from(is_format_error);
    put_u16s(&[id, flags, counts[0], counts[1], 0, counts[2]], out);
}

/// Writes a name that takes so many bytes.
fn put_name(side: &Side, number: u32, len: usize, out: &mut Vec<u8>) {
    let suffix = if side.service == "mdns" {
        LOCAL
    } else {
        EXAMPLE
    };
    let (mut left, suffix) = match len {
        len if len == suffix.len() || len >= suffix.len() + 2 => (len - suffix.len(), suffix),
        len => (len - 1, &[0][..]),
    };
    // A name has at most eight labels.
    let mut labels = u64::from(number) << 3;
    while left > 0 {
        // A label has at most 63 bytes, and a letter at least.
        let label = if left > 64 { 64.min(left - 2) } else { left };
        out.push(label as u8 - 1);
        side.flow.put_letters(labels, label - 1, out);
        labels += 1;
        left -= label;
    }
    out.extend_from_slice(suffix);
}

/// Writes an address that is reserved for documentation (RFC 5737, RFC 3849).
fn put_address(side: &Side, number: u32, index: usize, len: usize, out: &mut Vec<u8>) {
    let draw = side.flow.draw(u64::from(number) << 8 | index as u64);
    match len {
        4 => {
            let net = [[192, 0, 2], [198, 51, 100], [203, 0, 113]][draw as usize % 3];
            out.extend_from_slice(&net);
            out.push((draw >> 8) as u8);
        }
        _ => {
            out.extend_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0]);
            out.extend_from_slice(&draw.to_be_bytes());
        }
    }
}

/// Writes a record of the root that takes so many bytes: EDNS with padding, or text.
fn put_padding(len: usize, is_edns: bool, out: &mut Vec<u8>) {
    if len == 0 {
        return;
    }
    let data = len - ROOT_RECORD;
    out.push(0);
    if is_edns {
        put_u16s(&[OPT, 1232, 0, 0, data as u16], out);
        if data > 0 {
            put_u16s(&[12, (data - OPTION) as u16], out);
            out.resize(out.len() + data - OPTION, 0);
        }
    } else {
        put_u16s(&[TXT, 1, 0, 300, data as u16], out);
        out.push(data as u8 - 1);
        out.resize(out.len() + data - 1, b'x');
    }
}

fn put_u16s(numbers: &[u16], out: &mut Vec<u8>) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}
