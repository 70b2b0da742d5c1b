//! Kinds of hosts: what an address says of its host, and nothing more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A well-known group: its name, its IPv4 address and its IPv6 address.
pub type Group = (&'static str, Option<[u8; 4]>, Option<[u16; 8]>);

/// Kind of a host's address: a row of the table of kinds, which `docs/formats.md` prints.
///
/// The first rows are scopes, in which a synthetic address is drawn. The others are groups with one
/// well-known address, which stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct HostKind(pub u8);

impl HostKind {
    /// A private address: RFC 1918, or a unique local one of IPv6.
    pub const PRIVATE: Self = Self(0);
    /// Any other unicast address.
    pub const PUBLIC: Self = Self(1);
    /// A link-local address.
    pub const LINK_LOCAL: Self = Self(2);
    /// A loopback address.
    pub const LOOPBACK: Self = Self(3);
    /// The unspecified address.
    pub const UNSPECIFIED: Self = Self(4);
    /// 255.255.255.255.
    pub const BROADCAST: Self = Self(5);
    /// A private IPv4 address that ends with 255: the broadcast address of most subnets.
    pub const SUBNET_BROADCAST: Self = Self(6);
    /// A multicast address that is not well known.
    pub const MULTICAST: Self = Self(7);
    /// A solicited-node multicast address (RFC 4291 section 2.7.1).
    pub const SOLICITED_NODE: Self = Self(8);

    /// Number of the first well-known group.
    const FIRST_GROUP: u8 = 9;

    /// Names of the scopes, in the order of their numbers.
    pub const SCOPES: [&str; Self::FIRST_GROUP as usize] = [
        "private",
        "public",
        "link-local",
        "loopback",
        "unspecified",
        "broadcast",
        "subnet broadcast",
        "other multicast",
        "solicited node",
    ];

    /// Well-known groups: name, IPv4 address, IPv6 address. The first has the number 9.
    pub const GROUPS: &[Group] = &[
        ("all hosts", Some([224, 0, 0, 1]), link_group(1)),
        ("all routers", Some([224, 0, 0, 2]), link_group(2)),
        ("OSPF", Some([224, 0, 0, 5]), link_group(5)),
        ("OSPF designated", Some([224, 0, 0, 6]), link_group(6)),
        ("RIP", Some([224, 0, 0, 9]), link_group(9)),
        ("EIGRP", Some([224, 0, 0, 10]), link_group(0xa)),
        ("PIM", Some([224, 0, 0, 13]), link_group(0xd)),
        ("VRRP", Some([224, 0, 0, 18]), link_group(0x12)),
        ("IGMPv3, MLDv2", Some([224, 0, 0, 22]), link_group(0x16)),
        ("HSRPv2", Some([224, 0, 0, 102]), link_group(0x66)),
        ("mDNS", Some([224, 0, 0, 251]), link_group(0xfb)),
        (
            "LLMNR",
            Some([224, 0, 0, 252]),
            Some([0xff02, 0, 0, 0, 0, 0, 1, 3]),
        ),
        ("SSDP", Some([239, 255, 255, 250]), link_group(0xc)),
        ("SSDP, site", None, Some([0xff05, 0, 0, 0, 0, 0, 0, 0xc])),
        (
            "SLP",
            Some([239, 255, 255, 253]),
            Some([0xff05, 0, 0, 0, 0, 0, 0, 0x116]),
        ),
        ("DHCPv6", None, Some([0xff02, 0, 0, 0, 0, 0, 1, 2])),
        (
            "NTP",
            Some([224, 0, 1, 1]),
            Some([0xff05, 0, 0, 0, 0, 0, 0, 0x101]),
        ),
        (
            "PTP",
            Some([224, 0, 1, 129]),
            Some([0xff0e, 0, 0, 0, 0, 0, 0, 0x181]),
        ),
        ("PTP, link", Some([224, 0, 0, 107]), link_group(0x6b)),
    ];

    /// The kind of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if address.is_broadcast() {
            Self::BROADCAST
        } else if address.is_unspecified() {
            Self::UNSPECIFIED
        } else if address.is_multicast() {
            group(|&(_, v4, _)| v4 == Some(address.octets())).unwrap_or(Self::MULTICAST)
        } else if address.is_loopback() {
            Self::LOOPBACK
        } else if address.is_link_local() {
            Self::LINK_LOCAL
        } else if !address.is_private() {
            Self::PUBLIC
        } else if address.octets()[3] == u8::MAX {
            Self::SUBNET_BROADCAST
        } else {
            Self::PRIVATE
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if address.is_unspecified() {
            Self::UNSPECIFIED
        } else if address.is_loopback() {
            Self::LOOPBACK
        } else if let [0xff02, 0, 0, 0, 0, 1, 0xff00..=0xffff, _] = address.segments() {
            Self::SOLICITED_NODE
        } else if address.is_multicast() {
            group(|&(_, _, v6)| v6 == Some(address.segments())).unwrap_or(Self::MULTICAST)
        } else if address.is_unicast_link_local() {
            Self::LINK_LOCAL
        } else if address.is_unique_local() {
            Self::PRIVATE
        } else {
            Self::PUBLIC
        }
    }

    /// The one address of this kind; `None` if hosts of this kind have different addresses.
    pub fn only_address(self, is_v4: bool) -> Option<IpAddr> {
        match (self, is_v4) {
            (Self::UNSPECIFIED, true) => Some(Ipv4Addr::UNSPECIFIED.into()),
            (Self::UNSPECIFIED, false) => Some(Ipv6Addr::UNSPECIFIED.into()),
            (Self::LOOPBACK, false) => Some(Ipv6Addr::LOCALHOST.into()),
            (Self::BROADCAST, true) => Some(Ipv4Addr::BROADCAST.into()),
            (Self(number), _) => {
                let number = number.checked_sub(Self::FIRST_GROUP)?;
                let &(_, v4, v6) = Self::GROUPS.get(usize::from(number))?;
                if is_v4 {
                    v4.map(|octets| Ipv4Addr::from(octets).into())
                } else {
                    v6.map(|segments| Ipv6Addr::from(segments).into())
                }
            }
        }
    }

    /// The kind without what only a graph of hosts keeps: every unicast kind becomes
    /// [`PRIVATE`](Self::PRIVATE).
    pub fn without_scope(self) -> Self {
        match self {
            Self::PUBLIC | Self::LINK_LOCAL | Self::LOOPBACK | Self::SUBNET_BROADCAST => {
                Self::PRIVATE
            }
            kind => kind,
        }
    }

    /// Whether a packet to an address of this kind is for several hosts.
    pub fn is_group(self) -> bool {
        self.0 > Self::UNSPECIFIED.0
    }

    /// The nearest kind that a family has: a kind that it lacks becomes [`PRIVATE`](Self::PRIVATE).
    pub fn in_family(self, is_v4: bool) -> Self {
        let is_known = match (self, is_v4) {
            (Self::BROADCAST | Self::SUBNET_BROADCAST, false) | (Self::SOLICITED_NODE, true) => {
                false
            }
            (Self(0..Self::FIRST_GROUP), _) => true,
            _ => self.only_address(is_v4).is_some(),
        };
        if is_known { self } else { Self::PRIVATE }
    }
}

