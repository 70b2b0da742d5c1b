//! The metrics as data: the name and unit of each, and how it is measured.

use std::collections::BTreeMap;

use super::dynamics::words_variation;
use super::{Case, Evaluation, Histogram, TraceSummary, protocol, tcp_event};

/// Meaning of a metric's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A distance or error in percent: 0 is best.
    ErrorPercent,
    /// A distance in percentage points: 0 is best.
    ErrorPoints,
    /// A distance from 0 (best) to 1.
    Distance,
    /// A share in percent: 100 is best.
    SharePercent,
    /// A property of the reference or of the decoded capture: neither good nor bad.
    Property,
}

impl Unit {
    /// Symbol printed after the number.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::ErrorPercent | Self::SharePercent => "%",
            Self::ErrorPoints => "pp",
            Self::Distance | Self::Property => "",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Key in JSON.
    pub key: &'static str,
    /// Heading in tables, the paper's if it has one.
    pub title: &'static str,
    /// Meaning of the number.
    pub unit: Unit,
    /// What the metric measures.
    pub doc: &'static str,
    /// Computes the number, or says why there is none.
    pub measure: fn(&Evaluation) -> Result<f64, &'static str>,
}

const fn metric(
    key: &'static str,
    title: &'static str,
    unit: Unit,
    doc: &'static str,
    measure: fn(&Evaluation) -> Result<f64, &'static str>,
) -> Metric {
    Metric {
        key,
        title,
        unit,
        doc,
        measure,
    }
}

use Unit::{Distance, ErrorPercent, ErrorPoints, Property, SharePercent};

