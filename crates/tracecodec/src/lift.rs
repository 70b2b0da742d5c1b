//! Lift: captured packets to packet actions (the paper, section 3.2).

use std::collections::BTreeMap;

use crate::action::context::History;
use crate::action::{
    Action, ActionSchema, Direction, Family, FlowEvent, HostKind, Hosts, OptionProfiles,
    PAPER_SCHEMA, Proto, ProtocolMix, Quote, Services,
};
use crate::flow::{FlowKey, FlowTable, Host, HostTable, Lifetime};
use crate::pcap::{Packet, Steps, Timestamp};
use crate::service;
use crate::tcp::{Connection, State, flags};
use crate::wire::icmp::{self, Parameter, QuotedPacket};
use crate::wire::{self, Headers, IcmpHeader, Identifications, SkipReason, TcpHeader, Transport};

/// State of a live flow.
#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    is_tcp: bool,
    connection: Connection,
    history: History,
    /// IPv4 identifications of each direction.
    ids: [Identifications; 2],
    /// Host slots of opener and responder.
    hosts: [u16; 2],
}

impl Flow {
    fn lifetime(&self) -> Lifetime {
        match self.connection.state {
            _ if !self.is_tcp => Lifetime::Passing,
            state if state.is_over() => Lifetime::Over,
            State::SynSent(_) => Lifetime::HalfOpen,
            _ => Lifetime::Lasting,
        }
    }
}

/// Counts of a lift, for manifests and summary lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiftCounts {
    /// Packets read.
    pub packets: u64,
    /// Packets lifted, by protocol.
    pub lifted: ProtocolMix,
    /// Packets out of scope, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Flows opened.
    pub flows: u64,
    /// Flows that lost their slot because all slots were taken; each may have been split.
    pub evictions: u64,
    /// Largest number of slots taken at once.
    pub peak_slots: u64,
    /// Packets with an earlier time than the previous packet.
    pub steps_back: u64,
    /// TCP packets whose option layout the dictionary neither has nor has room for; only the
    /// layout's length is kept.
    pub unknown_layouts: u64,
    /// Hosts in slots at the end; 0 if hosts are not kept.
    pub hosts: u64,
    /// Hosts that lost their slot because all host slots were taken; each may have been split.
    pub host_evictions: u64,
}

impl LiftCounts {
    /// Number of packets lifted.
    pub fn actions(&self) -> u64 {
        self.lifted.total()
    }

    /// Adds the counts of another lift.
    pub fn merge(&mut self, more: &Self) {
        self.packets += more.packets;
        self.lifted.merge(&more.lifted);
        for (&reason, count) in &more.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        self.flows += more.flows;
        self.evictions += more.evictions;
        self.peak_slots = self.peak_slots.max(more.peak_slots);
        self.steps_back += more.steps_back;
        self.unknown_layouts += more.unknown_layouts;
        self.hosts += more.hosts;
        self.host_evictions += more.host_evictions;
    }
}

/// Lifts packets one by one. Memory grows with live flows, not with packets.
pub struct Lifter {
    schema: ActionSchema,
    flows: FlowTable<Flow>,
    hosts: HostTable,
    profiles: OptionProfiles,
    steps: Steps,
    counts: LiftCounts,
}

impl Lifter {
    /// A lifter with `capacity` slots, at most as many as the schema numbers, and a dictionary of
    /// option layouts that may grow.
    pub fn new(schema: ActionSchema, capacity: usize, profiles: OptionProfiles) -> Self {
        Self {
            schema,
            flows: FlowTable::new(capacity.min(schema.max_slots())),
            hosts: HostTable::default(),
            profiles,
            steps: Steps::default(),
            counts: LiftCounts::default(),
        }
    }

    /// The action of a packet.
    ///
    /// # Errors
    /// The reason why the packet is out of scope; it is counted.
    pub fn lift(&mut self, packet: &Packet<'_>) -> Result<Action, SkipReason> {
        self.counts.packets += 1;
        let is_papers = self.schema.version == PAPER_SCHEMA;
        let parsed = wire::parse(packet).and_then(|headers| {
            if is_papers && headers.is_beyond_length_field() {
                Err(SkipReason::TooLong)
            } else {
                Ok(headers)
            }
        });
        match parsed {
            Ok(headers) => Ok(self.lift_headers(&headers, packet.time)),
            Err(reason) => {
                *self.counts.skipped.entry(reason).or_default() += 1;
                Err(reason)
            }
        }
    }

