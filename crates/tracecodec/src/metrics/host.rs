//! Who talks to whom: hosts, the pairs in which they open sessions, services, and scanners.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::Histogram;
use crate::service;
use crate::wire::{Headers, Transport};

/// Ports of one host, or hosts at one port, from which on an opener counts as a scanner.
const SCAN: usize = 10;

/// Counts of hosts, of one capture or of several. A host that is in two captures counts twice, as
/// nothing says that it is the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// Captures that these counts are of: evaluations of older versions have none.
    pub captures: u64,
    /// Addresses.
    pub hosts: u64,
    /// Hosts that opened sessions, by the number of hosts to which they did; bins of
    /// [`degree_bin`](Self::degree_bin).
    pub fan_out: Histogram,
    /// Hosts to which sessions were opened, by the number of hosts that did.
    pub fan_in: Histogram,
    /// Pairs of opener and responder, by the number of their sessions.
    pub flows_per_pair: Histogram,
    /// Sessions by service: the number in the [table](service::TABLE), 0 for none.
    pub services: Histogram,
    /// Openers with at least 10 ports of one host, or at least 10 hosts at one port.
    pub scanners: u64,
}

impl Hosts {
    /// Bin of a number of peers or sessions: 0 is 1, 1 is 2, 2 is 3 and 4, 3 is 5 to 8; bin `k`
    /// ends at `2^k`.
    pub fn degree_bin(count: u64) -> u64 {
        count.max(1).next_power_of_two().ilog2().into()
    }

    /// Adds other counts.
    pub(super) fn merge(&mut self, other: &Self) {
        self.captures += other.captures;
        self.hosts += other.hosts;
        self.fan_out.merge(&other.fan_out);
        self.fan_in.merge(&other.fan_in);
        self.flows_per_pair.merge(&other.flows_per_pair);
        self.services.merge(&other.services);
        self.scanners += other.scanners;
    }
}

/// The hosts of one capture, by number. Memory grows with the hosts and the pairs in which they
/// open sessions.
#[derive(Debug, Default)]
pub(super) struct HostGraph {
    numbers: HashMap<IpAddr, u32>,
    pairs: HashMap<(u32, u32), Pair>,
    /// Hosts at which an opener opened a port, until it is a scanner.
    at_port: HashMap<(u32, u16), Vec<u32>>,
    scanners: BTreeSet<u32>,
    services: Histogram,
}

/// An opener and a responder.
#[derive(Debug, Default)]
struct Pair {
    sessions: u64,
    /// Ports of the responder, until the opener is a scanner.
    ports: Vec<u16>,
}

impl HostGraph {
    /// Counts a session by its first packet.
    pub(super) fn open(&mut self, headers: &Headers<'_>) {
        let opener = self.number(headers.source);
        let responder = self.number(headers.destination);
        let pair = self.pairs.entry((opener, responder)).or_default();
        pair.sessions += 1;
        let ports = match headers.transport {
            Transport::Tcp(tcp) => Some((tcp.source_port, tcp.destination_port)),
            Transport::Udp {
                source_port,
                destination_port,
            } => Some((source_port, destination_port)),
            Transport::Icmp(_) | Transport::Other(_) => None,
        };
        let proto = headers.transport.proto();
        let service = ports.and_then(|(source, destination)| {
            service::of(proto, destination).or_else(|| service::of(proto, source))
        });
        let service = service.map_or(0, |service| service.number().into());
        self.services.add(service, 1);
        if let Some((_, port)) = ports
            && !self.scanners.contains(&opener)
        {
            let hosts = self.at_port.entry((opener, port)).or_default();
            if insert(&mut pair.ports, port) == SCAN || insert(hosts, responder) == SCAN {
                self.scanners.insert(opener);
            }
        }
    }