/// All metrics, in the order of reports.
pub const METRICS: &[Metric] = &[
    metric(
        "tcp_event_pp",
        "TCP event dist.",
        ErrorPoints,
        "Σ over the eight events of |ĉ/max(N̂,1) − c/max(N,1)|, N being the TCP packets; `fields` counting",
        |e| tcp_events(e, |summary| &summary.tcp_events.fields),
    ),
    metric(
        "tcp_event_exclusive_pp",
        "TCP event dist., exclusive",
        ErrorPoints,
        "the same in the `exclusive` counting",
        |e| tcp_events(e, |summary| &summary.tcp_events.exclusive),
    ),
    metric(
        "count_pct",
        "Count",
        ErrorPercent,
        "|N̂ − N| / max(N,1), N being the packets",
        |e| relative(e, |summary| summary.packets, "no packets to compare"),
    ),
    metric(
        "proto_pct",
        "Proto",
        ErrorPercent,
        "total variation of the shares of TCP, UDP, ICMP, other",
        |e| {
            let distance = protocol::distance(&e.reference.protocols, &e.decoded.protocols);
            percent(distance, "a capture without packets in scope")
        },
    ),
    metric(
        "iat_ms_pct",
        "IAT, ms",
        ErrorPercent,
        "total variation of the times between packets, in bins of a millisecond; shifts of 2 µs across an edge are forgiven",
        |e| percent(e.reference.iat.ms_variation(&e.decoded.iat), FEW_PACKETS),
    ),
    metric(
        "iat_log_pct",
        "IAT, log",
        ErrorPercent,
        "the same in logarithmic bins",
        |e| percent(e.reference.iat.log_variation(&e.decoded.iat), FEW_PACKETS),
    ),
    metric(
        "iat_paper_pct",
        "IAT, paper",
        ErrorPercent,
        "the paper's: in bins of a millisecond, nothing forgiven",
        |e| variation(e, |summary| &summary.iat.ms, FEW_PACKETS),
    ),
    metric(
        "flow_count_pct",
        "Flow cnt.",
        ErrorPercent,
        "|M̂ − M| / max(M,1), M being the sessions",
        |e| relative(e, |summary| summary.sessions, "no sessions to compare"),
    ),
    metric(
        "flow_duration_ms_pct",
        "Flow dur., ms",
        ErrorPercent,
        "total variation of the sessions' durations, in bins of a millisecond; shifts of 2 µs across an edge are forgiven",
        |e| {
            let (reference, decoded) = (&e.reference, &e.decoded);
            let durations = &reference.session_durations;
            percent(
                durations.ms_variation(&decoded.session_durations),
                NO_SESSION,
            )
        },
    ),
    metric(
        "flow_duration_log_pct",
        "Flow dur., log",
        ErrorPercent,
        "the same in logarithmic bins",
        |e| {
            let (reference, decoded) = (&e.reference, &e.decoded);
            let durations = &reference.session_durations;
            percent(
                durations.log_variation(&decoded.session_durations),
                NO_SESSION,
            )
        },
    ),
    metric(
        "flow_duration_paper_pct",
        "Flow dur., paper",
        ErrorPercent,
        "the paper's: in bins of a millisecond, nothing forgiven",
        |e| variation(e, |summary| &summary.session_durations.ms, NO_SESSION),
    ),
    metric(
        "transition_tv",
        "Transition distance",
        Distance,
        "total variation of the rows of the transition matrix, weighted by the reference's rows",
        |e| {
            let distance = e.reference.transitions.distance(&e.decoded.transitions);
            distance.ok_or("a capture without a session of two TCP packets")
        },
    ),
    metric(
        "packet_size_pct",
        "Packet size",
        ErrorPercent,
        "total variation of the packets' lengths",
        |e| {
            variation(
                e,
                |summary| &summary.packet_sizes,
                "a capture without packets in scope",
            )
        },
    ),
    metric(
        "packets_per_flow_pct",
        "Packets per flow",
        ErrorPercent,
        "total variation of the packets a session",
        |e| variation(e, |summary| &summary.packets_per_session, NO_SESSION),
    ),
    metric(
        "host_count_pct",
        "Hosts",
        ErrorPercent,
        "|Ĥ − H| / max(H,1), H being the addresses",
        |e| hosts(e).and_then(|()| relative(e, |summary| summary.hosts.hosts, NO_SESSION)),
    ),
    metric(
        "fan_out_pct",
        "Fan-out",
        ErrorPercent,
        "total variation of the hosts that open sessions, by the number of hosts to which they do",
        |e| hosts(e).and_then(|()| variation(e, |summary| &summary.hosts.fan_out, NO_SESSION)),
    ),
    metric(
        "fan_in_pct",
        "Fan-in",
        ErrorPercent,
        "total variation of the hosts to which sessions are opened, by the number of hosts that do",
        |e| hosts(e).and_then(|()| variation(e, |summary| &summary.hosts.fan_in, NO_SESSION)),
    ),
    metric(
        "flows_per_pair_pct",
        "Flows per pair",
        ErrorPercent,
        "total variation of the pairs of hosts, by the number of their sessions",
        |e| {
            hosts(e)
                .and_then(|()| variation(e, |summary| &summary.hosts.flows_per_pair, NO_SESSION))
        },
    ),
    metric(
        "service_pct",
        "Services",
        ErrorPercent,
        "total variation of the sessions by service, by the table of services; none is one",
        |e| hosts(e).and_then(|()| variation(e, |summary| &summary.hosts.services, NO_SESSION)),
    ),
    metric(
        "port_scan_pct",
        "Port scans",
        ErrorPercent,
        "|Ŝ − S| / max(S,1), S being the openers with ≥ 10 ports of one host or ≥ 10 hosts at one port",
        |e| {
            let scanners = |summary: &TraceSummary| summary.hosts.scanners;
            hosts(e).and_then(|()| relative(e, scanners, "no opener scans"))
        },
    ),
    metric(
        "handshake_pct",
        "Handshakes",
        ErrorPercent,
        "total variation of the times from SYN to SYN+ACK, in logarithmic bins; small shifts across an edge are forgiven",
        |e| {
            let [reference, decoded] = counted(e, |summary| summary.dynamics.captures)?;
            let handshakes = &reference.dynamics.handshakes;
            let distance = handshakes.log_variation(&decoded.dynamics.handshakes);
            percent(distance, "a capture without handshakes")
        },
    ),
    metric(
        "first_answer_pct",
        "First answers",
        ErrorPercent,
        "the same of the times from a session's first payload to the other side's first payload",
        |e| {
            let [reference, decoded] = counted(e, |summary| summary.dynamics.captures)?;
            let answers = &reference.dynamics.answers;
            let distance = answers.log_variation(&decoded.dynamics.answers);
            percent(distance, "a capture without answers")
        },
    ),
    metric(
        "in_flight_pct",
        "Bytes in flight",
        ErrorPercent,
        "total variation of TCP packets with payload by their sender's bytes that are not acknowledged, in powers of two",
        |e| {
            counted(e, |summary| summary.dynamics.captures)?;
            let otherwise = "a capture without TCP payload";
            variation(e, |summary| &summary.dynamics.in_flight, otherwise)
        },
    ),
    metric(
        "retransmissions_pct",
        "Retransmissions per flow",
        ErrorPercent,
        "total variation of TCP sessions by their retransmissions, in powers of two",
        |e| {
            counted(e, |summary| summary.dynamics.captures)?;
            let otherwise = "a capture without TCP sessions";
            variation(e, |summary| &summary.dynamics.retransmissions, otherwise)
        },
    ),
    metric(
        "conn_state_pct",
        "Connection states",
        ErrorPercent,
        "total variation of the sessions by `conn_state`, as of Zeek",
        |e| words(e, |summary| &summary.dynamics.states),
    ),
    metric(
        "history_pct",
        "Histories",
        ErrorPercent,
        "total variation of the sessions by the first 16 letters of `history`, as of Zeek",
        |e| words(e, |summary| &summary.dynamics.histories),
    ),
    metric(
        "burstiness_pct",
        "Burstiness",
        ErrorPercent,
        "difference of the packets' indices of dispersion over the larger one, mean over scales from 1 ms to 10 s",
        |e| {
            let [reference, decoded] = counted(e, |summary| summary.burstiness.captures)?;
            let distance = reference.burstiness.distance(&decoded.burstiness);
            percent(distance, "a capture of fewer than ten whole milliseconds")
        },
    ),
    metric(
        "joint_pp",
        "Joint structure",
        ErrorPoints,
        "difference of normalised mutual information, mean over the pairs of payload, direction, position, gap, flags",
        |e| {
            let [reference, decoded] = counted(e, |summary| summary.joint.captures)?;
            let distance = reference.joint.distance(&decoded.joint);
            percent(distance, "a capture without packets in scope")
        },
    ),
    metric(
        "hurst_ref",
        "Hurst exponent, reference",
        Property,
        "1 and half the slope of the variance of the packet rate over the scale, as logarithms",
        |e| hurst(e, &e.reference),
    ),
    metric(
        "hurst_dec",
        "Hurst exponent, decoded",
        Property,
        "1 and half the slope of the variance of the packet rate over the scale, as logarithms",
        |e| hurst(e, &e.decoded),
    ),
    metric(
        "flow_switch_rate_ref",
        "Flow-switch rate, reference",
        Property,
        "share of adjacent packets whose session changes",
        |e| e.reference.interleaving.switch_rate().ok_or(FEW_PACKETS),
    ),
    metric(
        "flow_switch_rate_dec",
        "Flow-switch rate, decoded",
        Property,
        "share of adjacent packets whose session changes",
        |e| e.decoded.interleaving.switch_rate().ok_or(FEW_PACKETS),
    ),
    metric(
        "run_length_mean_ref",
        "Run length, reference: mean",
        Property,
        "packets in a row that belong to one session",
        |e| run_mean(&e.reference),
    ),
    metric(
        "run_length_mean_dec",
        "Run length, decoded: mean",
        Property,
        "packets in a row that belong to one session",
        |e| run_mean(&e.decoded),
    ),
    metric(
        "run_length_p50_ref",
        "Run length, reference: p50",
        Property,
        "their median",
        |e| run_quantile(&e.reference, 0.5),
    ),
    metric(
        "run_length_p50_dec",
        "Run length, decoded: p50",
        Property,
        "their median",
        |e| run_quantile(&e.decoded, 0.5),
    ),
    metric(
        "run_length_p90_ref",
        "Run length, reference: p90",
        Property,
        "their 90th percentile",
        |e| run_quantile(&e.reference, 0.9),
    ),
    metric(
        "run_length_p90_dec",
        "Run length, decoded: p90",
        Property,
        "their 90th percentile",
        |e| run_quantile(&e.decoded, 0.9),
    ),
    metric(
        "run_length_p99_ref",
        "Run length, reference: p99",
        Property,
        "their 99th percentile",
        |e| run_quantile(&e.reference, 0.99),
    ),
    metric(
        "run_length_p99_dec",
        "Run length, decoded: p99",
        Property,
        "their 99th percentile",
        |e| run_quantile(&e.decoded, 0.99),
    ),
    metric(
        "sessions_ref",
        "Sessions, reference",
        Property,
        "sessions",
        |e| Ok(e.reference.sessions as f64),
    ),
    metric(
        "sessions_dec",
        "Sessions, decoded",
        Property,
        "sessions",
        |e| Ok(e.decoded.sessions as f64),
    ),
    metric(
        "active_sessions_mean_ref",
        "Active sessions, reference: mean",
        Property,
        "sessions active at a time",
        |e| active_mean(&e.reference),
    ),
    metric(
        "active_sessions_mean_dec",
        "Active sessions, decoded: mean",
        Property,
        "sessions active at a time",
        |e| active_mean(&e.decoded),
    ),
    metric(
        "active_sessions_max_ref",
        "Active sessions, reference: most",
        Property,
        "most sessions active at a time",
        |e| active_max(&e.reference),
    ),
    metric(
        "active_sessions_max_dec",
        "Active sessions, decoded: most",
        Property,
        "most sessions active at a time",
        |e| active_max(&e.decoded),
    ),
    metric(
        "dispersion_ref",
        "Index of dispersion, reference",
        Property,
        "variance of the packets in a bin of time, over their mean",
        |e| dispersion(e, &e.reference),
    ),
    metric(
        "dispersion_dec",
        "Index of dispersion, decoded",
        Property,
        "variance of the packets in a bin of time, over their mean",
        |e| dispersion(e, &e.decoded),
    ),
    metric(
        "usable_suffixes_pct",
        "Usable suffixes",
        SharePercent,
        "share of pairs whose decoded capture has exactly the packets asked for, all of them valid",
        |e| {
            over_cases(e, |case| {
                case.usable.map(|usable| f64::from(u8::from(usable)))
            })
        },
    ),
    metric(
        "valid_coverage_pct",
        "Valid pkt coverage",
        SharePercent,
        "valid packets over packets asked for, mean over the pairs",
        |e| over_cases(e, |case| case.coverage),
    ),
    metric(
        "ca_iat_ms_pct",
        "CA IAT TV, ms",
        ErrorPercent,
        "`iat_ms_pct` with missing packets charged, mean over the pairs",
        |e| over_cases(e, |case| case.distances.iat_ms),
    ),
    metric(
        "ca_iat_log_pct",
        "CA IAT TV, log",
        ErrorPercent,
        "`iat_log_pct` with missing packets charged, mean over the pairs",
        |e| over_cases(e, |case| case.distances.iat_log),
    ),
    metric(
        "ca_packet_size_pct",
        "CA pkt-size TV",
        ErrorPercent,
        "`packet_size_pct` with missing packets charged, mean over the pairs",
        |e| over_cases(e, |case| case.distances.packet_size),
    ),
    metric(
        "ca_packets_per_flow_pct",
        "CA flow-pkts TV",
        ErrorPercent,
        "`packets_per_flow_pct` with missing packets charged, mean over the pairs",
        |e| over_cases(e, |case| case.distances.packets_per_session),
    ),
    metric(
        "ca_session_duration_ms_pct",
        "CA sess-dur TV, ms",
        ErrorPercent,
        "`flow_duration_ms_pct` with missing packets charged, mean over the pairs",
        |e| over_cases(e, |case| case.distances.session_duration_ms),
    ),
    metric(
        "ca_session_duration_log_pct",
        "CA sess-dur TV, log",
        ErrorPercent,
        "`flow_duration_log_pct` with missing packets charged, mean over the pairs",
        |e| over_cases(e, |case| case.distances.session_duration_log),
    ),
];

