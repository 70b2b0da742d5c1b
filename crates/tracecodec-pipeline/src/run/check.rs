//! `check`: errors in captures that analysers would reject, and oddities that they would report.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::check::{Checker, Cleanliness, Severity};
use tracecodec::pcap::{self, Compression};
use tracecodec::select::Selection;

use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::{ReadPolicy, claim, folder};
use crate::jobs;
use crate::monitor::{Monitor, Progress};
use crate::tools::{Opinion, TOOLS, Verdict, copy, temporary_folder};

/// Captures to check, and how they are read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Captures, or folders of captures; `-` is stdin.
    pub inputs: Vec<PathBuf>,
    /// Run other programs on the captures, too, as far as they are installed: tshark, capinfos,
    /// tcpdump, tcpprep, zeek and suricata.
    #[serde(default)]
    pub tools: bool,
    /// Report damage in a capture, but do not count it as an error. A file that is no capture is
    /// always an error.
    #[serde(default)]
    pub lenient: bool,
    /// Number of captures that are checked at once; 0: as many as there are cores.
    #[serde(default)]
    pub jobs: usize,
    /// Which packets are read.
    #[serde(flatten)]
    pub selection: Selection,
}

/// Faults of all captures, as JSON the output of `check`.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Whether there is no error, no complaint, no damage that counts, and no file that is no
    /// capture.
    clean: bool,
    /// Number of files that could not be opened as captures.
    pub unreadable: u64,
    /// Other programs by name, with the first line of their version; `None` for one that is not
    /// installed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<&'static str, Option<String>>,
    /// Results of the captures in the order of the inputs, sorted within folders.
    pub captures: Vec<CaptureCheck>,
    /// Error of an input that is no capture, or of the first file if no file is one; the results of
    /// the other captures are kept.
    #[serde(skip)]
    pub failure: Option<Error>,
}

/// Faults of one capture.
#[derive(Debug, Serialize)]
pub struct CaptureCheck {
    /// Path of the capture.
    pub capture: String,
    /// Number of packets read.
    pub packets: u64,
    /// Number of packets with an error.
    pub with_errors: u64,
    /// Number of errors: a packet counts once for each kind.
    pub errors: u64,
    /// Number of notes: a packet counts once for each kind.
    pub notes: u64,
    /// Number of packets that were not judged, or by their IP header only, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Kinds of fault that the capture has, with their counts.
    pub faults: Vec<FaultCount>,
    /// Damage that ended the reading of the capture; `None` if it was read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Error with which the file could not be opened as a capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Opinions of other programs on the capture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Opinion>,
    /// The error behind `unreadable`.
    #[serde(skip)]
    error: Option<Error>,
}

/// All faults of one kind.
#[derive(Debug, Serialize)]
pub struct FaultCount {
    /// Name of the kind of fault.
    pub fault: &'static str,
    /// Severity: `error` or `note`.
    pub severity: &'static str,
    /// Description of the kind of fault in words.
    pub meaning: String,
    /// Number of packets that have the fault.
    pub count: u64,
    /// Numbers of the first packets that have the fault, counted from 1.
    pub first: Vec<u64>,
}

/// Judges every packet of captures.
///
/// # Errors
/// If an input is not there, the only file is no capture, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    claim::stdin_once(&config.inputs)?;
    let paths = folder::below(&config.inputs)?;
    let mut tools = BTreeMap::new();
    if config.tools {
        for path in &paths {
            claim::named_file(path, "a capture that other programs read")?;
        }
        tools.extend(TOOLS.iter().map(|tool| (tool.name, tool.version())));
    }
    let mut captures = jobs::each(
        &paths,
        config.jobs,
        "checking captures",
        monitor,
        |path, monitor| check(config, path, &tools, monitor),
    )?;
    let mut failure = take_failure(&config.inputs, &paths, &mut captures);
    // If there is a single file, its error is the whole result.
    if let Some(error) = failure.take_if(|_| captures.len() == 1) {
        return Err(error);
    }
    let unreadable = captures.iter().filter(|check| check.unreadable.is_some());
    Ok(Outcome {
        clean: captures.iter().all(|check| check.is_clean(config.lenient)),
        unreadable: unreadable.count() as u64,
        tools,
        captures,
        failure,
    })
}

impl Outcome {
    /// Whether there is no error, no complaint, no damage that counts, and no file that is no
    /// capture.
    pub fn is_clean(&self) -> bool {
        self.clean
    }
}

