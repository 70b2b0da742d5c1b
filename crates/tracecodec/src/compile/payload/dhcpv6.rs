//! DHCPv6 (RFC 8415): clients solicit and request, servers advertise and reply. The user's class
//! (clients) or a status with a text (servers) fills the message.

use super::dhcp::mac;
use super::{Datagram, Message, Question, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Length of an option's header.
const OPTION_HEADER: usize = 4;

/// The shortest option that fills: a class or status with one byte of text.
const SHORTEST_FILLING: usize = OPTION_HEADER + 3;

/// Message types: of clients and servers, for the first and second message of each.
const CLIENT_TYPES: [u8; 2] = [1, 3];
const SERVER_TYPES: [u8; 2] = [2, 7];

/// Options.
mod option {
    pub(super) const CLIENT: u16 = 1;
    pub(super) const SERVER: u16 = 2;
    pub(super) const ASSOCIATION: u16 = 3;
    pub(super) const ADDRESS: u16 = 5;
    pub(super) const REQUESTED: u16 = 6;
    pub(super) const ELAPSED: u16 = 8;
    pub(super) const STATUS: u16 = 13;
    pub(super) const USER_CLASS: u16 = 15;
    pub(super) const NAME_SERVERS: u16 = 23;
}

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const TRANSACTION: u64 = 64;
    pub(super) const ADDRESS: u64 = 65;
    pub(super) const FILLING: u64 = 66;
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let end = out.len() + message.len as usize;
    let turn = message.number as usize % 2;
    let types = if side.is_client {
        CLIENT_TYPES
    } else {
        SERVER_TYPES
    };
    let transaction = side.flow.draw(draw::TRANSACTION) as u32;
    let transaction = transaction.wrapping_add(message.number / 2);
    let [_, transaction @ ..] = transaction.to_be_bytes();
    out.push(types[turn]);
    out.extend_from_slice(&transaction);
    if end < out.len() {
        return false;
    }
    // An option is written if what is then left is nothing, or takes what fills.
    let mut put = |kind: u16, data: &[u8]| {
        let left = end.checked_sub(out.len() + OPTION_HEADER + data.len());
        let fits = left.is_some_and(|left| left == 0 || left >= SHORTEST_FILLING);
        if fits {
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&(data.len() as u16).to_be_bytes());
            out.extend_from_slice(data);
        }
        fits
    };
    let [client, server] = [side.client, side.server].map(|host| {
        // An identifier from the hardware address (section 11.4).
        let mut id = vec![0, 3, 0, 1];
        id.extend_from_slice(&mac(host));
        id
    });
    if !put(option::CLIENT, &client) {
        return false;
    }
    if !side.is_client || turn == 1 {
        put(option::SERVER, &server);
    }
    put(option::ASSOCIATION, &association(side));
    if side.is_client {
        put(option::ELAPSED, &[0, 0]);
        put(option::REQUESTED, &option::NAME_SERVERS.to_be_bytes());
    } else {
        put(
            option::NAME_SERVERS,
            &address(side.server.draw(draw::ADDRESS)),
        );
    }
    fill(side, end - out.len(), out)
}

/// An association of addresses (section 21.4), of servers with an address.
fn association(side: &Side) -> Vec<u8> {
    let mut data = vec![0, 0, 0, 1];
    let [renew, rebind, preferred, valid] = [43_200_u32, 69_120, 86_400, 172_800];
    if side.is_client {
        data.extend_from_slice(&[0; 8]);
        return data;
    }
    data.extend_from_slice(&renew.to_be_bytes());
    data.extend_from_slice(&rebind.to_be_bytes());
    data.extend_from_slice(&option::ADDRESS.to_be_bytes());
    data.extend_from_slice(&24_u16.to_be_bytes());
    data.extend_from_slice(&address(side.client.draw(draw::ADDRESS)));
    data.extend_from_slice(&preferred.to_be_bytes());
    data.extend_from_slice(&valid.to_be_bytes());
    data
}

/// An address that is reserved for documentation (RFC 3849).
fn address(draw: u64) -> [u8; 16] {
    let prefix = 0x2001_0db8_u128 << 96;
    (prefix | u128::from(draw)).to_be_bytes()
}

/// Writes an option that takes so many bytes, or nothing.
fn fill(side: &Side, len: usize, out: &mut Vec<u8>) -> bool {
    if len == 0 {
        return true;
    }
    let data = len.checked_sub(OPTION_HEADER);
    let Some(data) = data.filter(|_| len >= SHORTEST_FILLING) else {
        return false;
    };
    let (kind, first) = if side.is_client {
        (option::USER_CLASS, data as u16 - 2)
    } else {
        (option::STATUS, 0)
    };
    for word in [kind, data as u16, first] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    let filling = if side.is_client {
        side.client
    } else {
        side.server
    };
    filling.put_letters(draw::FILLING, data - 2, out);
    true
}
