//! Messages of header fields, as HTTP has them: SSDP (UPnP Device Architecture 2.0, section 1) and
//! SIP (RFC 3261); the last field fills them.

use super::{Datagram, Filler, Message, Messages, Question, Side, Stream};

pub(super) const SSDP: Datagram = Datagram(write_ssdp);
pub(super) const SIP: Datagram =
    Datagram(|side, _, message, out| write_sip(side, "UDP", message, out));

/// SIP over TCP, with messages that are as long as the first segment.
pub(super) const SIP_STREAM: Stream = Stream {
    messages: sip_messages,
    write: |side, message, out| {
        write_sip(side, "TCP", message, out);
    },
    longest_start: LONGEST_SIP,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Lengths of messages of SIP over TCP: the shortest, the longest and the usual one.
const SHORTEST_SIP: u32 = 320;
const LONGEST_SIP: u32 = 4096;
const USUAL_SIP: u32 = 400;

/// Messages of SIP over TCP that are as long as the first; later ones are the longest, so that a
/// segment of any length holds few.
const EXCHANGES: u32 = 64;

/// Index of what fills a message.
const FILL: u64 = 16;

const SEARCH: &str = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\
                      MAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n";
const NOTIFY: &str = "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\
                      CACHE-CONTROL: max-age=1800\r\nLOCATION: http://192.0.2.1/device.xml\r\n\
                      NT: upnp:rootdevice\r\nNTS: ssdp:alive\r\n";
const FOUND: &str = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: upnp:rootdevice\r\n";

fn write_ssdp(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let starts: &[&str] = if side.is_client {
        &[NOTIFY, SEARCH]
    } else {
        &[FOUND]
    };
    starts
        .iter()
        .any(|start| put_filled(side, start, "USN: uuid:", message, out))
}

/// Fields of both requests and responses of SIP, for a call with this number.
fn sip_fields(call: u64, proto: &str) -> String {
    format!(
        "Via: SIP/2.0/{proto} 192.0.2.4:5060;branch=z9hG4bK{call:x}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@client.example>;tag={call:x}\r\nTo: <sip:b@server.example>\r\n\
         Call-ID: {call:x}@client.example\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n"
    )
}

fn sip_messages(side: &Side) -> Messages {
    let first = match side.first {
        first @ SHORTEST_SIP..=LONGEST_SIP => first,
        _ => USUAL_SIP,
    };
    Messages {
        opening: [(EXCHANGES, first), (0, 0), (0, 0), (0, 0)],
        rest: LONGEST_SIP,
    }
}

fn write_sip(side: &Side, proto: &str, message: Message, out: &mut Vec<u8>) -> bool {
    let start = if side.is_client {
        "OPTIONS sip:b@server.example SIP/2.0\r\n"
    } else {
        "SIP/2.0 200 OK\r\n"
    };
    // Ten hexadecimal digits at most.
    let fields = sip_fields(side.flow.draw(FILL) >> 24, proto);
    put_filled(
        side,
        &(start.to_string() + &fields),
        "Subject: ",
        message,
        out,
    )
}

/// Writes a message whose last field fills it, or that has no such field; `false` if neither has
/// the message's length.
fn put_filled(side: &Side, start: &str, field: &str, message: Message, out: &mut Vec<u8>) -> bool {
    const LINE: &[u8] = b"\r\n";
    let len = message.len as usize;
    let room = len.checked_sub(start.len() + LINE.len());
    let fill = room.and_then(|room| room.checked_sub(field.len() + LINE.len() + 1));
    if room != Some(0) && fill.is_none() {
        return false;
    }
    out.extend_from_slice(start.as_bytes());
    if let Some(fill) = fill {
        out.extend_from_slice(field.as_bytes());
        side.server
            .put_letters(FILL + u64::from(message.number), fill + 1, out);
        out.extend_from_slice(LINE);
    }
    out.extend_from_slice(LINE);
    true
}
