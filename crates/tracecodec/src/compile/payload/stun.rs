//! STUN (RFC 8489) and TURN (RFC 8656) over UDP: bindings, and data of channels, which have any
//! length.

use super::{Datagram, Message, Question, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

/// Lengths of the header, of an attribute's header, and of the attribute with the client's address.
const HEADER: usize = 20;
const ATTRIBUTE: usize = 4;
const ADDRESS: usize = ATTRIBUTE + 8;

/// The longest binding; what is longer is the data of a channel.
const LONGEST_BINDING: usize = 200;

const MAGIC_COOKIE: u32 = 0x2112_a442;

/// Kinds of messages.
const REQUEST: u16 = 0x0001;
const INDICATION: u16 = 0x0011;
const SUCCESS: u16 = 0x0101;

/// Attributes.
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const SOFTWARE: u16 = 0x8022;

/// The first channel (RFC 8656 section 12).
const CHANNEL: u16 = 0x4000;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const TRANSACTION: u64 = 64;
    pub(super) const ADDRESS: u64 = 65;
    pub(super) const SOFTWARE: u64 = 66;
    pub(super) const DATA: u64 = 1 << 31;
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let len = message.len as usize;
    match len {
        HEADER..=LONGEST_BINDING if len.is_multiple_of(4) => {
            write_binding(side, message.number, len - HEADER, out);
            true
        }
        ATTRIBUTE.. => {
            put_u16s(&[CHANNEL, (len - ATTRIBUTE) as u16], out);
            let index = draw::DATA + u64::from(message.number);
            side.flow.put_letters(index, len - ATTRIBUTE, out);
            true
        }
        _ => false,
    }
}

/// Writes a binding with attributes of this length.
fn write_binding(side: &Side, number: u32, attributes: usize, out: &mut Vec<u8>) {
    let kind = match (side.is_client, attributes) {
        (true, _) => REQUEST,
        (false, ADDRESS..) => SUCCESS,
        (false, _) => INDICATION,
    };
    put_u16s(&[kind, attributes as u16], out);
    out.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
    let transaction = side.flow.draw(draw::TRANSACTION);
    out.extend_from_slice(&transaction.to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    let mut left = attributes;
    if kind == SUCCESS {
        const FAMILY_4: u16 = 1;
        let address = side.client.draw(draw::ADDRESS);
        put_u16s(&[XOR_MAPPED_ADDRESS, 8, FAMILY_4], out);
        let port = 0xc000 | address as u16;
        put_u16s(&[port ^ (MAGIC_COOKIE >> 16) as u16], out);
        let address = u32::from_be_bytes([192, 0, 2, (address >> 16) as u8]);
        out.extend_from_slice(&(address ^ MAGIC_COOKIE).to_be_bytes());
        left -= ADDRESS;
    }
    if left > 0 {
        let software = left - ATTRIBUTE;
        put_u16s(&[SOFTWARE, software as u16], out);
        let host = if side.is_client {
            side.client
        } else {
            side.server
        };
        host.put_letters(draw::SOFTWARE, software, out);
    }
}

fn put_u16s(numbers: &[u16], out: &mut Vec<u8>) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}
