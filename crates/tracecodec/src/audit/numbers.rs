//! Numbers that a stack draws: ports, sequence numbers, identifications, timestamps, checksums.

use hashbrown::{HashMap, HashSet};

use super::sample::Sample;
use super::{Survival, is_identifier, is_service};
use crate::action::options::{OptionIter, TcpOption};
use crate::flow::{FlowKey, Orientation};
use crate::pcap::Packet;
use crate::tcp::flags;
use crate::wire::{Headers, Transport, field, link};

/// Places of a column that are kept; beyond them, every other one is dropped.
const PLACES: usize = 1 << 20;

/// Values of a set of which every shift is tried.
const SHIFTED: usize = 2048;

/// Identifications below this are those of a host that counts from 0.
const SMALL: u16 = 256;

/// A kind of number.
struct Column {
    what: &'static str,
    /// Whether the number has 16 bits; else it has 32.
    is_short: bool,
}

const COLUMNS: [Column; 9] = [
    short("opener's port"),
    short("responder's port"),
    long("sequence number"),
    long("acknowledgment number"),
    short("IP identification"),
    long("TCP timestamp"),
    long("TCP timestamp echo"),
    short("IP checksum"),
    short("transport checksum"),
];
const PORTS: usize = 2;
const SEQ: usize = 2;
const ACK: usize = 3;
const ID: usize = 4;
const IP_CHECKSUM: usize = 7;

const fn short(what: &'static str) -> Column {
    Column {
        what,
        is_short: true,
    }
}

const fn long(what: &'static str) -> Column {
    Column {
        what,
        is_short: false,
    }
}

/// The numbers of a packet that may identify something: zeros and ports of services do not.
fn numbers(headers: &Headers<'_>, packet: &Packet<'_>) -> [Option<u32>; COLUMNS.len()] {
    let mut numbers = [None; COLUMNS.len()];
    let proto = headers.transport.proto();
    if let Some(ports) = headers.transport.ports() {
        for (number, port) in numbers.iter_mut().zip(ports) {
            *number = (!is_service(proto, port)).then_some(u32::from(port));
        }
    }
    if let Transport::Tcp(tcp) = headers.transport {
        numbers[SEQ] = Some(tcp.numbers.seq.0);
        numbers[ACK] = (tcp.flags & flags::ACK != 0).then_some(tcp.numbers.ack.0);
        for (_, _, option) in OptionIter::new(tcp.options) {
            if let TcpOption::Timestamps(value, echo) = option {
                (numbers[ID + 1], numbers[ID + 2]) = (Some(value), Some(echo));
            }
        }
    }
    numbers[ID] = Some(headers.ip_id.into());
    if let Ok(place) = link::find_ip(packet.link, packet.data) {
        let word = |at: usize| {
            let bytes = packet.data.get(place.offset + at..)?.first_chunk::<2>()?;
            Some(u32::from(u16::from_be_bytes(*bytes)))
        };
        // A checksum over addresses that are the same in every network says nothing.
        let is_summed = is_identifier(headers.source) || is_identifier(headers.destination);
        let is_v4 = packet.data[place.offset] >> 4 == 4;
        numbers[IP_CHECKSUM] = word(10).filter(|_| is_v4 && is_summed);
        let from_end = match headers.transport {
            Transport::Tcp(tcp) => field::tcp::URGENT_POINTER.len() + 2 + tcp.options_len,
            Transport::Udp { .. } => 2,
            // Their checksums do not cover addresses, or are unknown.
            Transport::Icmp(_) | Transport::Other(_) => 0,
        };
        if from_end > 0 && is_summed {
            let header = (headers.ip_len - headers.payload_len) as usize;
            numbers[IP_CHECKSUM + 1] = word(header - from_end);
        }
    }
    numbers.map(|number| number.filter(|number| *number != 0))
}

/// What is remembered of a flow.
#[derive(Debug, Default)]
struct Seen {
    is_open: bool,
    /// By direction: whether a number of each column was taken, or will never be.
    taken: [[bool; COLUMNS.len()]; 2],
    /// By direction: whether the sequence numbers start at 0, and so mean what relative ones do.
    from_zero: [bool; 2],
}

