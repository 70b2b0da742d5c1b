//! The search for an original's identifiers in a decoded capture.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use aho_corasick::AhoCorasick;
use hashbrown::{HashMap, HashSet};

use super::content::{Filter, each_gram};
use super::endpoints::{Field, fields, net};
use super::numbers::Comparison;
use super::sample::Sample;
use super::{Behaviour, Original, Survival, payload};
use crate::pcap::Packet;
use crate::wire;

/// Numbers of occurrences from which on an address is counted apart: one that occurs often is no
/// accident even where many occur once.
const OFTEN: [u32; 4] = [1, 16, 256, 4096];

/// Most windows of four bytes that are kept.
const WINDOWS: usize = 1 << 18;

/// Where a pattern stands for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Bytes,
    Text,
}

/// A sequence of bytes that is an address in one of its forms.
#[derive(Debug)]
struct Pattern {
    /// Number of the address among those of the original, in order.
    identifier: usize,
    form: Form,
    /// Bytes that are not 0.
    bytes: i32,
}

/// Looks for what an [`Original`] holds. Memory grows with the addresses of both captures: about
/// 1 KB each; all else is bounded.
pub struct Search<'a> {
    original: &'a Original,
    packets: u64,
    /// Bytes of all packets.
    bytes: u64,
    addresses: Vec<IpAddr>,
    macs: Vec<[u8; 6]>,
    /// IPv4 addresses that may be searched at any offset, with their occurrences.
    occurrences: HashMap<u32, u32>,
    filter: Filter,
    /// First bytes of those addresses.
    firsts: [bool; 256],
    /// Four bytes in a row that begin as an address, wherever they stand: those without a zero in
    /// the second and third, and those with one.
    windows: [Sample; 2],
    patterns: Vec<Pattern>,
    automaton: Option<AhoCorasick>,
    hits: HashSet<usize>,
    seen_addresses: HashSet<IpAddr>,
    seen_macs: HashSet<[u8; 6]>,
    /// IPv4 addresses that are written as text.
    written: HashSet<Ipv4Addr>,
    gram_filter: Filter,
    grams: HashSet<u64>,
    numbers: Comparison,
    behaviour: Behaviour,
}

impl<'a> Search<'a> {
    /// A search for everything that the original holds.
    pub fn new(original: &'a Original) -> Self {
        let mut addresses: Vec<IpAddr> = original.addresses.iter().copied().collect();
        let mut macs: Vec<[u8; 6]> = original.macs.iter().copied().collect();
        addresses.sort_unstable();
        macs.sort_unstable();
        let mut filter = Filter::default();
        let (mut occurrences, mut firsts) = (HashMap::new(), [false; 256]);
        for address in &addresses {
            if let IpAddr::V4(address) = address
                && is_searchable(*address)
            {
                filter.add(address.to_bits().into());
                occurrences.insert(address.to_bits(), 0);
                firsts[usize::from(address.octets()[0])] = true;
            }
        }
        let (patterns, texts) = patterns(&addresses, &macs);
        let automaton = (!texts.is_empty())
            .then(|| AhoCorasick::new(&texts).expect("patterns of addresses fit"));
        Self {
            original,
            packets: 0,
            bytes: 0,
            addresses,
            macs,
            occurrences,
            filter,
            firsts,
            windows: [8, 8].map(|unit| Sample::of_units(unit, WINDOWS)),
            patterns,
            automaton,
            hits: HashSet::new(),
            seen_addresses: HashSet::new(),
            seen_macs: HashSet::new(),
            written: HashSet::new(),
            gram_filter: original.grams.filter(),
            grams: HashSet::new(),
            numbers: Comparison::default(),
            behaviour: Behaviour::default(),
        }
    }

    /// Searches the next packet of the decoded capture.
    pub fn observe(&mut self, packet: &Packet<'_>) {
        self.packets += 1;
        self.bytes += packet.data.len() as u64;
        let mut places = [const { 0..0 }; 8];
        let mut count = 0;
        fields(packet, |at, field| {
            let len = match field {
                Field::Address(address) => {
                    self.seen_addresses.insert(address);
                    if address.is_ipv4() { 4 } else { 16 }
                }
                Field::Mac(mac) => {
                    self.seen_macs.insert(mac);
                    6
                }
            };
            places[count] = at.saturating_sub(3)..at + len;
            count += 1;
        });
        self.search_windows(packet.data, &places[..count]);
        self.search_patterns(packet.data, &places[..count]);
        let Ok(headers) = wire::parse(packet) else {
            return;
        };
        self.numbers
            .observe(&self.original.numbers, &headers, packet);
        self.behaviour.observe(&headers, packet.time);
        if self.original.has_payload() {
            each_gram(payload(packet, &headers), |gram| {
                if self.gram_filter.may_have(gram) && self.original.grams.contains(gram) {
                    self.grams.insert(gram);
                }
            });
        }
    }

