//! MySQL's protocol, version 10: a server greets with a version that fills its first segment, a
//! client logs in with a name that fills its own, and sends statements, all of which succeed.

use super::{Filler, Message, Messages, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LONGEST_FIRST,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Length of a packet's header.
const HEADER: u32 = 4;

/// Lengths of the first packets, client and server: the shortest and usual ones, and the longest.
const SHORTEST_FIRST: [u32; 2] = [HEADER + 54 + 1, HEADER + 68 + 6];
const USUAL_FIRST: [u32; 2] = [HEADER + 54 + 8, HEADER + 68 + 10];
const LONGEST_FIRST: u32 = 400;

/// Length of the packet that says that the login succeeded.
const SUCCESS_LEN: u32 = HEADER + SUCCESS.len() as u32;

/// Success, without affected rows, with the state that every statement is a transaction.
const SUCCESS: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];

/// Statements and their answers of a length, and the length of later ones, so that a segment of any
/// length holds few.
const EXCHANGES: u32 = 32;
const LENGTHS: [u32; 2] = [96, 64];
const LATER: u32 = 8192;

/// The command that is a statement, and the statement's start.
const QUERY: u8 = 3;
const STATEMENT: &[u8] = b"DO ";

/// What both sides can do: long passwords, the protocol of version 4.1, transactions, passwords
/// with a salt, and plugins that check them.
const CAPABILITIES: u32 = 1 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;

const PLUGIN: &[u8] = b"mysql_native_password\0";

/// The character set: UTF-8.
const UTF_8: u8 = 33;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const NAME: u64 = 64;
    pub(super) const SALT: u64 = 65;
    pub(super) const PASSWORD: u64 = 66;
    pub(super) const THREAD: u64 = 67;
}

fn messages(side: &Side) -> Messages {
    let turn = usize::from(!side.is_client);
    let first = match side.first {
        first @ ..=LONGEST_FIRST if first >= SHORTEST_FIRST[turn] => first,
        _ => USUAL_FIRST[turn],
    };
    let success = if side.is_client { 0 } else { SUCCESS_LEN };
    let exchanges = (EXCHANGES, LENGTHS[turn]);
    Messages {
        opening: [(1, first), (1, success), exchanges, (0, 0)],
        rest: LATER,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    let Message { number, len } = message;
    // A packet is the first to fourth of what it belongs to: greeting, login and success; a
    // statement and its success.
    let sequence = match (side.is_client, number) {
        (true, 0) => 1,
        (false, 1) => 2,
        (is_client, _) => u8::from(!is_client && number > 0),
    };
    let [a, b, c, _] = (len - HEADER).to_le_bytes();
    out.extend_from_slice(&[a, b, c, sequence]);
    match (side.is_client, number) {
        (true, 0) => write_login(side, len as usize, out),
        (false, 0) => write_greeting(side, len as usize, out),
        (true, _) => {
            out.push(QUERY);
            out.extend_from_slice(STATEMENT);
        }
        // A text about it follows.
        (false, _) => out.extend_from_slice(&SUCCESS),
    }
}

fn write_greeting(side: &Side, len: usize, out: &mut Vec<u8>) {
    const VERSION_10: u8 = 10;
    const VERSION: &[u8] = b"8.0.0-";
    const AUTOCOMMIT: u8 = 2;
    const SALT: [usize; 2] = [8, 12];
    const SALT_LEN: u8 = 21;
    out.push(VERSION_10);
    let version = len - SHORTEST_FIRST[1] as usize;
    out.extend_from_slice(VERSION);
    side.server.put_letters(draw::NAME, version, out);
    out.push(0);
    let thread = side.flow.draw(draw::THREAD) as u32 >> 8;
    out.extend_from_slice(&thread.to_le_bytes());
    // Letters, since a salt has no zeros.
    side.flow.put_letters(draw::SALT, SALT[0], out);
    let [a, b, c, d] = CAPABILITIES.to_le_bytes();
    out.extend_from_slice(&[0, a, b, UTF_8, AUTOCOMMIT, 0, c, d, SALT_LEN]);
    out.extend_from_slice(&[0; 10]);
    side.flow.put_letters(draw::PASSWORD, SALT[1], out);
    out.push(0);
    out.extend_from_slice(PLUGIN);
}

fn write_login(side: &Side, len: usize, out: &mut Vec<u8>) {
    const LONGEST_PACKET: u32 = 1 << 24;
    const DIGEST: u8 = 20;
    // The plugin is asked for only where it was offered, and is the usual one without.
    let capabilities = CAPABILITIES & 0xffff;
    out.extend_from_slice(&capabilities.to_le_bytes());
    out.extend_from_slice(&LONGEST_PACKET.to_le_bytes());
    out.push(UTF_8);
    out.extend_from_slice(&[0; 23]);
    let name = len - SHORTEST_FIRST[0] as usize + 1;
    side.client.put_letters(draw::NAME, name, out);
    out.extend_from_slice(&[0, DIGEST]);
    side.flow.put_bytes(draw::PASSWORD, DIGEST.into(), out);
}
