//! SSH (RFC 4253): a version line as long as the first segment, the messages of a key exchange with
//! Curve25519 (RFC 8731), and encrypted packets, whose length AES-GCM leaves in clear (RFC 5647).

use super::{Filler, Message, Messages, Seed, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: 512,
    filler: Filler::Random,
    // Where it has seen no version of the client, Wireshark 4.0 takes the first four bytes of any
    // segment for a length, and calls shorter segments malformed.
    shortest_segment: 5,
    shortest_end: 1,
};

/// Start of a version line, and what follows it as far as there is room; words follow that.
const VERSION: &str = "SSH-2.0-";
const SOFTWARE: &str = "Example_1.0 ";

/// Lengths of version lines (RFC 4253 section 4.2), and the length of those whose first segment has
/// another.
const SHORTEST_VERSION: u32 = VERSION.len() as u32 + 1 + 2;
const LONGEST_VERSION: u32 = 255;
const USUAL_VERSION: u32 = 21;

/// Message numbers (RFC 4250 section 4.1, RFC 5656 section 7.1).
const KEXINIT: u8 = 20;
const IGNORE: u8 = 2;
const KEX_ECDH_INIT: u8 = 30;
const KEX_ECDH_REPLY: u8 = 31;

/// Names of algorithms (RFC 4253 section 7.1): key exchange, host key; encryption, MAC, compression
/// and language, each from client to server and back.
const ALGORITHMS: [&str; 10] = [
    "curve25519-sha256,ecdh-sha2-nistp256,diffie-hellman-group14-sha256",
    HOST_KEY,
    "aes128-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-256",
    "none",
    "none",
    "",
    "",
];
const HOST_KEY: &str = "ssh-ed25519";

/// Lengths of cookies, of keys of Curve25519 and Ed25519, and of signatures.
const COOKIE: usize = 16;
const KEY: usize = 32;
const SIGNATURE: usize = 64;

/// Lengths of a packet's header and of the shortest padding; a packet is a multiple of a block.
const HEADER: usize = 5;
const SHORTEST_PADDING: usize = 4;
const BLOCK: usize = 8;

/// Lengths of the payload of messages.
const KEXINIT_LEN: usize = 1 + COOKIE + algorithms_len() + 1 + 4;
const BLOB_START: usize = 4 + HOST_KEY.len() + 4;
const KEX_LEN: [usize; 2] = [
    1 + 4 + KEY,
    1 + (4 + BLOB_START + KEY) + (4 + KEY) + (4 + BLOB_START + SIGNATURE),
];

/// Lengths of the packets with ignored bytes of client and server.
const IGNORED: [u32; 2] = [80, 1040];

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const VERSION: u64 = 16;
    /// Of client and server.
    pub(super) const COOKIE: [u64; 2] = [17, 18];
    pub(super) const KEY: [u64; 2] = [19, 20];
    pub(super) const HOST_KEY: u64 = 21;
    pub(super) const SIGNATURE: u64 = 22;
}

const fn algorithms_len() -> usize {
    let (mut len, mut index) = (0, 0);
    while index < ALGORITHMS.len() {
        len += 4 + ALGORITHMS[index].len();
        index += 1;
    }
    len
}

/// Length of an unencrypted packet with a payload of this length.
const fn packet_len(payload: usize) -> usize {
    (HEADER + payload + SHORTEST_PADDING).next_multiple_of(BLOCK)
}

/// Length of the version line of a side, given the length of its first segment.
fn version_len(first: u32) -> u32 {
    match first {
        SHORTEST_VERSION..=LONGEST_VERSION => first,
        _ => USUAL_VERSION,
    }
}

fn messages(side: &Side) -> Messages {
    let index = usize::from(!side.is_client);
    let [kexinit, kex] = [KEXINIT_LEN, KEX_LEN[index]].map(|payload| packet_len(payload) as u32);
    let version = version_len(side.first);
    let opening = if side.is_client {
        version
    } else {
        // The key exchange begins when the client's version has come.
        version.max(side.before_peer)
    };
    Messages {
        opening: [opening, kexinit, kex, 0].map(|len| (1, len)),
        rest: IGNORED[index],
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    match message.number {
        0 => put_version(side, out),
        1 => put_packet(&kexinit(side), out),
        2 if side.is_client => put_packet(&kex_init(side), out),
        2 => put_packet(&kex_reply(side), out),
        _ => put_ignored(message.len, out),
    }
}

/// Writes a side's version line. A host keeps its words.
fn put_version(side: &Side, out: &mut Vec<u8>) {
    let host = if side.is_client {
        side.client
    } else {
        side.server
    };
    out.extend_from_slice(VERSION.as_bytes());
    let room = version_len(side.first) as usize - VERSION.len() - 2;
    let software = &SOFTWARE.as_bytes()[..room.min(SOFTWARE.len())];
    out.extend_from_slice(software);
    host.put_words(draw::VERSION, b' ', room - software.len(), out);
    out.extend_from_slice(b"\r\n");
}

/// Writes an unencrypted packet (RFC 4253 section 6), padded by zeros.
fn put_packet(payload: &[u8], out: &mut Vec<u8>) {
    let len = packet_len(payload.len());
    let end = out.len() + len;
    out.extend_from_slice(&(len as u32 - 4).to_be_bytes());
    out.push((len - HEADER - payload.len()) as u8);
    out.extend_from_slice(payload);
    out.resize(end, 0);
}

/// Writes the start of a packet whose bytes are ignored (RFC 4253 section 11.2).
fn put_ignored(len: u32, out: &mut Vec<u8>) {
    const START: [u8; 2] = [SHORTEST_PADDING as u8, IGNORE];
    out.extend_from_slice(&(len - 4).to_be_bytes());
    out.extend_from_slice(&START);
    let data = len - (HEADER + 1 + 4 + SHORTEST_PADDING) as u32;
    out.extend_from_slice(&data.to_be_bytes());
    // After a lost segment, Wireshark may take the length of the data for that of a packet.
    out.extend_from_slice(&START);
}

fn kexinit(side: &Side) -> Vec<u8> {
    let mut payload = vec![KEXINIT];
    let index = draw::COOKIE[usize::from(!side.is_client)];
    side.flow.put_bytes(index, COOKIE, &mut payload);
    for names in ALGORITHMS {
        put_string(names.as_bytes(), &mut payload);
    }
    // No guessed packet follows; the last number is reserved.
    payload.extend_from_slice(&[0; 5]);
    payload
}

fn kex_init(side: &Side) -> Vec<u8> {
    let mut payload = vec![KEX_ECDH_INIT];
    put_string(&random(side.flow, draw::KEY[0], KEY), &mut payload);
    payload
}

fn kex_reply(side: &Side) -> Vec<u8> {
    let mut payload = vec![KEX_ECDH_REPLY];
    put_string(
        &blob(&random(side.server, draw::HOST_KEY, KEY)),
        &mut payload,
    );
    put_string(&random(side.flow, draw::KEY[1], KEY), &mut payload);
    let signature = random(side.flow, draw::SIGNATURE, SIGNATURE);
    put_string(&blob(&signature), &mut payload);
    payload
}

/// A public key or signature behind the name of its algorithm (RFC 8709).
fn blob(bytes: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    put_string(HOST_KEY.as_bytes(), &mut blob);
    put_string(bytes, &mut blob);
    blob
}

fn random(seed: Seed, index: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    seed.put_bytes(index, len, &mut bytes);
    bytes
}

/// Writes a string behind its length (RFC 4251 section 5).
fn put_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}
