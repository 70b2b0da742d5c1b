//! Speed of the symbolic path on one core: reading and lifting, reading and analysing, compiling
//! headers, compiling payload; lifting and compiling also with hosts and services, and with shaped
//! payload.
//!
//! `scripts/bench.sh` runs this, and whole commands beside other programs.

#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tracecodec::action::{
    Action, ActionSchema, Control, Direction, FlowEvent, OptionProfiles, Proto, SCHEMA_VERSION,
    Services,
};
use tracecodec::compile::{CompileConfig, Compiler, PayloadPolicy};
use tracecodec::flow::{Conversations, CutOptions};
use tracecodec::lift::Lifter;
use tracecodec::pcap::{Reader, Timestamp};
use tracecodec::{service, wire};

/// The bytes of a shipped capture, as pcap in memory.
fn capture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../data/train")
        .join(name);
    let file = std::fs::read(&path).expect("the capture ships with the repository");
    zstd::decode_all(&file[..]).expect("the capture is zstd")
}

fn lift(capture: &[u8], schema: ActionSchema) -> (Vec<Action>, OptionProfiles) {
    let mut reader = Reader::new(std::io::Cursor::new(capture.to_vec())).expect("a capture");
    let mut lifter = Lifter::new(schema, 1 << 16, OptionProfiles::new());
    let mut actions = Vec::new();
    while let Some(packet) = reader.next() {
        actions.extend(lifter.lift(&packet.expect("an undamaged capture")));
    }
    (actions, lifter.into_profiles())
}

/// Number of packets with TCP events.
fn analyse(capture: &[u8]) -> usize {
    let mut reader = Reader::new(std::io::Cursor::new(capture.to_vec())).expect("a capture");
    let mut conversations = Conversations::new(CutOptions::Judge);
    let mut with_events = 0;
    while let Some(packet) = reader.next() {
        let packet = packet.expect("an undamaged capture");
        if let Ok(headers) = wire::parse(&packet) {
            with_events += usize::from(!conversations.observe(&headers, packet.time).is_empty());
        }
    }
    with_events
}

fn compile(
    actions: &[Action],
    profiles: &OptionProfiles,
    schema: ActionSchema,
    payload: PayloadPolicy,
) -> u64 {
    let config = CompileConfig {
        schema,
        payload,
        ..CompileConfig::default()
    };
    let mut compiler = Compiler::new(config, Timestamp(0));
    let packets = actions
        .iter()
        .map(|action| black_box(compiler.compile(action, profiles)).data.len() as u64);
    packets.sum()
}

fn symbolic(criterion: &mut Criterion) {
    for name in ["enterprise", "backbone", "crowd"] {
        let capture = capture(&format!("{name}.pcap.zst"));
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        for (kept, schema) in [
            ("", ActionSchema::default()),
            (", hosts and services", ActionSchema::whole(SCHEMA_VERSION)),
        ] {
            let (actions, profiles) = lift(&capture, schema);
            let compile = |payload| compile(black_box(&actions), &profiles, schema, payload);
            group.throughput(Throughput::Elements(actions.len() as u64));
            group.bench_function(format!("read and lift{kept}"), |b| {
                b.iter(|| lift(black_box(&capture), schema).0.len())
            });
            group.bench_function(format!("compile headers{kept}"), |b| {
                b.iter(|| compile(PayloadPolicy::Truncate))
            });
            let bytes = compile(PayloadPolicy::Synthetic);
            group.throughput(Throughput::BytesDecimal(bytes));
            group.bench_function(format!("compile with payload{kept}"), |b| {
                b.iter(|| compile(PayloadPolicy::Synthetic))
            });
            if schema.services == Services::Class {
                let bytes = compile(PayloadPolicy::Shaped);
                for throughput in [
                    Throughput::Elements(actions.len() as u64),
                    Throughput::BytesDecimal(bytes),
                ] {
                    let unit = match throughput {
                        Throughput::Elements(_) => "packets",
                        _ => "bytes",
                    };
                    group.throughput(throughput);
                    group.bench_function(format!("compile shaped payload, {unit}"), |b| {
                        b.iter(|| compile(PayloadPolicy::Shaped))
                    });
                }
            }
        }
        let packets = lift(&capture, ActionSchema::default()).0.len();
        group.throughput(Throughput::Elements(packets as u64));
        group.bench_function("read and analyse", |b| {
            b.iter(|| analyse(black_box(&capture)))
        });
        group.finish();
    }
}

/// A download over TLS in segments of one length.
fn download(len: u32) -> Vec<Action> {
    let service = service::of(Proto::Tcp, 443).expect("https is a service");
    let segment = Action {
        proto: Proto::Tcp,
        tcp_ctrl: Control::Ack,
        l4_payload_len: len,
        delta_t: 10_000,
        ..Action::default()
    };
    let hello = Action {
        flow_evt: FlowEvent::Open,
        host_evt: 3,
        resp_host: 1,
        resp_service: service.number(),
        l4_payload_len: 517,
        ..segment
    };
    let answer = Action {
        dir: Direction::Resp,
        ..segment
    };
    std::iter::once(hello)
        .chain(std::iter::repeat_n(answer, 10_000))
        .collect()
}

/// Shaped payload of large segments, where copying and checksums take the time.
fn shaped(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile a download over TLS");
    let schema = ActionSchema::whole(SCHEMA_VERSION);
    let profiles = OptionProfiles::new();
    for len in [1448, 60_000] {
        let actions = download(len);
        let compile = || {
            compile(
                black_box(&actions),
                &profiles,
                schema,
                PayloadPolicy::Shaped,
            )
        };
        group.throughput(Throughput::BytesDecimal(compile()));
        group.bench_function(format!("segments of {len} bytes"), |b| b.iter(compile));
    }
    group.finish();
}

criterion_group!(benches, symbolic, shaped);
criterion_main!(benches);
