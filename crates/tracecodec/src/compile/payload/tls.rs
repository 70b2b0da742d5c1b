//! TLS (RFC 8446, RFC 5246): a ClientHello of exactly the first segment's length, a ServerHello,
//! and records of application data. A hello too short for TLS 1.3 resumes a session of TLS 1.2,
//! which needs no certificate either; one that is too short for any hello is a record amid a
//! connection.

use super::{Filler, Message, Messages, Seed, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LONGEST_HELLO,
    filler: Filler::Random,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Lengths of a ClientHello that are taken from the first segment; the length of any other.
const SHORTEST_HELLO: u32 = 50;
const LONGEST_HELLO: u32 = 4096;
const USUAL_HELLO: u32 = 517;

/// The shortest ClientHello of TLS 1.3, with its record header.
const SHORTEST_HELLO_13: u32 = 240;

/// Length of a record's header, of a record that changes the cipher, and of the longest record.
const HEADER: u32 = 5;
const CHANGE_CIPHER_SPEC: u32 = 6;
const LONGEST_RECORD: u32 = HEADER + (1 << 14);

/// Length of the record that finishes a handshake of TLS 1.2.
const FINISHED: u32 = HEADER + 40;

/// The shortest record of application data: a byte, its type and a tag.
const SHORTEST_DATA: u32 = HEADER + 18;

/// Lengths of the records of application data behind the handshake, client and server.
const DATA: [u32; 2] = [512, 2048];

/// Record types (RFC 8446 section 5.1) and the version that records state.
const CHANGE: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const VERSION_12: [u8; 2] = [3, 3];

/// Extensions (IANA's registry of TLS ExtensionType values).
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
const QUIC_PARAMETERS: u16 = 57;

/// Lengths of the session identifiers and random numbers of hellos.
const LONGEST_SESSION: usize = 32;
const RANDOM: usize = 32;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const SESSION: u64 = 16;
    /// Of client and server.
    pub(super) const RANDOM: [u64; 2] = [17, 18];
    pub(super) const KEY: [u64; 2] = [19, 20];
    pub(super) const FINGERPRINT: u64 = 21;
}

/// Cipher suites in the order in which a client offers them: one row a kind of client, so that
/// clients differ in their fingerprint (JA3, JA4) and each keeps its own.
const SUITES: [&[u16]; 4] = [
    &[
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
    ],
    &[
        0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c,
    ],
    &[0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xc02b, 0xc02f],
    &[0x1301, 0x1302, 0x1303, 0xc02f],
];

/// The suite that servers choose.
const CHOSEN_13: u16 = 0x1301;
const CHOSEN_12: u16 = 0xc02f;

/// Further suites of a short hello.
const LEGACY_SUITES: [u16; 8] = [
    0xc030, 0xc02b, 0xc02c, 0xcca8, 0xcca9, 0xc013, 0xc014, 0x009c,
];

/// Length of the client's hello, given the length of its first segment.
fn hello_len(first: u32) -> u32 {
    match first {
        SHORTEST_HELLO..=LONGEST_HELLO => first,
        _ => USUAL_HELLO,
    }
}

/// Length of the client's hello in this flow.
fn client_hello_len(side: &Side) -> u32 {
    hello_len(client_first(side))
}

/// Length of the client's first segment, as far as this side knows it.
fn client_first(side: &Side) -> u32 {
    if side.is_client {
        side.first
    } else {
        side.peer_first
    }
}

/// Whether the first segment of the client is a record that no hello came before.
fn is_amid_connection(side: &Side) -> bool {
    (SHORTEST_DATA..SHORTEST_HELLO).contains(&client_first(side))
}

fn is_13(side: &Side) -> bool {
    client_hello_len(side) >= SHORTEST_HELLO_13
}

/// Length of the session identifier in a hello of TLS 1.2 that is so long.
fn session_len(hello_len: u32) -> usize {
    let room = (hello_len - SHORTEST_HELLO) as usize;
    match room {
        // An odd rest that is too short for an extension.
        33 | 35 | 37 => LONGEST_SESSION - 1,
        room => room.min(LONGEST_SESSION),
    }
}