/// Numbers of an original: the first of each direction of a flow, which the compiler draws anew;
/// sequence numbers also where a direction ends. Numbers that count from 0 are left out.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) packets: u64,
    flows: HashMap<FlowKey, Seen>,
    columns: [Collected; COLUMNS.len()],
}

#[derive(Debug, Default)]
struct Collected {
    /// Packets in scope before each number, and the number.
    places: Vec<(u64, u32)>,
    /// Every how many-th packet may have a place, as a power of two.
    step: u32,
    set: Sample,
}

impl Collected {
    fn take(&mut self, packet: u64, number: u32) {
        self.set.add(number.into());
        if packet.trailing_zeros() >= self.step {
            self.places.push((packet, number));
            if self.places.len() > PLACES {
                self.step += 1;
                let step = self.step;
                self.places
                    .retain(|(packet, _)| packet.trailing_zeros() >= step);
            }
        }
    }
}

impl Collector {
    pub(super) fn observe(&mut self, headers: &Headers<'_>, packet: &Packet<'_>) {
        let at = self.packets;
        self.packets += 1;
        let (key, from) = FlowKey::of(headers);
        let dir = usize::from(from == Orientation::FromHigher);
        let seen = self.flows.entry(key).or_default();
        let mut ends = false;
        if let Transport::Tcp(tcp) = headers.transport {
            if flags::opens(tcp.flags) && seen.from_zero[dir] && tcp.numbers.seq.0 != 0 {
                *seen = Seen::default();
            }
            ends = tcp.flags & (flags::FIN | flags::RST) != 0;
            if !seen.taken[dir][SEQ] && tcp.numbers.seq.0 == 0 {
                seen.from_zero[dir] = true;
                seen.taken[dir][SEQ] = true;
            }
            // Acknowledgments count what the peer sends, from 0 if that starts there.
            if seen.from_zero[1 - dir] {
                seen.taken[dir][ACK] = true;
            }
        }
        if headers.ip_id < SMALL {
            // One counter may serve both directions.
            (seen.taken[0][ID], seen.taken[1][ID]) = (true, true);
        }
        let starts = !std::mem::replace(&mut seen.is_open, true);
        for (column, number) in numbers(headers, packet).into_iter().enumerate() {
            let Some(number) = number else { continue };
            let taken = &mut seen.taken[dir][column];
            let is_wanted = match column {
                ..PORTS => starts,
                SEQ => !*taken || ends && !seen.from_zero[dir],
                _ => !*taken,
            };
            if is_wanted {
                *taken = true;
                self.columns[column].take(at, number);
            }
        }
    }
}

/// Compares the numbers of a decoded capture.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    packets: u64,
    columns: [Compared; COLUMNS.len()],
}

#[derive(Debug, Default)]
struct Compared {
    next: usize,
    /// Different pairs of numbers at the same place: the original's and the decoded.
    pairs: HashSet<(u32, u32)>,
    set: Sample,
}

impl Comparison {
    pub(super) fn observe(
        &mut self,
        original: &Collector,
        headers: &Headers<'_>,
        packet: &Packet<'_>,
    ) {
        let at = self.packets;
        self.packets += 1;
        let columns = self.columns.iter_mut().zip(&original.columns);
        for ((compared, collected), number) in columns.zip(numbers(headers, packet)) {
            if let Some(number) = number {
                compared.set.add(number.into());
            }
            let place = collected.places.get(compared.next);
            if let Some((_, theirs)) = place.filter(|place| place.0 == at) {
                compared.next += 1;
                compared.pairs.insert((*theirs, number.unwrap_or(0)));
            }
        }
    }