const FEW_PACKETS: &str = "a capture with fewer than two packets in scope";
const NO_SESSION: &str = "a capture without sessions";

fn percent(fraction: Option<f64>, otherwise: &'static str) -> Result<f64, &'static str> {
    fraction.map(|fraction| 100.0 * fraction).ok_or(otherwise)
}

/// Relative error |n̂ − n| / max(n, 1) in percent.
fn relative(
    evaluation: &Evaluation,
    of: fn(&TraceSummary) -> u64,
    otherwise: &'static str,
) -> Result<f64, &'static str> {
    let (reference, decoded) = (of(&evaluation.reference), of(&evaluation.decoded));
    let error = reference.abs_diff(decoded) as f64 / reference.max(1) as f64;
    percent((reference > 0 || decoded > 0).then_some(error), otherwise)
}

fn variation(
    evaluation: &Evaluation,
    of: fn(&TraceSummary) -> &Histogram,
    otherwise: &'static str,
) -> Result<f64, &'static str> {
    let (reference, decoded) = (of(&evaluation.reference), of(&evaluation.decoded));
    percent(reference.total_variation(decoded), otherwise)
}

fn tcp_events(
    evaluation: &Evaluation,
    of: fn(&TraceSummary) -> &super::EventCounts,
) -> Result<f64, &'static str> {
    let (reference, decoded) = (&evaluation.reference, &evaluation.decoded);
    let (tcp, decoded_tcp) = (reference.protocols.tcp, decoded.protocols.tcp);
    let distance = tcp_event::distance((of(reference), tcp), (of(decoded), decoded_tcp));
    // Without packets on one side there is no rate, though the formula gives one: few events would
    // then look better than wrong ones.
    percent(
        (tcp > 0 && decoded_tcp > 0).then_some(distance),
        "a capture without TCP packets",
    )
}

