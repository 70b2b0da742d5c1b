//! TraceCodec's symbolic path: from captures to packet actions, and back to captures that analysers
//! read without complaint.
//!
//! A *packet action* says what an endpoint did at one step, without what the protocol then
//! dictates. [`lift`] reads actions from a capture; [`compile`] turns them into packets between
//! synthetic endpoints. Nothing here is learned or random: the same input and configuration give
//! the same bytes.
//!
//! ```
//! use tracecodec::action::{ActionSchema, Control, OptionProfiles};
//! use tracecodec::compile::{CompileConfig, Compiler};
//! use tracecodec::lift::Lifter;
//! use tracecodec::pcap::{LinkType, Packet, Timestamp};
//!
//! // A SYN from 192.0.2.1 to port 443 of 198.51.100.7: an IPv4 header, then a TCP header.
//! let bytes = [
//!     0x45, 0, 0, 40, 0, 1, 0x40, 0, 57, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7,
//!     0xc7, 0x38, 0x01, 0xbb, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x02, 0xfa, 0xf0, 0, 0, 0, 0,
//! ];
//! let capture = [Packet {
//!     time: Timestamp::new(1_700_000_000, 0),
//!     link: LinkType::RAW,
//!     wire_len: 40,
//!     data: &bytes,
//!     ..Packet::default()
//! }];
//!
//! let schema = ActionSchema::default();
//! let mut lifter = Lifter::new(schema, 65_536, OptionProfiles::new());
//! let mut compiler = Compiler::new(CompileConfig::default(), capture[0].time);
//! for packet in &capture {
//!     let action = lifter.lift(packet).expect("TCP over IPv4 is in scope");
//!     assert_eq!((action.tcp_ctrl, action.tcp_win, action.ttl_res), (Control::Syn, 64_240, 57));
//!
//!     // The same step between synthetic endpoints, in an Ethernet frame.
//!     let synthetic = compiler.compile(&action, lifter.profiles());
//!     assert_eq!(synthetic.time, packet.time);
//!     assert_eq!(synthetic.data[26..30], [10, 15, 122, 235]);
//! }
//! ```
//!
//! # The map
//!
//! Folders are stages of the data flow. A stage uses only stages above it, which `tests/arrows.rs`
//! checks.
//!
//! ```text
//! error (what cannot be read, understood or written), choice (enums chosen by name): use nothing
//!  │
//! action (the schema as data)                          output (files that appear whole)
//!  │  service (what well-known ports mean, as data)     │
//!  ├─ tcp (SeqNumber, automaton, references, events)   pcap (Reader, Writer, Packet, Timestamp ns)
//!  │   │                                                ├─ select (filters, times, counts)
//!  │   └──────── wire (Headers: where IP starts, what they say; tunnels) ──────┐
//!  │              ├─ check (parse cleanliness: what analysers would reject)      │
//!  │              ├─ raw (captures → rows of header fields → captures)           │
//!  │              │                                                            │
//!  │             flow (FlowKey, FlowTable, Conversations, the session rule)    │
//!  │              │                                                            │
//!  └── captures → lift → actions                           actions → compile → captures
//!                  │   └────────── oracle (lift, then compile; the proof) ─────┘
//!                  │
//!                 artifact (Parquet actions, JSON manifests)
//!                  │
//!                  ├─ conn (captures → a record a session, as Zeek's conn.log)
//!                  │
//!                  ├─ metrics (captures → summaries → evaluations; never sees an action)
//!                  ├─ audit (captures → what of one survives in another)
//!                  │
//!                 shard (captures → session-preserving shards)
//! ```
//!
//! [`lift`] and [`compile`] do not use each other: what both need lives once, in [`tcp`] and
//! [`action`]. `docs/formats.md` describes the formats, `docs/models.md` the learned parts.

pub mod action;
pub mod artifact;
pub mod audit;
pub mod check;
pub mod choice;
pub mod compile;
pub mod conn;
pub mod error;
pub mod flow;
pub mod lift;
pub mod metrics;
pub mod oracle;
pub mod output;
pub mod pcap;
pub mod raw;
pub mod select;
pub mod service;
pub mod shard;
pub mod tcp;
pub mod wire;

pub use error::Error;
