//! `events`: the TCP events of captures, by the native analyser, by `tshark`, or by both against
//! each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec::flow::{Conversations, CutOptions};
use tracecodec::metrics::TcpEvents;
use tracecodec::pcap::Packet;
use tracecodec::tcp::events::EventSet;
use tracecodec::wire::{self, Transport};

use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::{ReadPolicy, claim, folder};
use crate::jobs;
use crate::monitor::Monitor;
use crate::tools::tshark;

/// What to analyse, and by whom.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Captures, or folders of captures; `-` is stdin.
    pub inputs: Vec<PathBuf>,
    /// The analysers that find the events.
    #[serde(default)]
    pub analyzer: Analyzer,
    /// Count events instead of listing the packets that have some.
    #[serde(default)]
    pub counts: bool,
    /// Judge TCP packets whose options the capture cut, too; tshark gets a copy with NOPs in their
    /// place.
    #[serde(default)]
    pub judge_cut: bool,
    /// Captures at once; 0: as many as there are cores.
    #[serde(default)]
    pub jobs: usize,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// The analysers that find the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Analyzer {
    /// The native analyser.
    #[default]
    Native,
    /// tshark.
    Tshark,
    /// Both analysers, and their differences.
    Both,
}

impl Choice for Analyzer {
    const WHAT: &'static str = "analyzer";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Native, "native", "This program"),
        (Self::Tshark, "tshark", "tshark, which must be installed"),
        (Self::Both, "both", "Both, and their differences"),
    ];
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Who found the events.
    pub analyzer: Analyzer,
    /// Version of tshark, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tshark: Option<String>,
    /// The captures in the order of the inputs, sorted within folders.
    pub captures: Vec<CaptureEvents>,
    /// Why the verb fails although it analysed what could be read: a capture could not be read to
    /// its end, and was to be listed or counted. A comparison is of what both could read.
    #[serde(skip)]
    pub failure: Option<Error>,
}

/// What was found in one capture.
#[derive(Debug, Default, Serialize)]
pub struct CaptureEvents {
    /// Path of the capture.
    pub capture: String,
    /// Packets and events by kind.
    #[serde(flatten)]
    pub totals: EventTotals,
    /// Packets with events, if these are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<Vec<FrameEvents>>,
    /// Packets about which the analysers differ, if both were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatches: Option<Vec<Mismatch>>,
    /// Why the capture could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The error behind `damage`, unless the policy is lenient.
    #[serde(skip)]
    error: Option<Error>,
}

/// The totals of one or more captures.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct EventTotals {
    /// Packets read.
    pub packets: u64,
    /// Packets whose transport is TCP: that of the outermost packet, unless inner ones are read.
    pub tcp_packets: u64,
    /// TCP packets whose options the capture cut.
    pub cut_options: u64,
    /// Packets with events.
    pub with_events: u64,
    /// Packets by event, in both countings.
    #[serde(flatten)]
    pub events: TcpEvents,
}

/// A packet with events.
#[derive(Debug, Serialize)]
pub struct FrameEvents {
    /// Number of the packet among those that are read, from 1.
    pub frame: u64,
    /// Names of the events, sorted.
    pub events: Vec<&'static str>,
}

/// A packet about which the analysers differ.
#[derive(Debug, Serialize)]
pub struct Mismatch {
    /// Number of the packet among those that are read, from 1.
    pub frame: u64,
    /// Events by the native analyser.
    pub native: Vec<&'static str>,
    /// Events by tshark.
    pub tshark: Vec<&'static str>,
    /// How the packet was read: its transport, or why it is out of scope.
    pub read_as: &'static str,
}

/// Finds the TCP events of captures.
///
/// # Errors
/// If an input is not there, tshark cannot be run, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    claim::stdin_once(&config.inputs)?;
    let mut version = None;
    if config.analyzer != Analyzer::Native {
        tshark::check_input(&config.inputs, &config.read)?;
        version = Some(tshark::version()?);
    }
    let paths = folder::below(&config.inputs)?;
    let mut captures = jobs::each(
        &paths,
        config.jobs,
        "analysing captures",
        monitor,
        |path, monitor| analyse(config, path, monitor),
    )?;
    let mut failure = None;
    if config.analyzer != Analyzer::Both {
        failure = captures.iter_mut().find_map(|capture| capture.error.take());
    }
    Ok(Outcome {
        analyzer: config.analyzer,
        tshark: version,
        captures,
        failure,
    })
}

impl Outcome {
    /// Whether the analysers agree; also if only one was asked.
    pub fn is_clean(&self) -> bool {
        self.mismatches().next().is_none()
    }

