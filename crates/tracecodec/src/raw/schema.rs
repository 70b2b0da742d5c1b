//! The raw packet table as one table of data: [`COLUMNS`] (the paper, Table 8).

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::action::{Family, OptionProfiles, Proto};
use crate::choice::Choice;
use crate::wire::{self, ip_proto};

/// Schema of the rows between reading and rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schema {
    /// The column table: one column a header field.
    #[default]
    Columns,
    /// The bit table: the bits of the headers.
    Bits,
}

impl Choice for Schema {
    const WHAT: &'static str = "raw packet table";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Columns, "columns", "22 columns of header fields"),
        (Self::Bits, "bits", "The bits of the headers, after nPrint"),
    ];
}

/// One packet as its headers describe it. Fields that [`COLUMNS`] calls inactive for the packet are
/// 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRow {
    /// Time since the previous row of the trace, in nanoseconds; negative if the capture steps
    /// back.
    pub delta_t: i64,
    /// IP version.
    pub ip_version: Family,
    /// IP protocol number; in IPv6 the one after the extension headers.
    pub proto: u8,
    /// Source address.
    pub src_ip: IpAddr,
    /// Destination address.
    pub dst_ip: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Differentiated services code point, 6 bits.
    pub dscp: u8,
    /// Explicit congestion notification, 2 bits.
    pub ecn: u8,
    /// The three flag bits of IPv4: 4 reserved, 2 don't fragment, 1 more fragments.
    pub ip_flags: u8,
    /// Fragment offset in units of 8 bytes, 13 bits.
    pub ip_frag_off: u16,
    /// Bytes after the TCP header, after the 8 bytes of a UDP or ICMP header, or after the IP
    /// header of any other packet.
    pub payload_len: u16,
    /// TCP source port.
    pub tcp_sport: u16,
    /// TCP destination port.
    pub tcp_dport: u16,
    /// Sequence number.
    pub tcp_seq: u32,
    /// Acknowledgment number field, whether or not the ACK flag is set.
    pub tcp_ack: u32,
    /// All twelve flag bits.
    pub tcp_flags: u16,
    /// Window, unscaled.
    pub tcp_window: u16,
    /// Layout of the TCP options: an index into the [`OptionProfiles`].
    pub tcp_opt_profile: u16,
    /// UDP source port.
    pub udp_sport: u16,
    /// UDP destination port.
    pub udp_dport: u16,
    /// ICMP or ICMPv6 type.
    pub icmp_type: u8,
    /// ICMP or ICMPv6 code.
    pub icmp_code: u8,
}

impl Default for RawRow {
    /// A row of zeros, which is an IPv4 packet of protocol 0.
    fn default() -> Self {
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            delta_t: 0,
            ip_version: Family::V4,
            proto: 0,
            src_ip: unspecified,
            dst_ip: unspecified,
            ttl: 0,
            dscp: 0,
            ecn: 0,
            ip_flags: 0,
            ip_frag_off: 0,
            payload_len: 0,
            tcp_sport: 0,
            tcp_dport: 0,
            tcp_seq: 0,
            tcp_ack: 0,
            tcp_flags: 0,
            tcp_window: 0,
            tcp_opt_profile: 0,
            udp_sport: 0,
            udp_dport: 0,
            icmp_type: 0,
            icmp_code: 0,
        }
    }
}

impl RawRow {
    /// The block of columns that `ip_version` and `proto` select. ICMP over IPv6 and ICMPv6 over
    /// IPv4 count as other protocols, which have no columns of their own.
    pub fn block(&self) -> Proto {
        match self.proto {
            ip_proto::TCP => Proto::Tcp,
            ip_proto::UDP => Proto::Udp,
            proto if proto == ip_proto::icmp(self.ip_version) => Proto::Icmp,
            _ => Proto::Other,
        }
    }

    /// Length of the transport header, options included.
    pub(super) fn header_len(&self, profiles: &OptionProfiles) -> usize {
        wire::transport_header_len(self.block(), profiles.options_len(self.tcp_opt_profile))
    }
}

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number, even if it only names something.
    Number(i64),
    /// An address.
    Address(IpAddr),
}

/// Kind of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// A quantity, with an order and distances.
    Numeric,
    /// An address: a category with many values.
    Address,
    /// A port: a category with many values.
    Port,
    /// Any other category.
    Class,
}

/// Packets for which a column is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Active {
    /// Every packet.
    Always,
    /// TCP packets.
    Tcp,
    /// UDP packets.
    Udp,
    /// ICMP packets over IPv4 and ICMPv6 packets over IPv6.
    Icmp,
}

impl Active {
    /// Whether the column is active in a packet of this block.
    pub const fn covers(self, block: Proto) -> bool {
        matches!(
            (self, block),
            (Active::Always, _)
                | (Active::Tcp, Proto::Tcp)
                | (Active::Udp, Proto::Udp)
                | (Active::Icmp, Proto::Icmp)
        )
    }
}

