//! `verify`: the proof that lift and compile lose nothing, on any number of captures.

mod applications;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::action::{ActionSchema, Hosts, Services};
use tracecodec::compile::{CompileConfig, PayloadPolicy};
use tracecodec::oracle::Proof;
use tracecodec::pcap::{Format, Writer};

pub use applications::{Applications, Kept, LostApplication, Malformed, ServiceFlows};

use applications::Pair;

use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::{ReadPolicy, claim, folder};
use crate::jobs;
use crate::monitor::Monitor;
use crate::tools::application::JUDGES;
use crate::tools::{TOOLS, Verdict, copy, has_no_length, temporary_folder, tshark};

/// Number of findings of one kind that are described for a capture; further ones are only counted.
const DESCRIBED: u64 = 3;

/// What to verify.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Captures, or folders of captures.
    pub inputs: Vec<PathBuf>,
    /// Compare TCP events, and check the output, with tshark.
    #[serde(default)]
    pub tshark: bool,
    /// Run other programs on the output, too, as far as they are installed: tshark, capinfos,
    /// tcpdump, tcpprep, zeek and suricata.
    #[serde(default)]
    pub tools: bool,
    /// Shape payload, and ask programs that name applications about input and output, as far as
    /// they are installed: tshark, ndpiReader, nfstream, argus, tcptrace and nfdump.
    #[serde(default)]
    pub applications: bool,
    /// Captures at once; 0: as many as there are cores.
    #[serde(default)]
    pub jobs: usize,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// Findings of all captures.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Version of tshark, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tshark: Option<String>,
    /// Programs that judged the output, by name, with the first line of their version; `None` for
    /// one that is not installed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<&'static str, Option<String>>,
    /// Programs that name the applications of flows, if they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<Program>,
    /// The captures in the order of the inputs, sorted within folders.
    pub captures: Vec<CaptureProof>,
}

/// A program that names the applications of flows.
#[derive(Debug, Clone, Serialize)]
pub struct Program {
    /// Name of the program.
    pub name: &'static str,
    /// Its version; `None` if it is not installed.
    pub version: Option<String>,
}

/// Findings in one capture.
#[derive(Debug, Default, Serialize)]
pub struct CaptureProof {
    /// Path of the capture.
    pub capture: String,
    /// Packets read.
    pub packets: u64,
    /// Packets in scope.
    pub actions: u64,
    /// TCP packets in scope.
    pub tcp: u64,
    /// TCP packets whose options the capture cut.
    pub cut_options: u64,
    /// Packets that lost something.
    pub lost: u64,
    /// Packets that the compiler had to change to keep them legal.
    pub legalised: u64,
    /// Five-tuples that came back after their slot was given back.
    pub returns: u64,
    /// Hosts, each of which has one synthetic address throughout.
    pub hosts: u64,
    /// Flows and hosts that lost their slot because all slots were taken, and so may be split.
    pub evictions: u64,
    /// TCP packets of which tshark reports other events.
    pub event_mismatches: u64,
    /// TCP packets with events, in the input.
    pub with_events: u64,
    /// Output packets that tshark complains of.
    pub complaints: u64,
    /// TCP packets over IPv6 whose length field is 0: tshark judged the input with the length
    /// there.
    #[serde(skip_serializing_if = "is_zero")]
    pub without_length: u64,
    /// Output packets that tshark cannot read, since they are too long for the length field.
    #[serde(skip_serializing_if = "is_zero")]
    pub unread: u64,
    /// Complaints of other programs about the output: by program, then by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// What the judges of applications say, if they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applications: Option<Applications>,
    /// Why the capture could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The first findings, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// The error behind `damage`.
    #[serde(skip)]
    error: Option<Error>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Takes every packet in scope through lift and compile, and compares it with what comes out.
///
/// # Errors
/// If an input is not there, tshark cannot be run, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    claim::stdin_once(&config.inputs)?;
    let mut version = None;
    if config.tshark {
        tshark::check_input(&config.inputs, &config.read)?;
        version = Some(tshark::version()?);
    }
    let paths = folder::below(&config.inputs)?;
    let mut tools = BTreeMap::new();
    if config.tools {
        tools.extend(TOOLS.iter().map(|tool| (tool.name, tool.version())));
    }
    let mut judges = Vec::new();
    if config.applications {
        judges.extend(JUDGES.iter().map(|judge| Program {
            name: judge.name,
            version: judge.version(),
        }));
    }
    let mut captures = jobs::each(
        &paths,
        config.jobs,
        "verifying captures",
        monitor,
        |path, monitor| verify(config, path, &tools, &judges, monitor),
    )?;
    // If a single file has no packet that can be read, nothing was verified.
    if let [only] = &mut captures[..]
        && only.packets == 0
        && let Some(error) = only.error.take()
    {
        return Err(error);
    }
    Ok(Outcome {
        tshark: version,
        tools,
        judges,
        captures,
    })
}

