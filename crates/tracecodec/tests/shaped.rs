//! Shaped payload is what Wireshark takes for the service of a flow, at any length.
//!
//! To look at one service alone, name it in the environment: `SERVICE=http`. The capture that
//! tshark reads then stays in the temporary folder.

#![expect(
    clippy::print_stdout,
    reason = "what was skipped, and where the capture lies"
)]

use std::path::Path;
use std::process::Command;

use tracecodec::action::{
    Action, ActionSchema, Direction, FlowEvent, OptionProfiles, Proto, SCHEMA_VERSION,
};
use tracecodec::compile::{CompileConfig, Compiler, PayloadCounts, PayloadPolicy};
use tracecodec::pcap::{Format, Timestamp, Writer};
use tracecodec::service::Service;
use tracecodec::tcp::flags;

use Direction::{Orig, Resp};

/// Lengths of first segments and of datagrams: all short ones, and some long ones.
fn lengths() -> impl Iterator<Item = u32> {
    (1..330)
        .chain((330..1500).step_by(37))
        .chain([1460, 2048, 2920, 9000, 17_000, 60_000])
}

/// Flows of every service in which lengths and directions are random.
const FLOWS_OF_ANY_LENGTHS: u64 = 400;

/// A random direction and length, mostly short (the finaliser of SplitMix64).
fn any(seed: u64) -> (Direction, u32) {
    let mixed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let len = match mixed >> 60 {
        0..9 => mixed % 300,
        9..14 => mixed % 1460,
        _ => mixed % 65_000,
    };
    (
        if mixed >> 40 & 1 == 0 { Orig } else { Resp },
        1 + len as u32,
    )
}

fn segment(slot: u32, event: FlowEvent, dir: Direction, bits: u16, len: u32) -> Action {
    let (tcp_ctrl, tcp_flag_bits) = flags::split(bits);
    Action {
        flow_token: slot,
        flow_evt: event,
        proto: Proto::Tcp,
        dir,
        tcp_ctrl,
        tcp_flag_bits,
        ttl_res: 64,
        tcp_win: 500,
        l4_payload_len: len,
        delta_t: 100_000,
        ..Action::default()
    }
}

/// A flow to a service, or from it, that carries payload of these lengths.
fn flow(
    slot: u32,
    service: Service,
    proto: Proto,
    is_from: bool,
    data: &[(Direction, u32)],
) -> Vec<Action> {
    let mut actions = Vec::new();
    if proto == Proto::Tcp {
        actions.extend([
            segment(slot, FlowEvent::Open, Orig, flags::SYN, 0),
            segment(slot, FlowEvent::Continue, Resp, flags::SYN | flags::ACK, 0),
            segment(slot, FlowEvent::Continue, Orig, flags::ACK, 0),
        ]);
    }
    let event = FlowEvent::Continue;
    let packets = data
        .iter()
        .map(|&(dir, len)| segment(slot, event, dir, flags::ACK | flags::PSH, len));
    actions.extend(packets);
    for action in &mut actions {
        action.proto = proto;
    }
    let opening = &mut actions[0];
    opening.flow_evt = FlowEvent::Open;
    opening.dir = Orig;
    opening.host_evt = 3;
    opening.resp_host = 1;
    *if is_from {
        &mut opening.orig_service
    } else {
        &mut opening.resp_service
    } = service.number();
    actions
}

/// Writes flows; returns what became of their payload.
fn write(path: &Path, flows: impl Iterator<Item = Vec<Action>>) -> PayloadCounts {
    let config = CompileConfig {
        schema: ActionSchema::whole(SCHEMA_VERSION),
        payload: PayloadPolicy::Shaped,
        ..CompileConfig::default()
    };
    let mut compiler = Compiler::new(config, Timestamp(1_600_000_000_000_000_000));
    let mut writer = Writer::create(path, Format::of_path(path)).expect("a temporary file");
    let profiles = OptionProfiles::new();
    for action in flows.flatten() {
        let packet = compiler.compile(&action, &profiles);
        writer.write(&packet).expect("a file");
    }
    writer.finish().expect("a file");
    compiler.payloads().clone()
}