    /// Packets about which the analysers differ, in all captures.
    pub fn mismatches(&self) -> impl Iterator<Item = &Mismatch> {
        self.captures
            .iter()
            .flat_map(|capture| capture.mismatches.iter().flatten())
    }

    /// The totals of all captures.
    pub fn totals(&self) -> EventTotals {
        let mut sums = EventTotals::default();
        self.captures
            .iter()
            .for_each(|capture| sums.add(&capture.totals));
        sums
    }
}

impl EventTotals {
    fn count(&mut self, events: EventSet) {
        self.with_events += u64::from(!events.is_empty());
        self.events.add(events);
    }

    /// Counts these events instead of those that were counted.
    fn recount<'a>(&mut self, events: impl Iterator<Item = &'a EventSet>) {
        *self = Self {
            with_events: 0,
            events: TcpEvents::default(),
            ..*self
        };
        events.for_each(|&events| self.count(events));
    }

    fn add(&mut self, other: &EventTotals) {
        self.packets += other.packets;
        self.tcp_packets += other.tcp_packets;
        self.cut_options += other.cut_options;
        self.with_events += other.with_events;
        self.events.merge(&other.events);
    }
}

/// Analyses one capture. Damage is part of what is found.
fn analyse(
    config: &Config,
    path: &Path,
    monitor: &mut dyn Monitor,
) -> Result<CaptureEvents, Error> {
    let mut found = CaptureEvents {
        capture: path.display().to_string(),
        ..CaptureEvents::default()
    };
    // Lines are kept, counts need none.
    let keeps = !config.counts || config.analyzer == Analyzer::Both;
    let mut native = BTreeMap::new();
    let read = Capture::open(path, &config.read).and_then(|mut capture| {
        let read = analyse_natively(
            config,
            &mut capture,
            &mut found.totals,
            monitor,
            |number, events| {
                if keeps {
                    native.insert(number, events);
                }
            },
        );
        found.damage = capture.damage().map(ToString::to_string);
        read
    });
    match read {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(error) => {
            found.damage = Some(error.to_string());
            found.error = Some(error);
        }
        Ok(()) => {}
    }
    match config.analyzer {
        Analyzer::Native => found.frames = keeps.then(|| frames(&native)),
        Analyzer::Tshark => {
            let events = ask_tshark(config, path, &found.totals, monitor)?;
            found.totals.recount(events.values());
            found.frames = keeps.then(|| frames(&events));
        }
        Analyzer::Both => {
            let events = ask_tshark(config, path, &found.totals, monitor)?;
            let policy = ReadPolicy {
                lenient: false,
                ..config.read.clone()
            };
            found.mismatches = Some(compare(path, &policy, &native, &events, monitor)?);
        }
    }
    Ok(found)
}

/// Hands each packet that has events to `flagged`, by its number.
fn analyse_natively(
    config: &Config,
    capture: &mut Capture,
    totals: &mut EventTotals,
    monitor: &mut dyn Monitor,
    mut flagged: impl FnMut(u64, EventSet),
) -> Result<(), Error> {
    let mut conversations = Conversations::new(if config.judge_cut {
        CutOptions::Judge
    } else {
        CutOptions::Skip
    });
    capture.for_each(monitor, |packet| {
        totals.packets += 1;
        let Ok(headers) = wire::parse(packet) else {
            return Ok(());
        };
        if let Transport::Tcp(tcp) = headers.transport {
            totals.tcp_packets += 1;
            totals.cut_options += u64::from(tcp.has_cut_options());
        }
        let events = conversations.observe(&headers, packet.time);
        if !events.is_empty() {
            totals.count(events);
            flagged(totals.packets, events);
        }
        Ok(())
    })
}

/// What tshark finds in what is read of a capture.
fn ask_tshark(
    config: &Config,
    path: &Path,
    totals: &EventTotals,
    monitor: &mut dyn Monitor,
) -> Result<BTreeMap<u64, EventSet>, Error> {
    let judge_cut = config.judge_cut && totals.cut_options > 0;
    tshark::events(path, &config.read, judge_cut, monitor)
}

fn frames(events: &BTreeMap<u64, EventSet>) -> Vec<FrameEvents> {
    let frame = |(&frame, &events)| FrameEvents {
        frame,
        events: tshark::names(events),
    };
    events.iter().map(frame).collect()
}

