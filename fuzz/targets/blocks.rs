//! Bytes as the blocks of a pcapng capture whose lengths are right, so that what lies in blocks is
//! reached: reading it ends, packets lie within their blocks, and labels are read from comments.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tracecodec::pcap::{Label, Reader};
use tracecodec::wire;

/// Types of blocks that are read, and one that is not known.
const KINDS: [u32; 8] = [1, 6, 6, 3, 2, 0x0a0d_0d0a, 4, 0xbad];

/// Body of a Section Header Block: byte-order magic, version 1.0, unknown length.
const SECTION: [u8; 16] = [
    0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let len = (12 + padded as u32).to_le_bytes();
    let padding = &[0; 3][..padded - body.len()];
    [&kind.to_le_bytes(), &len, body, padding, &len].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let mut capture = block(KINDS[5], &SECTION);
    let mut rest = bytes;
    while let Some((&[kind, len], tail)) = rest.split_first_chunk() {
        let (body, tail) = tail.split_at(usize::from(len).min(tail.len()));
        rest = tail;
        let kind = KINDS[usize::from(kind % 8)];
        match kind {
            0x0a0d_0d0a => capture.extend(block(kind, &[&SECTION, body].concat())),
            kind => capture.extend(block(kind, body)),
        }
    }
    let len = capture.len();
    let Ok(mut reader) = Reader::new(Cursor::new(capture)) else {
        return;
    };
    while let Some(Ok(packet)) = reader.next() {
        assert!(packet.data.len() + packet.comment.len() < len);
        if let Some(label) = Label::of_comment(packet.comment) {
            assert_eq!(Label::of_comment(&label.to_string()), Some(label));
        }
        let _ = wire::parse(&packet);
    }
    assert!(reader.next().is_none());
    assert!(reader.offset() <= len as u64);
});