/// Length of the messages in flows that lose a part of them.
const OF_A_MESSAGE: u32 = 200;

/// Flows whose second message loses its start, of every length, from either end.
fn flows_with_losses(service: Service, proto: Proto) -> impl Iterator<Item = Vec<Action>> {
    let losses = (1..OF_A_MESSAGE).flat_map(|lost| [(Orig, lost), (Resp, lost)]);
    (0..).zip(losses).map(move |(slot, (dir, lost))| {
        let first = [Orig, Resp].map(|dir| (dir, OF_A_MESSAGE));
        let rest = [(dir, OF_A_MESSAGE - lost), (dir, OF_A_MESSAGE)];
        let mut actions = flow(slot, service, proto, false, &[first, rest].concat());
        let at = actions.len() - rest.len();
        actions[at].tcp_seq_delta = lost;
        actions
    })
}

/// Flows of a service with payload of every length, from either end.
fn all_flows(service: Service, proto: Proto) -> impl Iterator<Item = Vec<Action>> {
    let of_lengths = |len: u32| {
        [
            vec![(Orig, len), (Resp, 1400), (Orig, 90), (Resp, len)],
            vec![
                (Orig, 100),
                (Resp, len),
                (Orig, len),
                (Orig, len),
                (Resp, len),
            ],
            // The server speaks first.
            vec![(Resp, len), (Orig, len), (Resp, 300), (Orig, 400)],
        ]
        .map(|data| (len.is_multiple_of(5), data))
    };
    let of_any = |seed: u64| {
        let data = (0..16).map(|index| any(seed << 8 | index)).collect();
        (seed.is_multiple_of(5), data)
    };
    let flows = lengths()
        .flat_map(of_lengths)
        .chain((0..FLOWS_OF_ANY_LENGTHS).map(of_any));
    (0..)
        .zip(flows)
        .map(move |(slot, (is_from, data))| flow(slot, service, proto, is_from, &data))
}

