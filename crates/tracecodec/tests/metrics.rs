//! Metrics compared with numbers computed by hand, and the laws by which evaluations merge.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "packets need only some of it")]
#[path = "common/actions.rs"]
mod actions;
#[path = "common/packets.rs"]
mod packets;

use std::collections::BTreeMap;

use proptest::prelude::*;
use tracecodec::Error;
use tracecodec::action::ProtocolMix;
use tracecodec::artifact::SourceEntry;
use tracecodec::flow::{Conversations, CutOptions};
use tracecodec::metrics::{
    Evaluation, Histogram, METRICS, Meter, SESSION_FEATURES, SessionSampler, TcpLabel, TimelineBin,
    TraceSummary,
};
use tracecodec::pcap::{LinkType, PacketBuf, Timestamp};
use tracecodec::tcp::flags::{ACK, FIN, SYN};

use packets::capture;

/// The keys that reports and scripts rely on.
const PROMISED: [&str; 32] = [
    "tcp_event_pp",
    "tcp_event_exclusive_pp",
    "count_pct",
    "proto_pct",
    "iat_ms_pct",
    "iat_log_pct",
    "flow_count_pct",
    "flow_duration_ms_pct",
    "flow_duration_log_pct",
    "transition_tv",
    "packet_size_pct",
    "packets_per_flow_pct",
    "flow_switch_rate_ref",
    "flow_switch_rate_dec",
    "iat_paper_pct",
    "flow_duration_paper_pct",
    "host_count_pct",
    "fan_out_pct",
    "fan_in_pct",
    "flows_per_pair_pct",
    "service_pct",
    "port_scan_pct",
    "handshake_pct",
    "first_answer_pct",
    "in_flight_pct",
    "retransmissions_pct",
    "conn_state_pct",
    "history_pct",
    "burstiness_pct",
    "joint_pp",
    "hurst_ref",
    "hurst_dec",
];

/// A whole second, so that bins begin at whole milliseconds after it.
const EPOCH: i64 = 1_600_000_000;

fn summarise(frames: &[PacketBuf]) -> TraceSummary {
    let mut conversations = Conversations::new(CutOptions::Judge);
    let mut meter = Meter::new(|_, headers, time| conversations.observe(headers, time));
    frames
        .iter()
        .for_each(|frame| meter.observe(&frame.as_packet()));
    meter.finish()
}

fn evaluate(name: &str, reference: &[PacketBuf], decoded: &[PacketBuf]) -> Evaluation {
    let file = SourceEntry {
        name: name.to_string(),
        blake3: String::new(),
        bytes: 0,
        packets: 0,
        damage: None,
        selection: None,
        tunnels: Default::default(),
    };
    let reference = (file.clone(), summarise(reference));
    Evaluation::of_pair(
        name.to_string(),
        reference,
        (file, summarise(decoded)),
        None,
    )
}

/// A packet between hosts 1 and 2, `us` microseconds after the epoch.
fn frame(us: i64, from: u8, proto: u8, message: Vec<u8>) -> PacketBuf {
    let len = (20 + message.len()) as u16;
    let [high, low] = len.to_be_bytes();
    let fixed = [0x45, 0, high, low, 0, 0, 0, 0, 64, proto, 0, 0];
    let addresses = [[192, 0, 2, from], [192, 0, 2, 3 - from]].concat();
    PacketBuf {
        time: Timestamp::new(EPOCH, 1_000 * us),
        link: LinkType::RAW,
        wire_len: len.into(),
        data: [&fixed[..], &addresses, &message].concat(),
        ..PacketBuf::default()
    }
}

fn tcp(us: i64, from: u8, flags: u16, seq: u32, ack: u32, payload: usize) -> PacketBuf {
    let ports: [u16; 2] = if from == 1 {
        [50_000, 80]
    } else {
        [80, 50_000]
    };
    let mut message = ports.map(u16::to_be_bytes).concat();
    message.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    message.extend(
        [5 << 12 | flags, 1_000, 0, 0]
            .map(u16::to_be_bytes)
            .concat(),
    );
    message.resize(20 + payload, 0);
    frame(us, from, 6, message)
}

fn udp(us: i64) -> PacketBuf {
    let mut message = [5_000u16, 53, 108, 0].map(u16::to_be_bytes).concat();
    message.resize(108, 0);
    frame(us, 1, 17, message)
}

