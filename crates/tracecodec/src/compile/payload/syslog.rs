//! Syslog (RFC 3164): a line that letters fill.

use super::{Datagram, Message, Question, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Index of what fills a message.
const FILL: u64 = 16;

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    // Priority: facility user, severity notice.
    const START: &[u8] = b"<13>Jan  1 00:00:00 host.example app: ";
    let len = message.len as usize;
    let end = out.len() + len;
    let is_long_enough = len > START.len();
    if is_long_enough {
        out.extend_from_slice(START);
        side.flow
            .put_letters(FILL + u64::from(message.number), end - out.len(), out);
    }
    is_long_enough
}
