//! The columns of a record, as data.

use std::borrow::Cow;

use super::ConnRecord;
use crate::action::Proto;
use crate::pcap::Timestamp;

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A moment.
    Time,
    /// A length of time.
    Interval,
    /// A number that is not negative.
    Count,
    /// A port.
    Port,
    /// Text: a word, an address.
    Text,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A moment.
    Time(Timestamp),
    /// A length of time in nanoseconds.
    Interval(i64),
    /// A count.
    Count(u64),
    /// A port.
    Port(u16),
    /// Text.
    Text(Cow<'a, str>),
}

/// A column: what Zeek calls it, its type, and how a record has it.
#[derive(Debug)]
pub struct Column {
    /// Name of the field.
    pub name: &'static str,
    /// Type as Zeek names it.
    pub zeek_type: &'static str,
    /// Type of the values.
    pub kind: Kind,
    /// What the field says.
    pub doc: &'static str,
    /// The value of a record; `None` is unset.
    pub get: fn(&ConnRecord) -> Option<Value<'_>>,
}

const fn column(
    name: &'static str,
    zeek_type: &'static str,
    kind: Kind,
    doc: &'static str,
    get: fn(&ConnRecord) -> Option<Value<'_>>,
) -> Column {
    Column {
        name,
        zeek_type,
        kind,
        doc,
        get,
    }
}

/// Every column, in the order of Zeek's `conn.log`.
pub const COLUMNS: &[Column] = &[
    column(
        "ts",
        "time",
        Kind::Time,
        "time of the first packet",
        |conn| Some(Value::Time(conn.start)),
    ),
    column(
        "uid",
        "string",
        Kind::Text,
        "a hash, the same in every run",
        |conn| Some(text(&conn.uid)),
    ),
    column(
        "id.orig_h",
        "addr",
        Kind::Text,
        "address of the originator",
        |conn| Some(owned(conn.endpoints[0].0.to_string())),
    ),
    column(
        "id.orig_p",
        "port",
        Kind::Port,
        "its port; of ICMP, the first message's type",
        |conn| Some(Value::Port(conn.endpoints[0].1)),
    ),
    column(
        "id.resp_h",
        "addr",
        Kind::Text,
        "address of the responder",
        |conn| Some(owned(conn.endpoints[1].0.to_string())),
    ),
    column(
        "id.resp_p",
        "port",
        Kind::Port,
        "its port; of ICMP, the type that answers the first message, or its code if none does",
        |conn| Some(Value::Port(conn.endpoints[1].1)),
    ),
    column(
        "proto",
        "enum",
        Kind::Text,
        "`tcp`, `udp`, `icmp` (ICMPv6, too) or `unknown_transport`",
        |conn| Some(text(proto(conn.proto))),
    ),
    column(
        "service",
        "string",
        Kind::Text,
        "service of the responder's port, by the table of services; payload is not read",
        |conn| conn.service.map(|service| text(service.name())),
    ),
    column(
        "duration",
        "interval",
        Kind::Interval,
        "from the first packet to the last; of TCP, to the last before both sides had closed; \
         unset if 0",
        |conn| Some(Value::Interval(conn.duration)).filter(|_| conn.duration > 0),
    ),
    column(
        "orig_bytes",
        "count",
        Kind::Count,
        "payload bytes of the originator; of TCP, by its sequence numbers; unset if the duration is",
        |conn| Some(Value::Count(conn.payload_bytes[0])).filter(|_| conn.duration > 0),
    ),
    column(
        "resp_bytes",
        "count",
        Kind::Count,
        "payload bytes of the responder, likewise",
        |conn| Some(Value::Count(conn.payload_bytes[1])).filter(|_| conn.duration > 0),
    ),
    column(
        "conn_state",
        "string",
        Kind::Text,
        "state at the end, below",
        |conn| Some(text(conn.state.name())),
    ),
    column(
        "missed_bytes",
        "count",
        Kind::Count,
        "payload bytes that were acknowledged and not captured",
        |conn| Some(Value::Count(conn.missed_bytes)),
    ),
    column(
        "history",
        "string",
        Kind::Text,
        "what happened, below",
        |conn| Some(text(&conn.history)).filter(|_| !conn.history.is_empty()),
    ),
    column(
        "orig_pkts",
        "count",
        Kind::Count,
        "packets of the originator",
        |conn| Some(Value::Count(conn.packets[0])),
    ),
    column(
        "orig_ip_bytes",
        "count",
        Kind::Count,
        "bytes of its IP packets",
        |conn| Some(Value::Count(conn.ip_bytes[0])),
    ),
    column(
        "resp_pkts",
        "count",
        Kind::Count,
        "packets of the responder",
        |conn| Some(Value::Count(conn.packets[1])),
    ),
    column(
        "resp_ip_bytes",
        "count",
        Kind::Count,
        "bytes of its IP packets",
        |conn| Some(Value::Count(conn.ip_bytes[1])),
    ),
    column(
        "ip_proto",
        "count",
        Kind::Count,
        "IP protocol number",
        |conn| Some(Value::Count(conn.ip_proto.into())),
    ),
    column(
        "community_id",
        "string",
        Kind::Text,
        "Community ID, version 1 with seed 0; unset for SCTP, whose ports are not read",
        |conn| conn.community_id.as_deref().map(text),
    ),
];

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn owned(text: String) -> Value<'static> {
    Value::Text(Cow::Owned(text))
}

fn proto(proto: Proto) -> &'static str {
    match proto {
        Proto::Tcp => "tcp",
        Proto::Udp => "udp",
        Proto::Icmp => "icmp",
        Proto::Other => "unknown_transport",
    }
}