fn messages(side: &Side) -> Messages {
    let [client_data, server_data] = DATA;
    if is_amid_connection(side) {
        let data = DATA[usize::from(!side.is_client)];
        let first = match side.first {
            first @ SHORTEST_DATA..=LONGEST_RECORD => first,
            _ => data,
        };
        return Messages {
            opening: [(1, first), (0, 0), (0, 0), (0, 0)],
            rest: data,
        };
    }
    let finished = if is_13(side) { 0 } else { FINISHED };
    if side.is_client {
        return Messages {
            opening: [hello_len(side.first), CHANGE_CIPHER_SPEC, finished, 0].map(|len| (1, len)),
            rest: client_data,
        };
    }
    let hello = server_hello_len(side);
    // The data that the first segment has room for ends with it.
    let handshake = hello + CHANGE_CIPHER_SPEC + finished;
    let left = side.first.saturating_sub(handshake).min(LONGEST_RECORD);
    let data = if left < SHORTEST_DATA { 0 } else { left };
    Messages {
        opening: [hello, CHANGE_CIPHER_SPEC, finished, data].map(|len| (1, len)),
        rest: server_data,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    match message.number {
        _ if is_amid_connection(side) => {
            put_record(APPLICATION_DATA, (message.len - HEADER) as usize, out);
        }
        0 if side.is_client => {
            let hello = client_hello(side, message.len as usize - HEADER as usize);
            put_record(HANDSHAKE, hello.len(), out);
            out.extend_from_slice(&hello);
        }
        0 => {
            let hello = server_hello(side);
            put_record(HANDSHAKE, hello.len(), out);
            out.extend_from_slice(&hello);
        }
        1 => {
            put_record(CHANGE, 1, out);
            out.push(1);
        }
        2 if !is_13(side) => put_record(HANDSHAKE, (message.len - HEADER) as usize, out),
        _ => put_record(APPLICATION_DATA, (message.len - HEADER) as usize, out),
    }
}

/// Writes the header of a record with so many bytes.
fn put_record(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&VERSION_12);
    out.extend_from_slice(&(len as u16).to_be_bytes());
}

/// A handshake message of this type.
fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = (body.len() as u32).to_be_bytes().to_vec();
    message[0] = kind;
    message.extend_from_slice(body);
    message
}

/// The start that hellos of both sides share: version and random number.
fn hello_start(side: &Side) -> Vec<u8> {
    let mut body = VERSION_12.to_vec();
    let index = draw::RANDOM[usize::from(!side.is_client)];
    side.flow.put_bytes(index, RANDOM, &mut body);
    body
}

fn put_session(side: &Side, len: usize, body: &mut Vec<u8>) {
    body.push(len as u8);
    side.flow.put_bytes(draw::SESSION, len, body);
}

/// A ClientHello of exactly this length, without its record's header.
fn client_hello(side: &Side, len: usize) -> Vec<u8> {
    let room = len - 4;
    let body = if len as u32 + HEADER >= SHORTEST_HELLO_13 {
        client_hello_13(side, room)
    } else {
        client_hello_12(side, room)
    };
    debug_assert_eq!(body.len(), room, "{side:?}");
    handshake(1, &body)
}

fn client_hello_13(side: &Side, len: usize) -> Vec<u8> {
    let mut body = client_start_13(side, LONGEST_SESSION);
    let mut extensions = client_extensions_13(side);
    let room = len - body.len() - 2;
    if side.service == "https" && room >= extensions.len() + 18 + 4 {
        put_extension(ALPN, b"\0\x0c\x02h2\x08http/1.1", &mut extensions);
    }
    // A session ticket's place, unless the rest would then be too short for padding.
    if room == extensions.len() + 4 || room >= extensions.len() + 8 {
        put_extension(35, &[], &mut extensions);
    }
    put_padding(room - extensions.len(), &mut extensions);
    put_extensions(&extensions, &mut body);
    body
}

/// A ClientHello of TLS 1.3 up to its extensions.
fn client_start_13(side: &Side, session: usize) -> Vec<u8> {
    let fingerprint = side.client.draw(draw::FINGERPRINT) as usize % SUITES.len();
    let mut body = hello_start(side);
    put_session(side, session, &mut body);
    put_list(SUITES[fingerprint], &mut body);
    body.extend_from_slice(&[1, 0]);
    body
}

/// The extensions that every ClientHello of TLS 1.3 has.
fn client_extensions_13(side: &Side) -> Vec<u8> {
    let mut extensions = Vec::new();
    put_server_name(side.server, &mut extensions);
    // Groups: X25519, secp256r1, secp384r1. Signatures: ECDSA, RSA-PSS and RSA-PKCS1.
    put_extension(10, &listed(&[0x001d, 0x0017, 0x0018]), &mut extensions);
    let signatures = listed(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501]);
    put_extension(13, &signatures, &mut extensions);
    put_extension(SUPPORTED_VERSIONS, &[2, 3, 4], &mut extensions);
    let mut share = vec![0, 36, 0, 0x1d, 0, 32];
    side.flow.put_bytes(draw::KEY[0], 32, &mut share);
    put_extension(KEY_SHARE, &share, &mut extensions);
    put_extension(45, &[1, 1], &mut extensions);
    extensions
}

/// The ClientHello of QUIC with these transport parameters (RFC 9001 section 8), without a record's
/// header.
pub(super) fn client_hello_of_quic(side: &Side, parameters: &[u8]) -> Vec<u8> {
    let mut body = client_start_13(side, 0);
    let mut extensions = client_extensions_13(side);
    put_extension(ALPN, b"\0\x03\x02h3", &mut extensions);
    put_extension(QUIC_PARAMETERS, parameters, &mut extensions);
    put_extensions(&extensions, &mut body);
    handshake(1, &body)
}

