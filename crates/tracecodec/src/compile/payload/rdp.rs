//! RDP ([MS-RDPBCGR]) over TCP: a connection request that is as long as the client's first segment
//! (a cookie fills it), a confirmation, and data that RDP's own security encrypts. TLS is not
//! chosen, since Wireshark 4.0 looks for TPKT in it.

use super::{Filler, Message, Messages, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LONGEST,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Length of the headers of TPKT (RFC 1006) and X.224; of the negotiation of security; and of the
/// cookie but for its name.
const HEADERS: u32 = 4 + 7;
const NEGOTIATION: u32 = 8;
const COOKIE: u32 = COOKIE_START.len() as u32 + 2;
const COOKIE_START: &[u8] = b"Cookie: mstshash=";

/// Lengths of requests with a cookie, of the longest one, and of the usual one.
const SHORTEST_WITH_COOKIE: u32 = HEADERS + COOKIE + 1 + NEGOTIATION;
const LONGEST: u32 = 5 + 254;
const USUAL: u32 = SHORTEST_WITH_COOKIE + 5;

/// Length of a request or confirmation without a cookie.
const PLAIN: u32 = HEADERS + NEGOTIATION;

/// What X.224 sends: the code of a request and of a confirmation.
const REQUEST: u8 = 0xe0;
const CONFIRMATION: u8 = 0xd0;

/// Kinds of negotiations; asked for is TLS, chosen RDP's own security.
const ASK: [u8; 2] = [1, 1];
const CHOOSE: [u8; 2] = [2, 0];

/// Length of what precedes encrypted data: TPKT, X.224, MCS (T.125), and RDP's security.
const DATA_START: u32 = 4 + 3 + MCS + 4;
const MCS: u32 = 8;

/// Messages with data of a length, client and server, and the length of later ones, so that a
/// segment of any length holds few.
const EXCHANGES: u32 = 32;
const DATA: [u32; 2] = [64, 512];
const LATER: u32 = 8192;

/// Index of the user's name.
const NAME: u64 = 64;

fn messages(side: &Side) -> Messages {
    let connect = match (side.is_client, side.first) {
        (true, first @ (PLAIN | SHORTEST_WITH_COOKIE..=LONGEST)) => first,
        (true, _) => USUAL,
        (false, _) => PLAIN,
    };
    let data = DATA_START + DATA[usize::from(!side.is_client)];
    Messages {
        opening: [(1, connect), (EXCHANGES, data), (0, 0), (0, 0)],
        rest: LATER,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    const TPKT_VERSION: u8 = 3;
    out.extend_from_slice(&[TPKT_VERSION, 0]);
    out.extend_from_slice(&(message.len as u16).to_be_bytes());
    if message.number == 0 {
        write_connect(side, message.len, out);
    } else {
        write_data(side, message.len, out);
    }
}

/// Writes a connection request or its confirmation (sections 2.2.1.1 and 2.2.1.2).
fn write_connect(side: &Side, len: u32, out: &mut Vec<u8>) {
    let (code, source, [kind, security]) = if side.is_client {
        (REQUEST, 0, ASK)
    } else {
        (CONFIRMATION, 0x1234_u16, CHOOSE)
    };
    let [high, low] = source.to_be_bytes();
    out.extend_from_slice(&[(len - 5) as u8, code, 0, 0, high, low, 0]);
    if len > PLAIN {
        let name = len - HEADERS - COOKIE - NEGOTIATION;
        out.extend_from_slice(COOKIE_START);
        side.client.put_letters(NAME, name as usize, out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(&[kind, 0, NEGOTIATION as u8, 0, security, 0, 0, 0]);
}

/// Writes what precedes encrypted data (sections 2.2.8.1.1.1 and 2.2.9.1.1.1).
fn write_data(side: &Side, len: u32, out: &mut Vec<u8>) {
    const DATA_UNIT: [u8; 3] = [2, 0xf0, 0x80];
    const SEND_REQUEST: u8 = 0x64;
    const SEND_INDICATION: u8 = 0x68;
    const USER: u16 = 6;
    const CHANNEL: u16 = 1003;
    const WHOLE: u8 = 0x70;
    const LONG: u16 = 0x8000;
    const ENCRYPTED: [u8; 4] = [8, 0, 0, 0];
    out.extend_from_slice(&DATA_UNIT);
    out.push(if side.is_client {
        SEND_REQUEST
    } else {
        SEND_INDICATION
    });
    out.extend_from_slice(&USER.to_be_bytes());
    out.extend_from_slice(&CHANNEL.to_be_bytes());
    out.push(WHOLE);
    let content = (len - DATA_START) as u16 + ENCRYPTED.len() as u16;
    out.extend_from_slice(&(LONG | content).to_be_bytes());
    out.extend_from_slice(&ENCRYPTED);
}
