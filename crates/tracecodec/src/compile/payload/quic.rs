//! QUIC (RFC 9000, RFC 9001): a client's first datagram is an Initial packet with a ClientHello,
//! protected as the RFC says, so that analysers read the server's name; a server answers it with an
//! Initial and a Handshake packet. All other datagrams are packets with short headers.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, aes::Aes128};
use hkdf::Hkdf;
use sha2::Sha256;

use super::{Datagram, Message, Question, Side, tls};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Salt of the keys of Initial packets (RFC 9001 section 5.2).
const INITIAL_SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];

const VERSION_1: [u8; 4] = [0, 0, 0, 1];

/// First bytes of packets: an Initial and a Handshake packet with a packet number of four bytes,
/// and a packet with a short header, whose other bits are protected.
const INITIAL: u8 = 0xc3;
const HANDSHAKE: u8 = 0xe3;
const SHORT: u8 = 0x40;
const SHORT_BITS: u8 = 0x3f;

/// Lengths of connection identifiers, packet numbers and authentication tags.
const ID: usize = 8;
const NUMBER: usize = 4;
const TAG: usize = 16;

/// Length of an Initial packet's header: first byte, version, both identifiers, token and length.
const INITIAL_HEADER: usize = 1 + 4 + 2 * (1 + ID) + 1 + 2;

/// Length of the header of a Handshake packet, which has no token.
const HANDSHAKE_HEADER: usize = INITIAL_HEADER - 1;

/// The shortest Handshake packet: one whose number and payload header protection can sample.
const SHORTEST_HANDSHAKE: usize = HANDSHAKE_HEADER + 2 * NUMBER + TAG;

/// The shortest packet with a short header.
const SHORTEST: usize = 1 + ID + NUMBER + TAG;

/// The longest packet whose length two bytes state.
const LONGEST: usize = 1 << 14;

/// Length of an Initial packet of a server, if a Handshake packet follows it.
const SERVER_INITIAL: usize = 180;

/// Indexes of what is drawn from the flow's seed.
mod draw {
    /// Identifiers: the client's first choice for the server, the client's own, the server's own.
    pub(super) const IDS: [u64; 3] = [64, 65, 66];
    pub(super) const PROTECTED: u64 = 67;
}

/// Frame types (RFC 9000 section 19). PADDING is zeros.
const ACK: u8 = 2;
const CRYPTO: u8 = 6;

/// Transport parameter with a side's own identifier.
const INITIAL_SOURCE_ID: u8 = 0x0f;

fn write(side: &Side, question: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let len = message.len as usize;
    let is_answer = side.is_client || question.is_some_and(|question| is_initial(question.len));
    if message.number == 0 && is_answer && put_handshake(side, len, out) {
        return true;
    }
    let is_long_enough = len >= SHORTEST;
    if is_long_enough {
        put_short(side, message, out);
    }
    is_long_enough
}

/// Whether a client's first datagram of this length is an Initial packet: whether it has room for
/// the longest ClientHello.
fn is_initial(len: u32) -> bool {
    const ROOM: u32 = 340;
    (ROOM..LONGEST as u32).contains(&len)
}

/// An identifier. Its first byte has the high bit: Wireshark takes what is behind some others for
/// another protocol, GOOSE.
fn id(side: &Side, index: usize) -> Vec<u8> {
    let mut id = Vec::with_capacity(ID);
    side.flow.put_bytes(draw::IDS[index], ID, &mut id);
    id[0] |= 0x80;
    id
}

