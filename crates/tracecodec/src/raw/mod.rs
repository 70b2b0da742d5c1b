//! The raw packet table: concrete header fields, one row a packet, and the renderer that turns rows
//! into packets (the paper, Appendix C). Codecs of generic tables are measured on it.
//!
//! A row describes its packet alone, so nothing here uses flows, connections or the compiler. A row
//! is rendered as it is, or it is invalid and counted; no state repairs it.
//!
//! ```
//! use tracecodec::pcap::{LinkType, Packet, Timestamp};
//! use tracecodec::raw::{Payload, Renderer, RowReader};
//!
//! // A SYN from 192.0.2.1 to port 443 of 198.51.100.7: an IPv4 header, then a TCP header.
//! let bytes = [
//!     0x45, 0, 0, 40, 0, 1, 0x40, 0, 57, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7,
//!     0xc7, 0x38, 0x01, 0xbb, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x02, 0xfa, 0xf0, 0, 0, 0, 0,
//! ];
//! let time = Timestamp::new(1_700_000_000, 0);
//! let (link, data) = (LinkType::RAW, &bytes);
//! let packet = Packet { time, link, wire_len: 40, data, ..Packet::default() };
//!
//! let mut reader = RowReader::default();
//! let row = reader.read(&packet).expect("TCP over IPv4 is in scope");
//! assert_eq!((row.tcp_dport, row.tcp_seq, row.ttl), (443, 0x01020304, 57));
//!
//! let mut renderer = Renderer::new(Payload::Zeros, time);
//! let rendered = renderer.render(&row, reader.profiles()).expect("a row of a packet is valid");
//! assert_eq!(rendered.data[26..30], [192, 0, 2, 1]);
//! ```

mod bits;
mod contract;
mod diagnostics;
mod oracle;
mod render;
mod schema;
mod table;
mod vocabulary;

pub use bits::{BITS, Bit, BitRow, HeaderSegment, SEGMENTS};
pub use contract::{Candidate, Category, CellFault, InvalidRow, InvalidRows, Reason};
pub use diagnostics::{Deviations, Diagnostics, Matches};
pub use oracle::RawOracle;
pub use render::{Payload, Renderer};
pub use schema::{
    Active, CATEGORICAL, COLUMNS, Column, ColumnKind, NUMERIC, RawRow, Schema, Value, categorical,
    numeric,
};
pub use table::{RowCounts, RowReader};
pub use vocabulary::{ColumnVocabulary, ValueCounts, Vocabularies, VocabularyPolicy};
