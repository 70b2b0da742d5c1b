//! Helpers of this module's tests.

use std::io::Cursor;

use super::endian::Endian;
use super::{PacketBuf, Reader};
use crate::error::{CaptureFault, Error};

/// Everything that a reader returns: its packets, and its error if there is one.
pub(super) fn drain(reader: Result<Reader, Error>) -> (Vec<PacketBuf>, Option<Error>) {
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut packets = Vec::new();
    while let Some(packet) = reader.next() {
        match packet {
            Ok(packet) => packets.push(PacketBuf::from(&packet)),
            Err(error) => {
                assert!(reader.next().is_none(), "an error is the last item");
                return (packets, Some(error));
            }
        }
    }
    assert!(reader.next().is_none(), "the end stays the end");
    (packets, None)
}

/// Everything that a reader of a capture with these bytes returns.
pub(super) fn read(bytes: Vec<u8>) -> (Vec<PacketBuf>, Option<Error>) {
    drain(Reader::new(Cursor::new(bytes)))
}

/// The fault in a capture's error.
pub(super) fn fault(error: Error) -> CaptureFault {
    match error {
        Error::Capture { fault, .. } => fault,
        error => panic!("{error}"),
    }
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