    /// Four bytes at every offset that share no byte with an address field: those fields are
    /// searched by themselves.
    fn search_windows(&mut self, data: &[u8], skipped: &[Range<usize>]) {
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

    fn search_patterns(&mut self, data: &[u8], skipped: &[Range<usize>]) {
        let Some(automaton) = &self.automaton else {
            return;
        };
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let texts = data.split(|byte| !is_part(byte));
        for text in texts.filter(|text| (7..=15).contains(&text.len())) {
            let text = std::str::from_utf8(text).expect("digits and dots are ASCII");
            self.written.extend(text.parse::<Ipv4Addr>());
        }
        let found = automaton.find_overlapping_iter(data);
        let is_field = |at: usize| skipped.iter().any(|range| range.contains(&at));
        for hit in found.filter(|hit| !is_field(hit.start())) {
            let number = hit.pattern().as_usize();
            if self.patterns[number].form == Form::Bytes || is_whole(data, hit.start(), hit.end()) {
                self.hits.insert(number);
            }
        }
    }

    /// Whether payload was found that the original's decodings should be asked for: see
    /// [`Original::rendered`].
    pub fn has_found_payload(&self) -> bool {
        !self.grams.is_empty()
    }

    /// What was found.
    pub fn finish(self) -> Found {
        Found {
            addresses: self.address_rows(),
            numbers: self.numbers.survivals(&self.original.numbers),
            grams: self.grams.into_iter().collect(),
            behaviour: self.behaviour,
            packets: self.packets,
        }
    }

    fn address_rows(&self) -> Vec<Survival> {
        let (mut in_fields, mut macs_in_fields) = (Vec::new(), Vec::new());
        let (mut expected, mut macs_expected) = (0.0, 0.0);
        let nets = density(self.seen_addresses.iter().map(|address| net(*address).0));
        let vendors = density(self.seen_macs.iter().map(|mac| vendor(*mac)));
        for address in &self.addresses {
            let (name, size) = net(*address);
            expected += nets.get(&name).copied().unwrap_or(0.0) / size;
            if self.seen_addresses.contains(address) {
                in_fields.push(*address);
            }
        }
        for mac in &self.macs {
            macs_expected += vendors.get(&vendor(*mac)).copied().unwrap_or(0.0) / 65_536.0;
            if self.seen_macs.contains(mac) {
                macs_in_fields.push(text(mac, ':'));
            }
        }
        let counts = |searched: usize, found: usize| [searched as u64, found as u64];
        let (addresses, macs) = (self.addresses.len(), self.macs.len());
        let found = [in_fields.len(), macs_in_fields.len()];
        let row = |what, place, counts, expected| Survival::new(what, place, counts, expected);
        let field = "an address field";
        vec![
            row("address", field, counts(addresses, found[0]), expected).with_examples(in_fields),
            self.windows_row(),
            self.pattern_row("address", Form::Bytes, 0.0),
            self.pattern_row("address", Form::Text, self.expected_texts()),
            row("MAC", field, counts(macs, found[1]), macs_expected).with_examples(macs_in_fields),
            self.pattern_row("MAC", Form::Bytes, 0.0),
            self.pattern_row("MAC", Form::Text, 0.0),
        ]
    }

    /// IPv4 addresses at any offset, network by network (the first three bytes), since addresses of
    /// one network come together, and so do bytes that count. Chance is another network of the
    /// class with as many other last bytes.
    fn windows_row(&self) -> Survival {
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

    /// Number of IPv4 addresses that are written by accident: the decoded capture's own addresses
    /// may be written, which lie in few networks, and anything else that has their form.
    fn expected_texts(&self) -> f64 {
        let is_own = |address: &&Ipv4Addr| self.seen_addresses.contains(&IpAddr::V4(**address));
        let (own, other): (Vec<&Ipv4Addr>, Vec<_>) = self.written.iter().partition(is_own);
        let first = |address: Ipv4Addr| u64::from(address.octets()[0]);
        let own = density(own.into_iter().map(|address| net(IpAddr::V4(*address)).0));
        let other = density(other.into_iter().map(|address| first(*address)));
        let of = |classes: &HashMap<u64, f64>, class| classes.get(&class).copied().unwrap_or(0.0);
        let addresses = self.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        let expected = addresses.map(|address| {
            let (name, size) = net(IpAddr::V4(address));
            of(&own, name) / size + of(&other, first(address)) / 16_777_216.0
        });
        expected.sum()
    }

    /// Addresses in one of their other forms at any offset. Chance are random bytes, and `others`.
    fn pattern_row(&self, what: &'static str, form: Form, others: f64) -> Survival {
        let is_mac = what == "MAC";
        let of_kind = |pattern: &&Pattern| {
            pattern.form == form && (pattern.identifier >= self.addresses.len()) == is_mac
        };
        let name = |identifier: usize| match identifier.checked_sub(self.addresses.len()) {
            None => self.addresses[identifier].to_string(),
            Some(mac) => text(&self.macs[mac], ':'),
        };
        let searched: HashSet<usize> = self
            .patterns
            .iter()
            .filter(of_kind)
            .map(|pattern| pattern.identifier)
            .collect();
        let hits = self.hits.iter().map(|hit| &self.patterns[*hit]);
        let mut found: Vec<usize> = hits
            .filter(of_kind)
            .map(|pattern| pattern.identifier)
            .collect();
        found.sort_unstable();
        found.dedup();
        let accidents = self
            .patterns
            .iter()
            .filter(of_kind)
            .map(|pattern| self.bytes as f64 * 256_f64.powi(-pattern.bytes));
        let expected = accidents.sum::<f64>() + others;
        let place = match form {
            Form::Bytes if is_mac => "any offset",
            Form::Bytes => "any offset (IPv6)",
            Form::Text => "text",
        };
        let counts = [searched.len() as u64, found.len() as u64];
        Survival::new(what, place, counts, expected)
            .with_examples(found.into_iter().map(name).collect())
    }
}

/// What a [`Search`] found.
pub struct Found {
    addresses: Vec<Survival>,
    numbers: Vec<Survival>,
    grams: Vec<u64>,
    /// Packets of the decoded capture.
    pub packets: u64,
    /// Who talks to whom in the decoded capture, and how flows begin.
    pub behaviour: Behaviour,
}

impl Found {
    /// A row for each kind of identifier of the original and each way to search for it.
    pub fn survivals(&self, original: &Original) -> Vec<Survival> {
        let mut rows = self.addresses.clone();
        rows.extend(self.numbers.iter().cloned());
        rows.push(original.grams.survival(self.grams.iter().copied()));
        rows
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

/// The class of a MAC: its first four bytes.
fn vendor([a, b, c, d, ..]: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, 0, 0, a, b, c, d])
}

fn density(names: impl Iterator<Item = u64>) -> HashMap<u64, f64> {
    let mut density = HashMap::new();
    names.for_each(|name| *density.entry(name).or_default() += 1.0);
    density
}

/// The bytes of a MAC as text.
fn text(mac: &[u8; 6], separator: char) -> String {
    let bytes: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(&separator.to_string())
}

/// Whether a text stands by itself, so that 10.0.0.1 is not found in 10.0.0.17.
fn is_whole(data: &[u8], start: usize, end: usize) -> bool {
    let goes_on = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
    !goes_on(start.checked_sub(1).and_then(|at| data.get(at))) && !goes_on(data.get(end))
}

/// The forms of all addresses but the bytes of IPv4. An IPv6 address with fewer than five bytes
/// that are not 0 and a MAC with fewer than four are searched as text alone.
fn patterns(addresses: &[IpAddr], macs: &[[u8; 6]]) -> (Vec<Pattern>, Vec<Vec<u8>>) {
    let (mut patterns, mut texts) = (Vec::new(), Vec::new());
    let mut add = |identifier, form, bytes: Vec<u8>| {
        let set = bytes.iter().filter(|byte| **byte != 0).count() as i32;
        let least = if bytes.len() == 16 { 5 } else { 4 };
        if form == Form::Text || set >= least {
            patterns.push(Pattern {
                identifier,
                form,
                bytes: set,
            });
            texts.push(bytes);
        }
    };
    for (identifier, address) in addresses.iter().enumerate() {
        if let IpAddr::V6(address) = address {
            add(identifier, Form::Bytes, address.octets().to_vec());
        }
        add(identifier, Form::Text, address.to_string().into_bytes());
    }
    for (number, mac) in macs.iter().enumerate() {
        let identifier = addresses.len() + number;
        add(identifier, Form::Bytes, mac.to_vec());
        // The interface identifier that RFC 4291 makes of a MAC.
        let [a, b, c, d, e, f] = *mac;
        let extended = vec![a ^ 2, b, c, 0xff, 0xfe, d, e, f];
        add(identifier, Form::Bytes, extended);
        let [colons, hyphens] = [':', '-'].map(|separator| text(mac, separator));
        let dotted = format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}");
        for lower in [colons, hyphens, dotted] {
            let upper = lower.to_uppercase();
            if upper != lower {
                add(identifier, Form::Text, upper.into_bytes());
            }
            add(identifier, Form::Text, lower.into_bytes());
        }
    }
    (patterns, texts)
}
