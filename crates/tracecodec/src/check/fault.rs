//! Faults that a packet can have, as a table.

use std::fmt;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// An analyser rejects the packet, calls it malformed, or cannot judge it.
    Error,
    /// Legal or survivable, but unusual: real captures have such packets.
    Note,
}

impl Severity {
    /// Name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Note => "note",
        }
    }
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// More was captured than was on the wire.
    CapturedBeyondWire,
    /// The capture cut a fixed header.
    HeaderCut,
    /// A packet ends before the end of its headers.
    TooShort,
    /// The link layer says IP, and the version is neither 4 nor 6, or contradicts the link layer.
    IpVersion,
    /// The IPv4 header length is below 20 bytes or beyond the packet.
    IpHeaderLength,
    /// The IP length is beyond the frame.
    IpLength,
    /// The IP length is 0 although bytes follow the header.
    IpLengthZero,
    /// The IPv4 header checksum is wrong.
    IpChecksum,
    /// IPv4 options contradict themselves or their area.
    IpOptions,
    /// A fragment ends beyond the longest packet, or has a length that is not a multiple of eight
    /// bytes though more fragments follow.
    FragmentLength,
    /// The TCP data offset is below five or beyond the segment.
    TcpHeaderLength,
    /// The TCP checksum is wrong.
    TcpChecksum,
    /// TCP options contradict themselves, their area, or the length of their kind.
    TcpOptions,
    /// The UDP length is below eight or beyond the packet.
    UdpLength,
    /// The UDP checksum is wrong, or missing over IPv6.
    UdpChecksum,
    /// An ICMP message is shorter than its type needs, or an option of neighbour discovery is cut.
    IcmpLength,
    /// The ICMP type does not have this code.
    IcmpCode,
    /// The ICMP or ICMPv6 checksum is wrong.
    IcmpChecksum,
    /// The capture cut the TCP options.
    OptionsCut,
    /// The reserved bit of the IPv4 flags is set.
    IpReservedBit,
    /// The time to live or hop limit is 0.
    TtlZero,
    /// The source address is multicast or broadcast, or unspecified where that is not allowed.
    SourceAddress,
    /// Source and destination address are equal, and not a loopback address.
    SameAddress,
    /// A TCP or UDP port is 0.
    PortZero,
    /// TCP flags that no stack sends: two of SYN, FIN and RST together, none of them and no ACK, or
    /// FIN without ACK.
    TcpFlags,
    /// Reserved TCP flags are set.
    TcpReservedBits,
    /// An acknowledgment number or urgent pointer is set without its flag.
    TcpUnusedField,
    /// A SYN carries payload.
    SynPayload,
    /// MSS, window scale or SACK permitted outside a SYN, or a window scale over 14.
    SynOptions,
    /// The UDP length is shorter than the packet that carries it.
    UdpSurplus,
    /// The frame has more than 1,514 bytes on the wire.
    LongFrame,
    /// The time is before that of the previous packet.
    TimeStepBack,
    /// The time is 0, as if the capture does not state it.
    TimeZero,
    /// The time is before 1970.
    TimeBefore1970,
}

impl Fault {
    /// All kinds, errors first, in the order of reports.
    pub const ALL: [Fault; 34] = [
        Fault::CapturedBeyondWire,
        Fault::HeaderCut,
        Fault::TooShort,
        Fault::IpVersion,
        Fault::IpHeaderLength,
        Fault::IpLength,
        Fault::IpLengthZero,
        Fault::IpChecksum,
        Fault::IpOptions,
        Fault::FragmentLength,
        Fault::TcpHeaderLength,
        Fault::TcpChecksum,
        Fault::TcpOptions,
        Fault::UdpLength,
        Fault::UdpChecksum,
        Fault::IcmpLength,
        Fault::IcmpCode,
        Fault::IcmpChecksum,
        Fault::OptionsCut,
        Fault::IpReservedBit,
        Fault::TtlZero,
        Fault::SourceAddress,
        Fault::SameAddress,
        Fault::PortZero,
        Fault::TcpFlags,
        Fault::TcpReservedBits,
        Fault::TcpUnusedField,
        Fault::SynPayload,
        Fault::SynOptions,
        Fault::UdpSurplus,
        Fault::LongFrame,
        Fault::TimeStepBack,
        Fault::TimeZero,
        Fault::TimeBefore1970,
    ];

    /// Severity of the fault.
    pub fn severity(self) -> Severity {
        if self < Fault::OptionsCut {
            Severity::Error
        } else {
            Severity::Note
        }
    }

