//! Sessions as vectors of features, by which a classifier can tell captures apart.

use crate::action::Direction;
use crate::flow::session::Sessions;
use crate::pcap::{Packet, Timestamp};
use crate::service::{self, Service};
use crate::tcp::flags::{ACK, FIN, PSH, RST, SYN, URG};
use crate::wire::{self, Headers, Transport};

/// Gaps between the first packets of a session that are features.
const GAPS: usize = 7;

/// First packets of a session whose payload is a feature.
const PAYLOADS: usize = 8;

/// First packets of a session whose window is a feature.
const WINDOWS: usize = 3;

/// First packets of a session that are kept as actions.
const ACTIONS: usize = 16;

/// TCP flags whose packets are counted.
const FLAGS: [u16; 6] = [FIN, SYN, RST, PSH, ACK, URG];

/// A feature of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFeature {
    /// Key in JSON.
    pub name: &'static str,
    /// Whether it is a length of time.
    pub is_time: bool,
    /// What it is.
    pub doc: &'static str,
}

const fn feature(name: &'static str, doc: &'static str) -> SessionFeature {
    SessionFeature {
        name,
        is_time: false,
        doc,
    }
}

const fn time(name: &'static str, doc: &'static str) -> SessionFeature {
    SessionFeature {
        name,
        is_time: true,
        doc,
    }
}

/// The features of a session, in the order of [`SessionSample::features`].
pub const SESSION_FEATURES: [SessionFeature; 34] = [
    feature("protocol", "TCP, UDP, ICMP, other: 0 to 3"),
    feature("orig_packets", "packets of the opener"),
    feature("resp_packets", "packets of the other side"),
    feature("orig_bytes", "payload bytes of the opener"),
    feature("resp_bytes", "payload bytes of the other side"),
    time("duration", "from the first packet to the last"),
    time("gap_1", "from the first packet to the second"),
    time("gap_2", "from the second packet to the third"),
    time("gap_3", "from the third packet to the fourth"),
    time("gap_4", "from the fourth packet to the fifth"),
    time("gap_5", "from the fifth packet to the sixth"),
    time("gap_6", "from the sixth packet to the seventh"),
    time("gap_7", "from the seventh packet to the eighth"),
    time("gap_mean", "mean of all gaps"),
    time("gap_largest", "largest gap"),
    time("gap_smallest", "smallest gap"),
    time("gap_deviation", "standard deviation of the gaps"),
    feature("payload_1", "signed payload of the first packet, below"),
    feature("payload_2", "signed payload of the second packet"),
    feature("payload_3", "signed payload of the third packet"),
    feature("payload_4", "signed payload of the fourth packet"),
    feature("payload_5", "signed payload of the fifth packet"),
    feature("payload_6", "signed payload of the sixth packet"),
    feature("payload_7", "signed payload of the seventh packet"),
    feature("payload_8", "signed payload of the eighth packet"),
    feature("fin", "packets with FIN"),
    feature("syn", "packets with SYN"),
    feature("rst", "packets with RST"),
    feature("psh", "packets with PSH"),
    feature("ack", "packets with ACK"),
    feature("urg", "packets with URG"),
    feature("window_1", "window of the first packet, unscaled"),
    feature("window_2", "window of the second packet"),
    feature("window_3", "window of the third packet"),
];

/// A session as a point in the space of features.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSample {
    /// Values of [`SESSION_FEATURES`]; what a session lacks, such as a second gap, is NaN.
    ///
    /// Times are seconds between whole microseconds, so that the resolution of a file is none of
    /// the features. A signed payload is the number of bytes and 1, negative if the packet is not
    /// of the opener.
    pub features: [f64; SESSION_FEATURES.len()],
    /// Service of the port that the opener sent to, or else of its own port.
    pub service: Option<Service>,
    /// The first 16 packets as actions without time: direction, protocol, TCP flags, payload bytes
    /// and window, a number each.
    pub actions: Vec<u64>,
}

/// Samples the sessions of a capture. Memory grows with the number of sessions.
#[derive(Debug, Default)]
pub struct SessionSampler {
    sessions: Sessions<Record>,
    samples: Vec<(u64, SessionSample)>,
}

/// Record of a live session.
#[derive(Debug, Default)]
struct Record {
    id: u64,
    protocol: u8,
    service: Option<Service>,
    packets: [u64; 2],
    bytes: [u64; 2],
    first: i64,
    last: i64,
    gaps: Gaps,
    payloads: Vec<f64>,
    flags: [u64; FLAGS.len()],
    windows: Vec<f64>,
    actions: Vec<u64>,
}

/// The gaps of a session, in microseconds.
#[derive(Debug, Default)]
struct Gaps {
    first: Vec<i64>,
    count: u64,
    sum: i64,
    squares: f64,
    largest: i64,
    smallest: i64,
}

