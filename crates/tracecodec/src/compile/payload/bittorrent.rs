//! BitTorrent (BEP 3) over TCP: a handshake, what a peer has, which fills its first segment, and
//! pieces; and the distributed hash table (BEP 5) over UDP, whose versions and tokens fill
//! messages.

use super::{Datagram, Filler, Message, Messages, Question, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write: write_stream,
    longest_start: HANDSHAKE,
    filler: Filler::Random,
    shortest_segment: 1,
    shortest_end: 1,
};

pub(super) const DATAGRAM: Datagram = Datagram(write_datagram);

/// What a handshake starts with, and its length with reserved bits, and hashes of torrent and peer.
const START: &[u8] = b"\x13BitTorrent protocol";
const HANDSHAKE: u32 = START.len() as u32 + 8 + 20 + 20;

/// Lengths of what is before a piece, and of a message with a block of the usual length.
const PIECE_START: u32 = 4 + 1 + 8;
const PIECE: u32 = PIECE_START + (1 << 14);

/// The shortest message that tells what a peer has, and the longest.
const SHORTEST_BITFIELD: u32 = 4 + 1 + 1;
const LONGEST_BITFIELD: u32 = 4096;

/// Kinds of messages.
const BITFIELD: u8 = 5;
const BLOCK: u8 = 7;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const TORRENT: u64 = 64;
    pub(super) const PEER: u64 = 65;
    pub(super) const FILLING: u64 = 66;
    pub(super) const TRANSACTION: u64 = 1 << 31;
}

fn messages(side: &Side) -> Messages {
    let bitfield = match side.first.saturating_sub(HANDSHAKE) {
        len @ SHORTEST_BITFIELD..=LONGEST_BITFIELD => len,
        _ => 0,
    };
    Messages {
        opening: [(1, HANDSHAKE), (1, bitfield), (0, 0), (0, 0)],
        rest: PIECE,
    }
}

fn write_stream(side: &Side, message: Message, out: &mut Vec<u8>) {
    let Message { number, len } = message;
    if number == 0 {
        out.extend_from_slice(START);
        out.extend_from_slice(&[0; 8]);
        side.flow.put_bytes(draw::TORRENT, 20, out);
        put_peer(side, out);
        return;
    }
    out.extend_from_slice(&(len - 4).to_be_bytes());
    if len < PIECE {
        out.push(BITFIELD);
    } else {
        out.push(BLOCK);
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
    }
}

/// Writes the identifier of the peer that speaks.
fn put_peer(side: &Side, out: &mut Vec<u8>) {
    let peer = if side.is_client {
        side.client
    } else {
        side.server
    };
    peer.put_letters(draw::PEER, 20, out);
}

fn write_datagram(side: &Side, _: Question, message: Message, out: &mut Vec<u8>) -> bool {
    // A ping, and the answer to a search for peers, around a text, with the transaction.
    let (before, between, after) = if side.is_client {
        ("d1:ad2:id20:", "e1:q4:ping1:t", "1:v")
    } else {
        ("d1:rd2:id20:", "5:token", "e1:t")
    };
    let kind = if side.is_client { "1:y1:qe" } else { "1:y1:re" };
    let fixed = before.len() + 20 + between.len() + after.len() + kind.len();
    let Some(room) = (message.len as usize).checked_sub(fixed) else {
        return false;
    };
    // Not every length has a text; a longer transaction makes up for it.
    let found = (2..=3).find_map(|transaction| {
        let text = text_len(room.checked_sub(2 + transaction)?)?;
        Some((transaction, text))
    });
    let Some((transaction, text)) = found else {
        return false;
    };
    let put_transaction = |out: &mut Vec<u8>| {
        out.extend_from_slice(format!("{transaction}:").as_bytes());
        let index = draw::TRANSACTION + u64::from(message.number);
        side.flow.put_letters(index, transaction, out);
    };
    let put_text = |out: &mut Vec<u8>| {
        out.extend_from_slice(format!("{text}:").as_bytes());
        side.flow.put_letters(draw::FILLING, text, out);
    };
    out.extend_from_slice(before.as_bytes());
    put_peer(side, out);
    out.extend_from_slice(between.as_bytes());
    if side.is_client {
        put_transaction(out);
        out.extend_from_slice(after.as_bytes());
        put_text(out);
    } else {
        put_text(out);
        out.extend_from_slice(after.as_bytes());
        put_transaction(out);
    }
    out.extend_from_slice(kind.as_bytes());
    true
}

/// The length of a text that takes `room` bytes with its length and a colon, if there is one that
/// is not empty.
fn text_len(room: usize) -> Option<usize> {
    (1..=5).find_map(|digits| {
        let len = room.checked_sub(digits + 1)?;
        (len.checked_ilog10()? as usize + 1 == digits).then_some(len)
    })
}
