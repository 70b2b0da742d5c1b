//! Services: what the well-known ports mean, as one table that formats, compiler and metrics read.
//!
//! The table holds ports on whose service IANA's registry, Wireshark and nDPI agree, and a few that
//! everybody uses without a registration (8000, 8080, 8443, 3128, 9200). A service is known by its
//! protocol and port alone, never by payload.

use std::num::NonZeroU8;

use crate::action::Proto;

/// Transport protocols over which a service is found at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocols {
    /// TCP alone.
    Tcp,
    /// UDP alone.
    Udp,
    /// TCP and UDP.
    Both,
}

/// A row of the table: a port, and the service that listens on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Protocols over which the port belongs to the service.
    pub protocols: Protocols,
    /// The port.
    pub port: u16,
    /// The service as Zeek calls it, or else IANA. Several rows may have one name.
    pub name: &'static str,
}

/// A service: the number of a row of [`TABLE`], from 1. Artifacts store the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(NonZeroU8);

use Protocols::{Both, Tcp, Udp};

/// Every service; the first row has the number 1. Rows may be added at the end, up to 255 in all,
/// and are never moved: artifacts store their numbers.
pub const TABLE: &[Row] = &[
    row(Tcp, 20, "ftp-data"),
    row(Tcp, 21, "ftp"),
    row(Tcp, 22, "ssh"),
    row(Tcp, 23, "telnet"),
    row(Tcp, 25, "smtp"),
    row(Both, 53, "dns"),
    row(Udp, 67, "dhcp"),
    row(Udp, 68, "dhcp"),
    row(Udp, 69, "tftp"),
    row(Tcp, 80, "http"),
    row(Both, 88, "kerberos"),
    row(Tcp, 110, "pop3"),
    row(Udp, 123, "ntp"),
    row(Tcp, 135, "dce_rpc"),
    row(Udp, 137, "netbios-ns"),
    row(Udp, 138, "netbios-dgm"),
    row(Tcp, 139, "netbios-ssn"),
    row(Tcp, 143, "imap"),
    row(Udp, 161, "snmp"),
    row(Udp, 162, "snmptrap"),
    row(Tcp, 179, "bgp"),
    row(Both, 389, "ldap"),
    row(Tcp, 443, "https"),
    row(Udp, 443, "quic"),
    row(Tcp, 445, "smb"),
    row(Tcp, 465, "smtps"),
    row(Udp, 500, "isakmp"),
    row(Tcp, 502, "modbus"),
    row(Udp, 514, "syslog"),
    row(Udp, 546, "dhcpv6"),
    row(Udp, 547, "dhcpv6"),
    row(Tcp, 554, "rtsp"),
    row(Tcp, 587, "submission"),
    row(Tcp, 636, "ldaps"),
    row(Both, 853, "domain-s"),
    row(Tcp, 989, "ftps-data"),
    row(Tcp, 990, "ftps"),
    row(Tcp, 993, "imaps"),
    row(Tcp, 995, "pop3s"),
    row(Both, 1194, "openvpn"),
    row(Tcp, 1433, "ms-sql-s"),
    row(Tcp, 1521, "oracle-tns"),
    row(Udp, 1812, "radius"),
    row(Udp, 1813, "radius-acct"),
    row(Tcp, 1883, "mqtt"),
    row(Udp, 1900, "ssdp"),
    row(Tcp, 3128, "http"),
    row(Tcp, 3306, "mysql"),
    row(Both, 3389, "rdp"),
    row(Both, 3478, "stun"),
    row(Udp, 4500, "ipsec-nat-t"),
    row(Both, 5060, "sip"),
    row(Tcp, 5061, "sips"),
    row(Udp, 5353, "mdns"),
    row(Both, 5355, "llmnr"),
    row(Tcp, 5432, "postgresql"),
    row(Tcp, 5672, "amqp"),
    row(Tcp, 5900, "rfb"),
    row(Tcp, 6379, "redis"),
    row(Both, 6881, "bittorrent"),
    row(Tcp, 8000, "http"),
    row(Tcp, 8080, "http"),
    row(Tcp, 8443, "https"),
    row(Udp, 8443, "quic"),
    row(Tcp, 8883, "mqtts"),
    row(Tcp, 9200, "elasticsearch"),
    row(Both, 11211, "memcache"),
    row(Both, 20000, "dnp3"),
    row(Tcp, 27017, "mongodb"),
    row(Both, 44818, "enip"),
    row(Udp, 47808, "bacnet"),
    row(Udp, 51820, "wireguard"),
    row(Udp, 5004, "rtp"),
];

