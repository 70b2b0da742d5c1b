//! The action schema as one table of data: [`QUANTITIES`].
//!
//! A *quantity* is one value of the action (a Parquet column, a line of the format document). A
//! *field* is what the model reads and writes: a class of a small vocabulary, or one hexadecimal
//! digit of a wider quantity (`tcp_win` has the fields `tcp_win_d0` to `tcp_win_d3`, most
//! significant first). [`FIELDS`] lists the fields in the order of their quantities.

use std::sync::LazyLock;

use super::context::Context;
use super::{
    AckReference, Action, Control, Direction, Family, FlowEvent, HostKind, Identification,
    PAPER_SCHEMA, Proto, Quote, SeqReference,
};

/// The decoding stage of a field (the paper, section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Decoded from the latent alone.
    Coarse,
    /// TCP detail, decoded from the latent, the context and the coarse fields.
    Tcp,
    /// Packet detail, decoded from the latent, the context and the coarse fields.
    Packet,
    /// Hosts and services of a new flow, decoded from the latent alone.
    Opening,
    /// Flow-local context, decoded from the latent before the details.
    Context,
}

/// Packets for which a quantity has a meaning. For other packets it is 0, and no metric or loss
/// counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Active {
    /// Every packet.
    Always,
    /// TCP packets.
    Tcp,
    /// ICMP and ICMPv6 packets.
    Icmp,
    /// Packets of protocols other than TCP, UDP and ICMP.
    Other,
    /// Packets that open a slot for a new flow.
    Opening,
}

impl Active {
    /// Whether the quantity is active in a packet of this protocol and flow event.
    pub const fn covers(self, proto: Proto, event: FlowEvent) -> bool {
        matches!(
            (self, proto, event),
            (Active::Always, _, _)
                | (Active::Tcp, Proto::Tcp, _)
                | (Active::Icmp, Proto::Icmp, _)
                | (Active::Other, Proto::Other, _)
                | (Active::Opening, _, FlowEvent::Open)
        )
    }
}

/// How a quantity is split into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// One field with this number of values.
    Classes(u16),
    /// This number of hexadecimal digits, most significant first.
    Digits(u8),
}

impl Vocabulary {
    /// Number of fields.
    pub const fn fields(self) -> usize {
        match self {
            Vocabulary::Classes(_) => 1,
            Vocabulary::Digits(n) => n as usize,
        }
    }

    /// Number of values of one field.
    pub const fn size(self) -> u16 {
        match self {
            Vocabulary::Classes(n) => n,
            Vocabulary::Digits(_) => 16,
        }
    }

    /// Largest value of the whole quantity.
    pub const fn max(self) -> u32 {
        match self {
            Vocabulary::Classes(n) => n as u32 - 1,
            Vocabulary::Digits(8) => u32::MAX,
            Vocabulary::Digits(n) => (1 << (4 * n)) - 1,
        }
    }
}

/// One row of the schema.
pub struct Quantity {
    /// Name, the paper's if it has one.
    pub name: &'static str,
    /// Stage of the staged decoder that decodes the quantity.
    pub group: Group,
    /// How the quantity is split into fields.
    pub vocabulary: Vocabulary,
    /// How the paper's schema splits the quantity; `None` if it lacks the quantity.
    pub paper: Option<Vocabulary>,
    /// Packets for which the quantity has a meaning.
    pub active: Active,
    /// One line for the format document.
    pub doc: &'static str,
    /// Reads the value from an action.
    pub get: fn(&Action) -> u32,
    /// Writes a value into an action. A value must not exceed `vocabulary.max()`; larger ones
    /// saturate.
    pub set: fn(&mut Action, u32),
}

use Active::{Always, Icmp, Opening, Other, Tcp};
use Vocabulary::{Classes, Digits};

impl Quantity {
    /// How a version of the schema splits the quantity; `None` if that version lacks it.
    pub const fn vocabulary_in(&self, version: u32) -> Option<Vocabulary> {
        if version == PAPER_SCHEMA {
            self.paper
        } else {
            Some(self.vocabulary)
        }
    }