/// A TCP connection of six packets and a UDP flow, which pauses for more than a minute.
fn example() -> Vec<PacketBuf> {
    vec![
        tcp(0, 1, SYN, 100, 0, 0),
        tcp(1_000, 2, SYN | ACK, 900, 101, 0),
        udp(2_000),
        tcp(2_000, 1, ACK, 101, 901, 0),
        tcp(12_500, 1, ACK, 101, 901, 100),
        // A step back of 0.1 ms.
        tcp(12_400, 2, ACK, 901, 201, 0),
        tcp(2_012_400, 1, FIN | ACK, 201, 901, 0),
        udp(2_013_400),
        udp(65_000_000),
    ]
}

#[test]
fn test_summary_by_hand() {
    let summary = summarise(&example());
    assert_eq!((summary.captures, summary.packets), (1, 9));
    assert_eq!(summary.bytes, 5 * 40 + 140 + 3 * 128);
    let protocols = ProtocolMix {
        tcp: 6,
        udp: 3,
        ..ProtocolMix::default()
    };
    assert_eq!(summary.protocols, protocols);
    let pairs = |histogram: &tracecodec::metrics::Histogram| histogram.iter().collect::<Vec<_>>();

    // 1, 1, 0, 10.5, −0.1, 2000, 1 and 62,986.6 ms.
    let ms = [(0, 1), (1, 3), (10, 1), (1000, 2), (1001, 1)];
    assert_eq!(pairs(&summary.iat.ms), ms);
    // 20 · log₁₀ of the microseconds, rounded down, and one more: 61, 61, -, 81, -, 127, 61, 156.
    let log = [(0, 2), (61, 3), (81, 1), (127, 1), (156, 1)];
    assert_eq!(pairs(&summary.iat.log), log);

    // The connection, the UDP flow before its pause, and after it: 2012.4, 2011.4 and 0 ms.
    assert_eq!(summary.sessions, 3);
    assert_eq!(pairs(&summary.session_durations.ms), [(0, 1), (1000, 2)]);
    assert_eq!(pairs(&summary.session_durations.log), [(0, 1), (127, 2)]);
    assert_eq!(
        pairs(&summary.packets_per_session),
        [(1, 1), (2, 1), (6, 1)]
    );
    assert_eq!(pairs(&summary.packet_sizes), [(40, 5), (128, 3), (140, 1)]);

    // Host 1 opens one session to port 80 of host 2, and two to its port 53.
    let hosts = &summary.hosts;
    assert_eq!((hosts.captures, hosts.hosts, hosts.scanners), (1, 2, 0));
    assert_eq!(pairs(&hosts.fan_out), [(0, 1)]);
    assert_eq!(pairs(&hosts.fan_in), [(0, 1)]);
    assert_eq!(pairs(&hosts.flows_per_pair), [(2, 1)]);
    assert_eq!(pairs(&hosts.services), [(6, 2), (10, 1)]);

    // SYN, SYN-ACK, ACK, DATA, ACK, FIN.
    assert_eq!(summary.tcp_labels, [1, 1, 2, 1, 1, 0]);
    let followed = [
        (TcpLabel::Syn, TcpLabel::SynAck),
        (TcpLabel::SynAck, TcpLabel::Ack),
        (TcpLabel::Ack, TcpLabel::Data),
        (TcpLabel::Data, TcpLabel::Ack),
        (TcpLabel::Ack, TcpLabel::Fin),
    ];
    for (from, row) in TcpLabel::ALL.into_iter().zip(summary.transitions.0) {
        for (to, count) in TcpLabel::ALL.into_iter().zip(row) {
            assert_eq!(
                count,
                u64::from(followed.contains(&(from, to))),
                "{from:?} {to:?}"
            );
        }
    }

    // Runs of the connection (c) and the flow (u, v): cc u cccc u v.
    let interleaving = &summary.interleaving;
    assert_eq!((interleaving.adjacent, interleaving.switches), (8, 4));
    assert_eq!(pairs(&interleaving.run_lengths), [(1, 3), (2, 1), (4, 1)]);
}

