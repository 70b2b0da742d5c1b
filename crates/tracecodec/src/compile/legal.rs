//! Legality: the nearest legal action to an action that contradicts the state or itself.

use super::five_tuple::Kind;
use super::flow::Flow;
use crate::action::{Action, Direction, Family, FlowEvent, Identification, OptionProfiles, Proto};
use crate::tcp::{Connection, References, flags};
use crate::wire::{self, icmp, ip_proto};

/// A change of an action that contradicted the state, itself or the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Legalisation {
    /// A packet that continues or reopens a slot without a flow: it opens the slot.
    UnopenedSlot,
    /// A packet that continues or reopens a flow of another protocol, family or kind: it opens the
    /// slot anew.
    AnotherKind,
    /// A packet that opens a flow but comes from the responder: it comes from the opener.
    OpenedByResponder,
    /// A packet that reopens a flow without a SYN without ACK: it continues the flow.
    ReopenedWithoutSyn,
    /// A SYN without ACK that continues a connection with another number than the base of its
    /// direction, and so would reopen it: it takes the base or, if no reference reaches the base,
    /// reopens the connection.
    AnotherSyn,
    /// A sequence or acknowledgment reference that the connection's state makes impossible.
    References,
    /// Flag bits without a meaning.
    FlagBits,
    /// An option profile that the dictionary lacks: the packet has no options.
    OptionProfile,
    /// An IP protocol number that [`Proto::Other`] cannot have: it becomes 253.
    IpProto,
    /// IPv4 options over 40 bytes, or extension headers whose length is not a multiple of eight.
    IpExtension,
    /// An ICMP code that the type does not have: it becomes 0.
    IcmpCode,
    /// A payload longer than an IP packet can carry.
    PayloadTooLong,
    /// A payload shorter than the message requires.
    PayloadTooShort,
    /// A host that was not met before, or that has another family: it is a new host in its slot.
    Host,
    /// A kind of host that the family does not have: a private address.
    HostKind,
    /// A service that the table lacks, or that runs over another protocol: the port has no service.
    Service,
    /// A quoted packet of a slot without a flow, or of a flow that the message cannot quote: a
    /// packet of no flow.
    Quote,
    /// A parameter that the ICMP message does not have: it becomes 0.
    IcmpParam,
}

impl Legalisation {
    /// All kinds, in the order of reports.
    pub const ALL: [Legalisation; 18] = [
        Legalisation::UnopenedSlot,
        Legalisation::AnotherKind,
        Legalisation::OpenedByResponder,
        Legalisation::ReopenedWithoutSyn,
        Legalisation::AnotherSyn,
        Legalisation::References,
        Legalisation::FlagBits,
        Legalisation::OptionProfile,
        Legalisation::IpProto,
        Legalisation::IpExtension,
        Legalisation::IcmpCode,
        Legalisation::PayloadTooLong,
        Legalisation::PayloadTooShort,
        Legalisation::Host,
        Legalisation::HostKind,
        Legalisation::Service,
        Legalisation::Quote,
        Legalisation::IcmpParam,
    ];

    /// Name in manifests and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Legalisation::UnopenedSlot => "unopened_slot",
            Legalisation::AnotherKind => "another_kind",
            Legalisation::OpenedByResponder => "opened_by_responder",
            Legalisation::ReopenedWithoutSyn => "reopened_without_syn",
            Legalisation::AnotherSyn => "another_syn",
            Legalisation::References => "references",
            Legalisation::FlagBits => "flag_bits",
            Legalisation::OptionProfile => "option_profile",
            Legalisation::IpProto => "ip_proto",
            Legalisation::IpExtension => "ip_extension",
            Legalisation::IcmpCode => "icmp_code",
            Legalisation::PayloadTooLong => "payload_too_long",
            Legalisation::PayloadTooShort => "payload_too_short",
            Legalisation::Host => "host",
            Legalisation::HostKind => "host_kind",
            Legalisation::Service => "service",
            Legalisation::Quote => "quote",
            Legalisation::IcmpParam => "icmp_param",
        }
    }
}

/// How often each kind occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Legalisations([u64; Legalisation::ALL.len()]);

impl Legalisations {
    /// How often a kind occurred.
    pub fn count(&self, kind: Legalisation) -> u64 {
        self.0[kind as usize]
    }

    /// How often any kind occurred; a packet may count several times.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, kind: Legalisation, happened: bool) {
        self.0[kind as usize] += u64::from(happened);
    }
}

/// The nearest legal action for a slot that holds this flow.
pub(super) fn legalise(
    action: Action,
    held: Option<&Flow>,
    profiles: &OptionProfiles,
    counts: &mut Legalisations,
) -> Action {
    let mut action = action.without_inactive();
    legalise_ip(&mut action, counts);
    legalise_event(&mut action, held, counts);
    match action.proto {
        Proto::Tcp => legalise_tcp(&mut action, held, profiles, counts),
        Proto::Icmp => legalise_icmp(&mut action, counts),
        Proto::Udp | Proto::Other => {}
    }
    legalise_length(&mut action, profiles, counts);
    action
}

/// Replaces a value by a legal one, and counts the legalisation if the value changes.
fn correct<T: PartialEq>(value: &mut T, legal: T, kind: Legalisation, counts: &mut Legalisations) {
    counts.add(kind, *value != legal);
    *value = legal;
}

