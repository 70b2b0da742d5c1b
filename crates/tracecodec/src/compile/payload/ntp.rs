//! NTP (RFC 5905): requests of clients and answers of servers, longer ones with a message
//! authentication code or an extension field (RFC 7822); and the control (RFC 9327) and private
//! messages of management tools.

use super::{Datagram, Message, Question, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Length of the header without extensions, of a key's identifier, and of the digests behind it.
const HEADER: usize = 48;
const KEY_ID: usize = 4;
const MD5: usize = 16;
const SHA1: usize = 20;

/// The shortest extension field that may be the last (RFC 7822 section 3), and its header.
const SHORTEST_EXTENSION: usize = 28;
const EXTENSION_HEADER: usize = 4;

/// Lengths of the headers of control and private messages.
const CONTROL_HEADER: usize = 12;
const PRIVATE_HEADER: usize = 8;

/// The most data of a control or private message.
const MOST_DATA: usize = 500;

/// Length of a client's entry in the list of those whom a server has seen.
const MONITOR_ITEM: usize = 72;

/// Version and mode, in the lowest bits of the first byte.
const VERSION_4: u8 = 4 << 3;
const VERSION_2: u8 = 2 << 3;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
const CONTROL: u8 = 6;
const PRIVATE: u8 = 7;

/// Bit of an answer: in the first byte of private messages, in the second of control messages.
const RESPONSE: u8 = 0x80;

/// Control message that reads variables, and private message that asks for the list of clients.
const READ_VARIABLES: u8 = 2;
const MONITOR_LIST: u8 = 42;

/// Implementation of private messages: that with the longer list.
const XNTPD: u8 = 3;

/// Extension field: unique identifier (RFC 8915 section 5.3).
const UNIQUE_IDENTIFIER: u16 = 0x0104;

/// Seconds since 1900 at the start of 2020, from which times differ by less than a year.
const START_OF_2020: u64 = 3_786_825_600;
const YEAR: u64 = 1 << 24;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const TIME: u64 = 64;
    pub(super) const REFERENCE: u64 = 65;
    pub(super) const KEY: u64 = 66;
    pub(super) const DELAY: u64 = 67;
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    match message.len as usize {
        len @ HEADER.. if len.is_multiple_of(4) => {
            let rest = len - HEADER;
            write_time(side, message.number, out);
            match rest {
                0 => {}
                // The server does not know the client's key.
                KEY_ID if !side.is_client => out.resize(out.len() + KEY_ID, 0),
                _ if rest == KEY_ID + MD5 || rest == KEY_ID + SHA1 => {
                    out.extend_from_slice(&[0, 0, 0, 1]);
                    side.flow.put_bytes(draw::KEY, rest - KEY_ID, out);
                }
                SHORTEST_EXTENSION.. if rest <= usize::from(u16::MAX) => {
                    out.extend_from_slice(&UNIQUE_IDENTIFIER.to_be_bytes());
                    out.extend_from_slice(&(rest as u16).to_be_bytes());
                    side.flow.put_bytes(draw::KEY, rest - EXTENSION_HEADER, out);
                }
                _ => return false,
            }
            true
        }
        CONTROL_HEADER => {
            write_control(side, message.number, 0, out);
            true
        }
        len @ CONTROL_HEADER..HEADER if !side.is_client && len.is_multiple_of(4) => {
            write_control(side, message.number, len - CONTROL_HEADER, out);
            true
        }
        len @ PRIVATE_HEADER.. if len - PRIVATE_HEADER <= MOST_DATA => {
            write_private(side, message.number, len - PRIVATE_HEADER, out);
            true
        }
        _ => false,
    }
}

/// When the client sent its message of this number: seconds, and a fraction.
fn client_time(side: &Side, number: u32) -> u64 {
    let start = START_OF_2020 + side.flow.draw(draw::TIME) % YEAR;
    let fraction = side.flow.draw(1 << 32 | u64::from(number)) & u64::from(u32::MAX);
    (start + 64 * u64::from(number)) << 32 | fraction
}

/// Writes the header of a request or an answer.
fn write_time(side: &Side, number: u32, out: &mut Vec<u8>) {
    const POLL: u8 = 6;
    const PRECISION: u8 = -20_i8 as u8;
    let sent = client_time(side, number);
    if side.is_client {
        out.extend_from_slice(&[VERSION_4 | CLIENT, 0, POLL, PRECISION]);
        // The client tells nothing of its clock but when it sent this.
        out.resize(out.len() + 36, 0);
        out.extend_from_slice(&sent.to_be_bytes());
        return;
    }
    const STRATUM: u8 = 2;
    out.extend_from_slice(&[VERSION_4 | SERVER, STRATUM, POLL, PRECISION]);
    let delay = side.server.draw(draw::DELAY);
    let [root_delay, dispersion] = [delay, delay >> 16].map(|draw| 0x100 + (draw as u32 & 0x3ff));
    out.extend_from_slice(&root_delay.to_be_bytes());
    out.extend_from_slice(&dispersion.to_be_bytes());
    // The server's own server.
    let reference = side.server.draw(draw::REFERENCE) as u8;
    out.extend_from_slice(&[192, 0, 2, reference]);
    // The way takes 4 to 64 ms; the answer 60 µs.
    let received = sent + (1 << 24) + (delay >> 32 & 0xfff_ffff);
    let set = sent - (300 << 32);
    for time in [set, sent, received, received + (1 << 18)] {
        out.extend_from_slice(&time.to_be_bytes());
    }
}

/// Writes a control message with data of this length, a multiple of 4.
fn write_control(side: &Side, number: u32, data: usize, out: &mut Vec<u8>) {
    let operation = READ_VARIABLES | if side.is_client { 0 } else { RESPONSE };
    out.extend_from_slice(&[VERSION_2 | CONTROL, operation]);
    let status = if side.is_client { 0 } else { 0x0615 };
    for word in [number as u16 + 1, status, 0, 0, data as u16] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    if data > 0 {
        out.extend_from_slice(b"v=");
        side.server.put_letters(draw::KEY, data - 2, out);
    }
}

/// Writes a private message with data of this length.
fn write_private(side: &Side, number: u32, data: usize, out: &mut Vec<u8>) {
    let (items, item) = if !side.is_client && data.is_multiple_of(MONITOR_ITEM) {
        (data / MONITOR_ITEM, MONITOR_ITEM)
    } else {
        // Without items, but padded.
        (0, 0)
    };
    let (response, sequence) = if side.is_client {
        (0, 0)
    } else {
        (RESPONSE, number as u8 & 0x7f)
    };
    out.extend_from_slice(&[
        response | VERSION_2 | PRIVATE,
        sequence,
        XNTPD,
        MONITOR_LIST,
    ]);
    out.extend_from_slice(&(items as u16).to_be_bytes());
    out.extend_from_slice(&(item as u16).to_be_bytes());
    out.resize(out.len() + data, 0);
}