#[test]
fn test_dynamics_by_hand() {
    let dynamics = summarise(&example()).dynamics;
    let pairs = |histogram: &Histogram| histogram.iter().collect::<Vec<_>>();
    // SYN+ACK after 1 ms. Nobody answers the 100 bytes, which alone are in flight, with payload.
    assert_eq!(pairs(&dynamics.handshakes.log), [(61, 1)]);
    assert_eq!(pairs(&dynamics.answers.log), []);
    assert_eq!(pairs(&dynamics.in_flight), [(7, 1)]);
    assert_eq!(pairs(&dynamics.retransmissions), [(0, 1)]);
    let words = |words: &[(&str, u64)]| -> BTreeMap<String, u64> {
        let words = words.iter();
        words
            .map(|(word, count)| (word.to_string(), *count))
            .collect()
    };
    assert_eq!(dynamics.states, words(&[("S0", 2), ("S2", 1)]));
    assert_eq!(dynamics.histories, words(&[("D", 2), ("ShADaF", 1)]));

    // The server answers after 40 ms with 200 bytes, of which 150 are sent again; then 300 more.
    let answered: Vec<_> = [
        tcp(0, 1, SYN, 100, 0, 0),
        tcp(500, 1, SYN, 100, 0, 0),
        tcp(1_500, 2, SYN | ACK, 900, 101, 0),
        tcp(2_000, 1, ACK, 101, 901, 100),
        tcp(42_000, 2, ACK, 901, 201, 200),
        tcp(442_000, 2, ACK, 951, 201, 150),
        tcp(443_000, 2, ACK, 1_101, 201, 300),
    ]
    .into();
    let dynamics = summarise(&answered).dynamics;
    assert_eq!(pairs(&dynamics.handshakes.log), [(61, 1)]);
    assert_eq!(pairs(&dynamics.answers.log), [(93, 1)]);
    // 100, 200, 200 and 500 bytes in flight; two retransmissions, the SYN's being one.
    assert_eq!(pairs(&dynamics.in_flight), [(7, 1), (8, 2), (9, 1)]);
    assert_eq!(pairs(&dynamics.retransmissions), [(2, 1)]);

    let metrics = evaluate("example", &example(), &answered).metrics();
    assert_eq!(metrics["handshake_pct"], Ok(0.0));
    assert!(metrics["first_answer_pct"].is_err());
    let percent = |key: &str| metrics[key].unwrap();
    assert!((percent("in_flight_pct") - 75.0).abs() < 1e-9);
    assert!((percent("retransmissions_pct") - 100.0).abs() < 1e-9);
    assert!((percent("conn_state_pct") - 100.0).abs() < 1e-9);
}

#[test]
fn test_features_of_sessions_by_hand() {
    let mut sampler = SessionSampler::new();
    example()
        .iter()
        .for_each(|frame| sampler.observe(&frame.as_packet()));
    let samples = sampler.finish();
    let services = samples.iter().map(|sample| sample.service.unwrap().name());
    assert_eq!(services.collect::<Vec<_>>(), ["http", "dns", "dns"]);
    let value = |session: usize, name: &str| {
        let at = SESSION_FEATURES.iter().position(|of| of.name == name);
        samples[session].features[at.unwrap()]
    };
    let tcp = [
        ("protocol", 0.0),
        ("orig_packets", 4.0),
        ("resp_packets", 2.0),
        ("orig_bytes", 100.0),
        ("resp_bytes", 0.0),
        ("duration", 2.0124),
        ("gap_1", 0.001),
        ("gap_3", 0.0105),
        ("gap_4", -0.0001),
        ("gap_5", 2.0),
        ("gap_mean", 0.402_48),
        ("gap_largest", 2.0),
        ("gap_smallest", -0.0001),
        ("gap_deviation", 0.798_769_2),
        ("payload_1", 1.0),
        ("payload_2", -1.0),
        ("payload_4", 101.0),
        ("payload_6", 1.0),
        ("fin", 1.0),
        ("syn", 2.0),
        ("psh", 0.0),
        ("ack", 5.0),
        ("window_3", 1000.0),
    ];
    for (name, expected) in tcp {
        let found = value(0, name);
        assert!((found - expected).abs() < 1e-6, "{name}: {found}");
    }
    assert_eq!((value(1, "protocol"), value(1, "orig_packets")), (1.0, 2.0));
    assert_eq!(
        (value(2, "orig_packets"), value(2, "payload_1")),
        (1.0, 101.0)
    );
    for (session, name) in [(0, "gap_6"), (1, "gap_2"), (2, "gap_mean"), (2, "window_1")] {
        assert!(value(session, name).is_nan(), "{name}");
    }
    // Actions hold no times, and differ by direction, flags, payload and window.
    let actions = &samples[0].actions;
    assert_eq!((actions.len(), samples[2].actions.len()), (6, 1));
    assert_eq!(samples[1].actions[0], samples[2].actions[0]);
    assert!((1..6).all(|at| !actions[at..].contains(&actions[at - 1])));
}

