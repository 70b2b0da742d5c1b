//! Whether programs name the application of each flow again, if payload is shaped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use tracecodec::action::Proto;
use tracecodec::flow::session::Sessions;
use tracecodec::pcap::{Format, LinkType, Packet, Timestamp, Writer};
use tracecodec::service::{self, Service};
use tracecodec::wire::{self, Headers, Transport, link};

use super::{DESCRIBED, Program};
use crate::error::Error;
use crate::monitor::Monitor;
use crate::tools::application::{Finding, JUDGES, Judge};

/// Addresses of the Ethernet headers: the destination's, then the source's.
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/// Names of the original capture, and of it with zeros in place of bytes that were not captured.
const ORIGINAL: &str = "original.pcapng";
const FILLED: &str = "filled.pcapng";

/// A judge's clock is this much coarser than a capture's, in nanoseconds.
const TICK: i64 = 1_000_000;

/// What the judges say of the flows of table services in one capture.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Applications {
    /// Flows with payload, by service and protocol, such as `https/tcp`.
    pub services: BTreeMap<String, ServiceFlows>,
    /// Packets that a judge calls malformed.
    pub malformed: Malformed,
    /// The first flows of each judge and service whose application was lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostApplication>,
    /// Judges that failed, with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<&'static str, String>,
}

/// Flows of a service.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ServiceFlows {
    /// Flows with payload.
    pub flows: u64,
    /// Flows that a judge named, by judge.
    pub judges: BTreeMap<&'static str, Kept>,
}

impl ServiceFlows {
    /// Adds flows of other captures or services.
    pub fn add(&mut self, other: &Self) {
        self.flows += other.flows;
        for (judge, kept) in &other.judges {
            let sum = self.judges.entry(judge).or_default();
            sum.flows += kept.flows;
            sum.kept += kept.kept;
        }
    }
}

/// Flows to which a judge gives the application of their service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Flows that have it in the original capture.
    pub flows: u64,
    /// Of these, flows that have the same application in the decoded capture.
    pub kept: u64,
}

/// Malformed packets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Malformed {
    /// Packets of the original capture.
    pub original: u64,
    /// Packets of the decoded capture.
    pub decoded: u64,
    /// The first of the decoded capture, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<String>,
}

impl Malformed {
    fn add(&mut self, other: Self) {
        self.original += other.original;
        self.decoded += other.decoded;
        self.first.extend(other.first);
    }
}

/// A flow whose application was lost.
#[derive(Debug, Clone, Serialize)]
pub struct LostApplication {
    /// Name of the judge.
    pub judge: &'static str,
    /// Service and protocol.
    pub service: String,
    /// Endpoints in the original capture, the sender of the first packet first.
    pub original: [SocketAddr; 2],
    /// Endpoints in the decoded capture, the sender of the first packet first.
    pub decoded: [SocketAddr; 2],
    /// Time of the first packet, in seconds since 1970.
    pub time: f64,
    /// Names that the judge has for the flow in the original capture.
    pub was: Vec<String>,
    /// Names that it has for the flow in the decoded capture.
    pub became: Vec<String>,
}

/// A flow in the original capture and its image.
struct Flow {
    /// Service of the responder's port, or else of the opener's.
    service: Option<Service>,
    proto: Proto,
    has_payload: bool,
    start: Timestamp,
    /// Endpoints in the original and the decoded capture, the sender of the first packet first.
    endpoints: [[SocketAddr; 2]; 2],
}

/// Both captures of the packets in scope, and their flows.
pub(super) struct Pair<'a> {
    folder: &'a Path,
    original: Writer,
    /// The original capture with zeros in place of bytes that were not captured, for judges that
    /// leave out packets that were cut.
    filled: Writer,
    sessions: Sessions,
    flows: Vec<Flow>,
    /// Flow of each packet.
    members: Vec<usize>,
}

/// Names of each flow.
type Names = Vec<BTreeSet<String>>;

impl<'a> Pair<'a> {
    /// Begins the original capture in a folder.
    pub(super) fn create(folder: &'a Path) -> Result<Self, Error> {
        let begin = |name| {
            let path = folder.join(name);
            Writer::create(&path, Format::of_path(&path))
        };
        Ok(Self {
            folder,
            original: begin(ORIGINAL)?,
            filled: begin(FILLED)?,
            sessions: Sessions::new(),
            flows: Vec::new(),
            members: Vec::new(),
        })
    }

    /// Takes a packet in scope, and what became of it.
    pub(super) fn add(&mut self, packet: &Packet<'_>, decoded: &Packet<'_>) -> Result<(), Error> {
        self.write(packet)?;
        let (Ok(before), Ok(after)) = (wire::parse(packet), wire::parse(decoded)) else {
            // The proof finds it. Numbers of packets must still agree.
            self.members.push(usize::MAX);
            return Ok(());
        };
        let member = self.sessions.observe(&before, packet.time);
        let id = member.id as usize;
        if member.starts {
            self.flows.push(Flow::open(&before, &after, packet.time));
        }
        self.flows[id].has_payload |= before.payload_len > 0;
        self.members.push(id);
        Ok(())
    }

