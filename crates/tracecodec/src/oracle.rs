//! The oracle: lift, then compile, with nothing learned in between; and the proof that it is
//! lossless.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;

use crate::action::{
    Action, ActionSchema, Direction, FlowEvent, HostKind, Hosts, OptionProfiles, PAPER_SCHEMA,
    Proto, Services,
};
use crate::compile::{CompileConfig, Compiler, Legalisations};
use crate::flow::{FlowKey, MAX_SLOTS, Orientation};
use crate::lift::{LiftCounts, Lifter};
use crate::pcap::Packet;
use crate::service;
use crate::tcp::flags;
use crate::wire::{self, Headers, SkipReason, Transport};

/// Lifts packets and compiles their actions at once.
pub struct Oracle {
    config: CompileConfig,
    lifter: Lifter,
    /// Compiler, created with the first action.
    compiler: Option<Compiler>,
}

impl Oracle {
    /// An oracle for one trace, with `capacity` slots and a dictionary of option layouts that may
    /// grow.
    pub fn new(config: CompileConfig, capacity: usize, profiles: OptionProfiles) -> Self {
        Self {
            config,
            lifter: Lifter::new(config.schema, capacity, profiles),
            compiler: None,
        }
    }

    /// The action of a packet, and the packet that it compiles to.
    ///
    /// # Errors
    /// The reason why the packet is out of scope; it is counted.
    pub fn step(&mut self, packet: &Packet<'_>) -> Result<(Action, Packet<'_>), SkipReason> {
        let action = self.lifter.lift(packet)?;
        let compiler = self
            .compiler
            .get_or_insert_with(|| Compiler::new(self.config, packet.time));
        Ok((action, compiler.compile(&action, self.lifter.profiles())))
    }

    /// The dictionary of option layouts, with everything learned so far.
    pub fn profiles(&self) -> &OptionProfiles {
        self.lifter.profiles()
    }

    /// Counts of the lift.
    pub fn counts(&self) -> LiftCounts {
        self.lifter.counts()
    }

    /// Legalisations of the compiler. There are none, since lifted actions are legal.
    pub fn legalisations(&self) -> Legalisations {
        let compiler = self.compiler.as_ref();
        compiler.map_or_else(Default::default, |compiler| *compiler.legalisations())
    }
}

/// What a packet lost in the oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// The output is out of scope, or has another protocol.
    Protocol,
    /// The time differs.
    Time,
    /// A length differs: payload, options, extension headers or the whole IP packet.
    Length,
    /// The TCP flags differ.
    Flags,
    /// The window differs.
    Window,
    /// The layout of the TCP options differs.
    Options,
    /// The sequence number differs, relative to the flow's other numbers.
    Sequence,
    /// The acknowledgment number differs, relative to the peer's numbers.
    Acknowledgment,
    /// The time to live, type of service, ICMP type or code differs.
    Header,
    /// The packet's flow or direction differs.
    Flow,
    /// An address has another address than before in the output, or another kind.
    Host,
    /// A port of the table of services differs, or another port of a responder is not always the
    /// same one.
    Port,
    /// A second lift gives another action.
    Action,
}

impl Loss {
    /// Name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Protocol => "protocol",
            Loss::Time => "time",
            Loss::Length => "length",
            Loss::Flags => "flags",
            Loss::Window => "window",
            Loss::Options => "options",
            Loss::Sequence => "sequence",
            Loss::Acknowledgment => "acknowledgment",
            Loss::Header => "header",
            Loss::Flow => "flow",
            Loss::Host => "host",
            Loss::Port => "port",
            Loss::Action => "action",
        }
    }
}

/// One loss: the packet's number in the input, from 1, and what was lost.
pub type LostPacket = (u64, Loss);

/// A flow as the proof follows it: its synthetic five-tuple, and the shift of each direction's
/// numbers.
struct Followed {
    synthetic: FlowKey,
    /// Whether the two endpoints have the same order in both captures.
    aligned: bool,
    shifts: [Option<u32>; 2],
}

