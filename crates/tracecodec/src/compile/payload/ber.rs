//! Elements of BER (X.690), written from outside to inside: how many bytes an element takes is
//! known, and what is left for its content follows.

/// Tags of universal types.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// The first byte of a length that is told in so many further bytes.
const LONG: u8 = 0x80;

/// Length of tag and length of an element that takes `room` bytes. Where no length of content fits
/// the shortest form, a longer one is taken, which BER allows.
pub(super) fn header_len(room: usize) -> usize {
    match room {
        ..=0x81 => 2,
        0x82..=0x102 => 3,
        _ => 4,
    }
}

/// Starts an element that takes `room` bytes, at most 65,539; returns the length of its content.
pub(super) fn open(tag: u8, room: usize, out: &mut Vec<u8>) -> usize {
    let header = header_len(room);
    let len = room - header;
    let [.., high, low] = len.to_be_bytes();
    out.push(tag);
    match header {
        2 => out.push(low),
        3 => out.extend_from_slice(&[LONG | 1, low]),
        _ => out.extend_from_slice(&[LONG | 2, high, low]),
    }
    len
}

/// Starts an element that takes `room` bytes, with a length of four bytes.
pub(super) fn open_wide(tag: u8, room: usize, out: &mut Vec<u8>) -> usize {
    let len = room - 6;
    out.extend_from_slice(&[tag, LONG | 4]);
    out.extend_from_slice(&(len as u32).to_be_bytes());
    len
}

/// Writes an element of at most 65,535 bytes.
pub(super) fn put(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    let header = match content.len() {
        ..=0x7f => 2,
        0x80..=0xff => 3,
        _ => 4,
    };
    open(tag, header + content.len(), out);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_elements_take_their_room() {
        for room in (2..600).chain([65_538, 65_539]) {
            let mut out = Vec::new();
            let len = open(SEQUENCE, room, &mut out);
            assert_eq!(out.len() + len, room);
            let told = match out[1] {
                len if len & LONG == 0 => usize::from(len),
                _ => out[2..]
                    .iter()
                    .fold(0, |len, &byte| len << 8 | usize::from(byte)),
            };
            assert_eq!(told, len);
            out.clear();
            put(SEQUENCE, &vec![0; len], &mut out);
            assert!(out.len() <= room);
        }
    }
}