    /// Whether the quantity has a meaning in this packet.
    pub fn is_active(&self, action: &Action) -> bool {
        self.active.covers(action.proto, action.flow_evt)
    }
}

/// A quantity that the paper's schema has, with the same vocabulary.
const fn row(
    name: &'static str,
    group: Group,
    vocabulary: Vocabulary,
    active: Active,
    get: fn(&Action) -> u32,
    set: fn(&mut Action, u32),
    doc: &'static str,
) -> Quantity {
    Quantity {
        name,
        group,
        vocabulary,
        paper: Some(vocabulary),
        active,
        doc,
        get,
        set,
    }
}

/// A quantity that the paper's schema lacks, or has with another vocabulary.
const fn beyond(paper: Option<Vocabulary>, quantity: Quantity) -> Quantity {
    Quantity { paper, ..quantity }
}

/// The schema: every quantity of the action except the time, which is `delta_t`, a signed number of
/// nanoseconds.
#[rustfmt::skip]
pub const QUANTITIES: &[Quantity] = &[
    beyond(Some(Digits(4)), row("flow_token", Group::Coarse, Digits(6), Always, |a| a.flow_token, |a, v| a.flow_token = v,
        "Slot of the flow among the open ones, lowest free first.")),
    row("flow_evt", Group::Coarse, Classes(3), Always, |a| a.flow_evt as u32, |a, v| a.flow_evt = class(&[FlowEvent::Continue, FlowEvent::Open, FlowEvent::Reopen], v),
        "0 continues the flow in the slot, 1 opens the slot for a new flow, 2 reopens it: a SYN reuses the five-tuple."),
    row("proto", Group::Coarse, Classes(4), Always, |a| a.proto as u32, |a, v| a.proto = class(&[Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Other], v),
        "0 TCP, 1 UDP, 2 ICMP or ICMPv6, 3 any other IP protocol."),
    row("ip_family", Group::Coarse, Classes(2), Always, |a| a.ip_family as u32, |a, v| a.ip_family = class(&[Family::V4, Family::V6], v),
        "0 IPv4, 1 IPv6."),
    row("dir", Group::Coarse, Classes(2), Always, |a| a.dir as u32, |a, v| a.dir = class(&[Direction::Orig, Direction::Resp], v),
        "0 from the flow's opener, 1 to it."),
    row("tcp_ctrl", Group::Coarse, Classes(9), Tcp, |a| a.tcp_ctrl as u32, |a, v| a.tcp_ctrl = class(&CONTROLS, v),
        "0 none of SYN, FIN, RST; 1 SYN; 2 SYN+ACK; 3 FIN; 4 RST; 5 SYN+FIN; 6 SYN+RST; 7 FIN+RST; 8 SYN+FIN+RST."),
    row("tcp_flag_bits", Group::Tcp, Digits(3), Tcp, |a| a.tcp_flag_bits.into(), |a, v| a.tcp_flag_bits = v as u16,
        "1 PSH, 2 URG, 4 ECE, 8 CWR, 16 AE, 32 the ACK flag is missing, 256, 512, 1024 the reserved bits (low to high)."),
    row("tcp_opt_profile", Group::Tcp, Digits(3), Tcp, |a| a.tcp_opt_profile.into(), |a, v| a.tcp_opt_profile = v as u16,
        "Layout of the TCP options: 0 to 10 are so many words of padding, higher numbers index the artifact's dictionary."),
    row("tcp_win", Group::Tcp, Digits(4), Tcp, |a| a.tcp_win.into(), |a, v| a.tcp_win = v as u16,
        "Receive window as on the wire, unscaled."),
    row("tcp_ack_unseen", Group::Tcp, Classes(3), Tcp, |a| a.tcp_ack_unseen as u32, |a, v| a.tcp_ack_unseen = class(&[AckReference::PeerNext, AckReference::PeerUnseen, AckReference::Zero], v),
        "The acknowledgment number is 0 relative to the peer's next expected number, 1 the first sign of an unseen peer, 2 the number 0 itself."),
    row("tcp_ack_adv", Group::Tcp, Digits(8), Tcp, |a| a.tcp_ack_adv, |a, v| a.tcp_ack_adv = v,
        "The peer's next expected sequence number minus the acknowledgment number, modulo 2^32."),
    row("tcp_seq_delta_sign", Group::Tcp, Classes(3), Tcp, |a| a.tcp_seq_delta_sign as u32, |a, v| a.tcp_seq_delta_sign = class(&[SeqReference::Forward, SeqReference::Backward, SeqReference::Zero], v),
        "The sequence number lies 0 at or after, 1 before the sender's own next expected number; 2 the direction starts at the number 0."),
    row("tcp_seq_delta", Group::Tcp, Digits(8), Tcp, |a| a.tcp_seq_delta, |a, v| a.tcp_seq_delta = v,
        "How far it lies from it."),
    row("ttl_res", Group::Packet, Classes(256), Always, |a| a.ttl_res.into(), |a, v| a.ttl_res = v as u8,
        "Time to live or hop limit left at the tap."),
    row("ip_tos", Group::Packet, Classes(256), Always, |a| a.ip_tos.into(), |a, v| a.ip_tos = v as u8,
        "DSCP and ECN: IPv4 type of service, IPv6 traffic class."),
    row("ip_proto", Group::Packet, Classes(256), Other, |a| a.ip_proto.into(), |a, v| a.ip_proto = v as u8,
        "IP protocol number of an OTHER packet."),
    row("ip_ext", Group::Packet, Digits(2), Always, |a| a.ip_ext.into(), |a, v| a.ip_ext = v as u8,
        "Length of IPv4 options or IPv6 extension headers, in units of four bytes."),
    beyond(None, row("ip_df_clear", Group::Packet, Classes(2), Always, |a| a.ip_df_clear.into(), |a, v| a.ip_df_clear = v != 0,
        "1 if the IPv4 header allows fragments: the flag \"don't fragment\" is clear.")),
    beyond(None, row("ip_id", Group::Packet, Classes(6), Always, |a| a.ip_id as u32, |a, v| a.ip_id = class(&IDENTIFICATIONS, v),
        "How the sender chooses IPv4 identifications from this packet on: 0 as before, 1 always 0, 2 counting from 0, 3 counting from another number, 4 counting over all flows of the host, 5 at random.")),
    row("icmp_type", Group::Packet, Classes(256), Icmp, |a| a.icmp_type.into(), |a, v| a.icmp_type = v as u8,
        "ICMP or ICMPv6 type."),
    row("icmp_code", Group::Packet, Classes(256), Icmp, |a| a.icmp_code.into(), |a, v| a.icmp_code = v as u8,
        "ICMP or ICMPv6 code."),
    beyond(None, row("icmp_quote", Group::Packet, Classes(3), Icmp, |a| a.icmp_quote as u32, |a, v| a.icmp_quote = class(&[Quote::Unknown, Quote::Orig, Quote::Resp], v),
        "The packet that an ICMP error quotes: 0 of no live flow, 1 from the opener of the flow in the slot `icmp_quote_token`, 2 to it.")),
    beyond(None, row("icmp_quote_token", Group::Packet, Digits(6), Icmp, |a| a.icmp_quote_token, |a, v| a.icmp_quote_token = v,
        "Slot of the flow that an ICMP error quotes.")),
    beyond(None, row("icmp_param", Group::Packet, Digits(4), Icmp, |a| a.icmp_param.into(), |a, v| a.icmp_param = v as u16,
        "The MTU of the next hop (\"fragmentation needed\", \"packet too big\"), at most 65535; the pointer of a parameter problem; 1 plus the host slot of a redirect's gateway.")),
    beyond(Some(Digits(4)), row("l4_payload_len", Group::Packet, Digits(5), Always, |a| a.l4_payload_len, |a, v| a.l4_payload_len = v,
        "Bytes after the TCP, UDP or ICMP header (8 bytes of it), or after the IP header of an OTHER packet.")),
    beyond(None, row("host_evt", Group::Opening, Classes(4), Opening, |a| a.host_evt.into(), |a, v| a.host_evt = v.min(3) as u8,
        "Ends of the new flow that are hosts not met before: 0 none, 1 the opener, 2 the responder, 3 both.")),
    beyond(None, row("orig_host", Group::Opening, Digits(4), Opening, |a| a.orig_host.into(), |a, v| a.orig_host = v as u16,
        "Slot of the opener's address among the hosts, lowest free first.")),
    beyond(None, row("resp_host", Group::Opening, Digits(4), Opening, |a| a.resp_host.into(), |a, v| a.resp_host = v as u16,
        "Slot of the responder's address.")),
    beyond(None, row("orig_kind", Group::Opening, Classes(32), Opening, |a| a.orig_kind.0.into(), |a, v| a.orig_kind = HostKind(v as u8),
        "Kind of the opener's address, by the table of host kinds; 0 if the host was met before.")),
    beyond(None, row("resp_kind", Group::Opening, Classes(32), Opening, |a| a.resp_kind.0.into(), |a, v| a.resp_kind = HostKind(v as u8),
        "Kind of the responder's address; 0 if the host was met before.")),
    beyond(None, row("orig_service", Group::Opening, Classes(256), Opening, |a| a.orig_service.into(), |a, v| a.orig_service = v as u8,
        "Service of the opener's port, by the table of services; 0 none.")),
    beyond(None, row("resp_service", Group::Opening, Classes(256), Opening, |a| a.resp_service.into(), |a, v| a.resp_service = v as u8,
        "Service of the responder's port; 0 none.")),
    beyond(None, row("resp_port", Group::Opening, Digits(4), Opening, |a| a.resp_port.into(), |a, v| a.resp_port = v as u16,
        "Number of the responder's port among the ports of that host that are no service's, in order of first use.")),
    beyond(None, row("orig_port_kept", Group::Opening, Classes(2), Opening, |a| a.orig_port_kept.into(), |a, v| a.orig_port_kept = v != 0,
        "1 if the opener sends from the port of the latest flow that it opened.")),
    row("ctx_gap_b", Group::Context, Classes(Context::GAP_BUCKETS), Always, |a| a.context.gap_b.into(), |a, v| a.context.gap_b = v as u8,
        "Time since the flow's previous packet: 0 none, else 1 + floor(log2 of microseconds), at most 31."),
    row("ctx_pkt_count_b", Group::Context, Classes(Context::COUNT_BUCKETS), Always, |a| a.context.pkt_count_b.into(), |a, v| a.context.pkt_count_b = v as u8,
        "Packets of the flow so far: 0 to 3 as they are, then 2 + floor(log2), at most 15."),
    row("ctx_last_payload_b", Group::Context, Classes(Context::PAYLOAD_BUCKETS), Always, |a| a.context.last_payload_b.into(), |a, v| a.context.last_payload_b = v as u8,
        "Payload of the flow's previous packet: 0 none, else 1 + floor(log2 of bytes), at most 16."),
    row("ctx_ack_streak_b", Group::Context, Classes(Context::STREAK_BUCKETS), Always, |a| a.context.ack_streak_b.into(), |a, v| a.context.ack_streak_b = v as u8,
        "Packets without payload in a row just before, in this flow: at most 7."),
    row("ctx_last_dir", Group::Context, Classes(3), Always, |a| a.context.last_dir.into(), |a, v| a.context.last_dir = v as u8,
        "Direction of the flow's previous packet: 0 none, 1 from the opener, 2 to it."),
];

