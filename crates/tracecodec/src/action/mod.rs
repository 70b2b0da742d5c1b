//! The packet action: what an endpoint did at one packet step, and nothing that the protocol then dictates
//! (the paper, section 3.2 and Table 2).
//!
//! An [`Action`] is a plain record; [`schema`] describes it once, as data. The model's tokens, the Parquet columns
//! and the format document derive from that table.

pub mod context;
pub mod float;
pub mod options;
pub mod schema;

use serde::{Deserialize, Serialize};

pub use options::{OptionLayout, OptionProfiles, TcpOption};

/// Version of the schema. Every artifact that holds actions, or weights trained on them, carries it.
pub const SCHEMA_VERSION: u32 = 1;

/// `flow_evt`: whether the packet continues the flow in its slot or starts a new one, a new generation of the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum FlowEvent {
    /// The flow in the slot goes on.
    #[default]
    Continue = 0,
    /// A flow with a five-tuple of its own takes the slot.
    Open = 1,
    /// A SYN with another initial sequence number starts a new flow under the five-tuple in the slot. `dir` tells which
    /// endpoint of the old flow sent it; that endpoint is the opener from here on.
    Reopen = 2,
}

/// `proto`: the protocol path of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Proto {
    /// TCP (RFC 9293).
    #[default]
    Tcp = 0,
    /// UDP (RFC 768).
    Udp = 1,
    /// ICMP (RFC 792) over IPv4, ICMPv6 (RFC 4443) over IPv6.
    Icmp = 2,
    /// Any other IP protocol; its number is in `ip_proto`.
    Other = 3,
}

/// Packets by protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProtocolMix {
    /// TCP.
    pub tcp: u64,
    /// UDP.
    pub udp: u64,
    /// ICMP and ICMPv6.
    pub icmp: u64,
    /// Any other IP protocol.
    pub other: u64,
}

impl ProtocolMix {
    /// Counts a packet.
    pub fn add(&mut self, proto: Proto) {
        match proto {
            Proto::Tcp => self.tcp += 1,
            Proto::Udp => self.udp += 1,
            Proto::Icmp => self.icmp += 1,
            Proto::Other => self.other += 1,
        }
    }

    /// All packets.
    pub fn total(&self) -> u64 {
        self.tcp + self.udp + self.icmp + self.other
    }

    /// Adds another mix.
    pub fn merge(&mut self, more: &Self) {
        self.tcp += more.tcp;
        self.udp += more.udp;
        self.icmp += more.icmp;
        self.other += more.other;
    }
}

/// `ip_family`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Family {
    /// IPv4 (RFC 791).
    #[default]
    V4 = 0,
    /// IPv6 (RFC 8200).
    V6 = 1,
}

/// `dir`: which endpoint sent the packet, relative to the one that opened the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Direction {
    /// From the flow's opener.
    #[default]
    Orig = 0,
    /// To the flow's opener.
    Resp = 1,
}

impl Direction {
    /// The other direction.
    pub fn reverse(self) -> Self {
        match self {
            Direction::Orig => Direction::Resp,
            Direction::Resp => Direction::Orig,
        }
    }
}

/// `tcp_ctrl`: the coarse TCP event, from the SYN, FIN and RST bits; SYN and SYN+ACK are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Control {
    /// None of SYN, FIN, RST: data or a pure acknowledgment.
    #[default]
    Ack = 0,
    /// SYN without ACK.
    Syn = 1,
    /// SYN and ACK.
    SynAck = 2,
    /// FIN.
    Fin = 3,
    /// RST.
    Rst = 4,
    /// SYN and FIN (seen in scans).
    SynFin = 5,
    /// SYN and RST.
    SynRst = 6,
    /// FIN and RST.
    FinRst = 7,
    /// SYN, FIN and RST.
    SynFinRst = 8,
}

/// `tcp_ack_unseen`: what the acknowledgment number refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum AckReference {
    /// The peer's next expected sequence number, less `tcp_ack_adv`.
    #[default]
    PeerNext = 0,
    /// The peer has sent nothing yet and nothing of it was acknowledged: this number sets its base.
    PeerUnseen = 1,
    /// The field is 0 on the wire.
    Zero = 2,
}

/// `tcp_seq_delta_sign`: where the sequence number lies relative to the sender's next expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SeqReference {
    /// At it, or `tcp_seq_delta` after it.
    #[default]
    Forward = 0,
    /// `tcp_seq_delta` before it.
    Backward = 1,
    /// The direction starts at the number 0 on the wire, which analysers read as "unset".
    Zero = 2,
}

/// One timed packet action. Fields that [`schema`] calls inactive for the packet's `proto` are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Action {
    /// Slot of the flow among those that are open (`flow_token`).
    pub flow_token: u16,
    /// Opens the slot or continues it.
    pub flow_evt: FlowEvent,
    /// Protocol path.
    pub proto: Proto,
    /// IP family.
    pub ip_family: Family,
    /// Relative to the flow's opener.
    pub dir: Direction,
    /// Coarse TCP event.
    pub tcp_ctrl: Control,
    /// The other TCP flags, see [`flags`](crate::tcp::flags).
    pub tcp_flag_bits: u16,
    /// Index into the [`OptionProfiles`].
    pub tcp_opt_profile: u16,
    /// Receive window as on the wire, unscaled.
    pub tcp_win: u16,
    /// What the acknowledgment number refers to.
    pub tcp_ack_unseen: AckReference,
    /// The peer's next expected sequence number minus the acknowledgment number, modulo 2^32.
    pub tcp_ack_adv: u32,
    /// On which side of the sender's next expected number the sequence number lies.
    pub tcp_seq_delta_sign: SeqReference,
    /// How far from it, in sequence numbers.
    pub tcp_seq_delta: u32,
    /// Time to live (IPv4) or hop limit (IPv6) that is left at the tap.
    pub ttl_res: u8,
    /// DSCP and ECN: the IPv4 type of service or IPv6 traffic class byte.
    pub ip_tos: u8,
    /// IP protocol number of a [`Proto::Other`] packet.
    pub ip_proto: u8,
    /// IPv4 options or IPv6 extension headers, in units of four bytes.
    pub ip_ext: u8,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// Bytes after the TCP header, after the 8 bytes of UDP or ICMP header, or after the IP header of an OTHER packet.
    pub l4_payload_len: u16,
    /// Local flow context; an input of the encoder that the compiler ignores.
    pub context: context::Context,
    /// Time since the previous packet of the sequence, in nanoseconds; negative where the capture steps back.
    pub delta_t: i64,
}

impl Action {
    /// Who sent the packet in the flow as it is after it: who reopens a flow is its opener from there on.
    pub fn role(&self) -> Direction {
        match self.flow_evt {
            FlowEvent::Reopen => Direction::Orig,
            FlowEvent::Continue | FlowEvent::Open => self.dir,
        }
    }
}
