//! Shaped payload is what Wireshark takes for the service of a flow, at any length.
//!
//! To look at one service alone, name it in the environment: `SERVICE=ssh`. The capture that tshark
//! reads then stays in the temporary folder.

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

/// Writes flows of a service over a protocol; returns what became of their payload.
fn write(path: &std::path::Path, services: &[(Service, Proto)]) -> PayloadCounts {
    let config = CompileConfig {
        schema: ActionSchema::whole(SCHEMA_VERSION),
        payload: PayloadPolicy::Shaped,
        ..CompileConfig::default()
    };
    let mut compiler = Compiler::new(config, Timestamp(1_600_000_000_000_000_000));
    let mut writer = Writer::create(path, Format::of_path(path)).expect("a temporary file");
    let profiles = OptionProfiles::new();
    let mut slot = 0;
    for &(service, proto) in services {
        for len in lengths() {
            for data in [
                &[(Orig, len), (Resp, 1400), (Orig, 90), (Resp, len)][..],
                &[
                    (Orig, 100),
                    (Resp, len),
                    (Orig, len),
                    (Orig, len),
                    (Resp, len),
                ],
                // The server speaks first.
                &[(Resp, len), (Orig, len), (Resp, 300), (Orig, 400)],
            ] {
                for action in flow(slot, service, proto, len % 5 == 0, data) {
                    let packet = compiler.compile(&action, &profiles);
                    writer.write(&packet).expect("a file");
                }
                slot += 1;
            }
        }
        for seed in 0..FLOWS_OF_ANY_LENGTHS {
            let data: Vec<_> = (0..16).map(|index| any(seed << 8 | index)).collect();
            for action in flow(slot, service, proto, seed % 5 == 0, &data) {
                let packet = compiler.compile(&action, &profiles);
                writer.write(&packet).expect("a file");
            }
            slot += 1;
        }
    }
    writer.finish().expect("a file");
    compiler.payloads().clone()
}

#[test]
fn test_tshark_calls_nothing_malformed() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    let only = std::env::var("SERVICE").ok();
    let all = (0..=u8::MAX).filter_map(Service::of_number);
    let chosen = all.filter(|service| only.as_deref().is_none_or(|only| only == service.name()));
    let services: Vec<_> = chosen
        .flat_map(|service| [(service, Proto::Tcp), (service, Proto::Udp)])
        .filter(|(service, proto)| service.runs_over(*proto))
        .collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = folder.path().join("shaped.pcap");
    let counts = write(&capture, &services);
    assert!(counts.by_service().values().any(|count| count.shaped > 0));
    let output = Command::new("tshark")
        .args(["-n", "-r"])
        .arg(&capture)
        .args([
            "-Y",
            "_ws.malformed",
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "frame.protocols",
            "-e",
            "udp.length",
        ])
        .output()
        .expect("tshark runs");
    if only.is_some() {
        println!("{counts:?} {}", folder.keep().display());
    }
    assert!(output.status.success());
    let malformed = String::from_utf8_lossy(&output.stdout);
    let first: Vec<_> = malformed.lines().take(20).collect();
    assert!(
        malformed.is_empty(),
        "{} packets: {first:#?}",
        malformed.lines().count()
    );
}