    /// A row for each kind of number by its place, if the captures have as many packets in scope,
    /// and one by its set.
    pub(super) fn survivals(self, original: &Collector) -> Vec<Survival> {
        let is_paired = self.packets == original.packets;
        let mut rows = Vec::new();
        for (index, (column, compared)) in COLUMNS.iter().zip(self.columns).enumerate() {
            if is_paired {
                rows.push(column.by_place(index < PORTS, &compared.pairs));
            }
            let collected = &original.columns[index].set;
            rows.push(column.by_set(index < PORTS, collected, &compared.set));
        }
        rows
    }
}

impl Column {
    /// Equal numbers at the same place. Counters that go side by side count once.
    fn by_place(&self, is_port: bool, pairs: &HashSet<(u32, u32)>) -> Survival {
        let equal = |number: u32| pairs.contains(&(number, number));
        let mut runs: Vec<u32> = pairs
            .iter()
            .filter(|(ours, theirs)| ours == theirs && !equal(ours.wrapping_sub(1)))
            .map(|(number, _)| *number)
            .collect();
        runs.sort_unstable();
        let count = pairs.len() as f64;
        // Synthetic sequence numbers have 30 bits, and ports are drawn from 4,096 at least.
        let expected = match (is_port, self.is_short) {
            (true, _) => by_marginals(pairs).max(count / 4096.0),
            (_, true) => count / 65_536.0,
            _ => count / f64::from(1 << 30),
        };
        let counts = [pairs.len() as u64, runs.len() as u64];
        Survival::new(self.what, "the same packet", counts, expected).with_examples(runs)
    }

    fn by_set(&self, is_port: bool, original: &Sample, decoded: &Sample) -> Survival {
        let place = "any packet's field";
        if !self.is_short {
            let overlap = original.overlap(decoded, |value| (value >> 16, 65_536.0));
            let found = original
                .iter()
                .map(|(value, _)| value)
                .filter(|value| decoded.contains(*value));
            return Survival::new(
                self.what,
                place,
                [overlap.searched, overlap.found],
                overlap.expected,
            )
            .with_examples(found.collect());
        }
        let (found, expected, probability) =
            by_shifts(original, decoded, if is_port { 4096 } else { 65_536 });
        let searched = original.len().min(SHIFTED) as u64;
        Survival::new(self.what, place, [searched, found], expected).with_probability(probability)
    }
}

/// Number of equal pairs if the two numbers of pairs were independent of each other.
fn by_marginals(pairs: &HashSet<(u32, u32)>) -> f64 {
    let mut counts = std::collections::BTreeMap::<u32, [f64; 3]>::new();
    for (ours, theirs) in pairs {
        counts.entry(*ours).or_default()[0] += 1.0;
        counts.entry(*theirs).or_default()[1] += 1.0;
        counts.entry(*ours).or_default()[2] += f64::from(u8::from(ours == theirs));
    }
    let products = counts
        .values()
        .map(|[ours, theirs, equal]| ours * theirs - equal);
    products.sum::<f64>() / (pairs.len() as f64 - 1.0).max(1.0)
}

/// Numbers of 16 bits that are in both sets, how many would be if the one set were shifted against
/// the other within blocks of a size, and the share of shifts with as many. Counters make runs in
/// both sets, which overlap as a whole or not at all: a Poisson distribution is no model of that.
fn by_shifts(original: &Sample, decoded: &Sample, block: usize) -> (u64, f64, f64) {
    let mut has = vec![0_u8; 1 << 16];
    decoded
        .iter()
        .for_each(|(value, _)| has[value as usize] = 1);
    let mut values: Vec<usize> = original.iter().map(|(value, _)| value as usize).collect();
    values.sort_unstable_by_key(|value| super::sample::hash(*value as u64));
    values.truncate(SHIFTED);
    let overlap = |shift: usize| -> u64 {
        let shifted = values
            .iter()
            .map(|value| value / block * block + (value + shift) % block);
        shifted.map(|value| u64::from(has[value])).sum()
    };
    let found = overlap(0);
    let (mut sum, mut as_many) = (0, 0_u64);
    for shift in 0..block {
        let count = overlap(shift);
        sum += count;
        as_many += u64::from(count >= found);
    }
    let shifts = block as f64;
    (found, sum as f64 / shifts, as_many as f64 / shifts)
}
