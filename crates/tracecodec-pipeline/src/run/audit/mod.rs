//! `audit`: what of captures survives in decoded or generated ones.

pub mod model;
mod names;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::action::{ActionSchema, Hosts, OptionProfiles, Services};
use tracecodec::audit::{Likeness, Linkage, Linked, Original, Search, Survival};
use tracecodec::compile::{CompileConfig, PayloadPolicy, Salt};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::oracle::Oracle;
use tracecodec::pcap::Timestamp;

pub use names::Disclosed;

use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::pair::{Pair, pairs};
use crate::files::{ReadPolicy, claim};
use crate::jobs;
use crate::monitor::Monitor;
use names::Names;

/// Most packet comments of a decoded capture that are searched for names.
const COMMENTS: usize = 10_000;

/// Captures to compare.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// What was decoded or learned from: a capture, or a folder of captures. It is read more than
    /// once.
    pub original: PathBuf,
    /// What came out: a capture, or a folder with the same names; `-` is stdin.
    pub decoded: PathBuf,
    /// Whether names, digests and dates of the original were to be left out, so that one of them is
    /// a finding.
    #[serde(default)]
    pub anonymous: bool,
    /// Decode the halves of each original, too, with one salt and with two, and compare their
    /// endpoints.
    #[serde(default)]
    pub link: bool,
    /// Number of captures that are audited at once; 0: as many as there are cores.
    #[serde(default)]
    pub jobs: usize,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// What survives, capture by capture.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Whether nothing survives beyond chance that should not.
    clean: bool,
    /// Results in the order of the captures' names.
    pub captures: Vec<CaptureAudit>,
}

/// What of a capture survives in another.
#[derive(Debug, Serialize)]
pub struct CaptureAudit {
    /// Path of the original.
    pub original: String,
    /// Path of the decoded capture.
    pub decoded: String,
    /// Packets of the original.
    pub original_packets: u64,
    /// Packets of the decoded capture.
    pub decoded_packets: u64,
    /// Identifiers, a row for each kind and each way to search for it.
    pub identifiers: Vec<Survival>,
    /// Names of the original that the decoded capture or a file beside it discloses.
    pub names: Vec<Disclosed>,
    /// Hosts by their degree vector: peers and flows that they opened and answered.
    pub hosts: Likeness,
    /// Flows by the gaps and sizes of their first ten packets.
    pub flows: Likeness,
    /// Endpoints that decodings of the two halves of the original have in common; empty unless
    /// asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<Linked>,
}

impl CaptureAudit {
    /// Whether nothing survives beyond chance that should not. What is kept by design does not
    /// count: graph, times, sizes, and endpoints that decodings with the same salt share.
    pub fn is_clean(&self, anonymous: bool) -> bool {
        let linked = self.linked.iter().filter(|linked| !linked.same_salt);
        let mut rows = self
            .identifiers
            .iter()
            .chain(linked.map(|linked| &linked.endpoints));
        !rows.any(|row| row.beyond_chance) && (!anonymous || self.names.is_empty())
    }
}

impl Outcome {
    /// Whether nothing survives beyond chance that should not, in any capture.
    pub fn is_clean(&self) -> bool {
        self.clean
    }
}

/// Searches decoded captures for identifiers of their originals.
///
/// # Errors
/// If a capture has no partner or cannot be read, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    claim::named_file(
        &config.original,
        "an original, which is read more than once,",
    )?;
    let pairs = pairs(&config.original, &config.decoded, monitor)?;
    let captures = jobs::each(
        &pairs,
        config.jobs,
        "auditing captures",
        monitor,
        |pair, monitor| audit(config, pair, monitor),
    )?;
    if captures.iter().all(|audit| audit.original_packets == 0) {
        return Err(Error::refused(
            format!("{}: no packet was read", config.original.display()),
            "without an original nothing can be said of the decoded capture",
        ));
    }
    let mut audits = captures.iter();
    Ok(Outcome {
        clean: audits.all(|audit| audit.is_clean(config.anonymous)),
        captures,
    })
}

fn audit(config: &Config, pair: &Pair, monitor: &mut dyn Monitor) -> Result<CaptureAudit, Error> {
    let mut original = Original::new();
    let mut began = None;
    let mut capture = Capture::open(&pair.reference, &config.read)?;
    capture.for_each(monitor, |packet| {
        began.get_or_insert(packet.time);
        original.observe(packet);
        Ok(())
    })?;
    let names = Names::new(&pair.reference, &capture.finish(monitor)?.blake3, began);
    let mut search = Search::new(&original);
    let mut comments = Vec::new();
    let mut decoded_began: Option<Timestamp> = None;
    let mut capture = Capture::open(&pair.decoded, &config.read)?;
    capture.for_each(monitor, |packet| {
        decoded_began.get_or_insert(packet.time);
        if !packet.comment.is_empty() && comments.len() < COMMENTS {
            comments.push(packet.comment.to_string());
        }
        search.observe(packet);
        Ok(())
    })?;
    let mut beside = names::beside(&pair.decoded);
    if config.decoded.is_dir() {
        beside.extend(names::beside(&config.decoded));
    }
    let names = names.disclosed(&capture.notes(), &comments, decoded_began, &beside);
    let has_payload = search.has_found_payload();
    let found = search.finish();
    if has_payload {
        render(config, &pair.reference, &mut original, monitor)?;
    }
    let linked = if config.link {
        link(config, &pair.reference, original.packets, monitor)?
    } else {
        Vec::new()
    };
    let identifiers = found.survivals(&original);
    let (original_packets, decoded_packets) = (original.packets, found.packets);
    let [hosts, flows] = original.behaviour.likeness(found.behaviour);
    Ok(CaptureAudit {
        original: pair.reference.display().to_string(),
        decoded: pair.decoded.display().to_string(),
        original_packets,
        decoded_packets,
        identifiers,
        names,
        hosts,
        flows,
        linked,
    })
}