/// Runs packets through the oracle and compares each output packet with its input.
///
/// The comparison is independent of the oracle: it uses five-tuples and numbers, not slots or
/// references. Unlike the oracle, it remembers every flow.
pub struct Proof {
    schema: ActionSchema,
    oracle: Oracle,
    again: Lifter,
    flows: HashMap<FlowKey, Followed>,
    taken: HashMap<FlowKey, FlowKey>,
    returns: u64,
    hosts: OneToOne<IpAddr>,
    ports: OneToOne<(IpAddr, Proto, u16)>,
}

/// A relation that is found out pair by pair, and must stay one to one.
struct OneToOne<T> {
    there: HashMap<T, T>,
    back: HashMap<T, T>,
}

impl<T: Copy + Eq + Hash> OneToOne<T> {
    fn new() -> Self {
        Self {
            there: HashMap::new(),
            back: HashMap::new(),
        }
    }

    /// Whether the relation with this pair is still one to one.
    fn holds(&mut self, from: T, to: T) -> bool {
        *self.there.entry(from).or_insert(to) == to && *self.back.entry(to).or_insert(from) == from
    }
}

impl Proof {
    /// A proof for compilation with `config`.
    pub fn new(config: CompileConfig) -> Self {
        Self {
            schema: config.schema,
            oracle: Oracle::new(config, MAX_SLOTS, OptionProfiles::new()),
            again: Lifter::new(config.schema, MAX_SLOTS, OptionProfiles::new()),
            flows: HashMap::new(),
            taken: HashMap::new(),
            returns: 0,
            hosts: OneToOne::new(),
            ports: OneToOne::new(),
        }
    }

    /// Counts of the lift.
    pub fn counts(&self) -> LiftCounts {
        self.oracle.counts()
    }

    /// Legalisations of the compiler. If the proof holds, there are none.
    pub fn legalisations(&self) -> Legalisations {
        self.oracle.legalisations()
    }

    /// Number of five-tuples that came back after their slot was given back, and so have two
    /// synthetic five-tuples.
    pub fn returns(&self) -> u64 {
        self.returns
    }

    /// Takes a packet through the oracle. Returns the output packet and what it lost; `None` if the
    /// packet is out of scope.
    pub fn step(&mut self, packet: &Packet<'_>) -> Option<(Packet<'_>, Option<Loss>)> {
        let (action, output) = self.oracle.step(packet).ok()?;
        let loss = match (wire::parse(packet), wire::parse(&output)) {
            (Ok(before), Ok(after)) => compare(self.schema, packet, &before, &output, &after)
                .or_else(|| {
                    let loss = follow(
                        &mut self.flows,
                        &mut self.taken,
                        &mut self.returns,
                        &action,
                        &before,
                        &after,
                    );
                    let loss = loss.or_else(|| {
                        let schema = self.schema;
                        compare_ends(
                            schema,
                            &mut self.hosts,
                            &mut self.ports,
                            &action,
                            &before,
                            &after,
                        )
                    });
                    let again = self.again.lift(&output);
                    loss.or((again != Ok(action)).then_some(Loss::Action))
                }),
            _ => Some(Loss::Protocol),
        };
        Some((output, loss))
    }
}

/// Compares all that a single packet states.
fn compare(
    schema: ActionSchema,
    packet: &Packet<'_>,
    before: &Headers<'_>,
    output: &Packet<'_>,
    after: &Headers<'_>,
) -> Option<Loss> {
    let mut losses = vec![
        (packet.time != output.time, Loss::Time),
        (before.family != after.family, Loss::Protocol),
        (before.payload_len != after.payload_len, Loss::Length),
        (before.ip_ext != after.ip_ext, Loss::Length),
        (before.ip_len != after.ip_len, Loss::Length),
        (
            (before.ttl, before.tos) != (after.ttl, after.tos),
            Loss::Header,
        ),
    ];
    let keeps_fragment_flag = schema.version != PAPER_SCHEMA;
    losses.push((
        keeps_fragment_flag && before.ip_flags & 2 != after.ip_flags & 2,
        Loss::Header,
    ));
    match (before.transport, after.transport) {
        (Transport::Tcp(before), Transport::Tcp(after)) => losses.extend([
            (before.flags != after.flags, Loss::Flags),
            (before.window != after.window, Loss::Window),
            (before.options_len != after.options_len, Loss::Length),
            (before.layout() != after.layout(), Loss::Options),
        ]),
        (Transport::Icmp(before), Transport::Icmp(after)) => {
            losses.push((
                (before.icmp_type, before.code) != (after.icmp_type, after.code),
                Loss::Header,
            ));
        }
        (Transport::Udp { .. }, Transport::Udp { .. }) => {}
        (Transport::Other(before), Transport::Other(after)) => {
            losses.push((before != after, Loss::Protocol))
        }
        _ => losses.push((true, Loss::Protocol)),
    }
    losses
        .into_iter()
        .find(|(lost, _)| *lost)
        .map(|(_, loss)| loss)
}