impl CaptureCheck {
    fn new(path: &Path, found: &Cleanliness) -> Self {
        let faults = found.findings.iter().map(|finding| FaultCount {
            fault: finding.fault.name(),
            severity: finding.fault.severity().name(),
            meaning: finding.fault.to_string(),
            count: finding.count,
            first: finding.first().to_vec(),
        });
        Self {
            capture: path.display().to_string(),
            packets: found.packets,
            with_errors: found.with_errors,
            errors: found.count(Severity::Error),
            notes: found.count(Severity::Note),
            skipped: found
                .skipped
                .iter()
                .map(|(reason, count)| (reason.name(), *count))
                .collect(),
            faults: faults.collect(),
            damage: None,
            unreadable: None,
            tools: Vec::new(),
            error: None,
        }
    }

    /// Result for a file that is no capture.
    fn unreadable(path: &Path, error: Error) -> Self {
        Self {
            unreadable: Some(error.to_string()),
            error: Some(error),
            ..Self::new(path, &Checker::new().finish())
        }
    }

    fn is_clean(&self, lenient: bool) -> bool {
        let has_complaints = self
            .tools
            .iter()
            .any(|opinion| opinion.verdict == Verdict::Complaints);
        let is_whole = self.unreadable.is_none() && (lenient || self.damage.is_none());
        self.errors == 0 && !has_complaints && is_whole
    }
}

/// Takes the error of the first input that is no capture; if no file is a capture, that of the
/// first file.
fn take_failure(
    named: &[PathBuf],
    paths: &[PathBuf],
    checks: &mut [CaptureCheck],
) -> Option<Error> {
    let has_captures = checks.iter().any(|check| check.error.is_none());
    paths
        .iter()
        .zip(checks)
        .filter(|(path, _)| !has_captures || named.contains(path))
        .find_map(|(_, check)| check.error.take())
}

