//! tshark's judgement of compiled packets: captures that hold every class of the schema, and values
//! near its bounds.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/actions.rs"]
mod actions;
#[path = "common/packets.rs"]
mod packets;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tracecodec::action::{
    Action, ActionSchema, Control, Family, FlowEvent, OptionLayout, OptionProfiles, Proto,
};
use tracecodec::compile::{CompileConfig, Compiler};
use tracecodec::lift::Lifter;
use tracecodec::pcap::{Format, Timestamp, Writer};
use tracecodec::tcp::flags;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Display filter of complaints: malformed packets, bad checksums, experts' errors.
const COMPLAINTS: &str = "_ws.malformed || _ws.expert.severity == \"Error\" || _ws.expert.group == \"Checksum\" \
    || _ws.expert.group == \"Malformed\" || ip.checksum.status == 0 || tcp.checksum.status == 0 \
    || udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0";

/// A packet to compile, with its own dictionary of options.
struct Case {
    action: Action,
    options: Option<OptionLayout>,
}

impl From<Action> for Case {
    fn from(action: Action) -> Self {
        Self {
            action,
            options: None,
        }
    }
}

/// The packet that opens a flow of its own.
fn opening(proto: Proto, ip_family: Family) -> Action {
    Action {
        flow_evt: FlowEvent::Open,
        proto,
        ip_family,
        ttl_res: 64,
        tcp_win: 0x2000,
        delta_t: 1_000_000,
        ..Action::default()
    }
}

/// Every ICMP type, with codes of interest and every length up to that of the longest fixed body.
fn icmp(family: Family) -> impl Iterator<Item = Case> {
    const CODES: [u8; 4] = [0, 1, 4, 255];
    let lengths = || (0..=60).chain([100, 1400]);
    let types = (0..=255).flat_map(move |icmp_type| CODES.map(|code| (icmp_type, code)));
    types.flat_map(move |(icmp_type, icmp_code)| {
        lengths().map(move |l4_payload_len| {
            Case::from(Action {
                icmp_type,
                icmp_code,
                l4_payload_len,
                ..opening(Proto::Icmp, family)
            })
        })
    })
}

/// Every ICMP code of every type.
fn icmp_codes(family: Family) -> impl Iterator<Item = Case> {
    (0..=u16::MAX).map(move |both| {
        let [icmp_type, icmp_code] = both.to_be_bytes();
        Case::from(Action {
            icmp_type,
            icmp_code,
            ..opening(Proto::Icmp, family)
        })
    })
}

/// Every other protocol, with every length up to that of the longest fixed header.
fn other(family: Family) -> impl Iterator<Item = Case> {
    let lengths = || (0..=64).chain([1400]);
    (0..=255).flat_map(move |ip_proto| {
        lengths().map(move |l4_payload_len| {
            Case::from(Action {
                ip_proto,
                l4_payload_len,
                ..opening(Proto::Other, family)
            })
        })
    })
}

/// Every kind of TCP option in every length, on a SYN, a SYN+ACK and an ACK.
fn tcp_options(family: Family) -> impl Iterator<Item = Case> {
    let controls = [Control::Syn, Control::SynAck, Control::Ack, Control::Rst];
    let options = (0..=255).flat_map(|kind| (2..=40).map(move |len| (kind, len)));
    options.flat_map(move |(kind, len)| {
        let mut area = vec![0; usize::from(len)];
        (area[0], area[1]) = (kind, len);
        area.resize(area.len().next_multiple_of(4), 1);
        controls.map(|tcp_ctrl| Case {
            action: Action {
                tcp_ctrl,
                ..opening(Proto::Tcp, family)
            },
            options: Some(OptionLayout::of(&area)),
        })
    })
}

/// Every flag word.
fn tcp_flags(family: Family) -> impl Iterator<Item = Case> {
    (0..0x1000).map(move |word| {
        let (tcp_ctrl, tcp_flag_bits) = flags::split(word);
        Case::from(Action {
            tcp_ctrl,
            tcp_flag_bits,
            l4_payload_len: u32::from(word % 3),
            ..opening(Proto::Tcp, family)
        })
    })
}

/// Payloads of every length, the stream text starting at each of its places.
fn payloads(family: Family) -> impl Iterator<Item = Case> {
    (0..=1500).flat_map(move |l4_payload_len| {
        [Proto::Tcp, Proto::Udp].map(|proto| {
            Case::from(Action {
                l4_payload_len,
                ..opening(proto, family)
            })
        })
    })
}

/// Every length of options or extension headers, time to live, and type of service.
fn ip_fields(family: Family) -> impl Iterator<Item = Case> {
    (0..=255).flat_map(move |value| {
        let base = opening(Proto::Udp, family);
        let fields = [
            Action {
                ip_ext: value,
                ..base
            },
            Action {
                ttl_res: value,
                ..base
            },
            Action {
                ip_tos: value,
                ..base
            },
        ];
        fields.map(Case::from)
    })
}

/// Random actions over a few slots.
fn random(runner: &mut TestRunner) -> Vec<Case> {
    let strategy = (vec(actions::action(), 200), actions::profiles());
    let (actions, profiles) = strategy.new_tree(runner).unwrap().current();
    cases(&actions, &profiles)
}

