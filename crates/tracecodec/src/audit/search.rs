//! The search for an original's identifiers in a decoded capture.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use aho_corasick::AhoCorasick;
use hashbrown::{HashMap, HashSet};

use super::content::{Filter, each_gram};
use super::endpoints::{Field, fields, net};
use super::forms::{Form, Pattern, is_whole, patterns, text};
use super::numbers::Comparison;
use super::windows::Windows;
use super::{Behaviour, Original, Survival, payload};
use crate::pcap::Packet;
use crate::wire;

/// Looks for what an [`Original`] holds. Memory grows with the addresses of both captures: about
/// 1 KB each; all else is bounded.
pub struct Search<'a> {
    original: &'a Original,
    packets: u64,
    /// Bytes of all packets.
    bytes: u64,
    addresses: Vec<IpAddr>,
    macs: Vec<[u8; 6]>,
    windows: Windows,
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
        let v4 = addresses.iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        let windows = Windows::new(v4);
        let (patterns, texts) = patterns(&addresses, &macs);
        let automaton = (!texts.is_empty())
            .then(|| AhoCorasick::new(&texts).expect("patterns of addresses fit"));
        Self {
            original,
            packets: 0,
            bytes: 0,
            addresses,
            macs,
            windows,
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
        self.windows.search(packet.data, &places[..count]);
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
            self.windows.row(),
            self.pattern_row("address", Form::Bytes, 0.0),
            self.pattern_row("address", Form::Text, self.expected_texts()),
            row("MAC", field, counts(macs, found[1]), macs_expected).with_examples(macs_in_fields),
            self.pattern_row("MAC", Form::Bytes, 0.0),
            self.pattern_row("MAC", Form::Text, 0.0),
        ]
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

/// The class of a MAC: its first four bytes.
fn vendor([a, b, c, d, ..]: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, 0, 0, a, b, c, d])
}

fn density(names: impl Iterator<Item = u64>) -> HashMap<u64, f64> {
    let mut density = HashMap::new();
    names.for_each(|name| *density.entry(name).or_default() += 1.0);
    density
}