    /// Time of the first action.
    pub fn epoch(&self) -> Option<Timestamp> {
        self.steps.epoch()
    }

    /// The dictionary of option layouts, with everything learned so far.
    pub fn profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// The dictionary, to be used for the next lift.
    pub fn into_profiles(self) -> OptionProfiles {
        self.profiles
    }

    /// The counts so far.
    pub fn counts(&self) -> LiftCounts {
        LiftCounts {
            evictions: self.flows.evictions(),
            peak_slots: self.flows.peak() as u64,
            hosts: self.hosts.count() as u64,
            host_evictions: self.hosts.evictions(),
            ..self.counts.clone()
        }
    }

    fn lift_headers(&mut self, headers: &Headers<'_>, time: Timestamp) -> Action {
        let delta_t = self.steps.next(time);
        self.counts.steps_back += u64::from(delta_t < 0);
        let (key, from) = FlowKey::of(headers);
        let mut hosts = [0; 2];
        let placement = self.flows.place(key, from, time, |flow, dir| {
            hosts = flow.hosts;
            match headers.transport {
                Transport::Tcp(tcp) => {
                    flow.connection
                        .is_reused_by(dir, tcp.flags, tcp.numbers.seq)
                }
                _ => false,
            }
        });
        let (slot, flow) = (placement.slot, placement.state);
        // The sender of a packet that reopens the flow is the opener.
        let role = if placement.event == FlowEvent::Reopen {
            Direction::Orig
        } else {
            placement.dir
        };
        let mut action = Action {
            flow_token: slot,
            flow_evt: placement.event,
            ip_family: headers.family,
            dir: placement.dir,
            ttl_res: headers.ttl,
            ip_tos: headers.tos,
            ip_ext: headers.ip_ext,
            l4_payload_len: headers.payload_len,
            context: flow.history.context(time.0),
            delta_t,
            ..Action::default()
        };
        match headers.transport {
            Transport::Tcp(tcp) => {
                lift_tcp(&mut action, role, flow, &tcp);
                let layout = tcp.layout();
                action.tcp_opt_profile = self.profiles.intern(layout);
                let known = self.profiles.layout(action.tcp_opt_profile) == Some(&layout);
                self.counts.unknown_layouts += u64::from(!known);
            }
            Transport::Udp { .. } => action.proto = Proto::Udp,
            Transport::Icmp(icmp) => {
                action.proto = Proto::Icmp;
                (action.icmp_type, action.icmp_code) = (icmp.icmp_type, icmp.code);
            }
            Transport::Other(proto) => (action.proto, action.ip_proto) = (Proto::Other, proto),
        }
        if self.schema.version != PAPER_SCHEMA {
            match placement.event {
                FlowEvent::Open => {
                    flow.hosts = lift_opening(&mut action, headers, self.schema, &mut self.hosts);
                }
                FlowEvent::Reopen if placement.dir == Direction::Resp => {
                    flow.hosts = [hosts[1], hosts[0]];
                }
                FlowEvent::Reopen => flow.hosts = hosts,
                FlowEvent::Continue => {}
            }
            let host = (self.schema.hosts == Hosts::Graph)
                .then(|| self.hosts.host(flow.hosts[role as usize]));
            lift_identification(&mut action, headers, &mut flow.ids[role as usize], host);
        }
        flow.history.record(time.0, headers.payload_len, role);
        let lifetime = flow.lifetime();
        self.flows.touch(slot, lifetime);
        if let (Transport::Icmp(message), true) =
            (headers.transport, self.schema.version != PAPER_SCHEMA)
        {
            self.lift_error(&mut action, headers, &message);
        }
        self.counts.lifted.add(action.proto);
        self.counts.flows += u64::from(action.flow_evt != FlowEvent::Continue);
        action
    }