/// Whether the summaries count hosts.
fn hosts(evaluation: &Evaluation) -> Result<(), &'static str> {
    let counts = |summary: &TraceSummary| summary.hosts.captures == summary.captures;
    if counts(&evaluation.reference) && counts(&evaluation.decoded) {
        Ok(())
    } else {
        Err("an evaluation of a version that did not count hosts")
    }
}

/// Both summaries, if they count what older versions did not: `captures` is of how many.
fn counted(
    evaluation: &Evaluation,
    captures: fn(&TraceSummary) -> u64,
) -> Result<[&TraceSummary; 2], &'static str> {
    let summaries = [&evaluation.reference, &evaluation.decoded];
    if summaries.iter().all(|of| captures(of) == of.captures) {
        Ok(summaries)
    } else {
        Err("an evaluation of a version that did not count this")
    }
}

fn words(
    evaluation: &Evaluation,
    of: fn(&TraceSummary) -> &BTreeMap<String, u64>,
) -> Result<f64, &'static str> {
    let [reference, decoded] = counted(evaluation, |summary| summary.dynamics.captures)?;
    percent(words_variation(of(reference), of(decoded)), NO_SESSION)
}

fn hurst(evaluation: &Evaluation, of: &TraceSummary) -> Result<f64, &'static str> {
    counted(evaluation, |summary| summary.burstiness.captures)?;
    let few = "a capture whose rate varies at fewer than three scales";
    of.burstiness.hurst().ok_or(few)
}

