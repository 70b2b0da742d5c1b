//! Captured packets to rows of the raw packet table.

use std::collections::BTreeMap;

use super::schema::RawRow;
use crate::action::OptionProfiles;
use crate::pcap::{Packet, Steps, Timestamp};
use crate::wire::{self, Headers, SkipReason, TcpHeader, Transport, ip_proto};

/// Counts of the packets read into a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowCounts {
    /// Packets read.
    pub packets: u64,
    /// Packets out of scope, by reason. Actions have the same scope.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// TCP packets whose option layout the dictionary neither has nor has room for; only the
    /// layout's length is kept.
    pub unknown_layouts: u64,
    /// Packets with IPv4 options or IPv6 extension headers, for which the table has no column.
    pub lost_extensions: u64,
}

impl RowCounts {
    /// Rows read.
    pub fn rows(&self) -> u64 {
        self.packets - self.skipped.values().sum::<u64>()
    }

    /// Adds the counts of another trace.
    pub fn merge(&mut self, more: &Self) {
        self.packets += more.packets;
        for (&reason, count) in &more.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        self.unknown_layouts += more.unknown_layouts;
        self.lost_extensions += more.lost_extensions;
    }
}

/// Reads packets into rows, one by one. It remembers the time of the latest packet and nothing
/// else.
#[derive(Debug, Default)]
pub struct RowReader {
    profiles: OptionProfiles,
    steps: Steps,
    counts: RowCounts,
}

impl RowReader {
    /// A reader for one trace, with a dictionary of option layouts that may grow.
    pub fn new(profiles: OptionProfiles) -> Self {
        Self {
            profiles,
            ..Self::default()
        }
    }

    /// The row of a packet.
    ///
    /// # Errors
    /// The reason why the packet is out of scope; it is counted.
    pub fn read(&mut self, packet: &Packet<'_>) -> Result<RawRow, SkipReason> {
        self.counts.packets += 1;
        match wire::parse(packet) {
            Ok(headers) if headers.is_beyond_length_field() => {
                *self.counts.skipped.entry(SkipReason::TooLong).or_default() += 1;
                Err(SkipReason::TooLong)
            }
            Ok(headers) => Ok(self.row(&headers, packet.time)),
            Err(reason) => {
                *self.counts.skipped.entry(reason).or_default() += 1;
                Err(reason)
            }
        }
    }

    /// Time of the first row.
    pub fn epoch(&self) -> Option<Timestamp> {
        self.steps.epoch()
    }

    /// The dictionary of option layouts, with everything learned so far.
    pub fn profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// The dictionary, for reading rows of another table of this trace.
    pub(super) fn profiles_mut(&mut self) -> &mut OptionProfiles {
        &mut self.profiles
    }

    /// The dictionary, to be used for the next trace.
    pub fn into_profiles(self) -> OptionProfiles {
        self.profiles
    }

    /// The counts so far.
    pub fn counts(&self) -> &RowCounts {
        &self.counts
    }

    fn row(&mut self, headers: &Headers<'_>, time: Timestamp) -> RawRow {
        let mut row = RawRow {
            delta_t: self.steps.next(time),
            ip_version: headers.family,
            src_ip: headers.source,
            dst_ip: headers.destination,
            ttl: headers.ttl,
            dscp: headers.tos >> 2,
            ecn: headers.tos & 3,
            ip_flags: headers.ip_flags,
            payload_len: headers.payload_len as u16,
            ..RawRow::default()
        };
        self.counts.lost_extensions += u64::from(headers.ip_ext > 0);
        match headers.transport {
            Transport::Tcp(tcp) => {
                row.proto = ip_proto::TCP;
                self.read_tcp(&mut row, &tcp);
            }
            Transport::Udp {
                source_port,
                destination_port,
            } => {
                row.proto = ip_proto::UDP;
                (row.udp_sport, row.udp_dport) = (source_port, destination_port);
            }
            Transport::Icmp(message) => {
                row.proto = ip_proto::icmp(headers.family);
                (row.icmp_type, row.icmp_code) = (message.icmp_type, message.code);
            }
            Transport::Other(proto) => row.proto = proto,
        }
        row
    }

    fn read_tcp(&mut self, row: &mut RawRow, tcp: &TcpHeader<'_>) {
        (row.tcp_sport, row.tcp_dport) = (tcp.source_port, tcp.destination_port);
        (row.tcp_seq, row.tcp_ack) = (tcp.numbers.seq.0, tcp.numbers.ack.0);
        (row.tcp_flags, row.tcp_window) = (tcp.flags, tcp.window);
        let layout = tcp.layout();
        row.tcp_opt_profile = self.profiles.intern(layout);
        let is_known = self.profiles.layout(row.tcp_opt_profile) == Some(&layout);
        self.counts.unknown_layouts += u64::from(!is_known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Family;
    use crate::pcap::LinkType;

    /// An IPv4 SYN of 1.2.3.4 with the reserved bit, DF, four bytes of IPv4 options and an MSS.
    const SYN: [u8; 48] = [
        0x46, 0xba, 0, 48, 9, 9, 0xc0, 0, 57, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1, 1, //
        0xc7, 0x38, 0x01, 0xbb, 1, 2, 3, 4, 0, 0, 0, 9, 0x61, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4,
        5, 180,
    ];

    fn packet(nanos: i64, data: &[u8]) -> Packet<'_> {
        Packet {
            time: Timestamp(nanos),
            link: LinkType::RAW,
            wire_len: data.len() as u32,
            data,
            ..Packet::default()
        }
    }

    #[test]
    fn test_row_is_what_the_header_says() {
        let mut reader = RowReader::default();
        let expected = RawRow {
            delta_t: 0,
            ip_version: Family::V4,
            proto: 6,
            src_ip: [1, 2, 3, 4].into(),
            dst_ip: [5, 6, 7, 8].into(),
            ttl: 57,
            dscp: 0x2e,
            ecn: 2,
            ip_flags: 6,
            tcp_sport: 51_000,
            tcp_dport: 443,
            tcp_seq: 0x0102_0304,
            tcp_ack: 9,
            tcp_flags: 0x102,
            tcp_window: 64_240,
            tcp_opt_profile: 11,
            ..RawRow::default()
        };
        assert_eq!(reader.read(&packet(7, &SYN)), Ok(expected));
        assert_eq!(reader.epoch(), Some(Timestamp(7)));
        assert_eq!(reader.counts().lost_extensions, 1);
    }

    #[test]
    fn test_time_runs_from_row_to_row() {
        let mut reader = RowReader::default();
        let mut fragment = SYN;
        fragment[6] = 0x20;
        let times = [(5, &SYN), (9, &fragment), (20, &SYN), (18, &SYN)];
        let rows = times.map(|(time, data)| reader.read(&packet(time, data)));
        let steps = rows.map(|row| row.map(|row| row.delta_t));
        assert_eq!(steps, [Ok(0), Err(SkipReason::Fragment), Ok(15), Ok(-2)]);
        let mut counts = reader.counts().clone();
        counts.merge(reader.counts());
        assert_eq!((counts.packets, counts.rows()), (8, 6));
    }
}
