//! Datagrams of header fields, as HTTP has them: SSDP (UPnP Device Architecture 2.0, section 1) and
//! SIP (RFC 3261); the last field fills them.

use super::{Datagram, Message, Question, Side};

pub(super) const SSDP: Datagram = Datagram(write_ssdp);
pub(super) const SIP: Datagram = Datagram(write_sip);

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
fn sip_fields(call: u64) -> String {
    format!(
        "Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK{call:x}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@client.example>;tag={call:x}\r\nTo: <sip:b@server.example>\r\n\
         Call-ID: {call:x}@client.example\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n"
    )
}

fn write_sip(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let start = if side.is_client {
        "OPTIONS sip:b@server.example SIP/2.0\r\n"
    } else {
        "SIP/2.0 200 OK\r\n"
    };
    // Ten hexadecimal digits at most.
    let fields = sip_fields(side.flow.draw(FILL) >> 24);
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
