//! How faithful captures are to their references: the work behind `evaluate` and the continuation
//! benchmark.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::artifact::SourceEntry;
use tracecodec::choice::Choice;
use tracecodec::flow::{Conversations, CutOptions};
use tracecodec::metrics::{Evaluation, Meter, TraceSummary};
use tracecodec::pcap::Timestamp;
use tracecodec::tcp::events::EventSet;
use tracecodec::wire::Headers;

use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::files::pair::Pair;
use crate::jobs;
use crate::monitor::{Monitor, Parts};
use crate::tools::tshark;

/// Who finds the TCP events of an evaluation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Analyzer {
    /// The native analyser.
    #[default]
    Native,
    /// tshark. Where a capture cut TCP options, it sees NOPs.
    Tshark,
}

impl Choice for Analyzer {
    const WHAT: &'static str = "analyzer";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Native, "native", "This program"),
        (
            Self::Tshark,
            "tshark",
            "tshark, which must be installed. Where a capture cut TCP options, it sees NOPs",
        ),
    ];
}

/// Compares the captures of pairs, and adds up the counts. The evaluation has no names.
///
/// # Errors
/// If a capture cannot be read, tshark fails, or the monitor stops it.
pub(crate) fn compare(
    pairs: &[Pair],
    requested: Option<u64>,
    analyzer: Analyzer,
    read: &ReadPolicy,
    monitor: &mut dyn Monitor,
) -> Result<Evaluation, Error> {
    let parts = jobs::each(pairs, 0, "comparing captures", monitor, |pair, monitor| {
        let sides = Parts::new(monitor, "comparing captures", 2);
        let summary = |path: &Path| sides.work(|monitor| summarise(path, analyzer, read, monitor));
        let (reference, decoded) =
            rayon::join(|| summary(&pair.reference), || summary(&pair.decoded));
        Ok(Evaluation::of_pair(
            pair.name.clone(),
            reference?,
            decoded?,
            requested,
        ))
    })?;
    let mut whole = Evaluation::default();
    for part in parts {
        whole.merge(part);
    }
    Ok(whole)
}

fn summarise(
    path: &Path,
    analyzer: Analyzer,
    read: &ReadPolicy,
    monitor: &mut dyn Monitor,
) -> Result<(SourceEntry, TraceSummary), Error> {
    match analyzer {
        Analyzer::Native => {
            let mut conversations = Conversations::new(CutOptions::Judge);
            measure(path, read, monitor, |_, headers, time| {
                conversations.observe(headers, time)
            })
        }
        Analyzer::Tshark => {
            let found = tshark::events(path, read, true, monitor)?;
            measure(path, read, monitor, |number, _, _| {
                found.get(&number).copied().unwrap_or_default()
            })
        }
    }
}

fn measure(
    path: &Path,
    read: &ReadPolicy,
    monitor: &mut dyn Monitor,
    judge: impl FnMut(u64, &Headers<'_>, Timestamp) -> EventSet,
) -> Result<(SourceEntry, TraceSummary), Error> {
    let mut capture = Capture::open(path, read)?;
    let mut meter = Meter::new(judge);
    capture.for_each(monitor, |packet| {
        meter.observe(packet);
        Ok(())
    })?;
    Ok((capture.finish(monitor)?, meter.finish()))
}
