//! Slots: a bounded number of live flows. Each flow has the lowest number that was free when it
//! opened.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::clock::Clock;
use super::{FlowKey, IDLE, MAX_SLOTS, Orientation};
use crate::action::{Direction, FlowEvent};
use crate::pcap::Timestamp;

/// End of a list: no slot.
const NONE: u32 = u32::MAX;

/// How long a silent flow keeps its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// TCP after its close.
    Over,
    /// A TCP connection of which only the opener was heard: a probe, or a SYN without an answer.
    HalfOpen,
    /// Not TCP.
    Passing,
    /// A TCP connection that was not seen to close. Analysers judge its next segment by its
    /// remembered state.
    Lasting,
}

impl Lifetime {
    const ALL: [Lifetime; 4] = [
        Lifetime::Over,
        Lifetime::HalfOpen,
        Lifetime::Passing,
        Lifetime::Lasting,
    ];

    /// Silence, in nanoseconds of the table's clock, after which a flow of this lifetime gives its
    /// slot back: five minutes (five times the idle time of sessions), or a day.
    pub const fn idle(self) -> i64 {
        match self {
            Lifetime::Over | Lifetime::Passing => 5 * IDLE,
            Lifetime::HalfOpen | Lifetime::Lasting => 24 * 60 * IDLE,
        }
    }
}

struct Slot<S> {
    key: FlowKey,
    opener: Orientation,
    /// Time of the clock at the flow's latest packet.
    last_seen: i64,
    /// Number of the flow's latest packet in the sequence of all packets, by which the lists are
    /// ordered.
    last_packet: u64,
    lifetime: Lifetime,
    older: u32,
    newer: u32,
    state: S,
}

#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
}

/// A packet's flow and its place in the table.
pub struct Placement<'a, S> {
    /// Slot of the flow.
    pub slot: u32,
    /// Whether the packet continues, opens or reopens the flow.
    pub event: FlowEvent,
    /// Direction relative to the opener; if the packet reopens the flow, relative to the previous
    /// opener.
    pub dir: Direction,
    /// The caller's state of the flow.
    pub state: &'a mut S,
}

/// The table of live flows.
///
/// A five-tuple keeps its slot until it has been silent for longer than its [`Lifetime`] allows, or
/// until all slots are taken (an eviction). The flow that then loses its slot is surely dead if any
/// is: the closed connection that has been silent longest, or else the half-open one. Only without
/// these a flow that may be alive loses its slot: the one that has been silent longest.
///
/// Silence is measured by the table's own clock, which holes in the capture and steps back do not
/// move.
pub struct FlowTable<S> {
    /// Slots of the live flows by their keys, which the slots themselves hold.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    slots: Vec<Slot<S>>,
    free: BinaryHeap<Reverse<u32>>,
    lists: [List; Lifetime::ALL.len()],
    capacity: usize,
    clock: Clock,
    packets: u64,
    evictions: u64,
}

impl<S: Default> FlowTable<S> {
    /// A table with this many slots, at most [`MAX_SLOTS`].
    pub fn new(capacity: usize) -> Self {
        Self {
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            slots: Vec::new(),
            free: BinaryHeap::new(),
            lists: [List {
                oldest: NONE,
                newest: NONE,
            }; Lifetime::ALL.len()],
            capacity: capacity.clamp(1, MAX_SLOTS),
            clock: Clock::default(),
            packets: 0,
            evictions: 0,
        }
    }

    /// Flows that lost their slot because all slots were taken.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// The slot of a live flow, and the opener's place in the key.
    pub fn find(&self, key: &FlowKey) -> Option<(u32, Orientation)> {
        let slot = self.live_slot(key)?;
        Some((slot, self.slots[slot as usize].opener))
    }

    /// Flows that hold a slot now.
    pub fn live(&self) -> usize {
        self.index.len()
    }

    /// Largest number of slots taken at once.
    pub fn peak(&self) -> usize {
        self.slots.len()
    }

