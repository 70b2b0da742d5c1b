//! What the tests of this module share.

use std::io::Cursor;

use super::endian::Endian;
use super::{LinkType, Packet, ReadError, Reader, Timestamp};

/// A packet that outlives the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) time: Timestamp,
    pub(super) link: LinkType,
    pub(super) wire_len: u32,
    pub(super) data: Vec<u8>,
}

impl Owned {
    pub(super) fn borrow(&self) -> Packet<'_> {
        Packet {
            time: self.time,
            link: self.link,
            wire_len: self.wire_len,
            data: &self.data,
        }
    }
}

/// Everything that a reader gives.
pub(super) fn drain(reader: Result<Reader, ReadError>) -> (Vec<Owned>, Option<ReadError>) {
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut packets = Vec::new();
    while let Some(packet) = reader.next() {
        match packet {
            Ok(packet) => packets.push(Owned {
                time: packet.time,
                link: packet.link,
                wire_len: packet.wire_len,
                data: packet.data.to_vec(),
            }),
            Err(error) => {
                assert!(reader.next().is_none(), "an error is the last item");
                return (packets, Some(error));
            }
        }
    }
    assert!(reader.next().is_none(), "the end stays the end");
    (packets, None)
}

/// Everything that a capture of these bytes gives.
pub(super) fn read(bytes: Vec<u8>) -> (Vec<Owned>, Option<ReadError>) {
    drain(Reader::new(Cursor::new(bytes)))
}

/// A file made by hand.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Bytes {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn u16(self, endian: Endian, value: u16) -> Self {
        match endian {
            Endian::Little => self.raw(&value.to_le_bytes()),
            Endian::Big => self.raw(&value.to_be_bytes()),
        }
    }

    pub(super) fn u32(self, endian: Endian, value: u32) -> Self {
        match endian {
            Endian::Little => self.raw(&value.to_le_bytes()),
            Endian::Big => self.raw(&value.to_be_bytes()),
        }
    }

    pub(super) fn padded(mut self) -> Self {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}
