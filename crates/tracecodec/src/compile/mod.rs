//! Compile: packet actions to a legal, state-consistent capture with synthetic endpoints (the
//! paper, section 3.3).
//!
//! The compiler is total: any sequence of actions gives packets that analysers read without
//! complaint. If an action contradicts the state, the nearest legal packet is emitted and the case
//! is counted as a [`Legalisation`].

mod endpoint;
mod ethernet;
mod five_tuple;
mod flow;
mod hosts;
mod icmp;
mod icmpv6;
mod ip;
mod legal;
mod message;
mod mptcp;
mod payload;
mod sender;
mod slots;
mod split;
mod tcp;
mod tunnel;
mod udp;

pub use endpoint::Salt;
pub use legal::{Legalisation, Legalisations};
pub use payload::{PayloadCount, PayloadCounts};
pub use split::{SplitCounts, Splitter};

use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionSchema, Direction, FlowEvent, OptionProfiles, Proto, Quote};
use crate::choice::Choice;
use crate::pcap::{LinkType, Packet, Timestamp};
use crate::tcp::SeqNumber;
use crate::wire::{self, checksum, field};
use five_tuple::Kind;
use flow::Flow;
use hosts::HostTable;
use payload::Written;
use slots::Slots;

/// Payload of the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayloadPolicy {
    /// Deterministic synthetic bytes.
    #[default]
    Synthetic,
    /// Bytes that analysers take for the service of the flow, synthetic ones in flows without a
    /// service.
    Shaped,
    /// No payload bytes: the captured bytes end after the headers, and lengths on the wire stay.
    Truncate,
}

impl Choice for PayloadPolicy {
    const WHAT: &'static str = "payload";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Synthetic,
            "synthetic",
            "A text without meaning; none at the ports of services, whose messages it is not",
        ),
        (
            Self::Shaped,
            "shaped",
            "Bytes that analysers take for the flow's service (TLS, HTTP, DNS, QUIC …), made up from \
             lengths alone",
        ),
        (
            Self::Truncate,
            "truncate",
            "None: captured bytes end after the headers; lengths on the wire stay",
        ),
    ];
}

/// Link layer of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// Ethernet with locally administered addresses.
    #[default]
    Ethernet,
    /// IP without a link layer.
    #[serde(rename = "raw")]
    RawIp,
}

impl Choice for Link {
    const WHAT: &'static str = "link layer";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Ethernet,
            "ethernet",
            "Ethernet with locally administered addresses",
        ),
        (Self::RawIp, "raw", "IP without a link layer"),
    ];
}

impl Link {
    /// The link type of the output.
    pub fn link_type(self) -> LinkType {
        match self {
            Link::Ethernet => LinkType::ETHERNET,
            Link::RawIp => LinkType::RAW,
        }
    }
}

/// How actions are realised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompileConfig {
    /// Seed of the synthetic endpoints and initial sequence numbers.
    pub salt: Salt,
    /// What the actions keep.
    pub schema: ActionSchema,
    /// Payload policy.
    pub payload: PayloadPolicy,
    /// Link layer.
    pub link: Link,
    /// Forget the state of a flow, but for its endpoints, before each of its packets.
    pub stateless: bool,
}

/// Compiles actions one by one. Memory grows with the slots in use, not with packets.
pub struct Compiler {
    config: CompileConfig,
    flows: Slots,
    hosts: HostTable,
    now: Timestamp,
    frame: Vec<u8>,
    legalisations: Legalisations,
    payloads: PayloadCounts,
}

impl Compiler {
    /// A compiler without live flows. The first action's `delta_t` counts from `epoch`.
    pub fn new(config: CompileConfig, epoch: Timestamp) -> Self {
        Self {
            config,
            flows: Slots::default(),
            hosts: HostTable::new(config.salt, config.schema),
            now: epoch,
            frame: Vec::with_capacity(1 << 16),
            legalisations: Legalisations::default(),
            payloads: PayloadCounts::default(),
        }
    }

    /// What became of the payload of the packets so far.
    pub fn payloads(&self) -> &PayloadCounts {
        &self.payloads
    }

    /// How actions are realised.
    pub fn config(&self) -> &CompileConfig {
        &self.config
    }

    /// What had to be changed so far to keep packets legal, counted by kind.
    pub fn legalisations(&self) -> &Legalisations {
        &self.legalisations
    }

    /// Begins to count changes and payload anew, as if no packet had been compiled.
    pub fn forget_counts(&mut self) {
        self.legalisations = Legalisations::default();
        self.payloads = PayloadCounts::default();
    }