#[test]
fn test_timeline_by_hand() {
    let timeline = summarise(&example()).timeline;
    assert_eq!(timeline.width_ns(), 1_000_000);
    let moment = |packets, bytes, starts, ends| TimelineBin {
        packets,
        bytes,
        starts,
        ends,
    };
    let moments = [
        (0, moment(1, 40, 1, 0)),
        (1, moment(1, 40, 0, 0)),
        (2, moment(2, 168, 1, 0)),
        (12, moment(2, 180, 0, 0)),
        (2_012, moment(1, 40, 0, 1)),
        (2_013, moment(1, 128, 0, 1)),
        (65_000, moment(1, 128, 1, 1)),
    ];
    let first = EPOCH * 1_000;
    let moments: BTreeMap<_, _> = moments.map(|(bin, moment)| (first + bin, moment)).into();
    assert_eq!(timeline.bins(), &moments);

    let steps = [
        (0, 1),
        (2, 2),
        (2_013, 1),
        (2_014, 0),
        (65_000, 1),
        (65_001, 0),
    ];
    assert_eq!(
        timeline.active_sessions(),
        steps.map(|(bin, n)| (first + bin, n))
    );
    assert_eq!(timeline.max_active_sessions(), Some(2));
    // Two bins with one, 2,011 with two, two more with one.
    let mean = f64::from(2 + 2 * 2_011 + 1 + 1) / 65_001.0;
    assert_eq!(timeline.mean_active_sessions(), Some(mean));
    // Squares 1, 1, 4, 4, 1, 1, 1.
    let (mean, square) = (9.0 / 65_001.0, 13.0 / 65_001.0);
    let dispersion = timeline.dispersion(1_000_000).unwrap();
    assert!((dispersion - (square - mean * mean) / mean).abs() < 1e-12);
}

#[test]
fn test_metrics_by_hand() {
    let reference = example();
    let evaluation = evaluate("example", &reference, &reference[..8]);
    let metrics = evaluation.metrics();
    let near = |key: &str, expected: f64| {
        let value = metrics[key].unwrap();
        assert!(
            (value - expected).abs() < 1e-9,
            "{key}: {value}, not {expected}"
        );
    };
    near("tcp_event_pp", 0.0);
    near("count_pct", 100.0 / 9.0);
    // 6/9 against 6/8.
    near("proto_pct", 100.0 * (6.0 / 8.0 - 6.0 / 9.0));
    // Of eight and of seven packets: six bins gain 1/7 − 1/8 each, and the bin that lost a packet
    // has 2/8 against 1/7.
    near("iat_ms_pct", 100.0 * (2.0 / 8.0 - 1.0 / 7.0));
    near("iat_log_pct", 100.0 / 8.0);
    near("flow_count_pct", 100.0 / 3.0);
    near("flow_duration_ms_pct", 100.0 / 3.0);
    near("transition_tv", 0.0);
    near("packet_size_pct", 100.0 * (3.0 / 9.0 - 2.0 / 8.0));
    near("packets_per_flow_pct", 100.0 / 3.0);
    near("iat_paper_pct", 100.0 * (2.0 / 8.0 - 1.0 / 7.0));
    near("flow_duration_paper_pct", 100.0 / 3.0);
    near("host_count_pct", 0.0);
    near("fan_out_pct", 0.0);
    near("fan_in_pct", 0.0);
    // Three sessions, which are in bin 3 to 4, against two.
    near("flows_per_pair_pct", 100.0);
    near("service_pct", 100.0 * (2.0 / 3.0 - 1.0 / 2.0));
    assert_eq!(metrics["port_scan_pct"], Err("no opener scans"));
    near("flow_switch_rate_ref", 0.5);
    near("flow_switch_rate_dec", 3.0 / 7.0);
    near("usable_suffixes_pct", 0.0);
    near("valid_coverage_pct", 800.0 / 9.0);
    // Coverage 8/9 scales every decoded share q to 8q/9, which is exact for the packets that are
    // there: 1/9 is missing.
    near("ca_packet_size_pct", 100.0 / 9.0);
}

