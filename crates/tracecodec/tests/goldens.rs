//! Tiny captures, printed: each packet's action, and the packet that the compiler makes of it.
//!
//! The line of an action: `+` if it opens its slot and `*` if it reopens it, the slot, the
//! direction, the time step in nanoseconds, family, protocol and its detail, payload. For TCP: the
//! event, the other flag bits, the window, sequence and acknowledgment reference, the option
//! profile. Flag bits, extensions and options are left out if there are none.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write;

use tracecodec::action::{AckReference, Action, FlowEvent, OptionProfiles, Proto, SeqReference};
use tracecodec::compile::CompileConfig;
use tracecodec::oracle::Oracle;
use tracecodec::pcap::{LinkType, Packet, Timestamp};
use tracecodec::tcp::flags::{ACK, FIN, PSH, SYN};
use tracecodec::wire::{self, TcpHeader, Transport};

const MILLISECOND: i64 = 1_000_000;

/// Client and server of most captures.
const C: u8 = 1;
const S: u8 = 2;

/// Options of a SYN, of later segments, and of one with a SACK block.
const SYN_OPTIONS: &[u8] = &[
    2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
];
const TIMESTAMPS: &[u8] = &[1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 1];
const SACK: &[u8] = &[1, 1, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4];

/// A TCP segment of a client at port 50000 or a server at port 80.
#[derive(Clone, Copy)]
struct Segment {
    from: u8,
    flags: u16,
    seq: u32,
    ack: u32,
    len: usize,
    options: &'static [u8],
}

const SEGMENT: Segment = Segment {
    from: C,
    flags: ACK,
    seq: 0,
    ack: 0,
    len: 0,
    options: &[],
};

impl Segment {
    fn bytes(self) -> Vec<u8> {
        let ports = if self.from == C {
            [50000u16, 80]
        } else {
            [80, 50000]
        };
        let offset = (5 + self.options.len() as u16 / 4) << 12;
        let mut bytes = ports.map(u16::to_be_bytes).concat();
        bytes.extend([self.seq, self.ack].map(u32::to_be_bytes).concat());
        bytes.extend(
            [offset | self.flags, 502, 0, 0]
                .map(u16::to_be_bytes)
                .concat(),
        );
        bytes.extend(self.options);
        bytes.resize(bytes.len() + self.len, b'x');
        bytes
    }

    fn v4(self) -> Vec<u8> {
        v4(self.from, 6, &self.bytes())
    }
}

/// An IPv4 packet between client and server.
fn v4(from: u8, proto: u8, message: &[u8]) -> Vec<u8> {
    let fixed = [
        0x45,
        0,
        0,
        20 + message.len() as u8,
        0,
        0,
        0,
        0,
        64,
        proto,
        0,
        0,
    ];
    let (source, destination) = ([192, 0, 2, from], [192, 0, 2, C + S - from]);
    [&fixed[..], &source, &destination, message].concat()
}

/// An IPv6 packet between client and server; `next` is the next header of its fixed header.
fn v6(from: u8, next: u8, message: &[u8]) -> Vec<u8> {
    let address = |host| {
        [
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host,
        ]
    };
    let fixed = [0x60, 0, 0, 0, 0, message.len() as u8, next, 64];
    [&fixed[..], &address(from), &address(C + S - from), message].concat()
}

fn udp(from: u8, len: u8) -> Vec<u8> {
    let ports: [u16; 2] = if from == C { [50000, 53] } else { [53, 50000] };
    let mut bytes = [ports[0], ports[1], 8 + u16::from(len), 0]
        .map(u16::to_be_bytes)
        .concat();
    bytes.resize(8 + usize::from(len), 0);
    bytes
}

fn icmp(icmp_type: u8, code: u8, identifier: u8, body: &[u8]) -> Vec<u8> {
    [&[icmp_type, code, 0, 0, 0, identifier, 0, 1], body].concat()
}

