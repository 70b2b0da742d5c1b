//! Sessions of captures: what shadow models learn from, and what they are asked about.

use std::path::PathBuf;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tracecodec::action::{Action, ActionSchema, FlowEvent, OptionProfiles};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::flow::session::Sessions;
use tracecodec::lift::Lifter;
use tracecodec::pcap::PacketBuf;
use tracecodec::wire;
use tracecodec_nn::generator::autoregressive::EventSequences;

use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::monitor::Monitor;

/// Bytes of a packet that are kept: all headers.
const HEADERS: usize = 192;

/// One of so many sessions decides which weights of a shadow model are the best.
const VALIDATION: u32 = 10;

/// A capture's packets in scope, each with the number of its session in the pool.
struct Trace {
    packets: Vec<(usize, PacketBuf)>,
}

/// A session of the pool.
#[derive(Debug, Clone)]
pub(super) struct PoolSession {
    /// Whether the audited model learned from it.
    pub(super) is_member: bool,
    /// Whether it decides which weights of shadow models are the best, and is in none of them.
    pub(super) is_validation: bool,
    /// By shadow model: whether it learns from the session.
    pub(super) included: Vec<bool>,
    /// The session's actions, lifted by themselves.
    actions: Vec<Action>,
}

/// All sessions.
pub(super) struct Pool {
    version: u32,
    labels: Vec<String>,
    traces: Vec<Trace>,
    pub(super) sessions: Vec<PoolSession>,
    pub(super) profiles: OptionProfiles,
}

impl Pool {
    /// A pool without sessions, of a version of the action schema, whose dictionary of option
    /// layouts begins with this one.
    pub(super) fn new(version: u32, labels: &[String], profiles: OptionProfiles) -> Self {
        Self {
            version,
            labels: labels.to_vec(),
            traces: Vec::new(),
            sessions: Vec::new(),
            profiles: profiles.thaw(),
        }
    }

    /// Adds the sessions of captures, about 400 bytes a packet.
    pub(super) fn add(
        &mut self,
        captures: &[PathBuf],
        is_member: bool,
        read: &ReadPolicy,
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        for path in captures {
            let mut sessions: Sessions = Sessions::new();
            let first = self.sessions.len();
            let mut packets = Vec::new();
            Capture::open(path, read)?.for_each(monitor, |packet| {
                if let Ok(headers) = wire::parse(packet) {
                    let id = sessions.observe(&headers, packet.time).id;
                    let mut packet = PacketBuf::from(packet);
                    packet.wire_len = packet.wire_len.max(packet.data.len() as u32);
                    packet.data.truncate(HEADERS);
                    packets.push((first + id as usize, packet));
                }
                Ok(())
            })?;
            let mut by_session = vec![Vec::new(); sessions.count() as usize];
            for (session, packet) in &packets {
                by_session[session - first].push(packet);
            }
            for packets in by_session {
                let actions = self.lift(packets.into_iter());
                self.sessions.push(PoolSession {
                    is_member,
                    is_validation: false,
                    included: Vec::new(),
                    actions,
                });
            }
            self.traces.push(Trace { packets });
        }
        Ok(())
    }

    /// Decides by lot which sessions each of the shadow models learns from: half of them, and each
    /// session is in half of the models.
    pub(super) fn draw(&mut self, shadows: usize, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for session in &mut self.sessions {
            session.is_validation = rng.random_range(0..VALIDATION) == 0;
            let mut included: Vec<bool> = (0..shadows).map(|shadow| shadow % 2 == 0).collect();
            included.shuffle(&mut rng);
            session.included = included;
        }
    }

    fn lift<'a>(&mut self, packets: impl Iterator<Item = &'a PacketBuf>) -> Vec<Action> {
        let profiles = std::mem::take(&mut self.profiles);
        let mut lifter = Lifter::new(ActionSchema::whole(self.version), MAX_SLOTS, profiles);
        let lifted = packets.filter_map(|packet| lifter.lift(&packet.as_packet()).ok());
        let actions = lifted.collect();
        self.profiles = lifter.into_profiles();
        actions
    }

    /// The traces of the captures, with the sessions alone that are wanted.
    pub(super) fn traces(&mut self, wanted: impl Fn(&PoolSession) -> bool) -> EventSequences {
        let mut sequences = EventSequences::new(self.version, &self.labels);
        let traces = std::mem::take(&mut self.traces);
        for trace in &traces {
            let packets = trace.packets.iter();
            let is_wanted: Vec<bool> = self.sessions.iter().map(&wanted).collect();
            let packets = packets.filter(|(session, _)| is_wanted[*session]);
            let actions = self.lift(packets.map(|(_, packet)| packet));
            push(&mut sequences, &actions);
        }
        self.traces = traces;
        sequences
    }

    /// Sessions of which packets follow one another, by number, each as the sequence of one flow.
    pub(super) fn scored(&self, most: usize) -> Vec<(usize, EventSequences)> {
        let long = |session: &&PoolSession| session.actions.len() > 1 && !session.is_validation;
        let numbered = self.sessions.iter().enumerate();
        let long: Vec<_> = numbered.filter(|(_, session)| long(session)).collect();
        let step = long.len().div_ceil(most.max(1)).max(1);
        let scored = long.into_iter().step_by(step);
        scored
            .map(|(number, session)| (number, self.alone(&session.actions)))
            .collect()
    }

    /// A session as a trace of its own.
    pub(super) fn alone(&self, actions: &[Action]) -> EventSequences {
        let mut sequences = EventSequences::new(self.version, &self.labels);
        push(&mut sequences, actions);
        sequences
    }

    /// TCP sessions from their opening on that have this many packets at least.
    pub(super) fn whole(&self, packets: usize) -> impl Iterator<Item = &[Action]> {
        let is_whole = move |actions: &&[Action]| {
            actions.len() >= packets
                && actions[0].tcp_ctrl == tracecodec::action::Control::Syn
                && actions[1..]
                    .iter()
                    .all(|action| action.flow_evt == FlowEvent::Continue)
        };
        let sessions = self.sessions.iter();
        sessions
            .map(|session| &session.actions[..])
            .filter(is_whole)
    }
}

/// Adds a trace.
pub(super) fn push(sequences: &mut EventSequences, actions: &[Action]) {
    sequences.begin(None);
    actions.iter().for_each(|action| sequences.push(action));
    sequences.end();
}
