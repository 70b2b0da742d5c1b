//! Entropy of packets without a model of the traffic: the figures beside which a codec's rate is
//! stated.
//!
//! Both figures are of a *memoryless* source, one that draws each packet by itself. With `N`
//! packets, of which `n_r` are the record `r`:
//!
//! - The *plug-in entropy* `H = Σ_r n_r/N · ln(N/n_r)` of whole records. On average it is below the
//!   source's entropy, and far below it if most records occur once: it is never above `ln N`.
//! - A *code length* that a decoder could follow: packet by packet, each symbol `x` out of `K`
//!   costs `-ln((n_x + 1/2) / (n + K/2))` nats (Krichevsky and Trofimov), where `n` packets before
//!   had the same context and `n_x` of them the symbol. The context is the quantity's digits
//!   before, and `proto`, `dir` and `tcp_ctrl`, which come first. On average it is above the
//!   source's entropy, by what it costs to learn the counts.
//!
//! The entropy never exceeds the code length. A model that uses the order of packets may need less
//! than both.

use std::collections::{BTreeMap, HashMap};

use tracecodec::action::Action;
use tracecodec::action::float::{EXPONENT_CLASSES, Tick, TimeCode};
use tracecodec::action::schema::{Group, QUANTITIES, Quantity, Vocabulary};

use super::{Codec, ContextSource, Past};
use crate::latents::EntropyNats;

/// Entropy of the packets so far, over the quantities and time steps that the codec's latents
/// carry. Memory grows with the distinct records, by about 200 bytes each.
#[derive(Debug, Clone)]
pub struct CodecEntropy {
    past: Past,
    entropy: Entropy,
}

impl CodecEntropy {
    /// An empty count.
    pub fn new(codec: &Codec) -> Self {
        let config = codec.config();
        let is_carried = |quantity: &Quantity| {
            let follows = config.context == ContextSource::Flow && quantity.group == Group::Context;
            !follows && !config.omits(quantity)
        };
        Self {
            past: Past::new(config, Tick::Nanosecond),
            entropy: Entropy::new(is_carried, config.time_digits),
        }
    }

    /// Counts the next packets of the trace.
    pub fn add(&mut self, actions: &[Action]) {
        for action in actions {
            self.entropy.add(&self.past.codable(action));
        }
    }

    /// The figures of the packets so far, in nats a packet.
    pub fn nats(&self) -> EntropyNats {
        EntropyNats {
            plug_in: self.entropy.plug_in(),
            code_length: self.entropy.code_length(),
        }
    }
}

/// Quantities that are coded first, each known to the ones after it.
const FIRST: [&str; 3] = ["proto", "dir", "tcp_ctrl"];

/// Context in which a symbol is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Context {
    /// Index into [`QUANTITIES`]; its length for the time.
    quantity: usize,
    /// Index of the symbol in the quantity, most significant first.
    symbol: u8,
    /// Symbols of the quantity that come before this one.
    before: u64,
    /// Symbols of [`FIRST`] that are known, each plus one, as hexadecimal digits.
    first: u16,
}

/// A packet's carried and active quantities in the order of coding, and its time.
type Record = (Vec<u32>, TimeCode);

/// Plug-in entropy and code length of packet actions, one by one.
#[derive(Debug, Clone)]
struct Entropy {
    /// Indices of the carried quantities, [`FIRST`] first.
    quantities: Vec<usize>,
    time_digits: u8,
    packets: u64,
    records: HashMap<Record, u64>,
    /// Number of records by how often each occurred.
    often: BTreeMap<u64, u64>,
    contexts: HashMap<Context, u64>,
    symbols: HashMap<(Context, u16), u64>,
    code_length: f64,
}

impl Entropy {
    /// An empty count. `carried` chooses the quantities that count; a quantity of 256 classes is
    /// coded as two hexadecimal digits, and the time as a [`TimeCode`] of `time_digits` mantissa
    /// digits (at most 7).
    fn new(carried: impl Fn(&Quantity) -> bool, time_digits: u8) -> Self {
        let mut quantities: Vec<usize> = (0..QUANTITIES.len())
            .filter(|&i| carried(&QUANTITIES[i]))
            .collect();
        quantities.sort_by_key(|&i| place_among_first(i).unwrap_or(FIRST.len()));
        Self {
            quantities,
            time_digits,
            packets: 0,
            records: HashMap::new(),
            often: BTreeMap::new(),
            contexts: HashMap::new(),
            symbols: HashMap::new(),
            code_length: 0.0,
        }
    }

    /// Counts the next packet.
    fn add(&mut self, action: &Action) {
        let time = TimeCode::encode(action.delta_t, self.time_digits);
        let mut record = Vec::with_capacity(self.quantities.len());
        let mut first = 0;
        for at in 0..self.quantities.len() {
            let index = self.quantities[at];
            let quantity = &QUANTITIES[index];
            if quantity.is_active(action) {
                let value = (quantity.get)(action);
                self.code_value(index, value, first);
                record.push(value);
                if let Some(place) = place_among_first(index) {
                    first |= (value as u16 + 1) << (4 * place);
                }
            }
        }
        self.code_time(time, first);
        self.count_record((record, time));
    }

    /// The plug-in entropy of whole records, in nats a packet; 0 without packets.
    fn plug_in(&self) -> f64 {
        let packets = self.packets as f64;
        let share = |(&count, &records): (&u64, &u64)| {
            let count = count as f64;
            records as f64 * count / packets * (packets / count).ln()
        };
        self.often
            .iter()
            .map(share)
            .fold(0.0, |sum, share| sum + share)
    }

    /// The code length, in nats a packet; 0 without packets.
    fn code_length(&self) -> f64 {
        self.code_length / self.packets.max(1) as f64
    }