    /// Writes a packet behind an Ethernet header, as the decoded ones are: few programs read
    /// captures with several link types.
    fn write(&mut self, packet: &Packet<'_>) -> Result<(), Error> {
        let place = link::find_ip(packet.link, packet.data);
        let ip = place.map_or(packet.data, |place| &packet.data[place.offset..]);
        let header = packet.data.len() - ip.len();
        let ether_type: u16 = if ip.first().is_some_and(|first| first >> 4 == 6) {
            0x86DD
        } else {
            0x0800
        };
        let mut data = [&MACS, &ether_type.to_be_bytes()[..], ip].concat();
        let wire_len = packet.wire_len.saturating_sub(header as u32);
        let wire_len = wire_len + (data.len() - ip.len()) as u32;
        let frame = Packet {
            time: packet.time,
            link: LinkType::ETHERNET,
            wire_len,
            ..Packet::default()
        };
        self.original.write(&Packet {
            data: &data,
            ..frame
        })?;
        data.resize(data.len().max(wire_len as usize), 0);
        Ok(self.filled.write(&Packet {
            data: &data,
            ..frame
        })?)
    }

    /// Asks the judges that are installed about both captures.
    pub(super) fn judge(
        self,
        decoded: &Path,
        judges: &[Program],
        monitor: &mut dyn Monitor,
    ) -> Result<Applications, Error> {
        let Self {
            folder,
            original,
            filled,
            flows,
            members,
            ..
        } = self;
        original.finish()?;
        filled.finish()?;
        let mut found = Applications::default();
        for flow in &flows {
            if let Some(service) = flow.judged() {
                let label = label(service, flow.proto);
                found.services.entry(label).or_default().flows += 1;
            }
        }
        if found.services.is_empty() {
            return Ok(found);
        }
        let installed = JUDGES.iter().zip(judges);
        let installed = installed.filter(|(_, program)| program.version.is_some());
        for (judge, _) in installed {
            let original = if judge.needs_all_bytes {
                FILLED
            } else {
                ORIGINAL
            };
            let paths = [&folder.join(original), decoded];
            match ask(judge, paths, &flows, &members, monitor) {
                Ok((names, malformed)) => {
                    found.compare(judge, &flows, &names);
                    found.malformed.add(malformed);
                }
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(error) => {
                    found.failed.insert(judge.name, error.to_string());
                }
            }
        }
        Ok(found)
    }
}

/// The names of a judge for each flow in both captures, and the malformed packets.
fn ask(
    judge: &Judge,
    paths: [&Path; 2],
    flows: &[Flow],
    members: &[usize],
    monitor: &mut dyn Monitor,
) -> Result<([Names; 2], Malformed), Error> {
    let mut malformed = Malformed::default();
    let mut names = [Names::new(), Names::new()];
    for side in 0..2 {
        let mut answers = Answers::new(flows, side);
        judge.judge(paths[side], monitor, |finding| match finding {
            Finding::Malformed(..) if side == 0 => malformed.original += 1,
            Finding::Malformed(number, protocols) => {
                malformed.decoded += 1;
                if malformed.decoded <= DESCRIBED {
                    let finding = format!("output packet {number} is malformed: {protocols}");
                    malformed.first.push(finding);
                }
            }
            Finding::Packet(number, name) => {
                let place = usize::try_from(number - 1).ok();
                let flow = place.and_then(|place| members.get(place));
                if let Some(&flow) = flow {
                    answers.name(flow, name);
                }
            }
            Finding::Flow(proto, endpoints, first, name) => {
                answers.name_flow(proto, endpoints, first, name);
            }
        })?;
        names[side] = answers.finish();
    }
    Ok((names, malformed))
}

impl Flow {
    fn open(before: &Headers<'_>, after: &Headers<'_>, start: Timestamp) -> Self {
        let proto = before.transport.proto();
        let endpoints = endpoints(before);
        let [opener, responder] = endpoints.map(|end| service::of(proto, end.port()));
        Self {
            service: responder.or(opener),
            proto,
            has_payload: false,
            start,
            endpoints: [endpoints, self::endpoints(after)],
        }
    }

    /// The service of a flow with payload.
    fn judged(&self) -> Option<Service> {
        self.service.filter(|_| self.has_payload)
    }
}