/// One line for an action.
fn describe(action: &Action, profiles: &OptionProfiles) -> String {
    let event = match action.flow_evt {
        FlowEvent::Continue => ' ',
        FlowEvent::Open => '+',
        FlowEvent::Reopen => '*',
    };
    let detail = match action.proto {
        Proto::Tcp => describe_tcp(action, profiles),
        Proto::Udp => "Udp".to_string(),
        Proto::Icmp => format!("Icmp type {} code {}", action.icmp_type, action.icmp_code),
        Proto::Other => format!("Other {}", action.ip_proto),
    };
    let extension = match action.ip_ext {
        0 => String::new(),
        words => format!(" ext {words}"),
    };
    format!(
        "{event}{} {:?} dt {} {:?}{extension} {detail} payload {}",
        action.flow_token, action.dir, action.delta_t, action.ip_family, action.l4_payload_len
    )
}

fn describe_tcp(action: &Action, profiles: &OptionProfiles) -> String {
    let seq = match action.tcp_seq_delta_sign {
        SeqReference::Forward => relative(action.tcp_seq_delta.into()),
        SeqReference::Backward => relative(-i64::from(action.tcp_seq_delta)),
        SeqReference::Zero => "0".to_string(),
    };
    let ack = match action.tcp_ack_unseen {
        AckReference::PeerNext => relative(-i64::from(action.tcp_ack_adv as i32)),
        AckReference::PeerUnseen => "unseen".to_string(),
        AckReference::Zero => "0".to_string(),
    };
    let bits = match action.tcp_flag_bits {
        0 => String::new(),
        bits => format!(" bits {bits}"),
    };
    let options = match profiles.layout(action.tcp_opt_profile) {
        Some(layout) if !layout.bytes().is_empty() => {
            format!(" profile {} ({layout})", action.tcp_opt_profile)
        }
        _ => String::new(),
    };
    let (control, window) = (action.tcp_ctrl, action.tcp_win);
    format!("Tcp {control:?}{bits} win {window} seq {seq} ack {ack}{options}")
}

/// A number relative to the next expected one.
fn relative(distance: i64) -> String {
    match distance {
        0 => "next".to_string(),
        _ => format!("next{distance:+}"),
    }
}

/// One line for a packet.
fn show(packet: &Packet<'_>) -> String {
    let headers = wire::parse(packet).unwrap();
    let detail = match headers.transport {
        Transport::Tcp(tcp) => show_tcp(&tcp),
        Transport::Udp {
            source_port,
            destination_port,
        } => {
            format!("Udp {source_port} > {destination_port}")
        }
        Transport::Icmp(icmp) => {
            format!(
                "Icmp type {} code {} id {}",
                icmp.icmp_type, icmp.code, icmp.identifier
            )
        }
        Transport::Other(proto) => format!("Other {proto}"),
    };
    format!(
        "{} {} > {} {detail} payload {}",
        packet.time, headers.source, headers.destination, headers.payload_len
    )
}

fn show_tcp(tcp: &TcpHeader<'_>) -> String {
    let options: String = tcp
        .options
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "Tcp {} > {} flags {:#05x} win {} seq {} ack {}{}{options}",
        tcp.source_port,
        tcp.destination_port,
        tcp.flags,
        tcp.window,
        tcp.numbers.seq.0,
        tcp.numbers.ack.0,
        if options.is_empty() { "" } else { " options " },
    )
}

/// Lifts and compiles packets that are a millisecond apart.
fn golden(packets: &[Vec<u8>]) -> String {
    let mut oracle = Oracle::new(CompileConfig::default(), 16, OptionProfiles::new());
    let (mut actions, mut compiled) = (String::new(), String::new());
    for (i, data) in packets.iter().enumerate() {
        let packet = Packet {
            time: Timestamp(i as i64 * MILLISECOND),
            link: LinkType::RAW,
            wire_len: data.len() as u32,
            data,
            ..Packet::default()
        };
        let (action, output) = oracle.step(&packet).unwrap();
        writeln!(compiled, "{}", show(&output)).unwrap();
        writeln!(actions, "{}", describe(&action, oracle.profiles())).unwrap();
    }
    assert_eq!(oracle.legalisations().total(), 0);
    format!("{actions}\n{compiled}")
}