const IDENTIFICATIONS: [Identification; 6] = [
    Identification::AsBefore,
    Identification::Zero,
    Identification::FromZero,
    Identification::ByFlow,
    Identification::ByHost,
    Identification::Random,
];

const CONTROLS: [Control; 9] = [
    Control::Ack,
    Control::Syn,
    Control::SynAck,
    Control::Fin,
    Control::Rst,
    Control::SynFin,
    Control::SynRst,
    Control::FinRst,
    Control::SynFinRst,
];

fn class<T: Copy>(values: &[T], index: u32) -> T {
    values[(index as usize).min(values.len() - 1)]
}

/// Number of fields: the length of a token vector.
pub const FIELD_COUNT: usize = {
    let mut sum = 0;
    let mut i = 0;
    while i < QUANTITIES.len() {
        sum += QUANTITIES[i].vocabulary.fields();
        i += 1;
    }
    sum
};

/// One field of the token vector: a class, or one digit of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Index into [`QUANTITIES`].
    pub quantity: usize,
    /// Place of the digit, most significant first; 0 for a class.
    pub digit: u8,
}

/// All fields in order: the layout of a token vector.
pub const FIELDS: [Field; FIELD_COUNT] = {
    let mut fields = [Field {
        quantity: 0,
        digit: 0,
    }; FIELD_COUNT];
    let (mut i, mut quantity) = (0, 0);
    while quantity < QUANTITIES.len() {
        let mut digit = 0;
        while digit < QUANTITIES[quantity].vocabulary.fields() {
            fields[i] = Field {
                quantity,
                digit: digit as u8,
            };
            i += 1;
            digit += 1;
        }
        quantity += 1;
    }
    fields
};