fn client_hello_12(side: &Side, len: usize) -> Vec<u8> {
    let session = session_len(len as u32 + 4 + HEADER);
    let mut body = hello_start(side);
    put_session(side, session, &mut body);
    let mut left = len - body.len() - 2 - 2 - 2;
    let mut extensions = Vec::new();
    if left >= 6 {
        left -= 2;
        let mut name = Vec::new();
        put_server_name(side.server, &mut name);
        if left == name.len() || left >= name.len() + 4 {
            left -= name.len();
            extensions.extend_from_slice(&name);
        }
        let suites = left.saturating_sub(4) / 2;
        let more = if left > 0 {
            suites.min(LEGACY_SUITES.len())
        } else {
            0
        };
        left -= 2 * more;
        put_padding(left, &mut extensions);
        put_suites_12(more, &mut body);
        put_extensions(&extensions, &mut body);
    } else {
        put_suites_12(left / 2, &mut body);
    }
    body
}

/// Cipher suites of a short hello, the chosen one and so many more; no compression.
fn put_suites_12(more: usize, body: &mut Vec<u8>) {
    let mut suites = vec![CHOSEN_12];
    suites.extend_from_slice(&LEGACY_SUITES[..more]);
    put_list(&suites, body);
    body.extend_from_slice(&[1, 0]);
}

/// A ServerHello, without its record's header.
fn server_hello(side: &Side) -> Vec<u8> {
    if is_13(side) {
        return server_hello_13(side, LONGEST_SESSION);
    }
    let mut body = hello_start(side);
    put_session(side, session_len(client_hello_len(side)), &mut body);
    body.extend_from_slice(&CHOSEN_12.to_be_bytes());
    body.push(0);
    let mut extensions = Vec::new();
    put_extension(0xff01, &[0], &mut extensions);
    put_extensions(&extensions, &mut body);
    handshake(2, &body)
}

/// Length of the server's hello with its record's header.
fn server_hello_len(side: &Side) -> u32 {
    // Headers of record and message, version, random number, session identifier, suite, compression
    // and the length of the extensions; then those.
    let fixed = HEADER as usize + 4 + 2 + RANDOM + 1 + 2 + 1 + 2;
    let (session, extensions) = if is_13(side) {
        (LONGEST_SESSION, 6 + 40)
    } else {
        (session_len(client_hello_len(side)), 5)
    };
    (fixed + session + extensions) as u32
}

/// The ServerHello of TLS 1.3 that repeats a session identifier of this length, without a record's
/// header.
pub(super) fn server_hello_13(side: &Side, session: usize) -> Vec<u8> {
    let mut body = hello_start(side);
    put_session(side, session, &mut body);
    body.extend_from_slice(&CHOSEN_13.to_be_bytes());
    body.push(0);
    let mut extensions = Vec::new();
    put_extension(SUPPORTED_VERSIONS, &[3, 4], &mut extensions);
    let mut share = vec![0, 0x1d, 0, 32];
    side.flow.put_bytes(draw::KEY[1], 32, &mut share);
    put_extension(KEY_SHARE, &share, &mut extensions);
    put_extensions(&extensions, &mut body);
    handshake(2, &body)
}

/// Writes all extensions behind their length.
fn put_extensions(extensions: &[u8], body: &mut Vec<u8>) {
    body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    body.extend_from_slice(extensions);
}

/// A list of numbers with its length in bytes.
fn put_list(numbers: &[u16], out: &mut Vec<u8>) {
    out.extend_from_slice(&(2 * numbers.len() as u16).to_be_bytes());
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

fn listed(numbers: &[u16]) -> Vec<u8> {
    let mut list = Vec::new();
    put_list(numbers, &mut list);
    list
}

fn put_extension(kind: u16, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
}

/// The name of the server (RFC 6066 section 3).
fn put_server_name(server: Seed, out: &mut Vec<u8>) {
    let name = server.host_name();
    let mut body = (name.len() as u16 + 3).to_be_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(&(name.len() as u16).to_be_bytes());
    body.extend_from_slice(name.as_bytes());
    put_extension(0, &body, out);
}

/// Padding (RFC 7685) that takes so many bytes: none, or at least four.
fn put_padding(len: usize, out: &mut Vec<u8>) {
    if len > 0 {
        put_extension(21, &vec![0; len - 4], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_hellos_have_the_lengths_that_they_are_said_to_have() {
        for first in 0..2 * LONGEST_HELLO {
            for is_client in [true, false] {
                let side = Side {
                    is_client,
                    service: "https",
                    flow: Seed(u64::from(first)),
                    client: Seed(1),
                    server: Seed(first.into()),
                    address: None,
                    first,
                    peer_first: first,
                    later: [0; 3],
                    before_peer: 0,
                };
                if is_amid_connection(&side) {
                    continue;
                }
                let (hello, _) = messages(&side).at(0);
                let mut bytes = Vec::new();
                write(&side, hello, &mut bytes);
                assert_eq!(bytes.len(), hello.len as usize, "{side:?}");
                let [high, low] = [bytes[3], bytes[4]];
                assert_eq!(
                    usize::from(u16::from_be_bytes([high, low])) + HEADER as usize,
                    bytes.len()
                );
            }
        }
    }
}