fn run_mean(summary: &TraceSummary) -> Result<f64, &'static str> {
    let mean = summary.interleaving.run_lengths.mean();
    mean.ok_or("a capture without packets in scope")
}

fn run_quantile(summary: &TraceSummary, q: f64) -> Result<f64, &'static str> {
    let quantile = summary
        .interleaving
        .run_lengths
        .quantile(q)
        .ok_or("a capture without packets in scope")?;
    Ok(quantile as f64)
}

fn active_mean(summary: &TraceSummary) -> Result<f64, &'static str> {
    summary.timeline.mean_active_sessions().ok_or(NO_SESSION)
}

fn active_max(summary: &TraceSummary) -> Result<f64, &'static str> {
    let most = summary.timeline.max_active_sessions().ok_or(NO_SESSION)?;
    Ok(most as f64)
}

/// Dispersion at the coarser timeline's resolution, so that both numbers are of equal bins.
fn dispersion(evaluation: &Evaluation, of: &TraceSummary) -> Result<f64, &'static str> {
    let timelines = [&evaluation.reference, &evaluation.decoded].map(|summary| &summary.timeline);
    let width = timelines
        .map(|timeline| timeline.width_ns())
        .into_iter()
        .max();
    let dispersion = width
        .and_then(|width| of.timeline.dispersion(width))
        .filter(|_| of.packets > 1);
    dispersion.ok_or(FEW_PACKETS)
}

/// Mean over the cases that have a number, in percent.
fn over_cases(evaluation: &Evaluation, of: fn(&Case) -> Option<f64>) -> Result<f64, &'static str> {
    let values: Vec<f64> = evaluation.cases.iter().filter_map(of).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    percent(
        (!values.is_empty()).then_some(mean),
        "no pair of captures has this number",
    )
}
