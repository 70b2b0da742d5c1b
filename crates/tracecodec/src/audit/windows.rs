//! IPv4 addresses as four bytes at any offset.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::Range;

use hashbrown::HashMap;

use super::Survival;
use super::content::Filter;
use super::sample::Sample;

/// Numbers of occurrences from which on an address is counted apart: one that occurs often is no
/// accident even where many occur once.
const OFTEN: [u32; 4] = [1, 16, 256, 4096];

/// Most windows of four bytes that are kept.
const WINDOWS: usize = 1 << 18;

/// Addresses of the original, and what four bytes in a row the decoded capture has.
pub(super) struct Windows {
    /// IPv4 addresses that may be searched at any offset, with their occurrences.
    occurrences: HashMap<u32, u32>,
    filter: Filter,
    /// First bytes of those addresses.
    firsts: [bool; 256],
    /// Four bytes in a row that begin as an address, wherever they stand: those without a zero in
    /// the second and third, and those with one.
    windows: [Sample; 2],
}

impl Windows {
    /// A search for these addresses.
    pub(super) fn new(addresses: impl Iterator<Item = Ipv4Addr>) -> Self {
        let mut windows = Self {
            occurrences: HashMap::new(),
            filter: Filter::default(),
            firsts: [false; 256],
            windows: [8, 8].map(|unit| Sample::of_units(unit, WINDOWS)),
        };
        for address in addresses.filter(|address| is_searchable(*address)) {
            windows.filter.add(address.to_bits().into());
            windows.occurrences.insert(address.to_bits(), 0);
            windows.firsts[usize::from(address.octets()[0])] = true;
        }
        windows
    }

    /// Four bytes at every offset that share no byte with an address field: those fields are
    /// searched by themselves.
    pub(super) fn search(&mut self, data: &[u8], skipped: &[Range<usize>]) {
        if self.occurrences.is_empty() {
            return;
        }
        let Some((first, rest)) = data.split_first_chunk::<4>() else {
            return;
        };
        let mut window = u32::from_be_bytes(*first);
        let mut at = 0;
        let mut next = rest.iter();
        loop {
            let value = u64::from(window);
            if self.firsts[(window >> 24) as usize]
                && !skipped.iter().any(|range| range.contains(&at))
            {
                self.windows[usize::from(class(window).1 > 0)].add(value);
                if self.filter.may_have(value)
                    && let Some(count) = self.occurrences.get_mut(&window)
                {
                    *count = count.saturating_add(1);
                }
            }
            let Some(byte) = next.next() else { return };
            window = window << 8 | u32::from(*byte);
            at += 1;
        }
    }

    /// IPv4 addresses at any offset, network by network (the first three bytes), since addresses of
    /// one network come together, and so do bytes that count. Chance is another network of the
    /// class with as many other last bytes.
    pub(super) fn row(&self) -> Survival {
        let mut nets: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for address in self.occurrences.keys() {
            nets.entry(address >> 8).or_default().push(*address);
        }
        let mut rows = OFTEN.map(|often| {
            let mut classes: HashMap<(u8, u8), Vec<(LastBytes, f64)>> = HashMap::new();
            for windows in &self.windows {
                let mut prefixes: BTreeMap<u32, LastBytes> = BTreeMap::new();
                for (value, _) in windows.iter().filter(|(_, count)| *count >= often) {
                    prefixes
                        .entry((value >> 8) as u32)
                        .or_default()
                        .add(value as u8);
                }
                for (prefix, last) in prefixes {
                    let class = class(prefix << 8);
                    classes
                        .entry(class)
                        .or_default()
                        .push((last, windows.scale()));
                }
            }
            let (mut expected, mut nets_found, mut found) = (0.0, 0, Vec::new());
            for (net, addresses) in &nets {
                let mut last = LastBytes::default();
                addresses
                    .iter()
                    .for_each(|address| last.add(*address as u8));
                let class = class(net << 8);
                let size = 255_f64.powi(2 - class.1.count_ones() as i32);
                let alike = classes.get(&class).into_iter().flatten();
                let alike = alike.map(|(theirs, scale)| scale * last.meets(theirs));
                let density: f64 = alike.sum();
                expected += (density / size).min(1.0);
                let before = found.len();
                let often = addresses
                    .iter()
                    .filter(|address| self.occurrences[*address] >= often);
                found.extend(often.map(|address| Ipv4Addr::from_bits(*address)));
                nets_found += u64::from(found.len() > before);
            }
            let counts = [nets.len() as u64, nets_found];
            let row = Survival::new("IPv4 /24 with addresses", "any offset", counts, expected);
            // Each number of occurrences is a test of its own.
            let probability = row.probability * OFTEN.len() as f64;
            row.with_probability(probability).with_examples(found)
        });
        rows.sort_by(|a, b| a.probability.total_cmp(&b.probability));
        rows.into_iter()
            .next()
            .expect("there are numbers of occurrences")
    }
}

/// The class of an address: its first byte, and which of the next two are 0.
#[inline]
fn class(window: u32) -> (u8, u8) {
    let [first, second, third, _] = window.to_be_bytes();
    (first, u8::from(second == 0) << 1 | u8::from(third == 0))
}

/// A set of bytes.
#[derive(Debug, Default, Clone, Copy)]
struct LastBytes([u64; 4]);

impl LastBytes {
    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn count(&self) -> i32 {
        self.0.iter().map(|word| word.count_ones() as i32).sum()
    }

    /// Probability that another set of as many bytes has one of the other set's.
    fn meets(&self, other: &Self) -> f64 {
        1.0 - (1.0 - f64::from(other.count()) / 256.0).powi(self.count())
    }
}

/// Whether an IPv4 address has enough in it to be found at any offset: not four times one byte.
fn is_searchable(address: Ipv4Addr) -> bool {
    let [first, rest @ ..] = address.octets();
    rest.into_iter().any(|byte| byte != first)
}
