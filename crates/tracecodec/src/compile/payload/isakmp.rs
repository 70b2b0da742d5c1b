//! IKE version 2 (RFC 7296) over UDP, and IPsec's ESP in UDP (RFC 3948): the exchange that starts
//! an association, and encrypted messages and packets of any length.

use super::{Datagram, Message, Question, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Lengths of the header, of a payload's header, and of the shortest encrypted content: an
/// initialization vector, a block, and a checksum.
const HEADER: usize = 28;
const PAYLOAD: usize = 4;
const SHORTEST_ENCRYPTED: usize = 8 + 8 + 12;

/// Lengths of the payloads of the first exchange: an association, a key, and the shortest and the
/// longest nonce.
const ASSOCIATION: usize = PAYLOAD + 36;
const KEY: usize = PAYLOAD + 4 + 32;
const SHORTEST_NONCE: usize = PAYLOAD + 16;
const LONGEST_NONCE: usize = PAYLOAD + 256;

/// The usual nonce, behind which a vendor's identifier fills the message.
const NONCE: usize = PAYLOAD + 32;

/// What precedes IKE where ESP is usual, too; what keeps an address translation alive.
const NON_ESP_MARKER: [u8; 4] = [0; 4];
const KEEP_ALIVE: u8 = 0xff;

/// Length of the header of ESP and of its shortest content.
const ESP_HEADER: usize = 8;
const SHORTEST_ESP: usize = ESP_HEADER + SHORTEST_ENCRYPTED;

/// Kinds of exchanges and payloads.
mod kind {
    pub(super) const INIT: u8 = 34;
    pub(super) const AUTH: u8 = 35;
    pub(super) const INFORMATIONAL: u8 = 37;
    pub(super) const NONE: u8 = 0;
    pub(super) const ASSOCIATION: u8 = 33;
    pub(super) const KEY: u8 = 34;
    pub(super) const NONCE: u8 = 40;
    pub(super) const VENDOR: u8 = 43;
    pub(super) const ENCRYPTED: u8 = 46;
}

/// Indexes of what is drawn from a seed.
mod draw {
    /// Of client and server.
    pub(super) const SPI: [u64; 2] = [64, 65];
    pub(super) const KEY: [u64; 2] = [66, 67];
    pub(super) const NONCE: [u64; 2] = [68, 69];
    pub(super) const VENDOR: u64 = 70;
    pub(super) const CONTENT: [u64; 2] = [1 << 30, 1 << 31];
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let Message { number, len } = message;
    let len = len as usize;
    if side.service == "isakmp" {
        return write_ike(side, number, number == 0, len, out);
    }
    match (number, len) {
        (_, 1) => out.push(KEEP_ALIVE),
        // The association was started at another port.
        (0, _) if len >= NON_ESP_MARKER.len() => {
            out.extend_from_slice(&NON_ESP_MARKER);
            let len = len - NON_ESP_MARKER.len();
            return write_ike(side, 1, false, len, out);
        }
        (_, SHORTEST_ESP..) => {
            let turn = usize::from(!side.is_client);
            let spi = side.flow.draw(draw::SPI[turn]) as u32 | 1 << 31;
            out.extend_from_slice(&spi.to_be_bytes());
            out.extend_from_slice(&number.to_be_bytes());
            put_content(side, number, len - ESP_HEADER, out);
        }
        _ => return false,
    }
    true
}

/// Writes a message of IKE that takes so many bytes, if there is one.
fn write_ike(side: &Side, number: u32, is_init: bool, len: usize, out: &mut Vec<u8>) -> bool {
    const SHORTEST_INIT: usize = ASSOCIATION + KEY + SHORTEST_NONCE;
    let end = out.len() + len;
    match len.checked_sub(HEADER) {
        Some(SHORTEST_INIT..) if is_init => {
            put_header(side, kind::INIT, kind::ASSOCIATION, 0, len, out);
            put_init(side, end, out);
        }
        Some(0) => put_header(side, kind::INFORMATIONAL, kind::NONE, number, len, out),
        Some(rest) if rest >= PAYLOAD + SHORTEST_ENCRYPTED => {
            let exchange = if number == 1 {
                kind::AUTH
            } else {
                kind::INFORMATIONAL
            };
            put_header(side, exchange, kind::ENCRYPTED, number, len, out);
            put_payload(kind::NONE, rest, out);
            put_content(side, number, rest - PAYLOAD, out);
        }
        _ => return false,
    }
    true
}

fn put_header(side: &Side, exchange: u8, payload: u8, number: u32, len: usize, out: &mut Vec<u8>) {
    const VERSION_2: u8 = 0x20;
    const INITIATOR: u8 = 0x08;
    const RESPONSE: u8 = 0x20;
    let [client, server] = draw::SPI.map(|index| side.flow.draw(index) | 1);
    let server = if exchange == kind::INIT && side.is_client {
        0
    } else {
        server
    };
    out.extend_from_slice(&client.to_be_bytes());
    out.extend_from_slice(&server.to_be_bytes());
    let flags = if side.is_client { INITIATOR } else { RESPONSE };
    out.extend_from_slice(&[payload, VERSION_2, exchange, flags]);
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&(len as u32).to_be_bytes());
}

/// Writes the header of a payload that takes so many bytes, before one of this kind.
fn put_payload(next: u8, len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&[next, 0]);
    out.extend_from_slice(&(len as u16).to_be_bytes());
}

/// Writes the payloads of the first exchange (section 1.2).
fn put_init(side: &Side, end: usize, out: &mut Vec<u8>) {
    /// A proposal: AES-GCM with 128 bits, HMAC-SHA-256, Curve25519, the last of whose transforms
    /// says that it is.
    const PROPOSAL: [u8; ASSOCIATION - PAYLOAD] = [
        0, 0, 0, 36, 1, 1, 0, 3, // the last one, its number, IKE, and transforms
        3, 0, 0, 12, 1, 0, 0, 20, 0x80, 0x0e, 0, 128, // encryption
        3, 0, 0, 8, 2, 0, 0, 5, // random function
        0, 0, 0, 8, 4, 0, 0, 31, // group
    ];
    const CURVE_25519: [u8; 4] = [0, 31, 0, 0];
    let turn = usize::from(!side.is_client);
    put_payload(kind::KEY, ASSOCIATION, out);
    out.extend_from_slice(&PROPOSAL);
    put_payload(kind::NONCE, KEY, out);
    out.extend_from_slice(&CURVE_25519);
    let key = KEY - PAYLOAD - CURVE_25519.len();
    side.flow.put_bytes(draw::KEY[turn], key, out);
    let left = end - out.len();
    let (nonce, next) = if left <= LONGEST_NONCE {
        (left, kind::NONE)
    } else {
        (NONCE, kind::VENDOR)
    };
    put_payload(next, nonce, out);
    side.flow.put_bytes(draw::NONCE[turn], nonce - PAYLOAD, out);
    if next == kind::VENDOR {
        let vendor = end - out.len();
        put_payload(kind::NONE, vendor, out);
        side.server.put_bytes(draw::VENDOR, vendor - PAYLOAD, out);
    }
}

fn put_content(side: &Side, number: u32, len: usize, out: &mut Vec<u8>) {
    let index = draw::CONTENT[usize::from(!side.is_client)] + u64::from(number);
    side.flow.put_bytes(index, len, out);
}