    /// Name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Fault::CapturedBeyondWire => "captured_beyond_wire",
            Fault::HeaderCut => "header_cut",
            Fault::TooShort => "too_short",
            Fault::IpVersion => "ip_version",
            Fault::IpHeaderLength => "ip_header_length",
            Fault::IpLength => "ip_length",
            Fault::IpLengthZero => "ip_length_zero",
            Fault::IpChecksum => "ip_checksum",
            Fault::IpOptions => "ip_options",
            Fault::FragmentLength => "fragment_length",
            Fault::TcpHeaderLength => "tcp_header_length",
            Fault::TcpChecksum => "tcp_checksum",
            Fault::TcpOptions => "tcp_options",
            Fault::UdpLength => "udp_length",
            Fault::UdpChecksum => "udp_checksum",
            Fault::IcmpLength => "icmp_length",
            Fault::IcmpCode => "icmp_code",
            Fault::IcmpChecksum => "icmp_checksum",
            Fault::OptionsCut => "options_cut",
            Fault::IpReservedBit => "ip_reserved_bit",
            Fault::TtlZero => "ttl_zero",
            Fault::SourceAddress => "source_address",
            Fault::SameAddress => "same_address",
            Fault::PortZero => "port_zero",
            Fault::TcpFlags => "tcp_flags",
            Fault::TcpReservedBits => "tcp_reserved_bits",
            Fault::TcpUnusedField => "tcp_unused_field",
            Fault::SynPayload => "syn_payload",
            Fault::SynOptions => "syn_options",
            Fault::UdpSurplus => "udp_surplus",
            Fault::LongFrame => "long_frame",
            Fault::TimeStepBack => "time_step_back",
            Fault::TimeZero => "time_zero",
            Fault::TimeBefore1970 => "time_before_1970",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::CapturedBeyondWire => "more captured than was on the wire",
            Fault::HeaderCut => "fixed header cut by the capture",
            Fault::TooShort => "packet ends before its headers do",
            Fault::IpVersion => "IP version contradicts the link layer",
            Fault::IpHeaderLength => "IPv4 header length below 20 or beyond the packet",
            Fault::IpLength => "IP length beyond the frame",
            Fault::IpLengthZero => "IP length 0 although more follows, as offloading leaves it",
            Fault::IpChecksum => "wrong IPv4 header checksum",
            Fault::IpOptions => "malformed IPv4 options",
            Fault::FragmentLength => {
                "fragment beyond the longest packet, or no multiple of eight bytes though more follow"
            }
            Fault::TcpHeaderLength => "TCP data offset below 5 or beyond the segment",
            Fault::TcpChecksum => "wrong TCP checksum",
            Fault::TcpOptions => "malformed TCP options",
            Fault::UdpLength => "UDP length below 8 or beyond the packet",
            Fault::UdpChecksum => "wrong UDP checksum, or none over IPv6",
            Fault::IcmpLength => "ICMP message of a length that its type does not have",
            Fault::IcmpCode => "ICMP code that its type does not have",
            Fault::IcmpChecksum => "wrong ICMP or ICMPv6 checksum",
            Fault::OptionsCut => "TCP options cut by the capture",
            Fault::IpReservedBit => "reserved bit of the IPv4 flags set",
            Fault::TtlZero => "time to live or hop limit 0",
            Fault::SourceAddress => {
                "source address multicast, broadcast, or unspecified outside DHCP and autoconfiguration"
            }
            Fault::SameAddress => "source and destination address the same, and no loopback",
            Fault::PortZero => "TCP or UDP port 0",
            Fault::TcpFlags => {
                "SYN, FIN and RST beside each other, none of them and no ACK, or FIN without ACK"
            }
            Fault::TcpReservedBits => "reserved TCP flags set",
            Fault::TcpUnusedField => "acknowledgment number or urgent pointer without its flag",
            Fault::SynPayload => "SYN with payload",
            Fault::SynOptions => "SYN's options outside a SYN, or a window scale over 14",
            Fault::UdpSurplus => "bytes behind the end of UDP",
            Fault::LongFrame => {
                "frame above 1,514 bytes, as offloading and jumbo frames give it"
            }
            Fault::TimeStepBack => "time before that of the packet before",
            Fault::TimeZero => "time 0, as in captures that store no times",
            Fault::TimeBefore1970 => "time before 1970",
        })
    }
}

/// The faults of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults(u64);

impl Faults {
    /// Whether there are no faults.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a fault was found.
    pub fn contains(self, fault: Fault) -> bool {
        self.0 >> fault as u32 & 1 == 1
    }

    /// The faults, in the order of reports.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL
            .into_iter()
            .filter(move |&fault| self.contains(fault))
    }

    /// Adds a fault if it was found.
    pub(super) fn add(&mut self, fault: Fault, found: bool) {
        self.0 |= u64::from(found) << fault as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_table_is_in_order() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(place, fault as usize);
        }
        assert!(Fault::ALL.is_sorted_by_key(|fault| fault.severity()));
    }
}