    /// The packet of an action, whose `tcp_opt_profile` refers to `profiles`. The packet's bytes
    /// live until the next call.
    pub fn compile(&mut self, action: &Action, profiles: &OptionProfiles) -> Packet<'_> {
        self.now = Timestamp(self.now.0.wrapping_add(action.delta_t));
        if self.config.stateless
            && let Some(flow) = self.flows.get_mut(action.flow_token)
        {
            flow.forget();
        }
        let action = self.place(action.kept(self.config.schema), profiles);
        let quoted = self.quoted(&action);
        let flow = self.flows.get_mut(action.flow_token);
        let flow = flow.expect("placed above");
        let host = flow.host(action.role());
        let id = flow.identify(&action, self.config.salt, self.hosts.last_id(host));
        self.hosts.set_last_id(host, id);
        self.frame.clear();
        if self.config.link == Link::Ethernet {
            ethernet::emit(&action, flow, &mut self.frame);
        }
        let body = Body {
            now: self.now,
            profiles,
            payload: self.config.payload,
            id,
            quoted,
        };
        let wire_len = body.emit(&action, flow, &mut self.payloads, &mut self.frame);
        Packet {
            time: self.now,
            link: self.config.link.link_type(),
            wire_len: wire_len as u32,
            data: &self.frame,
            ..Packet::default()
        }
    }

    /// Makes the action legal and its flow live; returns the legal action.
    fn place(&mut self, action: Action, profiles: &OptionProfiles) -> Action {
        let slot = action.flow_token;
        let held = self.flows.get(slot);
        let counts = &mut self.legalisations;
        let action = legal::legalise(action, held, profiles, counts);
        if action.flow_evt == FlowEvent::Continue {
            return action;
        }
        let place = (slot, self.flows.open(slot));
        let held = self.flows.get(slot);
        let ends = match (action.flow_evt, held) {
            (FlowEvent::Reopen, Some(held)) => held.reopened_ends(action.dir),
            _ => {
                if let Some(held) = held {
                    self.hosts.close(&held.five_tuple());
                }
                let (ends, over) = self.hosts.open(&action, place.1, counts);
                if let Some(over) = over {
                    self.flows.end(over);
                }
                ends
            }
        };
        let kind = Kind::of(&action);
        let mut flow = Flow::new(kind, place, ends, self.config.salt, self.now);
        if self.config.payload == PayloadPolicy::Shaped {
            flow.shape = flow.new_shape(self.config.salt);
        }
        self.flows.insert(slot, flow);
        action
    }

    /// The packet that an ICMP error quotes and the value of its parameter. What contradicts the
    /// state is counted and left out.
    fn quoted(&mut self, action: &Action) -> icmp::Cause {
        let counts = &mut self.legalisations;
        let sender = match action.icmp_quote {
            _ if action.proto != Proto::Icmp => return icmp::Cause::default(),
            Quote::Unknown => None,
            Quote::Orig => Some(Direction::Orig),
            Quote::Resp => Some(Direction::Resp),
        };
        let packet = sender.and_then(|sender| {
            let flow = self.flows.get(action.icmp_quote_token)?;
            icmp::quoted(action, flow, sender)
        });
        counts.add(Legalisation::Quote, sender.is_some() && packet.is_none());
        let hosts = &self.hosts;
        let parameter = icmp::parameter(action, |slot| hosts.address(slot)).unwrap_or_else(|| {
            counts.add(Legalisation::IcmpParam, action.icmp_param != 0);
            [0; 4]
        });
        icmp::Cause { packet, parameter }
    }
}

/// Emits the IP header and everything after it.
struct Body<'a> {
    now: Timestamp,
    profiles: &'a OptionProfiles,
    payload: PayloadPolicy,
    /// IPv4 identification.
    id: u16,
    /// What an ICMP error complains of.
    quoted: icmp::Cause,
}

impl Body<'_> {
    /// Appends headers and payload to the frame; returns the frame's length on the wire.
    fn emit(
        &self,
        action: &Action,
        flow: &mut Flow,
        payloads: &mut PayloadCounts,
        frame: &mut Vec<u8>,
    ) -> usize {
        let payload_len = action.l4_payload_len as usize;
        let options_len = self.profiles.options_len(action.tcp_opt_profile);
        let header_len = wire::transport_header_len(action.proto, options_len);
        ip::emit(action, flow, self.id, header_len + payload_len, frame);
        let transport = frame.len();
        frame.resize(transport + header_len, 0);
        let pseudo = flow.pseudo_header_sum(header_len + payload_len);
        let header = &mut frame[transport..];
        let (payload, captured) = match action.proto {
            Proto::Tcp => {
                let seq = tcp::emit(action, flow, self.profiles, self.now, header);
                (payload::Source::Stream(seq.0), payload_len)
            }
            Proto::Udp => {
                udp::emit(action, flow, header);
                (payload::Source::Stream(0), payload_len)
            }
            Proto::Icmp => icmp::emit(action, flow, &self.quoted, header),
            Proto::Other => {
                let inner = tunnel::emit(action, flow);
                (payload::Source::Message(inner), inner.bytes().len())
            }
        };
        let place = match action.proto {
            Proto::Tcp => field::tcp::CHECKSUM,
            Proto::Udp => field::udp::CHECKSUM,
            Proto::Icmp => field::icmp::CHECKSUM,
            Proto::Other => 0..0,
        };
        let header_sum = pseudo + checksum::sum(header);
        let body = frame.len();
        let is_shaped = self.append_shaped(action, flow, &payload, payloads, frame);
        let sum = if is_shaped {
            checksum::sum(&frame[body..])
        } else {
            payload.sum(payload_len)
        };
        if !place.is_empty() {
            checksum::put(&mut frame[transport..body], place, header_sum + sum);
        }
        // Synthetic bytes at the port of a service would be malformed messages of it.
        let is_left_out = matches!(action.proto, Proto::Tcp | Proto::Udp)
            && (self.payload == PayloadPolicy::Truncate || flow.service().is_some());
        if !(is_shaped || is_left_out) {
            payload.append(captured, frame);
        }
        body + payload_len
    }

    /// Appends the payload that a shape gives a packet; whether it did.
    fn append_shaped(
        &self,
        action: &Action,
        flow: &mut Flow,
        payload: &payload::Source,
        payloads: &mut PayloadCounts,
        frame: &mut Vec<u8>,
    ) -> bool {
        let payload::Source::Stream(place) = payload else {
            return false;
        };
        let has_ports = matches!(action.proto, Proto::Tcp | Proto::Udp);
        if self.payload != PayloadPolicy::Shaped || !has_ports {
            return false;
        }
        let len = action.l4_payload_len as usize;
        let written = flow.shape.as_mut().map_or(Written::Impossible, |shape| {
            shape.append(action.role(), SeqNumber(*place), len, frame)
        });
        if len > 0 {
            payloads.add(flow.service(), written);
        }
        written == Written::Shaped
    }
}
