//! A captured packet, borrowed from a buffer or with bytes of its own.

use super::{LinkType, Timestamp};

/// One captured packet, whose bytes lie in the reader's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packet<'a> {
    /// When it was captured; 0 if the file does not say (pcapng's Simple Packet Blocks).
    pub time: Timestamp,
    /// Link type: what the first byte is the start of.
    pub link: LinkType,
    /// Bytes that were on the wire; more than `data` holds if the capture has a snap length.
    pub wire_len: u32,
    /// The bytes that were captured.
    pub data: &'a [u8],
    /// The packet's first comment; empty if it has none. Classic pcap has none.
    pub comment: &'a str,
    /// Name of the interface that captured it; empty if the file does not say, as in classic pcap.
    pub interface: &'a str,
}

/// A captured packet that owns its bytes: a [`Packet`] that outlives the reader's buffer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketBuf {
    /// When it was captured.
    pub time: Timestamp,
    /// Link type: what the first byte is the start of.
    pub link: LinkType,
    /// Bytes that were on the wire.
    pub wire_len: u32,
    /// The bytes that were captured.
    pub data: Vec<u8>,
    /// The packet's first comment; empty if it has none.
    pub comment: String,
    /// Name of the interface that captured it; empty if the file does not say.
    pub interface: String,
}

impl PacketBuf {
    /// The packet, its bytes borrowed.
    pub fn as_packet(&self) -> Packet<'_> {
        Packet {
            time: self.time,
            link: self.link,
            wire_len: self.wire_len,
            data: &self.data,
            comment: &self.comment,
            interface: &self.interface,
        }
    }
}

impl From<&Packet<'_>> for PacketBuf {
    fn from(packet: &Packet<'_>) -> Self {
        Self {
            time: packet.time,
            link: packet.link,
            wire_len: packet.wire_len,
            data: packet.data.to_vec(),
            comment: packet.comment.to_string(),
            interface: packet.interface.to_string(),
        }
    }
}