/// Decodes the original by the oracle with salts of the audit's own, and notes the payload: actions
/// hold lengths and services and no byte of payload, so that what comes out is no one's content.
fn render(
    config: &Config,
    path: &Path,
    original: &mut Original,
    monitor: &mut dyn Monitor,
) -> Result<(), Error> {
    let mut oracles = [0, 1, 2, 3, 4, 5, 6, 7_u8].map(|number| {
        let (hosts, services, payload) = match number {
            0 => (Hosts::Flow, Services::None, PayloadPolicy::Synthetic),
            1..4 => (Hosts::Flow, Services::Class, PayloadPolicy::Shaped),
            _ => (Hosts::Graph, Services::Class, PayloadPolicy::Shaped),
        };
        let config = CompileConfig {
            salt: Salt(u64::MAX - u64::from(number)),
            schema: ActionSchema {
                hosts,
                services,
                ..ActionSchema::default()
            },
            payload,
            ..CompileConfig::default()
        };
        Oracle::new(config, MAX_SLOTS, OptionProfiles::new())
    });
    let mut capture = Capture::open(path, &config.read)?;
    capture.for_each(monitor, |packet| {
        for (oracle, number) in oracles.iter_mut().zip(0..) {
            if let Ok((_, decoded)) = oracle.step(packet) {
                original.rendered(number, &decoded);
            }
        }
        Ok(())
    })
}

/// Decodes the halves of the original, and compares their endpoints.
fn link(
    config: &Config,
    path: &Path,
    packets: u64,
    monitor: &mut dyn Monitor,
) -> Result<Vec<Linked>, Error> {
    let mut linkages = [Hosts::Flow, Hosts::Graph].map(Linkage::new);
    let mut number = 0;
    let mut capture = Capture::open(path, &config.read)?;
    capture.for_each(monitor, |packet| {
        number += 1;
        for linkage in &mut linkages {
            linkage.observe(number > packets / 2, packet);
        }
        Ok(())
    })?;
    Ok(linkages.into_iter().flat_map(Linkage::finish).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;
    use crate::run::roundtrip;
    use crate::testing::{Stopping, data};

    /// Takes the example through the oracle into a folder, and audits it.
    fn audited(set: impl FnOnce(&mut roundtrip::Config)) -> (CaptureAudit, bool) {
        let folder = tempfile::tempdir().unwrap();
        let decoded = folder.path().join("shared.pcapng");
        let mut trip = roundtrip::Config::new(data("example.pcap"), &decoded);
        trip.oracle = true;
        set(&mut trip);
        roundtrip::run(&trip, &mut Silent).unwrap();
        let config = Config {
            original: data("example.pcap"),
            decoded,
            anonymous: true,
            link: true,
            ..Config::default()
        };
        let mut outcome = run(&config, &mut Silent).unwrap();
        let is_clean = outcome.is_clean();
        (outcome.captures.remove(0), is_clean)
    }

    #[test]
    fn test_round_trips_disclose_no_identifier() {
        let (audit, is_clean) = audited(|trip| trip.disclosure.anonymous = true);
        assert!(is_clean && audit.names.is_empty(), "{audit:?}");
        assert!(audit.identifiers.iter().any(|row| row.searched > 100));
        assert_eq!(audit.flows.matched, audit.flows.unique);
        assert_eq!(audit.hosts.matched, 0);
        assert_eq!(audit.linked.len(), 4);
        let (audit, is_clean) = audited(|trip| {
            trip.disclosure.anonymous = true;
            trip.lift.hosts = Hosts::Graph;
            trip.lift.services = Services::Class;
            trip.realise.payload = Some(PayloadPolicy::Shaped);
        });
        assert!(is_clean, "{audit:?}");
        assert_eq!(audit.hosts.matched, audit.hosts.unique);
    }

    #[test]
    fn test_names_are_findings_of_what_was_to_be_anonymous() {
        let (audit, is_clean) = audited(|_| {});
        let names: Vec<_> = audit.names.iter().map(|name| name.what).collect();
        assert!(names.contains(&"digest") && names.contains(&"date"));
        assert!(!is_clean && audit.is_clean(false));
    }

    #[test]
    fn test_a_copy_is_a_finding_and_a_stop_is_heard() {
        let config = Config {
            original: data("example.pcap"),
            decoded: data("example.pcap"),
            ..Config::default()
        };
        assert!(!run(&config, &mut Silent).unwrap().is_clean());
        let config = Config {
            original: data("train/crowd.pcap.zst"),
            ..config
        };
        let error = run(&config, &mut Stopping::after(1)).unwrap_err();
        assert!(matches!(error, Error::Interrupted));
    }
}
