//! SMB 2 ([MS-SMB2]) over TCP, directly or in a session of NetBIOS (RFC 1002 section 4.3): client
//! and server negotiate a dialect with messages that are as long as their first segments, set up a
//! session as guest, connect to the share of named pipes, and write to one and read from it.

use super::netbios::{NAME, put_name};
use super::{Filler, Message, Messages, Seed, Side, Stream, ber};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LONGEST_NEGOTIATE,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Lengths of the length before a message, and of a message's header of SMB 2 with it.
const PREFIX: u32 = 4;
const HEADER: u32 = PREFIX + 64;

/// Lengths of a session's request and answer of NetBIOS.
const SESSION_REQUEST: u32 = PREFIX + 2 * NAME as u32;
const SESSION_RESPONSE: u32 = PREFIX;

/// The longest message that negotiates.
const LONGEST_NEGOTIATE: u32 = 2048;

/// Lengths of messages that negotiate, client and server: usual ones, the shortest, and those of
/// SMB 2 without dialects (client) and without a token (server).
const USUAL_NEGOTIATE: u32 = 73;
const SHORTEST_NEGOTIATE_1: u32 = PREFIX + 35 + 12;
const NEGOTIATE: u32 = HEADER + 36;
const ANSWER: u32 = HEADER + 64;
const SHORTEST_TOKEN: u32 = 50;

/// Lengths of requests and answers that set up a session and connect to a share.
const SETUP: [u32; 2] = [HEADER + 24 + SETUP_TOKEN as u32, HEADER + 8];
const CONNECT: [u32; 2] = [HEADER + 8 + SHARE as u32, HEADER + 16];

/// Length of the token of a session (NTLM's, that asks for a challenge).
const SETUP_TOKEN: usize = 32;

/// The share of pipes behind the name of a server, and the length of all.
const PIPES_SHARE: &[u8] = br"\IPC$";
const SERVER_NAME: usize = 7;
const SHARE: usize = 2 * (2 + SERVER_NAME + PIPES_SHARE.len());

/// Lengths of control requests and answers, but for their data.
const CONTROL: [u32; 2] = [HEADER + 56, HEADER + 48];

/// Control messages whose data has this length, client and server; later ones are longer, so that a
/// segment of any length holds few.
const EXCHANGES: u32 = 32;
const DATA: [u32; 2] = [128, 512];
const LATER: u32 = 8192;

/// Commands (section 2.2.1).
mod command {
    pub(super) const NEGOTIATE: u16 = 0;
    pub(super) const SESSION_SETUP: u16 = 1;
    pub(super) const TREE_CONNECT: u16 = 3;
    pub(super) const IOCTL: u16 = 11;
}

/// The commands before the first to a pipe.
const COMMANDS: [u16; 3] = [
    command::NEGOTIATE,
    command::SESSION_SETUP,
    command::TREE_CONNECT,
];

/// Writes to a pipe and reads its answer (FSCTL_PIPE_TRANSCEIVE).
const TRANSCEIVE: u32 = 0x0011_c017;

/// Dialects: 2.0.2 to 3.0.2. A server chooses the last.
const DIALECTS: [u16; 4] = [0x0202, 0x0210, 0x0300, 0x0302];
const CHOSEN: u16 = 0x0302;

/// Dialects in a negotiation of SMB 1, which leads to SMB 2; each has a byte before it and an end.
const DIALECTS_1: [&str; 3] = ["NT LM 0.12", "SMB 2.002", "SMB 2.???"];

/// Objects of the token with which a server answers: SPNEGO (RFC 4178) and NTLM.
const SPNEGO: [u8; 6] = [0x2b, 6, 1, 5, 5, 2];
const NTLM: [u8; 10] = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a];

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const CLIENT: u64 = 64;
    pub(super) const SERVER: u64 = 66;
    pub(super) const SESSION: u64 = 68;
    pub(super) const FILE: u64 = 69;
    pub(super) const NAME: u64 = 71;
}

fn is_netbios(side: &Side) -> bool {
    side.service == "netbios-ssn"
}

/// Length of a negotiation, given the length of the first segment of a side behind what NetBIOS
/// sends.
fn negotiate_len(is_client: bool, first: u32) -> u32 {
    match (is_client, first) {
        (true, SHORTEST_NEGOTIATE_1..=LONGEST_NEGOTIATE) => first,
        (true, _) => USUAL_NEGOTIATE,
        (false, ANSWER) => first,
        (false, first @ ..=LONGEST_NEGOTIATE) if first >= ANSWER + SHORTEST_TOKEN => first,
        (false, _) => ANSWER + SHORTEST_TOKEN,
    }
}