impl Field {
    /// The quantity that the field belongs to.
    pub fn quantity(&self) -> &'static Quantity {
        &QUANTITIES[self.quantity]
    }

    /// Name of the quantity, followed by `_d0`, `_d1`, … for digits.
    pub fn name(&self) -> String {
        match self.quantity().vocabulary {
            Classes(_) => self.quantity().name.to_string(),
            Digits(_) => format!("{}_d{}", self.quantity().name, self.digit),
        }
    }

    /// Number of values.
    pub fn size(&self) -> u16 {
        self.quantity().vocabulary.size()
    }

    /// Whether a version of the schema has the field. The paper's schema lacks the high digits of
    /// quantities that have more digits now.
    pub fn is_in(&self, version: u32) -> bool {
        let all = self.quantity().vocabulary.fields();
        let fields = self.quantity().vocabulary_in(version);
        fields.is_some_and(|known| usize::from(self.digit) + known.fields() >= all)
    }
}

/// Values of the discrete fields of one action, in the order of [`FIELDS`]; 0 if inactive.
pub type FieldValues = [u16; FIELD_COUNT];

/// Sets a quantity of an action.
type Set = fn(&mut Action, u32);

/// Setters of the quantities that mean nothing in a packet, by its protocol and whether it opens a
/// flow, on which alone activity depends. Every packet is cleared: a walk through the whole table
/// took a third of the time of compiling.
static INACTIVE: LazyLock<[[Vec<Set>; 2]; 4]> = LazyLock::new(|| {
    [Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Other].map(|proto| {
        [FlowEvent::Continue, FlowEvent::Open].map(|event| {
            let inactive = QUANTITIES.iter();
            let inactive = inactive.filter(|quantity| !quantity.active.covers(proto, event));
            inactive.map(|quantity| quantity.set).collect()
        })
    })
});