/// The packets about which the analysers differ, with a second look at how each was read.
fn compare(
    path: &Path,
    policy: &ReadPolicy,
    native: &BTreeMap<u64, EventSet>,
    tshark: &BTreeMap<u64, EventSet>,
    monitor: &mut dyn Monitor,
) -> Result<Vec<Mismatch>, Error> {
    let of =
        |events: &BTreeMap<u64, EventSet>, frame| events.get(&frame).copied().unwrap_or_default();
    let frames: BTreeSet<u64> = native.keys().chain(tshark.keys()).copied().collect();
    let mut mismatches: Vec<_> = frames
        .into_iter()
        .filter(|&frame| of(native, frame) != of(tshark, frame))
        .map(|frame| Mismatch {
            frame,
            native: tshark::names(of(native, frame)),
            tshark: tshark::names(of(tshark, frame)),
            read_as: "not read",
        })
        .collect();
    if mismatches.is_empty() {
        return Ok(mismatches);
    }
    let mut pending = mismatches.iter_mut().peekable();
    let mut number = 0;
    let read = Capture::open(path, policy).and_then(|mut capture| {
        capture.for_each(monitor, |packet| {
            number += 1;
            if let Some(mismatch) = pending.next_if(|mismatch| mismatch.frame == number) {
                mismatch.read_as = read_as(packet);
            }
            Ok(())
        })
    });
    match read {
        Err(Error::Interrupted) => Err(Error::Interrupted),
        // Damage was found when the capture was first read.
        _ => Ok(mismatches),
    }
}

/// How a packet was read: its transport, or why it is out of scope.
fn read_as(packet: &Packet<'_>) -> &'static str {
    match wire::parse(packet).map(|headers| headers.transport) {
        Ok(Transport::Tcp(tcp)) if tcp.has_cut_options() => "tcp, options cut",
        Ok(Transport::Tcp(_)) => "tcp",
        Ok(Transport::Udp { .. }) => "udp",
        Ok(Transport::Icmp(_)) => "icmp",
        Ok(Transport::Other(_)) => "other",
        Err(reason) => reason.name(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};

    fn config(input: PathBuf) -> Config {
        Config {
            inputs: vec![input],
            ..Config::default()
        }
    }

    #[test]
    fn test_counts_are_those_of_the_packets_that_are_listed() {
        let listed = run(&config(data("example.pcap")), &mut Silent).unwrap();
        let counted = Config {
            counts: true,
            ..config(data("example.pcap"))
        };
        let counted = run(&counted, &mut Silent).unwrap();
        assert!(counted.captures[0].frames.is_none());
        let frames = listed.captures[0].frames.as_ref().unwrap();
        assert_eq!(frames.len() as u64, counted.totals().with_events);
        assert!(!frames.is_empty() && listed.is_clean());
    }

    #[test]
    fn test_analysers_agree() {
        if tshark::version().is_err() {
            eprintln!("skipped: tshark is not installed");
            return;
        }
        let both = Config {
            analyzer: Analyzer::Both,
            ..config(data("example.pcap"))
        };
        let outcome = run(&both, &mut Silent).unwrap();
        assert!(outcome.is_clean() && outcome.totals().with_events > 0);
    }

    #[test]
    fn test_analysers_agree_on_a_selection() {
        if tshark::version().is_err() {
            eprintln!("skipped: tshark is not installed");
            return;
        }
        let mut both = Config {
            analyzer: Analyzer::Both,
            ..config(data("example.pcap"))
        };
        both.read.selection.skip = 500;
        both.read.selection.first = Some(2_000);
        let outcome = run(&both, &mut Silent).unwrap();
        assert!(outcome.is_clean() && outcome.totals().with_events > 0);
        assert_eq!(outcome.totals().packets, 2_000);
    }

    #[test]
    fn test_damage_fails_after_what_came_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.pcap");
        fs::write(&cut, &fs::read(data("example.pcap")).unwrap()[..100_000]).unwrap();
        let outcome = run(&config(cut.clone()), &mut Silent).unwrap();
        assert!(outcome.failure.is_some() && outcome.totals().with_events > 0);
        let mut lenient = config(cut);
        lenient.read.lenient = true;
        let outcome = run(&lenient, &mut Silent).unwrap();
        assert!(outcome.failure.is_none() && outcome.captures[0].damage.is_some());
    }

    #[test]
    fn test_a_stop_is_heard_within_a_capture_and_between_captures() {
        let mut many = config(data("example.pcap"));
        many.inputs.push(data("example.pcap"));
        for config in [config(data("train/crowd.pcap.zst")), many] {
            let outcome = run(&config, &mut Stopping::after(1));
            assert!(matches!(outcome, Err(Error::Interrupted)));
        }
    }
}