#[test]
fn test_handshake_data_close() {
    let packets = [
        Segment {
            flags: SYN,
            seq: 1000,
            options: SYN_OPTIONS,
            ..SEGMENT
        },
        Segment {
            from: S,
            flags: SYN | ACK,
            seq: 9000,
            ack: 1001,
            options: SYN_OPTIONS,
            ..SEGMENT
        },
        Segment {
            seq: 1001,
            ack: 9001,
            options: TIMESTAMPS,
            ..SEGMENT
        },
        Segment {
            flags: PSH | ACK,
            seq: 1001,
            ack: 9001,
            len: 60,
            options: TIMESTAMPS,
            ..SEGMENT
        },
        Segment {
            from: S,
            seq: 9001,
            ack: 1061,
            len: 100,
            options: TIMESTAMPS,
            ..SEGMENT
        },
        Segment {
            from: S,
            flags: FIN | ACK,
            seq: 9101,
            ack: 1061,
            options: TIMESTAMPS,
            ..SEGMENT
        },
        Segment {
            flags: FIN | ACK,
            seq: 1061,
            ack: 9102,
            options: TIMESTAMPS,
            ..SEGMENT
        },
        Segment {
            from: S,
            seq: 9102,
            ack: 1062,
            options: TIMESTAMPS,
            ..SEGMENT
        },
    ];
    insta::assert_snapshot!(golden(&packets.map(Segment::v4)));
}

#[test]
fn test_one_way_from_mid_stream() {
    let packets = [
        Segment {
            seq: 5000,
            ack: 70_000,
            len: 100,
            ..SEGMENT
        },
        Segment {
            seq: 5100,
            ack: 70_000,
            len: 100,
            ..SEGMENT
        },
        Segment {
            seq: 5100,
            ack: 71_448,
            len: 100,
            ..SEGMENT
        },
        Segment {
            seq: 5200,
            ack: 71_448,
            ..SEGMENT
        },
    ];
    insta::assert_snapshot!(golden(&packets.map(Segment::v4)));
}

#[test]
fn test_out_of_order_and_sack() {
    let packets = [
        Segment {
            seq: 1001,
            ack: 9001,
            len: 50,
            ..SEGMENT
        },
        Segment {
            seq: 1101,
            ack: 9001,
            len: 50,
            ..SEGMENT
        },
        Segment {
            from: S,
            seq: 9001,
            ack: 1051,
            options: SACK,
            ..SEGMENT
        },
        Segment {
            seq: 1051,
            ack: 9001,
            len: 50,
            ..SEGMENT
        },
        Segment {
            from: S,
            seq: 9001,
            ack: 1151,
            ..SEGMENT
        },
    ];
    insta::assert_snapshot!(golden(&packets.map(Segment::v4)));
}

#[test]
fn test_syn_reuses_a_tuple() {
    let packets = [
        Segment {
            flags: SYN,
            seq: 1000,
            ..SEGMENT
        },
        Segment {
            flags: SYN,
            seq: 1000,
            ..SEGMENT
        },
        Segment {
            flags: SYN,
            seq: 5000,
            ..SEGMENT
        },
        Segment {
            from: S,
            flags: SYN | ACK,
            seq: 9000,
            ack: 5001,
            ..SEGMENT
        },
        Segment {
            from: S,
            flags: SYN,
            seq: 100,
            ..SEGMENT
        },
    ];
    insta::assert_snapshot!(golden(&packets.map(Segment::v4)));
}

#[test]
fn test_udp_icmp_error_and_echo() {
    let query = v4(C, 17, &udp(C, 30));
    let packets = [
        query.clone(),
        v4(S, 17, &udp(S, 100)),
        v4(C, 1, &icmp(3, 3, 0, &query[..28])),
        v4(C, 1, &icmp(8, 0, 7, &[0; 56])),
        v4(S, 1, &icmp(0, 0, 7, &[0; 56])),
        v4(C, 1, &icmp(8, 0, 9, &[0; 56])),
    ];
    insta::assert_snapshot!(golden(&packets));
}

#[test]
fn test_ipv6_with_extension_headers() {
    let hop_by_hop = |next| [next, 0, 5, 2, 0, 0, 1, 0];
    let syn = Segment {
        flags: SYN,
        seq: 1000,
        ..SEGMENT
    }
    .bytes();
    let packets = [
        v6(C, 0, &[&hop_by_hop(6)[..], &syn].concat()),
        v6(C, 6, &syn),
        v6(
            C,
            0,
            &[&hop_by_hop(58)[..], &icmp(131, 0, 0, &[0; 16])].concat(),
        ),
        v6(C, 47, &[0; 40]),
    ];
    insta::assert_snapshot!(golden(&packets));
}