impl SessionSampler {
    /// A sampler that has seen no packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next packet. Packets out of scope make no difference.
    pub fn observe(&mut self, packet: &Packet<'_>) {
        if let Ok(headers) = wire::parse(packet) {
            self.count(&headers, packet.time);
        }
    }

    fn count(&mut self, headers: &Headers<'_>, time: Timestamp) {
        let samples = &mut self.samples;
        let ended = |record: Record| samples.push((record.id, record.sample()));
        let (session, record) = self.sessions.observe_with(headers, time, ended);
        if session.starts {
            record.start(session.id, headers);
        }
        record.add(session.dir, headers, time);
    }

    /// The samples, in the order of the sessions' first packets.
    pub fn finish(self) -> Vec<SessionSample> {
        let mut samples = self.samples;
        self.sessions
            .end(|record| samples.push((record.id, record.sample())));
        samples.sort_unstable_by_key(|(id, _)| *id);
        samples.into_iter().map(|(_, sample)| sample).collect()
    }
}

impl Record {
    fn start(&mut self, id: u64, headers: &Headers<'_>) {
        self.id = id;
        let protocol = headers.transport.proto();
        self.protocol = protocol as u8;
        let ports = match headers.transport {
            Transport::Tcp(tcp) => [tcp.destination_port, tcp.source_port],
            Transport::Udp {
                source_port,
                destination_port,
            } => [destination_port, source_port],
            Transport::Icmp(_) | Transport::Other(_) => return,
        };
        self.service = ports
            .into_iter()
            .find_map(|port| service::of(protocol, port));
    }

    fn add(&mut self, dir: Direction, headers: &Headers<'_>, time: Timestamp) {
        let micros = time.0.div_euclid(1000);
        if self.packets == [0; 2] {
            self.first = micros;
        } else {
            self.gaps.add(micros - self.last);
        }
        self.last = micros;
        self.packets[dir as usize] += 1;
        self.bytes[dir as usize] += u64::from(headers.payload_len);
        if self.payloads.len() < PAYLOADS {
            let sign = if dir == Direction::Orig { 1.0 } else { -1.0 };
            self.payloads
                .push(sign * f64::from(headers.payload_len + 1));
        }
        let (flags, window) = match headers.transport {
            Transport::Tcp(tcp) => (tcp.flags, Some(tcp.window)),
            _ => (0, None),
        };
        for (count, flag) in self.flags.iter_mut().zip(FLAGS) {
            *count += u64::from(flags & flag != 0);
        }
        if self.windows.len() < WINDOWS {
            self.windows.push(window.map_or(f64::NAN, f64::from));
        }
        if self.actions.len() < ACTIONS {
            let head = u64::from(self.protocol) << 1 | dir as u64;
            let tcp = u64::from(flags) << 16 | u64::from(window.unwrap_or(0));
            self.actions
                .push(head << 60 | tcp << 32 | u64::from(headers.payload_len));
        }
    }

    fn sample(self) -> SessionSample {
        let mut features = [f64::NAN; SESSION_FEATURES.len()];
        let mut rest = features.iter_mut();
        let mut push = |values: &[f64], count: usize| {
            let places = rest.by_ref().take(count);
            for (at, place) in places.enumerate() {
                *place = values.get(at).copied().unwrap_or(f64::NAN);
            }
        };
        let seconds = |micros: i64| micros as f64 / 1e6;
        let counts = |counts: &[u64]| counts.iter().map(|n| *n as f64).collect::<Vec<_>>();
        push(&[f64::from(self.protocol)], 1);
        push(&counts(&self.packets), 2);
        push(&counts(&self.bytes), 2);
        push(&[seconds(self.last - self.first)], 1);
        let first: Vec<_> = self.gaps.first.iter().map(|gap| seconds(*gap)).collect();
        push(&first, GAPS);
        push(&self.gaps.summary(), 4);
        push(&self.payloads, PAYLOADS);
        push(&counts(&self.flags), FLAGS.len());
        push(&self.windows, WINDOWS);
        SessionSample {
            features,
            service: self.service,
            actions: self.actions,
        }
    }
}

impl Gaps {
    fn add(&mut self, gap: i64) {
        if self.first.len() < GAPS {
            self.first.push(gap);
        }
        if self.count == 0 {
            (self.largest, self.smallest) = (gap, gap);
        }
        self.count += 1;
        self.sum += gap;
        self.squares += (gap as f64).powi(2);
        self.largest = self.largest.max(gap);
        self.smallest = self.smallest.min(gap);
    }

    /// Mean, largest, smallest and standard deviation in seconds; empty without gaps.
    fn summary(&self) -> Vec<f64> {
        if self.count == 0 {
            return Vec::new();
        }
        let mean = self.sum as f64 / self.count as f64;
        let variance = (self.squares / self.count as f64 - mean * mean).max(0.0);
        let values = [
            mean,
            self.largest as f64,
            self.smallest as f64,
            variance.sqrt(),
        ];
        values.map(|micros| micros / 1e6).to_vec()
    }
}