#[test]
fn test_what_cannot_be_computed_says_why() {
    let nothing = evaluate("nothing", &[], &[]);
    for (key, value) in nothing.metrics() {
        match key {
            "sessions_ref" | "sessions_dec" => assert_eq!(value, Ok(0.0)),
            _ => assert!(value.is_err(), "{key}: {value:?}"),
        }
    }
    let document = serde_json::to_value(nothing.document()).unwrap();
    assert_eq!(document["metrics"]["iat_ms_pct"], serde_json::Value::Null);
    assert_eq!(
        document["reasons"]["iat_ms_pct"],
        "a capture with fewer than two packets in scope"
    );
}

#[test]
fn test_all_lost_is_not_perfect() {
    let metrics = evaluate("lost", &example(), &[]).metrics();
    assert_eq!(metrics["count_pct"], Ok(100.0));
    assert_eq!(metrics["flow_count_pct"], Ok(100.0));
    assert_eq!(metrics["ca_iat_ms_pct"], Ok(100.0));
    for key in [
        "proto_pct",
        "iat_ms_pct",
        "packet_size_pct",
        "flow_duration_log_pct",
        "transition_tv",
        "tcp_event_pp",
    ] {
        assert!(metrics[key].is_err(), "{key}");
    }
}

#[test]
fn test_promised_keys() {
    let keys: Vec<_> = METRICS.iter().map(|metric| metric.key).collect();
    for key in PROMISED {
        assert!(keys.contains(&key), "{key}");
    }
    let unique: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len());
}

#[test]
fn test_evaluations_survive_json() {
    let evaluation = Evaluation {
        label: "a \"method\"".to_string(),
        ..evaluate("example", &example(), &example()[..3])
    };
    let json = serde_json::to_string(&evaluation.document()).unwrap();
    assert_eq!(Evaluation::from_json(&json).unwrap(), evaluation);
    let newer = json.replace("\"version\":1", "\"version\":2");
    let error = Evaluation::from_json(&newer).unwrap_err().to_string();
    assert_eq!(
        error,
        "tracecodec-evaluation version 2, but tracecodec-evaluation version 1 is needed"
    );
    assert!(Evaluation::from_json("{}").is_err());
}

#[test]
fn test_counts_that_no_captures_have_are_refused() {
    let evaluation = evaluate("example", &example(), &example());
    let document = serde_json::to_value(evaluation.document()).unwrap();
    let most = u64::MAX;
    let spoils: [(&str, serde_json::Value); 12] = [
        ("/decoded/hosts/captures", 2.into()),
        ("/decoded/hosts/services/0/1", 7.into()),
        ("/decoded/packets", 8.into()),
        ("/decoded/captures", most.into()),
        ("/decoded/bytes", most.into()),
        (
            "/decoded/skipped",
            serde_json::json!({"fragment": most, "non_ip": most}),
        ),
        ("/decoded/protocols/udp", most.into()),
        (
            "/decoded/packet_sizes",
            serde_json::json!([[40, most], [41, most]]),
        ),
        ("/decoded/transitions/0/0", most.into()),
        ("/decoded/tcp_events/fields/zero_window", 7.into()),
        ("/decoded/interleaving/switches", 9.into()),
        ("/decoded/timeline/ends/0", 1.into()),
    ];
    for (place, value) in spoils {
        let mut spoiled = document.clone();
        *spoiled.pointer_mut(place).unwrap() = value;
        let error = Evaluation::from_json(&spoiled.to_string()).unwrap_err();
        assert!(
            matches!(error, Error::InconsistentEvaluation(_)),
            "{place}: {error}"
        );
    }
}