/// How a row holds a column's value.
#[derive(Clone, Copy)]
enum Field {
    Number {
        get: fn(&RawRow) -> i64,
        set: fn(&mut RawRow, i64),
    },
    Address {
        get: fn(&RawRow) -> IpAddr,
        set: fn(&mut RawRow, IpAddr),
    },
}

/// One column of the table.
pub struct Column {
    /// Name, as in the paper.
    pub name: &'static str,
    /// Kind of its values.
    pub kind: ColumnKind,
    /// Packets for which the column has a meaning.
    pub active: Active,
    /// Least and largest number that the header's field can hold; `None` for addresses.
    pub range: Option<(i64, i64)>,
    /// One line for the format document.
    pub doc: &'static str,
    field: Field,
}

impl Column {
    /// Whether the column is one of the [`CATEGORICAL`] columns.
    pub const fn is_categorical(&self) -> bool {
        !matches!(self.kind, ColumnKind::Numeric)
    }

    /// The column's value in a row.
    pub fn get(&self, row: &RawRow) -> Value {
        match self.field {
            Field::Number { get, .. } => Value::Number(get(row)),
            Field::Address { get, .. } => Value::Address(get(row)),
        }
    }

    /// Whether the header's field can hold `number`.
    pub fn has_room_for(&self, number: i64) -> bool {
        self.range
            .is_some_and(|(least, most)| (least..=most).contains(&number))
    }

    /// Sets the column's value in a row. Returns false if the column cannot hold the value; the row
    /// must then not be used.
    #[must_use]
    pub fn set(&self, row: &mut RawRow, value: Value) -> bool {
        match (self.field, value) {
            (Field::Number { get, set }, Value::Number(number)) => {
                set(row, number);
                // A number that does not fit into the field's type reads back as another number.
                self.has_room_for(number) && get(row) == number
            }
            (Field::Address { set, .. }, Value::Address(address)) => {
                set(row, address);
                true
            }
            _ => false,
        }
    }
}

const fn number(
    name: &'static str,
    (kind, active, range): (ColumnKind, Active, (i64, i64)),
    get: fn(&RawRow) -> i64,
    set: fn(&mut RawRow, i64),
    doc: &'static str,
) -> Column {
    Column {
        name,
        kind,
        active,
        range: Some(range),
        doc,
        field: Field::Number { get, set },
    }
}

const fn address(
    name: &'static str,
    get: fn(&RawRow) -> IpAddr,
    set: fn(&mut RawRow, IpAddr),
    doc: &'static str,
) -> Column {
    Column {
        name,
        kind: ColumnKind::Address,
        active: Always,
        range: None,
        doc,
        field: Field::Address { get, set },
    }
}

use Active::{Always, Icmp, Tcp, Udp};
use ColumnKind::{Class, Numeric, Port};

/// Range of a field of `bits` bits.
const fn bits(bits: u32) -> (i64, i64) {
    (0, (1 << bits) - 1)
}

/// Range of a time step: any.
const TIME: (i64, i64) = (i64::MIN, i64::MAX);

/// Range of the profiles that the dictionary of layouts can number.
const PROFILES: (i64, i64) = (0, OptionProfiles::CAPACITY as i64 - 1);