/// The actions of random packets, with some values changed.
fn nearly_legal(runner: &mut TestRunner) -> Vec<Case> {
    let frames = packets::capture().new_tree(runner).unwrap().current();
    let mut lifter = Lifter::new(ActionSchema::default(), 256, OptionProfiles::new());
    let lifted = frames
        .iter()
        .filter_map(|frame| lifter.lift(&frame.as_packet()).ok())
        .collect();
    let actions = actions::mutated(lifted).new_tree(runner).unwrap().current();
    cases(&actions, lifter.profiles())
}

fn cases(actions: &[Action], profiles: &OptionProfiles) -> Vec<Case> {
    let case = |&action: &Action| Case {
        action,
        options: profiles.layout(action.tcp_opt_profile).copied(),
    };
    actions.iter().map(case).collect()
}

/// The packets of a capture that tshark complains of, as lines of frame number, protocols and
/// messages; `None` if tshark is not installed.
fn complaints(path: &Path) -> Option<Vec<String>> {
    let output = Command::new("tshark")
        .args(["-r".as_ref(), path.as_os_str()])
        .args([
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "tcp.check_checksum:TRUE",
        ])
        .args([
            "-o",
            "udp.check_checksum:TRUE",
            "-Y",
            COMPLAINTS,
            "-T",
            "fields",
        ])
        .args([
            "-e",
            "frame.number",
            "-e",
            "frame.protocols",
            "-e",
            "_ws.expert.message",
        ])
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: tshark is not installed");
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_string)
        .collect();
    Some(lines)
}

fn write(cases: &[Case], path: &Path) {
    let epoch = Timestamp::new(1_600_000_000, 0);
    let mut compiler = Compiler::new(CompileConfig::default(), epoch);
    let mut writer = Writer::create(path, Format::of_path(path)).unwrap();
    for Case { action, options } in cases {
        let mut profiles = OptionProfiles::new();
        let tcp_opt_profile = options.map_or(0, |layout| profiles.intern(layout));
        let packet = compiler.compile(
            &Action {
                tcp_opt_profile,
                ..*action
            },
            &profiles,
        );
        writer.write(&packet).unwrap();
    }
    writer.finish().unwrap();
}

/// What identifies the kind of a case in a failure's message.
fn kind(case: &Case) -> String {
    let action = &case.action;
    let detail = match action.proto {
        Proto::Tcp => format!(
            "{:?} [{}]",
            action.tcp_ctrl,
            case.options.map(|o| o.to_string()).unwrap_or_default()
        ),
        Proto::Udp => format!("ip_ext {}", action.ip_ext),
        Proto::Icmp => format!("type {} code {}", action.icmp_type, action.icmp_code),
        Proto::Other => format!("protocol {}", action.ip_proto),
    };
    format!("{:?} {:?} {detail}", action.ip_family, action.proto)
}

/// Fails with one line for each kind of case that tshark complained of.
fn assert_clean(cases: impl Iterator<Item = Case>) {
    let cases: Vec<Case> = cases.collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.pcap");
    write(&cases, &path);
    let Some(lines) = complaints(&path) else {
        return;
    };
    let mut kinds = BTreeMap::new();
    for line in &lines {
        let (number, what) = line.split_once('\t').unwrap();
        let case = &cases[number.parse::<usize>().unwrap() - 1];
        let (lengths, _) = kinds.entry(kind(case)).or_insert((Vec::new(), what));
        lengths.push(case.action.l4_payload_len);
    }
    let report: Vec<String> = kinds
        .iter()
        .map(|(kind, (lengths, what))| format!("{kind}, payload {lengths:?}: {what}"))
        .collect();
    assert!(
        report.is_empty(),
        "{} kinds\n{}",
        report.len(),
        report.join("\n")
    );
}

#[test]
fn test_complaints_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.pcap");
    write(&[opening(Proto::Tcp, Family::V4).into()], &path);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    if let Some(lines) = complaints(&path) {
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

#[test]
fn test_icmp() {
    assert_clean(FAMILIES.into_iter().flat_map(icmp));
}

#[test]
fn test_icmp_codes() {
    assert_clean(FAMILIES.into_iter().flat_map(icmp_codes));
}

#[test]
fn test_other_protocols() {
    assert_clean(FAMILIES.into_iter().flat_map(other));
}

#[test]
fn test_tcp_options() {
    assert_clean(FAMILIES.into_iter().flat_map(tcp_options));
}

#[test]
fn test_tcp_flags_payloads_and_ip_fields() {
    let cases = |family| {
        tcp_flags(family)
            .chain(payloads(family))
            .chain(ip_fields(family))
    };
    assert_clean(FAMILIES.into_iter().flat_map(cases));
}

#[test]
fn test_random_actions() {
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Case> = (0..100).flat_map(|_| random(&mut runner)).collect();
    // tshark 4.0 does not read a segment of IPv6 beyond 64 KiB without a jumbo payload option.
    let is_read = |case: &Case| {
        let action = &case.action;
        action.ip_family == Family::V4 || action.ip_ext > 1 || action.l4_payload_len < 65_000
    };
    assert_clean(cases.into_iter().filter(is_read));
}

#[test]
fn test_nearly_legal_actions() {
    let mut runner = TestRunner::deterministic();
    assert_clean(
        (0..500)
            .flat_map(|_| nearly_legal(&mut runner))
            .collect::<Vec<_>>()
            .into_iter(),
    );
}