impl Outcome {
    /// Whether nothing was lost.
    pub fn is_clean(&self) -> bool {
        self.captures.iter().all(CaptureProof::is_clean)
    }
}

impl Outcome {
    /// Flows by service in all captures, and their sum over the services.
    pub fn services(&self) -> (BTreeMap<&str, ServiceFlows>, ServiceFlows) {
        let found = self
            .captures
            .iter()
            .filter_map(|proof| proof.applications.as_ref());
        let mut services: BTreeMap<&str, ServiceFlows> = BTreeMap::new();
        let mut all = ServiceFlows::default();
        for (service, flows) in found.flat_map(|found| &found.services) {
            services.entry(service).or_default().add(flows);
            all.add(flows);
        }
        (services, all)
    }
}

impl CaptureProof {
    /// Whether nothing was lost.
    pub fn is_clean(&self) -> bool {
        let kept = self.lost + self.legalised + self.evictions == 0;
        let complaints = self.complaints + self.tool_complaints() + self.malformed();
        kept && self.event_mismatches + complaints == 0
    }

    /// Number of complaints of other programs about the output.
    pub fn tool_complaints(&self) -> u64 {
        self.tools.values().flat_map(BTreeMap::values).sum()
    }

    /// Packets of the output that a judge of applications calls malformed.
    pub fn malformed(&self) -> u64 {
        let applications = self.applications.as_ref();
        applications.map_or(0, |found| found.malformed.decoded)
    }

    /// Keeps the first findings of a kind, of which this one is number `count`.
    fn keep(&mut self, count: u64, finding: impl FnOnce() -> String) {
        if count <= DESCRIBED {
            self.findings.push(finding());
        }
    }
}

fn verify(
    config: &Config,
    path: &Path,
    tools: &BTreeMap<&'static str, Option<String>>,
    judges: &[Program],
    monitor: &mut dyn Monitor,
) -> Result<CaptureProof, Error> {
    let mut proof = CaptureProof {
        capture: path.display().to_string(),
        ..CaptureProof::default()
    };
    let folder = temporary_folder()?;
    let output = folder.path().join("oracle.pcapng");
    let copied = folder.path().join("copy.pcapng");
    let mut pair = if config.applications {
        Some(Pair::create(folder.path())?)
    } else {
        None
    };
    // Input frame number of each output packet that is TCP; 0 for others.
    let mut tcp_frames = Vec::new();
    let is_read = config.tshark || config.tools || config.applications;
    let mut outputs = Outputs {
        writer: is_read
            .then(|| Writer::create(&output, Format::of_path(&output)))
            .transpose()?,
        pair: pair.as_mut(),
        tcp_frames: &mut tcp_frames,
    };
    match prove(config, path, &mut outputs, &mut proof, monitor) {
        Err(error) if error.is_damage() => {
            proof.damage = Some(error.to_string());
            proof.error = Some(error);
        }
        proved => proved?,
    }
    if config.tshark && proof.actions > 0 {
        let mut reference = path;
        if proof.cut_options + proof.without_length > 0 || config.read.changes_file() {
            copy(path, &config.read, true, &copied, monitor)?;
            reference = &copied;
        }
        compare(reference, &output, &tcp_frames, &mut proof, monitor)?;
    }
    if proof.actions > 0 {
        judge(&output, tools, &mut proof, monitor)?;
    }
    if let Some(pair) = pair {
        let found = pair.judge(&output, judges, monitor)?;
        proof.findings.extend(found.malformed.first.iter().cloned());
        proof.applications = Some(found);
    }
    Ok(proof)
}

