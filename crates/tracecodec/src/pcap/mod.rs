//! Captures: reading and writing packets in every kind of capture file.
//!
//! A [`Reader`] takes classic pcap and pcapng, plain or compressed, and returns one [`Packet`]
//! after another; a [`Writer`] is its mirror. Neither looks inside a packet.
//!
//! ```no_run
//! use tracecodec::pcap::{Format, Reader, Writer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reader = Reader::open("in.pcapng.zst")?;
//! let mut writer = Writer::create("out.pcap", Format::of_path("out.pcap"))?;
//! while let Some(packet) = reader.next() {
//!     writer.write(&packet?)?;
//! }
//! writer.finish()?;
//! # Ok(())
//! # }
//! ```

mod classic;
mod endian;
mod foreign;
mod format;
mod label;
mod link;
mod ng;
mod notes;
mod packet;
mod reader;
mod source;
#[cfg(test)]
mod testing;
mod timestamp;
mod writer;

pub use foreign::{SAFETENSORS, file_kind};
pub use format::{Compression, Container, Format, Precision};
pub use label::Label;
pub use link::{LINK_TYPES, LinkType};
pub use notes::{InterfaceNote, Notes};
pub use packet::{Packet, PacketBuf};
pub use reader::Reader;
pub use source::decompress;
pub use timestamp::{Steps, Timestamp};
pub use writer::{PcapNgEncoder, Writer};

/// Longest packet that tcpdump, Wireshark and this writer's file headers expect (libpcap's
/// `MAXIMUM_SNAPLEN`).
const MAX_SNAPLEN: u32 = 262_144;

/// Longest packet that is read or written at all (libpcap's limit for D-Bus and USB, its largest).
const MAX_DATA: u32 = 128 << 20;

/// Where one packet's record or block lies in the buffer, and what its header says.
#[derive(Debug, Clone)]
struct Record {
    time: Timestamp,
    link: LinkType,
    wire_len: u32,
    /// The packet's bytes, counted from the record's first byte.
    data: std::ops::Range<usize>,
    /// Bytes of the whole record.
    len: usize,
    /// The packet's first comment, counted like the data.
    comment: std::ops::Range<usize>,
    /// Number of the interface in its section.
    interface: usize,
}