/// The table's columns, in the paper's order. `ip_version` and `proto` come before the columns
/// whose activity depends on them.
#[rustfmt::skip]
pub const COLUMNS: &[Column] = &[
    number("delta_t", (Numeric, Always, TIME), |r| r.delta_t, |r, v| r.delta_t = v,
        "Nanoseconds since the previous row of the trace."),
    number("ip_version", (Class, Always, (4, 6)), |r| if r.ip_version == Family::V6 { 6 } else { 4 }, |r, v| r.ip_version = if v == 6 { Family::V6 } else { Family::V4 },
        "4 or 6."),
    number("proto", (Class, Always, bits(8)), |r| r.proto.into(), |r, v| r.proto = v as u8,
        "IP protocol number, in IPv6 the one behind the extension headers."),
    address("src_ip", |r| r.src_ip, |r, v| r.src_ip = v,
        "Source address."),
    address("dst_ip", |r| r.dst_ip, |r, v| r.dst_ip = v,
        "Destination address."),
    number("ttl", (Class, Always, bits(8)), |r| r.ttl.into(), |r, v| r.ttl = v as u8,
        "Time to live or hop limit."),
    number("dscp", (Class, Always, bits(6)), |r| r.dscp.into(), |r, v| r.dscp = v as u8,
        "Upper six bits of the type of service or traffic class."),
    number("ecn", (Class, Always, bits(2)), |r| r.ecn.into(), |r, v| r.ecn = v as u8,
        "Lower two bits of it."),
    number("ip_flags", (Class, Always, bits(3)), |r| r.ip_flags.into(), |r, v| r.ip_flags = v as u8,
        "IPv4: 4 reserved, 2 DF, 1 MF. 0 in IPv6."),
    number("ip_frag_off", (Numeric, Always, bits(13)), |r| r.ip_frag_off.into(), |r, v| r.ip_frag_off = v as u16,
        "Fragment offset. 0 in all packets in scope."),
    number("payload_len", (Numeric, Always, bits(16)), |r| r.payload_len.into(), |r, v| r.payload_len = v as u16,
        "Bytes after the TCP, UDP or ICMP header (8 bytes of it), or after the IP header of another packet."),
    number("tcp_sport", (Port, Tcp, bits(16)), |r| r.tcp_sport.into(), |r, v| r.tcp_sport = v as u16,
        "Source port."),
    number("tcp_dport", (Port, Tcp, bits(16)), |r| r.tcp_dport.into(), |r, v| r.tcp_dport = v as u16,
        "Destination port."),
    number("tcp_seq", (Numeric, Tcp, bits(32)), |r| r.tcp_seq.into(), |r, v| r.tcp_seq = v as u32,
        "Sequence number."),
    number("tcp_ack", (Numeric, Tcp, bits(32)), |r| r.tcp_ack.into(), |r, v| r.tcp_ack = v as u32,
        "Acknowledgment number field."),
    number("tcp_flags", (Class, Tcp, bits(12)), |r| r.tcp_flags.into(), |r, v| r.tcp_flags = v as u16,
        "All twelve flag bits."),
    number("tcp_window", (Numeric, Tcp, bits(16)), |r| r.tcp_window.into(), |r, v| r.tcp_window = v as u16,
        "Window, unscaled."),
    number("tcp_opt_profile", (Class, Tcp, PROFILES), |r| r.tcp_opt_profile.into(), |r, v| r.tcp_opt_profile = v as u16,
        "Layout of the options (2.7)."),
    number("udp_sport", (Port, Udp, bits(16)), |r| r.udp_sport.into(), |r, v| r.udp_sport = v as u16,
        "Source port."),
    number("udp_dport", (Port, Udp, bits(16)), |r| r.udp_dport.into(), |r, v| r.udp_dport = v as u16,
        "Destination port."),
    number("icmp_type", (Class, Icmp, bits(8)), |r| r.icmp_type.into(), |r, v| r.icmp_type = v as u8,
        "Type."),
    number("icmp_code", (Class, Icmp, bits(8)), |r| r.icmp_code.into(), |r, v| r.icmp_code = v as u8,
        "Code."),
];

/// Number of categorical columns.
pub const CATEGORICAL: usize = {
    let (mut count, mut i) = (0, 0);
    while i < COLUMNS.len() {
        count += COLUMNS[i].is_categorical() as usize;
        i += 1;
    }
    count
};

/// Number of numeric columns.
pub const NUMERIC: usize = COLUMNS.len() - CATEGORICAL;

/// The categorical columns in order.
pub fn categorical() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.is_categorical())
}

/// The numeric columns in order.
pub fn numeric() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| !column.is_categorical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of a packet for which a column is active.
    fn row_of(active: Active) -> RawRow {
        let proto = match active {
            Active::Always => ip_proto::EXPERIMENT,
            Active::Tcp => ip_proto::TCP,
            Active::Udp => ip_proto::UDP,
            Active::Icmp => ip_proto::ICMP,
        };
        RawRow {
            proto,
            ..RawRow::default()
        }
    }

    #[test]
    fn test_columns_are_those_of_table_8() {
        assert_eq!((NUMERIC, CATEGORICAL), (6, 16));
        let numbers: Vec<&str> = numeric().map(|column| column.name).collect();
        let expected = [
            "delta_t",
            "ip_frag_off",
            "payload_len",
            "tcp_seq",
            "tcp_ack",
            "tcp_window",
        ];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn test_every_column_holds_its_extremes_and_nothing_beyond() {
        for column in COLUMNS {
            let mut row = row_of(column.active);
            assert!(column.active.covers(row.block()), "{}", column.name);
            let Some((least, most)) = column.range else {
                continue;
            };
            for number in [least, most] {
                assert!(
                    column.set(&mut row, Value::Number(number)),
                    "{}",
                    column.name
                );
                assert_eq!(column.get(&row), Value::Number(number), "{}", column.name);
            }
            for beyond in [least.checked_sub(1), most.checked_add(1)] {
                let is_set = beyond.is_some_and(|n| column.set(&mut row, Value::Number(n)));
                assert!(!is_set, "{}", column.name);
            }
        }
    }

    #[test]
    fn test_no_ip_version_5() {
        let column = categorical().next().unwrap();
        assert!(!column.set(&mut RawRow::default(), Value::Number(5)));
    }

    #[test]
    fn test_icmp_block_follows_the_family() {
        let block = |ip_version, proto| {
            RawRow {
                ip_version,
                proto,
                ..RawRow::default()
            }
            .block()
        };
        assert_eq!(block(Family::V6, ip_proto::ICMPV6), Proto::Icmp);
        assert_eq!(block(Family::V6, ip_proto::ICMP), Proto::Other);
        assert_eq!(block(Family::V4, ip_proto::ICMPV6), Proto::Other);
    }
}