const fn row(protocols: Protocols, port: u16, name: &'static str) -> Row {
    Row {
        protocols,
        port,
        name,
    }
}

/// Number of the service at each port, first of TCP, then of UDP; 0 is none.
static NUMBERS: [[u8; 1 << 16]; 2] = numbers();

const fn numbers() -> [[u8; 1 << 16]; 2] {
    assert!(TABLE.len() <= u8::MAX as usize);
    let mut numbers = [[0; 1 << 16]; 2];
    let mut index = 0;
    while index < TABLE.len() {
        let Row {
            protocols, port, ..
        } = TABLE[index];
        let number = index as u8 + 1;
        if !matches!(protocols, Udp) {
            numbers[0][port as usize] = number;
        }
        if !matches!(protocols, Tcp) {
            numbers[1][port as usize] = number;
        }
        index += 1;
    }
    numbers
}

/// The service at a port, if the table has one.
pub fn of(proto: Proto, port: u16) -> Option<Service> {
    let numbers = match proto {
        Proto::Tcp => &NUMBERS[0],
        Proto::Udp => &NUMBERS[1],
        Proto::Icmp | Proto::Other => return None,
    };
    NonZeroU8::new(numbers[usize::from(port)]).map(Service)
}

/// The port of a service.
pub fn port(service: Service) -> u16 {
    service.row().port
}

impl Service {
    /// The service of a number; none for 0 and for numbers beyond the table.
    pub fn of_number(number: u8) -> Option<Self> {
        let number = NonZeroU8::new(number)?;
        (usize::from(number.get()) <= TABLE.len()).then_some(Self(number))
    }

    /// Number of the row, from 1.
    pub fn number(self) -> u8 {
        self.0.get()
    }

    /// The row of the table.
    pub fn row(self) -> &'static Row {
        &TABLE[usize::from(self.number()) - 1]
    }

    /// Name of the service.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether the service is found over this protocol.
    pub fn runs_over(self, proto: Proto) -> bool {
        of(proto, port(self)) == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_no_port_has_two_services() {
        let all = (1..=u8::MAX).map_while(Service::of_number);
        for (service, row) in all.zip(TABLE) {
            assert_eq!(service.runs_over(Proto::Tcp), row.protocols != Udp);
            assert_eq!(service.runs_over(Proto::Udp), row.protocols != Tcp);
        }
    }

    #[test]
    fn test_ports_come_back() {
        for proto in [Proto::Tcp, Proto::Udp] {
            let found = (0..=u16::MAX).filter_map(|number| Some((number, of(proto, number)?)));
            for (number, service) in found {
                assert_eq!(port(service), number);
                assert_eq!(Service::of_number(service.number()), Some(service));
            }
        }
        let rows = (0..=u8::MAX).filter_map(Service::of_number);
        assert_eq!(rows.count(), TABLE.len());
    }

    #[test]
    fn test_numbers_never_change() {
        let number = |proto, port| of(proto, port).map(Service::number);
        assert_eq!(number(Proto::Tcp, 20), Some(1));
        assert_eq!(number(Proto::Udp, 53), Some(6));
        assert_eq!(number(Proto::Tcp, 443), Some(23));
        assert_eq!(number(Proto::Udp, 443), Some(24));
        assert_eq!(number(Proto::Udp, 51820), Some(72));
        assert_eq!(number(Proto::Tcp, 51820), None);
        assert_eq!(number(Proto::Icmp, 53), None);
    }
}