fn messages(side: &Side) -> Messages {
    let index = usize::from(!side.is_client);
    let session = [SESSION_REQUEST, SESSION_RESPONSE][index];
    let session = if is_netbios(side) { session } else { 0 };
    let negotiate = negotiate_len(side.is_client, side.first.saturating_sub(session));
    // Four runs are all there are: the answer to a session of NetBIOS goes with the rest.
    let setup = [SETUP[index], CONNECT[index]];
    let control = CONTROL[index] + DATA[index];
    let opening = if session > 0 {
        [(1, session), (1, negotiate), (1, setup[0]), (1, setup[1])]
    } else {
        [
            (1, negotiate),
            (1, setup[0]),
            (1, setup[1]),
            (EXCHANGES, control),
        ]
    };
    Messages {
        opening,
        rest: LATER,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    const SESSION_MESSAGE: u8 = 0;
    let Message { number, len } = message;
    let number = match number.checked_sub(u32::from(is_netbios(side))) {
        Some(number) => number,
        None => return write_session(side, out),
    };
    let [_, length @ ..] = (len - PREFIX).to_be_bytes();
    out.push(SESSION_MESSAGE);
    out.extend_from_slice(&length);
    let is_odd = len % 2 == 1;
    if number == 0 && side.is_client && (is_odd || !is_negotiate_2(len)) {
        return write_negotiate_1(side, len as usize, out);
    }
    let command = COMMANDS.get(number as usize).copied();
    put_header(side, command.unwrap_or(command::IOCTL), number, out);
    match (command, side.is_client) {
        (Some(command::NEGOTIATE), true) => write_negotiate(side, len as usize, out),
        (Some(command::NEGOTIATE), false) => write_answer(side, len as usize, out),
        (Some(command::SESSION_SETUP), true) => {
            put_u16s(&[25, 0x0100], out);
            out.resize(out.len() + 8, 0);
            put_u16s(&[(HEADER - PREFIX) as u16 + 24, SETUP_TOKEN as u16], out);
            out.resize(out.len() + 8, 0);
            // A request for a challenge (MS-NLMP section 2.2.1.1), without names.
            out.extend_from_slice(b"NTLMSSP\0\x01\0\0\0\x05\x02\x88\xa0");
            out.resize(out.len() + 16, 0);
        }
        (Some(command::SESSION_SETUP), false) => {
            const GUEST: u16 = 1;
            put_u16s(&[9, GUEST, 0, 0], out);
        }
        (Some(command::TREE_CONNECT), true) => {
            put_u16s(&[9, 0, (HEADER - PREFIX) as u16 + 8, SHARE as u16], out);
            let mut name = br"\\".to_vec();
            side.server.put_letters(draw::NAME, SERVER_NAME, &mut name);
            name.extend_from_slice(PIPES_SHARE);
            put_wide(&name, out);
        }
        (Some(command::TREE_CONNECT), false) => {
            const PIPES: u16 = 2;
            const ALL_ACCESS: u32 = 0x001f_01ff;
            put_u16s(&[16, PIPES], out);
            put_u32s(&[0, 0, ALL_ACCESS], out);
        }
        _ => write_control(side, len, out),
    }
}

/// Writes how a session of NetBIOS starts.
fn write_session(side: &Side, out: &mut Vec<u8>) {
    const REQUEST: u8 = 0x81;
    const POSITIVE: u8 = 0x82;
    if side.is_client {
        out.extend_from_slice(&[REQUEST, 0, 0, (SESSION_REQUEST - PREFIX) as u8]);
        put_name(side.server, 0, out);
        put_name(side.client, 0, out);
    } else {
        out.extend_from_slice(&[POSITIVE, 0, 0, 0]);
    }
}

/// Writes the header of SMB 2 (section 2.2.1.2).
fn put_header(side: &Side, command: u16, number: u32, out: &mut Vec<u8>) {
    const RESPONSE: u32 = 1;
    let is_open = command != command::NEGOTIATE;
    out.extend_from_slice(b"\xfeSMB");
    // Size, charge of credits, status, command, credits.
    put_u16s(&[64, 1, 0, 0, command, 1], out);
    put_u32s(&[u32::from(!side.is_client) * RESPONSE, 0], out);
    out.extend_from_slice(&u64::from(number).to_le_bytes());
    let process = 0xfeff;
    let tree = u32::from(is_open && command == command::IOCTL);
    put_u32s(&[process, tree], out);
    let has_session = is_open && (command != command::SESSION_SETUP || !side.is_client);
    let session = (side.flow.draw(draw::SESSION) & 0xffff_ffff | 1) * u64::from(has_session);
    out.extend_from_slice(&session.to_le_bytes());
    out.extend_from_slice(&[0; 16]);
}

/// Whether a negotiation of SMB 2 can have this length.
fn is_negotiate_2(len: u32) -> bool {
    let dialects = len.saturating_sub(NEGOTIATE) / 2;
    len.is_multiple_of(2) && (1..=DIALECTS.len() as u32).contains(&dialects)
}

/// Writes a negotiation of SMB 1 (MS-CIFS section 2.2.4.52.1) that takes so many bytes.
fn write_negotiate_1(side: &Side, len: usize, out: &mut Vec<u8>) {
    const NEGOTIATE: u8 = 0x72;
    const FLAGS: u8 = 0x18;
    const FLAGS_2: u16 = 0xc853;
    out.extend_from_slice(b"\xffSMB");
    out.push(NEGOTIATE);
    put_u32s(&[0], out);
    out.push(FLAGS);
    put_u16s(&[FLAGS_2], out);
    out.resize(out.len() + 12, 0);
    put_u16s(&[0xffff, 0xfeff, 0, 0], out);
    // No words, and the length of the dialects.
    out.push(0);
    let mut left = len - out.len() - 2;
    put_u16s(&[left as u16], out);
    let mut put = |name: &str, fill: usize| {
        out.push(2);
        out.extend_from_slice(name.as_bytes());
        side.client.put_letters(draw::NAME, fill, out);
        out.push(0);
    };
    for dialect in DIALECTS_1 {
        let taken = dialect.len() + 2;
        // What is left takes a name of a letter at least.
        if left == taken || left >= taken + 3 {
            put(dialect, 0);
            left -= taken;
        }
    }
    if left > 0 {
        put("", left - 2);
    }
}

/// Writes a negotiation of SMB 2 (section 2.2.3) that takes so many bytes, without its header.
fn write_negotiate(side: &Side, len: usize, out: &mut Vec<u8>) {
    const SIGNING: u16 = 1;
    let count = (len - NEGOTIATE as usize) / 2;
    put_u16s(&[36, count as u16, SIGNING, 0], out);
    put_u32s(&[0x7f], out);
    side.client.put_bytes(draw::CLIENT, 16, out);
    out.extend_from_slice(&[0; 8]);
    put_u16s(&DIALECTS[..count], out);
}

/// Writes the answer to a negotiation (section 2.2.4), without its header.
fn write_answer(side: &Side, len: usize, out: &mut Vec<u8>) {
    const SIGNING: u16 = 1;
    const LARGEST: u32 = 1 << 20;
    /// A time of 2020 in 100 ns since 1601.
    const TIME: u64 = 0x01d5_c000_0000_0000;
    let token = len - ANSWER as usize;
    put_u16s(&[65, SIGNING, CHOSEN, 0], out);
    side.server.put_bytes(draw::SERVER, 16, out);
    put_u32s(&[7, LARGEST, LARGEST, LARGEST], out);
    out.extend_from_slice(&TIME.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    put_u16s(&[(ANSWER - PREFIX) as u16, token as u16, 0, 0], out);
    if token > 0 {
        put_token(side.server, token, out);
    }
}

/// Writes a token (MS-SPNG section 2.2.1) whose hint fills it.
fn put_token(server: Seed, len: usize, out: &mut Vec<u8>) {
    const APPLICATION: u8 = 0x60;
    const MECHANISMS: u8 = 0xa0;
    const HINTS: u8 = 0xa3;
    const HINT: u8 = 0xa0;
    const GENERAL_STRING: u8 = 0x1b;
    let end = out.len() + len;
    ber::open(APPLICATION, len, out);
    ber::put(ber::OBJECT_IDENTIFIER, &SPNEGO, out);
    for tag in [0xa0, ber::SEQUENCE] {
        ber::open(tag, end - out.len(), out);
    }
    ber::open(MECHANISMS, NTLM.len() + 6, out);
    ber::open(ber::SEQUENCE, NTLM.len() + 4, out);
    ber::put(ber::OBJECT_IDENTIFIER, &NTLM, out);
    for tag in [HINTS, ber::SEQUENCE, HINT] {
        ber::open(tag, end - out.len(), out);
    }
    let hint = ber::open(GENERAL_STRING, end - out.len(), out);
    server.put_letters(draw::NAME, hint, out);
}

/// Writes a control request (section 2.2.31) or answer (section 2.2.32), without its header.
fn write_control(side: &Side, len: u32, out: &mut Vec<u8>) {
    const IS_CONTROL: u32 = 1;
    const MOST: u32 = 1 << 16;
    let fixed = CONTROL[usize::from(!side.is_client)];
    let (data, offset) = (len - fixed, fixed - PREFIX);
    put_u16s(&[if side.is_client { 57 } else { 49 }, 0], out);
    put_u32s(&[TRANSCEIVE], out);
    side.flow.put_bytes(draw::FILE, 16, out);
    if side.is_client {
        put_u32s(&[offset, data, 0, 0, 0, MOST, IS_CONTROL, 0], out);
    } else {
        put_u32s(&[offset, 0, offset, data, 0, 0], out);
    }
}

/// Writes numbers as SMB has them, the lowest byte first.
fn put_u16s(numbers: &[u16], out: &mut Vec<u8>) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put_u32s(numbers: &[u32], out: &mut Vec<u8>) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// Writes letters of ASCII with two bytes each.
fn put_wide(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().flat_map(|&byte| [byte, 0]));
}
