//! Lift: captured packets to packet actions (the paper, section 3.2).

use std::collections::BTreeMap;

use crate::action::context::History;
use crate::action::{Action, Direction, FlowEvent, OptionProfiles, Proto, ProtocolMix};
use crate::flow::{FlowKey, FlowTable, Lifetime};
use crate::pcap::{Packet, Steps, Timestamp};
use crate::tcp::{Connection, flags};
use crate::wire::{self, Headers, SkipReason, TcpHeader, Transport};

/// State of a live flow.
#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    is_tcp: bool,
    connection: Connection,
    history: History,
}

impl Flow {
    fn lifetime(&self) -> Lifetime {
        if self.is_tcp && !self.connection.state.is_over() {
            Lifetime::Lasting
        } else {
            Lifetime::Passing
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
    }
}

/// Lifts packets one by one. Memory grows with live flows, not with packets.
pub struct Lifter {
    flows: FlowTable<Flow>,
    profiles: OptionProfiles,
    steps: Steps,
    counts: LiftCounts,
}

impl Lifter {
    /// A lifter with `capacity` slots and a dictionary of option layouts that may grow.
    pub fn new(capacity: usize, profiles: OptionProfiles) -> Self {
        Self {
            flows: FlowTable::new(capacity),
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
        match wire::parse(packet) {
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
            ..self.counts.clone()
        }
    }

    fn lift_headers(&mut self, headers: &Headers<'_>, time: Timestamp) -> Action {
        let delta_t = self.steps.next(time);
        self.counts.steps_back += u64::from(delta_t < 0);
        let (key, from) = FlowKey::of(headers);
        let placement = self
            .flows
            .place(key, from, time, |flow, dir| match headers.transport {
                Transport::Tcp(tcp) => {
                    flow.connection
                        .is_reused_by(dir, tcp.flags, tcp.numbers.seq)
                }
                _ => false,
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
        flow.history.record(time.0, headers.payload_len, role);
        let lifetime = flow.lifetime();
        self.flows.touch(slot, lifetime);
        self.counts.lifted.add(action.proto);
        self.counts.flows += u64::from(action.flow_evt != FlowEvent::Continue);
        action
    }
}

fn lift_tcp(action: &mut Action, role: Direction, flow: &mut Flow, tcp: &TcpHeader<'_>) {
    flow.is_tcp = true;
    let references =
        flow.connection
            .encode(role, tcp.flags, action.l4_payload_len.into(), tcp.numbers);
    (action.tcp_ctrl, action.tcp_flag_bits) = flags::split(tcp.flags);
    action.tcp_win = tcp.window;
    action.tcp_ack_unseen = references.ack_unseen;
    action.tcp_ack_adv = references.ack_adv;
    action.tcp_seq_delta_sign = references.seq_sign;
    action.tcp_seq_delta = references.seq_delta;
}
