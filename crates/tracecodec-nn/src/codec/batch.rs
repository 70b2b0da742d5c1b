//! A batch of packet actions as symbols, with augmentation.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use tracecodec::action::Action;

use super::symbols::{GROUPS, Stage, Symbol, Symbols};

/// Augmentation of the training packets, so that values never seen in training decode too. Shares
/// are probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Share of packets that are augmented; the rest stay as captured. Default 0.8.
    pub packets: f64,
    /// In an augmented packet, share of field groups taken from another packet of the batch.
    /// Default 0.3.
    pub mix: f64,
    /// In an augmented packet, share of field groups in which values are drawn at random. Default
    /// 0.2.
    pub random: f64,
    /// Share of augmented packets that are made to open a flow, with hosts and services of another
    /// opening in the batch, half of them drawn at random. Default 0.25; without effect if the
    /// codec carries neither.
    pub openings: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            packets: 0.8,
            mix: 0.3,
            random: 0.2,
            openings: 0.25,
        }
    }
}

/// Share of the hosts and services of made openings that are drawn at random: a network has few
/// kinds and services, and another one has others.
const MADE_AT_RANDOM: f64 = 0.5;

/// Packets as rows of symbols.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// Number of packets.
    pub(crate) rows: usize,
    /// Symbol values, `rows` times the number of symbols.
    pub(crate) values: Vec<u8>,
}

impl Batch {
    /// The symbols of some actions.
    pub(crate) fn new<'a>(
        symbols: &Symbols,
        actions: impl ExactSizeIterator<Item = &'a Action>,
    ) -> Self {
        let rows = actions.len();
        let mut values = Vec::with_capacity(rows * symbols.len());
        for action in actions {
            symbols.encode_into(action, &mut values);
        }
        Self { rows, values }
    }

    /// Appends the packets of another batch.
    pub(crate) fn append(&mut self, other: Self) {
        self.rows += other.rows;
        self.values.extend(other.values);
    }

    /// 1 if a symbol is decoded and active in its packet, 0 otherwise; `rows` times the number of
    /// symbols.
    pub(crate) fn mask(&self, symbols: &Symbols) -> Vec<f32> {
        self.values
            .chunks_exact(symbols.len())
            .flat_map(|row| {
                let (proto, event) = symbols.path(row);
                symbols.all().iter().map(move |symbol| {
                    let counts = symbol.stage != Stage::Given && symbol.active.covers(proto, event);
                    f32::from(u8::from(counts))
                })
            })
            .collect()
    }

    /// Mixes field groups between packets and draws values at random; inactive symbols become 0.
    pub(crate) fn augment(&mut self, symbols: &Symbols, how: &Augmentation, rng: &mut impl Rng) {
        let original = self.values.clone();
        let width = symbols.len();
        let rows: Vec<&[u8]> = original.chunks_exact(width).collect();
        // Hosts and services mean something in openings alone, which are rare: only openings give
        // them to others, and more packets are made openings.
        let openings: Vec<&[u8]> = if symbols.has(Stage::Opening) {
            let openings = rows.iter().copied();
            openings.filter(|row| symbols.is_opening(row)).collect()
        } else {
            Vec::new()
        };
        for row in self.values.chunks_exact_mut(width) {
            if !rng.random_bool(how.packets) {
                continue;
            }
            let made = !openings.is_empty() && rng.random_bool(how.openings);
            if made {
                symbols.make_opening(row);
            }
            for group in 0..GROUPS.len() {
                let of_openings = symbols.is_of_openings(group);
                if rng.random_bool(how.mix) || made && of_openings {
                    let donors = if of_openings { &openings } else { &rows };
                    if !donors.is_empty() {
                        let donor = rng.random_range(0..donors.len());
                        copy_group(symbols, group, donors[donor], row);
                    }
                }
                let is_bare = made && of_openings && rng.random_bool(MADE_AT_RANDOM);
                if is_bare || rng.random_bool(how.random) {
                    draw_group(symbols, group, row, rng);
                }
            }
            symbols.clear_inactive(row);
        }
    }
}

fn members(symbols: &Symbols, group: usize) -> impl Iterator<Item = (usize, &Symbol)> {
    let all = symbols.all().iter().enumerate();
    all.filter(move |(_, symbol)| symbol.group == group)
}

fn copy_group(symbols: &Symbols, group: usize, from: &[u8], to: &mut [u8]) {
    for (i, _) in members(symbols, group) {
        to[i] = from[i];
    }
}

/// Draws each digit and class of a group anew with probability 1/2, which gives values far from any
/// seen as well as values one digit away. Then the leading digits of a number may become zeros, or
/// all ones as in a number just below a multiple of 2^16 or 2^32.
fn draw_group(symbols: &Symbols, group: usize, row: &mut [u8], rng: &mut impl Rng) {
    for (i, symbol) in members(symbols, group) {
        if !symbol.is_magnitude() && rng.random_bool(0.5) {
            row[i] = symbol.draw(rng);
        }
    }
    let members: Vec<_> = members(symbols, group).collect();
    if members.iter().any(|(_, symbol)| symbol.is_magnitude()) && rng.random_bool(0.5) {
        symbols.draw_magnitude(row, rng);
    }
    for number in members.chunk_by(|(_, a), (_, b)| a.is_digit_beside(b)) {
        if number.len() > 1 && rng.random_bool(0.25) {
            let digit = if rng.random_bool(0.5) { 0 } else { 15 };
            let leading = rng.random_range(1..=number.len());
            number[..leading].iter().for_each(|(i, _)| row[*i] = digit);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::codec::CodecConfig;
    use crate::random::{Purpose, stream};
    use tracecodec::action::schema::FIELDS;

    /// A random legal action, in which small values are as likely as large ones.
    pub(crate) fn action(seed: u64) -> Action {
        let mut rng = stream(seed, Purpose::Order, 99);
        let fields = std::array::from_fn(|field| {
            let size = FIELDS[field].size();
            match rng.random_range(0..3) {
                0 => rng.random_range(0..size),
                _ => 0,
            }
        });
        let delta_t = rng.random_range(-9..99) << rng.random_range(0..20);
        Action::from_field_values(&fields, delta_t)
    }

    #[test]
    fn test_mask_follows_the_protocol() {
        let symbols = Symbols::new(&CodecConfig::default());
        let actions: Vec<Action> = (0..50).map(action).collect();
        let batch = Batch::new(&symbols, actions.iter());
        let mask = batch.mask(&symbols);
        for (i, action) in actions.iter().enumerate() {
            for (j, symbol) in symbols.all().iter().enumerate() {
                let expected = symbol.stage != Stage::Given
                    && symbol.active.covers(action.proto, action.flow_evt);
                assert_eq!(mask[i * symbols.len() + j] == 1.0, expected);
            }
        }
    }

    #[test]
    fn test_augmented_packets_are_legal() {
        let symbols = Symbols::new(&CodecConfig::default());
        let actions: Vec<Action> = (0..64).map(action).collect();
        let mut batch = Batch::new(&symbols, actions.iter());
        let before = batch.values.clone();
        let how = Augmentation::default();
        batch.augment(&symbols, &how, &mut stream(1, Purpose::Batch, 0));
        assert_ne!(batch.values, before);
        for row in batch.values.chunks_exact(symbols.len()) {
            let mut again = row.to_vec();
            symbols.clear_inactive(&mut again);
            assert_eq!(again, row);
            for (value, symbol) in row.iter().zip(symbols.all()) {
                assert!(usize::from(*value) < symbol.size);
            }
        }
    }
}