#[test]
fn test_an_evaluation_without_hosts_has_no_metrics_of_hosts() {
    let evaluation = evaluate("example", &example(), &example());
    assert_eq!(evaluation.metrics()["host_count_pct"], Ok(0.0));
    let mut older = serde_json::to_value(evaluation.document()).unwrap();
    for side in ["reference", "decoded"] {
        for part in ["hosts", "dynamics", "burstiness", "joint"] {
            older[side].as_object_mut().unwrap().remove(part);
        }
        for histogram in ["iat", "session_durations"] {
            let histogram = older[side][histogram].as_object_mut().unwrap();
            histogram.retain(|key, _| !key.ends_with("_near"));
        }
    }
    let mut older = Evaluation::from_json(&older.to_string()).unwrap();
    assert_eq!(older.metrics()["flow_duration_ms_pct"], Ok(0.0));
    for merged in [false, true] {
        for key in [
            "host_count_pct",
            "conn_state_pct",
            "in_flight_pct",
            "joint_pp",
            "hurst_ref",
        ] {
            assert!(older.metrics()[key].is_err(), "{key} {merged}");
        }
        older.merge(evaluation.clone());
    }
}

/// The evaluations added up, in their order.
fn merged(parts: &[Evaluation]) -> Evaluation {
    let mut whole = Evaluation::default();
    for part in parts {
        whole.merge(part.clone());
    }
    whole
}

proptest! {
    #[test]
    fn test_evaluations_merge_in_any_order_and_grouping(
        captures in proptest::collection::vec((capture(), capture()), 1..5),
        seed in any::<usize>(),
    ) {
        let parts: Vec<_> = captures
            .iter()
            .enumerate()
            .map(|(index, (reference, decoded))| evaluate(&index.to_string(), reference, decoded))
            .collect();
        let whole = merged(&parts);
        let mut turned = parts.clone();
        turned.rotate_left(seed % parts.len());
        prop_assert_eq!(&merged(&turned), &whole);
        let (left, right) = parts.split_at(seed % parts.len());
        prop_assert_eq!(&merged(&[merged(left), merged(right)]), &whole);
        // The same after a round trip through JSON.
        let json = serde_json::to_string(&whole.document()).unwrap();
        prop_assert_eq!(&Evaluation::from_json(&json).unwrap(), &whole);
    }

    /// Packets far apart make the bins of a timeline wider: the parts' widths differ, their sums do
    /// not.
    #[test]
    fn test_timelines_of_any_width_merge(
        steps in proptest::collection::vec((1u32..30, 1usize..1500), 2..5),
        seed in any::<usize>(),
    ) {
        let parts: Vec<_> = steps
            .iter()
            .map(|&(magnitude, packets)| {
                let frames: Vec<_> = (0..packets as i64).map(|i| udp(i << magnitude)).collect();
                summarise(&frames)
            })
            .collect();
        let add = |parts: &mut dyn Iterator<Item = &TraceSummary>| {
            let mut sum = TraceSummary::default();
            parts.for_each(|part| sum.merge(part));
            sum
        };
        let whole = add(&mut parts.iter());
        prop_assert!(whole.timeline.bins().len() <= 2_000);
        let packets: u64 = whole.timeline.bins().values().map(|moment| moment.packets).sum();
        prop_assert_eq!(packets, whole.packets);
        prop_assert_eq!(&add(&mut parts.iter().rev()), &whole);
        let (left, right) = parts.split_at(seed % parts.len());
        let halves = [add(&mut left.iter()), add(&mut right.iter())];
        prop_assert_eq!(&add(&mut halves.iter()), &whole);
    }
}

/// The tables in `docs/metrics.md`; `UPDATE_DOCS=1` rewrites them.
#[test]
fn test_every_metric_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let mut text = std::fs::read_to_string(path).unwrap();
    let mut metrics = String::from("\n| key | heading | unit | what |\n|---|---|---|---|\n");
    for metric in METRICS {
        let doc = metric.doc.replace('|', "\\|");
        let (key, title, unit) = (metric.key, metric.title, metric.unit.symbol());
        metrics += &format!("| `{key}` | {title} | {unit} | {doc} |\n");
    }
    let mut features = String::from("\n| feature | time | what |\n|---|---|---|\n");
    for feature in SESSION_FEATURES {
        let time = if feature.is_time { "yes" } else { "" };
        features += &format!("| `{}` | {time} | {} |\n", feature.name, feature.doc);
    }
    for (name, table) in [("metrics", metrics), ("features", features)] {
        let mark = format!("<!-- {name}:begin -->");
        let begin = text.find(&mark).unwrap() + mark.len();
        let end = text.find(&format!("<!-- {name}:end -->")).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            text.replace_range(begin..end, &table);
            std::fs::write(path, &text).unwrap();
        } else {
            assert_eq!(text[begin..end], table, "run the test with UPDATE_DOCS=1");
        }
    }
}