/// Counts what the installed programs complain of in the output.
fn judge(
    output: &Path,
    tools: &BTreeMap<&'static str, Option<String>>,
    found: &mut CaptureProof,
    monitor: &mut dyn Monitor,
) -> Result<(), Error> {
    let is_installed = |name| matches!(tools.get(name), Some(Some(_)));
    for tool in TOOLS.iter().filter(|tool| is_installed(tool.name)) {
        let opinion = tool.judge(output, monitor)?;
        let mut kinds = opinion.kinds;
        if opinion.verdict == Verdict::CouldNotRun {
            kinds.insert("could not run".to_string(), 1);
        }
        if kinds.is_empty() {
            continue;
        }
        found.tools.insert(tool.name, kinds);
        let said = opinion.remarks.into_iter().take(DESCRIBED as usize);
        let said = said.map(|remark| format!("{}: {remark}", tool.name));
        found.findings.extend(said);
    }
    Ok(())
}

/// What the proof writes for other programs.
struct Outputs<'a, 'b> {
    writer: Option<Writer>,
    pair: Option<&'a mut Pair<'b>>,
    /// Input frame number of each output packet that is TCP; 0 for others.
    tcp_frames: &'a mut Vec<u64>,
}

/// Runs the proof over a capture, up to its damage, which is then the error.
fn prove(
    config: &Config,
    path: &Path,
    outputs: &mut Outputs<'_, '_>,
    found: &mut CaptureProof,
    monitor: &mut dyn Monitor,
) -> Result<(), Error> {
    let mut capture = Capture::open(path, &config.read)?;
    // All that can be kept is kept: whoever keeps less loses nothing else.
    let mut proof = Proof::new(CompileConfig {
        schema: ActionSchema {
            hosts: Hosts::Graph,
            services: Services::Class,
            ..ActionSchema::default()
        },
        payload: if config.applications {
            PayloadPolicy::Shaped
        } else {
            PayloadPolicy::default()
        },
        ..CompileConfig::default()
    });
    let read = capture.for_each(monitor, |packet| {
        found.packets += 1;
        let Some((compiled, loss)) = proof.step(packet) else {
            return Ok(());
        };
        let tcp = tshark::tcp_header(packet);
        let is_tcp = tcp.is_some();
        found.tcp += u64::from(is_tcp);
        found.cut_options += u64::from(tcp.is_some_and(|tcp| tcp.has_cut_options()));
        found.without_length += u64::from(is_tcp && has_no_length(packet));
        let number = found.packets;
        if let Some(loss) = loss {
            found.lost += 1;
            found.keep(found.lost, || {
                format!("packet {number}: {} lost", loss.name())
            });
        }
        if let Some(writer) = &mut outputs.writer {
            writer.write(&compiled)?;
            outputs.tcp_frames.push(if is_tcp { number } else { 0 });
        }
        if let Some(pair) = &mut outputs.pair {
            pair.add(packet, &compiled)?;
        }
        Ok(())
    });
    outputs.writer.take().map(Writer::finish).transpose()?;
    found.damage = capture.damage().map(ToString::to_string);
    let counts = proof.counts();
    found.actions = counts.actions();
    found.hosts = counts.hosts;
    found.evictions = counts.evictions + counts.host_evictions;
    found.returns = proof.returns();
    found.legalised = proof.legalisations().total();
    read
}

