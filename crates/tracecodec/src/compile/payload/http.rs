//! HTTP/1.1 (RFC 9112). Requests are as long as a client's first segment, and the first response is
//! as long as a server's; so are some more if that is short. Then comes a single response, which
//! lasts to the connection's end.

use std::io::Write;

use super::{Filler, Message, Messages, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LONGEST_HEADER,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// No header section is longer than this; a body fills longer messages.
const LONGEST_HEADER: u32 = 1200;

/// The shortest message, and the length of messages whose first segment is shorter.
const SHORTEST: u32 = 18;
const USUAL: u32 = 256;

/// Requests that are as long as the first, and the shortest length of later ones: a segment of any
/// length so holds few messages, as Wireshark wants it.
const REQUESTS: u32 = 64;
const LATER: u32 = 4096;

/// Responses that are as long as a short first; the next lasts to the connection's end.
const RESPONSES: u32 = 16;

/// Fields of requests, in the order of browsers.
const REQUEST_FIELDS: [&str; 4] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Example/1.0\r\n",
    "Accept: */*\r\n",
    "Accept-Language: en\r\n",
    "Connection: keep-alive\r\n",
];

fn messages(side: &Side) -> Messages {
    let first = match side.first {
        ..SHORTEST => USUAL,
        first => first,
    };
    let (exchanges, rest) = if side.is_client {
        (REQUESTS, first.max(LATER))
    } else if first < LONGEST_HEADER {
        (RESPONSES, u32::MAX)
    } else {
        (1, u32::MAX)
    };
    Messages {
        opening: [(exchanges, first), (0, 0), (0, 0), (0, 0)],
        rest,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    if side.is_client {
        write_request(side, message, out);
    } else {
        write_response(side, message, out);
    }
}

fn write_request(side: &Side, message: Message, out: &mut Vec<u8>) {
    let len = message.len as usize;
    let index = 16 + u64::from(message.number);
    let host = format!("Host: {}\r\n", side.server.host_name());
    if message.len > LONGEST_HEADER {
        let mut head = format!("POST /{} HTTP/1.1\r\n{host}", side.flow.word(index));
        REQUEST_FIELDS.iter().for_each(|field| head += field);
        head += "Content-Type: text/plain\r\n";
        put_with_body(&head, len, out);
        return;
    }
    // The end of the request line, fields, and the empty line.
    let mut tail = " HTTP/1.0\r\n".to_string();
    let path = "GET /".len();
    let fits = |tail: &str, more: &str| path + tail.len() + more.len() + 2 <= len;
    if fits(&tail, &host) {
        tail = format!(" HTTP/1.1\r\n{host}");
        for field in REQUEST_FIELDS {
            if fits(&tail, field) {
                tail += field;
            }
        }
    }
    let mut left = len - path - tail.len() - 2;
    out.extend_from_slice(b"GET /");
    let path_len = left.min(24);
    // A long rest is a cookie: "Cookie: id=" and the end of the line take 13 bytes.
    let cookie = left.saturating_sub(path_len);
    let path_len = if cookie > 13 { path_len } else { left };
    side.flow.put_letters(index, path_len, out);
    left -= path_len;
    out.extend_from_slice(tail.as_bytes());
    if left > 0 {
        out.extend_from_slice(b"Cookie: id=");
        side.flow.put_letters(0, left - 13, out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_response(side: &Side, message: Message, out: &mut Vec<u8>) {
    // Not "OK": if a first segment ends with that line, Wireshark takes what follows for malformed.
    const OK: &str = "HTTP/1.1 200 Synthetic\r\nServer: example\r\nContent-Type: text/plain\r\n";
    let len = message.len as usize;
    if message.len == u32::MAX {
        // Without a length, the body lasts until the connection is closed (RFC 9112 section 6.3).
        out.extend_from_slice(OK.as_bytes());
        out.extend_from_slice(b"Connection: close\r\n\r\n");
    } else if len >= OK.len() + 32 {
        put_with_body(OK, len, out);
    } else {
        // A status line whose reason phrase fills the message.
        out.extend_from_slice(b"HTTP/1.1 304 ");
        side.flow.put_letters(8, len - out.len() - 4, out);
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// Ends a header section with the length of the body, which fills a message of `len` bytes.
fn put_with_body(head: &str, len: usize, out: &mut Vec<u8>) {
    const FIELD: usize = "Content-Length: \r\n\r\n".len();
    // The digits of the body's length are a part of the message: the body is shorter by them.
    let rest = len - head.len() - FIELD;
    let digits = (1..).find(|&digits| {
        let body = rest.saturating_sub(digits);
        (body.checked_ilog10().unwrap_or(0) as usize) < digits
    });
    let body = rest - digits.expect("lengths have few digits");
    let width = rest - body;
    let field = write!(out, "{head}Content-Length: {body:0width$}\r\n\r\n");
    field.expect("a vector takes all");
}