impl Action {
    /// Values of the discrete fields, which models read. The time is not among them.
    pub fn field_values(&self) -> FieldValues {
        let mut values = [0; FIELD_COUNT];
        let mut at = 0;
        for quantity in QUANTITIES {
            let value = (quantity.get)(self);
            match quantity.vocabulary {
                Classes(_) => values[at] = value as u16,
                Digits(n) => {
                    for digit in 0..n {
                        values[at + digit as usize] = (value >> (4 * (n - 1 - digit)) & 0xf) as u16;
                    }
                }
            }
            at += quantity.vocabulary.fields();
        }
        values
    }

    /// The action of these fields and this time. Inactive fields become 0, and values beyond a
    /// vocabulary saturate.
    pub fn from_field_values(values: &FieldValues, delta_t: i64) -> Self {
        let mut action = Action {
            delta_t,
            ..Action::default()
        };
        let mut at = 0;
        for quantity in QUANTITIES {
            let n = quantity.vocabulary.fields();
            // `proto` and `flow_evt` precede every quantity whose activity depends on them.
            if quantity.is_active(&action) {
                let top = quantity.vocabulary.size() - 1;
                let value = values[at..at + n]
                    .iter()
                    .fold(0u32, |value, &digit| value << 4 | u32::from(digit.min(top)));
                (quantity.set)(&mut action, value.min(quantity.vocabulary.max()));
            }
            at += n;
        }
        action
    }