/// Ordinary flows: service, protocol, lengths of first payloads of client and server, and what
/// Wireshark and nDPI call it; nothing if they do not know it by default.
const ORDINARY: &[(&str, Proto, [u32; 2], &str, &str)] = &[
    ("https", Proto::Tcp, [517, 1448], "tls", "TLS"),
    // A hello too short for TLS 1.3.
    ("https", Proto::Tcp, [180, 137], "tls", "TLS"),
    // Records without a hello.
    ("https", Proto::Tcp, [31, 31], "tls", "TLS"),
    ("http", Proto::Tcp, [300, 800], "http", "HTTP"),
    ("http", Proto::Tcp, [300, 1448], "http", "HTTP"),
    ("dns", Proto::Udp, [50, 120], "dns", "DNS"),
    ("dns", Proto::Tcp, [60, 150], "dns", "DNS"),
    ("mdns", Proto::Udp, [70, 150], "mdns", "MDNS"),
    ("llmnr", Proto::Udp, [40, 80], "llmnr", "LLMNR"),
    ("quic", Proto::Udp, [1200, 1200], "quic", "QUIC"),
    ("ssdp", Proto::Udp, [150, 300], "ssdp", "SSDP"),
    ("sip", Proto::Udp, [400, 380], "sip", "SIP"),
    ("syslog", Proto::Udp, [120, 90], "syslog", "Syslog"),
    ("ssh", Proto::Tcp, [21, 21], "ssh", "SSH"),
    ("smtp", Proto::Tcp, [24, 60], "smtp", "SMTP"),
    ("submission", Proto::Tcp, [24, 60], "smtp", "SMTP"),
    ("ftp", Proto::Tcp, [16, 40], "ftp", "FTP"),
    ("ftp-data", Proto::Tcp, [20, 400], "ftp-data", "FTP"),
    ("pop3", Proto::Tcp, [14, 30], "pop", "POP3"),
    ("imap", Proto::Tcp, [30, 60], "imap", "IMAP"),
    ("ntp", Proto::Udp, [48, 48], "ntp", "NTP"),
    ("dhcp", Proto::Udp, [300, 300], "dhcp", "DHCP"),
    ("dhcpv6", Proto::Udp, [56, 100], "dhcpv6", ""),
    ("netbios-ns", Proto::Udp, [50, 62], "nbns", "NetBIOS"),
    ("netbios-ssn", Proto::Tcp, [72, 4], "nbss", "NetBIOS"),
    ("snmp", Proto::Udp, [43, 90], "snmp", "SNMP"),
    ("snmptrap", Proto::Udp, [100, 43], "snmp", "SNMP"),
    ("smb", Proto::Tcp, [73, 206], "nbss", "SMBv23"),
    ("rdp", Proto::Tcp, [42, 19], "rdp", "RDP"),
    ("modbus", Proto::Tcp, [12, 29], "modbus", "Modbus"),
    ("modbus", Proto::Tcp, [14, 12], "modbus", "Modbus"),
    ("mqtt", Proto::Tcp, [40, 4], "mqtt", "MQTT"),
    ("mysql", Proto::Tcp, [80, 95], "mysql", "MySQL"),
    (
        "bittorrent",
        Proto::Tcp,
        [68, 90],
        "bittorrent",
        "BitTorrent",
    ),
    ("bittorrent", Proto::Udp, [90, 100], "bt-dht", "BitTorrent"),
    ("stun", Proto::Udp, [20, 44], "stun", "STUN"),
    ("tftp", Proto::Udp, [20, 516], "tftp", "TFTP"),
    ("radius", Proto::Udp, [80, 60], "radius", "Radius"),
    ("isakmp", Proto::Udp, [300, 300], "isakmp", "IPsec"),
    ("ldap", Proto::Udp, [150, 170], "cldap", "LDAP"),
    ("ldap", Proto::Tcp, [14, 22], "ldap", "LDAP"),
    ("ldap", Proto::Tcp, [320, 180], "ldap", "LDAP"),
    ("kerberos", Proto::Udp, [220, 180], "kerberos", "Kerberos"),
    ("kerberos", Proto::Tcp, [240, 1400], "kerberos", "Kerberos"),
    ("sip", Proto::Tcp, [400, 380], "sip", "SIP"),
    ("netbios-dgm", Proto::Udp, [201, 201], "nbdgm", "SMBv1"),
    ("dce_rpc", Proto::Tcp, [72, 60], "dcerpc", "DCE_RPC"),
    ("telnet", Proto::Tcp, [24, 12], "telnet", ""),
    ("rtp", Proto::Udp, [172, 172], "", "RTP"),
    ("rtp", Proto::Udp, [1100, 60], "", "RTP"),
    ("elasticsearch", Proto::Tcp, [300, 800], "http", "HTTP"),
    ("dnp3", Proto::Tcp, [18, 45], "dnp3", "DNP3"),
    ("dnp3", Proto::Udp, [18, 17], "dnp3", ""),
];

fn is_installed(tool: &str, option: &str) -> bool {
    let is_installed = Command::new(tool).arg(option).output().is_ok();
    if !is_installed {
        println!("skipped: {tool} is not installed");
    }
    is_installed
}

#[test]
fn test_ordinary_flows_are_recognised() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = folder.path().join("ordinary.pcap");
    let [has_tshark, has_ndpi] =
        [("tshark", "--version"), ("ndpiReader", "-h")].map(|(tool, arg)| is_installed(tool, arg));
    for &(name, proto, [client, server], in_wireshark, in_ndpi) in ORDINARY {
        let all = (0..=u8::MAX).filter_map(Service::of_number);
        let service = all
            .into_iter()
            .find(|service| service.name() == name && service.runs_over(proto))
            .expect(name);
        let data = [(Orig, client), (Resp, server)];
        let flow = flow(0, service, proto, false, &data);
        write(&capture, std::iter::once(flow));
        if has_tshark {
            let output = Command::new("tshark")
                .args(["-n", "-Y", "tcp.len > 0 or udp", "-T", "fields"])
                .args(["-e", "frame.protocols", "-r"])
                .arg(&capture)
                .output()
                .expect("tshark runs");
            let protocols = String::from_utf8_lossy(&output.stdout);
            assert_eq!(protocols.lines().count(), data.len(), "{name}");
            assert!(
                protocols.lines().all(|line| line
                    .split(':')
                    .any(|part| part == in_wireshark || in_wireshark.is_empty())),
                "{name}: {protocols}"
            );
        }
        if has_ndpi {
            let output = Command::new("ndpiReader")
                .arg("-i")
                .arg(&capture)
                .output()
                .expect("ndpiReader runs");
            let report = String::from_utf8_lossy(&output.stdout);
            assert!(report.contains(&format!("\t{in_ndpi}")), "{name}: {report}");
        }
    }
}

