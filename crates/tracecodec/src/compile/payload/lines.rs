//! Protocols of lines: SMTP (RFC 5321), FTP (RFC 959), POP3 (RFC 1939) and IMAP (RFC 3501). The
//! server's greeting and the client's first command are as long as the first segment, some more as
//! the next ones; other lines have a length of their own, and what a file or a mail would hold is
//! text.

use super::{Filler, Message, Messages, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write,
    longest_start: LONGEST,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// A connection that carries a file (FTP's data).
pub(super) const FILE: Stream = Stream {
    messages: |_| Messages::of(u32::MAX),
    write: |_, _, _| {},
    longest_start: 0,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// The longest first line, with its end (RFC 5321 section 4.5.3.1.5).
const LONGEST: u32 = 512;

const END: &str = "\r\n";

/// Length of the shortest greeting: the code of a reply with its end.
const SHORTEST_GREETING: u32 = 6;

/// Index of the words of a short line.
const SHORT: u64 = 8;

/// A line: its start and end, between which words fill it, and its usual length.
struct Line(&'static str, &'static str, u32);

/// Length of a line that starts a text without an end.
const TEXT: u32 = u32::MAX;
const START_OF_TEXT: usize = 48;

/// What one side says: a line after the other, of which the last repeats itself.
type Lines = [Line; 5];

/// What client and server say.
type Script = [Lines; 2];

const SMTP: Script = [
    [
        Line("EHLO ", ".example", 28),
        Line("MAIL FROM:<", "@mail.example>", 40),
        Line("RCPT TO:<", "@mail.example>", 36),
        Line("DATA", "", 6),
        Line("Subject: ", "\r\n", TEXT),
    ],
    [
        Line("220 mx.example ESMTP", "", 40),
        Line("250 mx.example", "", 32),
        Line("250 2.1.0 Sender ok", "", 32),
        Line("250 2.1.5 Recipient ok", "", 32),
        Line("354 End data with a dot", "", 40),
    ],
];

const FTP: Script = [
    [
        Line("USER ", "", 16),
        Line("PASS ", "", 20),
        Line("SYST", "", 6),
        // Wireshark takes the end of a command cut by a segment for another if it could start one.
        Line("CWD ", "", 20),
        Line("MKD ", ".txt", 24),
    ],
    [
        Line("220 FTP server", "", 32),
        Line("331 Password required", "", 32),
        Line("230 Logged in", "", 32),
        Line("215 UNIX Type: L8", "", 32),
        Line("250 Command successful", "", 32),
    ],
];

const POP3: Script = [
    [
        Line("USER ", "", 16),
        Line("PASS ", "", 20),
        Line("STAT", "", 6),
        Line("LIST 1", "", 8),
        // After RETR, Wireshark wants a length in each reply.
        Line("UIDL 1", "", 8),
    ],
    [
        Line("+OK POP3", "", 32),
        Line("+OK", "", 24),
        Line("+OK Logged in", "", 24),
        Line("+OK 1 4096", "", 12),
        Line("+OK", "", TEXT),
    ],
];

const IMAP: Script = [
    [
        Line("a1 LOGIN amber x", "", 32),
        Line("a2 SELECT INBOX", "", 17),
        Line("a3 SEARCH SUBJECT ", "", 32),
        Line("a4 FETCH 1:4 (FLAGS ENVELOPE)", "", 31),
        Line("a5 SEARCH SUBJECT ", "", 32),
    ],
    [
        Line("* OK IMAP4rev1", "", 40),
        Line("a1 OK Logged in", "", 32),
        Line("* 4 EXISTS", "", 12),
        Line("a2 OK [READ-WRITE] Selected", "", 48),
        Line("* 1 FETCH (FLAGS (\\Seen))", "", 27),
    ],
];

/// What the side of a flow says.
fn lines(side: &Side) -> &'static Lines {
    let [client, server] = match side.service {
        "ftp" => &FTP,
        "pop3" => &POP3,
        "imap" => &IMAP,
        _ => &SMTP,
    };
    if side.is_client { client } else { server }
}

fn messages(side: &Side) -> Messages {
    let [first, second, third, fourth, rest] = lines(side);
    let mut lens = [first, second, third, fourth].map(|line| line.2);
    let shortest = if side.is_client {
        first.shortest() as u32 + 1
    } else {
        SHORTEST_GREETING
    };
    if (shortest..=LONGEST).contains(&side.first) {
        lens[0] = side.first;
        for (len, later) in lens[1..].iter_mut().zip(side.later) {
            if later > 0 {
                *len = later.into();
            }
        }
    }
    Messages {
        opening: lens.map(|len| (1, len)),
        rest: rest.2,
    }
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    let lines = lines(side);
    let line = &lines[lines.len().min(message.number as usize + 1) - 1];
    let len = match message.len {
        ..=LONGEST => message.len as usize,
        _ => START_OF_TEXT,
    };
    let Line(start, end, _) = line;
    let Some(mut room) = len.checked_sub(line.shortest()) else {
        put_short(side, line, len, out);
        return;
    };
    out.extend_from_slice(start.as_bytes());
    // A command has a name with dots, a reply has words.
    let is_name = side.is_client && message.len <= LONGEST;
    if !side.is_client && room > 0 {
        out.push(b' ');
        room -= 1;
    }
    let separator = if is_name { b'.' } else { b' ' };
    let index = 16 + u64::from(message.number);
    side.flow.put_words(index, separator, room, out);
    out.extend_from_slice(end.as_bytes());
    out.extend_from_slice(END.as_bytes());
}

/// Writes a line that is too short for all of its text.
fn put_short(side: &Side, line: &Line, len: usize, out: &mut Vec<u8>) {
    let text = len.saturating_sub(END.len());
    let start = &line.0[..text.min(line.0.len())];
    out.extend_from_slice(start.as_bytes());
    side.flow.put_words(SHORT, b'.', text - start.len(), out);
    out.extend_from_slice(&END.as_bytes()[END.len().saturating_sub(len)..]);
}

impl Line {
    /// Length of the line without words.
    fn shortest(&self) -> usize {
        self.0.len() + self.1.len() + END.len()
    }
}