/// Writes the packets of the handshake that fill a datagram; `false` if they have no room there.
fn put_handshake(side: &Side, len: usize, out: &mut Vec<u8>) -> bool {
    let own = id(side, if side.is_client { 1 } else { 2 });
    let mut frames = Vec::new();
    let (peer, hello) = if side.is_client {
        let mut parameters = vec![INITIAL_SOURCE_ID, ID as u8];
        parameters.extend_from_slice(&own);
        (id(side, 0), tls::client_hello_of_quic(side, &parameters))
    } else {
        // Acknowledges the packet with the number 0.
        frames.extend_from_slice(&[ACK, 0, 0, 0, 0]);
        (id(side, 1), tls::server_hello_13(side, 0))
    };
    frames.extend_from_slice(&[CRYPTO, 0]);
    put_varint(hello.len(), &mut frames);
    frames.extend_from_slice(&hello);
    let least = INITIAL_HEADER + NUMBER + frames.len() + TAG;
    let initial = match len {
        _ if side.is_client => len,
        len if len >= SERVER_INITIAL.max(least) + SHORTEST_HANDSHAKE => SERVER_INITIAL.max(least),
        len => len,
    };
    if initial < least || len >= LONGEST {
        return false;
    }
    frames.resize(initial - INITIAL_HEADER - NUMBER - TAG, 0);
    put_initial(side, [&peer, &own], frames, out);
    if len > initial {
        put_long_header(
            HANDSHAKE,
            [&peer, &own],
            len - initial - HANDSHAKE_HEADER,
            out,
        );
        let left = len - initial - HANDSHAKE_HEADER;
        side.flow.put_bytes(draw::PROTECTED, left, out);
    }
    true
}

/// Writes a long header up to the packet number. `len` is that of what follows.
fn put_long_header(first: u8, [peer, own]: [&[u8]; 2], len: usize, out: &mut Vec<u8>) {
    out.push(first);
    out.extend_from_slice(&VERSION_1);
    for id in [peer, own] {
        out.push(id.len() as u8);
        out.extend_from_slice(id);
    }
    if first == INITIAL {
        // No token.
        out.push(0);
    }
    put_varint(len, out);
}

/// A number below 2^14 as two bytes (RFC 9000 section 16).
fn put_varint(number: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(0x4000 | number as u16).to_be_bytes());
}

/// Writes an Initial packet with the number 0 and these frames, protected (RFC 9001 section 5).
fn put_initial(side: &Side, ids: [&[u8]; 2], mut frames: Vec<u8>, out: &mut Vec<u8>) {
    let start = out.len();
    put_long_header(INITIAL, ids, NUMBER + frames.len() + TAG, out);
    let number = out.len();
    out.extend_from_slice(&[0; NUMBER]);
    let secret = Hkdf::<Sha256>::new(Some(&INITIAL_SALT), &id(side, 0));
    let label = if side.is_client {
        "client in"
    } else {
        "server in"
    };
    let secret = expand::<32>(&secret, label);
    let secret = Hkdf::<Sha256>::from_prk(&secret).expect("as long as a hash");
    let key = Aes128Gcm::new(&expand::<16>(&secret, "quic key").into());
    // The number is 0, so that the nonce is the initialisation vector.
    let nonce = expand::<12>(&secret, "quic iv").into();
    let tag = key
        .encrypt_inout_detached(&nonce, &out[start..], frames.as_mut_slice().into())
        .expect("a packet is short");
    out.extend_from_slice(&frames);
    out.extend_from_slice(&tag);
    let sample = number + NUMBER;
    let mut mask = aes_gcm::aes::Block::default();
    mask.copy_from_slice(&out[sample..sample + 16]);
    Aes128::new(&expand::<16>(&secret, "quic hp").into()).encrypt_block(&mut mask);
    out[start] ^= mask[0] & 0x0f;
    for (byte, mask) in out[number..number + NUMBER].iter_mut().zip(&mask[1..]) {
        *byte ^= mask;
    }
}

/// HKDF-Expand-Label without a context (RFC 8446 section 7.1).
fn expand<const LEN: usize>(secret: &Hkdf<Sha256>, label: &str) -> [u8; LEN] {
    let lengths = [0, LEN as u8, 6 + label.len() as u8];
    let mut key = [0; LEN];
    secret
        .expand_multi_info(&[&lengths, b"tls13 ", label.as_bytes(), &[0]], &mut key)
        .expect("a key is short");
    key
}

/// Writes a packet with a short header, whose protected bytes are random.
fn put_short(side: &Side, message: Message, out: &mut Vec<u8>) {
    let start = out.len();
    let index = 1 << 16 | u64::from(message.number) << 1 | u64::from(side.is_client);
    out.push(SHORT | side.flow.draw(index) as u8 & SHORT_BITS);
    out.extend_from_slice(&id(side, if side.is_client { 2 } else { 1 }));
    let end = start + message.len as usize;
    side.flow.put_bytes(index, end - out.len(), out);
}
