//! The latent-interface metrics: how much of the requested packets was decoded, and how close it
//! comes, where missing packets count as errors. (Paper, Appendix D.)

use serde::{Deserialize, Serialize};

use super::TraceSummary;
use crate::artifact::SourceEntry;

/// One pair of captures as a case of the latent-interface test: a requested suffix and the decoded
/// packets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Name of the pair.
    pub name: String,
    /// The reference capture's file.
    pub reference: SourceEntry,
    /// The decoded capture's file.
    pub decoded: SourceEntry,
    /// Requested packets.
    pub requested: u64,
    /// Packets of the decoded capture that are in scope, and so valid.
    pub valid: u64,
    /// All packets of the decoded capture.
    pub all: u64,
    /// Whether the decoded capture has exactly the requested packets, all of them valid; `None` if
    /// none were requested.
    pub usable: Option<bool>,
    /// Valid packets / requested packets, at most 1; `None` if none were requested.
    pub coverage: Option<f64>,
    /// Coverage-adjusted total variations; null if the reference has nothing to compare.
    #[serde(flatten)]
    pub distances: CoverageAdjusted,
}

/// Coverage-adjusted total variations, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CoverageAdjusted {
    /// Total variation of inter-arrival times, by millisecond.
    pub iat_ms: Option<f64>,
    /// Total variation of inter-arrival times, by logarithmic bin.
    pub iat_log: Option<f64>,
    /// Total variation of packet sizes.
    pub packet_size: Option<f64>,
    /// Total variation of packets a session.
    pub packets_per_session: Option<f64>,
    /// Total variation of session durations, by millisecond.
    pub session_duration_ms: Option<f64>,
    /// Total variation of session durations, by logarithmic bin.
    pub session_duration_log: Option<f64>,
}

impl Case {
    /// Key by which cases are sorted.
    pub(super) fn order(&self) -> impl Ord + '_ {
        let files = [&self.reference, &self.decoded];
        (&self.name, files.map(|file| &file.blake3))
    }

    /// A pair of captures as a case. Without `requested`, the number of requested packets is that
    /// of the reference.
    pub fn new(
        name: String,
        (reference_file, reference): (SourceEntry, &TraceSummary),
        (decoded_file, decoded): (SourceEntry, &TraceSummary),
        requested: Option<u64>,
    ) -> Self {
        let requested = requested.unwrap_or(reference.packets);
        let valid = decoded.packets;
        let all = valid + decoded.skipped.values().sum::<u64>();
        let coverage = (requested > 0).then(|| (valid as f64 / requested as f64).min(1.0));
        let adjusted = |of: fn(&TraceSummary) -> &super::Histogram| {
            of(reference).coverage_adjusted(of(decoded), coverage?)
        };
        Self {
            name,
            reference: reference_file,
            decoded: decoded_file,
            requested,
            valid,
            all,
            usable: coverage.map(|_| valid == requested && all == requested),
            coverage,
            distances: CoverageAdjusted {
                iat_ms: adjusted(|summary| &summary.iat.ms),
                iat_log: adjusted(|summary| &summary.iat.log),
                packet_size: adjusted(|summary| &summary.packet_sizes),
                packets_per_session: adjusted(|summary| &summary.packets_per_session),
                session_duration_ms: adjusted(|summary| &summary.session_durations.ms),
                session_duration_log: adjusted(|summary| &summary.session_durations.log),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(packets: u64, skipped: u64, sizes: &[(u64, u64)]) -> TraceSummary {
        TraceSummary {
            packets,
            skipped: [("fragment".to_string(), skipped)].into(),
            packet_sizes: sizes.iter().copied().collect(),
            ..TraceSummary::default()
        }
    }

    fn case(reference: &TraceSummary, decoded: &TraceSummary, requested: Option<u64>) -> Case {
        let file = SourceEntry {
            name: "a.pcap".to_string(),
            blake3: String::new(),
            bytes: 0,
            packets: 0,
            damage: None,
            selection: None,
            tunnels: Default::default(),
        };
        let reference = (file.clone(), reference);
        Case::new("a".to_string(), reference, (file, decoded), requested)
    }

    #[test]
    fn test_case_by_hand() {
        let reference = summary(4, 0, &[(40, 2), (1500, 2)]);
        let decoded = summary(3, 1, &[(40, 3)]);
        let case = case(&reference, &decoded, None);
        assert_eq!((case.requested, case.valid, case.all), (4, 3, 4));
        assert_eq!((case.usable, case.coverage), (Some(false), Some(0.75)));
        // The distance is ½ (|½ − ¾| + |½ − 0| + ¼)
        assert_eq!(case.distances.packet_size, Some(0.5));
        assert_eq!(case.distances.iat_ms, None);
    }

    #[test]
    fn test_more_than_was_asked_for_is_not_usable() {
        let reference = summary(4, 0, &[(40, 4)]);
        let more = case(&reference, &reference, Some(3));
        assert_eq!((more.usable, more.coverage), (Some(false), Some(1.0)));
        let right = case(&reference, &reference, Some(4));
        assert_eq!(right.usable, Some(true));
        let nothing = case(&TraceSummary::default(), &reference, None);
        assert_eq!((nothing.usable, nothing.coverage), (None, None));
    }
}
