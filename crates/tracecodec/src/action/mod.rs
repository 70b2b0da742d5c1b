//! The packet action: what an endpoint did at one packet step, without what the protocol then
//! dictates (the paper, section 3.2 and Table 2).
//!
//! An [`Action`] is a plain record; [`schema`] describes it once, as data. The model's fields, the
//! Parquet columns and the format document derive from that table.

pub mod context;
pub mod float;
mod host;
pub(crate) mod mptcp;
pub mod options;
pub mod schema;
mod settings;

use serde::{Deserialize, Serialize};

pub use host::{Group, HostKind};
pub use options::{OptionLayout, OptionProfiles, TcpOption};
pub use settings::{ActionSchema, Hosts, PAPER_SCHEMA, SCHEMA_VERSION, Services};

/// `flow_evt`: whether the packet continues the flow in its slot or starts a new flow, and so a new
/// generation of the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum FlowEvent {
    /// The packet continues the flow in the slot.
    #[default]
    Continue = 0,
    /// A flow with another five-tuple takes the slot.
    Open = 1,
    /// A SYN with another initial sequence number starts a new flow under the five-tuple in the
    /// slot. `dir` is relative to the old flow's opener; the sender is the opener from now on.
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
    /// Counts a packet of this protocol.
    pub fn add(&mut self, proto: Proto) {
        match proto {
            Proto::Tcp => self.tcp += 1,
            Proto::Udp => self.udp += 1,
            Proto::Icmp => self.icmp += 1,
            Proto::Other => self.other += 1,
        }
    }

    /// Number of all packets.
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

/// `ip_family`: the version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Family {
    /// IPv4 (RFC 791).
    #[default]
    V4 = 0,
    /// IPv6 (RFC 8200).
    V6 = 1,
}

/// `dir`: which endpoint sent the packet, relative to the endpoint that opened the flow.
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

/// `tcp_ctrl`: the coarse TCP event, by the SYN, FIN and RST bits, with SYN and SYN+ACK as
/// different events.
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
    /// The peer has sent nothing yet, and nothing from it was acknowledged: this number sets its
    /// base.
    PeerUnseen = 1,
    /// The field is 0 on the wire.
    Zero = 2,
}

/// `tcp_seq_delta_sign`: where the sequence number lies relative to the sender's next expected
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SeqReference {
    /// The sequence number is the expected number, or `tcp_seq_delta` after it.
    #[default]
    Forward = 0,
    /// The sequence number is `tcp_seq_delta` before the expected number.
    Backward = 1,
    /// The direction starts at number 0 on the wire, which analysers read as "unset".
    Zero = 2,
}

/// `ip_id`: how the sender of a packet chooses IPv4 identifications, from this packet on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Identification {
    /// As before. At the first packet of a direction: by one counter of the flow, from 0.
    #[default]
    AsBefore = 0,
    /// Always 0, as RFC 6864 allows if a packet must not be fragmented.
    Zero = 1,
    /// By a counter of the flow's direction that starts at 0.
    FromZero = 2,
    /// By a counter of the flow's direction that starts at another number.
    ByFlow = 3,
    /// By one counter of the host for all its flows.
    ByHost = 4,
    /// By no counter.
    Random = 5,
}

/// `icmp_quote`: the packet that an ICMP error quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Quote {
    /// A packet of no live flow, or of no flow that can be identified.
    #[default]
    Unknown = 0,
    /// A packet from the opener of a live flow.
    Orig = 1,
    /// A packet to the opener of a live flow.
    Resp = 2,
}