    /// Sets every quantity that has no meaning in the packet to 0.
    pub fn without_inactive(mut self) -> Self {
        let opens = self.flow_evt == FlowEvent::Open;
        for clear in &INACTIVE[self.proto as usize][usize::from(opens)] {
            clear(&mut self, 0);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::SCHEMA_VERSION;

    #[test]
    fn test_proto_precedes_what_depends_on_it() {
        let [event, proto] = ["flow_evt", "proto"]
            .map(|name| QUANTITIES.iter().position(|q| q.name == name).unwrap());
        for quantity in &QUANTITIES[..event.max(proto)] {
            assert_eq!(quantity.active, Active::Always, "{}", quantity.name);
        }
    }

    #[test]
    fn test_digits_are_most_significant_first() {
        let action = Action {
            tcp_win: 0x1234,
            ..Action::default()
        };
        let at = FIELDS
            .iter()
            .position(|f| f.name() == "tcp_win_d0")
            .unwrap();
        assert_eq!(action.field_values()[at..at + 4], [1, 2, 3, 4]);
    }

    #[test]
    fn test_every_quantity_survives_its_extremes() {
        for (i, quantity) in QUANTITIES.iter().enumerate() {
            for value in [0, 1, quantity.vocabulary.max()] {
                let proto = match quantity.active {
                    Active::Icmp => Proto::Icmp,
                    Active::Other => Proto::Other,
                    _ => Proto::Tcp,
                };
                let mut action = Action {
                    proto,
                    flow_evt: FlowEvent::Open,
                    ..Action::default()
                };
                (quantity.set)(&mut action, value);
                assert_eq!((quantity.get)(&action), value, "{}", quantity.name);
                let back = Action::from_field_values(&action.field_values(), 0);
                assert_eq!((QUANTITIES[i].get)(&back), value, "{}", quantity.name);
            }
        }
    }

    #[test]
    fn test_inactive_values_are_ignored() {
        let mut values = [0; FIELD_COUNT];
        for (value, field) in values.iter_mut().zip(FIELDS) {
            if field.quantity().active == Active::Tcp {
                *value = 1;
            }
        }
        let proto = FIELDS.iter().position(|f| f.name() == "proto").unwrap();
        values[proto] = Proto::Udp as u16;
        let expected = Action {
            proto: Proto::Udp,
            ..Action::default()
        };
        assert_eq!(Action::from_field_values(&values, 0), expected);
    }

    #[test]
    fn test_the_papers_schema_has_fewer_digits() {
        let names = |version| -> Vec<String> {
            let fields = FIELDS.iter().filter(|field| field.is_in(version));
            fields.map(Field::name).collect()
        };
        let paper = names(PAPER_SCHEMA);
        assert_eq!(paper.len(), 53);
        assert_eq!(paper[..2], ["flow_token_d2", "flow_token_d3"]);
        assert!(!paper.contains(&"orig_kind".to_string()));
        assert_eq!(names(SCHEMA_VERSION).len(), FIELD_COUNT);
    }
}