fn legalise_ip(action: &mut Action, counts: &mut Legalisations) {
    let ext = match action.ip_family {
        Family::V4 => action.ip_ext.min(10),
        Family::V6 => action.ip_ext & !1,
    };
    correct(&mut action.ip_ext, ext, Legalisation::IpExtension, counts);
    if action.ip_family == Family::V6 {
        (action.ip_df_clear, action.ip_id) = (false, Identification::AsBefore);
    }
    let number = action.ip_proto;
    let misnamed = matches!(number, ip_proto::TCP | ip_proto::UDP)
        || number == ip_proto::icmp(action.ip_family)
        || action.ip_family == Family::V6 && ip_proto::is_extension(number);
    if action.proto == Proto::Other && misnamed {
        correct(
            &mut action.ip_proto,
            ip_proto::EXPERIMENT,
            Legalisation::IpProto,
            counts,
        );
    }
}

fn legalise_event(action: &mut Action, held: Option<&Flow>, counts: &mut Legalisations) {
    let starts = action.flow_evt == FlowEvent::Open;
    match held {
        None => correct(
            &mut action.flow_evt,
            FlowEvent::Open,
            Legalisation::UnopenedSlot,
            counts,
        ),
        Some(held) if !starts && held.kind != Kind::of(action) => {
            correct(
                &mut action.flow_evt,
                FlowEvent::Open,
                Legalisation::AnotherKind,
                counts,
            );
        }
        Some(_) => {}
    }
    let syn = action.proto == Proto::Tcp && flags::opens(flags::of(action));
    if action.flow_evt == FlowEvent::Reopen && !syn {
        correct(
            &mut action.flow_evt,
            FlowEvent::Continue,
            Legalisation::ReopenedWithoutSyn,
            counts,
        );
    }
    if action.flow_evt == FlowEvent::Open {
        correct(
            &mut action.dir,
            Direction::Orig,
            Legalisation::OpenedByResponder,
            counts,
        );
    }
}

fn legalise_tcp(
    action: &mut Action,
    held: Option<&Flow>,
    profiles: &OptionProfiles,
    counts: &mut Legalisations,
) {
    let bits = flags::canonical_bits(action.tcp_ctrl, action.tcp_flag_bits);
    correct(
        &mut action.tcp_flag_bits,
        bits,
        Legalisation::FlagBits,
        counts,
    );
    let profile = profiles
        .layout(action.tcp_opt_profile)
        .map_or(0, |_| action.tcp_opt_profile);
    correct(
        &mut action.tcp_opt_profile,
        profile,
        Legalisation::OptionProfile,
        counts,
    );
    legalise_numbers(action, held, counts);
}

fn legalise_numbers(action: &mut Action, held: Option<&Flow>, counts: &mut Legalisations) {
    let fresh = Connection::default();
    let connection = match (action.flow_evt, held) {
        (FlowEvent::Continue, Some(held)) => &held.connection,
        _ => &fresh,
    };
    let given = References::of(action);
    let mut legal = connection.legal(action.role(), given);
    counts.add(Legalisation::References, legal != given);
    if flags::opens(flags::of(action)) {
        let based = connection.at_base(action.role(), legal);
        counts.add(Legalisation::AnotherSyn, based != Some(legal));
        if based.is_none() {
            action.flow_evt = FlowEvent::Reopen;
        }
        legal = based.unwrap_or_else(|| fresh.legal(action.role(), legal));
    }
    action.tcp_seq_delta_sign = legal.seq_sign;
    action.tcp_seq_delta = legal.seq_delta;
    action.tcp_ack_unseen = legal.ack_unseen;
    action.tcp_ack_adv = legal.ack_adv;
}

fn legalise_icmp(action: &mut Action, counts: &mut Legalisations) {
    if !icmp::has_code(action.ip_family, action.icmp_type, action.icmp_code) {
        correct(&mut action.icmp_code, 0, Legalisation::IcmpCode, counts);
    }
}

fn legalise_length(action: &mut Action, profiles: &OptionProfiles, counts: &mut Legalisations) {
    let len = action.l4_payload_len;
    let at_least = match action.proto {
        Proto::Icmp => icmp::legal_body(action.ip_family, action.icmp_type, len),
        Proto::Other => len.max(ip_proto::smallest_header(action.ip_proto).into()),
        Proto::Tcp | Proto::Udp => len,
    };
    correct(
        &mut action.l4_payload_len,
        at_least,
        Legalisation::PayloadTooShort,
        counts,
    );
    let options_len = profiles.options_len(action.tcp_opt_profile);
    let transport = wire::transport_header_len(action.proto, options_len);
    // The length field of IPv4 counts its own header, that of IPv6 does not.
    let fixed = match action.ip_family {
        Family::V4 => wire::IPV4_HEADER,
        Family::V6 => 0,
    };
    let room = usize::from(u16::MAX) - fixed - 4 * usize::from(action.ip_ext) - transport;
    // A segment may be longer: one that a network interface was to cut.
    if action.proto == Proto::Tcp {
        return;
    }
    let at_most = action.l4_payload_len.min(room as u32);
    correct(
        &mut action.l4_payload_len,
        at_most,
        Legalisation::PayloadTooLong,
        counts,
    );
}