/// One timed packet action. Fields that [`schema`] calls inactive in the packet are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Action {
    /// Slot of the flow, among the open flows (`flow_token`).
    pub flow_token: u32,
    /// Whether the packet opens, reopens or continues the flow in the slot.
    pub flow_evt: FlowEvent,
    /// Protocol path.
    pub proto: Proto,
    /// IP family.
    pub ip_family: Family,
    /// Direction relative to the flow's opener.
    pub dir: Direction,
    /// Coarse TCP event.
    pub tcp_ctrl: Control,
    /// The other TCP flags; see [`flags`](crate::tcp::flags).
    pub tcp_flag_bits: u16,
    /// Index into the [`OptionProfiles`].
    pub tcp_opt_profile: u16,
    /// Receive window as on the wire, unscaled.
    pub tcp_win: u16,
    /// What the acknowledgment number refers to.
    pub tcp_ack_unseen: AckReference,
    /// The peer's next expected sequence number minus the acknowledgment number, modulo 2^32.
    pub tcp_ack_adv: u32,
    /// Whether the sequence number lies before or after the sender's next expected number.
    pub tcp_seq_delta_sign: SeqReference,
    /// Distance from the sender's next expected number, in sequence numbers.
    pub tcp_seq_delta: u32,
    /// Time to live (IPv4) or hop limit (IPv6) as seen at the tap.
    pub ttl_res: u8,
    /// DSCP and ECN: the IPv4 type of service or IPv6 traffic class byte.
    pub ip_tos: u8,
    /// IP protocol number of a [`Proto::Other`] packet.
    pub ip_proto: u8,
    /// IPv4 options or IPv6 extension headers, in units of four bytes.
    pub ip_ext: u8,
    /// Whether the IPv4 flag "don't fragment" is clear.
    pub ip_df_clear: bool,
    /// How the sender chooses IPv4 identifications from now on.
    pub ip_id: Identification,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// The packet that an ICMP error quotes.
    pub icmp_quote: Quote,
    /// Slot of the flow that an ICMP error quotes.
    pub icmp_quote_token: u32,
    /// MTU of the next hop, pointer, or 1 plus the host slot of a gateway, by the ICMP type.
    pub icmp_param: u16,
    /// Bytes after the TCP header, after the 8 bytes of a UDP or ICMP header, or after the IP
    /// header of an OTHER packet.
    pub l4_payload_len: u32,
    /// Which ends of a new flow are hosts not met before: 1 the opener, 2 the responder, 3 both.
    pub host_evt: u8,
    /// Slot of the opener's address among the hosts.
    pub orig_host: u16,
    /// Slot of the responder's address among the hosts.
    pub resp_host: u16,
    /// Kind of the opener's address, if the host was not met before.
    pub orig_kind: HostKind,
    /// Kind of the responder's address, if the host was not met before.
    pub resp_kind: HostKind,
    /// Row of the opener's port in the table of services; 0 if it has none.
    pub orig_service: u8,
    /// Row of the responder's port in the table of services; 0 if it has none.
    pub resp_service: u8,
    /// Number of the responder's port among the host's ports without a service.
    pub resp_port: u16,
    /// Whether the opener sends from the port of the latest flow that it opened.
    pub orig_port_kept: bool,
    /// Local flow context; an input of the encoder that the compiler ignores.
    pub context: context::Context,
    /// Time since the previous packet of the sequence, in nanoseconds; negative if the capture
    /// steps back.
    pub delta_t: i64,
}

impl Action {
    /// The action without what a schema does not keep.
    pub fn kept(mut self, schema: ActionSchema) -> Self {
        if schema.version == PAPER_SCHEMA {
            (self.ip_df_clear, self.ip_id) = Default::default();
            (self.icmp_quote, self.icmp_quote_token, self.icmp_param) = Default::default();
            (self.orig_kind, self.resp_kind) = Default::default();
            self.l4_payload_len = self.l4_payload_len.min(schema.max_payload());
        }
        if schema.hosts == Hosts::Flow {
            (self.host_evt, self.orig_host, self.resp_host) = Default::default();
            self.orig_kind = self.orig_kind.without_scope();
            self.resp_kind = self.resp_kind.without_scope();
        }
        if schema.services == Services::None {
            (self.orig_service, self.resp_service) = Default::default();
        }
        if schema.hosts == Hosts::Flow || schema.services == Services::None {
            (self.resp_port, self.orig_port_kept) = Default::default();
        }
        self
    }

    /// The sender's role in the flow after the packet. An endpoint that reopens a flow is then its
    /// opener.
    pub fn role(&self) -> Direction {
        match self.flow_evt {
            FlowEvent::Reopen => Direction::Orig,
            FlowEvent::Continue | FlowEvent::Open => self.dir,
        }
    }
}