    fn code_value(&mut self, quantity: usize, value: u32, first: u16) {
        let (symbols, size) = match QUANTITIES[quantity].vocabulary {
            Vocabulary::Digits(n) => (n, 16),
            Vocabulary::Classes(256) => (2, 16),
            Vocabulary::Classes(n) => (1, n),
        };
        let value = u64::from(value);
        for symbol in 0..symbols {
            let shift = 4 * (symbols - 1 - symbol);
            let before = if symbol == 0 { 0 } else { value >> (shift + 4) };
            let digit = (value >> shift) - (before << 4);
            self.code(
                Context {
                    quantity,
                    symbol,
                    before,
                    first,
                },
                digit as u16,
                size,
            );
        }
    }

    fn code_time(&mut self, time: TimeCode, first: u16) {
        let mut context = Context {
            quantity: QUANTITIES.len(),
            symbol: 0,
            before: 0,
            first,
        };
        self.code(context, time.exponent, EXPONENT_CLASSES);
        context.before = time.exponent.into();
        for digit in time.mantissa_digits(self.time_digits) {
            context.symbol += 1;
            self.code(context, digit, 16);
            context.before = context.before << 4 | u64::from(digit);
        }
    }

    /// Adds the cost of one symbol out of `size`, and counts it.
    fn code(&mut self, context: Context, symbol: u16, size: u16) {
        let all = self.contexts.entry(context).or_default();
        let same = self.symbols.entry((context, symbol)).or_default();
        let share = (*same as f64 + 0.5) / (*all as f64 + 0.5 * f64::from(size));
        self.code_length -= share.ln();
        *all += 1;
        *same += 1;
    }

    fn count_record(&mut self, record: Record) {
        self.packets += 1;
        let count = self.records.entry(record).or_default();
        if let Some(records) = self.often.get_mut(count) {
            *records -= 1;
        }
        *count += 1;
        *self.often.entry(*count).or_default() += 1;
    }
}

fn place_among_first(quantity: usize) -> Option<usize> {
    FIRST
        .iter()
        .position(|name| *name == QUANTITIES[quantity].name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::action::Proto;

    /// Pseudo-random numbers (Weyl's sequence, mixed).
    fn scrambled(i: u64) -> u64 {
        let x = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (x ^ x >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
    }

    fn measure(actions: impl Iterator<Item = Action>) -> Entropy {
        let mut entropy = Entropy::new(|_| true, 3);
        actions.for_each(|action| entropy.add(&action));
        entropy
    }

    #[test]
    fn test_nothing_costs_nothing() {
        let entropy = measure(std::iter::empty());
        assert_eq!((entropy.plug_in(), entropy.code_length()), (0.0, 0.0));
    }

    #[test]
    fn test_constant_stream() {
        let packet = Action {
            tcp_win: 0x1234,
            delta_t: 1_000,
            ..Action::default()
        };
        let entropy = measure(std::iter::repeat_n(packet, 10_000));
        assert_eq!(entropy.plug_in(), 0.0);
        assert!(entropy.code_length() < 0.6, "{}", entropy.code_length());
    }

    #[test]
    fn test_estimator_by_hand() {
        // The first two digits of a quantity of two: 1/16 each, then 3/18 and 3/18; the time is
        // always 0, of 127 classes.
        let mut entropy = Entropy::new(|quantity| quantity.name == "ip_ext", 0);
        let packet = Action {
            ip_ext: 0x12,
            ..Action::default()
        };
        entropy.add(&packet);
        entropy.add(&packet);
        let digits = 2.0 * (16.0_f64.ln() + (8.5_f64 + 0.5).ln() - 1.5_f64.ln());
        let time = 127.0_f64.ln() + (64.5_f64 / 1.5).ln();
        assert!((entropy.code_length() - (digits + time) / 2.0).abs() < 1e-9);
    }

    #[test]
    fn test_uniform_digits_cost_the_logarithm_of_16() {
        let digits = 2.0 * 16.0_f64.ln();
        let mut entropy = Entropy::new(|quantity| quantity.name == "ip_ext", 0);
        for i in 0..40_000 {
            entropy.add(&Action {
                ip_ext: scrambled(i) as u8,
                ..Action::default()
            });
        }
        assert!((entropy.plug_in() - digits).abs() < 0.01);
        assert!((entropy.code_length() - digits).abs() < 0.1);
    }

    #[test]
    fn test_entropy_is_below_the_code_length() {
        let protos = [Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Other];
        let packet = |i: u64| {
            Action {
                proto: protos[(scrambled(i) % 4) as usize],
                tcp_win: (scrambled(i) >> 8) as u16 & 0x0fff,
                icmp_type: 8,
                ttl_res: 64 - (i % 3) as u8,
                delta_t: (scrambled(i) >> 4) as i64 & 0xffff,
                ..Action::default()
            }
            .without_inactive()
        };
        let mut entropy = Entropy::new(|_| true, 3);
        for i in 0..2_000 {
            entropy.add(&packet(i));
            assert!(entropy.plug_in() <= entropy.code_length());
        }
        assert!(entropy.plug_in() > 7.0 && entropy.plug_in() <= 2_000.0_f64.ln());
    }

    #[test]
    fn test_times_differ_by_their_code() {
        let step = |delta_t| Action {
            delta_t,
            ..Action::default()
        };
        let close = measure([1_000_000_000, 1_000_000_001].map(step).into_iter());
        assert_eq!(close.plug_in(), 0.0);
        let apart = measure([1_000_000_000, 1_001_000_000].map(step).into_iter());
        assert!((apart.plug_in() - 2.0_f64.ln()).abs() < 1e-12);
    }
}