    /// What an ICMP error says of the packet that caused it.
    fn lift_error(&self, action: &mut Action, headers: &Headers<'_>, message: &IcmpHeader<'_>) {
        let family = headers.family;
        if icmp::is_error(family, message.icmp_type)
            && let Some(quoted) = QuotedPacket::parse(family, message.body)
        {
            let (key, from) = FlowKey::of_quoted(&quoted);
            if let Some((slot, opener)) = self.flows.find(&key) {
                action.icmp_quote_token = slot;
                action.icmp_quote = if from == opener {
                    Quote::Orig
                } else {
                    Quote::Resp
                };
            }
        }
        if let Some(parameter) = Parameter::of(family, message.icmp_type, message.code) {
            let value = parameter.value(family, [message.identifier, message.second_word]);
            action.icmp_param = match (parameter, value) {
                // Without a gateway that was met, the compiler writes 0.0.0.0.
                (Parameter::Gateway, 0) => 0,
                (Parameter::Gateway, address) => {
                    let slot = self.hosts.find(address.to_be_bytes().into());
                    slot.map_or(0, |slot| slot.saturating_add(1))
                }
                (Parameter::Mtu | Parameter::Pointer, value) => value as u16,
            };
        }
    }
}

/// Hosts, services and ports of a new flow; returns the host slots of opener and responder.
fn lift_opening(
    action: &mut Action,
    headers: &Headers<'_>,
    schema: ActionSchema,
    hosts: &mut HostTable,
) -> [u16; 2] {
    let ports = headers.transport.ports();
    let kinds = [headers.source, headers.destination].map(HostKind::of);
    let services = ports.map(|ports| {
        ports.map(|port| match schema.services {
            Services::None => 0,
            Services::Class => service::of(action.proto, port).map_or(0, |row| row.number()),
        })
    });
    if let Some(services) = services {
        [action.orig_service, action.resp_service] = services;
    }
    if schema.hosts == Hosts::Flow {
        [action.orig_kind, action.resp_kind] = kinds.map(HostKind::without_scope);
        return [0; 2];
    }
    let (orig, is_new_orig) = hosts.place(headers.source);
    let (resp, is_new_resp) = hosts.place(headers.destination);
    (action.orig_host, action.resp_host) = (orig, resp);
    action.host_evt = u8::from(is_new_orig) | u8::from(is_new_resp) << 1;
    if is_new_orig {
        action.orig_kind = kinds[0];
    }
    if is_new_resp {
        action.resp_kind = kinds[1];
    }
    if let Some([orig_port, resp_port]) = ports {
        if schema.services == Services::Class {
            if action.resp_service == 0 {
                action.resp_port = hosts.host(resp).port_number(action.proto, resp_port);
            }
            action.orig_port_kept =
                action.orig_service == 0 && hosts.host(orig).last_port == Some(orig_port);
        }
        hosts.host(orig).last_port = Some(orig_port);
    }
    [orig, resp]
}

/// What the IPv4 header says of fragments.
fn lift_identification(
    action: &mut Action,
    headers: &Headers<'_>,
    ids: &mut Identifications,
    host: Option<&mut Host>,
) {
    if headers.family == Family::V4 {
        action.ip_df_clear = headers.ip_flags & 2 == 0;
        let host_id = host.as_ref().and_then(|host| host.last_id);
        action.ip_id = ids.observe(headers.ip_id, host_id);
        if let Some(host) = host {
            host.last_id = Some(headers.ip_id);
        }
    }
}

fn lift_tcp(action: &mut Action, role: Direction, flow: &mut Flow, tcp: &TcpHeader<'_>) {
    flow.is_tcp = true;
    let references = flow
        .connection
        .encode(role, tcp.flags, action.l4_payload_len, tcp.numbers);
    (action.tcp_ctrl, action.tcp_flag_bits) = flags::split(tcp.flags);
    action.tcp_win = tcp.window;
    action.tcp_ack_unseen = references.ack_unseen;
    action.tcp_ack_adv = references.ack_adv;
    action.tcp_seq_delta_sign = references.seq_sign;
    action.tcp_seq_delta = references.seq_delta;
}