/// Source and destination, with ports if the protocol has any.
fn endpoints(headers: &Headers<'_>) -> [SocketAddr; 2] {
    let (source, destination) = match headers.transport {
        Transport::Tcp(tcp) => (tcp.source_port, tcp.destination_port),
        Transport::Udp {
            source_port,
            destination_port,
        } => (source_port, destination_port),
        Transport::Icmp(_) | Transport::Other(_) => (0, 0),
    };
    [
        SocketAddr::new(headers.source, source),
        SocketAddr::new(headers.destination, destination),
    ]
}

/// A five-tuple without direction.
fn key(proto: Proto, mut endpoints: [SocketAddr; 2]) -> (Proto, [SocketAddr; 2]) {
    endpoints.sort_unstable();
    (proto, endpoints)
}

/// Row of the tables.
fn label(service: Service, proto: Proto) -> String {
    let proto = if proto == Proto::Tcp { "tcp" } else { "udp" };
    format!("{}/{proto}", service.name())
}

/// The names that a judge gives the flows of one capture.
struct Answers<'a> {
    flows: &'a [Flow],
    /// Flows of each five-tuple in order of their starts.
    by_key: HashMap<(Proto, [SocketAddr; 2]), Vec<usize>>,
    /// The flow before each flow between its endpoints.
    before: Vec<Option<usize>>,
    names: Names,
}

impl<'a> Answers<'a> {
    fn new(flows: &'a [Flow], side: usize) -> Self {
        let mut by_key: HashMap<_, Vec<usize>> = HashMap::new();
        let mut before = Vec::new();
        for (index, flow) in flows.iter().enumerate() {
            let key = key(flow.proto, flow.endpoints[side]);
            let between = by_key.entry(key).or_default();
            before.push(between.last().copied());
            between.push(index);
        }
        Self {
            flows,
            by_key,
            before,
            names: vec![BTreeSet::new(); flows.len()],
        }
    }

    fn name(&mut self, flow: usize, name: &str) {
        if let Some(names) = self.names.get_mut(flow)
            && !names.contains(name)
        {
            names.insert(name.to_string());
        }
    }

    /// Names the flow between the endpoints that starts latest before this time, or all of them.
    fn name_flow(
        &mut self,
        proto: Proto,
        endpoints: [SocketAddr; 2],
        first: Option<Timestamp>,
        name: &str,
    ) {
        let Some(flows) = self.by_key.get(&key(proto, endpoints)) else {
            return;
        };
        let named = match first {
            Some(first) => {
                let starts = |&flow: &usize| first.since(self.flows[flow].start) >= -TICK;
                let place = flows.partition_point(starts).saturating_sub(1);
                vec![flows[place]]
            }
            None => flows.clone(),
        };
        for flow in named {
            self.name(flow, name);
        }
    }

    /// The names. A flow without any has those of the flow before it between its endpoints: a judge
    /// may take several for one.
    fn finish(mut self) -> Names {
        for (index, before) in self.before.iter().enumerate() {
            if let (true, Some(before)) = (self.names[index].is_empty(), *before) {
                self.names[index] = self.names[before].clone();
            }
        }
        self.names
    }
}