/// Compares what tshark says of input and output. Events of headers that were not read (in tunnels,
/// in quotes of ICMP errors) do not count: only packets that were read as TCP do.
fn compare(
    input: &Path,
    output: &Path,
    tcp_frames: &[u64],
    found: &mut CaptureProof,
    monitor: &mut dyn Monitor,
) -> Result<(), Error> {
    let after = tshark::analyse(output, monitor)?;
    let before = if found.tcp > 0 {
        tshark::analyse(input, monitor)?
    } else {
        tshark::Analysis::default()
    };
    for (index, &frame) in tcp_frames.iter().enumerate() {
        let index = index as u64 + 1;
        let expected = before.events.get(&frame).copied().unwrap_or_default();
        let events = after.events.get(&index).copied().unwrap_or_default();
        found.with_events += u64::from(!expected.is_empty());
        if expected != events && frame != 0 || frame == 0 && !events.is_empty() {
            found.event_mismatches += 1;
            found.keep(found.event_mismatches, || {
                format!(
                    "packet {frame}: {:?} became {:?}",
                    tshark::names(expected),
                    tshark::names(events)
                )
            });
        }
    }
    for (index, complaint) in after.complaints {
        if tshark::cannot_read(&complaint) {
            found.unread += 1;
            continue;
        }
        found.complaints += 1;
        found.keep(found.complaints, || {
            format!("output packet {index}: {complaint}")
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};

    #[test]
    fn test_the_example_loses_nothing_up_to_its_damage() {
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.pcap");
        fs::write(&cut, &fs::read(data("example.pcap")).unwrap()[..10_000]).unwrap();
        let config = Config {
            inputs: vec![data("example.pcap"), cut],
            ..Config::default()
        };
        let outcome = run(&config, &mut Silent).unwrap();
        assert!(outcome.is_clean());
        let [whole, cut] = &outcome.captures[..] else {
            panic!("two captures");
        };
        assert_eq!((whole.packets, whole.lost, &whole.damage), (4000, 0, &None));
        assert_eq!((cut.packets, cut.damage.is_some()), (85, true));
    }

    #[test]
    fn test_anything_that_was_lost_is_unclean() {
        let clean = CaptureProof::default();
        assert!(clean.is_clean());
        let tools = BTreeMap::from([("tcpdump", BTreeMap::from([("[|tcp]".to_string(), 2)]))]);
        let judged = CaptureProof {
            tools,
            ..CaptureProof::default()
        };
        assert!(!judged.is_clean() && judged.tool_complaints() == 2);
        let mut malformed = CaptureProof {
            applications: Some(Applications::default()),
            ..CaptureProof::default()
        };
        assert!(malformed.is_clean());
        malformed.applications.as_mut().unwrap().malformed.decoded = 1;
        assert!(!malformed.is_clean());
        let unclean: [fn(&mut CaptureProof) -> &mut u64; 4] = [
            |proof| &mut proof.lost,
            |proof| &mut proof.legalised,
            |proof| &mut proof.event_mismatches,
            |proof| &mut proof.complaints,
        ];
        for field in unclean {
            let mut proof = CaptureProof::default();
            *field(&mut proof) = 1;
            assert!(!proof.is_clean());
        }
    }

    #[test]
    fn test_tools_judge_the_output() {
        let config = Config {
            inputs: vec![case("neighbor_discovery.pcap"), case("mptcp.pcap")],
            tools: true,
            ..Config::default()
        };
        let outcome = run(&config, &mut Silent).unwrap();
        assert_eq!(outcome.tools.len(), TOOLS.len());
        assert!(outcome.is_clean(), "{:?}", outcome.captures);
    }

    #[test]
    fn test_tshark_reads_the_length_of_a_segment_that_an_interface_was_to_cut() {
        if tshark::version().is_err() {
            eprintln!("skipped: tshark is not installed");
            return;
        }
        let config = Config {
            inputs: vec![case("tso_v6.pcap")],
            tshark: true,
            ..Config::default()
        };
        let outcome = run(&config, &mut Silent).unwrap();
        assert!(outcome.captures[0].without_length > 0);
        assert!(outcome.is_clean(), "{:?}", outcome.captures);
    }

    /// A capture from the tests of the symbolic crate.
    fn case(name: &str) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        folder.join("../tracecodec/tests/cases").join(name)
    }

    #[test]
    fn test_findings_are_kept_up_to_a_number() {
        let mut proof = CaptureProof::default();
        for number in 1..=5 {
            proof.keep(number, || format!("packet {number}: time lost"));
        }
        assert_eq!(proof.findings.len() as u64, DESCRIBED);
    }

    #[test]
    fn test_tshark_cannot_read_stdin_again() {
        let config = Config {
            inputs: vec!["-".into()],
            tshark: true,
            ..Config::default()
        };
        let error = run(&config, &mut Silent).unwrap_err();
        assert!(error.to_string().contains("stdin"), "{error}");
    }

    #[test]
    fn test_a_stop_is_heard_within_a_capture_and_between_captures() {
        let many = vec![data("example.pcap"), data("example.pcap")];
        for inputs in [vec![data("train/crowd.pcap.zst")], many] {
            let config = Config {
                inputs,
                ..Config::default()
            };
            let outcome = run(&config, &mut Stopping::after(1));
            assert!(matches!(outcome, Err(Error::Interrupted)));
        }
    }
}
