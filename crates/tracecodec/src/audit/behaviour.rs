//! What is kept by design and still tells hosts and flows apart: who talks to whom, and the times
//! and sizes of packets.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};
use serde::Serialize;

use super::endpoints::is_identifier;
use crate::flow::session::Sessions;
use crate::pcap::Timestamp;
use crate::wire::Headers;

/// Packets of a flow whose gaps and sizes are compared.
const FIRST: u8 = 10;

/// Hosts and flows of a capture by what tells them apart. Memory grows with hosts, pairs of hosts
/// and flows: about 60 bytes each.
#[derive(Debug, Default)]
pub struct Behaviour {
    sessions: Sessions<Beginning>,
    /// Hashes of the beginnings of flows that are over.
    beginnings: HashMap<u64, u32>,
    pairs: HashSet<(IpAddr, IpAddr)>,
    degrees: HashMap<IpAddr, Degrees>,
}

/// Times and sizes of the first packets of a flow.
#[derive(Debug, Default)]
struct Beginning {
    packets: u8,
    last: Timestamp,
    hash: u64,
}

/// The degree vector of a host: hosts and flows that it opened, hosts and flows that it answered.
type Degrees = [u32; 4];

/// How many of the original's hosts or flows can be told apart, and found again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Likeness {
    /// Number in the original.
    pub count: u64,
    /// Those that are like no other of the original.
    pub unique: u64,
    /// Those that, besides, are like exactly one of the decoded capture.
    pub matched: u64,
}

impl Behaviour {
    pub(super) fn observe(&mut self, headers: &Headers<'_>, time: Timestamp) {
        let beginnings = &mut self.beginnings;
        let (membership, beginning) = self.sessions.observe_with(headers, time, |over| {
            *beginnings.entry(over.hash).or_default() += 1;
        });
        beginning.add(membership.dir as u8, headers.ip_len, time);
        if membership.starts && is_identifier(headers.source) && is_identifier(headers.destination)
        {
            let [opener, responder] = [headers.source, headers.destination];
            let is_new = u32::from(self.pairs.insert((opener, responder)));
            for (host, at) in [(opener, 0), (responder, 2)] {
                let degrees = self.degrees.entry(host).or_default();
                degrees[at] += is_new;
                degrees[at + 1] += 1;
            }
        }
    }

    /// Ends all flows.
    fn beginnings(self) -> (HashMap<u64, u32>, HashMap<Degrees, u32>) {
        let mut beginnings = self.beginnings;
        self.sessions.end(|over| {
            *beginnings.entry(over.hash).or_default() += 1;
        });
        let mut degrees = HashMap::new();
        let mut vectors: Vec<Degrees> = self.degrees.into_values().collect();
        vectors.sort_unstable();
        for vector in vectors {
            *degrees.entry(vector).or_default() += 1;
        }
        (beginnings, degrees)
    }

    /// Hosts by their degrees, then flows by the times and sizes of their first ten packets: those
    /// of an original in a decoded capture.
    pub fn likeness(self, decoded: Self) -> [Likeness; 2] {
        let (ours, theirs) = (self.beginnings(), decoded.beginnings());
        [likeness(&ours.1, &theirs.1), likeness(&ours.0, &theirs.0)]
    }
}

fn likeness<T: Hash + Eq>(ours: &HashMap<T, u32>, theirs: &HashMap<T, u32>) -> Likeness {
    let mut likeness = Likeness::default();
    let mut entries = ours.iter();
    // Sums do not depend on the order.
    entries.by_ref().for_each(|(what, count)| {
        likeness.count += u64::from(*count);
        if *count == 1 {
            likeness.unique += 1;
            likeness.matched += u64::from(theirs.get(what) == Some(&1));
        }
    });
    likeness
}

impl Beginning {
    fn add(&mut self, dir: u8, len: u32, time: Timestamp) {
        if self.packets == FIRST {
            return;
        }
        // In microseconds, which every capture format has.
        let gap = match self.packets {
            0 => 0,
            _ => (time.0 - self.last.0) / 1000,
        };
        let mut hasher = DefaultHasher::new();
        (self.hash, dir, len, gap).hash(&mut hasher);
        self.hash = hasher.finish();
        self.packets += 1;
        self.last = time;
    }
}