impl Applications {
    /// Counts the flows to which the judge gives the application of their service.
    fn compare(&mut self, judge: &Judge, flows: &[Flow], names: &[Names; 2]) {
        let mut losses: BTreeMap<String, u64> = BTreeMap::new();
        for (index, flow) in flows.iter().enumerate() {
            let Some(service) = flow.judged() else {
                continue;
            };
            let [was, became] = [&names[0][index], &names[1][index]];
            let mut fitting = (judge.names)(service.name())
                .iter()
                .filter(|name| was.contains(**name))
                .peekable();
            if fitting.peek().is_none() {
                continue;
            }
            let is_kept = fitting.any(|name| became.contains(*name));
            let label = label(service, flow.proto);
            let row = self.services.entry(label.clone()).or_default();
            let kept = row.judges.entry(judge.name).or_default();
            kept.flows += 1;
            kept.kept += u64::from(is_kept);
            if is_kept {
                continue;
            }
            let lost = losses.entry(label.clone()).or_default();
            *lost += 1;
            if *lost <= DESCRIBED {
                self.lost.push(LostApplication {
                    judge: judge.name,
                    service: label,
                    original: flow.endpoints[0],
                    decoded: flow.endpoints[1],
                    time: flow.start.seconds() as f64 + f64::from(flow.start.subsec_nanos()) / 1e9,
                    was: was.iter().cloned().collect(),
                    became: became.iter().cloned().collect(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;
    use crate::run::verify::{Config, Outcome, run};

    /// An HTTPS flow that starts at a second, between endpoints that all share.
    fn flow(start: i64) -> Flow {
        let end = |text: &str| text.parse().unwrap();
        Flow {
            service: service::of(Proto::Tcp, 443),
            proto: Proto::Tcp,
            has_payload: true,
            start: Timestamp::new(start, 500_000),
            endpoints: [
                [end("10.0.0.1:5000"), end("10.0.0.2:443")],
                [end("10.9.0.1:6000"), end("10.9.0.2:443")],
            ],
        }
    }

    fn names(flows: &[Flow], findings: &[(Option<i64>, &str)]) -> Vec<String> {
        let mut answers = Answers::new(flows, 1);
        for &(second, name) in findings {
            let [opener, responder] = flows[0].endpoints[1];
            let first = second.map(|second| Timestamp::new(second, 0));
            answers.name_flow(Proto::Tcp, [responder, opener], first, name);
        }
        let joined = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        answers.finish().iter().map(joined).collect()
    }

    #[test]
    fn test_a_name_belongs_to_the_flow_that_starts_latest_before_it() {
        let flows = [flow(0), flow(100), flow(200)];
        let each = [(Some(0), "TLS"), (Some(100), "SSH"), (Some(200), "DNS")];
        assert_eq!(names(&flows, &each), ["TLS", "SSH", "DNS"]);
        let parts = [(Some(0), "TLS"), (Some(50), "HTTP"), (Some(100), "SSH")];
        assert_eq!(names(&flows, &parts), ["HTTP TLS", "SSH", "SSH"]);
        let one = [(Some(0), "TLS")];
        assert_eq!(
            names(&flows, &one),
            ["TLS"; 3],
            "a judge may take them for one"
        );
        assert_eq!(names(&flows, &[(None, "https")]), ["https"; 3]);
        assert_eq!(names(&flows, &[]), [""; 3]);
    }

    #[test]
    fn test_an_application_is_kept_if_it_is_named_again() {
        let sets = |names: [&str; 4]| -> Names {
            let set = |names: &str| names.split_whitespace().map(String::from).collect();
            names.into_iter().map(set).collect()
        };
        let before = sets(["tls", "tls x509", "ssh", ""]);
        let after = sets(["tls", "data", "tls", "tls"]);
        let flows = [flow(0), flow(1), flow(2), flow(3)];
        let mut found = Applications::default();
        found.compare(&JUDGES[0], &flows, &[before, after]);
        let kept = found.services["https/tcp"].judges["tshark"];
        assert_eq!(kept, Kept { flows: 2, kept: 1 });
        let [lost] = &found.lost[..] else {
            panic!("one flow lost its application");
        };
        assert_eq!(lost.decoded, flows[1].endpoints[1]);
        assert_eq!(
            (lost.was.len(), &lost.became[..]),
            (2, &["data".to_string()][..])
        );
    }

    /// A datagram between a client and a name server.
    fn datagram(from_client: bool, payload: &[u8]) -> Vec<u8> {
        let length = |len: usize| (len as u16).to_be_bytes();
        let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let ports = [50_000_u16.to_be_bytes(), 53_u16.to_be_bytes()];
        let mut ends = [(client, ports[0]), (server, ports[1])];
        if !from_client {
            ends.reverse();
        }
        let [(source, source_port), (destination, destination_port)] = ends;
        [
            &[0x45, 0][..],
            &length(28 + payload.len()),
            &[0, 0, 0, 0, 64, 17, 0, 0],
            &source,
            &destination,
            &source_port,
            &destination_port,
            &length(8 + payload.len()),
            &[0, 0],
            payload,
        ]
        .concat()
    }

    /// What the judges say of a question and its answer, captured without a link layer.
    fn verify_dns() -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dns.pcap");
        let name = b"\x03www\x07example\x00\x00\x01\x00\x01";
        let question = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &name[..]].concat();
        let answer = [
            &[0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0],
            &name[..],
            &[0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1],
        ]
        .concat();
        let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
        for (second, from_client, payload) in [(1, true, question), (2, false, answer)] {
            let data = datagram(from_client, &payload);
            let packet = Packet {
                time: Timestamp::new(second, 0),
                link: LinkType::RAW,
                wire_len: data.len() as u32,
                data: &data,
                ..Packet::default()
            };
            writer.write(&packet).unwrap();
        }
        writer.finish().unwrap();
        let config = Config {
            inputs: vec![path],
            applications: true,
            ..Config::default()
        };
        run(&config, &mut Silent).unwrap()
    }

    #[test]
    fn test_installed_programs_judge_a_question_and_its_answer() {
        let outcome = verify_dns();
        assert!(outcome.is_clean(), "{:?}", outcome.captures);
        let found = outcome.captures[0].applications.as_ref().unwrap();
        assert!(found.failed.is_empty(), "{found:?}");
        assert_eq!(found.services["dns/udp"].flows, 1);
        for program in &outcome.judges {
            if program.version.is_none() {
                eprintln!("skipped: {} is not installed", program.name);
                continue;
            }
            let kept = found.services["dns/udp"].judges.get(program.name);
            assert_eq!(kept, Some(&Kept { flows: 1, kept: 1 }), "{found:?}");
        }
    }
}