/// Compares hosts and services of the packet that opens a flow, as far as the schema keeps them.
fn compare_ends(
    schema: ActionSchema,
    hosts: &mut OneToOne<IpAddr>,
    ports: &mut OneToOne<(IpAddr, Proto, u16)>,
    action: &Action,
    before: &Headers<'_>,
    after: &Headers<'_>,
) -> Option<Loss> {
    if action.flow_evt != FlowEvent::Open {
        return None;
    }
    let pairs = [
        (before.source, after.source),
        (before.destination, after.destination),
    ];
    if schema.hosts == Hosts::Graph {
        for (from, to) in pairs {
            if HostKind::of(from) != HostKind::of(to) || !hosts.holds(from, to) {
                return Some(Loss::Host);
            }
        }
    }
    if let (Services::Class, Some(before_ports), Some(after_ports)) = (
        schema.services,
        before.transport.ports(),
        after.transport.ports(),
    ) {
        for (from, to) in before_ports.into_iter().zip(after_ports) {
            let services = [from, to].map(|port| service::of(action.proto, port));
            if services[0] != services[1] || services[0].is_some() && from != to {
                return Some(Loss::Port);
            }
        }
        if schema.hosts == Hosts::Graph {
            let (from, to) = pairs[1];
            let from = (from, action.proto, before_ports[1]);
            let to = (to, action.proto, after_ports[1]);
            if !ports.holds(from, to) {
                return Some(Loss::Port);
            }
        }
    }
    None
}

/// Compares all that a packet states relative to its flow.
fn follow(
    flows: &mut HashMap<FlowKey, Followed>,
    taken: &mut HashMap<FlowKey, FlowKey>,
    returns: &mut u64,
    action: &Action,
    before: &Headers<'_>,
    after: &Headers<'_>,
) -> Option<Loss> {
    let ((key, from), (synthetic, synthetic_from)) = (FlowKey::of(before), FlowKey::of(after));
    if *taken.entry(synthetic).or_insert(key) != key {
        return Some(Loss::Flow);
    }
    let fresh = || Followed {
        synthetic,
        aligned: from == synthetic_from,
        shifts: [None; 2],
    };
    let flow = match flows.entry(key) {
        Entry::Vacant(entry) => entry.insert(fresh()),
        Entry::Occupied(entry) => {
            let flow = entry.into_mut();
            if flow.synthetic != synthetic {
                *returns += 1;
                *flow = fresh();
            } else if action.flow_evt != FlowEvent::Continue {
                flow.shifts = [None; 2];
            }
            flow
        }
    };
    if (from == synthetic_from) != flow.aligned {
        return Some(Loss::Flow);
    }
    let dir = if from == Orientation::FromLower {
        Direction::Orig
    } else {
        Direction::Resp
    };
    match (before.transport, after.transport) {
        (Transport::Tcp(before), Transport::Tcp(after)) => {
            let shift = |after: u32, before: u32| after.wrapping_sub(before);
            let seq = shift(after.numbers.seq.0, before.numbers.seq.0);
            if *flow.shifts[dir as usize].get_or_insert(seq) != seq {
                return Some(Loss::Sequence);
            }
            let zeros = (before.numbers.ack.0, after.numbers.ack.0) == (0, 0);
            let meaningful = before.flags & flags::ACK != 0 || before.numbers.ack.0 != 0;
            let ack = shift(after.numbers.ack.0, before.numbers.ack.0);
            let peer = &mut flow.shifts[dir.reverse() as usize];
            (!zeros && meaningful && *peer.get_or_insert(ack) != ack)
                .then_some(Loss::Acknowledgment)
        }
        _ => None,
    }
}