/// Checks one capture. Damage is reported in the result and is no `Err`.
fn check(
    config: &Config,
    path: &Path,
    tools: &BTreeMap<&'static str, Option<String>>,
    monitor: &mut dyn Monitor,
) -> Result<CaptureCheck, Error> {
    let mut capture = match Capture::open(path, &ReadPolicy::of(&config.selection)) {
        Ok(capture) => capture,
        Err(error) => return Ok(CaptureCheck::unreadable(path, error)),
    };
    let mut checker = Checker::new();
    let read = capture.for_each(monitor, |packet| {
        checker.observe(packet);
        Ok(())
    });
    let damage = match read {
        Ok(()) => None,
        Err(error) if error.is_damage() => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    let mut check = CaptureCheck {
        damage,
        ..CaptureCheck::new(path, &checker.finish())
    };
    if !tools.is_empty() {
        let folder = temporary_folder()?;
        let compression = capture.format().compression;
        let plain = plain(config, path, compression, folder.path(), monitor)?;
        let opinions = TOOLS.iter().map(|tool| match tools.get(tool.name) {
            Some(Some(_)) => tool.judge(&plain, monitor),
            _ => Ok(tool.absent()),
        });
        check.tools = opinions.collect::<Result<_, _>>()?;
    }
    Ok(check)
}

/// Path of the file that other programs read: the capture itself, or an uncompressed copy of its
/// selected packets.
fn plain(
    config: &Config,
    path: &Path,
    compression: Compression,
    folder: &Path,
    monitor: &mut dyn Monitor,
) -> Result<PathBuf, Error> {
    let plain = folder.join("plain.pcapng");
    if !config.selection.is_everything() {
        let policy = ReadPolicy::of(&config.selection);
        copy(path, &policy, false, &plain, monitor)?;
    } else if compression != Compression::None {
        decompress(path, &plain, monitor)?;
    } else {
        return fs::canonicalize(path).map_err(|error| Error::io("cannot read", path, error));
    }
    Ok(plain)
}

/// Writes an uncompressed copy of a capture. Damage, which was reported before, ends the copy.
fn decompress(path: &Path, plain: &Path, monitor: &mut dyn Monitor) -> Result<(), Error> {
    let stored = File::open(path).map_err(|error| Error::io("cannot read", path, error))?;
    let mut output = Plain {
        file: File::create(plain).map_err(|error| Error::io("cannot write", plain, error))?,
        stop: Ok(()),
        monitor,
    };
    let _ = pcap::decompress(stored, &mut output);
    output.stop
}

/// Writer of the uncompressed copy, which fails once the monitor stops the run.
struct Plain<'a> {
    file: File,
    stop: Result<(), Error>,
    monitor: &'a mut dyn Monitor,
}

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop = self.monitor.step(&Progress {
            stage: "decompressing",
            ..Progress::default()
        });
        if self.stop.is_err() {
            return Err(io::ErrorKind::Other.into());
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use tracecodec::pcap::{Format, LinkType, Packet, Timestamp, Writer};

    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};
    use crate::tools::Opinion;

    fn check(inputs: &[PathBuf], tools: bool) -> Outcome {
        let config = Config {
            inputs: inputs.to_vec(),
            tools,
            ..Config::default()
        };
        run(&config, &mut Silent).unwrap()
    }

    #[test]
    fn test_a_wrong_checksum_and_damage_are_unclean() {
        let folder = tempfile::tempdir().unwrap();
        let example = data("example.pcap");
        let mut bytes = fs::read(&example).unwrap();
        let (bad, cut) = (
            folder.path().join("bad.pcap"),
            folder.path().join("cut.pcap"),
        );
        fs::write(&cut, &bytes[..10_000]).unwrap();
        // The first packet's time to live, behind the file header and the record header.
        bytes[24 + 16 + 8] ^= 1;
        fs::write(&bad, &bytes).unwrap();
        let outcome = check(&[example.clone(), bad, cut.clone()], false);
        let errors: Vec<_> = outcome.captures.iter().map(|check| check.errors).collect();
        assert_eq!((outcome.is_clean(), errors), (false, vec![0, 1, 0]));
        assert_eq!(outcome.captures[1].faults[0].first, [1]);
        assert!(outcome.captures[2].damage.is_some());
        assert!(!check(std::slice::from_ref(&cut), false).is_clean());
        assert!(check(&[example], false).is_clean());
        let lenient = Config {
            inputs: vec![cut],
            lenient: true,
            ..Config::default()
        };
        assert!(run(&lenient, &mut Silent).unwrap().is_clean());
    }

    /// An IPv4 header of protocol 41 (IPv6 in IPv4) without options and without payload.
    const TUNNEL: [u8; 20] = [
        0x45, 0, 0, 124, 0, 0, 0x40, 0, 255, 41, 0x54, 0x5f, 10, 15, 122, 235, 10, 169, 151, 86,
    ];

    fn write(path: &Path, frames: &[[u8; 20]]) {
        let mut writer = Writer::create(path, Format::of_path(path)).unwrap();
        for data in frames {
            let packet = Packet {
                time: Timestamp(0),
                link: LinkType::RAW,
                wire_len: 124,
                data,
                ..Packet::default()
            };
            writer.write(&packet).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn test_other_programs_judge_the_selection_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.pcap.gz");
        let mut bad = TUNNEL;
        bad[8] ^= 1;
        write(&path, &[bad, TUNNEL]);
        let mut config = Config {
            inputs: vec![path],
            tools: true,
            ..Config::default()
        };
        let whole = run(&config, &mut Silent).unwrap();
        config.selection.skip = 1;
        let selected = run(&config, &mut Silent).unwrap();
        let verdict = |outcome: &Outcome, tool: &str| {
            let mut opinions = outcome.captures[0].tools.iter();
            opinions
                .find(|opinion| opinion.tool == tool)
                .unwrap()
                .verdict
        };
        assert_eq!((whole.is_clean(), selected.is_clean()), (false, true));
        for tool in ["tshark", "tcpdump"] {
            if whole.tools[tool].is_none() {
                eprintln!("skipped: {tool} is not installed");
                continue;
            }
            assert_eq!(verdict(&whole, tool), Verdict::Complaints, "{tool}");
            assert_eq!(verdict(&selected, tool), Verdict::Clean, "{tool}");
        }
    }

    #[test]
    fn test_what_is_no_capture_fails_if_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        fs::write(&text, "Dear diary,\n".repeat(20)).unwrap();
        fs::copy(data("example.pcap"), folder.path().join("a.pcap")).unwrap();
        let within = check(&[folder.path().to_path_buf()], false);
        assert!(within.failure.is_none() && within.unreadable == 1 && !within.is_clean());
        let named = check(&[data("example.pcap"), text], false);
        assert!(named.failure.is_some());
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

    #[test]
    fn test_a_tunnel_without_its_inner_packet_is_no_complaint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("6in4.pcap");
        write(&path, &[TUNNEL]);
        let outcome = check(&[path], true);
        assert!(outcome.is_clean());
        if outcome.tools["tcpdump"].is_none() {
            eprintln!("skipped: tcpdump is not installed");
            return;
        }
        let mut opinions = outcome.captures[0].tools.iter();
        let is_tcpdump = |opinion: &&Opinion| opinion.tool == "tcpdump";
        let remarks = &opinions.find(is_tcpdump).unwrap().remarks;
        assert!(remarks[0].contains("1 packets of tunnels"), "{remarks:?}");
    }
}