    /// The counts of the capture.
    pub(super) fn finish(self) -> Hosts {
        let hosts = self.numbers.len();
        let mut degrees = [vec![0; hosts], vec![0; hosts]];
        let mut flows_per_pair = Histogram::new();
        // The pairs come in no particular order, which makes no difference to sums.
        for ((opener, responder), pair) in &self.pairs {
            degrees[0][*opener as usize] += 1;
            degrees[1][*responder as usize] += 1;
            flows_per_pair.add(Hosts::degree_bin(pair.sessions), 1);
        }
        let [fan_out, fan_in] = degrees.map(|degrees| {
            let talking = degrees.into_iter().filter(|&degree| degree > 0);
            talking
                .map(|degree| (Hosts::degree_bin(degree), 1))
                .collect()
        });
        Hosts {
            captures: 1,
            hosts: hosts as u64,
            fan_out,
            fan_in,
            flows_per_pair,
            services: self.services,
            scanners: self.scanners.len() as u64,
        }
    }

    fn number(&mut self, address: IpAddr) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(address).or_insert(next)
    }
}

/// Adds a value to a short list unless it is there; returns how many there are.
fn insert<T: PartialEq>(values: &mut Vec<T>, value: T) -> usize {
    if !values.contains(&value) {
        values.push(value);
    }
    values.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Family;
    use crate::tcp::SegmentNumbers;
    use crate::wire::TcpHeader;

    /// A TCP segment between two hosts, to a port.
    fn headers(source: u8, destination: u8, port: u16) -> Headers<'static> {
        let host = |id: u8| IpAddr::from([10, 0, 0, id]);
        let segment = TcpHeader {
            source_port: 40_000,
            destination_port: port,
            numbers: SegmentNumbers::default(),
            flags: 2,
            window: 0,
            options: &[],
            options_len: 0,
        };
        Headers {
            family: Family::V4,
            source: host(source),
            destination: host(destination),
            ttl: 64,
            tos: 0,
            ip_flags: 0,
            ip_id: 0,
            ip_ext: 0,
            transport: Transport::Tcp(segment),
            payload_len: 0,
            ip_len: 40,
        }
    }

    fn hosts(sessions: impl IntoIterator<Item = (u8, u8, u16)>) -> Hosts {
        let mut graph = HostGraph::default();
        for (source, destination, port) in sessions {
            graph.open(&headers(source, destination, port));
        }
        graph.finish()
    }

    #[test]
    fn test_hosts_by_hand() {
        // Two clients of a server, one of which comes three times, and the server's own query.
        let found = hosts([
            (1, 9, 443),
            (1, 9, 443),
            (1, 9, 8_081),
            (2, 9, 443),
            (9, 3, 53),
        ]);
        let pairs = |histogram: &Histogram| histogram.iter().collect::<Vec<_>>();
        assert_eq!(found.hosts, 4);
        assert_eq!(pairs(&found.fan_out), [(0, 3)]);
        assert_eq!(pairs(&found.fan_in), [(0, 1), (1, 1)]);
        assert_eq!(pairs(&found.flows_per_pair), [(0, 2), (2, 1)]);
        assert_eq!(pairs(&found.services), [(0, 1), (6, 1), (23, 3)]);
        assert_eq!(found.scanners, 0);
    }

    #[test]
    fn test_scanners() {
        let vertical = |ports: u16| hosts((1..=ports).map(|port| (1, 2, port))).scanners;
        let horizontal = |last: u8| hosts((2..=last).map(|host| (1, host, 22))).scanners;
        assert_eq!([vertical(9), vertical(10), vertical(500)], [0, 1, 1]);
        assert_eq!([horizontal(10), horizontal(11), horizontal(200)], [0, 1, 1]);
        let apart = hosts((2..=20).map(|host| (1, host, host.into())));
        assert_eq!(apart.scanners, 0);
    }

    #[test]
    fn test_degree_bins_end_at_powers_of_two() {
        let bins = [1, 2, 3, 4, 5, 8, 9, 1 << 40].map(Hosts::degree_bin);
        assert_eq!(bins, [0, 1, 2, 2, 3, 3, 4, 40]);
    }
}
