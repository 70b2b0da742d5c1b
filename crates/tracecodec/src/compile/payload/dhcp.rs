//! DHCP (RFC 2131, RFC 2132): clients discover and request, servers offer and acknowledge. Padding
//! behind the options fills the message.

use super::{Datagram, Message, Question, Seed, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Lengths of the fields before the options, with the cookie, and of a message's type and end.
const FIELDS: usize = 240;
const SHORTEST: usize = FIELDS + 4;

const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Kinds of packets, and the only kind of hardware address.
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const MAC_LEN: u8 = 6;

/// Message types: of clients and servers, for the first and second message of each.
const CLIENT_TYPES: [u8; 2] = [1, 3];
const SERVER_TYPES: [u8; 2] = [2, 5];

/// Options.
mod option {
    pub(super) const SUBNET_MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const NAME_SERVER: u8 = 6;
    pub(super) const HOST_NAME: u8 = 12;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const LEASE_TIME: u8 = 51;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const PARAMETERS: u8 = 55;
    pub(super) const CLIENT: u8 = 61;
    pub(super) const END: u8 = 255;
}

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const TRANSACTION: u64 = 64;
    pub(super) const MAC: u64 = 65;
    pub(super) const ADDRESS: u64 = 66;
}

/// The hardware address of a host, of those that are administered locally.
pub(super) fn mac(host: Seed) -> [u8; 6] {
    let [.., a, b, c, d, e] = host.draw(draw::MAC).to_be_bytes();
    [2, a, b, c, d, e]
}

/// An address of a host, reserved for documentation (RFC 5737).
fn address(host: Seed) -> [u8; 4] {
    [192, 0, 2, host.draw(draw::ADDRESS) as u8]
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let len = message.len as usize;
    if len < SHORTEST {
        return false;
    }
    let end = out.len() + len;
    let turn = message.number as usize % 2;
    let op = if side.is_client { REQUEST } else { REPLY };
    out.extend_from_slice(&[op, ETHERNET, MAC_LEN, 0]);
    let transaction = side.flow.draw(draw::TRANSACTION) as u32;
    let transaction = transaction.wrapping_add(message.number / 2);
    out.extend_from_slice(&transaction.to_be_bytes());
    // No seconds, no flags, no address of the client yet.
    out.extend_from_slice(&[0; 8]);
    let [yours, next_server] = if side.is_client {
        [[0; 4]; 2]
    } else {
        [address(side.client), address(side.server)]
    };
    out.extend_from_slice(&yours);
    out.extend_from_slice(&next_server);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&mac(side.client));
    // The rest of the hardware address, and names of server and boot file.
    out.extend_from_slice(&[0; 10 + 64 + 128]);
    out.extend_from_slice(&MAGIC_COOKIE);
    put_options(side, turn, end, out);
    out.push(option::END);
    out.resize(end, 0);
    true
}

/// Writes those options that fit before the end, but for one byte.
fn put_options(side: &Side, turn: usize, end: usize, out: &mut Vec<u8>) {
    let mut put = |kind: u8, data: &[u8]| {
        if out.len() + 2 + data.len() < end {
            out.extend_from_slice(&[kind, data.len() as u8]);
            out.extend_from_slice(data);
        }
    };
    if side.is_client {
        put(option::MESSAGE_TYPE, &CLIENT_TYPES[turn..=turn]);
        let mut client = vec![ETHERNET];
        client.extend_from_slice(&mac(side.client));
        put(option::CLIENT, &client);
        if turn == 1 {
            put(option::REQUESTED_ADDRESS, &address(side.client));
            put(option::SERVER, &address(side.server));
        }
        put(option::HOST_NAME, side.client.word(0).as_bytes());
        let parameters = [option::SUBNET_MASK, option::ROUTER, option::NAME_SERVER];
        put(option::PARAMETERS, &parameters);
    } else {
        const DAY: u32 = 86_400;
        put(option::MESSAGE_TYPE, &SERVER_TYPES[turn..=turn]);
        put(option::SERVER, &address(side.server));
        put(option::LEASE_TIME, &DAY.to_be_bytes());
        put(option::SUBNET_MASK, &[255, 255, 255, 0]);
        put(option::ROUTER, &address(side.server));
        put(option::NAME_SERVER, &address(side.server));
    }
}
