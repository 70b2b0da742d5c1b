//! RTP (RFC 3550, RFC 3551): datagrams of media with a random body. Those of 160 bytes of audio are
//! PCMU, 20 ms each; others have a type that the sides agreed on.

use super::{Datagram, Message, Question, Side};

pub(super) const DATAGRAM: Datagram = Datagram(write);

const HEADER: usize = 12;
const VERSION_2: u8 = 2 << 6;

/// Types of payload: 8 kHz audio, a byte a sample, and the first of those without a fixed meaning.
const PCMU: u8 = 0;
const DYNAMIC: u8 = 96;

/// Samples, and bytes, of 20 ms of PCMU.
const SAMPLES: u32 = 160;

/// Indexes of what is drawn from a seed, of client and server.
mod draw {
    pub(super) const SOURCE: [u64; 2] = [64, 65];
    pub(super) const BODY: [u64; 2] = [1 << 30, 1 << 31];
}

fn write(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    let Some(body) = (message.len as usize).checked_sub(HEADER) else {
        return false;
    };
    let index = usize::from(!side.is_client);
    let source = side.flow.draw(draw::SOURCE[index]);
    let kind = if body == SAMPLES as usize {
        PCMU
    } else {
        DYNAMIC
    };
    let sequence = (source as u16).wrapping_add(message.number as u16);
    let timestamp = ((source >> 16) as u32).wrapping_add(SAMPLES.wrapping_mul(message.number));
    out.extend_from_slice(&[VERSION_2, kind]);
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&timestamp.to_be_bytes());
    out.extend_from_slice(&((source >> 32) as u32).to_be_bytes());
    let index = draw::BODY[index] + u64::from(message.number);
    side.flow.put_bytes(index, body, out);
    true
}
