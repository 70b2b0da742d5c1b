//! DNP3 (IEEE 1815) over TCP and UDP: frames of the link layer that are as long as the first
//! segment. Masters read classes of points or write a text, outstations respond with a text.

use super::{Datagram, Filler, Message, Messages, Question, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages,
    write: |side, message, out| {
        write(side, message, out);
    },
    longest_start: LONGEST,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

pub(super) const DATAGRAM: Datagram =
    Datagram(|side, _: Question, message, out| write(side, message, out));

/// Lengths of a frame's header with its checksum, of a block of user data, and of a checksum.
const HEADER: usize = 10;
const BLOCK: usize = 16;
const CHECKSUM: usize = 2;

/// The most bytes of user data in a frame, its length with them, and usual lengths of frames of
/// masters and outstations.
const MOST_USER_DATA: usize = 250;
const LONGEST: u32 = 292;
const USUAL: [u32; 2] = [18, 27];

/// Frames that are as long as the first; later ones are the longest, so that a segment of any
/// length holds few.
const EXCHANGES: u32 = 64;

/// Start of a frame, and the part of its length that counts the header.
const START: [u8; 2] = [0x05, 0x64];
const COUNTED_HEADER: usize = 5;

/// Control of the link: unconfirmed user data, of masters and outstations.
const CONTROL: [u8; 2] = [0xc4, 0x44];

/// A first and final fragment, of transport and application.
const WHOLE: u8 = 0xc0;

/// Functions.
const READ: u8 = 1;
const WRITE: u8 = 2;
const RESPONSE: u8 = 0x81;

/// All points of a class: group 60, whose variation is the class and 1, and a qualifier.
const CLASSES: u8 = 4;
const CLASS_LEN: usize = 3;

/// A text: group 110, whose variation is the length, and a range of one point.
const TEXT_START: usize = 5;

/// Indexes of what is drawn from a seed.
mod draw {
    pub(super) const ADDRESS: u64 = 64;
    pub(super) const TEXT: u64 = 65;
}

/// Length of the user data in a frame of this length, if there are such frames.
fn user_data_len(frame: usize) -> Option<usize> {
    let left = frame.checked_sub(HEADER)?;
    let blocks = left.div_ceil(BLOCK + CHECKSUM);
    let len = left.checked_sub(blocks * CHECKSUM)?;
    ((1..=MOST_USER_DATA).contains(&len) && len.div_ceil(BLOCK) == blocks).then_some(len)
}

fn messages(side: &Side) -> Messages {
    let first = match user_data(side, side.first, 0) {
        Some(_) => side.first,
        None => USUAL[usize::from(!side.is_client)],
    };
    Messages {
        opening: [(EXCHANGES, first), (0, 0), (0, 0), (0, 0)],
        rest: LONGEST,
    }
}

/// The user data of a frame of this length: headers of transport and application, and objects.
fn user_data(side: &Side, frame: u32, number: u32) -> Option<Vec<u8>> {
    let sequence = WHOLE | (number % 16) as u8;
    let len = user_data_len(frame as usize)?;
    let mut data = vec![sequence, sequence];
    let objects = len.checked_sub(data.len() + 1)?;
    if side.is_client
        && objects.is_multiple_of(CLASS_LEN)
        && (1..=CLASSES.into()).contains(&(objects / CLASS_LEN))
    {
        const GROUP: u8 = 60;
        const ALL: u8 = 6;
        data.push(READ);
        // Events first.
        let classes = (1..=CLASSES).map(|class| class % CLASSES + 1);
        let classes = classes.take(objects / CLASS_LEN);
        data.extend(classes.flat_map(|class| [GROUP, class, ALL]));
        return Some(data);
    }
    if side.is_client {
        data.push(WRITE);
    } else {
        data.extend_from_slice(&[RESPONSE, 0, 0]);
    }
    if data.len() < len {
        const GROUP: u8 = 110;
        let text = len.checked_sub(data.len() + TEXT_START)?;
        let variation = u8::try_from(text).ok().filter(|&text| text > 0)?;
        data.extend_from_slice(&[GROUP, variation, 0, 0, 0]);
        side.flow.put_letters(draw::TEXT, text, &mut data);
    }
    (data.len() == len && (!side.is_client || len > 3)).then_some(data)
}

fn write(side: &Side, message: Message, out: &mut Vec<u8>) -> bool {
    let Some(data) = user_data(side, message.len, message.number) else {
        return false;
    };
    let from = out.len();
    out.extend_from_slice(&START);
    out.push((COUNTED_HEADER + data.len()) as u8);
    out.push(CONTROL[usize::from(!side.is_client)]);
    let [master, outstation] =
        [side.client, side.server].map(|host| 1 + host.draw(draw::ADDRESS) as u16 % 1024);
    let [destination, source] = if side.is_client {
        [outstation, master]
    } else {
        [master, outstation]
    };
    out.extend_from_slice(&destination.to_le_bytes());
    out.extend_from_slice(&source.to_le_bytes());
    let checksum = checksum(&out[from..]);
    out.extend_from_slice(&checksum);
    for block in data.chunks(BLOCK) {
        out.extend_from_slice(block);
        out.extend_from_slice(&self::checksum(block));
    }
    true
}

/// The checksum of DNP3: the polynomial 0x3d65, reflected.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let sum = bytes.iter().fold(0, |sum: u16, &byte| {
        (0..8).fold(sum ^ u16::from(byte), |sum, _| {
            sum >> 1 ^ if sum & 1 == 1 { 0xa6bc } else { 0 }
        })
    });
    (!sum).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::Seed;
    use super::*;

    #[test]
    fn test_usual_frames_are_possible() {
        for (is_client, usual) in [true, false].into_iter().zip(USUAL) {
            let side = Side {
                is_client,
                service: "dnp3",
                flow: Seed(0),
                client: Seed(1),
                server: Seed(2),
                address: None,
                first: usual,
                peer_first: 0,
                later: [0; 3],
                before_peer: 0,
            };
            for len in [usual, LONGEST] {
                let mut out = Vec::new();
                assert!(write(&side, Message { number: 0, len }, &mut out));
                assert_eq!(out.len(), len as usize);
            }
        }
    }

    /// A frame that resets a link.
    #[test]
    fn test_checksum_of_a_header() {
        let header = [START[0], START[1], 0x05, 0xc0, 0x01, 0x00, 0x00, 0x04];
        assert_eq!(checksum(&header), [0xe9, 0x21]);
    }
}
