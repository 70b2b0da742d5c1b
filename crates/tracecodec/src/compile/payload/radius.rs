//! RADIUS (RFC 2865) and its accounting (RFC 2866): requests of clients and answers of servers,
//! filled by the states of proxies.

use super::{Datagram, Message, Question, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Lengths of the header with the authenticator, and of the longest message.
const HEADER: usize = 20;
const AUTHENTICATOR: usize = 16;
const LONGEST: usize = 4096;

/// Lengths of an attribute but for its value, of the shortest, and of the longest.
const ATTRIBUTE: usize = 2;
const SHORTEST_ATTRIBUTE: usize = 3;
const LONGEST_ATTRIBUTE: usize = 255;

/// Codes of requests and answers, for access and for accounting.
const ACCESS: [u8; 2] = [1, 2];
const ACCOUNTING: [u8; 2] = [4, 5];

/// Attributes.
const USER_NAME: u8 = 1;
const ADDRESS: u8 = 4;
const PORT: u8 = 5;
const PROXY_STATE: u8 = 33;
const STATUS_TYPE: u8 = 40;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const IDENTIFIER: u64 = 64;
    pub(super) const ADDRESS: u64 = 65;
    pub(super) const STATE: u64 = 66;
    /// Of requests and answers.
    pub(super) const AUTHENTICATOR: [u64; 2] = [1 << 30, 1 << 31];
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let len = message.len as usize;
    if !matches!(len, HEADER | 23..=LONGEST) {
        return false;
    }
    let end = out.len() + len;
    let turn = usize::from(!side.is_client);
    let is_accounting = side.service == "radius-acct";
    let code = if is_accounting { ACCOUNTING } else { ACCESS }[turn];
    let identifier = (side.flow.draw(draw::IDENTIFIER) as u8).wrapping_add(message.number as u8);
    out.extend_from_slice(&[code, identifier]);
    out.extend_from_slice(&(len as u16).to_be_bytes());
    let authenticator = draw::AUTHENTICATOR[turn] + u64::from(message.number);
    side.flow.put_bytes(authenticator, AUTHENTICATOR, out);
    if side.is_client {
        const START: [u8; 4] = [0, 0, 0, 1];
        // An attribute is written if what is then left is nothing, or takes another.
        let mut put = |kind: u8, value: &[u8]| {
            let attribute = ATTRIBUTE + value.len();
            let left = end.checked_sub(out.len() + attribute);
            if left.is_some_and(|left| left == 0 || left >= SHORTEST_ATTRIBUTE) {
                out.extend_from_slice(&[kind, attribute as u8]);
                out.extend_from_slice(value);
            }
        };
        if is_accounting {
            put(STATUS_TYPE, &START);
        }
        put(USER_NAME, side.flow.word(0).as_bytes());
        put(ADDRESS, &[192, 0, 2, side.client.draw(draw::ADDRESS) as u8]);
        put(PORT, &[0, 0, 0, 1]);
    }
    let mut index = draw::STATE;
    while out.len() < end {
        let left = end - out.len();
        let attribute = match left {
            ..=LONGEST_ATTRIBUTE => left,
            _ => LONGEST_ATTRIBUTE.min(left - SHORTEST_ATTRIBUTE),
        };
        out.extend_from_slice(&[PROXY_STATE, attribute as u8]);
        side.flow.put_bytes(index, attribute - ATTRIBUTE, out);
        index += 1;
    }
    true
}
