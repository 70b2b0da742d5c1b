//! Linkability: whether two decodings can be told to share hosts by their synthetic addresses.

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};
use serde::Serialize;

use super::Survival;
use super::endpoints::{Field, fields, net};
use crate::action::{ActionSchema, Hosts, OptionProfiles};
use crate::compile::{CompileConfig, Salt};
use crate::flow::MAX_SLOTS;
use crate::oracle::Oracle;
use crate::pcap::Packet;

/// Salts of the two decodings of the second half: that of the first half, and another one.
const SALTS: [u64; 2] = [0, 0x6c69_6e6b];

/// The two halves of a capture, decoded with one salt and with two. Memory grows with the synthetic
/// addresses.
pub struct Linkage {
    hosts: Hosts,
    first: Half,
    second: [Half; 2],
}

struct Half {
    oracle: Oracle,
    /// The original's address behind each synthetic one.
    addresses: HashMap<IpAddr, IpAddr>,
}

/// Endpoints that two decodings have in common.
#[derive(Debug, Clone, Serialize)]
pub struct Linked {
    /// What the decodings keep of hosts.
    pub hosts: Hosts,
    /// Whether both have the same salt.
    pub same_salt: bool,
    /// Synthetic addresses of the second decoding that the first has, too.
    pub endpoints: Survival,
    /// Those of them that stand for the same host of the original in both.
    pub same_host: u64,
}

impl Linkage {
    /// Decodings that keep this of hosts.
    pub fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            first: Half::new(SALTS[0], hosts),
            second: SALTS.map(|salt| Half::new(salt, hosts)),
        }
    }

    /// Takes a packet of the first half of the capture, or of the second.
    pub fn observe(&mut self, is_second: bool, packet: &Packet<'_>) {
        if is_second {
            self.second.iter_mut().for_each(|half| half.take(packet));
        } else {
            self.first.take(packet);
        }
    }

    /// What the halves have in common: with the same salt, then with different ones.
    pub fn finish(self) -> [Linked; 2] {
        let Self {
            hosts,
            first,
            second,
        } = self;
        let mut nets: HashMap<u64, f64> = HashMap::new();
        for address in sorted(&first.addresses) {
            *nets.entry(net(address).0).or_default() += 1.0;
        }
        let mut same_salt = true;
        second.map(|half| {
            let addresses = sorted(&half.addresses);
            let common: HashSet<IpAddr> = addresses
                .iter()
                .copied()
                .filter(|address| first.addresses.contains_key(address))
                .collect();
            let expected = addresses.iter().map(|address| {
                let (name, size) = net(*address);
                nets.get(&name).copied().unwrap_or(0.0) / size
            });
            let counts = [addresses.len() as u64, common.len() as u64];
            let same = addresses.iter().filter(|address| {
                common.contains(*address) && first.addresses[*address] == half.addresses[*address]
            });
            let linked = Linked {
                hosts,
                same_salt,
                same_host: same.count() as u64,
                endpoints: Survival::new("endpoint", "another decoding", counts, expected.sum()),
            };
            same_salt = false;
            linked
        })
    }
}

fn sorted(addresses: &HashMap<IpAddr, IpAddr>) -> Vec<IpAddr> {
    let mut sorted: Vec<IpAddr> = addresses.keys().copied().collect();
    sorted.sort_unstable();
    sorted
}

impl Half {
    fn new(salt: u64, hosts: Hosts) -> Self {
        let config = CompileConfig {
            salt: Salt(salt),
            schema: ActionSchema {
                hosts,
                ..ActionSchema::default()
            },
            ..CompileConfig::default()
        };
        Self {
            oracle: Oracle::new(config, MAX_SLOTS, OptionProfiles::new()),
            addresses: HashMap::new(),
        }
    }

    fn take(&mut self, packet: &Packet<'_>) {
        let Ok((_, decoded)) = self.oracle.step(packet) else {
            return;
        };
        let addresses = |packet: &Packet<'_>| {
            let mut addresses = Vec::new();
            fields(packet, |_, field| {
                if let Field::Address(address) = field {
                    addresses.push(address);
                }
            });
            addresses
        };
        let (real, synthetic) = (addresses(packet), addresses(&decoded));
        if real.len() == synthetic.len() {
            self.addresses.extend(synthetic.into_iter().zip(real));
        }
    }
}