/// A server greets, a client and it take turns: nDPI goes by what they say, not by the port.
#[test]
fn test_conversations_are_recognised_by_what_is_said() {
    if !is_installed("ndpiReader", "-h") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = folder.path().join("turns.pcap");
    for name in ["smtp", "ftp", "pop3", "imap", "ssh", "telnet"] {
        let all = (0..=u8::MAX).filter_map(Service::of_number);
        let service = all.into_iter().find(|service| service.name() == name);
        let server = [41, 38, 33, 52].map(|len| (Resp, len));
        let client = [25, 19, 21, 24].map(|len| (Orig, len));
        let turns = server.into_iter().zip(client).flat_map(<[_; 2]>::from);
        let data: Vec<_> = turns.collect();
        let flow = flow(0, service.expect(name), Proto::Tcp, false, &data);
        write(&capture, std::iter::once(flow));
        let output = Command::new("ndpiReader")
            .arg("-i")
            .arg(&capture)
            .output()
            .expect("ndpiReader runs");
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(report.contains("Confidence: DPI"), "{name}: {report}");
    }
}

#[test]
fn test_tshark_calls_nothing_malformed() {
    if !is_installed("tshark", "--version") {
        return;
    }
    let only = std::env::var("SERVICE").ok();
    let all = (0..=u8::MAX).filter_map(Service::of_number);
    let chosen = all.filter(|service| only.as_deref().is_none_or(|only| only == service.name()));
    let services: Vec<_> = chosen
        .flat_map(|service| [(service, Proto::Tcp), (service, Proto::Udp)])
        .filter(|(service, proto)| service.runs_over(*proto))
        .collect();
    assert!(!services.is_empty());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = folder.path().join("shaped.pcap");
    // A capture at a time, since all of them are long.
    for &(service, proto) in &services {
        let counts = write(&capture, all_flows(service, proto));
        let shaped: u64 = counts.by_service().values().map(|count| count.shaped).sum();
        if only.is_some() {
            println!("{} over {proto:?}: {shaped} packets", service.name());
        }
        if shaped > 0 {
            assert_nothing_is_malformed(service, &capture);
        }
    }
    if only.is_some() {
        println!("{}", folder.keep().display());
    }
}

#[test]
fn test_nothing_is_malformed_after_a_loss() {
    if !is_installed("tshark", "--version") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = folder.path().join("losses.pcap");
    for service in (0..=u8::MAX).filter_map(Service::of_number) {
        if service.runs_over(Proto::Tcp) {
            write(&capture, flows_with_losses(service, Proto::Tcp));
            assert_nothing_is_malformed(service, &capture);
        }
    }
}

/// tshark calls no packet of a capture of a service malformed.
fn assert_nothing_is_malformed(service: Service, capture: &Path) {
    let output = Command::new("tshark")
        .args(["-n", "-Y", "_ws.malformed", "-T", "fields"])
        .args(["-e", "frame.number", "-e", "frame.protocols"])
        .args(["-e", "udp.length", "-r"])
        .arg(capture)
        .output()
        .expect("tshark runs");
    assert!(output.status.success());
    let malformed = String::from_utf8_lossy(&output.stdout);
    let first: Vec<_> = malformed.lines().take(20).collect();
    assert!(
        malformed.is_empty(),
        "{}: {} packets: {first:#?}",
        service.name(),
        malformed.lines().count()
    );
}
