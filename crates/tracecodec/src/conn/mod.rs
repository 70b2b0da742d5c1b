//! Sessions as records: what Zeek's `conn.log` says of each connection, from the headers alone.
//!
//! What one session is comes from [`flow::session`](crate::flow::session); states, histories and
//! byte counts follow Zeek's documentation. Differences: a session ends by our rule, the service is
//! that of the responder's port and not found in payload, and checksums are not judged.

mod column;
mod community_id;
mod endpoint;
mod exchange;
mod history;
mod tracker;
mod writer;

use std::net::IpAddr;

pub use column::{COLUMNS, Column, Kind, Value};
pub use community_id::community_id;
pub(crate) use exchange::Exchange;
pub use tracker::ConnTracker;
pub use writer::{ConnFormat, ConnWriter};

use crate::action::Proto;
use crate::pcap::Timestamp;
use crate::service::Service;

/// The record of one session, a row of the output. Pairs are of the originator, then of the
/// responder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnRecord {
    /// Time of the first packet.
    pub start: Timestamp,
    /// Identifier of the session: a hash of its start, its number and its endpoints.
    pub uid: String,
    /// Addresses and ports. ICMP has its type and its code or counterpart in their place, other
    /// protocols have 0.
    pub endpoints: [(IpAddr, u16); 2],
    /// Protocol.
    pub proto: Proto,
    /// IP protocol number.
    pub ip_proto: u8,
    /// Service of the responder's port.
    pub service: Option<Service>,
    /// Nanoseconds from the first packet to the last; of TCP, to the last before both sides had
    /// closed.
    pub duration: i64,
    /// Payload bytes; of TCP, by the sequence numbers.
    pub payload_bytes: [u64; 2],
    /// State at the end.
    pub state: ConnState,
    /// Payload bytes that were acknowledged and not captured.
    pub missed_bytes: u64,
    /// What happened, a letter each.
    pub history: String,
    /// Packets.
    pub packets: [u64; 2],
    /// Bytes of the IP packets.
    pub ip_bytes: [u64; 2],
    /// Community ID, version 1 with seed 0; `None` for SCTP, whose ports are not read.
    pub community_id: Option<String>,
}

/// `conn_state`: how a session began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnState {
    /// Connection attempt seen, no reply. Of UDP: only the originator sent.
    S0,
    /// Established, not terminated.
    S1,
    /// Normal establishment and termination. Of UDP: both sides sent.
    Sf,
    /// Connection attempt rejected.
    Rej,
    /// Established, and only the originator closed.
    S2,
    /// Established, and only the responder closed.
    S3,
    /// Established, and the originator sent a RST.
    Rsto,
    /// The responder sent a RST.
    Rstr,
    /// The originator sent a SYN and then a RST; no SYN+ACK was seen.
    Rstos0,
    /// The responder sent a SYN+ACK and then a RST; no SYN was seen.
    Rstrh,
    /// The originator sent a SYN and then a FIN; no SYN+ACK was seen.
    Sh,
    /// The responder sent a SYN+ACK and then a FIN; no SYN was seen.
    Shr,
    /// No SYN was seen, or the protocol is neither TCP nor UDP.
    Oth,
}

impl ConnState {
    /// The value of the field.
    pub fn name(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::Sf => "SF",
            Self::Rej => "REJ",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::Rsto => "RSTO",
            Self::Rstr => "RSTR",
            Self::Rstos0 => "RSTOS0",
            Self::Rstrh => "RSTRH",
            Self::Sh => "SH",
            Self::Shr => "SHR",
            Self::Oth => "OTH",
        }
    }
}