/// A group of the local link (RFC 4291 section 2.7).
const fn link_group(number: u16) -> Option<[u16; 8]> {
    Some([0xff02, 0, 0, 0, 0, 0, 0, number])
}

fn group(is_it: impl Fn(&Group) -> bool) -> Option<HostKind> {
    let place = HostKind::GROUPS.iter().position(is_it)?;
    Some(HostKind(HostKind::FIRST_GROUP + place as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_kinds_of_addresses() {
        let kind = |address: &str| HostKind::of(address.parse().unwrap());
        for (address, expected) in [
            ("10.1.2.3", HostKind::PRIVATE),
            ("192.168.1.255", HostKind::SUBNET_BROADCAST),
            ("8.8.8.255", HostKind::PUBLIC),
            ("169.254.0.7", HostKind::LINK_LOCAL),
            ("127.0.0.1", HostKind::LOOPBACK),
            ("0.0.0.0", HostKind::UNSPECIFIED),
            ("255.255.255.255", HostKind::BROADCAST),
            ("239.1.2.3", HostKind::MULTICAST),
            ("fd00::1", HostKind::PRIVATE),
            ("2001:db8::1", HostKind::PUBLIC),
            ("fe80::1", HostKind::LINK_LOCAL),
            ("::", HostKind::UNSPECIFIED),
            ("::1", HostKind::LOOPBACK),
            ("ff02::1:ff00:7", HostKind::SOLICITED_NODE),
            ("ff08::1234", HostKind::MULTICAST),
        ] {
            assert_eq!(kind(address), expected, "{address}");
        }
        assert_eq!(kind("224.0.0.251"), kind("ff02::fb"));
        assert_ne!(kind("224.0.0.251"), HostKind::MULTICAST);
    }

    #[test]
    fn test_a_kind_with_one_address_is_the_kind_of_that_address() {
        for number in 0..32 {
            for is_v4 in [true, false] {
                let kind = HostKind(number).in_family(is_v4);
                if let Some(address) = kind.only_address(is_v4) {
                    assert_eq!(HostKind::of(address), kind, "{address}");
                    assert_eq!(address.is_ipv4(), is_v4);
                }
            }
        }
        assert!(HostKind::FIRST_GROUP as usize + HostKind::GROUPS.len() <= 32);
    }
}