    /// Finds or opens the flow of a packet. `reopens` decides, given the live flow's state and the
    /// packet's direction in it, whether the packet starts another flow under the same key; if so,
    /// the state starts anew. [`FlowTable::touch`] must be called after the state is updated.
    pub fn place(
        &mut self,
        key: FlowKey,
        from: Orientation,
        time: Timestamp,
        reopens: impl FnOnce(&S, Direction) -> bool,
    ) -> Placement<'_, S> {
        self.clock.tick(time);
        self.packets += 1;
        self.expire();
        let live = self.live_slot(&key);
        let slot = live.unwrap_or_else(|| self.open(key, from));
        let held = &mut self.slots[slot as usize];
        let dir = if from == held.opener {
            Direction::Orig
        } else {
            Direction::Resp
        };
        let event = match live {
            None => FlowEvent::Open,
            Some(_) if reopens(&held.state, dir) => FlowEvent::Reopen,
            Some(_) => FlowEvent::Continue,
        };
        if event == FlowEvent::Reopen {
            (held.state, held.opener) = (S::default(), from);
        }
        held.last_seen = self.clock.now();
        held.last_packet = self.packets;
        Placement {
            slot,
            event,
            dir,
            state: &mut held.state,
        }
    }

    /// Records a packet of the flow: moves the flow to the newest end of the list of its lifetime.
    pub fn touch(&mut self, slot: u32, lifetime: Lifetime) {
        if self.lists[lifetime as usize].newest != slot {
            self.unlink(slot);
            self.link(slot, lifetime);
        }
    }

    fn live_slot(&self, key: &FlowKey) -> Option<u32> {
        let is_it = |slot: &u32| self.slots[*slot as usize].key == *key;
        self.index.find(self.hasher.hash_one(key), is_it).copied()
    }

    fn expire(&mut self) {
        for lifetime in Lifetime::ALL {
            while let Some(oldest) = self.oldest(lifetime) {
                if self.clock.now() - self.slots[oldest as usize].last_seen <= lifetime.idle() {
                    break;
                }
                self.close(oldest);
            }
        }
    }

    fn oldest(&self, lifetime: Lifetime) -> Option<u32> {
        let oldest = self.lists[lifetime as usize].oldest;
        (oldest != NONE).then_some(oldest)
    }

    fn open(&mut self, key: FlowKey, opener: Orientation) -> u32 {
        if self.index.len() == self.capacity {
            self.evict();
        }
        let opened = Slot {
            key,
            opener,
            last_seen: 0,
            last_packet: 0,
            lifetime: Lifetime::Passing,
            older: NONE,
            newer: NONE,
            state: S::default(),
        };
        let slot = match self.free.pop() {
            Some(Reverse(slot)) => {
                self.slots[slot as usize] = opened;
                slot
            }
            None => {
                self.slots.push(opened);
                (self.slots.len() - 1) as u32
            }
        };
        self.link(slot, Lifetime::Passing);
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash_of = |slot: &u32| hasher.hash_one(slots[*slot as usize].key);
        self.index.insert_unique(hash_of(&slot), slot, hash_of);
        slot
    }

    fn evict(&mut self) {
        let dead = self
            .oldest(Lifetime::Over)
            .or(self.oldest(Lifetime::HalfOpen));
        let silent = [Lifetime::Passing, Lifetime::Lasting]
            .into_iter()
            .filter_map(|lifetime| self.oldest(lifetime))
            .min_by_key(|&slot| self.slots[slot as usize].last_packet);
        if let Some(slot) = dead.or(silent) {
            self.evictions += 1;
            self.close(slot);
        }
    }

    fn close(&mut self, slot: u32) {
        self.unlink(slot);
        let hash = self.hasher.hash_one(self.slots[slot as usize].key);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        self.free.push(Reverse(slot));
    }

    fn link(&mut self, slot: u32, lifetime: Lifetime) {
        let newest = self.lists[lifetime as usize].newest;
        let held = &mut self.slots[slot as usize];
        (held.lifetime, held.older, held.newer) = (lifetime, newest, NONE);
        self.set_newer(lifetime, newest, slot);
        self.lists[lifetime as usize].newest = slot;
    }

    fn unlink(&mut self, slot: u32) {
        let held = &self.slots[slot as usize];
        let (lifetime, older, newer) = (held.lifetime, held.older, held.newer);
        self.set_newer(lifetime, older, newer);
        match newer {
            NONE => self.lists[lifetime as usize].newest = older,
            newer => self.slots[newer as usize].older = older,
        }
    }

    /// Makes `newer` follow `older`, or start the list if `older` is [`NONE`].
    fn set_newer(&mut self, lifetime: Lifetime, older: u32, newer: u32) {
        match older {
            NONE => self.lists[lifetime as usize].oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Family;
    use crate::wire::{Headers, Transport};
    use std::net::Ipv4Addr;

    const SECOND: i64 = 1_000_000_000;

    fn flow(id: u8, swap: bool) -> (FlowKey, Orientation) {
        let (a, b) = (
            Ipv4Addr::new(10, 0, 0, id).into(),
            Ipv4Addr::new(10, 0, 1, id).into(),
        );
        let (source, destination) = if swap { (b, a) } else { (a, b) };
        FlowKey::of(&Headers {
            family: Family::V4,
            source,
            destination,
            ttl: 64,
            tos: 0,
            ip_flags: 0,
            ip_id: 0,
            ip_ext: 0,
            transport: Transport::Other(99),
            payload_len: 0,
            ip_len: 20,
        })
    }

    fn packet(table: &mut FlowTable<()>, id: u8, seconds: i64) -> (u32, bool) {
        let (key, from) = flow(id, false);
        let placement = table.place(key, from, Timestamp(seconds * SECOND), |(), _| false);
        let result = (placement.slot, placement.event == FlowEvent::Open);
        table.touch(result.0, Lifetime::Passing);
        result
    }

    /// Advances the clock by packets of a flow that is always there.
    fn wait(table: &mut FlowTable<()>, from: i64, to: i64) {
        for seconds in (from..=to).step_by(60) {
            packet(table, 99, seconds);
        }
    }

    #[test]
    fn test_slots_are_lowest_free_first() {
        let mut table = FlowTable::new(10);
        assert_eq!(packet(&mut table, 99, 0), (0, true));
        assert_eq!(packet(&mut table, 1, 0), (1, true));
        wait(&mut table, 0, 240);
        assert_eq!(packet(&mut table, 2, 240), (2, true));
        wait(&mut table, 240, 360);
        assert_eq!(packet(&mut table, 3, 360), (1, true));
        assert_eq!(table.live(), 3);
    }

    #[test]
    fn test_holes_and_steps_back_do_not_count_as_silence() {
        let mut table = FlowTable::new(10);
        packet(&mut table, 1, 0);
        packet(&mut table, 2, 1_000_000_000);
        packet(&mut table, 2, 5);
        assert_eq!(packet(&mut table, 1, 10), (0, false));
    }

    #[test]
    fn test_direction_is_relative_to_the_opener() {
        let mut table = FlowTable::<()>::new(10);
        let (key, from) = flow(1, true);
        assert_eq!(
            table.place(key, from, Timestamp(0), |(), _| false).dir,
            Direction::Orig
        );
        let (key, from) = flow(1, false);
        assert_eq!(
            table.place(key, from, Timestamp(0), |(), _| false).dir,
            Direction::Resp
        );
    }

    #[test]
    fn test_lasting_flows_outlive_passing_ones() {
        let mut table = FlowTable::new(10);
        let (key, from) = flow(1, false);
        table.place(key, from, Timestamp(0), |(), _| false);
        table.touch(0, Lifetime::Lasting);
        packet(&mut table, 2, 0);
        wait(&mut table, 0, 3600);
        assert_eq!(packet(&mut table, 3, 3600), (1, true));
        assert_eq!(packet(&mut table, 1, 3600), (0, false));
    }

    #[test]
    fn test_full_table_evicts_the_longest_silent() {
        let mut table = FlowTable::new(2);
        packet(&mut table, 1, 0);
        packet(&mut table, 2, 0);
        packet(&mut table, 1, 0);
        assert_eq!(packet(&mut table, 3, 0), (1, true));
        assert_eq!(table.evictions(), 1);
        assert_eq!(packet(&mut table, 1, 0), (0, false));
    }

    #[test]
    fn test_full_table_evicts_dead_flows_before_live_ones() {
        let mut table = FlowTable::<()>::new(3);
        let mut open = |id, lifetime| {
            let (key, from) = flow(id, false);
            let placement = table.place(key, from, Timestamp(0), |(), _| false);
            let slot = placement.slot;
            table.touch(slot, lifetime);
            slot
        };
        open(1, Lifetime::Lasting);
        open(2, Lifetime::HalfOpen);
        open(3, Lifetime::Over);
        assert_eq!(open(4, Lifetime::Passing), 2);
        assert_eq!(open(5, Lifetime::Passing), 1);
        assert_eq!(open(6, Lifetime::Passing), 0);
    }

    #[test]
    fn test_reopened_flow_keeps_its_slot_and_turns_to_its_new_opener() {
        let mut table = FlowTable::<()>::new(10);
        packet(&mut table, 1, 0);
        packet(&mut table, 2, 0);
        let (key, from) = flow(2, true);
        let placement = table.place(key, from, Timestamp(0), |(), dir| dir == Direction::Resp);
        assert_eq!(
            (placement.slot, placement.event, placement.dir),
            (1, FlowEvent::Reopen, Direction::Resp)
        );
        let placement = table.place(key, from, Timestamp(0), |(), _| false);
        assert_eq!(
            (placement.event, placement.dir),
            (FlowEvent::Continue, Direction::Orig)
        );
    }
}
